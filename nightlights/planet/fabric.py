"""The fabric of towns: arterials, the streets between them and the city blocks that they bound.

Arterials are the lines of a lattice that smooth fields bend: they run on across a town. Each cell of that
lattice is a quarter with a street plan of its own. Within it two families of lines at uneven distances
bound the city blocks. City blocks are 60 to 250 m wide.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.planet.lattice import NODE, PIXEL_M, SIDE, Block, Floats, hashed, scrambled, smoothstep, unit

_CELL = 28
"""Analysis pixels between arterials, in the mean."""
_JITTER = 14
_BEND = np.float32(34)
"""Analysis pixels by which arterials wander in a town that grew without a plan."""
_MARGIN = 7 * int(_BEND)
"""Analysis pixels beyond a block where its arterials may have come from; the most that they wander is 5.6."""
_STAGGER = 24
_FINE = 4
"""Steps a pixel of the table of arterials."""

_TURNS = 1024
_ANGLE = (np.arange(_TURNS + 1) + 0.5) * (2 * np.pi / _TURNS) - np.pi
_COSINE, _SINE = np.cos(_ANGLE).astype(np.float32), np.sin(_ANGLE).astype(np.float32)
_RANKS = np.array([1, 0.85, 0.5, 0.5, 0.3], np.float32)

_STEPS, _LINES = 32, 128
"""Steps between two streets, and streets in the table, which then begins again."""
_WRAP = np.int32(_STEPS * _LINES - 1)


@dataclass(frozen=True)
class Fabric:
    """Streets and city blocks; arrays of shape (SIDE, SIDE) unless said.

    Attributes
    ----------
    arterial_m, rank:
        Distance in metres to the middle of the nearest arterial, and its rank: 0.3 (minor) to 1.
    street_m, lamps:
        Distance in metres to the middle of the nearest lesser street, and how well that street is lit:
        0 (not at all) to 1, one value a street within a quarter.
    across, along:
        Position within the city block, -1 to 1 from one side to the other.
    chance:
        Eight independent numbers from 0 to 1, constant within a city block, shape (8, SIDE, SIDE).
    centre:
        Flat position, among the block's nodes of :data:`~nightlights.planet.lattice.NODE` pixels, of the
        one nearest to the centre of the city block.
    coarse:
        1 in quarters with large city blocks, else 0.
    """

    arterial_m: Floats
    rank: Floats
    street_m: Floats
    lamps: Floats
    across: Floats
    along: Floats
    chance: Floats
    centre: NDArray[np.int32]
    coarse: Floats

    def sampled(self, nodes: Floats) -> Floats:
        """A field known at the nodes, at the centre of each city block."""
        return np.asarray(np.take(nodes.ravel(), self.centre))


def _street_table() -> tuple[Floats, Floats, Floats, NDArray[np.uint32], Floats]:
    """Streets along a line: the distance to the nearest, to the middle between two, position, number, lamps.

    Distances are in mean spacings, at ``_STEPS`` places a spacing; the table closes on itself.
    """
    number = np.arange(_LINES, dtype=np.int64)
    line = number + 0.62 * unit(hashed(number, number, 311)).astype(np.float64)
    lamps = unit(hashed(number, number, 313))
    place = (np.arange(_STEPS * _LINES) + 0.5) / _STEPS
    after = np.searchsorted(line, place)
    left = np.where(after > 0, line[after - 1], line[-1] - _LINES)
    right = np.where(after < _LINES, line[after % _LINES], line[0] + _LINES)
    nearer_left = place - left < right - place
    return (
        np.minimum(place - left, right - place).astype(np.float32),
        ((left + right) / 2 - place).astype(np.float32),
        (2 * (place - left) / (right - left) - 1).astype(np.float32),
        (after % _LINES).astype(np.uint32),
        np.where(nearer_left, lamps[after - 1], lamps[after % _LINES]).astype(np.float32),
    )


_TO_STREET, _TO_MIDDLE, _PLACE, _NUMBER, _LAMPS = _street_table()


@dataclass(frozen=True)
class _Lines:
    """One family of arterials over a block: tables at ``_FINE`` places a pixel, and their first place."""

    first: int
    number: NDArray[np.int32]
    nearest: Floats
    left: Floats
    rank: Floats

    def at(self, position: Floats) -> NDArray[np.int32]:
        """The places in the tables of positions in pixels from the block's corner."""
        place = (position - np.float32(self.first)) * np.float32(_FINE)
        return place.astype(np.int32)


def _lines(corner: int, salt: int) -> _Lines:
    """The arterials near a block whose first row or column is ``corner``."""
    number = np.arange((corner - _MARGIN) // _CELL - 1, (corner + SIDE + _MARGIN) // _CELL + 3)
    chance = unit(hashed(number, number, salt)).astype(np.float64)
    line = number * _CELL + _JITTER * (chance - 0.5) - corner
    first = -_MARGIN
    place = first + (np.arange((SIDE + 2 * _MARGIN) * _FINE) + 0.5) / _FINE
    after = np.searchsorted(line, place)
    nearest = after - (place - line[after - 1] < line[after] - place)
    rank = np.take(_RANKS, hashed(number, number, salt + 1) % np.uint32(len(_RANKS)))
    return _Lines(
        first,
        (after - 1).astype(np.int32),
        line[nearest].astype(np.float32),
        line[after - 1].astype(np.float32),
        rank[nearest],
    )


def fabric(block: Block, grid: Floats, ripple: Floats) -> Fabric:
    """The streets and city blocks of a block.

    Parameters
    ----------
    grid:
        0 (grown) to 1 (planned), shape (SIDE, SIDE).
    ripple:
        A smooth random field of short wavelength, shape (SIDE, SIDE), along which streets curve.
    """
    position = np.arange(SIDE, dtype=np.float32)
    loose = np.float32(1.04) - grid
    bend = loose * _BEND
    down = position[:, None] + bend * block.fractal((256, 128, 64), 303)
    across = position[None] + bend * block.fractal((256, 128, 64), 304)
    downs = _lines(block.first_row, 305 + block.seed * 7919)
    acrosses = _lines(block.first_column, 307 + block.seed * 7919)
    place = acrosses.at(across)
    column = np.take(acrosses.number, place)
    gap_across = np.abs(across - np.take(acrosses.nearest, place)) * block.cosine
    from_across = (across - np.take(acrosses.left, place)) * block.cosine
    rank_across = np.take(acrosses.rank, place)
    # In a town that grew, cross streets do not meet.
    columns = np.arange(column.min(), column.max() + 1, dtype=np.int64)
    first_column = (block.first_column - _MARGIN) // _CELL - 1
    chances = unit(hashed(columns + first_column, columns * 0, 309 + block.seed * 7919))
    stagger = (chances - np.float32(0.5)) * np.float32(_STAGGER)
    down += np.take(stagger, column - columns[0]) * loose
    place = downs.at(down)
    row = np.take(downs.number, place)
    gap_down = np.abs(down - np.take(downs.nearest, place))
    from_down = down - np.take(downs.left, place)
    rank = _chosen(gap_down < gap_across, np.take(downs.rank, place), rank_across)

    rows = np.arange(row.min(), row.max() + 1, dtype=np.int64)
    first_row = (block.first_row - _MARGIN) // _CELL - 1
    quarter = (row - np.int32(rows[0])) * np.int32(len(columns)) + (column - np.int32(columns[0]))
    identity = hashed((rows + first_row)[:, None], (columns + first_column)[None], 317 + block.seed * 7919)
    chance = [unit(scrambled(identity + np.uint32(k))).ravel() for k in range(5)]
    turn = np.where(chance[0] > 0.3, (chance[1] - np.float32(0.5)) * np.float32(1.6), 0)
    # In a planned city every quarter lies along the same lines.
    free = smoothstep(0.9, 0.5, grid)
    turn = (np.take(turn, quarter) * free + np.float32(np.pi)) * np.float32(_TURNS / (2 * np.pi))
    cosine, sine = np.take(_COSINE, turn.astype(np.int32)), np.take(_SINE, turn.astype(np.int32))
    large = chance[2] > 0.84
    # City blocks in pixels: rows of houses, or the yards of works and markets.
    close = 2.5 + 2.3 * chance[3] ** 1.5
    spacing = np.where(large, 5.5 + 2.5 * chance[3], close).astype(np.float32)
    long = np.where(large, 1.0, np.where(chance[4] > 0.5, 1.7, 0.8)).astype(np.float32)
    curve = np.where(chance[4] % 0.5 > 0.2, 1, 0.2).astype(np.float32)
    bent = ripple * np.take(curve, quarter) * (np.float32(0.45) + np.float32(0.5) * free)
    first = cosine * from_down + sine * from_across + bent
    second = cosine * from_across - sine * from_down + bent
    apart_first, apart_second = np.take(spacing, quarter), np.take(spacing * long, quarter)
    return _blocks(
        block,
        _Plan(
            np.minimum(gap_down, gap_across) * np.float32(PIXEL_M),
            rank,
            (first, second),
            (apart_first, apart_second),
            (cosine, sine),
            np.take(identity.ravel(), quarter),
            np.take(large.astype(np.float32), quarter),
        ),
    )


@dataclass(frozen=True)
class _Plan:
    """The street plan of the quarters of a block, before its city blocks are made."""

    arterial_m: Floats
    rank: Floats
    position: tuple[Floats, Floats]
    apart: tuple[Floats, Floats]
    turn: tuple[Floats, Floats]
    identity: NDArray[np.uint32]
    coarse: Floats


def _blocks(block: Block, plan: _Plan) -> Fabric:
    """The streets and city blocks of a street plan."""
    steps = []
    for position, apart, shift in zip(plan.position, plan.apart, (3, 14), strict=True):
        # Kept above 0, where whole numbers are rounded one way.
        place = (position * (np.float32(_STEPS) / apart) + np.float32(2 * _STEPS * _LINES)).astype(np.int32)
        place += ((plan.identity >> np.uint32(shift)) & np.uint32(0xFFF)).astype(np.int32)
        place &= _WRAP
        steps.append(place)
    gaps = [np.take(_TO_STREET, place) * apart for place, apart in zip(steps, plan.apart, strict=True)]
    lamps = _chosen(gaps[0] < gaps[1], np.take(_LAMPS, steps[0]), np.take(_LAMPS, steps[1]))
    key = np.take(_NUMBER, steps[0]) * np.uint32(0x9E3779B1)
    key += np.take(_NUMBER, steps[1]) * np.uint32(0x85EBCA6B)
    key = scrambled(key + plan.identity)
    chance = np.empty((8, SIDE, SIDE), np.float32)
    for number, bits in enumerate((key, scrambled(key))):
        for byte in range(4):
            part = (bits >> np.uint32(8 * byte)).astype(np.uint8)
            np.multiply(part, np.float32(1 / 255), out=chance[4 * number + byte])
    middle = [np.take(_TO_MIDDLE, place) * apart for place, apart in zip(steps, plan.apart, strict=True)]
    cosine, sine = plan.turn
    pixels = np.arange(SIDE, dtype=np.float32)
    rows, columns = block.nodes(NODE)
    row = pixels[:, None] + (cosine * middle[0] - sine * middle[1])
    column = pixels[None] + (sine * middle[0] + cosine * middle[1]) / block.cosine
    centre = _node(row, block.first_row - int(rows[0, 0]) * NODE, rows.shape[0])
    centre *= np.int32(columns.shape[1])
    centre += _node(column, block.first_column - int(columns[0, 0]) * NODE, columns.shape[1])
    return Fabric(
        plan.arterial_m,
        plan.rank,
        np.minimum(gaps[0], gaps[1]) * np.float32(PIXEL_M),
        lamps,
        np.take(_PLACE, steps[0]),
        np.take(_PLACE, steps[1]),
        chance,
        centre,
        plan.coarse,
    )


def _chosen(first: NDArray[np.bool_], one: Floats, other: Floats) -> Floats:
    """``one`` where ``first``, else ``other``; much quicker than a choice where neighbours differ."""
    return np.asarray(other + (one - other) * first)


def _node(position: NDArray[Any], shift: int, count: int) -> NDArray[np.int32]:
    """The nearest of ``count`` nodes along an axis to positions in pixels from the block's corner."""
    node = (position + np.float32(shift + NODE / 2)) * np.float32(1 / NODE)
    return np.asarray(np.clip(node, 0, count - 1).astype(np.int32))
