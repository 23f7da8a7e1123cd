"""Projections of images: resampling, default projections, and the pixels that an export asks for."""

import math
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from .algorithms import ExpressionError
from .functions_image import shape_of
from .rasters import Mode, interpolated
from .registry import UnsupportedFunctionError, function
from .values import (
    GEOGRAPHIC,
    ArrayBand,
    Band,
    EarthImage,
    Geometry,
    Grid,
    Projection,
    project,
    whole,
)

# The arguments keep the names that Earth Engine gives them.
# ruff: noqa: N803

METRES_PER_DEGREE = 111_319.49079327358
"""At the equator, as Earth Engine turns a scale in metres into degrees."""


@function("Projection", "Proj")
def projection(crs: Any, transform: Sequence[float] | None = None, transformWkt: str = "") -> Projection:
    if transformWkt:
        raise UnsupportedFunctionError("Projection", " with a transformWkt")
    if isinstance(crs, Projection):
        crs = crs.crs
    if transform is None:
        return Projection(str(crs))
    numbers = [float(number) for number in transform]
    if len(numbers) != 6:
        raise ExpressionError("Projection: transform needs 6 numbers.")
    return Projection(str(crs), tuple(numbers))  # type: ignore[arg-type]


def placed(
    crs: Projection | str, transform: Sequence[float] | None, scale: float | None, what: str
) -> Projection:
    """A projection given in the way that many functions take it."""
    base = projection(crs) if isinstance(crs, str) else crs
    if transform is not None and scale is not None:
        raise ExpressionError(f"{what}: give crsTransform or scale, not both.")
    if transform is not None:
        return projection(base.crs, transform)
    return at_scale(base, scale) if scale is not None else base


@function("Projection.atScale")
def at_scale(projection: Projection, meters: float) -> Projection:
    """Pixels of that many metres from the origin of the reference system."""
    step = meters / METRES_PER_DEGREE if projection.crs == GEOGRAPHIC else meters
    return Projection(projection.crs, (step, 0.0, 0.0, 0.0, -step, 0.0))


@function("Projection.crs")
def crs_of(projection: Projection) -> str:
    return projection.crs


@function("Projection.nominalScale")
def nominal_scale(proj: Projection) -> float:
    step = math.hypot(proj.transform[0], proj.transform[3])
    return step * METRES_PER_DEGREE if proj.crs == GEOGRAPHIC else step


@function("Image.projection")
def projection_of(image: EarthImage) -> Projection:
    found = {band.projection for band in image.bands}
    if len(found) != 1:
        raise ExpressionError("Image.projection: the bands do not have all the same projection.")
    return found.pop()


@function("Image.resample")
def resample(image: EarthImage, mode: str = "bilinear") -> EarthImage:
    if mode not in get_args(Mode) or mode == "nearest":
        raise ExpressionError(f"Image.resample: Unknown mode '{mode}': bilinear or bicubic.")

    def of(band: Band) -> Band:
        if band.composite:
            raise ExpressionError(
                f"Image.resample: band '{band.name}' comes from a reducer and has no pixels of its own, so "
                "resampling it means nothing: resample the scenes before they are reduced."
            )
        # Interpolation gives broken numbers even of whole ones.
        dtype = band.dtype if band.dtype.kind == "f" else np.float64
        return band.like(interpolated(band, band.projection, mode), dtype=dtype)  # type: ignore[arg-type]

    return image.with_bands([of(band) for band in image.bands])


@function("Image.setDefaultProjection")
def set_default_projection(
    image: EarthImage, crs: Any, crsTransform: Sequence[float] | None = None, scale: float | None = None
) -> EarthImage:
    chosen = placed(crs, crsTransform, scale, "Image.setDefaultProjection")
    return image.with_bands(
        [
            band if isinstance(band, ArrayBand) else band.like(band.pull, projection=chosen, composite=False)
            for band in image.bands
        ]
    )


@function("Image.reproject")
def reproject(
    image: EarthImage, crs: Any, crsTransform: Sequence[float] | None = None, scale: float | None = None
) -> EarthImage:
    chosen = placed(crs, crsTransform, scale, "Image.reproject")

    def of(band: Band) -> Band:
        if isinstance(band, ArrayBand):
            return band
        return band.like(interpolated(band, chosen, "nearest"), projection=chosen, composite=False)

    return image.with_bands([of(band) for band in image.bands])


@function("Image.clipToBoundsAndScale")
def clip_to_bounds_and_scale(
    input: EarthImage,
    geometry: Geometry | None = None,
    width: int | None = None,
    height: int | None = None,
    maxDimension: int | None = None,
    scale: float | None = None,
) -> EarthImage:
    """The pixels that an export asks for, as the grid of the image."""
    base = input.bands[0].projection
    if geometry is None:
        raise UnsupportedFunctionError("Image.clipToBoundsAndScale", " without a geometry")
    if maxDimension is not None:
        raise UnsupportedFunctionError("Image.clipToBoundsAndScale", " with maxDimension")
    if geometry.source is not None and geometry.source[1].crs == base.crs:
        west, south, east, north = geometry.source[0].bounds
    else:
        west, south, east, north = project(shape_of(geometry), GEOGRAPHIC, base.crs).bounds
    if scale is not None:
        step = at_scale(base, scale).transform[0]
        left, top = math.floor(west / step), math.ceil(north / step)
        size = math.ceil(east / step) - left, top - math.floor(south / step)
        grid = Grid(base.crs, (step, 0.0, left * step, 0.0, -step, top * step), *size)
    elif width is not None and height is not None:
        across, down = whole(width, "width"), whole(height, "height")
        steps = (east - west) / across, (north - south) / down
        grid = Grid(base.crs, (steps[0], 0.0, west, 0.0, -steps[1], north), across, down)
    else:
        a, b, c, d, e, f = base.transform
        if b or d:
            raise UnsupportedFunctionError("Image.clipToBoundsAndScale", " on a turned grid")
        column, row = round((west - c) / a), round((north - f) / e)
        grid = base.grid(column, row, round((east - west) / a), round((south - north) / e))
    return EarthImage(input.bands, input.properties, input.geometry, input.covers, grid)
