"""The nested grid: VIIRS pixels of 15 arc-seconds, each exactly 16 x 16 analysis pixels.

The VIIRS Day/Night Band composites of the Earth Observation Group lie on EPSG:4326 with pixels of
1/240 degree whose outer corner is at 180.0020833 W, 75.0020833 N, that is half a pixel beyond the
whole degree (Elvidge et al. 2017, doi:10.1080/01431161.2017.1342050). The analysis grid has the same
corner and pixels of 1/3840 degree (29 m at the equator).

Every coordinate is a whole number of pixels divided once, so windows that meet or overlap agree to the
last bit wherever they were cut.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from nightlights.errors import GridError

CRS = "EPSG:4326"
VIIRS_PER_DEGREE = 240
FINE_PER_VIIRS = 16
FINE_PER_DEGREE = VIIRS_PER_DEGREE * FINE_PER_VIIRS
VIIRS_WIDTH = 86_401
"""Columns of the global VIIRS composite."""
VIIRS_HEIGHT = 33_601
"""Rows of the global VIIRS composite, from 75 N to 65 S."""

_WEST_HALF_PIXELS = -(180 * VIIRS_PER_DEGREE * 2 + 1)
_NORTH_HALF_PIXELS = 75 * VIIRS_PER_DEGREE * 2 + 1

EARTH_RADIUS_M = 6_371_007.2
"""Authalic radius of the Earth in metres, for areas and distances of pixels."""
METRES_PER_DEGREE = math.pi * EARTH_RADIUS_M / 180
"""Metres in a degree of latitude on the authalic sphere."""

_ALIGNMENT_TOLERANCE_PIXELS = 0.01


def _longitude(half_fine: NDArray[np.int64] | int) -> NDArray[np.float64] | float:
    """Longitude in degrees of a position given in half analysis pixels east of the grid's corner."""
    return (_WEST_HALF_PIXELS * FINE_PER_VIIRS + half_fine) / (2 * FINE_PER_DEGREE)


def _latitude(half_fine: NDArray[np.int64] | int) -> NDArray[np.float64] | float:
    """Latitude in degrees of a position given in half analysis pixels south of the grid's corner."""
    return (_NORTH_HALF_PIXELS * FINE_PER_VIIRS - half_fine) / (2 * FINE_PER_DEGREE)


def _column_position(longitude: float) -> float:
    """VIIRS pixels east of the grid's corner."""
    return longitude * VIIRS_PER_DEGREE - _WEST_HALF_PIXELS / 2


def _row_position(latitude: float) -> float:
    """VIIRS pixels south of the grid's corner."""
    return _NORTH_HALF_PIXELS / 2 - latitude * VIIRS_PER_DEGREE


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of whole VIIRS pixels.

    Attributes
    ----------
    column, row:
        Position of the north-west pixel in the global VIIRS grid, counted from 0.
    width, height:
        Size in VIIRS pixels.

    Raises
    ------
    GridError
        When the window is empty or reaches beyond the global grid.
    """

    column: int
    row: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise GridError("The window holds no VIIRS pixel.", "Choose a larger region.")
        if (
            self.column < 0
            or self.row < 0
            or self.column + self.width > VIIRS_WIDTH
            or self.row + self.height > VIIRS_HEIGHT
        ):
            raise GridError(
                "The window reaches beyond the VIIRS grid (180 W to 180 E, 65 S to 75 N).",
                "Choose a region within it.",
            )

    @classmethod
    def covering(cls, west: float, south: float, east: float, north: float) -> "Window":
        """The smallest window that covers the bounds, given in degrees of EPSG:4326.

        A bound that lies on a pixel edge, up to a thousandth of a pixel, adds no further pixel.
        """
        slack = 1e-3
        if not (west < east and south < north):
            raise GridError("The bounds are empty: west must be below east and south below north.")
        column, row = math.floor(_column_position(west) + slack), math.floor(_row_position(north) + slack)
        return cls(
            column,
            row,
            math.ceil(_column_position(east) - slack) - column,
            math.ceil(_row_position(south) - slack) - row,
        )

    @classmethod
    def from_transform(cls, transform: Affine, height: int, width: int, *, fine: bool) -> "Window":
        """The window of a raster that lies on the analysis grid (``fine``) or on the VIIRS grid.

        Parameters
        ----------
        transform:
            Affine transform from pixel corner to EPSG:4326 degrees.
        height, width:
            Size of the raster in its own pixels.

        Raises
        ------
        GridError
            When the raster's pixels are not pixels of the grid.
        """
        step = FINE_PER_VIIRS if fine else 1
        pixel = 1 / (VIIRS_PER_DEGREE * step)
        column, row = _column_position(transform.c), _row_position(transform.f)
        aligned = (
            abs(transform.a - pixel) * width <= _ALIGNMENT_TOLERANCE_PIXELS * pixel
            and abs(transform.e + pixel) * height <= _ALIGNMENT_TOLERANCE_PIXELS * pixel
            and transform.b == transform.d == 0
            and abs(column - round(column)) * step <= _ALIGNMENT_TOLERANCE_PIXELS
            and abs(row - round(row)) * step <= _ALIGNMENT_TOLERANCE_PIXELS
            and height % step == width % step == 0
        )
        if not aligned:
            raise GridError(
                f"The raster does not lie on the {'analysis' if fine else 'VIIRS'} grid.",
                "Warp it onto the grid first.",
            )
        return cls(round(column), round(row), width // step, height // step)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in VIIRS pixels."""
        return self.height, self.width

    @property
    def fine_shape(self) -> tuple[int, int]:
        """(height, width) in analysis pixels."""
        return self.height * FINE_PER_VIIRS, self.width * FINE_PER_VIIRS

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in degrees."""
        scale = 2 * FINE_PER_VIIRS
        return (
            float(_longitude(self.column * scale)),
            float(_latitude((self.row + self.height) * scale)),
            float(_longitude((self.column + self.width) * scale)),
            float(_latitude(self.row * scale)),
        )

    @property
    def transform(self) -> Affine:
        """Affine transform of the VIIRS pixels: (column, row) of a corner to (longitude, latitude)."""
        west, _, _, north = self.bounds
        return Affine(1 / VIIRS_PER_DEGREE, 0, west, 0, -1 / VIIRS_PER_DEGREE, north)

    @property
    def fine_transform(self) -> Affine:
        """Affine transform of the analysis pixels: (column, row) of a corner to (longitude, latitude)."""
        west, _, _, north = self.bounds
        return Affine(1 / FINE_PER_DEGREE, 0, west, 0, -1 / FINE_PER_DEGREE, north)

    @property
    def fine_longitudes(self) -> NDArray[np.float64]:
        """Longitudes in degrees of the centres of the analysis columns, shape (fine width,)."""
        first = self.column * FINE_PER_VIIRS
        index = np.arange(first, first + self.width * FINE_PER_VIIRS, dtype=np.int64)
        return np.asarray(_longitude(2 * index + 1))

    @property
    def fine_latitudes(self) -> NDArray[np.float64]:
        """Latitudes in degrees of the centres of the analysis rows, north first, shape (fine height,)."""
        first = self.row * FINE_PER_VIIRS
        index = np.arange(first, first + self.height * FINE_PER_VIIRS, dtype=np.int64)
        return np.asarray(_latitude(2 * index + 1))

    @property
    def latitudes(self) -> NDArray[np.float64]:
        """Latitudes in degrees of the centres of the VIIRS rows, north first, shape (height,)."""
        index = np.arange(self.row, self.row + self.height, dtype=np.int64)
        return np.asarray(_latitude((2 * index + 1) * FINE_PER_VIIRS))

    @property
    def longitudes(self) -> NDArray[np.float64]:
        """Longitudes in degrees of the centres of the VIIRS columns, shape (width,)."""
        index = np.arange(self.column, self.column + self.width, dtype=np.int64)
        return np.asarray(_longitude((2 * index + 1) * FINE_PER_VIIRS))

    @property
    def pixel_area_km2(self) -> NDArray[np.float64]:
        """Area of one VIIRS pixel of each row, in square kilometres, shape (height,)."""
        side_km = METRES_PER_DEGREE / VIIRS_PER_DEGREE / 1000
        return side_km**2 * np.cos(np.radians(self.latitudes))

    def expand(self, pixels: int) -> "Window":
        """This window with ``pixels`` VIIRS pixels more on each side, cut off at the edge of the grid."""
        column, row = max(self.column - pixels, 0), max(self.row - pixels, 0)
        east = min(self.column + self.width + pixels, VIIRS_WIDTH)
        south = min(self.row + self.height + pixels, VIIRS_HEIGHT)
        return Window(column, row, east - column, south - row)

    def contains(self, other: "Window") -> bool:
        """Whether every pixel of ``other`` is a pixel of this window."""
        return (
            self.column <= other.column
            and self.row <= other.row
            and self.column + self.width >= other.column + other.width
            and self.row + self.height >= other.row + other.height
        )

    def intersection(self, other: "Window") -> "Window | None":
        """The pixels that both windows hold, or None when there are none."""
        column, row = max(self.column, other.column), max(self.row, other.row)
        width = min(self.column + self.width, other.column + other.width) - column
        height = min(self.row + self.height, other.row + other.height) - row
        return Window(column, row, width, height) if width > 0 and height > 0 else None

    def slices_in(self, outer: "Window") -> tuple[slice, slice]:
        """(rows, columns) of this window within an array of the VIIRS pixels of ``outer``."""
        if not outer.contains(self):
            raise GridError("The window does not lie within the larger one.")
        row, column = self.row - outer.row, self.column - outer.column
        return slice(row, row + self.height), slice(column, column + self.width)

    def fine_slices_in(self, outer: "Window") -> tuple[slice, slice]:
        """(rows, columns) of this window within an array of the analysis pixels of ``outer``."""
        rows, columns = self.slices_in(outer)
        step = FINE_PER_VIIRS
        return (
            slice(rows.start * step, rows.stop * step),
            slice(columns.start * step, columns.stop * step),
        )

    def tiles(self, height: int, width: int) -> Iterator["Window"]:
        """Windows of at most ``height`` x ``width`` VIIRS pixels that cover this one, row by row."""
        for row in range(0, self.height, height):
            for column in range(0, self.width, width):
                yield Window(
                    self.column + column,
                    self.row + row,
                    min(width, self.width - column),
                    min(height, self.height - row),
                )
