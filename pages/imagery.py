"""Imagery: export pairs of images for the regions, and look at what came."""

import streamlit as st
from pydantic import ValidationError

from nightlights.errors import NightlightsError, RegionError
from nightlights.interface import dataset_view
from nightlights.interface.choices import chosen, chosen_before
from nightlights.interface.export_form import ask_for_export, export_is_simulated, plan_export
from nightlights.interface.export_progress import region_progress
from nightlights.interface.glow_panel import glow_panel
from nightlights.interface.import_form import import_panel
from nightlights.interface.job_list import jobs_to_show, show_job
from nightlights.interface.navigation import page_link
from nightlights.interface.plots import show_chart
from nightlights.interface.state import job_store, page_header, settings, show_error, workspace
from nightlights.manifests import DatasetManifest

space, store = workspace(), job_store()
exports = [job for job in store.list() if job.kind in ("export", "import", "example")]
datasets = dataset_view.manifests(space.dataset_names())
taken = [*space.dataset_names(), *(job.target for job in exports if job.active)]
if st.session_state.get("export-wanted") in datasets:
    st.session_state["dataset"] = st.session_state.pop("export-wanted")
shown = chosen_before("dataset", list(datasets))
page_header(
    "Imagery",
    "Export a daytime and a VIIRS image of every region, then look at what came.",
    source_simulated=datasets[shown].source.simulated if shown else export_is_simulated(settings()),
)
content, form = st.columns([3, 1], gap="large")


def export_form() -> bool:
    """Ask what to export, say what it takes, and start it; whether there is a button that does."""
    st.markdown("#### Export")
    if not space.region_names():
        st.info("There are no regions yet. Draw or upload some first.")
        page_link("regions", "Draw regions")
        return False
    try:
        request = ask_for_export(space, settings(), taken)
        if request is None:
            return False
        plan = plan_export(space, request, settings())
        st.caption(plan.sentence)
        if request.earthengine is not None:
            st.caption(" ".join(plan.notes))
        else:
            for note in plan.notes:
                st.info(note)
        if not plan.fits:
            st.error(
                "**The disk has too little room for this.**  \nFree some space, or export fewer regions."
            )
        if st.button("Export", type="primary", disabled=not plan.fits, width="stretch"):
            store.submit("export", request, f"Export {request.dataset}")
            # What was asked for last is looked at first: shown below as soon as it is there.
            st.session_state["export-wanted"] = request.dataset
            st.rerun()
        if any(job.active for job in exports):
            # The button is far below the card of the job that it started.
            st.caption("A dataset is being made: how far it is stands at the top of this page.")
        return True
    except ValidationError as error:
        st.error(f"**{error.errors()[0]['msg'].removeprefix('Value error, ')}.**")
    except NightlightsError as error:
        show_error(error)
        if isinstance(error, RegionError):
            page_link("regions", "Go back to the regions")
    return False


def show_dataset(manifest: DatasetManifest) -> None:
    """The patches, the histogram and the table of one dataset."""
    st.caption(dataset_view.description(manifest))
    for sentence in manifest.source.attribution:
        st.caption(sentence)
    page_link("train", "Go on to train a network on it", dataset=manifest.name)
    try:
        dataset_view.gallery(manifest, settings().patch_size)
    except NightlightsError as error:
        show_error(error)
    figure = dataset_view.histogram(manifest)
    if figure:
        st.markdown("#### Radiance, training against evaluation")
        show_chart(figure, key=f"radiance-{manifest.name}", height=300)
    st.markdown("#### Regions")
    dataset_view.region_table(manifest)
    dataset_view.truth_words(manifest)
    glow_panel(manifest)
    dataset_view.delete_dataset(manifest.name)


with form:
    ready = export_form()
    import_panel(settings(), taken)
with content:
    for job in jobs_to_show(exports):
        show_job(job)
        if job.kind == "export":
            region_progress(job)
    if datasets:
        name = chosen("Dataset", list(datasets), key="dataset")
        show_dataset(datasets[name])
    elif not any(job.active for job in exports):
        click = "Choose regions and click **Export**" if ready else "First do what the form under Export says"
        st.info(f"There is no dataset yet. {click}; the patches appear here.")
