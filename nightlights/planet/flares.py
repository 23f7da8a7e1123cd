"""Gas flares: small, very bright lights far from towns, in countries that flare gas."""

import numpy as np
from numpy.typing import NDArray

from nightlights.planet.lattice import (
    BLOCK,
    PIXEL_M,
    SIDE,
    Block,
    Floats,
    column_of,
    hashed,
    latitude,
    row_of,
    unit,
)
from nightlights.planet.settlements import gazetteer

_CELL = 512
_REACH = 24
_FIELD_CELL = 16 * BLOCK

# Longitude, latitude (degrees) and radius (metres) of some well-known oil and gas fields.
_FIELDS = (
    (6.3, 5.0, 110_000), (6.0, 31.7, 90_000), (47.3, 30.6, 110_000), (50.0, 26.5, 120_000),
    (-102.5, 31.8, 150_000), (-103.2, 48.0, 110_000), (73.5, 61.0, 250_000), (-63.5, 9.6, 90_000),
    (18.5, 29.0, 150_000), (54.0, 39.5, 120_000), (52.5, 46.5, 120_000), (13.2, -6.0, 60_000),
)  # fmt: skip


def flares(block: Block) -> Floats:
    """Radiance of gas flares in nW/cm2/sr, shape (SIDE, SIDE)."""
    light = np.zeros((SIDE, SIDE), np.float32)
    rows, columns = block.cells(_CELL, rim=1)

    def chance(number: int) -> NDArray[np.float64]:
        return unit(hashed(rows, columns, 601 + number + block.seed * 7919)).astype(np.float64).ravel()

    grid_rows, grid_columns = np.broadcast_arrays(rows, columns)
    row = (grid_rows.ravel() + chance(0)) * _CELL
    column = (grid_columns.ravel() + chance(1)) * _CELL
    distance, nearest = gazetteer().nearest(row, column)
    flared = gazetteer().flaring[nearest] & (distance > 8_000) & (distance < 250_000)
    strength = 150 * 10 ** (0.9 * chance(3))
    pixels = np.arange(SIDE, dtype=np.float32)
    for number in np.flatnonzero((chance(2) < _likely(block, row, column)) & flared).tolist():
        down = pixels[:, None] - np.float32(row[number] - block.first_row)
        across = (pixels[None] - np.float32(column[number] - block.first_column)) * block.cosine
        squared = down * down + across * across
        if float(squared.min()) < _REACH**2:
            near = np.float32(_REACH**2)
            flame = np.exp(squared * np.float32(-1 / 4.5))
            haze = np.float32(0.03) * np.exp(squared * np.float32(-1 / 70))
            light += np.where(squared < near, np.float32(strength[number]) * (flame + haze), np.float32(0))
    return light


def _likely(block: Block, row: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance of a flare at positions in analysis pixels: high within oil fields, real or hashed."""
    squares = hashed(
        np.floor(row / _FIELD_CELL).astype(np.int64),
        np.floor(column / _FIELD_CELL).astype(np.int64),
        607 + block.seed * 7919,
    )
    inside = unit(squares) > 0.85
    for east, north, radius in _FIELDS:
        down = row - float(row_of(north))
        across = (column - float(column_of(east))) * np.cos(np.radians(latitude(row)))
        inside = inside | (np.hypot(down, across) * PIXEL_M < radius)
    return np.where(inside, 0.35, 0.015)
