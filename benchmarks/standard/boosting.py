"""Gradient boosting of decision trees on the bands: of each pixel, or as the footprints of VIIRS see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.baselines import labelled_tiles
from nightlights.datasets import Dataset
from nightlights.errors import DatasetError
from nightlights.observation import PointSpread, observe
from nightlights.prediction.tiling import expanded

GRADIENT_BOOSTING = "gradient boosting"
FOOTPRINT_BOOSTING = "gradient boosting through footprints"
_TILE = 48
"""Side in VIIRS pixels of what is observed at once."""


@dataclass(frozen=True)
class GradientBoosting:
    """Decision trees on the bands, added up (Friedman 2001, doi:10.1214/aos/1013203451).

    Attributes
    ----------
    trees:
        ``sklearn.ensemble.HistGradientBoostingRegressor``.
    method:
        Name of the method in tables.
    """

    trees: Any
    method: str = GRADIENT_BOOSTING

    @property
    def reach(self) -> int:
        """None: a pixel is predicted by itself."""
        return 0

    def predict(self, daytime: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """See :meth:`nightlights.baselines.Baseline.predict`."""
        pixels = np.moveaxis(daytime, 0, -1).reshape(-1, len(daytime))
        light = np.asarray(self.trees.predict(pixels), np.float64)
        return np.where(np.isfinite(pixels).all(axis=1), light, np.nan).reshape(daytime.shape[1:])


def fit_footprint_boosting(
    dataset: Dataset, regions: Sequence[str], seed: int, footprints: int = 100_000
) -> GradientBoosting:
    """Fit measured VIIRS to bands observed through the same footprints, at most ``footprints`` random ones.

    Trees that know whole footprints are then asked about single pixels, whose values lie farther apart.

    Raises
    ------
    DatasetError
        When no footprint is known both by day and by night.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    spread = PointSpread.of(dataset.manifest)
    rows = []
    for name in regions:
        outer = dataset.region(name).window.window
        for tile in outer.tiles(_TILE, _TILE):
            reach = expanded(tile, spread.margin(float(np.abs(tile.latitudes).max())), outer)
            image = dataset.read_daytime(name, reach)
            known = np.isfinite(image).all(axis=0)
            inside = tile.slices_in(reach)
            bands = [observe(np.where(known, band, np.nan), reach, spread)[inside].ravel() for band in image]
            rows.append(np.column_stack([*bands, dataset.read_nighttime(name, tile).ravel()]))
    table = np.concatenate(rows)
    table = table[np.isfinite(table).all(axis=1)]
    if not len(table):
        raise DatasetError(
            "The training regions have no footprint that is known by day and by night.",
            "Choose other regions.",
        )
    table = np.random.default_rng(seed).permutation(table)[:footprints]
    trees = HistGradientBoostingRegressor(random_state=seed, early_stopping=False)
    return GradientBoosting(trees.fit(table[:, :-1], table[:, -1]), FOOTPRINT_BOOSTING)


def fit_gradient_boosting(
    dataset: Dataset, regions: Sequence[str], seed: int, pixels: int = 100_000
) -> GradientBoosting:
    """Fit to the bilinear VIIRS radiance of at most ``pixels`` random pixels of ``regions``.

    Raises
    ------
    DatasetError
        When no pixel is known both by day and by night.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    generator = np.random.default_rng(seed)
    tiles = sum(1 for name in regions for _ in labelled_tiles(dataset, name))
    share = -(-pixels // max(tiles, 1))
    samples, labels = [], []
    for name in regions:
        for daytime, label in labelled_tiles(dataset, name):
            bands, light = daytime.reshape(-1, daytime.shape[-1]), label.ravel()
            known = np.flatnonzero(np.isfinite(bands).all(axis=1) & np.isfinite(light))
            drawn = generator.permutation(known)[:share]
            samples.append(bands[drawn])
            labels.append(light[drawn])
    if not sum(map(len, labels)):
        raise DatasetError(
            "The training regions have no pixel that is known by day and by night.", "Choose other regions."
        )
    trees = HistGradientBoostingRegressor(random_state=seed, early_stopping=False)
    return GradientBoosting(trees.fit(np.concatenate(samples), np.concatenate(labels)))
