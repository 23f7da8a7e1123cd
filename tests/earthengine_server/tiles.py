"""Map tiles: an image that was registered once, drawn wherever the map looks."""

import math
import uuid
from typing import Any

from .failures import invalid, not_found
from .pixels import png
from .requests import chosen_bands
from .values import EarthImage, Grid

HALF_WORLD_M = math.pi * 6_378_137
"""Half the width of the web Mercator square, in metres."""
TILE = 256
"""Side of a tile in pixels."""


def tile_grid(zoom: int, column: int, row: int) -> Grid:
    """The pixels of a tile of the web Mercator pyramid."""
    if not 0 <= zoom <= 24 or not 0 <= column < 2**zoom or not 0 <= row < 2**zoom:
        raise invalid(f"There is no tile {zoom}/{column}/{row}.")
    metres = 2 * HALF_WORLD_M / 2**zoom
    step = metres / TILE
    corner = (step, 0.0, column * metres - HALF_WORLD_M, 0.0, -step, HALF_WORLD_M - row * metres)
    return Grid("EPSG:3857", corner, TILE, TILE)


class Maps:
    """The images that were registered, by the name of their map."""

    def __init__(self) -> None:
        self._maps: dict[str, tuple[EarthImage, dict[str, Any] | None]] = {}

    def add(self, project: str, image: EarthImage, body: dict[str, Any]) -> str:
        """Keep an image and how it is drawn; the name of its map."""
        name = f"{project}/maps/{uuid.uuid4().hex}-{uuid.uuid4().hex}"
        self._maps[name] = chosen_bands(image, body.get("bandIds")), body.get("visualizationOptions")
        return name

    def draw(self, name: str, zoom: int, column: int, row: int) -> bytes:
        """One tile as PNG."""
        if name not in self._maps:
            raise not_found(f"Map {name} not found.")
        image, options = self._maps[name]
        return png(image, tile_grid(zoom, column, row), options)
