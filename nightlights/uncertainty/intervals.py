"""Locally scaled conformal intervals, from errors and features alone.

Lei et al. 2018 (doi:10.1080/01621459.2017.1307116) divide every error by its expected size; quantiles of
these ratios, taken where the sizes were not fitted, then hold a known share of new errors as long as new
pixels and these are exchangeable. Errors below and above get a quantile each, for predictions may err to one
side. To use few regions well, every group of pixels is held out once and its ratios are pooled
(cross-conformal prediction, Vovk 2015, doi:10.1007/s10472-013-9368-4).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST_SHARE = 0.05
"""Share of the expected size that is added before the logarithm, so that no error is infinitely small."""
_ROUNDS = 5
"""Fits, each of which takes the expected sizes from the one before."""
_FARTHEST = 4.0
"""Standard deviations at which a feature is taken to say no more than before."""
_RIDGE = 1e-6
_SMALLEST = 1e-9


@dataclass(frozen=True)
class SizeModel:
    """A linear model of the logarithm of an error's size.

    Attributes
    ----------
    intercept:
        At average features.
    center, spread, weights:
        Of every feature: float64, shape (features,).
    """

    intercept: float
    center: NDArray[np.float64]
    spread: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def fitted(cls, features: NDArray[np.floating[Any]], errors: NDArray[np.floating[Any]]) -> "SizeModel":
        """Least squares.

        Parameters
        ----------
        features:
            Shape (pixels, features).
        errors:
            Shape (pixels,).
        """
        table, sizes = np.asarray(features, np.float64), np.abs(np.asarray(errors, np.float64))
        center, spread = table.mean(axis=0), table.std(axis=0)
        spread = np.where(spread > 1e-9, spread, 1.0)
        ratio = _limited((table - center) / spread)
        about = ratio.mean(axis=0)
        apart = ratio - about
        normal = apart.T @ apart + _RIDGE * len(table) * np.eye(table.shape[1])
        model = cls(math.log(float(np.median(sizes)) + _SMALLEST), center, spread, np.zeros(len(center)))
        for _ in range(_ROUNDS):
            logarithm = np.log(sizes + _LEAST_SHARE * model.size(table) + _SMALLEST)
            mean = float(logarithm.mean())
            weights = np.linalg.solve(normal, apart.T @ (logarithm - mean))
            model = cls(mean - float(about @ weights), center, spread, weights)
        return model

    def size(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """How large an error tends to be: ``features`` of shape (..., features) to shape (...)."""
        ratio = _limited((np.asarray(features, np.float64) - self.center) / self.spread)
        size: NDArray[np.float64] = np.exp(self.intercept + ratio @ self.weights)
        return size


def _limited(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(ratio, -_FARTHEST, _FARTHEST)


@dataclass(frozen=True)
class Intervals:
    """Sizes, and how many times as large errors may be.

    Attributes
    ----------
    below, above:
        A measurement is expected between prediction - below x size and prediction + above x size.
    """

    sizes: SizeModel
    below: float
    above: float

    def bounds(
        self, predicted: NDArray[np.floating[Any]], features: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper bound of ``predicted``, shape (...), with ``features``, shape (..., features)."""
        size = self.sizes.size(features)
        middle = np.asarray(predicted, np.float64)
        return middle - self.below * size, middle + self.above * size

    def hold(
        self, features: NDArray[np.floating[Any]], errors: NDArray[np.floating[Any]]
    ) -> NDArray[np.bool_]:
        """Whether the interval around zero holds each of ``errors`` (measured minus predicted)."""
        lower, upper = self.bounds(np.zeros(len(errors)), features)
        return (lower <= errors) & (errors <= upper)


def conformal_quantile(scores: NDArray[np.floating[Any]], share: float) -> float:
    """The smallest of ``scores`` that a new exchangeable one exceeds with probability 1 - ``share`` at most.

    Infinite where the scores are too few to tell.
    """
    # Rounding would otherwise take 0.95 x 100 for a little more than 95.
    rank = math.ceil((scores.size + 1) * share - 1e-9)
    return math.inf if rank > scores.size else float(np.partition(scores, rank - 1)[rank - 1])


def fit_intervals(
    features: NDArray[np.floating[Any]],
    errors: NDArray[np.floating[Any]],
    groups: NDArray[np.integer[Any]],
    level: float,
) -> Intervals:
    """Intervals that hold a share ``level`` of new errors.

    Parameters
    ----------
    features:
        Shape (pixels, features).
    errors:
        Measured minus predicted, shape (pixels,).
    groups:
        Number of the group (region or block) of every pixel. The ratios of a group come from a model that was
        fitted to all others; the model that is returned is fitted to all.

    Raises
    ------
    ValueError
        When there are fewer than two groups.
    """
    names = np.unique(groups)
    if names.size < 2:
        raise ValueError("one group cannot be held out of itself")
    ratios = np.empty(len(errors))
    for name in names:
        own = groups == name
        ratios[own] = errors[own] / SizeModel.fitted(features[~own], errors[~own]).size(features[own])
    tail = (1 + level) / 2
    below, above = conformal_quantile(-ratios, tail), conformal_quantile(ratios, tail)
    return Intervals(SizeModel.fitted(features, errors), below, above)


def held_out_cover(
    features: NDArray[np.floating[Any]],
    errors: NDArray[np.floating[Any]],
    groups: NDArray[np.integer[Any]],
    level: float,
) -> NDArray[np.bool_]:
    """For every error, whether intervals that were made without its group hold it; needs three groups."""
    held = np.zeros(len(errors), bool)
    for name in np.unique(groups):
        own = groups == name
        made = fit_intervals(features[~own], errors[~own], groups[~own], level)
        held[own] = made.hold(features[own], errors[own])
    return held
