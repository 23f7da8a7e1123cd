"""Tiles of a download on disk: what is to be fetched, what is there, and reading windows from them.

A tile is one file ``LAYER-COLUMN-ROW-WIDTH-HEIGHT.npy`` in the folder of its region, in VIIRS pixels,
written whole: a tile that is there is complete.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from nightlights.errors import SourceError
from nightlights.files import replacing
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.sources.earthengine.grids import PixelGrid
from nightlights.sources.earthengine.pixels import LARGEST_REQUEST_BYTES, request_bytes

Layer = Literal["daytime", "nighttime"]

_DAYTIME_SIDE: Final = 32
"""Side of a daytime tile in VIIRS pixels: 512 x 512 analysis pixels, 10 MB for nine bands.

A fifth of what a request may hold: a median over years is limited by computing, not by sending.
"""
_NIGHTTIME_SIDE: Final = 512
"""Side of a night-time tile in VIIRS pixels: 1 MB, a region in one request."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of one image of one region.

    Attributes
    ----------
    region:
        Name of the region.
    bands:
        How many it has.
    """

    region: str
    layer: Layer
    window: Window
    bands: int

    @property
    def fine(self) -> bool:
        """Whether its pixels are analysis pixels, else VIIRS pixels."""
        return self.layer == "daytime"

    @property
    def grid(self) -> PixelGrid:
        """Its pixels."""
        return PixelGrid.of(self.window, fine=self.fine)

    @property
    def stored_bytes(self) -> int:
        """Size of its values."""
        return 4 * self.bands * self.grid.height * self.grid.width

    def path(self, folder: Path) -> Path:
        """Its file within the folder of the download."""
        window = self.window
        name = f"{self.layer}-{window.column}-{window.row}-{window.width}-{window.height}.npy"
        return folder / self.region / name

    def is_there(self, folder: Path) -> bool:
        """Whether it was fetched before, whole."""
        try:
            kept = np.load(self.path(folder), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return False
        shape = (self.bands, self.grid.height, self.grid.width)
        return bool(kept.shape == shape and kept.dtype == np.float32)

    def write(self, folder: Path, values: NDArray[np.float32]) -> None:
        """Keep its values, shape (bands, height, width)."""
        # Into a file, numpy writes by itself, and does not say that the disk is full.
        content = io.BytesIO()
        np.save(content, values, allow_pickle=False)
        with replacing(self.path(folder)) as partial, partial.open("wb") as file:
            file.write(content.getbuffer())

    def read(self, folder: Path) -> NDArray[np.float32]:
        """Its values, shape (bands, height, width), not read before they are used."""
        values: NDArray[np.float32] = np.load(self.path(folder), mmap_mode="r", allow_pickle=False)
        return values


def tiles_of(region: str, layer: Layer, window: Window, bands: int) -> list[Tile]:
    """The tiles that cover ``window``, row by row; each fits into one request."""
    fine = layer == "daytime"
    side = _DAYTIME_SIDE if fine else _NIGHTTIME_SIDE
    while side > 1 and request_bytes(_square(side, fine), bands) > LARGEST_REQUEST_BYTES:
        side //= 2
    return [Tile(region, layer, part, bands) for part in window.tiles(side, side)]


def _square(side: int, fine: bool) -> PixelGrid:
    return PixelGrid.of(Window(0, 0, side, side), fine=fine)


@dataclass(frozen=True)
class TileReader:
    """The images of one region, from its tiles.

    Attributes
    ----------
    folder:
        Of the download.
    window:
        Of the region.
    tiles:
        All of them.
    """

    folder: Path
    window: Window
    tiles: Sequence[Tile]

    def read(self, layer: Layer, window: Window) -> NDArray[np.float32]:
        """One image, shape (bands, height, width) in the layer's own pixels.

        Raises
        ------
        SourceError
            When a tile is missing.
        """
        chosen = [tile for tile in self.tiles if tile.layer == layer]
        scale = FINE_PER_VIIRS if layer == "daytime" else 1
        shape = (chosen[0].bands, window.height * scale, window.width * scale)
        image = np.full(shape, np.nan, np.float32)
        for tile in chosen:
            part = window.intersection(tile.window)
            if part is None:
                continue
            inner, outer = part.slices_in(tile.window), part.slices_in(window)
            if tile.fine:
                inner, outer = part.fine_slices_in(tile.window), part.fine_slices_in(window)
            try:
                image[:, outer[0], outer[1]] = tile.read(self.folder)[:, inner[0], inner[1]]
            except (OSError, ValueError):
                raise SourceError(
                    f"A part of {tile.region} that was fetched from Earth Engine is gone.", "Export again."
                ) from None
        return image
