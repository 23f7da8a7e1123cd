"""Districts of about a kilometre: what is built in them, their streets and the main streets between."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.planet.lattice import PIXEL_M, SIDE, Block, Floats, hashed, unit
from nightlights.planet.settlements import Settlements, pattern

_CELL = 32


@dataclass(frozen=True)
class Districts:
    """Districts of a block: arrays of shape (SIDE, SIDE), constant within a district unless said.

    Attributes
    ----------
    edge_m:
        Distance in metres to the main street that bounds the district (varies within it).
    street_m:
        Distance in metres to the nearest lesser street (varies within it).
    chance:
        Four independent numbers from 0 to 1, shape (4, SIDE, SIDE).
    density, wealth, size:
        Settlement at the district's centre; see :class:`~nightlights.planet.settlements.Pattern`.
    """

    edge_m: Floats
    street_m: Floats
    chance: NDArray[np.float32]
    density: Floats
    wealth: Floats
    size: Floats


def districts(block: Block, settlements: Settlements) -> Districts:
    """The districts of a block: cells of a jittered lattice, each nearest to its own centre."""
    rows, columns = block.cells(_CELL, rim=1)
    shape = np.broadcast_shapes(rows.shape, columns.shape)
    chances = np.stack([unit(hashed(rows, columns, 301 + 17 * k + block.seed * 7919)) for k in range(7)])
    middle_rows = (rows + 0.5) * _CELL + np.zeros(shape)
    middle_columns = (columns + 0.5) * _CELL + np.zeros(shape)
    found = pattern(settlements, middle_rows, middle_columns)
    # A planned city has square districts; one that grew has crooked ones.
    jitter = np.float32(_CELL * 0.84) * (np.float32(1) - np.float32(0.88) * found.grid)
    centre_rows = (middle_rows - block.first_row).astype(np.float32) + (chances[0] - 0.5) * jitter
    centre_columns = (middle_columns - block.first_column).astype(np.float32) + (chances[1] - 0.5) * jitter

    first = np.full((SIDE, SIDE), np.inf, np.float32)
    second = first.copy()
    index = np.zeros((SIDE, SIDE), np.int32)
    numbers = np.arange(rows.size * columns.size, dtype=np.int32).reshape(shape)
    position = np.arange(SIDE, dtype=np.float32)
    for step_row in (-1, 0, 1):
        for step_column in (-1, 0, 1):
            step = (block, step_row, step_column)
            down = position[:, None] - _spread(centre_rows, *step)
            across = (position[None] - _spread(centre_columns, *step)) * block.cosine
            down *= down
            across *= across
            down += across
            np.copyto(index, _spread(numbers, *step), where=down < first)
            np.minimum(second, np.maximum(first, down), out=second)
            np.minimum(first, down, out=first)
    edge = (np.sqrt(second) - np.sqrt(first)) * np.float32(PIXEL_M / 2)

    # Lesser streets: two families of parallel lines, turned with the district.
    turn = (chances[2] - np.float32(0.5)) * np.float32(1.57) * (np.float32(1) - found.grid)
    cosine, sine = np.take(np.cos(turn), index), np.take(np.sin(turn), index)
    down = (position[:, None] - np.take(centre_rows, index)) * np.float32(PIXEL_M)
    across = (position[None] - np.take(centre_columns, index)) * (np.float32(PIXEL_M) * block.cosine)
    spacing = np.take(np.float32(1) / (np.float32(120) + np.float32(130) * chances[3]), index)
    street = np.full((SIDE, SIDE), np.inf, np.float32)
    for along, stretch in ((cosine * down + sine * across, 1.0), (cosine * across - sine * down, 0.6)):
        phase = along * (spacing * np.float32(stretch))
        gap = np.abs(phase - np.rint(phase)) / (spacing * np.float32(stretch))
        np.minimum(street, gap, out=street)
    return Districts(
        edge,
        street,
        np.stack([np.take(chances[k], index) for k in (3, 4, 5, 6)]),
        np.take(found.density, index),
        np.take(found.wealth, index),
        np.take(found.size, index),
    )


def _spread(values: NDArray[Any], block: Block, step_row: int, step_column: int) -> NDArray[Any]:
    """For each pixel the value of its lattice cell, or of the cell so many steps away."""
    result = values
    for axis, (first, step) in enumerate(((block.first_row, step_row), (block.first_column, step_column))):
        cells = np.arange(first, first + SIDE) // _CELL
        counts = np.bincount(cells - cells[0])
        picked = slice(1 + step, 1 + step + len(counts))
        result = np.repeat(result[picked] if axis == 0 else result[:, picked], counts, axis=axis)
    return result
