"""Sharpen a fine prior with the measured VIIRS radiance."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from nightlights.errors import DatasetError
from nightlights.grid import Window
from nightlights.observation import PointSpread
from nightlights.sharpening.agreement import agreeing_addition
from nightlights.sharpening.estimate import estimated_factor
from nightlights.sharpening.scene import KEPT_BYTES, Correction, LitScene, Read, Scene

NOISE_FLOOR = 3.0
"""Radiance in nW/cm2/sr above which the measurement is reproduced to :data:`TOLERANCE`, where light can.

The radiance from which on the instrument was specified (Liao et al. 2013, doi:10.1002/2013JD020475), and the
better of 1 and 3 on the validation cities (``benchmarks/noise_floor.py``).
"""
TOLERANCE = 0.01
"""Relative difference between the observed light and the measurement that is asked above the noise floor."""
_DARK_TOLERANCE = 0.1
"""The same below the floor, in nW/cm2/sr: about the standard deviation of the noise of dark pixels."""
_KEPT_BACK = 0.9
"""Share of the tolerance that is asked of the solver, so that it may stop before it is exact."""


def sharpen(
    prior: NDArray[np.floating[Any]],
    measured: NDArray[np.floating[Any]],
    window: Window,
    point_spread: PointSpread | None = None,
    *,
    contrast: float = 1.0,
    noise_floor: float = NOISE_FLOOR,
    tolerance: float = TOLERANCE,
) -> NDArray[np.float32]:
    """The light that keeps the texture of ``prior`` and that VIIRS would observe as ``measured``.

    Parameters
    ----------
    prior:
        Predicted radiance in nW/cm2/sr, shape (16 height, 16 width), north first; NaN where missing.
        Negative radiance counts as none.
    measured:
        VIIRS radiance in nW/cm2/sr, shape (height, width); NaN where missing: there, the prior is scaled as
        its neighbours are. May be slightly negative.
    window:
        Where both lie. Light from beyond it is unknown, as in :func:`nightlights.observation.observe`.
    contrast:
        Power of the prior that the texture is taken from. Above 1 for a prior that is flatter than light is,
        as a mean over what it cannot tell apart must be. How bright the prior is does not matter as long as
        VIIRS would observe of it, raised to that power, 0.0025 nW/cm2/sr or more, added up over the window.
        Below that the texture is lost: a prior of 0.02 nW/cm2/sr everywhere keeps it up to a contrast of 2.
    noise_floor:
        Measured radiance in nW/cm2/sr above which ``tolerance`` holds.
    tolerance:
        Relative difference of the observed result and ``measured`` that is asked. It is exceeded where no
        light can be observed so, such as a lone bright pixel narrower than the point spread, and where the
        light would have to be bent by more than a fifth (root mean square): to follow the noise of single
        pixels, as happens from some 35 degrees of latitude on, or from a prior that is dark where light was
        measured, as happens to a few percent of priors that are three or more times as bright in wrong
        places.

    Returns
    -------
    numpy.ndarray
        float32, shape (16 height, 16 width), nW/cm2/sr, never below 0, NaN where the prior is.

    Raises
    ------
    DatasetError
        When a shape does not fit the window.
    """
    if prior.shape != window.fine_shape:
        raise DatasetError(f"The prior has shape {prior.shape}; the window asks for {window.fine_shape}.")
    known = np.where(np.isfinite(prior), prior, np.nan).astype(np.float32)
    sharpened = np.empty(window.fine_shape, np.float32)
    for tile, light in sharpened_blocks(
        lambda part: known[part.fine_slices_in(window)],
        measured,
        window,
        point_spread,
        contrast=contrast,
        noise_floor=noise_floor,
        tolerance=tolerance,
    ):
        sharpened[tile.fine_slices_in(window)] = light
    return sharpened


def sharpened_blocks(
    read: Read,
    measured: NDArray[np.floating[Any]],
    window: Window,
    point_spread: PointSpread | None = None,
    *,
    contrast: float = 1.0,
    noise_floor: float = NOISE_FLOOR,
    tolerance: float = TOLERANCE,
    tile_size: int = 32,
    kept_bytes: int = KEPT_BYTES,
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """As :func:`sharpen`, of a prior that is read tile by tile: once, or many times where it is large.

    Parameters
    ----------
    read:
        Gives the prior of any window inside ``window``.
    tile_size:
        Side of a tile in VIIRS pixels; the result does not depend on it.
    kept_bytes:
        Memory for what was read and estimated; a region that needs more is read in every pass.

    Yields
    ------
    window, radiance:
        Where, and float32 of shape (16 height, 16 width).
    """
    if measured.shape != window.shape:
        raise DatasetError(f"VIIRS has shape {measured.shape}; the window asks for {window.shape}.")
    scene = Scene(_raised(read, contrast), window, point_spread or PointSpread(), tile_size, kept_bytes)
    radiance = np.where(np.isfinite(measured), measured, np.nan).astype(np.float64)
    # The products are thousands of small ones. On several threads they wait for each other on a busy machine,
    # a hundred times as long, and their sums come out in another order.
    threads = ThreadpoolController()
    with threads.limit(limits=1, user_api="blas"):
        lit, addition = _solved(scene, radiance, noise_floor, tolerance)
    blocks = lit.blocks(addition)
    while True:
        with threads.limit(limits=1, user_api="blas"):
            block = next(blocks, None)
        if block is None:
            return
        yield block


def _solved(
    scene: Scene, radiance: NDArray[np.float64], noise_floor: float, tolerance: float
) -> tuple[LitScene, NDArray[np.float64]]:
    """The estimate of the light, and the addition with which it agrees with the measurement."""
    window = scene.window
    factor = estimated_factor(scene, radiance)
    estimate = Correction(factor, np.zeros(window.shape))
    brightness = np.maximum(np.where(np.isnan(radiance), scene.observed(estimate), radiance), _DARK_TOLERANCE)
    estimate = Correction(factor, brightness)
    # Light cannot go below 0, so a pixel measured below 0 is dark enough at 0.
    dark = np.maximum(_DARK_TOLERANCE, _DARK_TOLERANCE - radiance)
    allowed = _KEPT_BACK * np.where(radiance > noise_floor, tolerance * radiance, dark)
    areas = np.broadcast_to(window.pixel_area_km2[:, None], window.shape)
    lit = scene.lit(estimate)
    return lit, agreeing_addition(lit, radiance, allowed, areas)


def _raised(read: Read, contrast: float) -> Read:
    """The prior to the power of ``contrast``, which leaves 1 nW/cm2/sr as it is."""
    if contrast == 1.0:
        return read

    def raised(window: Window) -> NDArray[np.float32]:
        return np.asarray(np.maximum(read(window), 0.0) ** np.float32(contrast), np.float32)

    return raised
