"""What is seen on a map: colours and painted shapes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from .algorithms import ExpressionError
from .functions_image import selected
from .registry import UnsupportedFunctionError, function
from .values import GEOGRAPHIC, Band, Collection, EarthImage, Grid, Pixels

# The arguments keep the names that Earth Engine gives them.
# ruff: noqa: N803


def _entries(value: Any) -> list[Any] | None:
    """A list given as one, or as text with commas between."""
    if value is None or isinstance(value, list):
        return value
    return value.split(",") if isinstance(value, str) else [value]


def _colour(text: str) -> tuple[int, int, int]:
    digits = text.strip().lstrip("#")
    named = {"black": "000000", "white": "ffffff", "red": "ff0000", "blue": "0000ff", "yellow": "ffff00"}
    digits = named.get(digits.lower(), digits)
    if len(digits) != 6 or set(digits.lower()) - set("0123456789abcdef"):
        raise ExpressionError(f"Image.visualize: Palette color '{text}' is not a color.")
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


@function("Image.visualize")
def visualize(
    image: EarthImage,
    bands: Any = None,
    gain: Any = None,
    bias: Any = None,
    min: Any = None,
    max: Any = None,
    gamma: Any = None,
    opacity: float | None = None,
    palette: Any = None,
    forceRgbOutput: bool = False,
) -> EarthImage:
    """Red, green and blue from 0 to 255; palettes are interpolated between their colours."""
    if gain is not None or bias is not None:
        raise UnsupportedFunctionError("Image.visualize", " with gain or bias")
    names = _entries(bands)
    chosen = list(image.bands) if names is None else selected(image, names)
    if names is None and len(chosen) > 3:
        chosen = chosen[:3]
    if len(chosen) not in (1, 3):
        raise ExpressionError(f"Image.visualize: Expected 1 or 3 bands, got {len(chosen)}.")
    colours = _entries(palette)
    if colours is not None and len(chosen) != 1:
        raise ExpressionError(
            "Image.visualize: Cannot provide a palette when visualizing more than one band."
        )
    table = None if colours is None else np.array([_colour(colour) for colour in colours], np.float64)

    def number(value: Any, index: int, default: float) -> float:
        values = _entries(value)
        return default if values is None else float(values[index if len(values) > 1 else 0])

    def of(index: int, name: str) -> Band:
        band = chosen[index if len(chosen) == 3 else 0]
        low, high = number(min, index, 0.0), number(max, index, 255.0)
        power = 1 / number(gamma, index, 1.0)

        def pull(grid: Grid) -> Pixels:
            values, mask = band.pull(grid)
            share = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) ** power
            return np.rint(share * 255 if table is None else _mixed(table[:, index], share)), mask

        return band.like(pull, name=name, dtype=np.uint8)

    channels = ("vis-red", "vis-green", "vis-blue")
    return image.with_bands([of(index, name) for index, name in enumerate(channels)])


def _mixed(channel: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    place = share * (len(channel) - 1)
    return np.interp(place, np.arange(len(channel)), channel)


@function("Image.blend")
def blend(bottom: EarthImage, top: EarthImage) -> EarthImage:
    def of(below: Band, above: Band) -> Band:
        dtype = np.result_type(below.dtype, above.dtype)

        def pull(grid: Grid) -> Pixels:
            (values, valid), (over, shown) = below.pull(grid), above.pull(grid)
            return np.where(shown, over, values), valid | shown

        return below.like(pull, dtype=dtype)

    return bottom.with_bands([of(*pair) for pair in zip(bottom.bands, top.bands, strict=True)])


@function("Image.paint")
def paint(
    image: EarthImage, featureCollection: Collection, color: Any = 0.0, width: Any = None
) -> EarthImage:
    """Pixels within the shapes get a number; with a width, those along their edges."""
    shapes: Sequence[tuple[shapely.Geometry, float]] = [
        (feature.geometry.shape, float(feature.get(color) if isinstance(color, str) else color))
        for feature in featureCollection.all()
    ]

    def of(band: Band) -> Band:
        def pull(grid: Grid) -> Pixels:
            values, mask = band.pull(grid)
            values, mask = values.astype(np.float64), mask.copy()
            x, y = np.broadcast_arrays(*grid.centres(GEOGRAPHIC))
            for shape, number in shapes:
                reach = 0.0 if width is None else float(width) * grid.degrees_per_pixel() / 2
                inside = shapely.contains_xy(shape if width is None else shape.boundary.buffer(reach), x, y)
                values[inside], mask[inside] = number, True
            return values, mask

        return band.like(pull)

    return image.with_bands([of(band) for band in image.bands])
