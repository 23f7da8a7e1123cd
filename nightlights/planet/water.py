"""Land, sea, lakes and rivers."""

import csv
import functools
import gzip
import io
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from nightlights.grid import FINE_PER_VIIRS
from nightlights.planet.lattice import PIXEL_M, SIDE, Block, Floats, column_of, row_of, smoothstep
from nightlights.planet.lines import FAR_M, Segments, distance_to

_MASK_CELL = 32
_MASK_NORTH, _MASK_SOUTH = 76, -66
_CELLS_PER_DEGREE = 120
_CHUNK = 512
# The mask's cells begin at the whole degree, half a VIIRS pixel inside the grid's corner.
_MASK_SHIFT = FINE_PER_VIIRS // 2 + _MASK_CELL // 2


@functools.cache
def _mask_path() -> Path:
    return Path(str(resources.files("nightlights").joinpath("data/land.tif")))


@functools.lru_cache(maxsize=64)
def _chunk(row: int, column: int) -> NDArray[np.float32]:
    """A square of the land mask; 0 (sea) beyond its edge."""
    values = np.zeros((_CHUNK, _CHUNK), np.float32)
    top, left = row * _CHUNK, column * _CHUNK
    with rasterio.open(_mask_path()) as mask:
        first, last = max(top, 0), min(top + _CHUNK, mask.height)
        west, east = max(left, 0), min(left + _CHUNK, mask.width)
        if first < last and west < east:
            part = mask.read(1, window=((first, last), (west, east)))
            values[first - top : last - top, west - left : east - left] = part
    return values


def _mask(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
    """Land mask at cells counted from 75 N, 180 W; shape (rows, columns)."""
    rows = rows + (_MASK_NORTH - 75) * _CELLS_PER_DEGREE
    result = np.zeros((len(rows), len(columns)), np.float32)
    for chunk_row in np.unique(rows // _CHUNK).tolist():
        for chunk_column in np.unique(columns // _CHUNK).tolist():
            inside_rows, inside_columns = rows // _CHUNK == chunk_row, columns // _CHUNK == chunk_column
            part = _chunk(chunk_row, chunk_column)
            picked = part[np.ix_(rows[inside_rows] % _CHUNK, columns[inside_columns] % _CHUNK)]
            result[np.ix_(inside_rows, inside_columns)] = picked
    return result


@functools.cache
def _rivers() -> Segments:
    """Centre lines of large rivers (Natural Earth), as segments."""
    packed = resources.files("nightlights").joinpath("data/rivers.csv.gz").read_bytes()
    rows = csv.reader(io.StringIO(gzip.decompress(packed).decode()))
    next(rows)
    table = np.array([[float(value) for value in row] for row in rows])
    same = table[1:, 0] == table[:-1, 0]
    row, column = row_of(table[:, 2]), column_of(table[:, 1])
    index = np.flatnonzero(same)
    line = table[index, 0]
    half_width = 90 + 260 * ((line * 0.618034) % 1) ** 2
    return Segments(row[index], column[index], row[index + 1], column[index + 1], half_width)


@dataclass(frozen=True)
class Water:
    """Water of a block, arrays of shape (SIDE, SIDE).

    Attributes
    ----------
    share:
        Share of each pixel under water, 0 to 1.
    shore_m:
        Distance to the sea or a large lake in metres, negative on the water; only its sign means
        something beyond 600 m.
    bank_m:
        Distance to the bank of a river in metres, negative on the water; large where there is none.
    turbid:
        0 (clear) to 1 (muddy).
    sandy:
        0 to 1: bare sand of islands and bars in rivers.
    """

    share: Floats
    shore_m: Floats
    bank_m: Floats
    turbid: Floats
    sandy: Floats


def water(block: Block, aridity: Floats) -> Water:
    """The water of a block."""
    shore = _shore(block)
    bank = _bank(block, aridity)
    if float(np.abs(shore).min()) > 1000 and float(bank.min()) > 1000:
        wet = (shore < 0).astype(np.float32)
        clouded = np.float32(0.1) * block.fractal((512, 256), 209) * wet
        return Water(wet, shore, bank, np.maximum(clouded, 0), np.zeros_like(wet))
    # Islands: where a river is wide, some of it is dry, either sand or wood.
    island = smoothstep(0.55, 0.85, block.fractal((64, 32), 205)) * smoothstep(-90, -160, bank)
    sand_side = smoothstep(-0.2, 0.4, block.noise(128, 207))
    bank = bank + np.float32(12) * block.fractal((64, 16), 203) + island * np.float32(4000)
    depth = np.minimum(shore, bank)
    share = np.clip(np.float32(0.5) - depth * np.float32(1 / PIXEL_M), 0, 1)
    turbid = np.clip(
        smoothstep(-450, 0, shore) * np.float32(0.3)
        + ((bank < 30) & (shore > 0)) * np.float32(0.7)
        + np.float32(0.1) * block.fractal((512, 256), 209),
        0,
        1,
    )
    bars = smoothstep(45, 5, bank) * smoothstep(0.6, 1.2, block.noise(32, 211))
    sandy = np.clip(smoothstep(0.05, 0.4, island) * sand_side + bars, 0, 1)
    return Water(share, shore, bank, turbid, sandy)


def _shore(block: Block) -> Floats:
    """Signed distance in metres to the sea, positive on land, crisp at the scale of a pixel."""
    rows, columns = block.nodes(_MASK_CELL, _MASK_SHIFT)
    mask = _mask(rows[:, 0], columns[0])
    if not mask.any():
        return np.full((SIDE, SIDE), -20_000, np.float32)
    if mask.all():
        return np.full((SIDE, SIDE), 20_000, np.float32)
    level = block.upsampled(mask, _MASK_CELL, _MASK_SHIFT) - np.float32(0.5)
    rough = block.fractal((32, 16, 8, 4), 201, 0.6)
    near = np.float32(1) - np.float32(4) * level * level
    level = level + np.float32(0.075) * rough * np.maximum(near, 0)
    # The level tells a distance up to half a cell or so; beyond, it only tells "far".
    far = np.maximum(np.abs(level) - np.float32(0.46), 0) * np.float32(250_000)
    return np.asarray(level * np.float32(_MASK_CELL * PIXEL_M / 0.7) + np.sign(level) * far)


def _bank(block: Block, aridity: Floats) -> Floats:
    """Signed distance in metres to the nearest river's bank, positive on dry land."""
    real = distance_to(block, _rivers(), wander=(256, 64, 16), pixels=16, salt=221, vary=0.35)
    # Lesser rivers follow the zero lines of smooth fields, whose slope turns the level into metres.
    wet = smoothstep(0.75, 0.35, aridity)
    if not wet.any():
        return np.minimum(real, np.float32(FAR_M))
    nodes = block.noise_nodes(512, 227)
    level = block.upsampled(nodes, 512) + np.float32(0.05) * block.fractal((64, 32), 229)
    down, across = block.slopes(nodes, 512)
    slope = np.sqrt(down * down + across * across) * np.float32(1 / PIXEL_M) + np.float32(2e-6)
    width = np.float32(55) * wet * np.maximum(block.noise(1024, 231) + np.float32(0.6), 0)
    stream = np.abs(level) / slope - width
    stream = np.where(width > np.float32(3), stream, np.float32(FAR_M))
    return np.asarray(np.minimum(real, np.minimum(stream, np.float32(FAR_M))))
