"""Soft classes of pixels by their bands: k-means, and memberships that change smoothly between classes."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.footprint_terms import ClassMap

_PIXELS: Final = 20_000
"""Of the sample that centres are found with."""
_ROUNDS: Final = 25
_SEED: Final = 1
_LEAST_VARIANCE: Final = 0.02
"""Of a principal component, relative to that of a band: below lies noise, which whitening would raise."""


def class_map(values: NDArray[np.float64], used: Sequence[int], count: int, whitened: bool) -> ClassMap:
    """Classes of the bands ``used``, by k-means (Lloyd 1982, doi:10.1109/TIT.1982.1056489).

    The membership is that in a mixture of Gaussians about the centres, with half the mean squared distance to
    the nearest centre as their variance: two classes share what lies between them.

    Parameters
    ----------
    values:
        Pixels, shape (n, bands), in the bands' units, without gaps.
    count:
        Classes, fewer where there are fewer different pixels.
    whitened:
        Measure distances along principal components of equal variance; in standard deviations of each band
        otherwise.
    """
    generator = np.random.default_rng(_SEED)
    chosen = values[generator.permutation(len(values))[:_PIXELS]][:, list(used)]
    middle, spread = chosen.mean(axis=0), np.maximum(chosen.std(axis=0), 1e-12)
    axes = np.diag(1 / spread)
    if whitened:
        scaled = (chosen - middle) / spread
        variances, rotation = np.linalg.eigh(scaled.T @ scaled / len(scaled))
        axes = axes @ (rotation / np.sqrt(np.maximum(variances, 0) + _LEAST_VARIANCE))
    points = (chosen - middle) @ axes
    centres = _centres(points, count, generator)
    variance = max(float(_squared_distances(points, centres).min(axis=1).mean()) / 2, 1e-9)
    own = axes @ centres.T / variance
    slopes = np.zeros((len(centres), values.shape[1]))
    slopes[:, list(used)] = own.T
    offsets = -(centres**2).sum(axis=1) / (2 * variance) - middle @ own
    return ClassMap(
        slopes=tuple(tuple(float(each) for each in slope) for slope in slopes),
        offsets=tuple(float(offset) for offset in offsets),
    )


def _centres(points: NDArray[np.float64], count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Centres of classes, the first ones drawn far apart (Arthur and Vassilvitskii 2007, k-means++)."""
    centres = points[:1]
    nearest = _squared_distances(points, centres)[:, 0]
    while len(centres) < count and nearest.sum() > 1e-9 * len(points):
        drawn = generator.choice(len(points), p=nearest / nearest.sum())
        centres = np.concatenate([centres, points[drawn : drawn + 1]])
        nearest = np.minimum(nearest, _squared_distances(points, centres[-1:])[:, 0])
    for _ in range(_ROUNDS):
        labels = _squared_distances(points, centres).argmin(axis=1)
        sizes = np.bincount(labels, minlength=len(centres))
        sums = np.stack([np.bincount(labels, column, len(centres)) for column in points.T], axis=1)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres)
    return centres


def _squared_distances(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[Any]:
    """Shape (points, centres)."""
    # Element by element: matrix products differ with the number of threads in their last digits.
    result = np.zeros((len(points), len(centres)))
    for axis in range(points.shape[1]):
        result += (points[:, axis, None] - centres[None, :, axis]) ** 2
    return result
