"""Real night lights that can be scored below VIIRS: VIIRS plays the fine image, moved up 16 times.

Rasters as described in the project's notes on data: VIIRS composites of Burundi (twelve months of 2016),
Uganda and the north of Malawi (Earth Observation Group, CC BY 4.0), population, buildings and vegetation
beside them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject
from scipy.ndimage import uniform_filter
from scipy.optimize import nnls
from sklearn.ensemble import HistGradientBoostingRegressor

from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import observe

Floats = NDArray[np.float64]
COLUMN, ROW = 43_000, 18_000
"""Where on the grid an enlarged country is put: only shapes and latitudes count, here near the equator."""
_FOLDS = 2
_CONTEXT = 97
"""Side in pixels of what counts as around, six footprints, as for footprint regressions."""
_WEST, _NORTH, _LAKE_SHAPE = 29.08126, -3.13959, (110, 130)
_SHORE = 29.34
"""Longitude of the shore between 3.37 S and 3.40 S, where the port is."""
_DARK = 1e-3
"""Radiance in nW/cm2/sr below which no prediction counts."""


@dataclass(frozen=True)
class Country:
    """Night light at its own scale, and what may explain it on the same pixels.

    Attributes
    ----------
    light:
        VIIRS in nW/cm2/sr, shape (rows, columns), NaN where missing.
    features:
        Quantities that light may rise with, same shape, from 0 on.
    """

    light: Floats
    features: tuple[Floats, ...]


@dataclass(frozen=True)
class Scene:
    """A part of a country, moved up in scale.

    Attributes
    ----------
    window:
        The measurements, on a grid of which VIIRS is the analysis pixel.
    truth:
        VIIRS itself, shape (16 height, 16 width).
    measured:
        What the footprints make of it, shape (height, width).
    prior:
        What is predicted from the features, by what was fitted to the other quarters: the geometric mean of
        a footprint regression and of boosted trees, of which the former goes on rising beyond what it has
        seen and the latter stays flat.
    """

    name: str
    window: Window
    truth: Floats
    measured: Floats
    prior: Floats


def burundi(data: Path) -> Country:
    """The robust median of twelve months of 2016, and population."""
    light, transform = _median_of_2016(data)
    grid = transform, light.shape
    people = _warped(data / "population_burundi.tif", grid, Resampling.average, lowest=0.0)
    return Country(np.where(np.isfinite(people), light, np.nan), (people,))


def _median_of_2016(data: Path) -> tuple[Floats, Any]:
    """The median of twelve months of Burundi, each without its own offset, and where it lies."""
    stack = []
    for path in months_of_2016(data):
        with rasterio.open(path) as raster:
            stack.append(raster.read(1).astype(np.float64))
            transform = raster.transform
    months = np.stack(stack)
    months -= np.median(months, axis=(1, 2), keepdims=True)
    return np.median(months, axis=0), transform


def months_of_2016(data: Path) -> list[Path]:
    """The twelve files."""
    return [data / "burundi_2016" / f"VIIRS_2016_{month:02d}.tif" for month in range(1, 13)]


def lake(data: Path) -> tuple[Floats, Window]:
    """VIIRS of Bujumbura and the north of Lake Tanganyika in nW/cm2/sr, on the grid: median of 2016."""
    light, transform = _median_of_2016(data)
    column, row = round((_WEST - transform.c) / transform.a), round((_NORTH - transform.f) / transform.e)
    part = light[row : row + _LAKE_SHAPE[0], column : column + _LAKE_SHAPE[1]]
    # The rasters lie on the grid but for their rounding.
    window = Window.covering(_WEST, _NORTH - 0.001, _WEST + 0.001, _NORTH)
    return part, Window(window.column, window.row, _LAKE_SHAPE[1], _LAKE_SHAPE[0])


def lake_over_shore(light: NDArray[np.floating[Any]], window: Window) -> float:
    """Light from 2 to 6 km off the shore over that of the first kilometre of land."""
    step = light.shape[1] // window.width
    west, _, _, north = window.bounds
    longitude = west + (np.arange(light.shape[1]) + 0.5) / (240 * step)
    latitude = north - (np.arange(light.shape[0]) + 0.5) / (240 * step)
    km_off = (_SHORE - longitude) * 111.195 * np.cos(np.radians(3.385))
    rows = light[(latitude < -3.37) & (latitude > -3.40)]
    far, near = rows[:, (km_off > 2) & (km_off < 6)], rows[:, (km_off < 0) & (km_off > -1)]
    return float(far.mean() / near.mean())


def uganda(data: Path) -> Country:
    """One month, and buildings: their number, floor area, and number near the grid."""
    with rasterio.open(data / "uganda_viirs_avg_rad.tif") as raster:
        grid, light = (raster.transform, raster.shape), raster.read(1).astype(np.float64)
    near = _warped(data / "uganda_near_grid.tif", grid, Resampling.nearest)
    nights = _warped(data / "uganda_viirs_cf_cvg.tif", grid, Resampling.nearest)
    inside = np.isfinite(near)
    found = [_warped(data / f"uganda_building_{what}.tif", grid, lowest=0.0) for what in ("counts", "sizes")]
    counts, sizes = (np.where(inside, np.nan_to_num(each), np.nan) for each in found)
    light[~inside | (nights < 1)] = np.nan
    return Country(light, (counts, counts * sizes / 50.0, near * counts))


def malawi(data: Path) -> Country:
    """A year, and twelve months of vegetation, with which light may fall as well."""
    with rasterio.open(data / "malawi_viirs_average_masked.tif") as raster:
        grid, light = (raster.transform, raster.shape), raster.read(1).astype(np.float64)
    green = [_warped(data / "malawi_ndvi_monthly.tif", grid, band=band) for band in range(1, 13)]
    known = np.all([np.isfinite(each) for each in green], axis=0)
    features = [np.maximum(each, 0) for each in green] + [np.nanmax(each) - each for each in green]
    return Country(np.where(known, light, np.nan), tuple(features))


PLACES: Final[dict[str, tuple[str, Callable[[Path], Country], tuple[slice, slice]]]] = {
    "Burundi": ("Burundi", burundi, (slice(0, 432), slice(0, 512))),
    "Uganda, south": ("Uganda", uganda, (slice(770, 1154), slice(380, 1020))),
    "Uganda, north": ("Uganda", uganda, (slice(200, 584), slice(250, 890))),
    "Malawi": ("Malawi", malawi, (slice(0, 752), slice(0, 405))),
}
"""Name to country, what reads it, and the part that is looked at."""


def scenes(data: Path) -> list[Scene]:
    """The four parts, moved up 16 times."""
    return [_scene(name, read(data), part) for name, (_, read, part) in PLACES.items()]


def _scene(name: str, country: Country, part: tuple[slice, slice]) -> Scene:
    light, features = country.light[part], [each[part] for each in country.features]
    height, width = (side // FINE_PER_VIIRS for side in light.shape)
    inner = slice(0, height * FINE_PER_VIIRS), slice(0, width * FINE_PER_VIIRS)
    light, features = light[inner], [each[inner] for each in features]
    window = Window(COLUMN, ROW, width, height)
    measured = observe(light, window)
    known = np.where(np.isfinite(light), 1.0, np.nan)
    rows, columns = np.mgrid[:height, :width]
    folds = (rows * _FOLDS // height) * _FOLDS + columns * _FOLDS // width
    return Scene(name, window, light, measured, _predicted(features, known, measured, folds, window))


def _predicted(
    features: list[Floats], known: Floats, measured: Floats, folds: NDArray[np.int64], window: Window
) -> Floats:
    """What was measured, fitted to what footprints see of the features and of their roots with those around,
    by the other folds.
    """
    single = [np.nan_to_num(each) for each in features]
    filled = single + [np.sqrt(each * uniform_filter(each, _CONTEXT)) for each in single]
    seen = np.stack([observe(each * known, window) for each in filled], axis=-1)
    usable = np.isfinite(measured) & np.isfinite(seen).all(axis=-1)
    fine = np.kron(folds, np.ones((FINE_PER_VIIRS,) * 2, np.int64))
    light = np.full(known.shape, np.nan)
    for fold in np.unique(folds):
        others = usable & (folds != fold)
        scale = np.sqrt((seen[others] ** 2).mean(axis=0)) + 1e-12
        design = np.column_stack([np.ones(others.sum()), seen[others] / scale])
        weights, _ = nnls(design, np.maximum(measured[others], 0))
        here = fine == fold
        columns = np.stack([each[here] for each in filled], axis=-1) / scale
        rising = weights[0] + columns @ weights[1:]
        trees = HistGradientBoostingRegressor(random_state=1, max_iter=60, min_samples_leaf=10)
        flat = trees.fit(design[:, 1:], measured[others]).predict(columns)
        light[here] = np.sqrt(np.maximum(rising, _DARK) * np.maximum(flat, _DARK))
    return light * known


def _warped(
    path: Path,
    grid: tuple[Any, tuple[int, int]],
    how: Resampling = Resampling.bilinear,
    *,
    band: int = 1,
    lowest: float | None = None,
) -> Floats:
    """A raster on the pixels of another, float64, NaN where missing or below ``lowest``."""
    with rasterio.open(path) as raster:
        values = raster.read(band).astype(np.float64)
        if raster.nodata is not None:
            values[np.isclose(values, raster.nodata, rtol=1e-6)] = np.nan
        if lowest is not None:
            values[values < lowest] = np.nan
        result = np.full(grid[1], np.nan)
        reproject(
            values,
            result,
            src_transform=raster.transform,
            src_crs=raster.crs,
            dst_transform=grid[0],
            dst_crs="EPSG:4326",
            src_nodata=np.nan,
            dst_nodata=np.nan,
            resampling=how,
        )
    return result
