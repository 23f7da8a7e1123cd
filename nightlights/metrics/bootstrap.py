"""Confidence intervals by spatial block bootstrap.

Neighbouring VIIRS pixels err together: their footprints overlap, and so do a city's streets. Drawing
single pixels anew would take them for independent and give intervals that are far too narrow. So whole
square blocks of pixels are drawn with replacement, as many as there are (Kunsch 1989,
doi:10.1214/aos/1176347265; Lahiri 2003, Resampling Methods for Dependent Data, chapter 12). Each region's
blocks are drawn apart from the others': an interval says how sure the score is for these regions, not for
others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightlights.manifests import Interval, ScoreIntervals
from nightlights.metrics.sums import log_radiance

_LEAST_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How blocks are drawn.

    Attributes
    ----------
    seed:
        Of the random numbers.
    block_size:
        Side of a block in VIIRS pixels, counted from the corner of the VIIRS grid. 8 pixels are 3.7 km, five
        times the full width of the point spread at half maximum.
    draws:
        How many times.
    level:
        Share of the draws within the interval, as many below as above.
    """

    seed: int = 1
    block_size: int = 8
    draws: int = 1000
    level: float = 0.95


BOOTSTRAP = Bootstrap()
"""The usual settings."""


def intervals(pixels: NDArray[np.void], bootstrap: Bootstrap = BOOTSTRAP) -> ScoreIntervals | None:
    """Percentile intervals of the scores of ``pixels``; None where there are fewer than 4 blocks.

    Parameters
    ----------
    pixels:
        As in :class:`~nightlights.metrics.pixels.PixelPairs`.
    """
    sums, groups = _block_sums(pixels, bootstrap.block_size)
    if len(sums) < _LEAST_BLOCKS:
        return None
    generator = np.random.default_rng(bootstrap.seed)
    drawn = np.zeros((bootstrap.draws, sums.shape[1]))
    for group in np.unique(groups):
        own = sums[groups == group]
        counts = generator.multinomial(len(own), np.full(len(own), 1 / len(own)), bootstrap.draws)
        drawn += counts @ own
    count, error, absolute, squared, logarithmic, measured, measured_squared = drawn.T
    deviation = measured_squared - measured**2 / count
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(deviation > 0, 1 - squared / deviation, np.nan)
    return ScoreIntervals(
        level=bootstrap.level,
        block_size=bootstrap.block_size,
        blocks=len(sums),
        draws=bootstrap.draws,
        seed=bootstrap.seed,
        rmse=_interval(np.sqrt(squared / count), bootstrap.level),
        mae=_interval(absolute / count, bootstrap.level),
        bias=_interval(error / count, bootstrap.level),
        log_rmse=_interval(np.sqrt(logarithmic / count), bootstrap.level),
        r2=_interval(r2, bootstrap.level) if np.isfinite(r2).all() else None,
    )


def _interval(values: NDArray[np.float64], level: float) -> Interval:
    lower, upper = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(lower=float(lower), upper=float(upper))


def _block_sums(pixels: NDArray[np.void], block_size: int) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Sums of each block, shape (blocks, 7), and the group of each block."""
    places = np.stack([pixels["group"], pixels["row"] // block_size, pixels["column"] // block_size], axis=1)
    blocks, index = np.unique(places, axis=0, return_inverse=True)
    predicted, measured = pixels["predicted"], pixels["measured"]
    error = predicted - measured
    # About a typical value, so that the squares keep their digits where radiance is high and even.
    about = measured - measured.mean() if measured.size else measured
    columns = (
        np.ones_like(error),
        error,
        np.abs(error),
        error**2,
        (log_radiance(predicted) - log_radiance(measured)) ** 2,
        about,
        about**2,
    )
    sums = [np.bincount(index.ravel(), column, minlength=len(blocks)) for column in columns]
    return np.stack(sums, axis=1), blocks[:, 0]
