"""First step: the factors that bring the prior close to the measurement, stopped before noise is fitted.

The simultaneous multiplicative algebraic reconstruction technique (Byrne 1993, doi:10.1109/83.210869):
every round multiplies each analysis pixel by the geometric mean, weighted by footprint, of measured over
observed. Its limit is the light with the least Kullback-Leibler distance to the prior that reproduces the
measurement; a few rounds keep the noise of the measurement out, as with Richardson and Lucy's method.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from nightlights.sharpening.scene import Correction, Floats, Scene

_ROUNDS = 20
_FAINT = 0.05
"""Radiance in nW/cm2/sr below which ratios mean nothing."""
_LARGEST_FACTOR = 100.0
"""Beyond the factor of the whole window."""
_NEIGHBOURS = 1.5
"""Reach of the neighbours of a missing pixel: standard deviation in VIIRS pixels."""


def estimated_factor(scene: Scene, measured: Floats, rounds: int = _ROUNDS) -> Floats:
    """The logarithm of the factor, shape (height, width).

    Parameters
    ----------
    measured:
        VIIRS radiance in nW/cm2/sr, shape (height, width); pixels where it is NaN take the factor of their
        neighbours.
    """
    known = np.isfinite(measured) & (scene.inverse > 0)
    factor = np.zeros(scene.window.shape)
    if not known.any():
        return factor
    correction, limit = Correction.none(scene.window), np.log(_LARGEST_FACTOR)
    wanted = np.log(np.maximum(np.where(known, measured, 0.0), _FAINT))
    overall = 0.0
    for index in range(rounds):
        observed = scene.observed(correction)
        if index == 0:
            measured_light = max(float(measured[known].sum()), _FAINT)
            overall = float(np.log(measured_light / max(float(observed[known].sum()), _FAINT**2)))
            factor += overall
            observed = observed * np.exp(overall)
        ratio = wanted - np.log(np.maximum(observed, _FAINT))
        factor = np.clip(factor + _filled(ratio, known), overall - limit, overall + limit)
        correction = Correction(factor, correction.brightness)
    return factor


def _filled(values: Floats, known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """``values`` where known, elsewhere the mean of the neighbours, or of all where none is near."""
    if known.all():
        return values
    weight = gaussian_filter(known.astype(np.float64), _NEIGHBOURS, mode="constant")
    nearby = gaussian_filter(np.where(known, values, 0.0), _NEIGHBOURS, mode="constant")
    faint = 1e-4
    mean = (nearby + faint * float(values[known].mean())) / (weight + faint)
    return np.where(known, values, mean)
