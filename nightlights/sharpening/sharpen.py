"""Sharpen a fine prior with the measured VIIRS radiance."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from nightlights.errors import DatasetError
from nightlights.grid import Window
from nightlights.noise import MONTH, Noise
from nightlights.observation import PointSpread
from nightlights.sharpening.agreement import Agreement
from nightlights.sharpening.dark import calmed, dark_level, standing_out
from nightlights.sharpening.estimate import estimated_factor
from nightlights.sharpening.interpolation import between, bicubic_part
from nightlights.sharpening.scene import KEPT_BYTES, Floats, Read, Scene
from nightlights.sharpening.verdict import faint_of, mixed

_DARK_SHARE = 0.5
"""Of the total of light: the most that the dark level may have."""
_LEAST = np.float32(1e-6)
"""Radiance in nW/cm2/sr by which nothing is divided."""


def sharpen(
    prior: NDArray[np.floating[Any]],
    measured: NDArray[np.floating[Any]],
    window: Window,
    point_spread: PointSpread | None = None,
    *,
    noise: Noise = MONTH,
    contrast: float = 1.0,
    exponent: float | None = None,
) -> NDArray[np.float32]:
    """The light with the texture of ``prior`` that VIIRS would observe as ``measured``, but for noise.

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
    point_spread:
        Of the night-time instrument; 742 m unless given.
    noise:
        Of the measurement: that of a single monthly composite unless given. Where the prior is as near to the
        measurement as that, nothing is changed but the total of all light.
    contrast:
        Power of the prior that the texture is taken from. Above 1 for a prior that is flatter than light is,
        as a mean over what it cannot tell apart must be.
    exponent:
        How far that texture is trusted, 0 or more: the prior is interpolated VIIRS, sharpened,
        times what the texture is of its own interpolated footprints, to the power of the exponent, of less
        where light does not stand out of the noise. See
        :func:`nightlights.sharpening.verdict.verdict`.

    Returns
    -------
    numpy.ndarray
        float32, shape (16 height, 16 width), nW/cm2/sr, never below 0, NaN where the prior is. Radiance times
        area, added up over the measured pixels as VIIRS would observe it, is that of the measurement.

    Raises
    ------
    DatasetError
        When a shape does not fit the window.

    Examples
    --------
    >>> import numpy as np
    >>> window = Window(44_000, 18_000, 4, 3)
    >>> light = sharpen(np.ones(window.fine_shape), np.full(window.shape, 5.0), window)
    >>> bool(np.allclose(light, 5.0, rtol=1e-4))
    True
    """
    if prior.shape != window.fine_shape:
        raise DatasetError(f"The prior has shape {prior.shape}; the window asks for {window.fine_shape}.")
    known = np.where(np.isfinite(prior), prior, np.nan).astype(np.float32)
    sharpened = np.empty(window.fine_shape, np.float32)

    def read(part: Window) -> NDArray[np.float32]:
        return known[part.fine_slices_in(window)]

    for tile, light in Sharpening.of(
        read, measured, window, point_spread, noise=noise, contrast=contrast, exponent=exponent
    ).blocks():
        sharpened[tile.fine_slices_in(window)] = light
    return sharpened


@dataclass(frozen=True)
class Sharpening:
    """The sharpened light of a region of any size, and how well it agrees with the measurement.

    Attributes
    ----------
    scene, factor:
        The prior, and the logarithm of what it is multiplied with, on the VIIRS grid.
    agreement:
        With the measurement, in the measure of its noise.
    """

    scene: Scene
    factor: Floats
    agreement: Agreement

    @classmethod
    def of(
        cls,
        read: Read,
        measured: NDArray[np.floating[Any]],
        window: Window,
        point_spread: PointSpread | None = None,
        *,
        noise: Noise = MONTH,
        contrast: float = 1.0,
        exponent: float | None = None,
        sigma: NDArray[np.float64] | None = None,
        tile_size: int = 32,
        kept_bytes: int = KEPT_BYTES,
    ) -> "Sharpening":
        """As :func:`sharpen`, of a prior that is read tile by tile: once, or many times where it is large.

        Parameters
        ----------
        read:
            Gives the prior of any window inside ``window``, float32, shape (16 height, 16 width).
        sigma:
            The noise of every pixel where it was measured, shape (height, width), in the place of ``noise``.
        tile_size:
            Side of a tile in VIIRS pixels; the result does not depend on it.
        kept_bytes:
            Memory for what was read; a region that needs more is read in every pass.
        """
        if measured.shape != window.shape:
            raise DatasetError(f"VIIRS has shape {measured.shape}; the window asks for {window.shape}.")
        radiance = np.where(np.isfinite(measured), measured, np.nan).astype(np.float64)
        sigma = noise.sigma(radiance) if sigma is None else sigma
        if not (np.isfinite(sigma) & (sigma > 0)).all():
            raise DatasetError("The noise of VIIRS is not known of every pixel, or 0.", "Give it above 0.")
        spread = point_spread or PointSpread()
        calm = calmed(radiance, noise.floor)
        dark = _within_total(dark_level(calm, noise.floor, window, spread), radiance, window)
        # Interpolated VIIRS, the prior and the mixture of both are each kept.
        kept = kept_bytes if exponent is None else kept_bytes // 3

        def scene_of(read: Read) -> Scene:
            scene = Scene(read, window, spread, tile_size, kept)
            return scene.not_darker(dark, radiance) if dark.any() else scene

        prior = _raised(read, contrast)
        with _one_thread():
            if exponent is not None:
                plain, textured = scene_of(partial(bicubic_part, calm, window)), scene_of(prior)
                seen = textured.seen()
                # Where VIIRS tells nothing the prior is all that there is.
                if (np.isfinite(seen) & np.isfinite(radiance)).any():
                    smooth = estimated_factor(plain, radiance, sigma, calm)
                    trust = exponent * standing_out(calm, noise.floor)
                    prior = _Mixture(plain, smooth, textured, seen, trust).read
            scene = scene_of(prior)
            factor = estimated_factor(scene, radiance, sigma, calm)
            observed = np.where(scene.inverse > 0, scene.observed(factor), np.nan)
        return cls(scene, factor, Agreement.of(observed, radiance, sigma))

    def blocks(self) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """The light: (tile, float32 of shape (16 height, 16 width) in nW/cm2/sr), NaN where the prior is."""
        blocks = self.scene.blocks(self.factor)
        while True:
            with _one_thread():
                block = next(blocks, None)
            if block is None:
                return
            yield block


def _within_total(dark: Floats, measured: Floats, window: Window) -> Floats:
    """A dark level that leaves half of the light to be placed: else the total could not be kept."""
    area = np.where(np.isfinite(measured), window.pixel_area_km2[:, None], 0.0)
    total = max(float((np.nan_to_num(measured) * area).sum()), 0.0)
    return dark * min(1.0, _DARK_SHARE * total / max(float((dark * area).sum()), 1e-12))


@dataclass
class _Mixture:
    """Interpolated VIIRS, sharpened, with some of the texture of a prior.

    Attributes
    ----------
    plain, smooth:
        Interpolated VIIRS, and the factor that sharpens it.
    textured, seen:
        The prior, and what VIIRS sees of it.
    exponent:
        As in :func:`sharpen`, of every VIIRS pixel.
    """

    plain: Scene
    smooth: Floats
    textured: Scene
    seen: Floats
    exponent: Floats
    _rows: tuple[int, NDArray[np.float32]] | None = None

    def read(self, tile: Window) -> NDArray[np.float32]:
        """The mixture in a tile; tiles of one strip come one after the other."""
        if self._rows is None or self._rows[0] != tile.row:
            self._rows = tile.row, self.plain.rows(self.smooth, tile.row, tile.height)
        outer = self.plain.window
        across = replace(outer, row=tile.row, height=tile.height)
        smooth = self._rows[1][tile.fine_slices_in(across)]
        texture = self.textured.read(tile)
        within = bicubic_part(self.seen, outer, tile)
        exponent = between(self.exponent, outer, tile)
        found: NDArray[np.float32] = mixed(smooth, texture, within, exponent, faint_of(self.seen))
        share = np.clip(self.textured.least(texture, tile) / np.maximum(smooth, _LEAST), 0, 1)
        found = np.maximum(found, smooth * share**exponent)
        return np.where(np.isfinite(texture), found, np.float32(np.nan))


def _one_thread() -> Any:
    """The products are thousands of small ones.

    On several threads they wait for each other on a busy machine, a hundred times as long, and their sums
    come out in another order.
    """
    return ThreadpoolController().limit(limits=1, user_api="blas")


def _raised(read: Read, contrast: float) -> Read:
    """The prior to the power of ``contrast``, which leaves 1 nW/cm2/sr as it is."""
    if contrast == 1.0:
        return read

    def raised(window: Window) -> NDArray[np.float32]:
        return np.asarray(np.maximum(read(window), 0.0) ** np.float32(contrast), np.float32)

    return raised
