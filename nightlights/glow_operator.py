"""The glow of the point spread: a Gaussian of kilometres, computed on the VIIRS grid.

VIIRS sees light kilometres from where it is: scattered in the atmosphere, in the instrument, and by
composing nights that are not registered alike. A Gaussian of that width hardly changes within a VIIRS pixel,
so the light of each analysis pixel is first shared between the two nearest VIIRS rows and columns (linearly
by distance, which keeps its sum and its centre), and spread from there: some hundred times cheaper than on
the analysis grid. What sharing widens is taken off the width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.grid import FINE_PER_VIIRS

Array = NDArray[np.floating[Any]]

GLOW_TRUNCATE_SIGMAS: Final = 3.0
"""Standard deviations at which the glow is cut: 0.5 % of its light lies beyond and is put within."""
LARGEST_REACH: Final = 48
"""VIIRS pixels at which it is cut in any case, so that work is bounded near the poles.

A glow of 5,000 m reaches it at 73 degrees of latitude, one of 10,000 m at 55; at 65 degrees, the latter has
3 % of its light beyond."""
_SHARING_VARIANCE: Final = 1 / 6
"""Mean variance in square VIIRS pixels that sharing between two neighbours adds."""


def glow_reach(sigma: float) -> int:
    """VIIRS pixels to which a glow with the standard deviation ``sigma``, in VIIRS pixels, reaches."""
    return min(math.ceil(GLOW_TRUNCATE_SIGMAS * sigma), LARGEST_REACH)


def glow_weights(sigma: float) -> NDArray[np.float64]:
    """Weights of neighbouring VIIRS pixels along one axis, shape (2 reach + 1,), which add up to 1.

    Parameters
    ----------
    sigma:
        Standard deviation of the glow in VIIRS pixels, at least 1.
    """
    # Every record imports this module, and scipy takes a quarter of a second.
    from scipy.special import erf

    reach = glow_reach(sigma)
    distance = np.arange(-reach, reach + 1)
    scale = math.sqrt(2 * (sigma**2 - _SHARING_VARIANCE))
    weights = erf((distance + 0.5) / scale) - erf((distance - 0.5) / scale)
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def _shares() -> NDArray[np.float64]:
    """What the VIIRS pixel before, its own and the one after get of an analysis pixel, shape (3, 16)."""
    place = (np.arange(FINE_PER_VIIRS) - (FINE_PER_VIIRS - 1) / 2) / FINE_PER_VIIRS
    shares = np.stack([np.maximum(-place, 0), 1 - np.abs(place), np.maximum(place, 0)])
    normalised: NDArray[np.float64] = shares / FINE_PER_VIIRS
    return normalised


def glow_matrix(size: int, sigma: float) -> NDArray[np.float64]:
    """The glow along one axis as a matrix, for light from within the window alone.

    Parameters
    ----------
    size:
        VIIRS pixels along the axis.
    sigma:
        Standard deviation of the glow in VIIRS pixels.

    Returns
    -------
    numpy.ndarray
        float64, shape (size, 16 size).
    """
    weights, shares = np.pad(glow_weights(sigma), 2), _shares()
    reach = len(weights) // 2 - 2
    # Of the analysis pixels of a VIIRS pixel that lies so many pixels from the one that sees them.
    lags = 2 * reach + 3
    joined = sum(weights[place : place + lags, None] * shares[place] for place in range(3))
    lag = np.arange(size) - np.arange(size)[:, None]
    within = np.abs(lag) <= reach + 1
    blocks = np.where(within[:, :, None], joined[np.clip(lag + reach + 1, 0, lags - 1)], 0.0)
    matrix: NDArray[np.float64] = blocks.reshape(size, FINE_PER_VIIRS * size)
    return matrix


@dataclass(frozen=True)
class GlowOperator:
    """The glow of a window, which all of the light is in; as a whole or a few VIIRS rows at a time.

    Along each row with the width at the latitude of its VIIRS row, then across rows, as the core.

    Attributes
    ----------
    across_rows:
        Weights north-south, shape (2 m + 1,).
    along_rows:
        Weights east-west for each VIIRS row, shape (height, 2 k + 1).
    """

    across_rows: NDArray[np.float64]
    along_rows: NDArray[np.float64]

    @classmethod
    def of(cls, sigma_rows: float, sigma_columns: Sequence[float]) -> "GlowOperator":
        """The operator with these standard deviations in VIIRS pixels, one east-west for each VIIRS row."""
        along = [glow_weights(sigma) for sigma in sigma_columns]
        longest = max(len(weights) for weights in along)
        padded = [np.pad(weights, (longest - len(weights)) // 2) for weights in along]
        return cls(glow_weights(sigma_rows), np.stack(padded))

    @property
    def margin(self) -> int:
        """VIIRS rows to the north and to the south that share light with a row."""
        return len(self.across_rows) // 2 + 1

    def forward(self, fine: Array, rows: slice | None = None, margin: int = 0) -> Array:
        """Observe the light of the VIIRS rows ``rows``, all unless given.

        Parameters
        ----------
        fine:
            Shape (16 rows, 16 width).
        margin:
            Rows north and south of them that are wanted, too.

        Returns
        -------
        numpy.ndarray
            Shape (rows + 2 margin, width), the type of ``fine``.
        """
        along, across, shares = self._typed(rows, fine)
        height, width = len(along), fine.shape[1] // FINE_PER_VIIRS
        columns = _joined(np.moveaxis(fine.reshape(len(fine), width, FINE_PER_VIIRS) @ shares.T, 1, 0))
        by_row = np.matmul(columns.reshape(width + 2, height, FINE_PER_VIIRS), shares.T)
        spread = _correlated(by_row, along.T[:, :, None], 1, width)
        deposited = _joined(spread.transpose(1, 0, 2))
        return _correlated(deposited, across[:, None], 1 - margin, height + 2 * margin)

    def adjoint(self, coarse: Array, rows: slice | None = None) -> Array:
        """The transpose: ``coarse`` of shape (height, width) to the analysis pixels of ``rows``."""
        along, across, shares = self._typed(rows, coarse)
        height, width, first = len(along), coarse.shape[1], 0 if rows is None else rows.start
        spread = _correlated(coarse, across[:, None], first - 1, height + 2)
        # Each row gives to itself and to both neighbours: shape (3, height, width).
        three = np.stack([spread[place : place + height] for place in range(3)])
        near = _correlated(three.transpose(2, 0, 1), along.T[:, None, :], -1, width + 2)
        by_column = np.matmul(shares.T, near.transpose(2, 1, 0)).reshape(-1, width + 2)
        sides = np.stack([by_column[:, place : place + width] for place in range(3)], axis=-1)
        return (sides @ shares).reshape(len(by_column), -1)

    def _typed(self, rows: slice | None, values: Array) -> tuple[Array, Array, Array]:
        along = self.along_rows if rows is None else self.along_rows[rows]
        kind = values.dtype
        return along.astype(kind), self.across_rows.astype(kind), _shares().astype(kind)


def _joined(parts: Array) -> Array:
    """Sum what each pixel gives to the one before, itself and the one after.

    From shape (pixels, n, 3) to (pixels + 2, n).
    """
    count = len(parts)
    total = np.zeros((count + 2, parts.shape[1]), parts.dtype)
    for place in range(3):
        total[place : place + count] += parts[:, :, place]
    return total


def _correlated(values: Array, weights: Array, shift: int, count: int) -> Array:
    """``count`` rows, row i the sum of weights[o] x values[i + shift + o]; o is 0 in the middle."""
    reach = len(weights) // 2
    total = np.zeros((count, *np.broadcast_shapes(values.shape[1:], weights.shape[1:])), values.dtype)
    for place, weight in enumerate(weights):
        offset = shift + place - reach
        first, last = max(0, -offset), min(count, len(values) - offset)
        if first < last:
            total[first:last] += values[first + offset : last + offset] * weight
    return total
