"""Collections cut from the simulated planet: Landsat, Sentinel-2, Cloud Score+ and VIIRS.

Landsat and Sentinel-2 scenes lie on the analysis grid, in squares of two degrees, three a year. Each has
its own noise and brightness, and blemishes (clouds, shadows, cirrus, snow, saturation) in blobs. Of any
three scenes of a square that follow each other, every pixel is clear in one at least. VIIRS images cover
the grid of the true product.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.grid import FINE_PER_VIIRS, VIIRS_HEIGHT, VIIRS_PER_DEGREE, VIIRS_WIDTH, Window
from nightlights.planet.lattice import hashed, unit
from nightlights.sources.simulated import SimulatedSource

from .rasters import scene
from .values import GEOGRAPHIC, Bounds, Collection, EarthImage, Pixels, Projection

SIDE = 2 * VIIRS_PER_DEGREE
OVERLAP = 12
"""Side of a scene's square and how far it reaches beyond it, in VIIRS pixels."""
COARSEST_DEGREES = 6 / 3840
"""Grids of larger pixels are answered with nothing: at a map's zoom 10 and above there is something."""
_BLOCK = 16
"""Side, in VIIRS pixels, of the parts in which the planet is computed and remembered."""
_LAST_YEAR = 2025
_WEST, _NORTH = Window(0, 0, 1, 1).bounds[0], Window(0, 0, 1, 1).bounds[3]
_SAMPLE_PLACES = ((29.4, -3.4), (0.0, 51.5), (-74.0, 4.6), (139.7, 35.7), (18.4, -33.9))
"""Longitudes and latitudes where a collection is looked at to know what its images are like."""

CLEAR, DILATED, CLOUD, SHADOW, CIRRUS, SNOW, SATURATED = range(7)
_QA = {CLEAR: 0, DILATED: 1 << 1, CLOUD: 1 << 3, SHADOW: 1 << 4, CIRRUS: 1 << 2, SNOW: 1 << 5, SATURATED: 0}
_QA_CONFIDENCE = 0x5500
_QA_CLEAR = 1 << 6
_BRIGHTENING = {CLEAR: 0, DILATED: 3000, CLOUD: 12000, SHADOW: -3000, CIRRUS: 2500, SNOW: 15000, SATURATED: 0}
"""What a blemish adds to the stored numbers of Landsat, so that a pixel left unmasked is seen."""
_CLEAR_SCORE = {CLEAR: 0.9, DILATED: 0.45, CLOUD: 0.05, SHADOW: 0.2, CIRRUS: 0.35, SNOW: 0.9, SATURATED: 0.8}

REFLECTIVE = tuple(f"SR_B{number}" for number in range(1, 8))
SENTINEL2_FROM: Mapping[str, int] = {
    "B1": 0,
    "B2": 1,
    "B3": 2,
    "B4": 3,
    "B5": 3,
    "B6": 4,
    "B7": 4,
    "B8": 4,
    "B8A": 4,
    "B9": 4,
    "B11": 5,
    "B12": 6,
}
"""Which Landsat band of the planet, counted from 0, stands for a band of Sentinel-2."""

Place = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows (n, 1) and columns (1, m) in the global grid of analysis or VIIRS pixels."""

Corner = tuple[int, int, int, int]
"""First column and row in that grid, width and height."""


class Planet:
    """The planet, remembered a block at a time."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._source = SimulatedSource(seed)
        self._day = functools.lru_cache(maxsize=64)(self._day_block)
        self._night = functools.lru_cache(maxsize=512)(self._night_block)

    def _window(self, row: int, column: int) -> Window:
        return Window(
            column * _BLOCK,
            row * _BLOCK,
            min(_BLOCK, VIIRS_WIDTH - column * _BLOCK),
            min(_BLOCK, VIIRS_HEIGHT - row * _BLOCK),
        )

    def _day_block(self, row: int, column: int) -> NDArray[np.float32]:
        return self._source.daytime(self._window(row, column))

    def _night_block(self, row: int, column: int) -> NDArray[np.float32]:
        return self._source.nighttime(self._window(row, column))

    def daytime(self, band: int, column: int, row: int, width: int, height: int) -> NDArray[np.float32]:
        """A band in its unit on analysis pixels."""
        return _assembled(
            lambda down, across: self._day(down, across)[band],
            _BLOCK * FINE_PER_VIIRS,
            (column, row, width, height),
        )

    def nighttime(self, column: int, row: int, width: int, height: int) -> NDArray[np.float32]:
        """Radiance in nW/cm2/sr on VIIRS pixels."""
        return _assembled(self._night, _BLOCK, (column, row, width, height))


def _assembled(
    block: Callable[[int, int], NDArray[np.float32]], side: int, window: Corner
) -> NDArray[np.float32]:
    column, row, width, height = window
    image = np.empty((height, width), np.float32)
    for down in range(row // side, (row + height - 1) // side + 1):
        for across in range(column // side, (column + width - 1) // side + 1):
            top, left = max(row, down * side), max(column, across * side)
            bottom = min(row + height, (down + 1) * side)
            right = min(column + width, (across + 1) * side)
            values = block(down, across)
            image[top - row : bottom - row, left - column : right - column] = values[
                top - down * side : bottom - down * side, left - across * side : right - across * side
            ]
    return image


def smooth(place: Place, spacing: int, salt: int) -> NDArray[np.float32]:
    """A field of blobs of some ``spacing`` pixels, 0 to 1."""
    rows, columns = place
    top, left = rows // spacing, columns // spacing
    down = ((rows % spacing) / spacing).astype(np.float32)
    across = ((columns % spacing) / spacing).astype(np.float32)
    corners = [[unit(hashed(top + i, left + j, salt)) for j in range(2)] for i in range(2)]
    upper, lower = (row[0] + (row[1] - row[0]) * across for row in corners)
    return np.asarray(upper + (lower - upper) * down)


class DaytimeScene:
    """One scene of one square on one day.

    ``number`` counts the scenes of a square: pixels that its third of the blobs holds are clear.
    """

    coarsest_degrees = COARSEST_DEGREES

    def __init__(self, planet: Planet, window: Window, number: int, salt: int, dtypes: Mapping[str, Any]):
        self.planet = planet
        self.window = window
        self.number = number
        self.salt = salt
        self._dtypes = dtypes
        self._last: tuple[Corner, NDArray[np.int64], NDArray[np.uint32]] | None = None

    @property
    def projection(self) -> Projection:
        """The analysis grid from the scene's corner."""
        transform = self.window.fine_transform
        return Projection(GEOGRAPHIC, (transform.a, 0.0, transform.c, 0.0, transform.e, transform.f))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in analysis pixels."""
        return self.window.fine_shape

    @property
    def dtypes(self) -> Mapping[str, Any]:
        """Types of the bands, by name, in order."""
        return self._dtypes

    def read(self, band: str, column: int, row: int, width: int, height: int) -> Pixels:
        """Pixels of a window that lies within the scene."""
        first_row = self.window.row * FINE_PER_VIIRS + row
        first_column = self.window.column * FINE_PER_VIIRS + column
        window = first_column, first_row, width, height
        last = self._last
        # The bands of a scene are read one after the other, on the same window.
        if last is None or last[0] != window:
            place = (
                np.arange(first_row, first_row + height, dtype=np.int64)[:, None],
                np.arange(first_column, first_column + width, dtype=np.int64)[None],
            )
            last = self._last = window, self.blemishes(place), hashed(*place, self.salt * 3 + 1)
        values = self.values(band, window, last[1], last[2])
        return values, np.ones(values.shape, bool)

    def values(
        self, band: str, window: Corner, kind: NDArray[np.int64], dice: NDArray[np.uint32]
    ) -> NDArray[Any]:
        """Stored numbers of a band, of pixels of this ``kind`` and with these random numbers."""
        raise NotImplementedError

    def blemishes(self, place: Place) -> NDArray[np.int64]:
        """What each pixel is: clear, cloud and so on."""
        third = np.minimum((smooth(place, 96, self.planet.seed * 13 + 7) * 3).astype(np.int64), 2)
        field = smooth(place, 64, self.salt)
        kind = np.full(field.shape, CLEAR)
        for low, high, what in (
            (0.00, 0.10, SNOW),
            (0.10, 0.22, SHADOW),
            (0.40, 0.44, CIRRUS),
            (0.50, 0.52, SATURATED),
            (0.62, 0.66, DILATED),
            (0.66, 1.01, CLOUD),
        ):
            kind[(field >= low) & (field < high)] = what
        kind[third == self.number % 3] = CLEAR
        return kind

    def noise(self, dice: NDArray[np.uint32], band: int) -> NDArray[np.int64]:
        """-16 to 15 for each pixel, and a brightness of the scene within +-40: in stored numbers."""
        return ((dice >> np.uint32(band)) & np.uint32(31)).astype(np.int64) - 16 + self.salt % 81 - 40


def _of_blemish(table: Mapping[int, float], kind: NDArray[np.int64], dtype: Any) -> NDArray[Any]:
    return np.array([table[index] for index in range(len(table))], dtype)[kind]


class LandsatScene(DaytimeScene):
    """Level 2 surface reflectance and temperature, with the quality bands."""

    def values(
        self, band: str, window: Corner, kind: NDArray[np.int64], dice: NDArray[np.uint32]
    ) -> NDArray[Any]:
        """Stored numbers of a band."""
        if band == "QA_PIXEL":
            bits = _of_blemish(_QA, kind, np.int64) | _QA_CONFIDENCE
            return np.where((kind == CLEAR) | (kind == SATURATED), bits | _QA_CLEAR, bits).astype(np.uint16)
        if band == "QA_RADSAT":
            return np.where(kind == SATURATED, 0b0001000, 0).astype(np.uint16)
        if band == "ST_B10":
            kelvin = self.planet.daytime(7, *window).astype(np.float64)
            return np.rint((kelvin - 149.0) / 0.00341802).astype(np.uint16)
        index = REFLECTIVE.index(band)
        stored = np.rint((self.planet.daytime(index, *window).astype(np.float64) + 0.2) / 0.0000275)
        stored += self.noise(dice, index) + _of_blemish(_BRIGHTENING, kind, np.int64)
        stored[kind == SATURATED] = 65535
        return np.clip(stored, 1, 65535).astype(np.uint16)


class ThermalScene(DaytimeScene):
    """Brightness temperature of the top-of-atmosphere product."""

    def values(
        self, band: str, window: Corner, kind: NDArray[np.int64], dice: NDArray[np.uint32]
    ) -> NDArray[Any]:
        """Stored numbers of a band: K."""
        index = {"B10": 7, "B11": 8}[band]
        kelvin = self.planet.daytime(index, *window).astype(np.float64)
        cold = ((kind == CLOUD) | (kind == CIRRUS)) * 25.0
        return (kelvin + self.noise(dice, index) * 0.005 - cold).astype(np.float32)


class SentinelScene(DaytimeScene):
    """Level 2A surface reflectance x 10,000."""

    def values(
        self, band: str, window: Corner, kind: NDArray[np.int64], dice: NDArray[np.uint32]
    ) -> NDArray[Any]:
        """Stored numbers of a band."""
        index = SENTINEL2_FROM[band]
        stored = np.rint(self.planet.daytime(index, *window).astype(np.float64) * 10_000)
        stored += self.noise(dice, index) + _of_blemish(_BRIGHTENING, kind, np.int64) // 4
        return np.clip(stored, 0, 65535).astype(np.uint16)


class ScoreScene(DaytimeScene):
    """Cloud Score+ of a Sentinel-2 scene: 1 is clear."""

    def values(
        self, band: str, window: Corner, kind: NDArray[np.int64], dice: NDArray[np.uint32]
    ) -> NDArray[Any]:
        """Scores, 0 to 1."""
        score = _of_blemish(_CLEAR_SCORE, kind, np.float32)
        return np.asarray(score if band == "cs_cdf" else score * np.float32(0.95))


LANDSAT_TYPES = {
    **dict.fromkeys((*REFLECTIVE, "ST_B10", "QA_PIXEL", "QA_RADSAT"), np.uint16),
}
THERMAL_TYPES = {"B10": np.float32, "B11": np.float32}
SENTINEL2_TYPES = dict.fromkeys(SENTINEL2_FROM, np.uint16)
SCORE_TYPES = {"cs": np.float32, "cs_cdf": np.float32}


def milliseconds(day: date) -> int:
    """Milliseconds from 1970 to the start of a day."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


Make = Callable[[str, Window, int, int, int, date], EarthImage]
"""Prefix of a square, its window, the scene's number and salt, cloud cover in percent, day: the image."""


class Squares:
    """Finds the scenes of a satellite wherever they are asked for."""

    def __init__(self, planet: Planet, satellite: int, first_year: int, make: Make) -> None:
        self._planet = planet
        self._satellite = satellite
        self._first_year = first_year
        self._make = make
        self._square = functools.lru_cache(maxsize=512)(self._scenes_of)

    def near(self, bounds: Bounds) -> list[EarthImage]:
        """Scenes that may lie within ``bounds``, west to east, north to south, by day."""
        west, south, east, north = bounds
        columns = [int((degrees - _WEST) * VIIRS_PER_DEGREE) for degrees in (west, east)]
        rows = [int((_NORTH - degrees) * VIIRS_PER_DEGREE) for degrees in (north, south)]
        last_column, last_row = (VIIRS_WIDTH - 1) // SIDE, (VIIRS_HEIGHT - 1) // SIDE
        return [
            image
            for column in range(
                max((columns[0] - OVERLAP) // SIDE, 0), min((columns[1] + OVERLAP) // SIDE, last_column) + 1
            )
            for row in range(
                max((rows[0] - OVERLAP) // SIDE, 0), min((rows[1] + OVERLAP) // SIDE, last_row) + 1
            )
            for image in self._square(column, row)
        ]

    def _scenes_of(self, column: int, row: int) -> list[EarthImage]:
        base = Window(
            column * SIDE,
            row * SIDE,
            min(SIDE, VIIRS_WIDTH - column * SIDE),
            min(SIDE, VIIRS_HEIGHT - row * SIDE),
        )
        window = base.expand(OVERLAP)
        images = []
        for year in range(self._first_year, _LAST_YEAR + 1):
            for third in range(3):
                number = (year - self._first_year) * 3 + third
                dice = int(
                    hashed(
                        np.array([row * 1000 + self._satellite]),
                        np.array([column * 1000 + number]),
                        self._planet.seed * 17 + 5,
                    )[0]
                )
                day = date(year, 1, 10) + timedelta(days=third * 121 + dice % 100)
                images.append(
                    self._make(f"{column + 1:03d}{row + 1:03d}", window, number, dice % 2**20, dice % 61, day)
                )
        return images

    def collection(self) -> Collection:
        """All scenes, which are too many to be listed without bounds."""
        return worldwide(self.near)


def worldwide(near: Callable[[Bounds], list[EarthImage]]) -> Collection:
    """A collection that must be narrowed before it is listed."""
    from .algorithms import ExpressionError

    def members(bounds: Bounds | None) -> list[EarthImage]:
        if bounds is None:
            raise ExpressionError(
                "The local test server's scenes are all over the world: filterBounds before they are listed."
            )
        return near(bounds)

    def samples() -> Iterator[EarthImage]:
        for longitude, latitude in _SAMPLE_PLACES:
            yield from near((longitude, latitude, longitude, latitude))

    return Collection(members, samples, coarsest_degrees=COARSEST_DEGREES)


def _properties(index: str, day: date, **others: Any) -> dict[str, Any]:
    start = milliseconds(day) + 36_000_000
    return {"system:index": index, "system:time_start": start, "system:time_end": start, **others}


def landsat(planet: Planet, number: int, first_year: int) -> tuple[Collection, Collection]:
    """Level 2 and top-of-atmosphere scenes of Landsat 8 or 9, with the same ``system:index``."""

    def make(kind: type[DaytimeScene], dtypes: Mapping[str, Any]) -> Make:
        def image(square: str, window: Window, count: int, salt: int, cloud: int, day: date) -> EarthImage:
            properties = _properties(
                f"LC{number:02d}_{square}_{day:%Y%m%d}",
                day,
                CLOUD_COVER=float(cloud),
                SPACECRAFT_ID=f"LANDSAT_{number}",
                WRS_PATH=int(square[:3]),
                WRS_ROW=int(square[3:]),
            )
            return scene(kind(planet, window, count, salt, dtypes), properties)

        return image

    return (
        Squares(planet, number, first_year, make(LandsatScene, LANDSAT_TYPES)).collection(),
        Squares(planet, number, first_year, make(ThermalScene, THERMAL_TYPES)).collection(),
    )


def sentinel2(planet: Planet) -> tuple[Collection, Collection]:
    """Harmonized surface reflectance and Cloud Score+, with the same ``system:index``."""

    def make(kind: type[DaytimeScene], dtypes: Mapping[str, Any]) -> Make:
        def image(square: str, window: Window, count: int, salt: int, cloud: int, day: date) -> EarthImage:
            index = f"{day:%Y%m%d}T100000_{day:%Y%m%d}T100001_T{square}"
            properties = _properties(index, day, CLOUDY_PIXEL_PERCENTAGE=float(cloud), MGRS_TILE=square)
            return scene(kind(planet, window, count, salt, dtypes), properties)

        return image

    return (
        Squares(planet, 102, 2017, make(SentinelScene, SENTINEL2_TYPES)).collection(),
        Squares(planet, 102, 2017, make(ScoreScene, SCORE_TYPES)).collection(),
    )


def planet_collections(seed: int) -> dict[str, Collection]:
    """Every collection of the planet, by its name in Earth Engine."""
    from .planet_nights import annual, monthly

    planet = Planet(seed)
    eight, nine = landsat(planet, 8, 2013), landsat(planet, 9, 2022)
    surface, score = sentinel2(planet)
    return {
        "LANDSAT/LC08/C02/T1_L2": eight[0],
        "LANDSAT/LC08/C02/T1_TOA": eight[1],
        "LANDSAT/LC09/C02/T1_L2": nine[0],
        "LANDSAT/LC09/C02/T1_TOA": nine[1],
        "COPERNICUS/S2_SR_HARMONIZED": surface,
        "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED": score,
        "NOAA/VIIRS/DNB/MONTHLY_V1/VCMSLCFG": monthly(planet),
        "NOAA/VIIRS/DNB/ANNUAL_V22": annual(planet),
    }
