"""The narrow column beside the drawing map, in the order in which a person decides."""

import json
from collections.abc import Callable

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface import region_work
from nightlights.interface.navigation import go_to_page
from nightlights.interface.region_table import BAND_COUNT, size_words
from nightlights.interface.region_work import RegionWork
from nightlights.interface.state import flash
from nightlights.manifests import ROLES, Role
from nightlights.places import search
from nightlights.presets import PRESETS
from nightlights.region_checks import Problem
from nightlights.region_files import import_upload
from nightlights.regions import export_bytes
from nightlights.settings import Settings
from nightlights.wording import area_words, counted

_ROLE_HELP = "Gold regions train the network, blue ones judge it, magenta ones are only predicted."
_RESULTS = 4


def collection_chooser(work: RegionWork) -> None:
    """Which collection; new, rename and delete behind one button."""
    names = region_work.collection_names(work.workspace)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Collection", names, index=names.index(work.name), help="Regions that belong together, one file."
        )
        with st.popover("", icon=":material/more_vert:", help="New, rename, delete"):
            _manage(work)
    if chosen != work.name:
        region_work.choose(chosen)
        st.rerun()


def _manage(work: RegionWork) -> None:
    with st.form("new-collection", border=False):
        name = st.text_input("New collection", placeholder="west-africa")
        if st.form_submit_button("Create", icon=":material/add:"):
            _try_and_rerun(lambda: region_work.create(work.workspace, name.strip()))
    with st.form("rename-collection", border=False):
        name = st.text_input("Rename to", value=work.name)
        if st.form_submit_button("Rename", icon=":material/edit:") and name.strip() != work.name:
            _try_and_rerun(lambda: region_work.rename(work, name.strip()))
    count = len(work.editor.regions)
    sure = st.checkbox(f"Delete {work.name} with its {counted(count, 'region')}")
    if st.button("Delete collection", icon=":material/delete:", disabled=not sure):
        _try_and_rerun(lambda: region_work.remove(work))


def _try_and_rerun(action: Callable[[], None]) -> None:
    try:
        action()
    except NightlightsError as error:
        flash(str(error), "error")
    st.rerun()


def place_search() -> None:
    """Fly to a city: the best match at once, others by a click."""
    text = st.text_input("Find a place", placeholder="Lagos", icon=":material/search:", key="regions-search")
    if not text:
        return
    found = search(text, limit=_RESULTS)
    if not found:
        st.caption(f"No city of 15,000 people or more is named {text!r}.")
        return
    if st.session_state.get("regions-searched") != text:
        st.session_state["regions-searched"] = text
        region_work.look_at_place(found[0].name, found[0].longitude, found[0].latitude)
    with st.container(gap=None):
        for index, place in enumerate(found):
            st.button(
                f"{place.name}, {place.country} · {place.population:,} people",
                key=f"place-{index}",
                type="tertiary",
                on_click=region_work.look_at_place,
                args=(place.name, place.longitude, place.latitude),
            )


def role_chooser() -> Role:
    """The role of the next shape."""
    role = st.segmented_control(
        "Draw regions to", ROLES, default="train", key="regions-role", help=_ROLE_HELP, width="stretch"
    )
    return role or "train"


def history_buttons(work: RegionWork) -> None:
    """Undo, redo, and a look at everything."""
    editor = work.editor
    with st.container(horizontal=True):
        st.button("Undo", icon=":material/undo:", disabled=not editor.can_undo, on_click=_undo, args=(work,))
        st.button("Redo", icon=":material/redo:", disabled=not editor.can_redo, on_click=_redo, args=(work,))
        st.button(
            "",
            icon=":material/zoom_out_map:",
            key="regions-show-all",
            help="Show all regions",
            disabled=not editor.regions,
            on_click=region_work.look_at_regions,
            args=(editor.regions,),
        )


def _undo(work: RegionWork) -> None:
    work.editor.undo()
    work.save()


def _redo(work: RegionWork) -> None:
    work.editor.redo()
    work.save()


def add_more(work: RegionWork, settings: Settings, role: Role) -> None:
    """Upload a file, or take a preset; download what there is."""
    with st.expander("Upload, presets, download", icon=":material/library_add:"):
        preset = st.selectbox(
            "Preset",
            list(PRESETS),
            index=None,
            format_func=lambda name: PRESETS[name].title,
            placeholder="Choose cities of the study",
        )
        if preset:
            st.caption(PRESETS[preset].description)
        st.button(
            "Add preset", disabled=not preset, on_click=_add_preset, args=(work, preset), width="stretch"
        )
        uploaded = st.file_uploader(
            "GeoJSON, GeoPackage or zipped Shapefile",
            type=["geojson", "json", "gpkg", "zip", "shp"],
            help="The columns name and role are honoured; features without a role get the one chosen above.",
        )
        if uploaded and st.session_state.get("regions-uploaded") != uploaded.file_id:
            st.session_state["regions-uploaded"] = uploaded.file_id
            _upload(work, uploaded.name, uploaded.getvalue(), settings, role)
            st.rerun()
        st.download_button(
            "Download GeoJSON",
            data=json.dumps(work.editor.collection.to_geojson(), indent=2),
            file_name=f"{work.name}.geojson",
            mime="application/geo+json",
            icon=":material/download:",
            on_click="ignore",
            disabled=not work.editor.regions,
            width="stretch",
        )


def _add_preset(work: RegionWork, preset: str) -> None:
    have = {region.name for region in work.editor.regions}
    fresh = [region for region in PRESETS[preset] if region.name not in have]
    work.editor.add(fresh)
    work.save()
    region_work.look_at_regions(work.editor.regions)
    flash(f"Added {counted(len(fresh), 'region')} of {PRESETS[preset].title}.")


def _upload(work: RegionWork, name: str, content: bytes, settings: Settings, role: Role) -> None:
    try:
        imported = import_upload(name, content, settings, default_role=role)
    except NightlightsError as error:
        flash(str(error), "error")
        return
    count = work.editor.add(imported.regions)
    work.save()
    region_work.look_at_regions(imported.regions)
    region_work.tell([problem for problem in imported.problems if problem.severity == "repaired"])
    region_work.tell([problem for problem in imported.problems if problem.region is None])
    flash(f"Added {counted(count, 'region')} from {name}.")


def next_step(work: RegionWork, problems: list[Problem], settings: Settings) -> None:
    """What the export will take, and the way to it."""
    regions = work.editor.regions
    errors = sum(problem.severity == "error" for problem in problems)
    st.button(
        "Go on to imagery",
        type="primary",
        icon=":material/arrow_forward:",
        disabled=not regions or errors > 0,
        width="stretch",
        on_click=st.session_state.update,
        args=({"regions-go-on": True},),
    )
    if st.session_state.pop("regions-go-on", False):
        go_to_page("imagery")
    if not regions:
        st.caption("Draw a polygon or a rectangle with the tools at the left of the map, or take a preset.")
    elif errors:
        st.caption(f"{errors} problem{'s' * (errors != 1)} to solve first: see the table.")
    else:
        area = sum(region.window_area_km2 for region in regions)
        patches = sum(region.patches(settings.patch_size) for region in regions)
        size = size_words(export_bytes(regions, BAND_COUNT, truth=True))
        roles = ", ".join(
            f"{count} to {role}"
            for role in ROLES
            if (count := sum(region.role == role for region in regions))
        )
        st.caption(
            f"{counted(len(regions), 'region')} ({roles}), {area_words(area)}, {counted(patches, 'patch')}; "
            f"exporting makes at most {size}."
        )
