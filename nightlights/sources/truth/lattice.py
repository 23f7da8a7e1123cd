"""Fine light on the way that a raster has gone: averaged over its pixels, and back onto the analysis grid."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio.crs
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds

from nightlights.fine_truth import LEAST_KNOWN, TruthLattice
from nightlights.grid import CRS, Window
from nightlights.sources.raster_files import RasterFile

_MARGIN = 2
"""Pixels of the raster around what a window covers."""


def lattice_of(file: RasterFile) -> TruthLattice:
    """The pixels of a raster."""
    affine = file.transform
    return TruthLattice(
        crs=file.crs.to_wkt(),
        transform=(affine.a, affine.b, affine.c, affine.d, affine.e, affine.f),
        width=file.width,
        height=file.height,
    )


def through_pixels(
    light: NDArray[np.floating[Any]], window: Window, lattices: Sequence[TruthLattice]
) -> NDArray[np.float32]:
    """Fine light as the raster shows it on the analysis grid, its noise and its unit apart.

    Without this, a model would be judged by detail that straddles the pixels of the raster and was lost on
    the way to the analysis grid.

    Parameters
    ----------
    light:
        Of the analysis pixels of ``window``, shape (16 height, 16 width), in nW/cm2/sr, NaN where missing.
    window:
        Where it lies.
    lattices:
        The pixels of the rasters; of each analysis pixel the first counts that covers it.

    Returns
    -------
    numpy.ndarray
        float32, same shape and unit, NaN where a pixel of the raster is not known nearly whole.
    """
    result = np.full(window.fine_shape, np.nan, np.float32)
    source = np.asarray(light, np.float32)
    grid = {"transform": window.fine_transform, "crs": CRS}
    for lattice in lattices:
        part = _part(lattice, window)
        if part is None:
            continue
        shape, pixels = part
        back = _averaged(_averaged(source, grid, shape, pixels), pixels, window.fine_shape, grid)
        result = np.where(np.isnan(result), back, result)
    return result


def _part(lattice: TruthLattice, window: Window) -> tuple[tuple[int, int], dict[str, Any]] | None:
    """Shape, transform and CRS of the pixels of a raster that a window touches; None without any."""
    crs, affine = rasterio.crs.CRS.from_wkt(lattice.crs), Affine(*lattice.transform)
    west, south, east, north = transform_bounds(CRS, crs, *window.bounds)
    corners = [~affine @ (x, y) for x in (west, east) for y in (south, north)]
    (left, right), (top, bottom) = (
        (max(math.floor(min(along)) - _MARGIN, 0), min(math.ceil(max(along)) + _MARGIN, length))
        for along, length in zip(zip(*corners, strict=True), (lattice.width, lattice.height), strict=True)
    )
    if right <= left or bottom <= top:
        return None
    return (bottom - top, right - left), {"transform": affine @ Affine.translation(left, top), "crs": crs}


def _averaged(
    image: NDArray[np.float32], source: dict[str, Any], shape: tuple[int, int], target: dict[str, Any]
) -> NDArray[np.float32]:
    """Means weighted by area, NaN where less than nearly all of a pixel is known."""
    options = {
        "src_transform": source["transform"],
        "src_crs": source["crs"],
        "dst_transform": target["transform"],
        "dst_crs": target["crs"],
        "resampling": Resampling.average,
        "XSCALE": 1,
        "YSCALE": 1,
        "tolerance": 0.01,
    }
    values: NDArray[np.float32]
    values, _ = reproject(
        image, np.full(shape, np.nan, np.float32), src_nodata=np.nan, dst_nodata=np.nan, **options
    )
    # Pixels beyond the image are unknown: a rim around it that is known to be 0.
    known, affine = np.pad(np.isfinite(image).astype(np.float32), _MARGIN), options["src_transform"]
    options["src_transform"] = affine @ Affine.translation(-_MARGIN, -_MARGIN)
    share, _ = reproject(known, np.zeros(shape, np.float32), **options)
    return np.where(share >= LEAST_KNOWN - 1e-4, values, np.float32(np.nan))
