"""Kernels, neighbourhoods and samples at points."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from affine import Affine

from .algorithms import ExpressionError
from .functions_image import shape_of
from .functions_projection import at_scale
from .registry import UnsupportedFunctionError, function
from .values import (
    GEOGRAPHIC,
    ArrayBand,
    Collection,
    EarthImage,
    Feature,
    Geometry,
    Kernel,
    Projection,
    transformer,
)

# The arguments keep the names that Earth Engine gives them.
# ruff: noqa: N803


@function("Kernel.fixed")
def fixed(
    weights: Sequence[Sequence[float]],
    width: int = -1,
    height: int = -1,
    x: int = -1,
    y: int = -1,
    normalize: bool = False,
) -> Kernel:
    rows, columns = len(weights), len(weights[0])
    if any(len(row) != columns for row in weights) or width not in (-1, columns) or height not in (-1, rows):
        raise ExpressionError("Kernel.fixed: the weights do not have the size given.")
    # The focus of a kernel of even size is the pixel after its middle: only the service can confirm it.
    focus = columns // 2 if x < 0 else int(x), rows // 2 if y < 0 else int(y)
    table = np.asarray(weights, np.float64)
    return Kernel(columns, rows, *focus, None if (table == 1).all() else table)


@function("Kernel.rectangle")
def rectangle(
    xRadius: float, yRadius: float, units: str = "pixels", normalize: bool = True, magnitude: float = 1.0
) -> Kernel:
    return _box(xRadius, yRadius, units, "Kernel.rectangle")


@function("Kernel.square")
def square(radius: float, units: str = "pixels", normalize: bool = True, magnitude: float = 1.0) -> Kernel:
    return _box(radius, radius, units, "Kernel.square")


def _box(across: float, down: float, units: str, what: str) -> Kernel:
    if units != "pixels":
        raise UnsupportedFunctionError(what, f" in {units}")
    return Kernel(2 * int(across) + 1, 2 * int(down) + 1, int(across), int(down))


@function("Image.neighborhoodToArray")
def neighborhood_to_array(image: EarthImage, kernel: Kernel, defaultValue: float = 0.0) -> EarthImage:
    if kernel.weights is not None and not np.isin(kernel.weights, (0, 1)).all():
        raise UnsupportedFunctionError("Image.neighborhoodToArray", " with weights other than 1")
    return image.with_bands([ArrayBand(band, kernel, defaultValue) for band in image.bands])


def _sampling(image: EarthImage, scale: float | None, projection: Projection | None, what: str) -> Projection:
    base = projection or image.bands[0].projection
    if scale is not None:
        return at_scale(base, scale)
    if projection is None and image.bands[0].composite:
        raise ExpressionError(
            f"{what}: the image is a composite, whose pixels are one degree: give a projection."
        )
    return base


def _sample(
    image: EarthImage, place: shapely.Point, projection: Projection, extra: dict[str, Any]
) -> dict[str, Any] | None:
    """Values at the pixel that holds ``place``; None where one is missing."""
    x, y = place.x, place.y
    if projection.crs != GEOGRAPHIC:
        x, y = transformer(GEOGRAPHIC, projection.crs).transform(x, y)
    column, row = ~Affine(*projection.transform) @ (x, y)
    pixel = projection.grid(math.floor(column), math.floor(row), 1, 1)
    values = dict(extra)
    for band in image.bands:
        if isinstance(band, ArrayBand):
            values[band.name] = band.array_at(pixel)
            continue
        pulled, mask = band.pull(pixel)
        if not mask[0, 0]:
            return None
        values[band.name] = pulled[0, 0].item()
    return values


@function("Image.sampleRegions")
def sample_regions(
    image: EarthImage,
    collection: Collection,
    properties: Sequence[str] | None = None,
    scale: float | None = None,
    projection: Projection | None = None,
    tileScale: float = 1.0,
    geometries: bool = False,
) -> Collection:
    """One feature a point, in the order of the points."""
    pixels = _sampling(image, scale, projection, "Image.sampleRegions")
    found = []
    for feature in collection.all():
        place = shape_of(feature)
        if not isinstance(place, shapely.Point):
            raise UnsupportedFunctionError("Image.sampleRegions", " of other regions than points")
        kept = {
            key: value
            for key, value in feature.properties.items()
            if (not key.startswith("system:") if properties is None else key in properties)
        }
        values = _sample(image, place, pixels, kept)
        if values is not None:
            found.append(Feature(Geometry(place) if geometries else None, values))
    return Collection.of(_numbered(found), images=False)


@function("Image.sample")
def sample(
    image: EarthImage,
    region: Any = None,
    scale: float | None = None,
    projection: Projection | None = None,
    factor: float | None = None,
    numPixels: int | None = None,
    seed: int = 0,
    dropNulls: bool = True,
    tileScale: float = 1.0,
    geometries: bool = False,
) -> Collection:
    """Pixels drawn at random; which ones, only the service knows."""
    if region is None or numPixels is None or factor is not None:
        raise UnsupportedFunctionError("Image.sample", " without a region and numPixels")
    if not dropNulls:
        raise UnsupportedFunctionError("Image.sample", " with dropNulls=False")
    pixels = _sampling(image, scale, projection, "Image.sample")
    found = []
    for place in random_places(shape_of(region), int(numPixels), int(seed)):
        values = _sample(image, place, pixels, {})
        if values is not None:
            found.append(Feature(Geometry(place) if geometries else None, values))
    return Collection.of(_numbered(found), images=False)


def _numbered(features: Sequence[Feature]) -> list[Feature]:
    return [
        feature.with_properties({"system:index": str(index), **feature.properties})
        for index, feature in enumerate(features)
    ]


def random_places(shape: shapely.Geometry, count: int, seed: int) -> list[shapely.Point]:
    """Points within ``shape``."""
    if shape.area == 0:
        raise ExpressionError("Points can be drawn only in a region that has an area.")
    generator = np.random.default_rng(seed)
    west, south, east, north = shape.bounds
    places: list[shapely.Point] = []
    while len(places) < count:
        place = shapely.Point(generator.uniform(west, east), generator.uniform(south, north))
        if shape.contains(place):
            places.append(place)
    return places


@function("FeatureCollection.randomPoints")
def random_points(region: Any, points: int = 1000, seed: int = 0, maxError: Any = None) -> Collection:
    places = random_places(shape_of(region), int(points), int(seed))
    return Collection.of(_numbered([Feature(Geometry(place)) for place in places]), images=False)
