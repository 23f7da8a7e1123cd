"""The one map component: a map that needs no network and is never torn down.

``streamlit_folium`` keeps a map alive as long as its key and its generated script stay the same. So
:func:`base_map` must be called with the same arguments at every run of a page, and everything that moves is
given to :func:`show_map`, which sends it as one command to the scripts in ``static/``.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import streamlit as st

from nightlights.interface.map_parts import Basemap, DrawnRegions, Legend, MapLayer, Outline, View
from nightlights.interface.theme import theme_name

__all__ = [
    "Basemap",
    "DrawnRegions",
    "Legend",
    "MapLayer",
    "Outline",
    "View",
    "base_map",
    "last_answer",
    "show_map",
]

HEIGHT: Final = 640
"""Height of a map in pixels."""


def base_map(
    center: tuple[float, float],
    zoom: int,
    draw: bool,
    *,
    keep_view: str | None = None,
    basemaps: Sequence[Basemap] = (Basemap("Land outline"),),
    place_names: bool = True,
) -> Any:
    """A map whose scripts all come from this server: geemap's where ``draw`` holds, else folium's.

    Parameters
    ----------
    center:
        (latitude, longitude) in degrees.
    zoom:
        Zoom level at the start.
    draw:
        Whether polygons and rectangles can be drawn, edited and deleted.
    keep_view:
        Under this name the browser remembers where the visitor was, over reloads and changes of page.
    basemaps:
        What may lie beneath, the first as default; the usual basemaps of the internet follow, and are asked
        for tiles only when the visitor chooses them. The land outline always lies beneath.
    place_names:
        Whether the largest cities of the view are named.
    """
    from nightlights.interface.base_map import build

    return build(center, zoom, draw, keep_view, basemaps, place_names)


def _corners(bounds: tuple[float, float, float, float]) -> list[list[float]]:
    west, south, east, north = bounds
    return [[south, west], [north, east]]


def _described(value: MapLayer | View) -> dict[str, Any]:
    described = asdict(value)
    described["bounds"] = _corners(value.bounds) if value.bounds else None
    return described


def _explained(legend: Legend) -> dict[str, Any]:
    ticks = [{"position": position, "label": label} for position, label in legend.ticks]
    return {**asdict(legend), "ticks": ticks}


def show_map(
    element: Any,
    key: str,
    *,
    feature_groups: Sequence[Any] = (),
    layers: Sequence[MapLayer] = (),
    swipe: tuple[str, str] | None = None,
    legends: Sequence[Legend] = (),
    outlines: Sequence[Outline] = (),
    regions: DrawnRegions | None = None,
    view: View | None = None,
    height: int = HEIGHT,
    returned: Sequence[str] = (),
) -> dict[str, Any]:
    """Draw the map, and send it what moves.

    Parameters
    ----------
    element:
        From :func:`base_map`, made with the same arguments at every run.
    key:
        Name of the map within the page.
    feature_groups:
        Further folium feature groups that may change from run to run.
    layers:
        Rasters, the first at the bottom.
    swipe:
        Names on the left and right of a movable border between the layers of either ``side``.
    legends, outlines:
        What else the map shall show.
    regions:
        The regions that the drawing tools hold.
    view:
        Where to go.
    height:
        In pixels.
    returned:
        What of the visitor's doing reruns the page: ``all_drawings`` (added by itself where regions are
        drawn), ``last_clicked``; see ``streamlit_folium.st_folium``.

    Returns
    -------
    dict
        The values named in ``returned``; None where nothing happened yet.
    """
    # Imported here, because they take seconds the first time and the rest of the page should not wait.
    import folium
    from streamlit_folium import st_folium

    from nightlights.interface.base_map import Command

    command: dict[str, Any] = {
        "theme": theme_name(),
        "layers": [_described(layer) for layer in layers],
        "swipe": list(swipe) if swipe else None,
        "legends": [_explained(legend) for legend in legends],
        "outlines": [asdict(outline) for outline in outlines],
        "view": _described(view) if view else None,
    }
    if regions is not None:
        command["regions"] = asdict(regions)
    moving = folium.FeatureGroup(name="moving", control=False)
    Command(command).add_to(moving)
    wanted = dict.fromkeys([*returned, *(["all_drawings"] if regions is not None else [])])
    answer = st_folium(
        element,
        key=key,
        height=height,
        use_container_width=True,
        returned_objects=list(wanted),
        feature_group_to_add=[moving, *feature_groups],
    )
    return dict(answer or {})


def last_answer(key: str) -> dict[str, Any]:
    """What the map of this key last said, for a page that must know it before it draws the map."""
    answer = st.session_state.get(key)
    return dict(answer) if answer else {}
