"""The observation operator of many patches at once, as matrices for a deep learning library."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nightlights.glow_operator import glow_matrix
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread, observation_matrix

MINIMUM_COVERAGE = 0.95
"""Share of a footprint's weight that must lie in known pixels of the patch for it to count.

Leaves out the outermost ring of a patch, a quarter of whose light comes from beyond it."""


class PatchFootprints:
    """Separable observation matrices for square patches of one size.

    The operator is that of :class:`nightlights.observation.ObservationOperator`: along each row with the
    width at the latitude of its VIIRS row, then across rows.

    Parameters
    ----------
    point_spread:
        The point spread function of the dataset.
    patch_size:
        Side of a patch in analysis pixels, a multiple of 16.
    """

    def __init__(self, point_spread: PointSpread, patch_size: int) -> None:
        self.point_spread = point_spread
        self.size = patch_size // FINE_PER_VIIRS
        self._along = lru_cache(maxsize=4096)(self._matrix_along)
        self._glow_along = lru_cache(maxsize=4096)(self._glow_matrix_along)

    @property
    def across_rows(self) -> NDArray[np.float32]:
        """Matrix from analysis rows to VIIRS rows, shape (h, 16 h)."""
        return observation_matrix(self.size, self.point_spread.sigma_rows()).astype(np.float32)

    def along_rows(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Matrices from analysis columns to VIIRS columns, one for every VIIRS row of every patch.

        Parameters
        ----------
        rows:
            Global VIIRS row of the northern edge of each patch, shape (n,).

        Returns
        -------
        numpy.ndarray
            float32, shape (n, h, 16 w, w).
        """
        return np.stack([np.stack([self._along(int(row) + k) for k in range(self.size)]) for row in rows])

    @property
    def glow_share(self) -> float:
        """Fraction of the light in the glow; where it is 0, its matrices are not needed."""
        return self.point_spread.glow_share

    @property
    def glow_across_rows(self) -> NDArray[np.float32]:
        """As :attr:`across_rows`, of the glow."""
        return glow_matrix(self.size, self.point_spread.glow_sigma_rows()).astype(np.float32)

    def glow_along_rows(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """As :meth:`along_rows`, of the glow."""
        return np.stack(
            [np.stack([self._glow_along(int(row) + k) for k in range(self.size)]) for row in rows]
        )

    def cosines(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Cosine of the latitude of every VIIRS row of every patch, shape (n, h); ``rows`` as above."""
        latitudes = [Window(0, int(row), 1, self.size).latitudes for row in rows]
        return np.cos(np.radians(np.stack(latitudes))).astype(np.float32)

    def covered(
        self, known: NDArray[np.float32], weights: NDArray[np.float32], rows: NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Where the core of a footprint lies within known pixels and VIIRS is known, shape (n, h, w).

        Parameters
        ----------
        known, weights:
            As in :mod:`nightlights.training.batches`.
        rows:
            As in :meth:`along_rows`.
        """
        grouped = known.reshape(len(rows), self.size, FINE_PER_VIIRS, -1)
        spread = (grouped @ self.along_rows(rows)).reshape(len(rows), -1, self.size)
        result: NDArray[np.bool_] = (self.across_rows @ spread >= MINIMUM_COVERAGE) & (weights > 0)
        return result

    def _matrix_along(self, row: int) -> NDArray[np.float32]:
        latitude = float(Window(0, row, 1, 1).latitudes[0])
        matrix = observation_matrix(self.size, self.point_spread.sigma_columns(latitude))
        return np.ascontiguousarray(matrix.T, dtype=np.float32)

    def _glow_matrix_along(self, row: int) -> NDArray[np.float32]:
        latitude = float(Window(0, row, 1, 1).latitudes[0])
        matrix = glow_matrix(self.size, self.point_spread.glow_sigma_columns(latitude))
        return np.ascontiguousarray(matrix.T, dtype=np.float32)
