"""Intercalibration of a fine truth with VIIRS, through the footprint: by a robust line or by ranks."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from nightlights.fine_truth import TruthCalibration
from nightlights.sources.truth.robust import robust_fit

Floats = NDArray[np.float64]

LEAST_PIXELS: Final = 30
"""Fewest VIIRS pixels that a calibration is fitted to."""
_POINTS: Final = 33
_RANK_ROUNDS: Final = 6


class Observed(Protocol):
    """Gives what VIIRS would see of the truth after a function of its values."""

    def __call__(self, values: Floats, radiances: Floats) -> Floats:
        """Observed radiance of the pixels that are fitted, float64 of shape (pixels,), in nW/cm2/sr."""


@dataclass(frozen=True, slots=True)
class Line:
    """Radiance = slope x value + offset, in nW/cm2/sr per unit of the raster and in nW/cm2/sr."""

    slope: float
    offset: float


def robust_line(values: Floats, radiance: Floats) -> Line:
    """The line through VIIRS pixels, least squares with Huber's weights; the slope may be negative.

    Parameters
    ----------
    values:
        The raster seen through the footprint, in its own unit, shape (pixels,).
    radiance:
        VIIRS in nW/cm2/sr, shape (pixels,).
    """
    centre, scale = float(np.median(values)), float(values.std()) or 1.0
    design = np.stack([(values - centre) / scale, np.ones_like(values)], axis=1)
    found, _ = robust_fit(design, radiance)
    return Line(float(found[0] / scale), float(found[1] - found[0] * centre / scale))


def rank_points(
    values: Floats, seen: Floats, radiance: Floats, observed: Observed
) -> tuple[list[float], list[float]]:
    """Points of the increasing function that gives the truth, as VIIRS sees it, the distribution of VIIRS.

    Quantiles of what is seen are mapped to those of VIIRS, and the map is applied to the values of the
    raster; what is seen afterwards is mapped again, a few times, because the mean of a function is not the
    function of the mean. A factor then gives the total light of VIIRS.

    Parameters
    ----------
    values:
        A sample of the raster at the analysis grid, in its own unit; the points span it.
    seen:
        The raster seen through the footprint, shape (pixels,).
    radiance:
        VIIRS in nW/cm2/sr, shape (pixels,).
    observed:
        Sees the truth after a function.

    Returns
    -------
    tuple
        Values in the unit of the raster and radiances in nW/cm2/sr, both increasing, equally many.
    """
    line = robust_line(seen, radiance)
    nodes = _nodes(values, seen)
    lights = np.maximum(line.slope * nodes + line.offset, 0.0) + 1e-6 * np.arange(nodes.size)
    fractions = np.linspace(0.0, 1.0, _POINTS) ** 0.5
    wanted = np.quantile(np.maximum(radiance, 0.0), fractions)
    for _ in range(_RANK_ROUNDS):
        quantiles = np.quantile(observed(nodes, lights), fractions)
        lights = _mapped(lights, quantiles, wanted)
    total = float(observed(nodes, lights).sum())
    factor = float(np.maximum(radiance, 0.0).sum()) / total if total > 0 else 1.0
    return nodes.tolist(), (factor * lights).tolist()


def _nodes(values: Floats, seen: Floats) -> Floats:
    """Values of the raster at which the function is kept: more of them where they are large."""
    lowest, highest = float(values.min()), float(values.max())
    inner = np.quantile(values, 1 - np.geomspace(1.0, 1e-4, _POINTS))
    nodes: Floats = np.unique(np.concatenate([[lowest], inner, np.quantile(seen, [0.5, 0.9]), [highest]]))
    return nodes


def _mapped(lights: Floats, quantiles: Floats, wanted: Floats) -> Floats:
    """The lights after the map of quantiles: by ratio, so that it goes on beyond the last one."""
    floor = 0.05
    start, end = np.log(quantiles + floor), np.log(wanted + floor)
    ratio = np.interp(np.log(lights + floor), start, end - start)
    mapped = np.maximum(np.exp(np.log(lights + floor) + ratio) - floor, 0.0)
    increasing: Floats = np.maximum.accumulate(mapped) + 1e-6 * np.arange(lights.size)
    return increasing


def calibrated(values: NDArray[np.floating], record: TruthCalibration) -> Floats:
    """Radiance in nW/cm2/sr of values of the raster, same shape; may be below 0."""
    raw = np.asarray(values, np.float64)
    if record.method == "line":
        return (record.slope or 0.0) * raw + (record.offset or 0.0)
    if record.method == "none":
        return raw
    nodes, lights = np.array(record.values), np.array(record.radiances)
    inside = np.interp(raw, nodes, lights)
    last = (lights[-1] - lights[-2]) / (nodes[-1] - nodes[-2])
    light: Floats = np.where(raw > nodes[-1], lights[-1] + last * (raw - nodes[-1]), inside)
    return np.where(np.isnan(raw), np.nan, light)
