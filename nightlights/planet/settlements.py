"""Where people live: real cities, and towns and villages hashed between them."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nightlights.places import cities
from nightlights.planet.countries import FLARING, country
from nightlights.planet.lattice import (
    PIXEL_M,
    SIDE,
    Block,
    Floats,
    column_of,
    hashed,
    latitude,
    longitude,
    row_of,
    unit,
)

Doubles = NDArray[np.float64]

REACH = 2.0
"""Radii from the centre at which a settlement's influence ends."""
_SMALLEST_COSINE = 0.25
_TOWN_CELL, _HAMLET_CELL = 256, 64
_SAMPLES_RIM = 80
"""Analysis pixels beyond a block from which hashed settlements may reach it."""


@dataclass(frozen=True)
class Settlements:
    """Settlements as columns; positions in analysis pixels from the grid's corner, radii in metres."""

    row: Doubles
    column: Doubles
    radius_m: Doubles
    cosine: Doubles
    size: Doubles
    brightness: Doubles
    wealth: Doubles
    grid: Doubles

    def __len__(self) -> int:
        return len(self.row)

    def taken(self, which: NDArray[np.intp]) -> "Settlements":
        """Those at the positions ``which``."""
        return Settlements(*(column[which] for column in self.columns()))

    def columns(self) -> tuple[Doubles, ...]:
        """The columns, in the order of the fields."""
        return (
            self.row,
            self.column,
            self.radius_m,
            self.cosine,
            self.size,
            self.brightness,
            self.wealth,
            self.grid,
        )

    @classmethod
    def joined(cls, parts: "list[Settlements]") -> "Settlements":
        """All of ``parts``, in order."""
        return cls(*(np.concatenate(columns) for columns in zip(*(p.columns() for p in parts), strict=True)))


@dataclass(frozen=True)
class Gazetteer:
    """The real cities and an index of them."""

    settlements: Settlements
    codes: tuple[str, ...]
    rural: Doubles
    electrified: Doubles
    crowding: Doubles
    flaring: NDArray[np.bool_]
    tree: cKDTree

    def nearest(self, row: Doubles, column: Doubles) -> tuple[Doubles, NDArray[np.intp]]:
        """Distance in metres and position of the nearest city of each place, given in analysis pixels."""
        chord, index = self.tree.query(_on_sphere(row, column))
        return np.asarray(chord * 6_371_007.2), np.asarray(index)


def _on_sphere(row: Doubles, column: Doubles) -> Doubles:
    angle, turn = np.radians(latitude(row)), np.radians(longitude(column))
    return np.stack([np.cos(angle) * np.cos(turn), np.cos(angle) * np.sin(turn), np.sin(angle)], axis=-1)


@functools.cache
def gazetteer() -> Gazetteer:
    """The cities of :mod:`nightlights.places` as settlements, read once."""
    table = cities()
    traits = [country(place.country) for place in table]
    row = row_of(np.array([place.latitude for place in table]))
    column = column_of(np.array([place.longitude for place in table]))
    people = np.array([place.population for place in table], np.float64)
    crowding = np.array([trait.crowding for trait in traits])
    settlements = Settlements(
        row,
        column,
        _radius(people, crowding),
        np.maximum(np.cos(np.radians(latitude(row))), _SMALLEST_COSINE),
        _size(people),
        np.array([trait.brightness for trait in traits]),
        np.array([trait.wealth for trait in traits]),
        np.array([trait.grid for trait in traits]),
    )
    return Gazetteer(
        settlements,
        tuple(place.country for place in table),
        np.array([trait.rural for trait in traits]),
        np.array([trait.electrified for trait in traits]),
        crowding,
        np.array([place.country in FLARING for place in table]),
        cKDTree(_on_sphere(row, column)),
    )


def _radius(people: Doubles, crowding: Doubles) -> Doubles:
    """Radius in metres of the built-up area: large cities are more crowded than small ones."""
    density = crowding * (people / 200_000) ** 0.12
    return np.asarray(1000 * np.sqrt(people / (np.pi * density)))


def _size(people: Doubles) -> Doubles:
    """0 for a hamlet of 300 people to 1 for a city of ten million."""
    return np.asarray(np.clip((np.log10(people) - 2.5) / 4.5, 0, 1))


def around(block: Block) -> Settlements:
    """Every settlement whose influence may reach the block."""
    known = gazetteer().settlements
    near = _reaching(block, known)
    return Settlements.joined(
        [
            known.taken(near),
            _hashed_settlements(block, _TOWN_CELL, 11, 2.9, 1.25),
            _hashed_settlements(block, _HAMLET_CELL, 13, 2.1, 0.7),
        ]
    )


def _reaching(block: Block, known: Settlements) -> NDArray[np.intp]:
    reach = known.radius_m * REACH / PIXEL_M
    half = SIDE / 2 + _SAMPLES_RIM
    down = np.abs(known.row - (block.first_row + SIDE / 2)) < half + reach
    across = np.abs(known.column - (block.first_column + SIDE / 2)) < half + reach / known.cosine
    return np.flatnonzero(down & across)


def _hashed_settlements(block: Block, cell: int, salt: int, lowest: float, spread: float) -> Settlements:
    """One settlement at most in each cell of ``cell`` pixels, of 10 ** (lowest .. lowest + spread) people."""
    rows, columns = block.cells(cell, rim=1 + _SAMPLES_RIM // cell)

    def chance(number: int) -> Doubles:
        values = unit(hashed(rows, columns, salt + number * 101 + block.seed * 7919))
        return values.astype(np.float64).ravel()

    grid_rows, grid_columns = np.broadcast_arrays(rows, columns)
    row = (grid_rows.ravel() + chance(0)) * cell
    column = (grid_columns.ravel() + chance(1)) * cell
    known = gazetteer()
    distance, nearest = known.nearest(row, column)
    # Villages thin out away from towns, and there are none in the wilderness.
    likely = known.rural[nearest] * np.exp(-((distance / 70_000) ** 2)) * 0.9
    likely = np.where(distance < 1.1 * known.settlements.radius_m[nearest], 0.0, likely)
    index = np.flatnonzero(chance(2) < likely)
    people = 10 ** (lowest + spread * chance(3)[index] ** 1.5)
    place = nearest[index]
    cosine = np.maximum(np.cos(np.radians(latitude(row[index]))), _SMALLEST_COSINE)
    radius = _radius(people, known.crowding[place] * 0.6)
    electrified = known.electrified[place] * np.clip(0.5 + 0.5 * (np.log10(people) - 2) / 1.5, 0, 1.2)
    lit = chance(4)[index] < electrified
    own = 0.6 + 0.8 * chance(5)[index]
    return Settlements(
        row[index],
        column[index],
        np.minimum(radius, 0.45 * cell * PIXEL_M * (0.4 if cell > 100 else 0.8)),
        cosine,
        _size(people),
        known.settlements.brightness[place] * own * np.where(lit, 1.0, 0.0),
        known.settlements.wealth[place],
        known.settlements.grid[place],
    )


@dataclass(frozen=True)
class Pattern:
    """Settlement at some places; every array has the shape of the places asked for.

    Attributes
    ----------
    density:
        Sum of influences; about 0.56 at the edge of a lone settlement, 1 at its centre.
    core:
        0 outside, to about 1 in the centre of the largest cities.
    brightness, wealth, grid:
        Means over the settlements, weighted by influence and the square of their size, so that a hamlet
        at the edge of a city changes little.
    size:
        Of the settlements, 0 to 1, weighted likewise.
    """

    density: Floats
    core: Floats
    brightness: Floats
    wealth: Floats
    grid: Floats
    size: Floats


def pattern(settlements: Settlements, rows: Doubles, columns: Doubles) -> Pattern:
    """Settlement at positions in analysis pixels, ``rows`` (n, 1) and ``columns`` (1, m) or both (n, m)."""
    shape = np.broadcast_shapes(rows.shape, columns.shape)
    totals = [np.zeros(shape, np.float32) for _ in range(6)]
    density, core, brightness, wealth, grid, size = totals
    weight = np.full(shape, np.float32(1e-9))
    for row, column, radius, cosine, extent, bright, rich, planned in zip(
        *(values.tolist() for values in settlements.columns()), strict=True
    ):
        scale = PIXEL_M / radius
        down = ((rows - row) * scale).astype(np.float32)
        across = ((columns - column) * (scale * cosine)).astype(np.float32)
        squared = down * down + across * across
        part = np.maximum(np.float32(1) - squared * np.float32(1 / REACH**2), 0)
        part *= part
        density += part
        own = part * np.float32(0.01 + extent * extent)
        weight += own
        brightness += own * np.float32(bright)
        wealth += own * np.float32(rich)
        grid += own * np.float32(planned)
        size += own * np.float32(extent)
        if extent > 0.3:
            inner = np.maximum(np.float32(1) - squared * np.float32(2.2), 0)
            inner *= inner
            core += inner * np.float32((extent - 0.3) / 0.7)
    for mean in (brightness, wealth, grid, size):
        mean /= weight
    return Pattern(density, np.minimum(core, 1), brightness, wealth, grid, size)
