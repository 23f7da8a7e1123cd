"""A fine prediction as VIIRS would see it, compared with what VIIRS saw, with constant memory."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlights import cog
from nightlights.datasets import Dataset
from nightlights.files import PARTIAL_PREFIX, clear_os_errors, reserve_space
from nightlights.grid import Window
from nightlights.manifests import Role, Score
from nightlights.metrics import BOOTSTRAP, Bootstrap, FineSums, PixelPairs, ScoreSums
from nightlights.observation import PointSpread, observe
from nightlights.prediction.fine_pairs import FinePairs
from nightlights.prediction.tiling import expanded

_OBSERVED_TILE = 64

Read = Callable[[Window], NDArray[np.float32] | NDArray[np.float64]]
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
    """What the VIIRS pixels where both a prediction and a measurement are known say about a region.

    Attributes
    ----------
    sums:
        Sums over them.
    fine:
        Sums over the analysis pixels, or blocks of them, where the fine truth is known.
    fine_scale_m:
        Side of these blocks in metres; None for analysis pixels.
    total_predicted, total_measured:
        Sum of radiance x area, in nW/cm2/sr km2.
    """

    def __init__(self) -> None:
        self.sums = ScoreSums()
        self.fine = FineSums()
        self.fine_scale_m: float | None = None
        self.total_predicted = 0.0
        self.total_measured = 0.0
        self._pieces: list[PixelPairs] = []

    def add(self, window: Window, predicted: NDArray[np.float32], measured: NDArray[np.float32]) -> None:
        """Take in the radiances of ``window``, shape (height, width), in nW/cm2/sr."""
        self.sums = self.sums.add(predicted, measured)
        self._pieces.append(PixelPairs.of(window, predicted, measured))
        area = np.where(np.isfinite(predicted - measured), window.pixel_area_km2[:, None], 0.0)
        self.total_predicted += float((np.nan_to_num(predicted) * area).sum())
        self.total_measured += float((np.nan_to_num(measured) * area).sum())

    @property
    def pixels(self) -> PixelPairs:
        """The VIIRS pixels, in the order of their places."""
        return PixelPairs.joined(self._pieces)

    def score(
        self, method: str, region: str, role: Role | None = None, bootstrap: Bootstrap = BOOTSTRAP
    ) -> Score:
        """Every score of ``method`` in ``region``.

        Raises
        ------
        DatasetError
            When there is no pixel to score.
        """
        return pooled_score([self], method, region, role, bootstrap)


def pooled_score(
    comparisons: Sequence[Comparison],
    method: str,
    region: str,
    role: Role | None = None,
    bootstrap: Bootstrap = BOOTSTRAP,
) -> Score:
    """Every score of ``method`` over the pixels of several regions.

    Fine truths that are compared at scales more than a tenth apart are not pooled.

    Raises
    ------
    DatasetError
        When there is no pixel to score.
    """
    pixels = PixelPairs.pooled([comparison.pixels for comparison in comparisons])
    fine, scales = FineSums(), set()
    for comparison in comparisons:
        fine = fine.merge(comparison.fine)
        if comparison.fine.pixels:
            scales.add(comparison.fine_scale_m)
    score = pixels.score(method, region, role, bootstrap)
    sides = [side for side in scales if side is not None]
    alike = len(sides) == len(scales) and max(sides, default=1) <= 1.1 * min(sides, default=1)
    if not fine.pixels or not (alike or scales == {None}):
        return score.model_copy(update={"fine": None})
    return score.model_copy(update={"fine": fine.score(max(sides, default=None))})


def compare_fine(
    dataset: Dataset, region: str, read: Read, spread: PointSpread, tile_size: int = _OBSERVED_TILE
) -> Comparison:
    """Compare fine radiance with the measured VIIRS of a region, and with the truth where it is known.

    Parameters
    ----------
    read:
        Gives the fine radiance in nW/cm2/sr.
    tile_size:
        Side of a tile in VIIRS pixels, on which nothing but memory depends.
    """
    comparison = Comparison()
    pairs = FinePairs(dataset, region)
    comparison.fine_scale_m = pairs.scale_m
    for tile in pairs.tiles(tile_size):
        farthest = float(np.abs(tile.latitudes).max())
        reach = pairs.reach(tile, spread.margin(farthest))
        fine = read(reach)
        seen = observe(fine, reach, spread)[tile.slices_in(reach)].astype(np.float32)
        comparison.add(tile, seen, dataset.read_nighttime(region, tile))
        pair = pairs.pair(fine, reach, tile)
        if pair is not None:
            comparison.fine = comparison.fine.add(*pair)
    return comparison


def compare_region(
    dataset: Dataset, region: str, blocks: Iterable[cog.Block], spread: PointSpread, scratch: Path
) -> Comparison:
    """As :func:`compare_fine` of fine radiance that is given block by block.

    Parameters
    ----------
    blocks:
        Parts that cover the region: (window, radiance in nW/cm2/sr of shape (16 height, 16 width)).
    scratch:
        Folder for a temporary file of four bytes an analysis pixel, removed at the end.
    """
    window = dataset.region(region).window.window
    path = scratch / f"{PARTIAL_PREFIX}{uuid.uuid4().hex[:8]}-fine"
    try:
        fine = scratch_array(path, window.fine_shape)
        for tile, radiance in blocks:
            fine[tile.fine_slices_in(window)] = radiance
        return compare_fine(dataset, region, lambda part: fine[part.fine_slices_in(window)], spread)
    finally:
        path.unlink(missing_ok=True)


def scratch_array(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A float32 array in a file whose space is taken at once: a full disk later would kill the process."""
    with clear_os_errors(path), path.open("xb") as scratch:
        reserve_space(scratch.fileno(), 4 * shape[0] * shape[1])
    return np.memmap(path, dtype=np.float32, mode="r+", shape=shape)
