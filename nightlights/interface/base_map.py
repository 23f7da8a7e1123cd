"""The base of every map, geemap's where regions are drawn, with scripts that come from this server.

Kept apart from :mod:`~nightlights.interface.map_view`, which pages import: folium and geemap take seconds.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import folium
from branca.element import MacroElement
from folium.elements import JSCSSMixin
from jinja2 import Template

from nightlights.interface.map_parts import Basemap
from nightlights.interface.scripts import OWN_SCRIPTS, OWN_STYLES, base_path, make_offline, own_links
from nightlights.palettes import ROLE_COLOURS

MINIMUM_ZOOM: Final = 2
"""The whole world on a screen."""
MAXIMUM_ZOOM: Final = 16
"""Analysis pixels of 29 m are about 12 screen pixels wide there."""

_ESRI: Final = "https://server.arcgisonline.com/ArcGIS/rest/services"
_BASEMAPS: Final = (
    Basemap(
        "OpenStreetMap",
        url="https://tile.openstreetmap.org/{z}/{x}/{y}.png",
        attribution='&copy; <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> contributors',
    ),
    Basemap(
        "Satellite (Esri)",
        url=f"{_ESRI}/World_Imagery/MapServer/tile/{{z}}/{{y}}/{{x}}",
        attribution="&copy; Esri, Maxar, Earthstar Geographics and the GIS User Community",
        max_zoom=18,
    ),
    Basemap(
        "Streets (Esri)",
        url=f"{_ESRI}/World_Street_Map/MapServer/tile/{{z}}/{{y}}/{{x}}",
        attribution="&copy; Esri, HERE, Garmin, USGS and the GIS User Community",
        max_zoom=18,
    ),
)
"""The usual basemaps that need no key, as their providers publish them (xyzservices lists the same)."""


def script_json(value: Any) -> str:
    """JSON for a script: it cannot end the script element it stands in."""
    return json.dumps(value, sort_keys=True, allow_nan=False).replace("<", "\\u003c")


class _Runtime(JSCSSMixin, MacroElement):  # type: ignore[misc]
    """Loads this project's scripts and starts them on the map."""

    _template = Template(
        "{% macro script(this, kwargs) %}"
        "NightlightsMap.attach({{ this._parent.get_name() }}, {{ this.settings }});"
        "{% endmacro %}"
    )

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self._name = "NightlightsRuntime"
        self.settings = script_json(settings)
        self.default_js = own_links(OWN_SCRIPTS)
        self.default_css = own_links(OWN_STYLES)


class Command(MacroElement):  # type: ignore[misc]
    """One command to the running map."""

    _template = Template(
        "{% macro script(this, kwargs) %}NightlightsMap.receive({{ this.command }});{% endmacro %}"
    )

    def __init__(self, command: dict[str, Any]) -> None:
        super().__init__()
        self._name = "NightlightsCommand"
        self.command = script_json(command)


def _geemap() -> Any:
    # geemap chooses between its two map engines when it is first imported.
    os.environ["USE_FOLIUM"] = "1"
    import geemap.foliumap

    return geemap.foliumap


def warm() -> None:
    """Import geemap, which takes seconds, before somebody waits for it."""
    build((0.0, 0.0), 2, draw=True, keep_view=None, basemaps=(), place_names=False)


def build(
    center: tuple[float, float],
    zoom: int,
    draw: bool,
    keep_view: str | None,
    basemaps: Sequence[Basemap],
    place_names: bool,
) -> Any:
    """The map; see :func:`nightlights.interface.map_view.base_map`."""
    options = {"max_zoom": MAXIMUM_ZOOM, "world_copy_jump": True, "zoom_snap": 0.5}
    if not draw:
        # geemap's map is folium's with tools for drawing and for Earth Engine, and takes 3 s more to import.
        element = folium.Map(location=list(center), zoom_start=zoom, tiles=None, **options)
    else:
        element = _geemap().Map(
            center=list(center),
            zoom=zoom,
            ee_initialize=False,
            search_control=False,
            basemap=None,
            plugin_Draw=False,
            plugin_Fullscreen=False,
            plugin_LayerControl=False,
            **options,
        )
        shape = {"allowIntersection": True, "showArea": False, "metric": True}
        folium.plugins.Draw(
            show_geometry_on_click=False,
            draw_options={
                "polygon": shape,
                "rectangle": {"showArea": False},
                "polyline": False,
                "circle": False,
                "circlemarker": False,
                "marker": False,
            },
        ).add_to(element)
    prefix = base_path()
    _Runtime(
        {
            "outline": f"{prefix}/assets/land_outline.geojson",
            "places": f"{prefix}/places" if place_names else None,
            "bases": [asdict(basemap) for basemap in (*basemaps, *_BASEMAPS)],
            "draw": draw,
            "colours": dict(ROLE_COLOURS),
            "keep_view": keep_view,
            "min_zoom": MINIMUM_ZOOM,
            "max_zoom": MAXIMUM_ZOOM,
        }
    ).add_to(element)
    make_offline(element)
    return element
