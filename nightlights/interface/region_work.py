"""The regions that a visitor works on: loaded from the workspace, saved at every change."""

from dataclasses import dataclass, replace
from typing import Final

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.drawing import RegionEditor
from nightlights.interface.map_parts import View
from nightlights.interface.state import flash
from nightlights.names import checked_name
from nightlights.region_checks import Problem
from nightlights.region_files import delete_collection, load_collection, save_collection
from nightlights.regions import Region, RegionCollection
from nightlights.workspace import Workspace

FIRST_NAME: Final = "regions"
"""Name of the collection that the first drawing of an empty workspace makes."""

_CHOSEN: Final = "regions-chosen"
_WORK: Final = "regions-work"
_VIEW: Final = "regions-view"


@dataclass
class RegionWork:
    """An editor, and the file of its collection as this visitor last saw it."""

    workspace: Workspace
    editor: RegionEditor
    seen_ns: int | None

    @property
    def name(self) -> str:
        """Name of the collection."""
        return self.editor.collection.name

    def save(self) -> None:
        """Write the collection; a failure is shown and leaves the drawings on the screen."""
        try:
            save_collection(self.workspace, self.editor.collection)
        except NightlightsError as error:
            flash(f"The regions are not saved. {error}", "error")
        self.seen_ns = _changed_ns(self.workspace, self.name)

    def follow_disk(self) -> None:
        """Take in what another program saved since."""
        changed = _changed_ns(self.workspace, self.name)
        if changed is not None and changed != self.seen_ns:
            self.editor.replace_from_disk(load_collection(self.workspace, self.name))
            self.seen_ns = changed


def _changed_ns(workspace: Workspace, name: str) -> int | None:
    try:
        return workspace.regions_file(name).stat().st_mtime_ns
    except OSError:
        return None


def collection_names(workspace: Workspace) -> list[str]:
    """Names of the collections, with the one being worked on, even before its first drawing."""
    names = set(workspace.region_names())
    chosen = st.session_state.get(_CHOSEN)
    return sorted(names | {chosen} if chosen else names) or [FIRST_NAME]


def choose(name: str) -> None:
    """Work on the collection ``name`` from now on."""
    st.session_state[_CHOSEN] = name
    st.session_state.pop(_VIEW, None)
    st.query_params["collection"] = name


def chosen_name(workspace: Workspace) -> str:
    """The collection to work on: as chosen, as in the page's address, or the first there is."""
    names = workspace.region_names()
    asked = st.query_params.get("collection")
    name: str | None = st.session_state.get(_CHOSEN)
    if name is None:
        name = asked if asked in names else (names[0] if names else FIRST_NAME)
        st.session_state[_CHOSEN] = name
    return name


def work_on(workspace: Workspace, name: str) -> RegionWork:
    """The work on the collection ``name``, with its undo history, for this visitor.

    Raises
    ------
    RegionError
        When the file is broken.
    """
    works: dict[str, RegionWork] = st.session_state.setdefault(_WORK, {})
    if name not in works or works[name].workspace != workspace:
        changed = _changed_ns(workspace, name)
        collection = RegionCollection(name) if changed is None else load_collection(workspace, name)
        works[name] = RegionWork(workspace, RegionEditor(collection), changed)
    works[name].follow_disk()
    return works[name]


def create(workspace: Workspace, name: str) -> None:
    """Begin an empty collection and work on it."""
    checked_name(name, "name of regions")
    if name in workspace.region_names():
        flash(f"There are already regions named {name}.", "warning")
        return
    save_collection(workspace, RegionCollection(name))
    choose(name)


def rename(work: RegionWork, name: str) -> None:
    """Give the collection another name; its file is written under the new one before the old one goes."""
    checked_name(name, "name of regions")
    if name in work.workspace.region_names():
        flash(f"There are already regions named {name}.", "warning")
        return
    save_collection(work.workspace, replace(work.editor.collection, name=name))
    remove(work)
    choose(name)


def remove(work: RegionWork) -> None:
    """Delete the collection from disk and from this visitor's memory."""
    if work.name in work.workspace.region_names():
        delete_collection(work.workspace, work.name)
    st.session_state[_WORK].pop(work.name, None)
    names = work.workspace.region_names()
    choose(names[0] if names else FIRST_NAME)


def tell(problems: list[Problem]) -> None:
    """Say what was repaired."""
    for problem in problems:
        flash(str(problem), "info" if problem.severity == "repaired" else "warning")


def look_at_place(name: str, longitude: float, latitude: float) -> None:
    """Move the map to a place."""
    _look(View(_token(name), longitude=longitude, latitude=latitude, zoom=11))


def look_at_regions(regions: tuple[Region, ...]) -> None:
    """Move the map so that all of ``regions`` are seen."""
    if regions:
        _look(View(_token("regions"), bounds=_bounds(regions)))


def _bounds(regions: tuple[Region, ...]) -> tuple[float, float, float, float]:
    bounds = [region.geometry.bounds for region in regions]
    west, south = (min(bound[axis] for bound in bounds) for axis in (0, 1))
    east, north = (max(bound[axis] for bound in bounds) for axis in (2, 3))
    return west, south, east, north


def _token(name: str) -> str:
    # Going twice to one place must move the map twice.
    count = st.session_state.get("regions-views", 0) + 1
    st.session_state["regions-views"] = count
    return f"{name}-{count}-{id(st.session_state)}"


def _look(view: View) -> None:
    st.session_state[_VIEW] = view


def view(work: RegionWork) -> View | None:
    """Where the map was last told to go; when a collection is opened, to its regions.

    The map goes to a token once, so a reload leaves it where the visitor had moved it.
    """
    if _VIEW not in st.session_state:
        # Decided once: the first region that somebody draws must not move the map under the pointer.
        opened = work.editor.regions
        st.session_state[_VIEW] = View(f"collection-{work.name}", bounds=_bounds(opened)) if opened else None
    found: View | None = st.session_state[_VIEW]
    return found
