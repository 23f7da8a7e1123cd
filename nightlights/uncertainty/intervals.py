"""Locally scaled conformal intervals for a new city, from errors and features alone.

Lei et al. 2018 (doi:10.1080/01621459.2017.1307116) divide every error by its expected size; a quantile of
these ratios, taken where the sizes were not fitted, then holds a known share of new errors as long as new
errors and these are exchangeable. Pixels of one city are alike, so what is exchangeable is the cities. What
follows from that (Dunn, Wasserman and Ramdas 2022, doi:10.1080/01621459.2022.2060112):

- The distributions of the ratios are pooled with every city counting the same, however many pixels it has.
- A whole city is held out at a time, on every planet or date on which it was looked at.
- Errors below and above share one quantile. A city errs mostly to one side, as its country is brighter or
  darker than others that look like it; a few cities cannot tell how far to either side apart. On the
  validation cities, each without itself, a quantile for each side held 81 % (daytime bands) and 85 % (with
  VIIRS) instead of 90 %, one for both 89 % and 90 % at the same width.
- The quantile of a few cities lies too near: the share that it is taken at is raised until the intervals
  made without a city hold the wanted share of it, in the mean over cities.

Nothing is guaranteed by this: for a bound that holds for whatever distribution, nine cities are the fewest
that give a finite 90 % interval. And it is the mean over new cities that comes near the wanted share. Single
cities lie far from it.
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
_MOST_FOLDS = 12
"""Into how many parts groups are put that are held out in turn: the work grows with the third power."""
_FEWEST_FOLDS = 3
_BISECTIONS = 12


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
    share:
        At which the quantile was taken.
    """

    sizes: SizeModel
    below: float
    above: float
    share: float

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


def pooled_quantile(
    ratios: NDArray[np.floating[Any]], groups: NDArray[np.integer[Any]], share: float
) -> float:
    """The smallest of ``ratios`` up to which a ``share`` of them lies, every group counting the same.

    Parameters
    ----------
    ratios, groups:
        The ratio and the number of the group of every pixel, shape (pixels,).
    """
    return _Pooled.of(ratios, groups).quantile(share)


@dataclass(frozen=True)
class _Pooled:
    """Ratios in their order, and the share of all groups that lies up to each."""

    ratios: NDArray[np.float64]
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, ratios: NDArray[np.floating[Any]], groups: NDArray[np.integer[Any]]) -> "_Pooled":
        _, numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)
        order = np.argsort(ratios)
        weights = 1 / (counts.size * counts[numbers.reshape(-1)])
        return cls(np.asarray(ratios, np.float64)[order], np.cumsum(weights[order]))

    def quantile(self, share: float) -> float:
        # Rounding would otherwise take a share for a little more than it is.
        found = int(np.searchsorted(self.shares, share - 1e-9))
        return float(self.ratios[min(found, self.ratios.size - 1)])


def fit_intervals(
    features: NDArray[np.floating[Any]],
    errors: NDArray[np.floating[Any]],
    groups: NDArray[np.integer[Any]],
    level: float,
) -> Intervals:
    """Intervals that hold a share ``level`` of the errors of a new group, in the mean over such groups.

    Parameters
    ----------
    features:
        Shape (pixels, features).
    errors:
        Measured minus predicted, shape (pixels,).
    groups:
        Number of the group (city or block) of every pixel. The ratios of a group come from a model that was
        fitted without it; the model that is returned is fitted to all.

    Raises
    ------
    ValueError
        When there are fewer than two groups.
    """
    folds = _folds(groups)
    if folds.max() < 1:
        raise ValueError("one group cannot be held out of itself")
    share = _share(features, errors, groups, folds, level)
    reach = _Pooled.of(_ratios(features, errors, folds), groups).quantile(share)
    return Intervals(SizeModel.fitted(features, errors), reach, reach, share)


def held_out_cover(
    features: NDArray[np.floating[Any]],
    errors: NDArray[np.floating[Any]],
    groups: NDArray[np.integer[Any]],
    level: float,
) -> NDArray[np.bool_]:
    """For every error, whether intervals that were made without its group hold it; needs three groups."""
    held, folds = np.zeros(len(errors), bool), _folds(groups)
    for fold in np.unique(folds):
        own = folds == fold
        made = fit_intervals(features[~own], errors[~own], groups[~own], level)
        held[own] = made.hold(features[own], errors[own])
    return held


def group_mean(values: NDArray[Any], groups: NDArray[np.integer[Any]]) -> float:
    """Mean over groups of the mean of their ``values``."""
    _, numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return float((np.bincount(numbers.reshape(-1), values.astype(np.float64)) / counts).mean())


def _folds(groups: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Groups that are held out together: one each, or a few where there are many, which saves hours."""
    _, numbers = np.unique(groups, return_inverse=True)
    return np.asarray(numbers.reshape(-1) % _MOST_FOLDS, np.int64)


def _ratios(
    features: NDArray[np.floating[Any]], errors: NDArray[np.floating[Any]], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of the size of every error to the one expected by a model that was fitted without its fold."""
    ratios = np.empty(len(errors))
    for fold in np.unique(folds):
        own = folds == fold
        sizes = SizeModel.fitted(features[~own], errors[~own])
        ratios[own] = np.abs(errors[own]) / sizes.size(features[own])
    return ratios


def _share(
    features: NDArray[np.floating[Any]],
    errors: NDArray[np.floating[Any]],
    groups: NDArray[np.integer[Any]],
    folds: NDArray[np.int64],
    level: float,
) -> float:
    """The share at which quantiles have to be taken, at least ``level``.

    The least at which intervals made without a fold hold ``level`` of it, in the mean over groups; with two
    folds alone nothing can be said, and it is ``level``.
    """
    numbers = np.unique(folds)
    if numbers.size < _FEWEST_FOLDS:
        return level
    without = []
    for fold in numbers:
        own = folds == fold
        ratios = _ratios(features[~own], errors[~own], folds[~own])
        sizes = SizeModel.fitted(features[~own], errors[~own])
        without.append(
            (own, _Pooled.of(ratios, groups[~own]), np.abs(errors[own]) / sizes.size(features[own]))
        )

    def held(share: float) -> float:
        inside = np.empty(len(errors), bool)
        for own, pooled, ratios in without:
            inside[own] = ratios <= pooled.quantile(share)
        return group_mean(inside, groups)

    if held(level) >= level:
        return level
    low, high = level, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if held(middle) < level else (low, middle)
    return high
