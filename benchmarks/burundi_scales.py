"""Sharpening of an aggregate of real VIIRS, scored against VIIRS itself."""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread, observe
from nightlights.sharpening import sharpen
from nightlights.sharpening.interpolation import INTERPOLATIONS

Floats = NDArray[np.float64]

QUIETER = 16.0
"""An aggregate of 256 pixels has a sixteenth of their noise; sharpening's floors are meant for one."""


def scale_transfer_rows(data: Path, seed: int) -> list[tuple[str, str, str, str, str]]:
    """Method, RMSE and MAE plain and sharpened, in nW/cm2/sr: rows of a table.

    The country is cut into two halves, west and east: whatever learns from population does so from the
    aggregate of the other half.
    """
    fine, population = _rasters(data)
    rows, columns = (side // FINE_PER_VIIRS for side in fine.shape)
    fine, population = (
        image[: rows * FINE_PER_VIIRS, : columns * FINE_PER_VIIRS] for image in (fine, population)
    )
    # Only shapes and latitudes of a window count; the operator's weights are those near the equator.
    window, spread = Window(0, 18_000, columns, rows), PointSpread()
    measured = observe(fine, window, spread)
    known = np.where(np.isfinite(fine), 1.0, np.nan)
    priors = {method: interpolate(measured, window, spread) for method, interpolate in INTERPOLATIONS.items()}
    people = np.log1p(np.maximum(np.nan_to_num(population), 0.0))
    features = [population, people]
    seen = np.stack([observe(np.nan_to_num(each) * known, window, spread) for each in features], axis=-1)
    models = {
        "linear regression on population": lambda: LinearRegression(),
        "gradient boosting on population": lambda: HistGradientBoostingRegressor(
            random_state=seed, max_iter=60, min_samples_leaf=10
        ),
    }
    usable = np.isfinite(measured) & np.isfinite(seen).all(axis=-1)
    west = np.broadcast_to(np.arange(columns) < columns // 2, measured.shape)
    for method, model in models.items():
        prior = np.full(fine.shape, np.nan)
        for half in (west, ~west):
            other = usable & ~half
            fitted = model().fit(seen[other], measured[other])
            here = np.kron(half, np.ones((FINE_PER_VIIRS,) * 2)) > 0
            prior[here] = fitted.predict(np.stack([np.nan_to_num(each)[here] for each in features], axis=-1))
        priors[method] = np.maximum(prior, 0.0)
    scored = np.isfinite(fine) & np.all([np.isfinite(prior) for prior in priors.values()], axis=0)
    found = []
    for method, prior in priors.items():
        corrected = sharpen(QUIETER * prior * known, QUIETER * measured, window, spread) / QUIETER
        errors = [(image - fine)[scored] for image in (prior, corrected)]
        rmse = [f"{np.sqrt(np.mean(error**2)):.4f}" for error in errors]
        mae = [f"{np.mean(np.abs(error)):.4f}" for error in errors]
        found.append((method, rmse[0], rmse[1], mae[0], mae[1]))
    return found


def _rasters(data: Path) -> tuple[Floats, Floats]:
    """VIIRS in nW/cm2/sr and population in people a VIIRS pixel, on the grid of VIIRS, NaN where missing."""
    with rasterio.open(data / "viirs_avg_rad_burundi.tif") as raster:
        light = raster.read(1).astype(np.float64)
        light[light == raster.nodata] = np.nan
        transform, crs = raster.transform, raster.crs
    with rasterio.open(data / "population_burundi.tif") as raster:
        people = raster.read(1).astype(np.float64)
        people[people < 0] = np.nan
        on_grid = np.full(light.shape, np.nan)
        reproject(
            people,
            on_grid,
            src_transform=raster.transform,
            src_crs=raster.crs,
            dst_transform=transform,
            dst_crs=crs,
            src_nodata=np.nan,
            dst_nodata=np.nan,
            resampling=Resampling.average,
        )
    return light, on_grid
