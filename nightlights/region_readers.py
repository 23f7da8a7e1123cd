"""Readers of the file formats in which people have polygons: GeoJSON, GeoPackage, Shapefile.

Each gives features in EPSG:4326, longitude first, with their attributes.
"""

import codecs
import contextlib
import json
import re
import shutil
import sqlite3
import struct
import tempfile
import warnings
import zipfile
import zlib
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
from nightlights.reference_systems import (
    is_safe_definition,
    reference_system,
    reference_system_of_code,
    reference_system_of_wkt,
)

if TYPE_CHECKING:
    import rasterio.crs
    from shapely.geometry.base import BaseGeometry

MAXIMUM_FILE_BYTES = 50_000_000
"""Largest upload, and largest content of a zipped one, in bytes."""
MAXIMUM_FEATURES = 10_000
"""Most features read from one file; the settings limit the regions made of them further."""
SUFFIXES = (".geojson", ".json", ".gpkg", ".zip", ".shp")

_SHAPEFILE_PARTS = {".shp", ".shx", ".dbf", ".prj", ".cpg"}
_SHAPEFILE_MAGIC = (9994).to_bytes(4, "big")
"""The first bytes of ``.shp`` and ``.shx`` (ESRI Shapefile Technical Description, 1998)."""
_SQLITE_MAGIC = b"SQLite format 3\0"
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, ValueError)
"""What :mod:`zipfile` raises on damaged, encrypted or unusually compressed archives."""
_SQL_NAME = r'(?:"(?:[^"]|"")+"|\w+)'
_SQL_COLUMN = rf"(?:{_SQL_NAME}\.)?(?:{_SQL_NAME}|\*)(?:\s+(?:AS\s+)?{_SQL_NAME})?"
_HARMLESS_STATEMENT = re.compile(
    r"CREATE (?:TABLE|INDEX|UNIQUE INDEX|TRIGGER)\b"
    rf"|CREATE VIRTUAL TABLE {_SQL_NAME}\s+USING\s+rtree\s*\("
    # A view of columns of one table calls no function, and computes and joins nothing.
    rf"|CREATE VIEW {_SQL_NAME}\s+AS\s+SELECT\s+{_SQL_COLUMN}(?:\s*,\s*{_SQL_COLUMN})*"
    rf"\s+FROM\s+{_SQL_NAME}(?:\s+(?:AS\s+)?{_SQL_NAME})?(?:\s*;)?\s*\Z",
    re.IGNORECASE,
)
_CODE_REMEDY = "Name it by a code such as EPSG:4326, or export it in EPSG:4326."
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
        except (ShapelyError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as error:
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
    return _reprojected(features, _geojson_code(named), label, reference_system_of_code)


def _geojson_code(member: object) -> object:
    """The code in the member ``crs`` of GeoJSON: a name, or a number of EPSG as in 2008's draft."""
    properties = member.get("properties") if isinstance(member, dict) else None
    if not isinstance(member, dict) or not isinstance(properties, dict):
        return None
    if member.get("type") == "EPSG" and "code" in properties:
        return f"EPSG:{properties['code']}"
    return properties.get("name")


def _read_geopackage(path: Path, label: str) -> list[Feature]:
    with path.open("rb") as content:
        if content.read(len(_SQLITE_MAGIC)) != _SQLITE_MAGIC:
            raise RegionError(f"{label} is not a GeoPackage.", "Was it cut off? Export it again.")
    tables = _geopackage_tables(path, label)
    features = []
    with _clear_read_errors(label):
        for layer in _layers(path, "GPKG", label):
            if _folded(layer) not in tables:
                raise RegionError(f"The layer {layer} of {label} is not a table.", "Export it as a table.")
            members, crs = _layer(path, layer, label)
            features += _reprojected(members, crs, label, reference_system) if members else []
    return features


def _folded(name: str) -> bytes:
    """A name of SQLite, for which only the case of ASCII letters is the same."""
    return name.encode().lower()


def _geopackage_tables(path: Path, label: str) -> set[bytes]:
    """The folded names of a GeoPackage's tables; a database that may compute, or read elsewhere, is refused.

    Views may call functions of GDAL and virtual tables may open other files, so that only the virtual tables
    of the spatial index are allowed, and of views only those that choose columns of one table: GDAL reads
    views to list the layers, and joins and expressions can take any time and memory.
    """
    # Without its write-ahead log a database needs no lock, which a folder without write access cannot hold.
    alone = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{alone}", uri=True)
        ) as database:
            tables = _harmless_tables(database, label)
            _check_definitions(database, label)
            return tables
    except (sqlite3.Error, ValueError) as error:
        raise RegionError(f"{label} is broken and cannot be read.", "Export it again.") from error


def _harmless_tables(database: sqlite3.Connection, label: str) -> set[bytes]:
    schema = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    tables = set()
    for name, statement in schema:
        if not _HARMLESS_STATEMENT.match(str(statement)):
            raise RegionError(
                f"{label} holds a view or a virtual table, {str(name)[:60]!r}, that may compute or"
                " read files.",
                "Export only its layers to a new GeoPackage.",
            )
        if str(statement).upper().startswith("CREATE TABLE"):
            tables.add(_folded(str(name)))
            _refuse_generated_columns(database, str(name), label)
    if not {b"gpkg_contents", b"gpkg_spatial_ref_sys"} <= tables:
        raise RegionError(f"{label} is not a GeoPackage.", "It is another SQLite database. " + UPLOAD_REMEDY)
    return tables


def _refuse_generated_columns(database: sqlite3.Connection, table: str, label: str) -> None:
    """Refuse columns whose values are computed on reading, which can take any memory and time."""
    generated = database.execute(
        "SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3) LIMIT 1", (table,)
    ).fetchone()
    if generated:
        raise RegionError(
            f"{label} holds a generated column, {str(generated[0])[:60]!r}, of the table {table[:60]!r}.",
            "Export its layers to a new GeoPackage, the column as plain values.",
        )


def _check_definitions(database: sqlite3.Connection, label: str) -> None:
    """Refuse definitions of reference systems that name files, which GDAL opens with the GeoPackage."""
    columns = [
        str(name)
        for (name,) in database.execute("SELECT name FROM pragma_table_xinfo('gpkg_spatial_ref_sys')")
        if str(name).lower().startswith("definition")
    ]
    for column in columns:
        quoted = column.replace('"', '""')
        for (text,) in database.execute(f'SELECT "{quoted}" FROM gpkg_spatial_ref_sys'):  # noqa: S608
            if text is not None and not (isinstance(text, str) and is_safe_definition(text)):
                raise RegionError(
                    f"A coordinate reference system of {label} is not usable: it is not WKT or names files.",
                    "Export only its layers, in EPSG:4326, to a new GeoPackage.",
                )


def _read_shapefile(path: Path, label: str) -> list[Feature]:
    """A Shapefile on the disk, of which only the known parts are read."""
    with tempfile.TemporaryDirectory(prefix="nightlights-") as folder:
        shutil.copyfile(path, Path(folder) / "regions.shp")
        for suffix in _SHAPEFILE_PARTS - {".shp"}:
            for part in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
                if part.is_file():
                    shutil.copyfile(part, Path(folder) / f"regions{suffix}")
        return _read_shapefile_parts(Path(folder), label)


def _read_zipped_shapefile(path: Path, label: str) -> list[Feature]:
    with tempfile.TemporaryDirectory(prefix="nightlights-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, Path(folder), label)
        except _ZIP_ERRORS as error:
            raise RegionError(f"{label} is a broken or protected zip file.", "Zip it again.") from error
        return _read_shapefile_parts(Path(folder), label)


def _unpack(archive: zipfile.ZipFile, folder: Path, label: str) -> None:
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
        if part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise NotImplementedError(f"compression {part.compress_type}")
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


def _suffix(member: zipfile.ZipInfo) -> str:
    return PurePosixPath(member.filename).suffix.lower()


def _read_shapefile_parts(folder: Path, label: str) -> list[Feature]:
    """The features of ``regions.shp`` in ``folder``, whose ``.prj`` never reaches GDAL."""
    for part in (folder / "regions.shp", folder / "regions.shx"):
        if part.exists() and not part.read_bytes().startswith(_SHAPEFILE_MAGIC):
            raise RegionError(
                f"{label} is not a Shapefile: its {part.suffix} part has another format.",
                "Export it again as an ESRI Shapefile.",
            )
    projection = folder / "regions.prj"
    wkt = _projection_text(projection.read_bytes()) if projection.exists() else None
    projection.unlink(missing_ok=True)
    features = []
    with _clear_read_errors(label):
        for layer in _layers(folder / "regions.shp", "ESRI Shapefile", label):
            features += _layer(folder / "regions.shp", layer, label)[0]
    if wkt is None and features:
        raise RegionError(
            f"The coordinate reference system of {label} is unknown.",
            "Add the .prj file as WKT, or export it in EPSG:4326.",
        )
    return _reprojected(features, wkt, label, reference_system_of_wkt) if features else []


def _projection_text(content: bytes) -> str:
    """The text of a ``.prj``: UTF-8, or UTF-16 with its byte order mark."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig", errors="replace")


@contextlib.contextmanager
def _clear_read_errors(label: str) -> Iterator[None]:
    """Turn what GDAL refuses into a :class:`RegionError`."""
    try:
        # GDAL's warnings about a damaged file would come before the one sentence that says it all.
        with warnings.catch_warnings(action="ignore"):
            yield
    # pyogrio's own errors are RuntimeErrors; a damaged reference system ends in its UnboundLocalError.
    except (RuntimeError, ValueError, LookupError, OverflowError, UnboundLocalError) as error:
        raise RegionError(f"{label} is broken and cannot be read.", "Export it again.") from error


def _layers(path: Path, driver: str, label: str) -> list[str]:
    """The layers with geometries of a file that GDAL opens with ``driver``.

    pyogrio cannot be told which drivers to try. The magic numbers, checked before, are those of one driver;
    should another one have opened the file, it is refused here.
    """
    import pyogrio

    layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    if layers and pyogrio.read_info(path, layer=layers[0])["driver"] != driver:
        raise RegionError(f"{label} is of another format than its name.", UPLOAD_REMEDY)
    return layers


def _layer(path: Path, layer: str, label: str) -> tuple[list[Feature], str | None]:
    """The features of a layer with the code or WKT of their reference system."""
    import pyogrio

    meta, _, geometries, columns = pyogrio.raw.read(
        path, layer=layer, force_2d=True, max_features=MAXIMUM_FEATURES + 1
    )
    names = [str(name).lower() for name in meta["fields"]]
    features = []
    for row, content in enumerate(geometries):
        try:
            geometry = None if content is None else shapely.from_wkb(content)
        except ShapelyError as error:
            raise RegionError(
                f"Feature {row + 1} of {label} has no readable geometry.", "Draw or export it again."
            ) from error
        attributes = {name: column[row] for name, column in zip(names, columns, strict=True)}
        features.append(Feature(geometry, attributes))
    return features, meta["crs"]


def _reprojected(
    features: list[Feature], text: object, label: str, parse: Callable[[str], "rasterio.crs.CRS"]
) -> list[Feature]:
    """The features in EPSG:4326, longitude first; ``parse`` reads the reference system's ``text``."""
    import rasterio.crs
    from rasterio import warp
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import CRSError, RasterioError

    try:
        if not isinstance(text, str) or "\N{REPLACEMENT CHARACTER}" in text:
            raise CRSError("no readable reference system is named")
        source, target = parse(text), rasterio.crs.CRS.from_string(CRS)
    except CRSError as error:
        if parse is reference_system_of_wkt:
            raise RegionError(
                f"The coordinate reference system in the .prj of {label} is not usable.",
                "Export it in EPSG:4326.",
            ) from error
        raise RegionError(f"The coordinate reference system of {label} is unknown.", _CODE_REMEDY) from error
    if source == target:
        return features

    def transform(points: Any) -> Any:
        return np.column_stack(warp.transform(source, target, points[:, 0], points[:, 1]))

    try:
        return [
            feature
            if feature.geometry is None
            else replace(feature, geometry=shapely.transform(shapely.force_2d(feature.geometry), transform))
            for feature in features
        ]
    except (CPLE_BaseError, RasterioError, ShapelyError, ValueError) as error:
        raise RegionError(
            f"{label} cannot be transformed from its coordinate reference system.", "Export it in EPSG:4326."
        ) from error


READERS: dict[str, Callable[[Path, str], list[Feature]]] = {
    ".geojson": _read_geojson,
    ".json": _read_geojson,
    ".gpkg": _read_geopackage,
    ".zip": _read_zipped_shapefile,
    ".shp": _read_shapefile,
}
