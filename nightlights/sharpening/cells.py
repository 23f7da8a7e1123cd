"""The observation operator on cells of 4 x 4 analysis pixels: cheap curvature for the solver."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread, footprint_weights

CELL = 4
"""Side of a cell in analysis pixels: well below the footprint's standard deviation of some 11."""
_CELLS = FINE_PER_VIIRS // CELL


def cell_sums(fine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over the cells of an array of shape (16 height, 16 width): shape (4 height, 4 width)."""
    rows, columns = fine.shape
    sums: NDArray[np.float64] = fine.reshape(rows // CELL, CELL, columns // CELL, CELL).sum(axis=(1, 3))
    return sums


@dataclass(frozen=True)
class CellOperator:
    """The observation operator with the weights of a cell's centre for all of its pixels.

    Attributes
    ----------
    across_rows:
        Weights north-south, shape (2 m + 1, 4), where m is the margin in VIIRS pixels.
    along_rows:
        Weights east-west for each VIIRS row, shape (2 n + 1, height, 4).
    """

    across_rows: NDArray[np.float64]
    along_rows: NDArray[np.float64]

    @classmethod
    def of(cls, window: Window, point_spread: PointSpread) -> "CellOperator":
        """The operator of ``window``."""
        across = _cell_weights(point_spread.sigma_rows())
        along = [_cell_weights(point_spread.sigma_columns(float(latitude))) for latitude in window.latitudes]
        longest = max(len(weights) for weights in along)
        padded = [np.pad(weights, (((longest - len(weights)) // 2,) * 2, (0, 0))) for weights in along]
        return cls(across, np.stack(padded, axis=1))

    def forward(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Observe cell sums, shape (4 height, 4 width), giving shape (height, width)."""
        height, width = sums.shape[0] // _CELLS, sums.shape[1] // _CELLS
        cells = sums.reshape(height, _CELLS, width, _CELLS)
        spread = np.zeros((height, _CELLS, width))
        for offset, weights in _offsets(self.along_rows):
            into, out = _shifted(offset, width)
            spread[:, :, into] += np.einsum("irjk,ik->irj", cells[:, :, out], weights)
        seen = np.zeros((height, width))
        for offset, weights in _offsets(self.across_rows):
            into, out = _shifted(offset, height)
            seen[into] += np.einsum("irj,r->ij", spread[out], weights)
        return seen

    def adjoint(self, coarse: NDArray[np.float64]) -> NDArray[np.float64]:
        """The transpose: shape (height, width) to (4 height, 4 width)."""
        height, width = coarse.shape
        spread = np.zeros((height, _CELLS, width))
        for offset, weights in _offsets(self.across_rows):
            into, out = _shifted(offset, height)
            spread[out] += coarse[into][:, None, :] * weights[None, :, None]
        cells = np.zeros((height, _CELLS, width, _CELLS))
        for offset, weights in _offsets(self.along_rows):
            into, out = _shifted(offset, width)
            cells[:, :, out] += spread[:, :, into, None] * weights[:, None, None, :]
        return cells.reshape(height * _CELLS, width * _CELLS)

    def curvature(self, sums: NDArray[np.float64], coarse: NDArray[np.float64]) -> NDArray[np.float64]:
        """A diag(sums) A^T applied to ``coarse``, shape (height, width)."""
        return self.forward(sums * self.adjoint(coarse))

    def squared_forward(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """As :meth:`forward` with squared weights: the diagonal of A diag(sums) A^T."""
        return CellOperator(self.across_rows**2, self.along_rows**2).forward(sums)


def _cell_weights(sigma: float) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = footprint_weights(sigma).reshape(-1, _CELLS, CELL).mean(axis=2)
    return weights


def _offsets(weights: NDArray[np.float64]) -> list[tuple[int, NDArray[np.float64]]]:
    margin = len(weights) // 2
    return list(enumerate(weights, start=-margin))


def _shifted(offset: int, count: int) -> tuple[slice, slice]:
    """Where a sum goes, and where the cells come from that lie ``offset`` pixels further."""
    first, last = max(0, -offset), max(min(count, count - offset), max(0, -offset))
    return slice(first, last), slice(first + offset, last + offset)
