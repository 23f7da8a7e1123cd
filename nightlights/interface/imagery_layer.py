"""Imagery of Earth Engine anywhere on the drawing map, before anything is exported."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import streamlit as st

from nightlights.bands import LANDSAT_BANDS
from nightlights.composites import DaytimeComposite, NighttimeComposite
from nightlights.errors import NightlightsError, SettingsError
from nightlights.interface.background import answer
from nightlights.interface.connection import connected_or_prompt, connection, page_deadline
from nightlights.interface.legends import band_legends, radiance_legend
from nightlights.interface.map_parts import Legend, MapLayer
from nightlights.interface.state import settings, show_error
from nightlights.settings import Settings

if TYPE_CHECKING:
    from nightlights.sources.earthengine.layers import TileLayer

DAYTIME_STYLES: Final = ("True colour", "False colour", "Thermal")
VIIRS: Final = "VIIRS"
SHOWN_KEY: Final = "imagery-shown"

WORLD: Final = (-180.0, -65.0, 180.0, 75.0)
"""(west, south, east, north) in degrees: where VIIRS has monthly composites."""
_LOWEST_ZOOM: Final = 8
"""Further out a composite would need thousands of scenes for one tile."""
_NATIVE_ZOOM: Final = 13
_VIIRS_NATIVE_ZOOM: Final = 11
LAYER_AGE_S: Final = 2 * 3600.0
"""After this long a new address of a layer is asked for."""
LAYER_VALID_S: Final = 4 * 3600.0
"""After this long the address of a layer may not work any more."""


@dataclass(frozen=True, slots=True)
class ShownImagery:
    """What the map shows of Earth Engine: nothing, or one layer with its legend."""

    layers: tuple[MapLayer, ...] = ()
    legends: tuple[Legend, ...] = ()


def is_shown() -> bool:
    """Whether the visitor has chosen imagery."""
    return st.session_state.get(SHOWN_KEY) is not None


def imagery_is_measured() -> bool:
    """Whether the map shows what satellites measured, not what is simulated."""
    made = connection()
    return is_shown() and made is not None and not made.local


def imagery_chooser() -> ShownImagery:
    """Ask what to show and of which period; what the map shall show."""
    with st.expander("Show imagery", icon=":material/satellite_alt:", expanded=is_shown()):
        shown = st.selectbox(
            "Imagery",
            [*DAYTIME_STYLES, VIIRS],
            index=None,
            placeholder="Nothing",
            key=SHOWN_KEY,
            persist_state="session",
            help="Landsat 8, median of the clear pixels, or monthly VIIRS: the median over the period.",
        )
        start = st.date_input("From", date(2020, 1, 1), key="imagery-from", persist_state="session")
        end = st.date_input("To", date(2022, 12, 31), key="imagery-to", persist_state="session")
        if shown is None or connected_or_prompt("see imagery") is None:
            return ShownImagery()
        try:
            return _imagery(shown, start, end)
        except NightlightsError as error:
            show_error(error)
            return ShownImagery()


def _imagery(shown: str, start: date, end: date) -> ShownImagery:
    if end < start:
        raise SettingsError(f"The period ends ({end}) before it starts ({start}).", "Change one of the days.")
    wanted = settings()
    found = answer(
        ("layer", shown, start, end, wanted),
        lambda: _tile_layer(shown, start, end, wanted),
        "Asking Earth Engine …",
        maximum_age_s=LAYER_AGE_S,
        valid_s=LAYER_VALID_S,
    )
    if found is None:
        return ShownImagery()
    if shown == VIIRS:
        layer = MapLayer(VIIRS, found.url, WORLD, max_zoom=_VIIRS_NATIVE_ZOOM, attribution=found.attribution)
        return ShownImagery((layer,), (radiance_legend(VIIRS),))
    st.caption(
        "Zoom in until the scale bar at the map's corner says 50 km or less; the pieces then come within "
        "seconds, one by one. Where nothing is drawn after that, the period has no clear pixel."
    )
    layer = MapLayer(
        shown,
        found.url,
        WORLD,
        min_zoom=_LOWEST_ZOOM,
        max_zoom=_NATIVE_ZOOM,
        smooth=True,
        attribution=found.attribution,
    )
    return ShownImagery((layer,), tuple(band_legends(LANDSAT_BANDS, [shown])))


def _tile_layer(shown: str, start: date, end: date, wanted: Settings) -> "TileLayer":
    from nightlights.sources.earthengine.layers import daytime_layer, nighttime_layer

    with page_deadline(wanted):
        if shown == VIIRS:
            return nighttime_layer(NighttimeComposite(start=start, end=end), wanted)
        return daytime_layer(DaytimeComposite(start=start, end=end), shown, wanted)
