"""Distances to lines made of segments: rivers and highways."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightlights.planet.lattice import PIXEL_M, SIDE, Block, Floats

Doubles = NDArray[np.float64]
FAR_M = 9000.0
"""Distance in metres that stands for "none near"."""


@dataclass(frozen=True)
class Segments:
    """Straight segments; positions in analysis pixels from the grid's corner, half widths in metres."""

    row: Doubles
    column: Doubles
    row_end: Doubles
    column_end: Doubles
    half_width_m: Doubles

    def near(self, block: Block, margin: float) -> NDArray[np.intp]:
        """Those within ``margin`` analysis pixels of the block, and perhaps a few more."""
        rows = (block.first_row - margin, block.first_row + SIDE + margin)
        columns = (block.first_column - margin, block.first_column + SIDE + margin)
        box = (
            (np.minimum(self.row, self.row_end) < rows[1])
            & (np.maximum(self.row, self.row_end) > rows[0])
            & (np.minimum(self.column, self.column_end) < columns[1])
            & (np.maximum(self.column, self.column_end) > columns[0])
        )
        index = np.flatnonzero(box)
        # A long oblique segment fills its box badly: ask for its distance to the block's centre too.
        down, across = self.row_end[index] - self.row[index], self.column_end[index] - self.column[index]
        length = np.maximum(np.hypot(down, across), 1e-9)
        off_row = block.first_row + SIDE / 2 - self.row[index]
        off_column = block.first_column + SIDE / 2 - self.column[index]
        offset = np.abs(off_row * across - off_column * down) / length
        return index[offset < margin + SIDE * 0.75]


def distance_to(
    block: Block, segments: Segments, *, wander: tuple[int, ...], pixels: float, salt: int, vary: float = 0.0
) -> Floats:
    """Distance in metres from each pixel to the edge of the nearest line, negative within it.

    Parameters
    ----------
    wander, pixels, salt:
        Wavelengths, size (analysis pixels) and salt of the displacement that makes straight lines wander.
    vary:
        How much the half width varies along a line, as a share of it.
    """
    nearest = np.full((SIDE, SIDE), FAR_M, np.float32)
    index = segments.near(block, 4 * pixels)
    if not len(index):
        return nearest
    position = np.arange(SIDE, dtype=np.float32)
    down = position[:, None] + block.fractal(wander, salt) * np.float32(pixels)
    across = position[None] + block.fractal(wander, salt + 2) * np.float32(pixels)
    widen = np.float32(1) + np.float32(vary) * block.noise(256, salt + 4) if vary else np.float32(1)
    for number in index.tolist():
        row = np.float32(segments.row[number] - block.first_row)
        column = np.float32(segments.column[number] - block.first_column)
        delta_row = float(segments.row_end[number] - segments.row[number])
        delta_column = float(segments.column_end[number] - segments.column[number])
        squared = max(delta_row**2 + delta_column**2, 1e-9)
        along = (down - row) * np.float32(delta_row / squared)
        along += (across - column) * np.float32(delta_column / squared)
        np.clip(along, 0, 1, out=along)
        off_down = down - row - along * np.float32(delta_row)
        # The foot is found in pixels, where it is the same in every block; the distance is in metres.
        off_across = (across - column - along * np.float32(delta_column)) * block.cosine
        distance = np.sqrt(off_down * off_down + off_across * off_across) * np.float32(PIXEL_M)
        distance -= widen * np.float32(segments.half_width_m[number])
        np.minimum(nearest, distance, out=nearest)
    return nearest
