"""What any network must beat: the constant mean, and a linear regression on the bands of each pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nightlights.datasets import Dataset
from nightlights.errors import DatasetError
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread
from nightlights.patches import PatchBatch
from nightlights.prediction.comparison import Comparison, compare_fine
from nightlights.prediction.tiling import expanded

CONSTANT_MEAN = "constant mean"
LINEAR_REGRESSION = "linear regression"
_TILE = 48
"""Side of a tile in VIIRS pixels."""


class Baseline(Protocol):
    """A method that predicts fine radiance from the bands."""

    @property
    def method(self) -> str:
        """Name of the method in tables."""

    @property
    def reach(self) -> int:
        """Analysis pixels around a pixel that its prediction depends on."""

    def predict(self, daytime: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Radiance in nW/cm2/sr, shape (rows, columns), of bands in their units, bands first.

        NaN where a band is missing, so that every method is scored on the same pixels.
        """


@dataclass(frozen=True, slots=True)
class ConstantMean:
    """The mean VIIRS radiance of the training regions, everywhere.

    Attributes
    ----------
    mean:
        In nW/cm2/sr.
    """

    mean: float

    @property
    def method(self) -> str:
        """Name of the method in tables."""
        return CONSTANT_MEAN

    @property
    def reach(self) -> int:
        """None: a pixel is predicted by itself."""
        return 0

    def predict(self, daytime: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """See :meth:`Baseline.predict`."""
        return np.where(np.isfinite(daytime).all(axis=0), self.mean, np.nan)


@dataclass(frozen=True, slots=True)
class LinearRegression:
    """Radiance as a weighted sum of the bands of the pixel.

    Attributes
    ----------
    intercept:
        In nW/cm2/sr.
    coefficients:
        In nW/cm2/sr per unit of each band, in the order of the bands.
    """

    intercept: float
    coefficients: tuple[float, ...]

    @property
    def method(self) -> str:
        """Name of the method in tables."""
        return LINEAR_REGRESSION

    @property
    def reach(self) -> int:
        """None: a pixel is predicted by itself."""
        return 0

    def predict(self, daytime: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """See :meth:`Baseline.predict`."""
        return np.tensordot(np.asarray(self.coefficients), daytime, axes=1) + self.intercept


def fit_constant_mean(dataset: Dataset, regions: Sequence[str]) -> ConstantMean:
    """The mean over all known VIIRS pixels of ``regions``.

    Raises
    ------
    DatasetError
        When there is none.
    """
    total, count = 0.0, 0
    for name in regions:
        radiance = dataset.read_nighttime(name).astype(np.float64)
        total += float(np.nansum(radiance))
        count += int(np.isfinite(radiance).sum())
    if count == 0:
        raise DatasetError("The training regions have no known VIIRS pixel.", "Choose other regions.")
    return ConstantMean(total / count)


def fit_linear_regression(dataset: Dataset, regions: Sequence[str]) -> LinearRegression:
    """Least squares of the bilinear VIIRS radiance on the bands, over all known pixels of ``regions``.

    The labels are those that a pixel loss trains a network on, and memory stays bounded: tiles add to the
    sums of the normal equations.

    Raises
    ------
    DatasetError
        When no pixel is known both by day and by night.
    """
    bands = len(dataset.manifest.bands)
    products, reference, count = np.zeros((bands + 2, bands + 2)), np.zeros(bands + 1), 0
    for name in regions:
        for daytime, label in labelled_tiles(dataset, name):
            columns = np.concatenate([daytime, label[..., None]], axis=-1).reshape(-1, bands + 1)
            columns = columns[np.isfinite(columns).all(axis=1)].astype(np.float64)
            if not len(columns):
                continue
            if count == 0:
                # Sums about a typical value keep their digits where temperatures vary little about 300 K.
                reference = columns.mean(axis=0)
            count += len(columns)
            columns = np.column_stack([np.ones(len(columns)), columns - reference])
            products += columns.T @ columns
    if count == 0:
        raise DatasetError(
            "The training regions have no pixel that is known by day and by night.", "Choose other regions."
        )
    scale = np.sqrt(np.maximum(np.diag(products)[:-1], 1e-12))
    matrix = products[:-1, :-1] / np.outer(scale, scale)
    solution = np.linalg.lstsq(matrix, products[:-1, -1] / scale, rcond=1e-10)[0] / scale
    intercept = solution[0] + reference[-1] - solution[1:] @ reference[:-1]
    return LinearRegression(float(intercept), tuple(float(value) for value in solution[1:]))


def compare_baseline(baseline: Baseline, dataset: Dataset, region: str) -> Comparison:
    """Compare ``baseline`` with what was measured in ``region``, tile by tile.

    Equals comparing the prediction of the whole region at once.
    """
    spread = PointSpread.of(dataset.manifest)
    outer = dataset.region(region).window.window
    margin = -(-baseline.reach // FINE_PER_VIIRS)

    def read(window: Window) -> NDArray[np.float64]:
        reach = expanded(window, margin, outer)
        return baseline.predict(dataset.read_daytime(region, reach))[window.fine_slices_in(reach)]

    return compare_fine(dataset, region, read, spread, _TILE)


def labelled_tiles(
    dataset: Dataset, region: str
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """(bands last, label) of every tile of ``region``, on the analysis grid."""
    outer = dataset.region(region).window.window
    nighttime = dataset.read_nighttime(region)
    padded = np.pad(nighttime, 1, mode="edge")
    for tile in outer.tiles(_TILE, _TILE):
        rows, columns = tile.slices_in(outer)
        batch = PatchBatch(
            daytime=np.moveaxis(dataset.read_daytime(region, tile), 0, -1)[None],
            nighttime=nighttime[None, rows, columns],
            neighbourhood=padded[None, rows.start : rows.stop + 2, columns.start : columns.stop + 2],
            latitudes=np.array([tile.latitudes.mean()], np.float32),
            rows=np.array([tile.row]),
            regions=(region,),
            windows=(tile,),
        )
        yield batch.daytime[0], batch.upsampled("bilinear")[0]
