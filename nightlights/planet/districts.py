"""Districts of about a kilometre: what is built in them, their streets and the main streets between."""

from dataclasses import dataclass

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

    pixels = np.arange(SIDE)
    cell_row = (pixels + block.first_row) // _CELL - rows[0, 0]
    cell_column = (pixels + block.first_column) // _CELL - columns[0, 0]
    position = np.arange(SIDE, dtype=np.float32)
    first = np.full((SIDE, SIDE), np.inf, np.float32)
    second = first.copy()
    index = np.zeros((SIDE, SIDE), np.int32)
    for step_row in (-1, 0, 1):
        for step_column in (-1, 0, 1):
            number_row, number_column = cell_row + step_row, cell_column + step_column
            picked = (number_row[:, None] * shape[1] + number_column[None]).astype(np.int32)
            down = position[:, None] - np.take(centre_rows, picked)
            across = (position[None] - np.take(centre_columns, picked)) * block.cosine
            distance = down * down + across * across
            closer = distance < first
            np.minimum(second, np.maximum(first, distance), out=second)
            np.minimum(first, distance, out=first)
            np.copyto(index, picked, where=closer)
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
