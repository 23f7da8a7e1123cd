"""The scale at which fine radiance is compared with a truth: the coarser of the two, both averaged to it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.grid import FINE_PER_DEGREE, FINE_PER_VIIRS, METRES_PER_DEGREE, Window

PIXEL_M: Final = METRES_PER_DEGREE / FINE_PER_DEGREE
"""Side of an analysis pixel from north to south, in metres."""
_SLACK: Final = 0.1
"""Part of an analysis pixel by which a resolution may be coarser and still count as that of whole pixels."""
_LEAST_KNOWN: Final = 0.5


@dataclass(frozen=True, slots=True)
class CommonScale:
    """Blocks of whole analysis pixels, laid from the north-west corner of a region.

    Attributes
    ----------
    rows, columns:
        Analysis pixels in a block from north to south and from west to east; one each unless given.
    """

    rows: int = 1
    columns: int = 1

    @classmethod
    def of(cls, resolution_m: float, window: Window) -> "CommonScale":
        """The smallest blocks in ``window`` that are no finer than ``resolution_m`` metres in any row."""
        narrowest = math.cos(math.radians(float(np.abs(window.latitudes).max())))
        rows, columns = (
            max(1, math.ceil(resolution_m / side - _SLACK)) for side in (PIXEL_M, PIXEL_M * narrowest)
        )
        return cls(rows, columns)

    def side_m(self, window: Window) -> float:
        """Side in metres of a square as large as a block in the middle of ``window``."""
        middle = float(window.latitudes[window.height // 2])
        return PIXEL_M * math.sqrt(self.rows * self.columns * math.cos(math.radians(middle)))

    @property
    def step(self) -> int:
        """VIIRS pixels after which the blocks and the VIIRS pixels begin together, in both directions."""
        steps = (size // math.gcd(size, FINE_PER_VIIRS) for size in (self.rows, self.columns))
        return math.lcm(*steps)

    def tiles(self, window: Window, side: int) -> Iterator[Window]:
        """Parts of ``window`` of about ``side`` VIIRS pixels that begin with whole blocks."""
        whole = max(side // self.step, 1) * self.step
        yield from window.tiles(whole, whole)

    def reach(self, pixels: int, blocks: int = 0) -> int:
        """VIIRS pixels to expand a tile by so that it holds ``pixels`` and ``blocks`` more on each side."""
        wanted = max(pixels, math.ceil(blocks * max(self.rows, self.columns) / FINE_PER_VIIRS))
        return math.ceil(wanted / self.step) * self.step

    def averaged(
        self, first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both images in blocks: means over the pixels that both know.

        Parameters
        ----------
        first, second:
            Radiance of analysis pixels, one shape, NaN where missing; the first pixel begins a block.

        Returns
        -------
        tuple
            float64 of shape (rows // block rows, columns // block columns), NaN where less than half of a
            block is known to both. Pixels beyond the last whole block are left out.
        """
        one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
        if (self.rows, self.columns) == (1, 1):
            return one, two
        known = np.isfinite(one) & np.isfinite(two)
        share = self._sums(known) / (self.rows * self.columns)
        count = np.where(share >= _LEAST_KNOWN, share * self.rows * self.columns, np.nan)
        means = [self._sums(np.where(known, image, 0.0)) / count for image in (one, two)]
        return means[0], means[1]

    def slices(self, fine: tuple[slice, slice]) -> tuple[slice, slice]:
        """The blocks of a part of an image, given by its analysis pixels."""
        rows, columns = fine
        return (
            slice(rows.start // self.rows, rows.stop // self.rows),
            slice(columns.start // self.columns, columns.stop // self.columns),
        )

    def _sums(self, image: NDArray[Any]) -> NDArray[np.float64]:
        height, width = image.shape[0] // self.rows, image.shape[1] // self.columns
        whole = image[: height * self.rows, : width * self.columns]
        sums: NDArray[np.float64] = whole.reshape(height, self.rows, width, self.columns).sum(
            axis=(1, 3), dtype=np.float64
        )
        return sums


ANALYSIS_SCALE: Final = CommonScale()
"""Single analysis pixels."""
