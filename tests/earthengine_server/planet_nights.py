"""VIIRS images of the simulated planet, monthly and annual, on the grid of the true product."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from nightlights.grid import VIIRS_HEIGHT, VIIRS_WIDTH, Window
from nightlights.planet.lattice import hashed, unit

from .planet_scenes import Planet, milliseconds
from .rasters import scene
from .values import GEOGRAPHIC, Collection, EarthImage, Pixels, Projection

MONTHLY_TYPES = {"avg_rad": np.float32, "cf_cvg": np.int16}
ANNUAL_TYPES = {
    "average": np.float32,
    "average_masked": np.float32,
    "cf_cvg": np.int16,
    "cvg": np.int16,
    "maximum": np.float32,
    "median": np.float32,
    "median_masked": np.float32,
    "minimum": np.float32,
}
_BACKGROUND = 0.4
"""Radiance in nW/cm2/sr below which the masked bands of the annual product are 0."""
_FIRST, _LAST = 2013, 2025
COARSEST_DEGREES = 1.2 / 240
"""Grids of larger pixels are answered with nothing: at a map's zoom 9 and above there is something."""


class Night:
    """The whole VIIRS grid of one month or year."""

    coarsest_degrees = COARSEST_DEGREES

    def __init__(self, planet: Planet, salt: int, dtypes: Mapping[str, Any], noise: float) -> None:
        self._planet = planet
        self._salt = salt
        self._dtypes = dtypes
        self._noise = noise

    @property
    def projection(self) -> Projection:
        """The VIIRS grid."""
        transform = Window(0, 0, 1, 1).transform
        return Projection(GEOGRAPHIC, (transform.a, 0.0, transform.c, 0.0, transform.e, transform.f))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in VIIRS pixels."""
        return VIIRS_HEIGHT, VIIRS_WIDTH

    @property
    def dtypes(self) -> Mapping[str, Any]:
        """Types of the bands, by name, in order."""
        return self._dtypes

    def read(self, band: str, column: int, row: int, width: int, height: int) -> Pixels:
        """Pixels of a window."""
        rows = np.arange(row, row + height, dtype=np.int64)[:, None]
        columns = np.arange(column, column + width, dtype=np.int64)[None]
        dice = unit(hashed(rows, columns, self._salt))
        valid = np.ones((height, width), bool)
        # One pixel in 12 is not seen without clouds: what is stored there is no measurement.
        seen = np.where(dice < 1 / 12, 0, 1 + dice * 24).astype(np.int16)
        if band == "cf_cvg":
            return seen, valid
        if band == "cvg":
            return (seen + 20).astype(np.int16), valid
        light = self._light(band, dice, (column, row, width, height))
        if band == "avg_rad":
            light = np.where(seen == 0, 0, light)
        return light.astype(np.float32), valid

    def _light(
        self, band: str, dice: NDArray[np.float32], window: tuple[int, int, int, int]
    ) -> NDArray[np.float64]:
        light = self._planet.nighttime(*window).astype(np.float64)
        spread = self._noise * (0.05 + 0.03 * np.abs(light))
        varied = light + spread * (2 * dice - 1) * 3
        if band.endswith("_masked"):
            return np.where(varied < _BACKGROUND, 0, varied)
        return varied + {"maximum": 3.0, "minimum": -3.0, "average": 0.1}.get(band, 0.0) * spread


def _collection(images: list[EarthImage]) -> Collection:
    return Collection(lambda bounds: images, lambda: iter(images), coarsest_degrees=COARSEST_DEGREES)


def _image(night: Night, index: str, first: date, after: date) -> EarthImage:
    properties = {
        "system:index": index,
        "system:time_start": milliseconds(first),
        "system:time_end": milliseconds(after),
    }
    return scene(night, properties, shapely.box(-180, -65, 180, 75))


def monthly(planet: Planet) -> Collection:
    """Stray-light corrected monthly composites."""
    images = []
    for number in range((_LAST - _FIRST + 1) * 12):
        year, month = _FIRST + number // 12, number % 12 + 1
        after = date(year + month // 12, month % 12 + 1, 1)
        night = Night(planet, planet.seed * 1009 + number, MONTHLY_TYPES, 1.0)
        images.append(_image(night, f"{year}{month:02d}01", date(year, month, 1), after))
    return _collection(images)


def annual(planet: Planet) -> Collection:
    """Annual composites, version 2.2."""
    images = []
    for year in range(_FIRST, _LAST + 1):
        night = Night(planet, planet.seed * 2003 + year, ANNUAL_TYPES, 0.3)
        images.append(_image(night, f"{year}0101", date(year, 1, 1), date(year + 1, 1, 1)))
    return _collection(images)
