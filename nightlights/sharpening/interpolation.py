"""What VIIRS alone gives on the analysis grid: nearest, bilinear, bicubic, and area-to-point kriging."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates, zoom

from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread, observation_matrix
from nightlights.scores import BICUBIC, KRIGING

Floats = NDArray[np.float64]
Interpolation = Callable[[Floats, Window, PointSpread], Floats]
"""From VIIRS of a window to its analysis pixels, in nW/cm2/sr; missing VIIRS pixels stay missing."""

_RANGES_M: Final = (100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0)
_LAGS: Final = 4
_NUGGET: Final = 1e-3


def nearest(measured: Floats, window: Window, point_spread: PointSpread) -> Floats:
    """Every analysis pixel takes the value of its VIIRS pixel."""
    return _upsampled(measured, 0)


def bilinear(measured: Floats, window: Window, point_spread: PointSpread) -> Floats:
    """Linear between the centres of VIIRS pixels in both directions."""
    return _upsampled(measured, 1)


def bicubic(measured: Floats, window: Window, point_spread: PointSpread) -> Floats:
    """Cubic splines through the centres of VIIRS pixels in both directions; below 0 counts as 0."""
    return np.maximum(_upsampled(measured, 3), 0.0)


def bicubic_part(measured: Floats, outer: Window, part: Window) -> NDArray[np.float32]:
    """As :func:`bicubic` of all of ``outer``, in ``part`` of it alone; missing VIIRS pixels take the nearest.

    Parameters
    ----------
    measured:
        VIIRS of ``outer`` in nW/cm2/sr, shape (height, width), NaN where missing.

    Returns
    -------
    numpy.ndarray
        float32, shape (16 height, 16 width) of ``part``, without gaps; 0 where nothing was measured.
    """
    if not np.isfinite(measured).any():
        return np.zeros(part.fine_shape, np.float32)
    places = [
        first + (np.arange(FINE_PER_VIIRS * count) + 0.5) / FINE_PER_VIIRS - 0.5
        for first, count in (
            (part.row - outer.row, part.height),
            (part.column - outer.column, part.width),
        )
    ]
    fine = map_coordinates(filled(measured), np.meshgrid(*places, indexing="ij"), order=3, mode="nearest")
    lit: NDArray[np.float32] = np.maximum(fine, 0).astype(np.float32)
    return lit


def between(level: Floats, outer: Window, part: Window) -> NDArray[np.float32]:
    """``level`` of ``outer`` in ``part`` of it, linear between VIIRS pixels, shape (16 height, 16 width)."""
    rows = _along(np.asarray(level, np.float32), part.row - outer.row, part.height)
    return _along(rows.T, part.column - outer.column, part.width).T


def area_to_point_kriging(measured: Floats, window: Window, point_spread: PointSpread) -> Floats:
    """Area-to-point simple kriging (Kyriakidis 2004, doi:10.1111/j.1538-4632.2004.tb01135.x).

    The supports are the footprints. The covariance of points is an exponential of the distance along each
    axis; its range is the one, of a few, whose footprint correlations over the first lags are nearest to
    those of the measurement. Both directions separate, so that the system is solved exactly in the modes of
    each axis. Below 0 counts as 0. Of the point spread it takes the core only: with a glow, footprints are no
    longer one product of both axes, and the modes do not separate.
    """
    known = np.isfinite(measured)
    if not known.any():
        return _upsampled(measured, 0)
    mean = float(measured[known].mean())
    light = mean + kriged_deviation(np.where(known, measured - mean, 0.0), window, point_spread)
    return np.where(_upsampled(known.astype(float), 0) > 0, np.maximum(light, 0.0), np.nan)


def kriged_deviation(deviation: Floats, window: Window, point_spread: PointSpread) -> Floats:
    """What :func:`area_to_point_kriging` makes of deviations from a known mean.

    Parameters
    ----------
    deviation:
        Of the measurement in nW/cm2/sr, shape (height, width), 0 where it is missing.

    Returns
    -------
    numpy.ndarray
        float64, shape (16 height, 16 width), nW/cm2/sr.
    """
    middle = float(window.latitudes[window.height // 2])
    operators = (
        observation_matrix(window.height, point_spread.sigma_rows()),
        observation_matrix(window.width, point_spread.sigma_columns(middle)),
    )
    # Beyond the window the field is taken to go on as inside: footprints count by their known part.
    rows, columns = (operator / operator.sum(axis=1, keepdims=True) for operator in operators)
    pixel = PointSpread(1.0)
    sides = (1 / pixel.sigma_rows(), 1 / pixel.sigma_columns(middle))
    scale = 2.354820045030949
    pixels_m = [side / scale for side in sides]
    found = [_correlation(deviation, axis) for axis in (0, 1)]

    def misfit(distance: float) -> float:
        total = 0.0
        for operator, size, wanted in zip((rows, columns), pixels_m, found, strict=True):
            covariance = operator @ _exponential(operator.shape[1], distance / size) @ operator.T
            middle_row = covariance[covariance.shape[0] // 2]
            centre = covariance.shape[0] // 2
            lags = middle_row[centre : centre + len(wanted)] / middle_row[centre]
            total += float(((lags - wanted[: len(lags)]) ** 2).sum())
        return total

    best = min(_RANGES_M, key=misfit)
    crosses, modes, values = [], [], []
    for operator, size in zip((rows, columns), pixels_m, strict=True):
        point = _exponential(operator.shape[1], best / size)
        crosses.append(point @ operator.T)
        value, vectors = np.linalg.eigh(operator @ crosses[-1])
        modes.append(vectors)
        values.append(np.maximum(value, 0.0))
    strength = np.outer(values[0], values[1])
    weights = (modes[0].T @ deviation @ modes[1]) / (strength + _NUGGET * strength.max())
    light: Floats = crosses[0] @ (modes[0] @ weights @ modes[1].T) @ crosses[1].T
    return light


INTERPOLATIONS: Final[dict[str, Interpolation]] = {
    "nearest VIIRS": nearest,
    "bilinear VIIRS": bilinear,
    BICUBIC: bicubic,
    KRIGING: area_to_point_kriging,
}
"""Method, as in tables, to function."""


def _upsampled(measured: Floats, order: int) -> Floats:
    known = np.isfinite(measured)
    if not known.any():
        return np.full(tuple(FINE_PER_VIIRS * side for side in measured.shape), np.nan)
    fine: Floats = zoom(filled(measured), FINE_PER_VIIRS, order=order, mode="nearest", grid_mode=True)
    return np.where(np.kron(known, np.ones((FINE_PER_VIIRS,) * 2)) > 0, fine, np.nan)


def filled(measured: Floats) -> Floats:
    """``measured``, where missing the nearest that is known."""
    known = np.isfinite(measured)
    values = np.asarray(measured, np.float64)
    if known.all():
        return values
    index = distance_transform_edt(~known, return_distances=False, return_indices=True)
    found: Floats = values[tuple(index)]
    return found


def _along(values: NDArray[np.float32], first: int, count: int) -> NDArray[np.float32]:
    last = len(values) - 1
    place = first + (np.arange(FINE_PER_VIIRS * count) + 0.5) / FINE_PER_VIIRS - 0.5
    place = np.clip(place, 0, last)
    low = place.astype(int)
    share = (place - low).astype(np.float32)[:, None]
    found: NDArray[np.float32] = values[low] * (1 - share) + values[np.minimum(low + 1, last)] * share
    return found


def _exponential(size: int, reach: float) -> Floats:
    distance = np.abs(np.arange(size)[:, None] - np.arange(size)[None])
    covariance: Floats = np.exp(-distance / reach)
    return covariance


def _correlation(deviation: Floats, axis: int) -> Floats:
    """Autocorrelation over the first lags along ``axis``."""
    lines = np.moveaxis(deviation, axis, 0)
    variance = max(float((lines**2).mean()), 1e-12)
    lags = range(min(_LAGS, len(lines)))
    return np.array([float((lines[lag:] * lines[: len(lines) - lag]).mean()) / variance for lag in lags])
