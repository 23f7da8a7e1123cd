"""Regions in files: the workspace's own GeoJSON, and what people upload.

Uploads are GeoJSON, GeoPackage or a zipped Shapefile, in any coordinate reference system that the file
names by code or WKT. The attribute columns ``name`` and ``role`` are honoured in any case.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from nightlights.errors import NightlightsError, RegionError
from nightlights.files import write_json
from nightlights.names import checked_name, suggested_name
from nightlights.region_checks import Problem, check_regions, repaired
from nightlights.region_readers import (
    MAXIMUM_FEATURES,
    MAXIMUM_FILE_BYTES,
    READERS,
    UPLOAD_REMEDY,
    Feature,
    geojson_features,
    parse_json,
)
from nightlights.regions import Region, RegionCollection, polygons_of, role_of
from nightlights.workspace import Workspace

if TYPE_CHECKING:
    from nightlights.manifests import Role
    from nightlights.settings import Settings


@dataclass(frozen=True)
class ImportedRegions:
    """What a file gave: usable or not, ``problems`` tells."""

    regions: tuple[Region, ...]
    problems: tuple[Problem, ...]


def save_collection(workspace: Workspace, collection: RegionCollection) -> Path:
    """Write ``collection`` to ``regions/NAME.geojson`` of ``workspace``, whole; gives the path.

    Unfinished drawings may be saved: only their coordinates must be numbers.

    Raises
    ------
    RegionError
        When a coordinate is not finite.
    WorkspaceError
        When the disk is full or may not be written.
    """
    for region in collection:
        if not np.isfinite(shapely.get_coordinates(region.geometry)).all():
            raise RegionError(
                f"Region {region.name} has coordinates that are not finite numbers.", "Draw it again."
            )
    path = workspace.regions_file(collection.name)
    content = collection.to_geojson()
    if collection.title:
        content["title"] = collection.title
    if collection.description:
        content["description"] = collection.description
    write_json(path, content)
    return path


def load_collection(workspace: Workspace, name: str) -> RegionCollection:
    """Read the region collection ``name`` of ``workspace``.

    Raises
    ------
    RegionError
        When there is none of that name, or the file is broken.
    """
    path = workspace.regions_file(name)
    if not path.is_file():
        known = ", ".join(workspace.region_names()) or "none yet"
        raise RegionError(f"There are no regions named {name}.", f"The workspace has: {known}.")
    content = parse_json(path.read_bytes(), path.name)
    regions = []
    for number, feature in enumerate(geojson_features(content, path.name), start=1):
        polygon = None if feature.geometry is None else polygons_of(feature.geometry)
        if polygon is None:
            raise RegionError(f"Feature {number} of {path.name} is not a polygon.", "Remove it.")
        name_in_file, role = feature.attributes.get("name"), feature.attributes.get("role")
        if not isinstance(name_in_file, str) or not isinstance(role, str):
            raise RegionError(
                f"Feature {number} of {path.name} has no name or no role.", "Import the file instead."
            )
        regions.append(Region(name_in_file, role_of(role), polygon))
    title, description = content.get("title", ""), content.get("description", "")
    return RegionCollection(name, tuple(regions), str(title), str(description))


def delete_collection(workspace: Workspace, name: str) -> None:
    """Remove the region collection ``name``.

    Raises
    ------
    RegionError
        When there is none.
    """
    path = workspace.regions_file(name)
    if not path.is_file():
        raise RegionError(f"There are no regions named {name}.")
    path.unlink()


def import_upload(
    filename: str, content: bytes, settings: "Settings", *, default_role: "Role" = "train"
) -> ImportedRegions:
    """Read the regions of an uploaded file; see :func:`import_regions`."""
    suffix = PurePosixPath(filename).suffix.lower()
    if suffix == ".shp":
        raise RegionError(
            f"{filename} is one part of a Shapefile.",
            "Zip its .shp, .shx, .dbf and .prj together and upload the zip.",
        )
    with tempfile.TemporaryDirectory(prefix="nightlights-") as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(content)
        return import_regions(path, settings, default_role=default_role, label=filename)


def import_regions(
    path: Path, settings: "Settings", *, default_role: "Role" = "train", label: str | None = None
) -> ImportedRegions:
    """Read, reproject, repair and check the regions of a file.

    Parameters
    ----------
    path:
        GeoJSON (feature collection, feature or geometry), GeoPackage, zipped Shapefile or ``.shp``.
    default_role:
        Role of the features that have no ``role``.
    label:
        What messages call the file; its name unless given.

    Returns
    -------
    ImportedRegions
        Every polygon of the file as a region in EPSG:4326, repaired where that was possible, and
        everything that a person should know, errors included.

    Raises
    ------
    RegionError
        When nothing can be read: broken or empty file, no polygon, unknown coordinate reference system,
        unknown role.
    """
    label = label or path.name
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise RegionError(f"{label} is not of a kind that can be read.", UPLOAD_REMEDY)
    try:
        size = path.stat().st_size
        if size == 0:
            raise RegionError(f"{label} is empty.", UPLOAD_REMEDY)
        if size > MAXIMUM_FILE_BYTES:
            raise RegionError(
                f"{label} is {size / 1e6:,.0f} MB; the limit is {MAXIMUM_FILE_BYTES / 1e6:.0f} MB.",
                "Simplify its polygons or split the file.",
            )
        features = reader(path, label)
    except OSError as error:
        raise RegionError(f"{label} cannot be read: {error.strerror or error}.", "Check the path.") from error
    if len(features) > MAXIMUM_FEATURES:
        raise RegionError(
            f"{label} holds {len(features):,} features; the limit is {MAXIMUM_FEATURES:,}.",
            "Keep only the regions that you need.",
        )
    regions, problems = _regions_of(features, default_role, label)
    mended = []
    for region in regions:
        better, repairs = repaired(region)
        mended.append(better)
        problems += repairs
    return ImportedRegions(tuple(mended), (*problems, *check_regions(mended, settings)))


def _regions_of(
    features: list[Feature], default_role: "Role", label: str
) -> tuple[list[Region], list[Problem]]:
    regions: list[Region] = []
    problems: list[Problem] = []
    for number, feature in enumerate(features, start=1):
        name, said = _name(feature.attributes.get("name"), number)
        geometry = feature.geometry
        polygon = None if geometry is None else polygons_of(geometry)
        if polygon is None:
            kind = "has no geometry" if geometry is None else f"is a {geometry.geom_type}"
            message = f"Feature {number} of {label} {kind}, not a polygon, and was left out."
            problems.append(Problem(None, "warning", message))
            continue
        if geometry is not None and geometry.geom_type == "GeometryCollection":
            text = f"Only the polygons of region {name} were kept."
            problems.append(Problem(name, "repaired", text))
        if said:
            problems.append(Problem(name, "repaired", said))
        role = feature.attributes.get("role")
        regions.append(Region(name, default_role if _blank(role) else role_of(str(role)), polygon))
    if not regions:
        raise RegionError(f"{label} holds no polygon.", "Regions are polygons: draw or upload some.")
    return regions, problems


def _blank(value: Any) -> bool:
    return value is None or value != value or not str(value).strip()


def _name(value: Any, number: int) -> tuple[str, str]:
    """A safe name from an attribute, and a word where it differs from what the file says."""
    if _blank(value):
        return f"region-{number}", ""
    text = str(value).strip()
    try:
        return checked_name(text, "region name"), ""
    except NightlightsError:
        name = suggested_name(text, f"region-{number}")
        return name, f"Region {text[:80]!r} is named {name} here, since names become file names."
