"""What a map can show besides its base: values without any map library behind them."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

SIMULATED: Final = "Simulated, not the real Earth"
"""Attribution of what comes from the simulated planet; it stands in the corner of the map."""


@dataclass(frozen=True, slots=True)
class Basemap:
    """What may lie beneath everything: tiles at ``url``, or only the land outline.

    Shown from ``min_zoom`` on; the server has tiles from ``min_native_zoom`` to ``max_zoom``.
    """

    name: str
    url: str = ""
    attribution: str = ""
    min_zoom: int = 0
    min_native_zoom: int = 0
    max_zoom: int = 19


@dataclass(frozen=True, slots=True)
class MapLayer:
    """A raster shown as tiles.

    Attributes
    ----------
    name:
        What the layer is called.
    url:
        From :func:`nightlights.interface.tiles.tile_url`, or of tiles elsewhere.
    bounds:
        (west, south, east, north) in degrees: no tile is asked for beyond.
    opacity:
        From 0 to 1.
    side:
        ``left`` or ``right`` of the swipe; None for both.
    max_zoom:
        Zoom level beyond which the tiles are enlarged by the browser.
    smooth:
        Whether the browser may smooth enlarged pixels.
    attribution:
        Whose tiles they are, where they are not our own.
    """

    name: str
    url: str
    bounds: tuple[float, float, float, float]
    opacity: float = 1.0
    side: Literal["left", "right"] | None = None
    min_zoom: int = 0
    max_zoom: int = 14
    smooth: bool = False
    attribution: str = ""


@dataclass(frozen=True, slots=True)
class Legend:
    """A palette with its meaning: ``ticks`` are (position from 0 to 1, label)."""

    title: str
    unit: str = ""
    gradient: str = ""
    ticks: tuple[tuple[float, str], ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Where the map shall go, once for every ``token``: to bounds, or to a place at a zoom."""

    token: str
    bounds: tuple[float, float, float, float] | None = None
    longitude: float = 0.0
    latitude: float = 0.0
    zoom: int = 10


@dataclass(frozen=True, slots=True)
class Outline:
    """A shape drawn as a line in the colour of its role, to look at."""

    geometry: dict[str, Any]
    colour: str


@dataclass(frozen=True, slots=True)
class DrawnRegions:
    """The regions as the drawing tools shall hold them; made by :mod:`nightlights.interface.drawing`.

    Attributes
    ----------
    session:
        Names the editor; a map that knew another one starts afresh.
    revision:
        Names this state; the map says on which state its answers are based.
    features:
        GeoJSON features whose properties carry ``uid``, ``shape``, ``name``, ``role`` and, for the label,
        ``area`` and ``problem``.
    gone:
        The ``uid`` of every shape that was there and is no more.
    new_role:
        Role of the next shape.
    """

    session: str
    revision: str
    features: list[dict[str, Any]]
    gone: list[str] = field(default_factory=list)
    new_role: str = "train"
