"""Small graphs whose answer depends on what Earth Engine means, not on any imagery.

Each is answered by the local server with the values given here; the live test asks the real service the
same. docs/earthengine.md lists what else only the real service can tell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ee
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from nightlights.grid import CRS, Window
from nightlights.sources.earthengine.grids import PixelGrid

CORNER = Window(44_000, 16_430, 1, 1)
NATIVE = CORNER.fine_transform
SIDE = 6
VALUES = np.array(
    [
        [3, 1, 4, 1, 5, 9],
        [2, 6, 5, 3, 5, 8],
        [9, 7, 9, 3, 2, 3],
        [8, 4, 6, 2, 6, 4],
        [3, 3, 8, 3, 2, 7],
        [9, 5, 0, 2, 8, 8],
    ],
    float,
)
HOLE = 3, 2
"""Row and column of the pixel that is masked where a case has a hole."""


@dataclass(frozen=True)
class Case:
    """A question to Earth Engine.

    Attributes
    ----------
    name:
        What is asked.
    build:
        Makes the image, of one band.
    grid:
        The pixels that are asked for.
    answer:
        Shape (height, width), NaN where masked.
    """

    name: str
    build: Callable[[], Any]
    grid: PixelGrid
    answer: NDArray[np.float64]


def _grid(down: float, across: float, side: int) -> PixelGrid:
    """``side`` x ``side`` pixels whose corner is so many native pixels from the native corner."""
    return PixelGrid(CRS, NATIVE @ Affine.translation(across, down), side, side)


def pattern(hole: bool = False) -> Any:
    """VALUES as an image with pixels of its own, 0 around; masked at HOLE where asked for."""
    squares = []
    for row in range(SIDE):
        for column in range(SIDE):
            west, north = NATIVE @ (column + 0.1, row + 0.1)
            east, south = NATIVE @ (column + 0.9, row + 0.9)
            place = ee.Geometry.Rectangle([west, south, east, north], CRS, False)
            squares.append(ee.Feature(place, {"value": float(VALUES[row, column])}))
    image = ee.Image.constant(0).toFloat().paint(ee.FeatureCollection(squares), "value")
    if hole:
        gap = ee.FeatureCollection([squares[HOLE[0] * SIDE + HOLE[1]]])
        image = image.updateMask(ee.Image.constant(1).paint(gap, 0))
    return image.reproject(CRS, list(NATIVE)[:6])


def _levels(values: Sequence[float | None]) -> Any:
    """A collection of images, each one value everywhere, or masked everywhere."""
    images = []
    for value in values:
        image = ee.Image.constant(0.0 if value is None else value).toFloat().rename("v")
        images.append(image.updateMask(0) if value is None else image)
    return ee.ImageCollection.fromImages(images)


def _percentile(values: Sequence[float], percentile: float) -> Any:
    return _levels(values).reduce(ee.Reducer.percentile([percentile])).rename("v")


def _unlinked() -> Any:
    other = ee.ImageCollection.fromImages([ee.Image.constant(2).rename("w").set("system:index", "other")])
    image = ee.Image.constant(1).rename("v").set("system:index", "this")
    return image.linkCollection(other, ["w"]).select("w")


def _half_way(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of four neighbours, as bilinear interpolation at the pixels' corners gives them."""
    return (values[:-1, :-1] + values[1:, :-1] + values[:-1, 1:] + values[1:, 1:]) / 4


def cases() -> list[Case]:
    """All of them; the client must be connected before one is built."""
    holed = VALUES.copy()
    holed[HOLE] = np.nan
    one = _grid(0, 0, 1)
    same, between = _grid(0, 0, SIDE), _grid(0.5, 0.5, SIDE - 1)
    shifted = np.full((SIDE - 1, SIDE - 1), np.nan)
    shifted[:] = VALUES[:-1, :-1]
    return [
        Case("a pixel grid is met to the pixel", pattern, same, VALUES),
        Case("nearest takes the pixel that holds the centre", pattern, _grid(0.3, 0.3, 5), shifted),
        Case(
            "bilinear at a corner is the mean of four pixels",
            lambda: pattern().resample("bilinear"),
            between,
            _half_way(VALUES),
        ),
        Case("a masked pixel stays masked", lambda: pattern(hole=True), same, holed),
        Case(
            "bilinear is masked where one of the four pixels is",
            lambda: pattern(hole=True).resample("bilinear"),
            between,
            _half_way(holed),
        ),
        Case(
            "a pixel that bilinear masked does not count in a median",
            lambda: ee.ImageCollection.fromImages(
                [
                    pattern(hole=True).resample("bilinear").rename("v"),
                    ee.Image.constant(100).toFloat().rename("v"),
                ]
            ).median(),
            between,
            np.where(np.isnan(_half_way(holed)), 100, (_half_way(VALUES) + 100) / 2),
        ),
        Case(
            "the median of an even number is the mean of two",
            lambda: _levels([1, 2, 4, 9]).median(),
            one,
            _of(3),
        ),
        Case("the median leaves masked values out", lambda: _levels([1, None, 4, 9]).median(), one, _of(4)),
        Case("a median of nothing is masked", lambda: _levels([None, None]).median(), one, _of(np.nan)),
        Case("percentile 50 of three is the middle", lambda: _percentile([7, 1, 4], 50), one, _of(4)),
        Case("percentile 0 is the smallest", lambda: _percentile([7, 1, 4, 9], 0), one, _of(1)),
        Case("percentile 100 is the largest", lambda: _percentile([7, 1, 4, 9], 100), one, _of(9)),
        Case("a scene without a partner gets masked bands", _unlinked, one, _of(np.nan)),
    ]


def _of(value: float) -> NDArray[np.float64]:
    return np.array([[value]], float)
