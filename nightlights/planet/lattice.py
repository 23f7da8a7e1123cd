"""Blocks of the analysis grid, hashed numbers and smooth random fields on global lattices.

Everything on the planet is computed a block at a time, and blocks lie on whole multiples of their size
in the global grid. A block's pixels therefore come from the same operations on arrays of the same shape
whichever window asks for them: windows agree to the last bit. Each block carries a rim, so that filters
of a few pixels have their neighbours.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightlights.grid import FINE_PER_DEGREE, FINE_PER_VIIRS, METRES_PER_DEGREE, VIIRS_PER_DEGREE

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Hashes = NDArray[np.uint32]

VIIRS_PER_BLOCK = 16
"""Side of a block in VIIRS pixels."""
BLOCK = VIIRS_PER_BLOCK * FINE_PER_VIIRS
"""Side of a block in analysis pixels, without its rim."""
RIM = 4
"""Analysis pixels around a block that are computed too."""
SIDE = BLOCK + 2 * RIM
"""Side of a block's arrays in analysis pixels."""
NODE = 4
"""Analysis pixels between the nodes at which settlement is computed."""
PIXEL_M = METRES_PER_DEGREE / FINE_PER_DEGREE
"""Height of an analysis pixel in metres; its width is this times the cosine of the latitude."""

_STRIP = 44
"""Pixels of a block that are expanded from nodes at once, a divisor of its side."""
_MULTIPLIERS = np.array([0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x7FEB352D, 0x846CA68B], np.uint32)
_WEST = -(180 + 0.5 / VIIRS_PER_DEGREE)
_NORTH = 75 + 0.5 / VIIRS_PER_DEGREE
# A sum of hashed nodes weighted by cubic B-splines varies less than the nodes; this makes up for it.
_SPLINE_GAIN = np.float32(np.sqrt(3.0) / 0.4794)


def longitude(column: NDArray[np.float64] | Integers) -> NDArray[np.float64]:
    """Longitude in degrees of positions in analysis pixels east of the grid's corner."""
    return np.asarray(column / FINE_PER_DEGREE + _WEST)


def latitude(row: NDArray[np.float64] | Integers) -> NDArray[np.float64]:
    """Latitude in degrees of positions in analysis pixels south of the grid's corner."""
    return np.asarray(_NORTH - row / FINE_PER_DEGREE)


def column_of(degrees: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Analysis pixels east of the grid's corner of longitudes in degrees."""
    return np.asarray((degrees - _WEST) * FINE_PER_DEGREE)


def row_of(degrees: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Analysis pixels south of the grid's corner of latitudes in degrees."""
    return np.asarray((_NORTH - degrees) * FINE_PER_DEGREE)


def scrambled(values: Hashes) -> Hashes:
    """Scramble 32-bit numbers so that neighbours have nothing in common."""
    mixed = values ^ (values >> np.uint32(16))
    mixed *= _MULTIPLIERS[3]
    mixed ^= mixed >> np.uint32(15)
    mixed *= _MULTIPLIERS[4]
    mixed ^= mixed >> np.uint32(16)
    return mixed


def hashed(rows: Integers, columns: Integers, salt: int) -> Hashes:
    """A 32-bit hash of global integer positions; ``rows`` and ``columns`` broadcast."""
    seed = np.uint32(salt * 0x9E3779B1 & 0xFFFFFFFF)
    down = scrambled(rows.astype(np.uint32) * _MULTIPLIERS[0] + seed)
    across = scrambled(columns.astype(np.uint32) * _MULTIPLIERS[1] ^ seed)
    return scrambled(down * _MULTIPLIERS[2] + across)


def unit(hashes: Hashes) -> Floats:
    """Hashes as numbers from 0 to below 1."""
    return (hashes >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def smoothstep(low: float, high: float, values: Floats) -> Floats:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = values * np.float32(1 / (high - low))
    t -= np.float32(low / (high - low))
    np.clip(t, np.float32(0), np.float32(1), out=t)
    result = t * np.float32(-2)
    result += np.float32(3)
    result *= t
    result *= t
    return np.asarray(result)


def _product(left: Floats, right: Floats) -> Floats:
    """The matrix product, in pieces so small that the linear algebra library starts no threads.

    Its threads wait for each other in a busy loop, which on a machine at work costs far more than the
    product itself.
    """
    rows = SIDE // 8 if right.size <= 28 * SIDE else SIDE // 24 if SIDE % 24 == 0 else SIDE // 8
    return np.asarray(np.matmul(left.reshape(-1, rows, left.shape[1]), right).reshape(left.shape[0], -1))


def _expanded(down: Floats, values: Floats, across: Floats, cell: int) -> Floats:
    """``down @ values @ across.T`` for spline weights, which are 0 but for four nodes a pixel.

    The pieces are small for the reason given at :func:`_product`.
    """
    if cell > 16:
        return _product(_product(down, values), across.T)
    part = np.empty((SIDE, values.shape[1]), np.float32)
    result = np.empty((SIDE, SIDE), np.float32)
    count = -(-_STRIP // cell) + 5
    firsts = range(0, SIDE, _STRIP)
    strips = [(slice(at, at + _STRIP), slice(at // cell, at // cell + count)) for at in firsts]
    for pixels, nodes in strips:
        np.matmul(down[pixels, nodes], values[nodes], out=part[pixels])
    for pixels, nodes in strips:
        result[:, pixels] = part[:, nodes] @ across[pixels, nodes].T
    return result


@functools.lru_cache(maxsize=4096)
def _spline(first: int, count: int, cell: int) -> tuple[int, Floats, Floats]:
    """Cubic B-spline weights of ``count`` pixels from ``first`` (0 <= first < cell) on nodes ``cell`` apart.

    Returns the first node, the weights and their derivatives per pixel, shape (count, nodes).
    """
    position = (np.arange(first, first + count) + 0.5) / cell
    whole = np.floor(position).astype(int)
    t = position - whole
    cubic = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1)
    slope = np.stack([-3 * (1 - t) ** 2, 9 * t**2 - 12 * t, -9 * t**2 + 6 * t + 3, 3 * t**2], axis=1)
    start = int(whole[0]) - 1
    weights = np.zeros((count, int(whole[-1]) + 3 - start), np.float32)
    slopes = np.zeros_like(weights)
    pixels = np.arange(count)[:, None]
    nodes = whole[:, None] - 1 - start + np.arange(4)
    weights[pixels, nodes] = cubic / 6
    slopes[pixels, nodes] = slope / (6 * cell)
    return start, weights, slopes


@functools.lru_cache(maxsize=4096)
def _refinement(start: int, fine: int, coarse: int, ratio: int) -> Floats:
    """Cubic B-spline weights of ``fine`` nodes on ``coarse`` ones that lie ``ratio`` times as far apart.

    The first fine node lies ``start`` fine steps from the first coarse one; shape (fine, coarse).
    """
    whole, part = np.divmod(np.arange(start, start + fine), ratio)
    t = part / ratio
    cubic = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1)
    # The outermost fine nodes may ask for one coarse node too many; in a pixel they weigh below 1e-6.
    index = np.clip(whole[:, None] - 1 + np.arange(4), 0, coarse - 1)
    weights = np.zeros((fine, coarse))
    np.add.at(weights, (np.arange(fine)[:, None], index), cubic / 6)
    return weights.astype(np.float32)


@dataclass(frozen=True)
class Block:
    """A square of the global analysis grid with its rim; arrays have shape (SIDE, SIDE), north first.

    Attributes
    ----------
    row, column:
        Position in blocks from the grid's corner; blocks beyond the grid's edge are allowed.
    seed:
        The planet's seed, part of every hash.
    """

    row: int
    column: int
    seed: int

    @property
    def first_row(self) -> int:
        """Global analysis row of the first row of the rim."""
        return self.row * BLOCK - RIM

    @property
    def first_column(self) -> int:
        """Global analysis column of the first column of the rim."""
        return self.column * BLOCK - RIM

    @functools.cached_property
    def cosine(self) -> Floats:
        """Cosine of the latitude of each row, shape (SIDE, 1)."""
        rows = np.arange(self.first_row, self.first_row + SIDE, dtype=np.float64) + 0.5
        return np.cos(np.radians(latitude(rows))).astype(np.float32)[:, None]

    def hashes(self, salt: int) -> Hashes:
        """One hash a pixel."""
        rows = np.arange(self.first_row, self.first_row + SIDE, dtype=np.int64)[:, None]
        columns = np.arange(self.first_column, self.first_column + SIDE, dtype=np.int64)[None]
        return hashed(rows, columns, salt + self.seed * 7919)

    def cells(self, cell: int, rim: int = 0) -> tuple[Integers, Integers]:
        """Global (rows, columns) of the square cells of ``cell`` pixels that meet the block.

        ``rim`` adds cells on each side; shapes are (n, 1) and (1, m).
        """
        rows = np.arange(self.first_row // cell - rim, (self.first_row + SIDE - 1) // cell + rim + 1)
        columns = np.arange(self.first_column // cell - rim, (self.first_column + SIDE - 1) // cell + rim + 1)
        return rows.astype(np.int64)[:, None], columns.astype(np.int64)[None]

    def nodes(self, cell: int, shift: int = 0) -> tuple[Integers, Integers]:
        """Global (rows, columns), counted in nodes, that :meth:`upsampled` needs; (n, 1) and (1, m).

        Node k lies at analysis pixel ``shift + k cell`` from the grid's corner.
        """
        whole_row, part_row = divmod(self.first_row - shift, cell)
        whole_column, part_column = divmod(self.first_column - shift, cell)
        start_row, down, _ = _spline(part_row, SIDE, cell)
        start_column, across, _ = _spline(part_column, SIDE, cell)
        rows = np.arange(down.shape[1], dtype=np.int64) + whole_row + start_row
        columns = np.arange(across.shape[1], dtype=np.int64) + whole_column + start_column
        return rows[:, None], columns[None]

    def upsampled(self, values: Floats, cell: int, shift: int = 0) -> Floats:
        """The smooth field through values at :meth:`nodes`; a cubic B-spline, so it has no overshoot."""
        _, down, _ = _spline((self.first_row - shift) % cell, SIDE, cell)
        _, across, _ = _spline((self.first_column - shift) % cell, SIDE, cell)
        return _expanded(down, values, across, cell)

    def slopes(self, values: Floats, cell: int) -> tuple[Floats, Floats]:
        """Change per pixel, southward and eastward, of :meth:`upsampled`."""
        _, down, down_slope = _spline(self.first_row % cell, SIDE, cell)
        _, across, across_slope = _spline(self.first_column % cell, SIDE, cell)
        return (
            _product(_product(down_slope, values), across.T),
            _product(_product(down, values), across_slope.T),
        )

    def noise_nodes(self, cell: int, salt: int) -> Floats:
        """Hashed values at the nodes whose field has mean 0 and standard deviation about 1."""
        rows, columns = self.nodes(cell)
        values = unit(hashed(rows, columns, salt + self.seed * 7919 + cell * 31))
        return (values * np.float32(2) - np.float32(1)) * _SPLINE_GAIN

    def noise(self, cell: int, salt: int) -> Floats:
        """A smooth random field of wavelength about 2 ``cell`` pixels, mean 0, standard deviation about 1."""
        return self.upsampled(self.noise_nodes(cell, salt), cell)

    def fractal(self, cells: tuple[int, ...], salt: int, gain: float = 0.5) -> Floats:
        """A sum of :meth:`noise` of several wavelengths, each ``gain`` times the last; deviation about 1."""
        return self.upsampled(self.fractal_nodes(cells, salt, gain, cells[-1]), cells[-1])

    def fractal_nodes(self, cells: tuple[int, ...], salt: int, gain: float, finest: int) -> Floats:
        """The values of :meth:`fractal` at the nodes of ``finest`` pixels, a divisor of every cell."""
        weights = gain ** np.arange(len(cells))
        weights /= np.sqrt(np.sum(weights**2))
        rows, columns = self.nodes(finest)
        values = np.zeros((len(rows), columns.shape[1]), np.float32)
        # Long waves are smooth: it is enough to know them at the nodes of the shortest.
        for cell, weight in zip(cells, weights.tolist(), strict=True):
            nodes: Floats = self.noise_nodes(cell, salt)
            if cell != finest:
                ratio = cell // finest
                first_row, first_column = (int(axis.flat[0]) * ratio for axis in self.nodes(cell))
                down = _refinement(int(rows[0, 0]) - first_row, len(rows), nodes.shape[0], ratio)
                across = _refinement(
                    int(columns[0, 0]) - first_column, columns.shape[1], nodes.shape[1], ratio
                )
                nodes = np.asarray(down @ nodes @ across.T)
            values += nodes * np.float32(weight)
        return values


def box3(values: Floats) -> Floats:
    """Mean over 3 x 3 pixels; the outermost pixels keep their value."""
    result = values.copy()
    rows = values[:-2] + values[1:-1] + values[2:]
    result[1:-1, 1:-1] = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 9)
    return result
