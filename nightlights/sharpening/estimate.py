"""The factors that bring a prior as close to the measurement as the measurement is good, and no closer.

The simultaneous multiplicative algebraic reconstruction technique (Byrne 1993, doi:10.1109/83.210869): every
round multiplies each analysis pixel by the geometric mean, weighted by footprint, of measured over observed.
Its limit is the light with the least Kullback-Leibler distance to the prior that reproduces the measurement,
noise and all; so it is stopped where the residuals are no larger than the noise (Morozov's discrepancy
principle). That is asked of every neighbourhood by itself: dark land around a town agrees from the first
round on, and a mean over all pixels would stop before the town does.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from nightlights.sharpening.scene import Floats

_ROUNDS = 40
"""At most; where light can explain the measurement, fewer do."""
_STEP = 1.5
"""Of a round, in logarithms of measured over observed; below 2, beyond which rounds diverge."""
_GENTLE = 5
"""So many rounds begin with a step of 1: while residuals are large, a longer one overshoots the noise."""
_WEAK = 9.0
"""How slowly light is followed that does not stand out of the noise: in variances of the noise."""
_CHI_SQUARE = 1.0
"""Of a neighbourhood: from there on nothing is fitted any more."""
_NEIGHBOURHOOD = 2.0
"""Its standard deviation in VIIRS pixels: some 50 pixels, whose mean square is known to a fifth."""
_LARGEST_RESIDUAL = 3.0
"""In standard deviations: a larger one is fitted at its own place, and counts as this in others'."""
_CLOSING = 20
"""At most so many factors of the whole window keep the total of light: not all light takes a factor."""
_CLOSED = 1e-4
"""Logarithm of a factor that closes it."""
_LEAST_GATE = 0.02
"""Share of a step below which no neighbourhood moves any more."""
_FAINT = 0.05
"""Radiance in nW/cm2/sr below which ratios mean nothing."""
_LARGEST_FACTOR = 1e4
"""Beyond the factor of the whole window."""
_NEIGHBOURS = 1.5
"""Reach of the neighbours of a missing pixel: standard deviation in VIIRS pixels."""

Known = NDArray[np.bool_]


class Grid(Protocol):
    """Where the measurements of a scene lie."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in measurements."""

    @property
    def pixel_area_km2(self) -> NDArray[np.float64]:
        """Area of a measurement in every row."""


class Corrected(Protocol):
    """A prior as an instrument sees it: see :class:`nightlights.sharpening.scene.Scene`."""

    @property
    def window(self) -> Grid:
        """The measurements."""

    @property
    def inverse(self) -> Floats:
        """One over the known share of every footprint, 0 where too little is known."""

    def observed(self, factor: Floats) -> Floats:
        """What the instrument sees of the prior times exp(M ``factor``)."""


def estimated_factor(scene: Corrected, measured: Floats, sigma: Floats, calm: Floats | None = None) -> Floats:
    """The logarithm of the factor, shape (height, width); 0 where nothing was measured.

    Total light over the measured pixels, radiance times area as VIIRS would observe it, is that of the
    measurement.

    Parameters
    ----------
    measured:
        VIIRS radiance in nW/cm2/sr, shape (height, width); pixels where it is NaN take the factor of their
        neighbours.
    sigma:
        Its standard deviation, same shape and unit.
    calm:
        What is approached, as near as the noise allows, in the place of ``measured``:
        :func:`nightlights.sharpening.dark.calmed`. The total is that of ``measured``.
    """
    known = np.isfinite(measured) & (scene.inverse > 0)
    factor = np.zeros(scene.window.shape)
    if not known.any():
        return factor
    light, limit = np.where(known, measured, 0.0), np.log(_LARGEST_FACTOR)
    aim = light if calm is None else np.where(known, calm, 0.0)
    area = np.broadcast_to(scene.window.pixel_area_km2[:, None], known.shape) * known
    # Where all is darker than a share of the noise, ratios begin lower.
    faint = min(_FAINT, float(np.median(sigma[known])))
    wanted = np.log(np.maximum(aim, faint))
    near = np.maximum(_mean_near(aim, known, 1.0), 0)
    observed = scene.observed(factor)
    overall = _typical_ratio(light, observed, known, faint)
    factor += overall
    observed = scene.observed(factor)
    for index in range(_ROUNDS):
        gate = _gate((observed - aim) / sigma, known)
        if gate.max() < _LEAST_GATE:
            break
        # Light that stands out in either: a village that VIIRS does not see has to go, too.
        stands = np.maximum(near, _mean_near(observed, known, 1.0)) ** 2
        step = (1.0 if index < _GENTLE else _STEP) * gate * stands / (stands + _WEAK * sigma**2)
        ratio = step * (wanted - np.log(np.maximum(observed, faint)))
        factor = np.clip(factor + _filled(ratio, known), overall - limit, overall + limit)
        observed = scene.observed(factor)
    for _ in range(_CLOSING):
        rest = _ratio_of_totals(light, observed, area, faint**2)
        factor = factor + rest
        if abs(rest) < _CLOSED:
            break
        observed = scene.observed(factor)
    return factor


def _typical_ratio(light: Floats, observed: Floats, known: Known, faint: float) -> float:
    """Logarithm of measured over observed light: the median over the light, so that no fire decides it."""
    seen = observed[known]
    if not seen.sum() > 0:
        return 0.0
    ratios = np.maximum(light[known], faint * 1e-3) / np.maximum(seen, seen.max() * 1e-6)
    order = np.argsort(ratios, kind="stable")
    share = np.cumsum(seen[order])
    return float(np.log(ratios[order][np.searchsorted(share, share[-1] / 2)]))


def _ratio_of_totals(light: Floats, observed: Floats, area: Floats, faint: float) -> float:
    """Logarithm of measured over observed light; where none was measured, of next to none."""
    least = faint * float(area.sum()) * 1e-3
    return float(np.log(max(float((light * area).sum()), least) / max(float((observed * area).sum()), least)))


def _gate(residuals: Floats, known: Known) -> Floats:
    """From 0 to 1: whether a pixel's neighbourhood is still further from the measurement than noise is."""
    large = np.abs(residuals) > _LARGEST_RESIDUAL
    square = np.where(large, _LARGEST_RESIDUAL**2, residuals**2)
    near = _mean_near(square, known, _NEIGHBOURHOOD)
    gate = _mean_near((near > _CHI_SQUARE).astype(np.float64), known, _NEIGHBOURHOOD / 2)
    return np.where(known, np.where(large, 1.0, gate), 0.0)


def _mean_near(values: Floats, known: Known, reach: float) -> Floats:
    weight = gaussian_filter(known.astype(np.float64), reach, mode="constant")
    total: Floats = gaussian_filter(np.where(known, values, 0.0), reach, mode="constant")
    mean: Floats = total / np.maximum(weight, 1e-9)
    return mean


def _filled(values: Floats, known: NDArray[Any]) -> Floats:
    """``values`` where known, elsewhere the mean of the neighbours, or of all where none is near."""
    if known.all():
        return values
    weight = gaussian_filter(known.astype(np.float64), _NEIGHBOURS, mode="constant")
    nearby = gaussian_filter(np.where(known, values, 0.0), _NEIGHBOURS, mode="constant")
    faint = 1e-4
    mean = (nearby + faint * float(values[known].mean())) / (weight + faint)
    return np.where(known, values, mean)
