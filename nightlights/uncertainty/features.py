"""What the size of an error can be told from before VIIRS is seen, for every VIIRS pixel.

- ``level``: the predicted radiance as VIIRS would see it, transformed; and its square. Bright pixels err
  more.
- ``contrast``: logarithm of the standard deviation of the fine prediction within the footprint. A footprint
  at the edge of a city depends on where exactly the edge lies.
- ``distance``: logarithm of the mean squared band, scaled as the network's input: how far the imagery lies
  from the average of what the network was trained on.
- ``orientation spread``: logarithm of the standard deviation of the predictions for the turned and mirrored
  image, transformed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import RadianceTransform
from nightlights.datasets import Dataset
from nightlights.grid import Window
from nightlights.observation import PointSpread, observe
from nightlights.progress import Progress
from nightlights.uncertainty.orientations import block_means, turned_means, turns
from nightlights.uncertainty.records import Orientations, feature_names

if TYPE_CHECKING:
    from nightlights.prediction import Predictor

_TILE = 64
_LEAST_CONTRAST = 0.05  # nW/cm2/sr
_LEAST_DISTANCE = 0.05
_LEAST_SPREAD = 0.005

Read = Callable[[Window], NDArray[np.float32] | NDArray[np.float64]]


@dataclass(frozen=True)
class RegionFeatures:
    """The VIIRS pixels of a region.

    Attributes
    ----------
    observed:
        The prediction as VIIRS would see it, in nW/cm2/sr: float64, shape (height, width), NaN where missing.
    features:
        float64, shape (height, width, features), NaN where missing.
    """

    observed: NDArray[np.float64]
    features: NDArray[np.float64]


def region_features(
    read: Read,
    dataset: Dataset,
    region: str,
    predictor: "Predictor",
    transform: RadianceTransform,
    orientations: Orientations,
    progress: Progress,
    tile_size: int = _TILE,
) -> RegionFeatures:
    """The features of every VIIRS pixel of ``region``.

    Parameters
    ----------
    read:
        Gives the fine prediction of a window, shape (16 height, 16 width), in nW/cm2/sr, NaN where missing.
    predictor:
        What made it.
    transform:
        Of radiance, for level and spread.
    tile_size:
        Side of a tile in VIIRS pixels, on which nothing but memory depends.
    """
    from nightlights.prediction.tiling import expanded

    window = dataset.region(region).window.window
    spread = PointSpread.of(predictor.config, dataset.manifest)
    observed, contrast, distance, upright = (np.full(window.shape, np.nan) for _ in range(4))
    for tile in window.tiles(tile_size, tile_size):
        farthest = float(np.abs(tile.latitudes).max())
        reach = expanded(tile, spread.margin(farthest), window)
        fine = np.asarray(read(reach), np.float64)
        inside, part = tile.slices_in(reach), tile.slices_in(window)
        observed[part] = observe(fine, reach, spread)[inside]
        squares = observe(fine**2, reach, spread)[inside]
        contrast[part] = np.sqrt(np.maximum(squares - observed[part] ** 2, 0.0))
        upright[part] = block_means(fine[tile.fine_slices_in(reach)])
        distance[part] = _distances(dataset, region, tile, predictor)
    level = transform.forward(observed)
    layers = [level, level**2, np.log(contrast + _LEAST_CONTRAST), np.log(distance + _LEAST_DISTANCE)]
    if orientations > 1:
        # A texture sees single pixels, whichever way they lie; a turned image has no latitudes to join by.
        first = 1 if predictor.texture is None else 0
        means = [upright] * first
        for number, turn in enumerate(turns(orientations)[first:]):
            share = _Share(progress, number, orientations - first, region)
            means.append(turned_means(predictor.level, dataset, region, turn, share))
        layers.append(np.log(np.std([transform.forward(mean) for mean in means], axis=0) + _LEAST_SPREAD))
    if len(layers) != len(feature_names(orientations)):
        raise AssertionError("a feature has no name")
    return RegionFeatures(observed, np.stack(layers, axis=-1))


def _distances(dataset: Dataset, region: str, tile: Window, predictor: "Predictor") -> NDArray[np.float64]:
    image = np.moveaxis(dataset.read_daytime(region, tile), 0, -1)
    scaled = predictor.config.scaling.apply(image).astype(np.float64)
    squares = np.where(np.isnan(image).any(axis=-1), np.nan, (scaled**2).mean(axis=-1))
    return block_means(squares)


@dataclass(frozen=True)
class _Share:
    """Progress of one of ``whole`` equal parts."""

    progress: Progress
    index: int
    whole: int
    region: str

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """See :meth:`nightlights.progress.Progress.update`."""
        part = done / total if total > 0 else 0.0
        said = f"Predicting {self.region} turned"
        self.progress.update(self.index + part, self.whole, unit="orientations", message=said)
