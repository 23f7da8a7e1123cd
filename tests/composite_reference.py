"""An independent computation of the composites, with numpy alone and the numbers of the products' guides.

It shares no line with the graphs nor with the server: pixels are interpolated by dense sums of kernels over
all pixels of a scene, and statistics are taken by numpy.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray

from nightlights.grid import Window

Array = NDArray[Any]

# LSDS-1619, tables 6-2 and 6-3, and its section 6.
QA_PIXEL = {"fill": 0, "dilated cloud": 1, "cirrus": 2, "cloud": 3, "cloud shadow": 4, "snow": 5}
SATURATED_BITS = range(7)
STUDY_BANDS = ("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7", "B10", "B11")
SENTINEL_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")


@dataclass(frozen=True)
class Pixels:
    """Where the pixels of a scene are: reference system, corner, size of a pixel."""

    crs: str
    west: float
    north: float
    step: float

    def positions(self, window: Window) -> tuple[Array, Array]:
        """Columns and rows of the centres of our grid among the scene's pixels, centre of the first at 0."""
        x, y = np.meshgrid(window.fine_longitudes, window.fine_latitudes)
        if self.crs != "EPSG:4326":
            x, y = pyproj.Transformer.from_crs("EPSG:4326", self.crs, always_xy=True).transform(x, y)
        return (x - self.west) / self.step - 0.5, (self.north - y) / self.step - 0.5


def box(distance: Array) -> Array:
    return ((distance > -0.5) & (distance <= 0.5)).astype(float)


def tent(distance: Array) -> Array:
    return np.clip(1 - np.abs(distance), 0, None)


def keys(distance: Array) -> Array:
    """Cubic convolution, a = -0.5 (Keys 1981, doi:10.1109/TASSP.1981.1163711)."""
    d = np.abs(distance)
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0))


KERNELS: dict[str, Callable[[Array], Array]] = {"nearest": box, "bilinear": tent, "bicubic": keys}


MARGIN = 3


@functools.lru_cache(maxsize=64)
def weights(
    pixels: Pixels, window: Window, shape: tuple[int, int], resampling: str
) -> tuple[Array, Array, Array]:
    """Weights of a scene's rows and columns for each pixel of our grid, and which of these lie inside."""
    columns, rows = (position.ravel() + MARGIN for position in pixels.positions(window))
    height, width = shape[0] + 2 * MARGIN, shape[1] + 2 * MARGIN
    inside = (columns > 2) & (columns < width - 3) & (rows > 2) & (rows < height - 3)
    kernel = KERNELS[resampling]
    return kernel(rows[:, None] - np.arange(height)), kernel(columns[:, None] - np.arange(width)), inside


def interpolated(values: Array, valid: Array, pixels: Pixels, window: Window, resampling: str) -> Array:
    """``values`` on our grid; NaN where a pixel that carries weight is not valid or beyond the scene."""
    down, across, inside = weights(pixels, window, values.shape, resampling)
    padded = np.pad(np.where(valid, values, 0).astype(float), MARGIN)
    unknown = np.pad(~valid, MARGIN, constant_values=True).astype(float)
    result = ((down @ padded) * across).sum(axis=1)
    weighed = ((np.abs(down) @ unknown) * np.abs(across)).sum(axis=1)
    result[(weighed > 1e-9) | ~inside] = np.nan
    return result.reshape(window.fine_shape)


def statistic(layers: Sequence[Array], name: str, percentile: float = 25.0) -> Array:
    """Over the images, of what is known; NaN where nothing is."""
    stacked = np.sort(np.stack(layers), axis=0)
    share = 50.0 if name == "median" else percentile
    count = np.isfinite(stacked).sum(axis=0)
    result = np.full(count.shape, np.nan)
    for known in range(1, len(stacked) + 1):
        here = count == known
        # numpy sorts NaN to the end, so what is known comes first.
        result[here] = np.percentile(stacked[:known, here], share, axis=0, method="linear")
    return result


def clear_of(quality: Array, saturation: Array, masks: Sequence[str]) -> Array:
    """Where none of ``masks`` applies."""
    clear = np.ones(quality.shape, bool)
    for name in masks:
        if name == "saturation":
            for bit in SATURATED_BITS:
                clear &= (saturation >> bit) % 2 == 0
        else:
            clear &= (quality >> QA_PIXEL[name]) % 2 == 0
    return clear


def landsat_layer(
    surface: Mapping[str, Array],
    warmth: Mapping[str, Array] | None,
    band: str,
    masks: Sequence[str],
    known: Array,
) -> tuple[Array, Array]:
    """One band of one scene in its unit, and where it is clear."""
    clear = clear_of(surface["QA_PIXEL"], surface["QA_RADSAT"], masks) & known
    if band.startswith("SR_"):
        return surface[band].astype(float) * 0.0000275 - 0.2, clear
    if band == "ST_B10":
        return surface[band].astype(float) * 0.00341802 + 149.0, clear
    if warmth is None:
        return np.zeros(clear.shape), np.zeros(clear.shape, bool)
    if not masks:
        # Nothing of Level 2 is looked at: its missing pixels do not matter to the other product.
        clear = np.ones(clear.shape, bool)
    return warmth[band].astype(float), clear
