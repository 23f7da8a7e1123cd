"""Readers of the file formats in which people have polygons: GeoJSON, GeoPackage, Shapefile.

Each gives features in EPSG:4326, longitude first, with their attributes.
"""

import json
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape

from nightlights.errors import RegionError
from nightlights.grid import CRS

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

MAXIMUM_FILE_BYTES = 50_000_000
"""Largest upload, and largest content of a zipped one, in bytes."""
MAXIMUM_FEATURES = 10_000
"""Most features read from one file; the settings limit the regions made of them further."""
SUFFIXES = (".geojson", ".json", ".gpkg", ".zip", ".shp")

_SHAPEFILE_PARTS = {".shp", ".shx", ".dbf", ".prj", ".cpg"}
UPLOAD_REMEDY = "Upload GeoJSON, GeoPackage or a zipped Shapefile."


@dataclass(frozen=True)
class Feature:
    """A geometry in EPSG:4326 with its attributes, their names in lower case."""

    geometry: "BaseGeometry | None"
    attributes: Mapping[str, Any]


def parse_json(content: bytes, label: str) -> dict[str, Any]:
    """The JSON object in ``content``, UTF-8; NaN and infinity are refused.

    Raises
    ------
    RegionError
        Calling the file ``label``, when it is not a JSON object.
    """

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is not a coordinate")

    try:
        value = json.loads(content.decode("utf-8-sig"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise RegionError(
            f"{label} is not valid GeoJSON: {error}.", "Was it cut off? Export it again."
        ) from error
    if not isinstance(value, dict):
        raise RegionError(f"{label} is not GeoJSON.", UPLOAD_REMEDY)
    return value


def geojson_features(content: dict[str, Any], label: str) -> list[Feature]:
    """The features of a GeoJSON feature collection, feature or bare geometry, coordinates as they are.

    Raises
    ------
    RegionError
        Calling the file ``label``, when it is not valid GeoJSON.
    """
    kind = content.get("type")
    if kind == "FeatureCollection":
        members = content.get("features")
    elif kind == "Feature":
        members = [content]
    else:
        members = [{"type": "Feature", "geometry": content, "properties": None}]
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise RegionError(f"{label} is not valid GeoJSON: its features are not a list of objects.")
    features = []
    for number, member in enumerate(members, start=1):
        properties, geometry = member.get("properties") or {}, member.get("geometry")
        if not isinstance(properties, dict):
            raise RegionError(f"Feature {number} of {label} has properties that are not an object.")
        try:
            made = None if geometry is None else shape(geometry)
        except (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise RegionError(
                f"Feature {number} of {label} has no readable geometry.", "Draw or export it again."
            ) from error
        attributes = {str(key).lower(): value for key, value in properties.items()}
        features.append(Feature(made, attributes))
    return features


def _read_geojson(path: Path, label: str) -> list[Feature]:
    content = parse_json(path.read_bytes(), label)
    features = geojson_features(content, label)
    # RFC 7946 knows EPSG:4326 alone; older files name another system in "crs".
    named = content.get("crs")
    if named is None:
        return features
    properties = named.get("properties") if isinstance(named, dict) else None
    crs = properties.get("name") if isinstance(properties, dict) else None
    return _reprojected(features, str(crs), label)


def _read_geopackage(path: Path, label: str) -> list[Feature]:
    with path.open("rb") as content:
        if not content.read(16).startswith(b"SQLite format 3"):
            raise RegionError(f"{label} is not a GeoPackage.", "Was it cut off? Export it again.")
    return _read_vector(path, label)


def _read_zipped_shapefile(path: Path, label: str) -> list[Feature]:
    with tempfile.TemporaryDirectory(prefix="nightlights-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                shapefile = _unpacked(archive, Path(folder), label)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise RegionError(f"{label} is a broken or protected zip file.", "Zip it again.") from error
        return _read_vector(shapefile, label)


def _unpacked(archive: zipfile.ZipFile, folder: Path, label: str) -> Path:
    """Unpack the one Shapefile of ``archive``; member paths are never used as paths."""
    parts = [
        member
        for member in archive.infolist()
        if PurePosixPath(member.filename).suffix.lower() in _SHAPEFILE_PARTS
        and "__MACOSX" not in member.filename
    ]
    stems = [str(PurePosixPath(part.filename).with_suffix("")) for part in parts if _suffix(part) == ".shp"]
    if len(stems) != 1:
        count = len(stems) or "no"
        raise RegionError(f"{label} holds {count} Shapefiles, not one.", "Zip one .shp with its parts.")
    remaining = MAXIMUM_FILE_BYTES
    for part in parts:
        if str(PurePosixPath(part.filename).with_suffix("")).lower() != stems[0].lower():
            continue
        # The size in the archive's directory may lie: count what really comes out.
        with archive.open(part) as source, (folder / f"regions{_suffix(part)}").open("wb") as target:
            while block := source.read(1 << 20):
                remaining -= len(block)
                if remaining < 0:
                    raise RegionError(
                        f"{label} unpacks to more than {MAXIMUM_FILE_BYTES / 1e6:.0f} MB.",
                        "Simplify its polygons or split the file.",
                    )
                target.write(block)
    return folder / "regions.shp"


def _suffix(member: zipfile.ZipInfo) -> str:
    return PurePosixPath(member.filename).suffix.lower()


def _read_vector(path: Path, label: str) -> list[Feature]:
    import pyogrio

    try:
        # GDAL's warnings about a damaged file would come before the one sentence that says it all.
        with warnings.catch_warnings(action="ignore"):
            layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
            return [feature for layer in layers for feature in _layer(path, layer, label)]
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise RegionError(f"{label} is broken and cannot be read.", "Export it again.") from error


def _layer(path: Path, layer: str, label: str) -> Iterator[Feature]:
    import pyogrio

    meta, _, geometries, columns = pyogrio.raw.read(
        path, layer=layer, force_2d=True, max_features=MAXIMUM_FEATURES + 1
    )
    names = [str(name).lower() for name in meta["fields"]]
    features = [
        Feature(
            None if geometry is None else shapely.from_wkb(geometry),
            {name: column[row] for name, column in zip(names, columns, strict=True)},
        )
        for row, geometry in enumerate(geometries)
    ]
    yield from _reprojected(features, meta["crs"], label) if features else ()


def _reprojected(features: list[Feature], crs: str | None, label: str) -> list[Feature]:
    """The features in EPSG:4326, longitude first."""
    import rasterio.crs
    from rasterio import warp
    from rasterio.errors import CRSError

    try:
        source, target = rasterio.crs.CRS.from_user_input(crs), rasterio.crs.CRS.from_string(CRS)
    except CRSError as error:
        raise RegionError(
            f"The coordinate reference system of {label} is unknown.",
            "Add the .prj file, or export it in EPSG:4326.",
        ) from error
    # "CRS84" is EPSG:4326 with longitude first, which is how both are read here.
    if source == target or str(crs).upper().endswith("CRS84"):
        return features

    def transform(points: Any) -> Any:
        return np.column_stack(warp.transform(source, target, points[:, 0], points[:, 1]))

    return [
        feature
        if feature.geometry is None
        else replace(feature, geometry=shapely.transform(shapely.force_2d(feature.geometry), transform))
        for feature in features
    ]


READERS: dict[str, Callable[[Path, str], list[Feature]]] = {
    ".geojson": _read_geojson,
    ".json": _read_geojson,
    ".gpkg": _read_geopackage,
    ".zip": _read_zipped_shapefile,
    ".shp": _read_vector,
}
