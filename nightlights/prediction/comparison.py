"""A fine prediction as VIIRS would see it, compared with what VIIRS saw, with constant memory."""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlights import cog
from nightlights.datasets import Dataset
from nightlights.files import PARTIAL_PREFIX, clear_os_errors
from nightlights.grid import Window
from nightlights.metrics import ScoreSums
from nightlights.observation import PointSpread, observe
from nightlights.prediction.tiling import expanded

_OBSERVED_TILE = 64

Read = Callable[[Window], NDArray[np.float32]]
"""Gives the analysis pixels of a window, shape (16 height, 16 width), NaN where missing."""


def observed_blocks(
    read: Read, window: Window, point_spread: PointSpread, tile_size: int = _OBSERVED_TILE
) -> Iterator[cog.Block]:
    """What VIIRS would have measured of a fine raster, block by block; equals one pass over the whole.

    Parameters
    ----------
    read:
        Gives the fine raster.
    window:
        All of the raster: light from beyond it is unknown.
    tile_size:
        Side of a block in VIIRS pixels.

    Yields
    ------
    window, radiance:
        Where, and float32 of shape (height, width) in nW/cm2/sr, NaN where less than half of a footprint is
        known.
    """
    for tile in window.tiles(tile_size, tile_size):
        farthest = float(np.abs(tile.latitudes).max())
        reach = expanded(tile, point_spread.margin(farthest), window)
        seen = observe(read(reach), reach, point_spread)
        yield tile, seen[tile.slices_in(reach)].astype(np.float32)


class Comparison:
    """Sums over the VIIRS pixels where both a prediction and a measurement are known."""

    def __init__(self) -> None:
        self.sums = ScoreSums()
        self.total_predicted = 0.0
        self.total_measured = 0.0

    def add(self, window: Window, predicted: NDArray[np.float32], measured: NDArray[np.float32]) -> None:
        """Take in the radiances of ``window``, shape (height, width), in nW/cm2/sr."""
        self.sums = self.sums.add(predicted, measured)
        area = np.where(np.isfinite(predicted - measured), window.pixel_area_km2[:, None], 0.0)
        self.total_predicted += float((np.nan_to_num(predicted) * area).sum())
        self.total_measured += float((np.nan_to_num(measured) * area).sum())


def compare_region(
    dataset: Dataset, region: str, blocks: Iterable[cog.Block], spread: PointSpread, scratch: Path
) -> Comparison:
    """Compare fine radiance, given block by block, with the measured VIIRS of a region.

    Parameters
    ----------
    blocks:
        Parts that cover the region: (window, radiance in nW/cm2/sr of shape (16 height, 16 width)).
    scratch:
        Folder for a temporary file of four bytes an analysis pixel, removed at the end.
    """
    window = dataset.region(region).window.window
    path = scratch / f"{PARTIAL_PREFIX}{uuid.uuid4().hex[:8]}-fine"
    comparison = Comparison()
    try:
        fine = _scratch_array(path, window.fine_shape)
        for tile, radiance in blocks:
            fine[tile.fine_slices_in(window)] = radiance
        for tile, seen in observed_blocks(lambda part: fine[part.fine_slices_in(window)], window, spread):
            comparison.add(tile, seen, dataset.read_nighttime(region, tile))
    finally:
        path.unlink(missing_ok=True)
    return comparison


def _scratch_array(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A float32 array in a file whose space is taken at once: a full disk later would kill the process."""
    with clear_os_errors(path), path.open("xb") as scratch:
        os.posix_fallocate(scratch.fileno(), 0, 4 * shape[0] * shape[1])
    return np.memmap(path, dtype=np.float32, mode="r+", shape=shape)
