"""The observation operator of a window on pixels, or on cells of pixels, as products of small matrices."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread, footprint_weights

CELL = 4
"""Side of a solver's cell in analysis pixels: well below the footprint's standard deviation of some 11."""

Array = NDArray[np.floating[Any]]


def cell_sums(fine: Array) -> NDArray[np.float64]:
    """Sums over the cells of an array of shape (16 height, 16 width): shape (4 height, 4 width)."""
    rows, columns = fine.shape
    narrow = fine.reshape(rows, columns // CELL, CELL)
    along = sum(narrow[:, :, place] for place in range(CELL))
    sums = np.asarray(along).reshape(rows // CELL, CELL, columns // CELL)
    total: NDArray[np.float64] = sums.sum(axis=1, dtype=np.float64)
    return total


@dataclass(frozen=True)
class CellOperator:
    """The observation operator with one weight for all pixels of a cell; with cells of 1 it is exact.

    Each VIIRS pixel holds n x n cells. Arrays on cells have the shape (n height, n width).

    Attributes
    ----------
    across_rows:
        Weights north-south, shape (2 m + 1, n), where m is the margin in VIIRS pixels.
    along_rows:
        Weights east-west for each VIIRS row, shape (height, 2 k + 1, n).
    """

    across_rows: Array
    along_rows: Array

    @classmethod
    def of(cls, window: Window, point_spread: PointSpread, cell: int = CELL) -> "CellOperator":
        """The operator of ``window`` on cells of ``cell`` x ``cell`` analysis pixels; float32 for pixels."""
        kind = np.float32 if cell == 1 else np.float64
        across = _cell_weights(point_spread.sigma_rows(), cell)
        along = [
            _cell_weights(point_spread.sigma_columns(float(latitude)), cell) for latitude in window.latitudes
        ]
        longest = max(len(weights) for weights in along)
        padded = [np.pad(weights, (((longest - len(weights)) // 2,) * 2, (0, 0))) for weights in along]
        return cls(across.astype(kind), np.stack(padded).astype(kind))

    @property
    def margin(self) -> int:
        """VIIRS rows to the north and to the south that share light with a row."""
        return len(self.across_rows) // 2

    def forward(self, cells: Array, rows: slice | None = None) -> Array:
        """Observe sums over cells.

        Parameters
        ----------
        cells:
            Of the VIIRS rows ``rows``, or of all.

        Returns
        -------
        numpy.ndarray
            Shape (rows, width); where ``rows`` is given, with :attr:`margin` more to either side, which get
            light from these rows, too.
        """
        along = self.along_rows[rows or slice(None)]
        height, reach, count = along.shape
        width = cells.shape[1] // count
        parts = cells.reshape(height, count * width, count) @ along.transpose(0, 2, 1)
        spread = _gathered(parts.reshape(height, count, width, reach), axis=2)
        seen = np.matmul(self.across_rows, spread)
        margin = self.margin
        result = np.zeros((height + 2 * margin, width), seen.dtype)
        for offset in range(2 * margin + 1):
            result[2 * margin - offset : 2 * margin - offset + height] += seen[:, offset]
        return result if rows else result[margin : margin + height]

    def adjoint(self, coarse: Array, rows: slice | None = None) -> Array:
        """The transpose: ``coarse`` of shape (height, width) to the cells of ``rows``, or of all rows."""
        height, width = coarse.shape
        rows = rows or slice(0, height)
        margin, kind = self.margin, self.across_rows.dtype
        padded = np.zeros((rows.stop - rows.start + 2 * margin, width), kind)
        first, last = max(0, rows.start - margin), min(height, rows.stop + margin)
        padded[first - rows.start + margin : last - rows.start + margin] = coarse[first:last]
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * margin + 1, axis=0)
        # Footprint i sees the row that lies j rows further with the weights of place j: so they are turned.
        spread = np.matmul(windows, self.across_rows[::-1]).transpose(0, 2, 1)
        along = self.along_rows[rows]
        reach, count = along.shape[1:]
        side = reach // 2
        wide = np.zeros((*spread.shape[:2], width + 2 * side), kind)
        wide[:, :, side : side + width] = spread
        near = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(wide, reach, axis=2))
        fine = near.reshape(len(along), count * width, reach) @ along[:, ::-1]
        return fine.reshape(len(along) * count, width * count)

    def curvature(self, sums: Array, coarse: Array) -> Array:
        """A diag(sums) A^T applied to ``coarse``, shape (height, width)."""
        return self.forward(sums * self.adjoint(coarse))

    def squared_forward(self, sums: Array) -> Array:
        """As :meth:`forward` with squared weights: the diagonal of A diag(sums) A^T."""
        return CellOperator(self.across_rows**2, self.along_rows**2).forward(sums)


def _cell_weights(sigma: float, cell: int) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = footprint_weights(sigma).reshape(-1, FINE_PER_VIIRS // cell, cell)
    mean: NDArray[np.float64] = weights.mean(axis=2)
    return mean


def _gathered(parts: Array, axis: int) -> Array:
    """Sum what each VIIRS pixel gets from its neighbours: parts[..., j, k] belongs to pixel j - (k - m)."""
    width, reach = parts.shape[axis], parts.shape[axis + 1]
    side = reach // 2
    total = np.zeros(parts.shape[:-1], parts.dtype)
    for place in range(reach):
        offset = place - side
        first, last = max(0, -offset), min(width, width - offset)
        if first < last:
            total[..., first:last] += parts[..., first + offset : last + offset, place]
    return total
