"""Checks of the rasters that are given as fine truth: bands, values, missing pixels, saturation."""

import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as PixelWindow

from nightlights.common_scale import PIXEL_M
from nightlights.errors import RasterError
from nightlights.fine_truth import TruthRequest
from nightlights.grid import FINE_PER_VIIRS
from nightlights.sources.raster_files import NodataRule, RasterFile

COARSEST_M: Final = 0.75 * FINE_PER_VIIRS * PIXEL_M
"""Pixels from here on, in metres, are hardly finer than those of VIIRS."""
_BLOCK: Final = 1024
_SAMPLED_BLOCKS: Final = 16
_FEWEST_VALUES: Final = 8
"""An image of light has more different values; masks and classes have fewer."""
_PLATEAU_PIXELS: Final = 10
_PLATEAU_RATIO: Final = 2.0
_TOP: Final = 0.1
"""Part of the range of values below the highest that is compared with it."""
_FILL_SHARE: Final = 1e-3
_MANY_ZEROS: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class Survey:
    """Statistics of sampled blocks of a raster.

    Attributes
    ----------
    known:
        Pixels with a value.
    lowest, highest:
        Of the values; NaN where none is known.
    at_lowest, at_highest, zeros, negative:
        Numbers of pixels.
    near_highest:
        Pixels in the top tenth of the range of values, without those at the highest.
    different:
        Different values, counted up to a few.
    """

    known: int
    lowest: float
    highest: float
    at_lowest: int
    at_highest: int
    near_highest: int
    zeros: int
    negative: int
    different: int

    @property
    def saturated(self) -> bool:
        """Whether the values pile up at the highest, as those of a saturated sensor do."""
        return self.at_highest >= _PLATEAU_PIXELS and self.at_highest > _PLATEAU_RATIO * self.near_highest

    @property
    def mostly_zero(self) -> bool:
        """Whether so many pixels are exactly 0 that some of them may be missing."""
        return self.zeros > _MANY_ZEROS * max(self.known, 1)


def truth_file(path: Path, request: TruthRequest) -> RasterFile:
    """Look at a raster that is given as fine truth.

    Raises
    ------
    RasterError
        When it is no georeferenced raster of one band, or its pixels are hardly finer than those of VIIRS.
    """
    file = RasterFile.open(path, NodataRule(request.nodata))
    if len(file.indexes) != 1:
        raise RasterError(
            f"{path} has {len(file.indexes)} bands; a fine truth has one, the light.",
            "Extract the panchromatic band, or make one of the colours, for example with gdal_calc.",
        )
    side = pixel_m(file)
    if not side < COARSEST_M:
        raise RasterError(
            f"{path} has pixels of {side:.0f} m; those of VIIRS have {FINE_PER_VIIRS * PIXEL_M:.0f} m.",
            f"Give a raster with pixels below {COARSEST_M:.0f} m.",
        )
    return file


def pixel_m(file: RasterFile) -> float:
    """Side of a pixel in metres, in the middle of the raster."""
    _, south, _, north = file.cover
    narrow = math.cos(math.radians((south + north) / 2))
    return PIXEL_M * math.sqrt(max(narrow, 1e-6)) / max(file.pixels_per_grid_pixel(fine=True), 1e-9)


def surveyed(file: RasterFile) -> tuple[RasterFile, Survey]:
    """The file with its ceiling where it is saturated, and its statistics.

    Raises
    ------
    RasterError
        When its values cannot be those of light.
    """
    status = file.path.stat()
    survey = _survey(file, status.st_size, status.st_mtime_ns)
    name = file.path
    if survey.known == 0:
        raise RasterError(f"{name} has no known pixel.", "Check which value means missing.")
    if survey.lowest == survey.highest:
        raise RasterError(
            f"{name} is {survey.highest:g} everywhere, so it shows no light.", "Check the file and its band."
        )
    if survey.lowest < 0 and survey.at_lowest > max(_FILL_SHARE * survey.known, _PLATEAU_PIXELS):
        share = 100 * survey.at_lowest / survey.known
        raise RasterError(
            f"{name} is exactly {survey.lowest:g} in {share:.2g} % of its pixels, like a missing value.",
            f"If it means missing, name it: {survey.lowest:g} (--truth-nodata on the command line).",
        )
    if survey.negative > survey.known / 2:
        raise RasterError(
            f"{name} is negative in more than half of its pixels; light is not.",
            "Give linear values, no logarithm or decibels.",
        )
    if survey.different < _FEWEST_VALUES:
        raise RasterError(
            f"{name} has {survey.different} different values; it is a mask or a classification.",
            "Give an image of light.",
        )
    return (replace(file, ceiling=survey.highest) if survey.saturated else file), survey


@functools.lru_cache(maxsize=64)
def _survey(file: RasterFile, size: int, modified_ns: int) -> Survey:
    """Statistics of blocks spread evenly; ``size`` and ``modified_ns`` tell a file from an older one."""
    rows, columns = (range(0, length, _BLOCK) for length in (file.height, file.width))
    places = [(row, column) for row in rows for column in columns]
    chosen = [places[index] for index in _spread(len(places))]
    parts = []
    for row, column in chosen:
        height, width = min(_BLOCK, file.height - row), min(_BLOCK, file.width - column)
        values = file.read(PixelWindow(column, row, width, height))[0]
        parts.append(values[np.isfinite(values)])
    return _statistics(np.concatenate(parts))


def _spread(count: int) -> list[int]:
    return sorted({int(index) for index in np.linspace(0, count - 1, min(count, _SAMPLED_BLOCKS))})


def _statistics(values: NDArray[np.float32]) -> Survey:
    if values.size == 0:
        return Survey(0, math.nan, math.nan, 0, 0, 0, 0, 0, 0)
    lowest, highest = float(values.min()), float(values.max())
    below = values[values < highest]
    near = int((below > highest - _TOP * (highest - lowest)).sum())
    return Survey(
        known=int(values.size),
        lowest=lowest,
        highest=highest,
        at_lowest=int((values == lowest).sum()),
        at_highest=int(values.size - below.size),
        near_highest=near,
        zeros=int((values == 0).sum()),
        negative=int((values < 0).sum()),
        different=int(np.unique(values[:: max(values.size // 1_000_000, 1)]).size),
    )
