"""What VIIRS tells of dark ground: how bright the darkest of the surroundings is, and their mean.

Sharpening multiplies, so water beside a bright shore, which shares its footprints, was made as black as the
shore was predicted too bright. Unless the prediction says so itself, no light becomes darker than the darkest
of its surroundings, a percentile of them, as the sky is estimated in photometry (Bertin and Arnouts 1996,
doi:10.1051/aas:1996164).
"""

import itertools
from functools import partial
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter, percentile_filter

from nightlights.grid import Window
from nightlights.observation import PointSpread
from nightlights.sharpening.interpolation import bicubic_part, filled
from nightlights.sharpening.scene import Floats, Scene

_SIDE: Final = 9
"""VIIRS pixels: side of the surroundings."""
_PERCENTILE: Final = 5
"""Of them, which counts as dark."""
_BEFORE: Final = 1.0
"""VIIRS pixels by which noise is smoothed before."""
_AFTER: Final = 2.0
"""VIIRS pixels by which the level is smoothed after."""
_KEPT: Final = 0.9
"""Share of that level: what is left is noise's, whose darkest is darker than the ground."""
_LARGEST: Final = 4.5
"""In units of the noise of dark ground: brighter surroundings are a town's, and streets leave gaps in it."""

_CALM: Final = 2.0
"""VIIRS pixels: standard deviation of the surroundings whose mean is taken."""
_CALM_SIDE: Final = 5
"""VIIRS pixels: how far they reach."""
_CALM_WITHIN: Final = 5.0
"""In units of the noise of dark ground: what differs by more is no noise."""
_STANDS_OUT: Final = 4.0
"""In units of the noise of dark ground: the light at which contrasts are trusted by half."""


def dark_level(measured: Floats, floor: float, window: Window, spread: PointSpread) -> Floats:
    """Shape of ``measured``, in nW/cm2/sr: smooth, without gaps, not below 0.

    Parameters
    ----------
    measured:
        VIIRS radiance in nW/cm2/sr, shape (height, width), NaN where missing.
    floor:
        Standard deviation of its noise where it is dark, same unit.
    window:
        Where it lies.
    spread:
        What its glow explains of dark ground is no light of the ground.

    Examples
    --------
    >>> window = Window(44_000, 18_000, 20, 20)
    >>> level = dark_level(np.full((20, 20), 0.2), 0.1, window, PointSpread())
    >>> bool(np.allclose(level, 0.18))
    True
    """
    if not np.isfinite(measured).any():
        return np.zeros(measured.shape)
    light = filled(measured)
    if spread.glow_share > 0:
        light = light - _glow(light, window, spread)
    smooth = gaussian_filter(light, _BEFORE)
    dark = gaussian_filter(percentile_filter(smooth, _PERCENTILE, size=_SIDE), _AFTER)
    level: Floats = np.clip(_KEPT * np.minimum(dark, smooth), 0, _LARGEST * floor)
    return level


def calmed(measured: Floats, floor: float) -> Floats:
    """VIIRS, where it differs from its surroundings by no more than noise, as their mean.

    The sigma filter of Lee (1983, doi:10.1016/0734-189X(83)90047-6) with Tukey's biweight in the place of a
    threshold: a shore and a village keep their edges. For the noise of dark ground alone: that of lit ground
    is a share of the light, and to smooth it blurs towns. Without it noise draws blobs on water.

    Parameters
    ----------
    measured:
        VIIRS radiance in nW/cm2/sr, shape (height, width), NaN where missing.
    floor:
        Standard deviation of its noise where it is dark, same unit.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(scale=0.1, size=(40, 40))
    >>> bool(calmed(0.3 + noise, 0.1).std() < 0.04)
    True
    """
    if floor <= 0:
        return measured
    height, width = measured.shape
    padded = np.pad(measured, _CALM_SIDE, constant_values=np.nan)
    total, weights = np.zeros(measured.shape), np.zeros(measured.shape)
    offsets = range(-_CALM_SIDE, _CALM_SIDE + 1)
    for down, right in itertools.product(offsets, offsets):
        top, left = _CALM_SIDE + down, _CALM_SIDE + right
        other = padded[top : top + height, left : left + width]
        apart = np.minimum(((other - measured) / (_CALM_WITHIN * floor)) ** 2, 1.0)
        weight = np.exp(-(down**2 + right**2) / (2 * _CALM**2)) * np.nan_to_num((1 - apart) ** 2)
        total += weight * np.nan_to_num(other)
        weights += weight
    return np.where(np.isfinite(measured), total / np.maximum(weights, 1e-9), np.nan)


def standing_out(calm: Floats, floor: float) -> Floats:
    """How far contrasts within a footprint are to be trusted by its light: 0 within the noise, to 1.

    Fields, bare ground and waves differ by day and are dark by night alike. Half at four times the noise.

    Parameters
    ----------
    calm:
        VIIRS as :func:`calmed` gives it, in nW/cm2/sr, shape (height, width), NaN where missing.
    floor:
        Standard deviation of its noise where it is dark, same unit.

    Examples
    --------
    >>> standing_out(np.full((9, 9), 0.4), 0.1).round(2)[4, 4].item()
    0.5
    """
    if not np.isfinite(calm).any():
        return np.ones(calm.shape)
    light = np.maximum(gaussian_filter(filled(calm), _BEFORE), 0)
    share: Floats = light**2 / np.maximum(light**2 + (_STANDS_OUT * floor) ** 2, 1e-12)
    return share


def _glow(light: Floats, window: Window, spread: PointSpread) -> Floats:
    """What VIIRS sees of the glow alone."""
    read, nothing = partial(bicubic_part, light, window), np.zeros(window.shape)
    whole = Scene(read, window, spread).observed(nothing)
    return whole - (1 - spread.glow_share) * Scene(read, window, spread.core).observed(nothing)
