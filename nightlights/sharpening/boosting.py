"""Gradient boosting of decision trees on the bands of each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.baselines import labelled_tiles
from nightlights.datasets import Dataset
from nightlights.errors import DatasetError

GRADIENT_BOOSTING = "gradient boosting"


@dataclass(frozen=True)
class GradientBoosting:
    """Decision trees on the bands, added up (Friedman 2001, doi:10.1214/aos/1013203451).

    Attributes
    ----------
    trees:
        ``sklearn.ensemble.HistGradientBoostingRegressor``.
    """

    trees: Any

    @property
    def method(self) -> str:
        """Name of the method in tables."""
        return GRADIENT_BOOSTING

    @property
    def reach(self) -> int:
        """None: a pixel is predicted by itself."""
        return 0

    def predict(self, daytime: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """See :meth:`nightlights.baselines.Baseline.predict`."""
        pixels = np.moveaxis(daytime, 0, -1).reshape(-1, len(daytime))
        light = np.asarray(self.trees.predict(pixels), np.float64)
        return np.where(np.isfinite(pixels).all(axis=1), light, np.nan).reshape(daytime.shape[1:])


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
