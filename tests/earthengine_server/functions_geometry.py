"""Geometries."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from affine import Affine

from .algorithms import ExpressionError
from .functions_image import shape_of
from .registry import function
from .values import GEOGRAPHIC, Geometry, Projection, project

# The arguments keep the names that Earth Engine gives them.
# ruff: noqa: N803


def placed_shape(shape: shapely.Geometry, crs: Any, geodesic: bool | None) -> Geometry:
    """A shape given in the coordinates, or the pixels, of a projection."""
    if crs is None:
        return Geometry(shape, None, True if geodesic is None else geodesic)
    projection = Projection(crs) if isinstance(crs, str) else crs
    affine = Affine(*projection.transform)
    flat = shapely.transform(shape, lambda points: np.stack(affine @ tuple(points.T), 1))
    degrees = project(flat, projection.crs, GEOGRAPHIC)
    return Geometry(degrees, (flat, projection), bool(geodesic))


def _flat(coordinates: Any) -> list[float]:
    if isinstance(coordinates, int | float):
        return [float(coordinates)]
    return [number for part in coordinates for number in _flat(part)]


def _ring(coordinates: Any) -> list[tuple[float, float]]:
    numbers = _flat(coordinates)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@function("GeometryConstructors.Point")
def point(coordinates: Any, crs: Any = None) -> Geometry:
    return placed_shape(shapely.Point(*_flat(coordinates)), crs, None)


@function("GeometryConstructors.MultiPoint")
def multi_point(coordinates: Any, crs: Any = None) -> Geometry:
    return placed_shape(shapely.MultiPoint(_ring(coordinates)), crs, None)


@function("GeometryConstructors.LineString")
def line(coordinates: Any, crs: Any = None, geodesic: bool | None = None, maxError: Any = None) -> Geometry:
    return placed_shape(shapely.LineString(_ring(coordinates)), crs, geodesic)


@function("GeometryConstructors.Polygon")
def polygon(
    coordinates: Sequence[Any],
    crs: Any = None,
    geodesic: bool | None = None,
    maxError: Any = None,
    evenOdd: bool = True,
) -> Geometry:
    if not coordinates:
        raise ExpressionError("GeometryConstructors.Polygon: a polygon needs a ring.")
    rings = coordinates
    if not isinstance(coordinates[0], list) or not isinstance(coordinates[0][0], list):
        rings = [coordinates]
    shape = shapely.Polygon(_ring(rings[0]), [_ring(ring) for ring in rings[1:]])
    return placed_shape(shape, crs, geodesic)


@function("GeometryConstructors.MultiPolygon")
def multi_polygon(
    coordinates: Sequence[Any],
    crs: Any = None,
    geodesic: bool | None = None,
    maxError: Any = None,
    evenOdd: bool = True,
) -> Geometry:
    polygons = [
        shapely.Polygon(_ring(rings[0]), [_ring(hole) for hole in rings[1:]]) for rings in coordinates
    ]
    return placed_shape(shapely.MultiPolygon(polygons), crs, geodesic)


@function("GeometryConstructors.Rectangle")
def rectangle(
    coordinates: Any, crs: Any = None, geodesic: bool | None = None, evenOdd: bool = True
) -> Geometry:
    numbers = _flat(coordinates)
    if len(numbers) != 4:
        raise ExpressionError("GeometryConstructors.Rectangle: two corners are needed.")
    west, east = sorted(numbers[::2])
    south, north = sorted(numbers[1::2])
    return placed_shape(shapely.box(west, south, east, north), crs, geodesic)


@function("GeometryConstructors.BBox")
def bounding_box(west: float, south: float, east: float, north: float) -> Geometry:
    return Geometry(shapely.box(west, south, east, north), None, False)


@function("Geometry.bounds")
def bounds(geometry: Any, maxError: Any = None, proj: Any = None) -> Geometry:
    return Geometry(shapely.box(*shape_of(geometry).bounds), None, False)


@function("Geometry.centroid")
def centroid(geometry: Any, maxError: Any = None, proj: Any = None) -> Geometry:
    return Geometry(shape_of(geometry).centroid)


@function("Geometry.coordinates")
def coordinates(geometry: Geometry) -> list[Any]:
    def plain(part: Any) -> Any:
        return [plain(item) for item in part] if isinstance(part, list | tuple) else part

    return plain(shapely.geometry.mapping(geometry.shape)["coordinates"])  # type: ignore[no-any-return]


@function("Geometry.intersects")
def intersects(left: Any, right: Any, maxError: Any = None, proj: Any = None) -> bool:
    return bool(shapely.intersects(shape_of(left), shape_of(right)))


@function("Geometry.intersection")
def intersection(left: Any, right: Any, maxError: Any = None, proj: Any = None) -> Geometry:
    return Geometry(shapely.intersection(shape_of(left), shape_of(right)))


@function("Geometry.union")
def union(left: Any, right: Any, maxError: Any = None, proj: Any = None) -> Geometry:
    return Geometry(shapely.union(shape_of(left), shape_of(right)))
