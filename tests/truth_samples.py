"""Fine truth of the planet as a night-time raster of one's own: projected, moved, in another unit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from data_samples import geotiff
from numpy.typing import NDArray
from rasterio.warp import Resampling, calculate_default_transform, reproject

from nightlights.fine_truth import FineTruthRecord, TruthCalibration, TruthLattice, TruthShift
from nightlights.grid import CRS, Window
from nightlights.sources.simulated import SimulatedSource

PLANET = SimulatedSource(1)
TOWN = Window.covering(36.74, -1.36, 36.86, -1.24)
"""Nairobi: 30 x 30 VIIRS pixels."""
UTM = "EPSG:32737"

Values = Callable[[NDArray[np.float32]], NDArray[np.floating]]


def as_it_is(light: NDArray[np.float32]) -> NDArray[np.floating]:
    return light


def in_utm(
    window: Window, pixel: float, truth: NDArray[np.float32] | None = None, crs: str = UTM
) -> tuple[NDArray[np.float32], Affine]:
    """The planet's truth of ``window``, averaged over pixels of so many metres, and where they lie."""
    light = PLANET.truth(window) if truth is None else truth
    height, width = window.fine_shape
    affine, columns, rows = calculate_default_transform(
        CRS, crs, width, height, *window.bounds, resolution=pixel
    )
    image = np.full((rows, columns), np.nan, np.float32)
    reproject(
        light,
        image,
        src_transform=window.fine_transform,
        src_crs=CRS,
        dst_transform=affine,
        dst_crs=crs,
        dst_nodata=np.nan,
        resampling=Resampling.average,
    )
    return image, affine


def truth_raster(
    path: Path,
    pixel: float = 40.0,
    *,
    window: Window = TOWN,
    east_m: float = 0.0,
    north_m: float = 0.0,
    values: Values = as_it_is,
    around: int = 6,
    dtype: str = "float32",
    **profile: object,
) -> Path:
    """Write the planet's truth in UTM, displaced by so many metres, after ``values``."""
    image, affine = in_utm(window.expand(around), pixel)
    moved = Affine.translation(east_m, north_m) @ affine
    return geotiff(path, np.asarray(values(image)).astype(dtype), moved, UTM, **profile)


def planet_rasters(folder: Path, window: Window = TOWN) -> tuple[str, str]:
    """Daytime bands (three of them) and VIIRS of the planet as files on the grid."""
    around = window.expand(2)
    day = geotiff(folder / "day.tif", PLANET.daytime(around)[[3, 4, 7]], around.fine_transform)
    night = geotiff(folder / "night.tif", PLANET.nighttime(around), around.transform)
    return str(day), str(night)


def own_truth_record(**fields: Any) -> FineTruthRecord:
    """What is known of a raster of one's own in a region, as an export writes it."""
    shift = TruthShift(
        applied=True,
        east_m=121.0,
        north_m=-64.0,
        found_east_m=121.0,
        found_north_m=-64.0,
        peak=31.0,
        error_m=4.0,
        maximum_m=2000.0,
    )
    values = {
        "files": ["sdgsat.tif"],
        "lattices": [
            TruthLattice(crs=UTM, transform=(40.0, 0.0, 0.0, 0.0, -40.0, 0.0), width=100, height=100)
        ],
        "pixel_m": 40.0,
        "resolution_m": 40.0,
        "block_rows": 2,
        "block_columns": 2,
        "scale_m": 58.0,
        "shift": shift,
        "calibration": TruthCalibration(method="line", slope=0.25, offset=-3.0, pixels=900),
        "rank_correlation": 0.91,
        "rmse": 1.5,
        "known_share": 0.98,
    }
    return FineTruthRecord.model_validate({**values, **fields})
