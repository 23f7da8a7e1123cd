"""Scenes that have pixels of their own, and how these are brought onto other grids."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from .algorithms import ExpressionError
from .values import GEOGRAPHIC, Band, EarthImage, Geometry, Grid, Pixels, Projection, project

Mode = Literal["nearest", "bilinear", "bicubic"]
_SNAP = 1e-6
"""Share of a pixel by which a position may miss a pixel's centre and still be taken for it."""


class Raster(Protocol):
    """Pixels of one scene, read a window at a time."""

    @property
    def projection(self) -> Projection:
        """Of the pixels."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""

    @property
    def dtypes(self) -> Mapping[str, Any]:
        """Types of the bands, by name, in order."""

    @property
    def coarsest_degrees(self) -> float:
        """Grids of larger pixels, in degrees, are answered with nothing: there are no pyramids here."""

    def read(self, band: str, column: int, row: int, width: int, height: int) -> Pixels:
        """Pixels of a window that lies within the raster."""


@dataclass(frozen=True)
class ArrayRaster:
    """A raster held in memory.

    Attributes
    ----------
    arrays:
        By band, all of the same shape (height, width).
    projection:
        Of the pixels.
    mask:
        Which pixels are valid; all unless given.
    """

    arrays: Mapping[str, NDArray[Any]]
    projection: Projection
    mask: NDArray[np.bool_] | Mapping[str, NDArray[np.bool_]] | None = None
    coarsest_degrees: float = np.inf

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = next(iter(self.arrays.values())).shape
        return height, width

    @property
    def dtypes(self) -> Mapping[str, Any]:
        """Types of the bands, by name, in order."""
        return {name: array.dtype for name, array in self.arrays.items()}

    def read(self, band: str, column: int, row: int, width: int, height: int) -> Pixels:
        """Pixels of a window that lies within the raster."""
        window = slice(row, row + height), slice(column, column + width)
        mask = self.mask[band] if isinstance(self.mask, Mapping) else self.mask
        valid = np.ones((height, width), bool) if mask is None else mask[window]
        return self.arrays[band][window], valid


def scene(
    raster: Raster, properties: Mapping[str, Any] | None = None, footprint: shapely.Geometry | None = None
) -> EarthImage:
    """An image of the pixels of ``raster``; its footprint, in degrees, is its extent unless given."""
    height, width = raster.size
    if footprint is None:
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
        x, y = Affine(*raster.projection.transform) @ tuple(corners.T)
        footprint = project(shapely.Polygon(np.stack([x, y], 1)), raster.projection.crs, GEOGRAPHIC)

    def covers(grid: Grid) -> NDArray[np.bool_]:
        columns, rows = positions(grid, raster.projection)
        return (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)

    bands = tuple(
        Band(name, dtype, _reader(raster, name), raster.projection) for name, dtype in raster.dtypes.items()
    )
    return EarthImage(bands, dict(properties or {}), Geometry(footprint), covers)


def _reader(raster: Raster, name: str) -> Callable[[Grid], Pixels]:
    def read(grid: Grid) -> Pixels:
        nothing = (
            np.zeros((grid.height, grid.width), raster.dtypes[name]),
            np.zeros((grid.height, grid.width), bool),
        )
        if grid.degrees_per_pixel() > raster.coarsest_degrees:
            return nothing
        columns, rows = positions(grid, raster.projection)
        column, row = np.floor(columns).astype(np.int64), np.floor(rows).astype(np.int64)
        height, width = raster.size
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        if not inside.any():
            return nothing
        column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
        left, top = int(column.min()), int(row.min())
        values, mask = raster.read(name, left, top, int(column.max()) - left + 1, int(row.max()) - top + 1)
        return values[row - top, column - left], mask[row - top, column - left] & inside

    return read


@functools.lru_cache(maxsize=32)
def positions(grid: Grid, projection: Projection) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(columns, rows) of the centres of ``grid`` in the pixels of ``projection``, as broken numbers.

    Remembered for a while: every band of every scene of a satellite asks for the same ones.
    """
    x, y = grid.centres(projection.crs)
    inverse = ~Affine(*projection.transform)
    columns, rows = inverse.a * x + inverse.c, inverse.e * y + inverse.f
    if inverse.b or inverse.d:
        return inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f
    return columns, rows


def interpolated(band: Band, projection: Projection, mode: Mode) -> Callable[[Grid], Pixels]:
    """Computes ``band`` on the pixels of ``projection`` and brings these onto the grid asked for.

    A pixel is valid where every pixel that carries weight is.
    """
    reach = {"nearest": 0, "bilinear": 1, "bicubic": 2}[mode]

    def compute(grid: Grid) -> Pixels:
        columns, rows = positions(grid, projection)
        if mode == "nearest":
            column, row = np.floor(columns).astype(np.int64), np.floor(rows).astype(np.int64)
            values, mask, left, top = _around(band, projection, column, row, 0)
            return values[row - top, column - left], mask[row - top, column - left]
        column, column_share = _split(columns - 0.5)
        row, row_share = _split(rows - 0.5)
        values, mask, left, top = _around(band, projection, column, row, reach)
        weights = _linear if mode == "bilinear" else _cubic
        offsets = range(2) if mode == "bilinear" else range(-1, 3)
        total: Any = 0.0
        valid: Any = True
        for down, down_weight in zip(offsets, weights(row_share), strict=True):
            for across, across_weight in zip(offsets, weights(column_share), strict=True):
                if not down_weight.any() or not across_weight.any():
                    continue
                place = row + down - top, column + across - left
                weight = down_weight * across_weight
                valid = valid & (mask[place] | (weight == 0))
                total = total + weight * values[place]
        return total, valid

    return compute


def _split(position: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The whole part and the rest, with what misses a whole number by a hair taken for it."""
    near = np.rint(position)
    position = np.where(np.abs(position - near) < _SNAP, near, position)
    first = np.floor(position)
    return first.astype(np.int64), position - first


def _around(
    band: Band, projection: Projection, column: NDArray[np.int64], row: NDArray[np.int64], reach: int
) -> tuple[NDArray[Any], NDArray[np.bool_], int, int]:
    left, top = int(column.min()) - reach, int(row.min()) - reach
    width, height = int(column.max()) + reach - left + 1, int(row.max()) + reach - top + 1
    if width * height > 64_000_000:
        raise ExpressionError(
            "The local test server has no pyramids: ask for pixels nearer to the image's own."
        )
    values, mask = band.pull(projection.grid(left, top, width, height))
    return values, mask, left, top


def _linear(share: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [1 - share, share]


def _cubic(share: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Weights of the cubic convolution of Keys (1981), a = -0.5."""
    square, cube = share**2, share**3
    return [
        -0.5 * share + square - 0.5 * cube,
        1 - 2.5 * square + 1.5 * cube,
        0.5 * share + 2 * square - 1.5 * cube,
        -0.5 * square + 0.5 * cube,
    ]
