"""The simulated planet by day as a basemap, so that people see what they draw on.

``/tiles/planet/SEED/Z/X/Y.png``: true colour, computed when it is asked for, one tile at a time, and not at
all when the visitor has moved on meanwhile. The usual basemaps show the real Earth, which differs beyond its
coasts and cities.
"""

import asyncio
from functools import lru_cache
from typing import Final

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nightlights.bands import COMPOSITES
from nightlights.errors import GridError
from nightlights.grid import FINE_PER_DEGREE, Window
from nightlights.interface.map_parts import SIMULATED, Basemap
from nightlights.interface.scripts import base_path
from nightlights.interface.tile_numbers import tile_number
from nightlights.maps import TILE_SIZE, Stretch, TileStyle, coloured, encode_png
from nightlights.sources.base import ImagerySource

NATIVE_ZOOM: Final = 12
"""Tiles of this zoom are computed; about 340 analysis pixels a side at the equator."""
LOWEST_ZOOM: Final = 11
"""Further out too many tiles would be needed to fill a screen."""

_CACHED_TILES = 1024
_MAXIMUM_SEED = 2**31


def planet_basemap(seed: int) -> Basemap:
    """The simulated planet as a choice in the map's layer menu."""
    return Basemap(
        "Simulated planet",
        url=f"{base_path()}/tiles/planet/{seed}/{{z}}/{{x}}/{{y}}.png",
        attribution=SIMULATED,
        min_zoom=LOWEST_ZOOM,
        min_native_zoom=NATIVE_ZOOM,
        max_zoom=NATIVE_ZOOM,
    )


def scene_png(source: ImagerySource, x: int, y: int, z: int) -> bytes | None:
    """A true colour tile of ``source``, or None beyond the grid."""
    steps = (np.arange(TILE_SIZE) + 0.5) / TILE_SIZE
    longitudes = (x + steps) / 2**z * 360 - 180
    latitudes = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * (y + steps) / 2**z))))
    try:
        window = Window.covering(longitudes[0], latitudes[-1], longitudes[-1], latitudes[0])
    except GridError:
        return None
    image = source.daytime(window)
    west, _, _, north = window.bounds
    height, width = window.fine_shape
    rows = np.clip(((north - latitudes) * FINE_PER_DEGREE).astype(int), 0, height - 1)
    columns = np.clip(((longitudes - west) * FINE_PER_DEGREE).astype(int), 0, width - 1)
    names = [band.name for band in source.bands]
    wanted = [names.index(name) for name in COMPOSITES["True colour"]]
    ranges = tuple((source.bands[index].display_low, source.bands[index].display_high) for index in wanted)
    shown = image[wanted][:, rows[:, None], columns[None, :]]
    stretch = Stretch(tuple(index + 1 for index in wanted), ranges)
    return encode_png(coloured(shown, np.asarray(np.isfinite(shown).all(axis=0)), stretch, TileStyle()))


@lru_cache(maxsize=_CACHED_TILES)
def _tile(seed: int, x: int, y: int, z: int) -> bytes | None:
    from nightlights.sources.simulated import SimulatedSource

    return scene_png(SimulatedSource(seed), x, y, z)


_one_at_a_time = asyncio.Semaphore(1)


async def _planet_tile(request: Request) -> Response:
    seed, z, x, y = (tile_number(request, key) for key in ("seed", "z", "x", "y"))
    if z != NATIVE_ZOOM or x >= 2**z or y >= 2**z or seed >= _MAXIMUM_SEED:
        raise HTTPException(404, "There is no such tile.")
    async with _one_at_a_time:
        if await request.is_disconnected():
            return Response(status_code=204)
        content = await run_in_threadpool(_tile, seed, x, y, z)
    if content is None:
        return Response(status_code=204)
    return Response(content, media_type="image/png", headers={"Cache-Control": "public, max-age=86400"})


def planet_routes() -> list[Route]:
    """The route of the simulated planet's tiles."""
    return [Route(f"{base_path()}/tiles/planet/{{seed}}/{{z}}/{{x}}/{{y}}.png", _planet_tile)]
