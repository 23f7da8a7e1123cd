"""The observation operator: what VIIRS would have measured of a fine radiance.

A pixel of the VIIRS Day/Night Band is the mean radiance over its footprint, not a point sample. The
operator spreads every analysis pixel's light by a Gaussian point spread function and averages blocks of
16 x 16. The default full width at half maximum, 742 m, is the instrument's nominal ground sample
distance (Miller et al. 2013, doi:10.3390/rs5126717).

The spread is the same number of metres everywhere, so in pixels it widens with latitude by
1 / cos(latitude) along a row. Rows are spread first, each 16 with the latitude of their own VIIRS row,
then columns: both steps keep the sum of the pixels, and nothing depends on where a window was cut.

Beside this core the spread may have a glow of kilometres, which real VIIRS has: see
:mod:`nightlights.glow_operator`. Its fraction is 0 unless given, and then nothing is computed of it.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightlights.errors import SettingsError
from nightlights.glow_operator import GlowOperator, glow_reach
from nightlights.grid import FINE_PER_DEGREE, FINE_PER_VIIRS, METRES_PER_DEGREE, Window

DEFAULT_FWHM_M = 742.0
_FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
TRUNCATE_SIGMAS = 4.0
"""Standard deviations beyond which the core of the point spread is cut off."""
DEFAULT_GLOW_FWHM_M = 8_000.0
NARROWEST_GLOW_M, WIDEST_GLOW_M = 2_000.0, 15_000.0
LARGEST_GLOW_SHARE = 0.5


class SpreadRecord(Protocol):
    """A record that contains a point spread: a dataset's manifest, a model's configuration."""

    @property
    def point_spread_fwhm_m(self) -> float:
        """Full width at half maximum of the core in metres."""

    @property
    def glow_share(self) -> float:
        """Fraction of the light in the glow."""

    @property
    def glow_fwhm_m(self) -> float:
        """Full width at half maximum of the glow in metres."""


@dataclass(frozen=True, slots=True)
class PointSpread:
    """A point spread function: a Gaussian core and a Gaussian glow.

    Attributes
    ----------
    fwhm_m:
        Full width at half maximum of the core in metres; 0 leaves the block mean alone.
    glow_share:
        Fraction of the light that is in the glow, from 0 to 0.5. With 0 there is none.
    glow_fwhm_m:
        Full width at half maximum of the glow in metres, from 2,000 to 15,000.
    """

    fwhm_m: float = DEFAULT_FWHM_M
    glow_share: float = 0.0
    glow_fwhm_m: float = DEFAULT_GLOW_FWHM_M

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fwhm_m) and 0 <= self.fwhm_m <= 10_000):
            raise SettingsError(
                f"A point spread of {self.fwhm_m} m cannot be used.",
                "Give a full width at half maximum from 0 to 10,000 m.",
            )
        if not 0 <= self.glow_share <= LARGEST_GLOW_SHARE:
            raise SettingsError(
                f"A glow with the fraction {self.glow_share} of the light cannot be used.",
                f"Give a fraction from 0 to {LARGEST_GLOW_SHARE:g}.",
            )
        if not NARROWEST_GLOW_M <= self.glow_fwhm_m <= WIDEST_GLOW_M:
            raise SettingsError(
                f"A glow of {self.glow_fwhm_m} m cannot be used.",
                f"Give a full width at half maximum from {NARROWEST_GLOW_M:,.0f} to {WIDEST_GLOW_M:,.0f} m.",
            )

    @classmethod
    def of(cls, record: SpreadRecord, glow_of: SpreadRecord | None = None) -> "PointSpread":
        """The point spread that a record contains.

        Parameters
        ----------
        glow_of:
            The record that contains the glow, where that is another: of a model on a dataset, the core is the
            model's, which may have learned it, and the glow is that of the place, which the dataset contains.
        """
        glow = glow_of or record
        return cls(record.point_spread_fwhm_m, glow.glow_share, glow.glow_fwhm_m)

    @property
    def core(self) -> "PointSpread":
        """The core alone, with all of the light."""
        return PointSpread(self.fwhm_m)

    def sigma_rows(self) -> float:
        """Standard deviation of the core across rows (north-south), in analysis pixels."""
        return self.fwhm_m / _FWHM_PER_SIGMA / METRES_PER_DEGREE * FINE_PER_DEGREE

    def sigma_columns(self, latitude: float) -> float:
        """That of the core along a row (east-west) at ``latitude`` in degrees, in analysis pixels."""
        return self.sigma_rows() / math.cos(math.radians(latitude))

    def margin(self, latitude: float) -> int:
        """VIIRS pixels around a window from which light reaches into it at ``latitude`` in degrees."""
        core = math.ceil(TRUNCATE_SIGMAS * self.sigma_columns(latitude) / FINE_PER_VIIRS)
        return core if self.glow_share == 0 else max(core, glow_reach(self.glow_sigma_columns(latitude)) + 1)

    def glow_sigma_rows(self) -> float:
        """Standard deviation of the glow across rows, in VIIRS pixels."""
        return self.glow_fwhm_m / _FWHM_PER_SIGMA / METRES_PER_DEGREE * FINE_PER_DEGREE / FINE_PER_VIIRS

    def glow_sigma_columns(self, latitude: float) -> float:
        """Standard deviation of the glow along a row at ``latitude`` in degrees, in VIIRS pixels."""
        return self.glow_sigma_rows() / math.cos(math.radians(latitude))

    def glow_operator(self, window: Window) -> GlowOperator:
        """What the glow alone does in ``window``, with all of the light."""
        along = [self.glow_sigma_columns(float(latitude)) for latitude in window.latitudes]
        return GlowOperator.of(self.glow_sigma_rows(), along)


def footprint_weights(sigma: float) -> NDArray[np.float64]:
    """Weights of the analysis pixels in one VIIRS pixel along one axis, centred on that pixel.

    The weight of a pixel is the share of a VIIRS pixel's side that a unit of light spread around the
    pixel's centre falls on: a Gaussian convolved with a box, sampled at pixel centres and scaled so that
    the weights that one analysis pixel gives to all VIIRS pixels add up to 1/16.

    Parameters
    ----------
    sigma:
        Standard deviation of the point spread in analysis pixels.

    Returns
    -------
    numpy.ndarray
        float64, shape (16 x (2 m + 1),) where m is the margin in VIIRS pixels.
    """
    # Every record imports this module, and scipy takes a quarter of a second.
    from scipy.special import erf

    margin = math.ceil(TRUNCATE_SIGMAS * sigma / FINE_PER_VIIRS)
    length = FINE_PER_VIIRS * (2 * margin + 1)
    distance = np.arange(length) - (length - 1) / 2
    if sigma == 0:
        weights = (np.abs(distance) < FINE_PER_VIIRS / 2).astype(np.float64)
    else:
        half = FINE_PER_VIIRS / 2
        scale = sigma * math.sqrt(2)
        weights = erf((distance + half) / scale) - erf((distance - half) / scale)
    # One analysis pixel is seen by the VIIRS pixels at the same phase; their weights must add up to 1.
    phases = weights.reshape(-1, FINE_PER_VIIRS).sum(axis=0)
    normalised: NDArray[np.float64] = weights / np.tile(phases, 2 * margin + 1) / FINE_PER_VIIRS
    return normalised


def observation_matrix(size: int, sigma: float) -> NDArray[np.float64]:
    """The operator along one axis as a matrix, for light from within the window alone.

    Parameters
    ----------
    size:
        VIIRS pixels along the axis.
    sigma:
        Standard deviation of the point spread in analysis pixels.

    Returns
    -------
    numpy.ndarray
        float64, shape (size, 16 x size). Rows near the edge add up to less than 1, because the light
        from beyond the window is missing; columns add up to 1/16 except near the edge.
    """
    weights = footprint_weights(sigma)
    margin = (len(weights) // FINE_PER_VIIRS - 1) // 2
    padded = np.zeros((size, FINE_PER_VIIRS * (size + 2 * margin)))
    for index in range(size):
        start = index * FINE_PER_VIIRS
        padded[index, start : start + len(weights)] = weights
    return padded[:, margin * FINE_PER_VIIRS : (margin + size) * FINE_PER_VIIRS]


@dataclass(frozen=True)
class ObservationOperator:
    """The linear operator from the analysis pixels of a window to its VIIRS pixels.

    Light from beyond the window is taken as none: see :func:`observe` for the mean over what is known.

    Attributes
    ----------
    window:
        Where; its latitudes set the width of the point spread along rows.
    point_spread:
        The point spread function.
    """

    window: Window
    point_spread: PointSpread = PointSpread()

    @cached_property
    def _glow(self) -> GlowOperator:
        return self.point_spread.glow_operator(self.window)

    def forward(self, fine: ArrayLike) -> NDArray[np.float64]:
        """Observe ``fine``, shape (16 height, 16 width), giving float64 of shape (height, width)."""
        array = self._checked(fine, self.window.fine_shape)
        weights_rows = footprint_weights(self.point_spread.sigma_rows())
        spread = np.empty((array.shape[0], self.window.width))
        for row, latitude in enumerate(self.window.latitudes):
            rows = slice(row * FINE_PER_VIIRS, (row + 1) * FINE_PER_VIIRS)
            weights = footprint_weights(self.point_spread.sigma_columns(float(latitude)))
            spread[rows] = _strided(array[rows], weights)
        core = _strided(spread.T, weights_rows).T
        share = self.point_spread.glow_share
        return core if share == 0 else (1 - share) * core + share * self._glow.forward(array)

    def adjoint(self, coarse: ArrayLike) -> NDArray[np.float64]:
        """The transpose: ``coarse`` of shape (height, width) to float64 of shape (16 height, 16 width).

        For every x and y, ``sum(forward(x) * y) == sum(x * adjoint(y))``.
        """
        array = self._checked(coarse, self.window.shape)
        weights_rows = footprint_weights(self.point_spread.sigma_rows())
        spread = _strided_adjoint(array.T, weights_rows).T
        fine = np.empty(self.window.fine_shape)
        for row, latitude in enumerate(self.window.latitudes):
            rows = slice(row * FINE_PER_VIIRS, (row + 1) * FINE_PER_VIIRS)
            weights = footprint_weights(self.point_spread.sigma_columns(float(latitude)))
            fine[rows] = _strided_adjoint(spread[rows], weights)
        share = self.point_spread.glow_share
        return fine if share == 0 else (1 - share) * fine + share * self._glow.adjoint(array)

    def _checked(self, values: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
        array = np.asarray(values, dtype=np.float64)
        if array.shape != shape:
            raise SettingsError(f"The array has shape {array.shape}; the window asks for {shape}.")
        return array


def _strided(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate each row with ``weights`` in steps of 16; zeros lie beyond the ends."""
    margin = (len(weights) // FINE_PER_VIIRS - 1) // 2
    blocks = rows.reshape(rows.shape[0], -1, FINE_PER_VIIRS)
    count = blocks.shape[1]
    result = np.zeros((rows.shape[0], count))
    for offset, block in enumerate(weights.reshape(-1, FINE_PER_VIIRS), start=-margin):
        first, last = max(0, -offset), min(count, count - offset)
        if first < last:
            result[:, first:last] += blocks[:, first + offset : last + offset] @ block
    return result


def _strided_adjoint(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The transpose of :func:`_strided`."""
    margin = (len(weights) // FINE_PER_VIIRS - 1) // 2
    count = rows.shape[1]
    result = np.zeros((rows.shape[0], count, FINE_PER_VIIRS))
    for offset, block in enumerate(weights.reshape(-1, FINE_PER_VIIRS), start=-margin):
        first, last = max(0, -offset), min(count, count - offset)
        if first < last:
            result[:, first + offset : last + offset] += rows[:, first:last, None] * block
    return result.reshape(rows.shape[0], -1)


def observe(
    fine: ArrayLike,
    window: Window,
    point_spread: PointSpread | None = None,
    *,
    minimum_coverage: float = 0.5,
) -> NDArray[np.float64]:
    """What VIIRS would have measured of ``fine``: the mean over the known part of every footprint.

    Parameters
    ----------
    fine:
        Radiance in nW/cm2/sr of the analysis pixels, shape (16 height, 16 width), north first; NaN where
        missing.
    window:
        Where the array lies.
    point_spread:
        The point spread function; 742 m unless given.
    minimum_coverage:
        Share of a footprint's weight, from 0 to 1, below which the result is missing. Footprints at the
        edge of the window reach beyond it; light from there counts as missing, not as dark. A glow reaches
        too far to be covered by any window: the core decides.

    Returns
    -------
    numpy.ndarray
        float64, shape (height, width), nW/cm2/sr, NaN where too little is known.
    """
    operator = ObservationOperator(window, point_spread or PointSpread())
    array = np.asarray(fine, dtype=np.float64)
    known = np.isfinite(array)
    light = operator.forward(np.where(known, array, 0.0))
    coverage = operator.forward(known.astype(np.float64))
    covered = coverage
    if operator.point_spread.glow_share > 0:
        core = ObservationOperator(window, operator.point_spread.core)
        covered = core.forward(known.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(covered >= max(minimum_coverage, 1e-9), light / coverage, np.nan)
