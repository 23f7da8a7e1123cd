"""Random patches of a dataset for training: the same for the same seed, epoch and index."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nightlights.errors import DatasetError, SettingsError
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.manifests import DatasetRegion, Resampling
from nightlights.patch_cache import CachedRegion, cached_region, cached_truth
from nightlights.training_settings import SMALLEST_PATCH

if TYPE_CHECKING:
    from nightlights.datasets import Dataset

_EPOCH_STREAM, _FIXED_STREAM = 0, 1


@dataclass(frozen=True)
class PatchBatch:
    """Patches with their labels.

    Attributes
    ----------
    daytime:
        float32, shape (patches, rows, columns, bands), in the bands' units, NaN where missing.
    nighttime:
        float32, shape (patches, VIIRS rows, VIIRS columns), nW/cm2/sr; NaN where missing, or where too
        much of the footprint is missing by day.
    neighbourhood:
        float32, as ``nighttime`` with one VIIRS pixel more on each side, as measured; the nearest pixel
        beyond the region's edge.
    latitudes:
        float32, shape (patches,): latitude of the centre in degrees.
    rows:
        int64, shape (patches,): first row in the global VIIRS grid.
    regions, windows:
        Region and place of each patch.
    truth:
        float32, shape (patches, rows, columns): the hidden fine radiance in nW/cm2/sr, NaN where unknown;
        None unless it was asked for.
    """

    daytime: NDArray[np.float32]
    nighttime: NDArray[np.float32]
    neighbourhood: NDArray[np.float32]
    latitudes: NDArray[np.float32]
    rows: NDArray[np.int64]
    regions: tuple[str, ...]
    windows: tuple[Window, ...]
    truth: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.windows)

    def upsampled(self, method: Resampling) -> NDArray[np.float32]:
        """The labels on the analysis grid: nearest pixel, or bilinear between the known ones around.

        Returns
        -------
        numpy.ndarray
            float32, shape (patches, rows, columns), nW/cm2/sr; NaN where the label is missing, and where
            a daytime band is.
        """
        label: NDArray[np.float32]
        label = self.nighttime.repeat(FINE_PER_VIIRS, axis=1).repeat(FINE_PER_VIIRS, axis=2)
        # A product with ones is NaN where any band is, and is much faster than looking at each.
        unknown = np.isnan(label) | np.isnan(self.daytime @ np.ones(self.daytime.shape[-1], np.float32))
        if method == "bilinear":
            rows, columns = (_bilinear_matrix(size) for size in self.nighttime.shape[1:])
            known = ~np.isnan(self.neighbourhood)
            light = rows @ np.where(known, self.neighbourhood, 0) @ columns.T
            weight = rows @ known.astype(np.float32) @ columns.T
            label = np.divide(light, weight, out=label, where=~unknown)
        label[unknown] = np.nan
        return label


@cache
def _bilinear_matrix(size: int) -> NDArray[np.float32]:
    """Weights from ``size`` VIIRS pixels and one more on each side to 16 x ``size`` analysis pixels."""
    position = (np.arange(size * FINE_PER_VIIRS) + 0.5) / FINE_PER_VIIRS + 0.5
    distance = np.abs(position[:, None] - np.arange(size + 2))
    weights: NDArray[np.float32] = np.maximum(1 - distance, 0).astype(np.float32)
    return weights


class PatchSampler:
    """Draws patches from the regions of a dataset.

    A patch starts on a whole VIIRS pixel, lies within its region's window and lacks at most a stated
    share of its pixels.

    Parameters
    ----------
    dataset:
        Where the patches come from.
    region_names:
        Regions to draw from, each equally often.
    patch_size:
        Side in analysis pixels, a multiple of 16.
    seed:
        Decides, with the epoch and the index, where a patch lies.
    maximum_missing_share:
        Largest share, 0 to 1, of a patch that may be missing by day or by night; also of a footprint that
        may be missing by day before its label counts as missing.
    cache_folder:
        Where to keep the memory-mapped arrays; they are built once.
    truth:
        Give the hidden fine radiance with every patch, too.

    Raises
    ------
    DatasetError
        When there are no regions, a patch does not fit one, every place in one lacks too much, or the
        truth was asked for and is not known.
    SettingsError
        When the patch size is no multiple of 16.
    """

    def __init__(
        self,
        dataset: "Dataset",
        region_names: Sequence[str],
        patch_size: int,
        seed: int,
        maximum_missing_share: float,
        cache_folder: Path,
        *,
        truth: bool = False,
    ) -> None:
        if patch_size < FINE_PER_VIIRS or patch_size % FINE_PER_VIIRS:
            raise SettingsError(
                f"A patch of {patch_size} pixels is no whole number of VIIRS pixels.",
                f"Choose a multiple of {FINE_PER_VIIRS}.",
            )
        if not region_names:
            raise DatasetError(
                f"No regions of the dataset {dataset.manifest.name} were chosen, so there are no patches.",
                "Choose at least one region.",
            )
        self.patch_size = patch_size
        self.seed = seed
        self.maximum_missing_share = maximum_missing_share
        check_fit([dataset.region(name) for name in region_names], patch_size)
        self._regions = [cached_region(dataset, name, cache_folder) for name in region_names]
        self._places = [self._allowed(region) for region in self._regions]
        self._truths = [cached_truth(dataset, name, cache_folder) for name in region_names] if truth else None

    @property
    def patches_per_region(self) -> dict[str, int]:
        """In how many different places a patch may lie, for each region."""
        pairs = zip(self._regions, self._places, strict=True)
        return {region.name: len(places) for region, places in pairs}

    def batch(self, epoch: int, indices: Sequence[int]) -> PatchBatch:
        """The patches ``indices`` of ``epoch``; index i comes from region i modulo the number of regions.

        Each patch depends on the seed, the epoch and its index alone.
        """
        drawn = []
        for index in indices:
            choice = int(index) % len(self._regions)
            generator = self._generator(self.seed, _EPOCH_STREAM, epoch, int(index))
            places = self._places[choice]
            drawn.append((choice, int(places[generator.integers(len(places))])))
        return self._collect(drawn)

    def fixed(self, count: int, seed: int) -> PatchBatch:
        """``count`` patches that never change for a seed, spread evenly over the regions.

        No two lie in the same place as long as the region has enough places.
        """
        generator = self._generator(seed, _FIXED_STREAM)
        drawn = []
        for choice, places in enumerate(self._places):
            share = len(range(choice, count, len(self._places)))
            picked = generator.choice(len(places), share, replace=share > len(places))
            drawn += [(choice, int(places[index])) for index in np.sort(picked)]
        return self._collect(drawn)

    @staticmethod
    def _generator(seed: int, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))

    def _allowed(self, region: CachedRegion) -> NDArray[np.int64]:
        """Places where a patch lacks little enough: row x (columns of places) + column."""
        side = self.patch_size // FINE_PER_VIIRS
        lacking = np.where(np.isnan(region.nighttime), 1.0, region.missing.astype(np.float64))
        sums = np.pad(lacking.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        total = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
        # The sums carry rounding errors; a patch that lacks exactly the share is still allowed.
        places = np.flatnonzero(total / side**2 <= self.maximum_missing_share + 1e-9)
        if not len(places):
            least = float(total.min()) / side**2
            if least >= 1:
                raise DatasetError(
                    f"Region {region.name} gives no patch: all its pixels are missing, by day or by night.",
                    "Leave the region out, or export it again from other imagery.",
                )
            raise DatasetError(
                f"Region {region.name} gives no patch: every place lacks at least {least:.0%} of its pixels, "
                f"and {self.maximum_missing_share:.0%} may be missing.",
                "Allow a larger missing share, choose a smaller patch size, or leave the region out.",
            )
        return places

    def _collect(self, drawn: Sequence[tuple[int, int]]) -> PatchBatch:
        side = self.patch_size // FINE_PER_VIIRS
        bands = self._regions[0].stored.shape[-1]
        daytime = np.empty((len(drawn), self.patch_size, self.patch_size, bands), np.float32)
        nighttime = np.empty((len(drawn), side, side), np.float32)
        neighbourhood = np.empty((len(drawn), side + 2, side + 2), np.float32)
        shape = (len(drawn), self.patch_size, self.patch_size)
        truth = None if self._truths is None else np.empty(shape, np.float32)
        windows = []
        for number, (choice, place) in enumerate(drawn):
            region = self._regions[choice]
            row, column = divmod(place, region.window.width - side + 1)
            window = Window(region.window.column + column, region.window.row + row, side, side)
            region.daytime(window, daytime[number])
            if truth is not None and self._truths is not None:
                truth[number] = self._truths[choice][window.fine_slices_in(region.window)]
            part = window.slices_in(region.window)
            hidden = region.footprint_missing[part] > self.maximum_missing_share
            nighttime[number] = np.where(hidden, np.nan, region.nighttime[part])
            around = (
                np.clip(np.arange(start - 1, start + side + 1), 0, length - 1)
                for start, length in zip((row, column), region.window.shape, strict=True)
            )
            neighbourhood[number] = region.nighttime[np.ix_(*around)]
            windows.append(window)
        return PatchBatch(
            daytime=daytime,
            nighttime=nighttime,
            neighbourhood=neighbourhood,
            latitudes=np.array([window.latitudes.mean() for window in windows], np.float32),
            rows=np.array([window.row for window in windows], np.int64),
            regions=tuple(self._regions[choice].name for choice, _ in drawn),
            windows=tuple(windows),
            truth=truth,
        )


_MOST_LISTED = 5


def check_fit(regions: Sequence[DatasetRegion], patch_size: int, stride: int = FINE_PER_VIIRS) -> None:
    """Refuse a patch of ``patch_size`` analysis pixels that is larger than one of ``regions``.

    Parameters
    ----------
    stride:
        The side of a patch is a multiple of this, in analysis pixels.

    Raises
    ------
    DatasetError
        Naming every region that is too small, and the largest size that fits them all.
    """
    shapes = {region.name: region.window.window.fine_shape for region in regions}
    small = {name: shape for name, shape in shapes.items() if min(shape) < patch_size}
    if not small:
        return
    listed = [f"{name} ({width} x {height} pixels)" for name, (height, width) in small.items()]
    if len(listed) > _MOST_LISTED:
        listed[_MOST_LISTED:] = [f"and {len(listed) - _MOST_LISTED} more"]
    if len(shapes) == 1:
        which = f"region {listed[0]}"
    elif len(small) == len(shapes):
        which = f"any of the {len(shapes)} regions: {', '.join(listed)}"
    else:
        which = f"{len(small)} of {len(shapes)} regions: {', '.join(listed)}"
    largest = min(min(shape) for shape in small.values()) // stride * stride
    remedies = [f"choose a patch size of at most {largest} pixels"] if largest >= SMALLEST_PATCH else []
    if len(small) < len(shapes):
        remedies.append(f"leave {'it' if len(small) == 1 else 'them'} out")
    remedy = ", or ".join(
        [*remedies, "export larger regions" if len(small) > 1 else "export a larger region"]
    )
    raise DatasetError(
        f"A patch of {patch_size} x {patch_size} pixels does not fit {which}.",
        f"{remedy[0].upper()}{remedy[1:]}.",
    )
