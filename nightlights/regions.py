"""Regions: named polygons with a role.

Coordinates are longitude and latitude in degrees of EPSG:4326. The rasters of a region cover the whole
window around its polygon. What is wrong with a region is told by :mod:`nightlights.region_checks`.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely import GeometryCollection, MultiPolygon, Polygon
from shapely.geometry import mapping

from nightlights.errors import NightlightsError, RegionError
from nightlights.grid import EARTH_RADIUS_M, Window
from nightlights.names import checked_name

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from nightlights.manifests import Role

_ROLES: dict[str, "Role"] = {
    "train": "train",
    "training": "train",
    "evaluate": "evaluate",
    "evaluation": "evaluate",
    "validate": "evaluate",
    "validation": "evaluate",
    "test": "evaluate",
    "predict": "predict",
    "prediction": "predict",
}


def role_of(text: str) -> "Role":
    """The role that ``text`` names: train, evaluate or predict, or a usual synonym, in any case.

    There are two sets of pixels, those that train and those that do not; "validation" and "test" both
    mean evaluate.

    Raises
    ------
    RegionError
        When the text names no role.
    """
    role = _ROLES.get(text.strip().lower())
    if role is None:
        raise RegionError(f"{text[:80]!r} is not a role.", "Use train, evaluate or predict.")
    return role


@dataclass(frozen=True)
class Region:
    """A named area with a role.

    Attributes
    ----------
    name:
        Safe as a file name; see :func:`nightlights.names.checked_name`.
    role:
        ``train``, ``evaluate`` or ``predict``.
    geometry:
        Polygon or MultiPolygon, longitude and latitude in degrees.

    Raises
    ------
    RegionError
        When the name cannot be a file name or the geometry is not a polygon.
    """

    name: str
    role: "Role"
    geometry: Polygon | MultiPolygon

    def __post_init__(self) -> None:
        try:
            checked_name(self.name, "region name")
        except NightlightsError as error:
            raise RegionError(error.message, error.remedy) from error
        role_of(self.role)
        if not isinstance(self.geometry, Polygon | MultiPolygon) or self.geometry.is_empty:
            raise RegionError(f"Region {self.name} holds no polygon.", "Draw or upload a polygon.")

    @property
    def window(self) -> Window:
        """The smallest window of whole VIIRS pixels around the polygon.

        Raises
        ------
        GridError
            When the polygon reaches beyond the VIIRS grid.
        """
        return Window.covering(*self.geometry.bounds)

    @property
    def area_km2(self) -> float:
        """Area of the polygon, holes taken off, in square kilometres."""
        return area_km2(self.geometry)

    @property
    def window_area_km2(self) -> float:
        """Area of the window, which is what is exported, in square kilometres."""
        window = self.window
        return float(window.pixel_area_km2.sum() * window.width)

    def patches(self, patch_size: int) -> int:
        """How many patches of ``patch_size`` analysis pixels fit side by side into the window."""
        height, width = self.window.fine_shape
        return (height // patch_size) * (width // patch_size)

    def to_feature(self) -> dict[str, Any]:
        """The region as a GeoJSON feature with properties ``name`` and ``role``."""
        return {
            "type": "Feature",
            "properties": {"name": self.name, "role": self.role},
            "geometry": _plain(mapping(self.geometry)),
        }


@dataclass(frozen=True)
class RegionCollection:
    """Regions that belong together, in the order in which they were drawn."""

    name: str
    regions: tuple[Region, ...] = ()
    title: str = ""
    description: str = ""

    def __iter__(self) -> Iterator[Region]:
        return iter(self.regions)

    def __len__(self) -> int:
        return len(self.regions)

    def with_role(self, role: "Role") -> tuple[Region, ...]:
        """The regions of ``role``."""
        return tuple(region for region in self.regions if region.role == role)

    def get(self, name: str) -> Region:
        """The region ``name``.

        Raises
        ------
        RegionError
            When there is none; the remedy lists those there are.
        """
        for region in self.regions:
            if region.name == name:
                return region
        known = ", ".join(region.name for region in self.regions) or "none yet"
        raise RegionError(f"{self.name} has no region {name[:80]!r}.", f"Its regions: {known}.")

    def to_geojson(self) -> dict[str, Any]:
        """The collection as a GeoJSON feature collection."""
        return {
            "type": "FeatureCollection",
            "name": self.name,
            "features": [region.to_feature() for region in self.regions],
        }


def _plain(value: Any) -> Any:
    """Tuples to lists, so that the value equals what a JSON file gives back."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def area_km2(geometry: Polygon | MultiPolygon) -> float:
    """Area in square kilometres on the authalic sphere, edges straight in longitude and latitude.

    The integral of sin(latitude) over longitude along every ring, taken exactly on each edge.
    """
    parts = geometry.geoms if isinstance(geometry, MultiPolygon) else (geometry,)
    return sum(
        _ring_area(part.exterior.coords) - sum(_ring_area(hole.coords) for hole in part.interiors)
        for part in parts
    )


def _ring_area(coordinates: Iterable[tuple[float, ...]]) -> float:
    longitude, latitude = np.radians(np.asarray(coordinates, dtype=np.float64)[:, :2]).T
    # The mean of sin over an edge is sin of its middle times sin(x) / x of half its extent.
    half_extent = np.diff(latitude) / 2
    mean_sine = np.sin((latitude[1:] + latitude[:-1]) / 2) * np.sinc(half_extent / np.pi)
    return abs(float(np.sum(np.diff(longitude) * mean_sine))) * (EARTH_RADIUS_M / 1000) ** 2


def export_bytes(
    regions: Iterable[Region], band_count: int, *, truth: bool = False, bytes_per_value: int = 2
) -> int:
    """Size of the rasters of ``regions`` before compression, in bytes.

    Parameters
    ----------
    band_count:
        Daytime bands, stored with ``bytes_per_value`` bytes a pixel.
    truth:
        Whether the source also gives the hidden fine radiance, four bytes a pixel.
    """
    total = 0
    for region in regions:
        window = region.window
        fine = math.prod(window.fine_shape)
        total += fine * (band_count * bytes_per_value + 4 * truth) + math.prod(window.shape) * 4
    return total


def polygons_of(geometry: "BaseGeometry") -> Polygon | MultiPolygon | None:
    """The polygons of any geometry as one, heights dropped; None when it holds no polygon with an area."""
    flat = shapely.force_2d(geometry)
    if isinstance(flat, Polygon | MultiPolygon):
        return None if flat.is_empty else flat
    if not isinstance(flat, GeometryCollection):
        return None
    found = [polygons for part in flat.geoms if (polygons := polygons_of(part)) is not None]
    if not found:
        return None
    merged = shapely.union_all([shapely.make_valid(polygons) for polygons in found])
    return merged if isinstance(merged, Polygon | MultiPolygon) else polygons_of(merged)
