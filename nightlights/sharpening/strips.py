"""The observation operator of a window, a few VIIRS rows at a time, as products of small matrices."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.glow_operator import GlowOperator
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread, footprint_weights

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class StripOperator:
    """The operator of :class:`nightlights.observation.ObservationOperator` in float32, strip by strip.

    Attributes
    ----------
    across_rows:
        Weights north-south, shape (2 m + 1, 16), where m is the margin in VIIRS pixels.
    along_rows:
        Weights east-west for each VIIRS row, shape (height, 2 k + 1, 16).
    glow_share, glow:
        Fraction of the light in the glow, and what the glow does; None where there is none.
    """

    across_rows: Array
    along_rows: Array
    glow_share: float = 0.0
    glow: GlowOperator | None = None

    @classmethod
    def of(cls, window: Window, point_spread: PointSpread) -> "StripOperator":
        """The operator of ``window``."""
        across = _by_pixel(point_spread.sigma_rows())
        along = [_by_pixel(point_spread.sigma_columns(float(latitude))) for latitude in window.latitudes]
        longest = max(len(weights) for weights in along)
        padded = [np.pad(weights, (((longest - len(weights)) // 2,) * 2, (0, 0))) for weights in along]
        share = point_spread.glow_share
        glow = point_spread.glow_operator(window) if share > 0 else None
        return cls(across, np.stack(padded), share, glow)

    @property
    def margin(self) -> int:
        """VIIRS rows to the north and to the south that share light with a row."""
        return self._core_margin if self.glow is None else max(self._core_margin, self.glow.margin)

    @property
    def _core_margin(self) -> int:
        return len(self.across_rows) // 2

    def forward(self, fine: Array, rows: slice) -> Array:
        """Observe the light of a strip.

        Parameters
        ----------
        fine:
            Of the VIIRS rows ``rows``, shape (16 rows, 16 width).

        Returns
        -------
        numpy.ndarray
            Shape (rows + 2 margin, width): :attr:`margin` rows more to either side get light from these, too.
        """
        core = self._core_forward(fine, rows)
        if self.glow is None:
            return core
        around = self.margin - self._core_margin
        glow = self.glow.forward(fine, rows, self.margin)
        glow *= self.glow_share
        glow[around : around + len(core)] += (1 - self.glow_share) * core
        return glow

    def adjoint(self, coarse: Array, rows: slice) -> Array:
        """The transpose: ``coarse`` of shape (height, width) to the analysis pixels of ``rows``."""
        core = self._core_adjoint(coarse, rows)
        if self.glow is None:
            return core
        core *= 1 - self.glow_share
        core += self.glow_share * self.glow.adjoint(coarse.astype(core.dtype), rows)
        return core

    def _core_forward(self, fine: Array, rows: slice) -> Array:
        along = self.along_rows[rows]
        height, reach, count = along.shape
        width = fine.shape[1] // count
        parts = fine.reshape(height, count * width, count) @ along.transpose(0, 2, 1)
        spread = _gathered(parts.reshape(height, count, width, reach), axis=2)
        seen = np.matmul(self.across_rows, spread)
        margin = self._core_margin
        result = np.zeros((height + 2 * margin, width), seen.dtype)
        for offset in range(2 * margin + 1):
            result[2 * margin - offset : 2 * margin - offset + height] += seen[:, offset]
        return result

    def _core_adjoint(self, coarse: Array, rows: slice) -> Array:
        height, width = coarse.shape
        margin, kind = self._core_margin, self.across_rows.dtype
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


def _by_pixel(sigma: float) -> NDArray[np.float32]:
    """Weights of one axis, shape (VIIRS pixels, 16)."""
    return footprint_weights(sigma).reshape(-1, FINE_PER_VIIRS).astype(np.float32)


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
