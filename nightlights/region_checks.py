"""What is wrong with regions before anything is exported, each as a sentence with a remedy.

The rasters of a region cover the whole window around its polygon, so every check that concerns pixels
looks at the window.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely
from shapely import MultiPolygon

from nightlights.errors import RegionError
from nightlights.grid import FINE_PER_DEGREE, METRES_PER_DEGREE, Window
from nightlights.regions import Region, polygons_of

if TYPE_CHECKING:
    from nightlights.settings import Settings

Severity = Literal["error", "warning", "repaired"]

NORTH_LIMIT = 75.0
"""Latitude in degrees beyond which the VIIRS composites hold nothing."""
SOUTH_LIMIT = -65.0
"""As :data:`NORTH_LIMIT`, in the south."""

_FARTHEST_COPY_DEGREES = 720.0


@dataclass(frozen=True)
class Problem:
    """Something that a person should know about a region.

    Attributes
    ----------
    region:
        Name of the region, or None when it concerns the whole collection.
    severity:
        ``error``: cannot be exported. ``warning``: can, but think. ``repaired``: was changed, look at it.
    """

    region: str | None
    severity: Severity
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


def repaired(region: Region) -> tuple[Region, list[Problem]]:
    """The region with what can be mended mended, and a word on each repair.

    Self-crossing polygons are made valid, and polygons drawn on a neighbouring copy of the world map are
    moved by whole turns. A region beyond repair comes back as it was; :func:`check_regions` says why.
    """
    geometry, problems = region.geometry, []
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        return region, []
    if not geometry.is_valid:
        made = polygons_of(shapely.make_valid(geometry))
        if made is None:
            return region, []
        geometry = made
        problems.append(
            Problem(region.name, "repaired", f"Region {region.name} crossed itself and was repaired.")
        )
    west, _, east, _ = geometry.bounds
    turns = math.floor((west + 180) / 360)
    if turns and abs(west) <= _FARTHEST_COPY_DEGREES and east - 360 * turns <= 180:
        offset = np.array([360.0 * turns, 0.0])
        geometry = shapely.transform(geometry, lambda points: points - offset)
        text = f"Region {region.name} lay on another copy of the world and was moved by {-360 * turns}°."
        problems.append(Problem(region.name, "repaired", text))
    return replace(region, geometry=geometry), problems


def check_regions(regions: Sequence[Region], settings: "Settings") -> list[Problem]:
    """Everything that is wrong with ``regions``, each as a sentence with a remedy.

    Repairs are listed too, so that a caller that has not called :func:`repaired` learns of them.
    Train and evaluate regions whose windows share a pixel are an error, because the same imagery would
    train and judge the network. Windows nearer than the reach of a VIIRS footprint are a warning: a
    little of the same light is measured in both.
    """
    problems = _collection_problems(regions, settings)
    usable = []
    for original in regions:
        region, repairs = repaired(original)
        problems += repairs
        problem = _place_problem(region) or _size_problem(region, settings)
        if problem is None:
            usable.append(region)
        else:
            problems.append(problem)
    return problems + _leakage_problems(usable, settings)


def raise_first_error(problems: Sequence[Problem]) -> None:
    """Raise the first error of ``problems`` as one sentence; warnings and repairs pass.

    Raises
    ------
    RegionError
        When there is an error; it says how many more there are.
    """
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        more = f" ({len(errors) - 1} more of these regions cannot be used.)" if len(errors) > 1 else ""
        raise RegionError(errors[0].message, errors[0].remedy + more)


def _collection_problems(regions: Sequence[Region], settings: "Settings") -> list[Problem]:
    problems = []
    if not regions:
        problems.append(Problem(None, "error", "There are no regions.", "Draw or upload at least one."))
    if len(regions) > settings.maximum_regions:
        message = f"There are {len(regions)} regions; the limit is {settings.maximum_regions}."
        remedy = "Use fewer, or raise NIGHTLIGHTS_MAXIMUM_REGIONS."
        problems.append(Problem(None, "error", message, remedy))
    # Compared without case, since some file systems do so too.
    counts = Counter(region.name.lower() for region in regions)
    for name in sorted(name for name, count in counts.items() if count > 1):
        message = f"{counts[name]} regions are named {name}."
        problems.append(Problem(name, "error", message, "Give each its own name."))
    return problems


def _place_problem(region: Region) -> Problem | None:
    """Why the region is nowhere on the grid, or None."""
    name = f"Region {region.name}"

    def error(message: str, remedy: str) -> Problem:
        return Problem(region.name, "error", f"{name} {message}", remedy)

    coordinates = shapely.get_coordinates(region.geometry)
    if not np.isfinite(coordinates).all():
        return error("has coordinates that are not finite numbers.", "Draw it again.")
    if not region.geometry.is_valid or region.geometry.area == 0:
        return error("has no area.", "Draw it again.")
    west, south, east, north = region.geometry.bounds
    would_swap = max(abs(west), abs(east)) <= 90 and max(abs(south), abs(north)) <= 180
    if max(abs(south), abs(north)) > 90:
        farthest = north if abs(north) > abs(south) else south
        if would_swap:
            return error(
                f"reaches latitude {farthest:.4g}: its coordinates look swapped.",
                "Write longitude first, then latitude.",
            )
        return error(
            f"reaches latitude {farthest:.4g}, which is not in degrees.",
            "Give longitude and latitude in degrees (EPSG:4326).",
        )
    if north > NORTH_LIMIT or south < SOUTH_LIMIT:
        hint = ""
        if would_swap and west >= SOUTH_LIMIT and east <= NORTH_LIMIT:
            meant = _place(coordinates[0, 1], coordinates[0, 0])
            hint = f" If you meant {meant}, longitude and latitude are swapped."
        side = "75° N" if north > NORTH_LIMIT else "65° S"
        return error(f"reaches beyond {side}, where VIIRS composites end.", f"Move it within them.{hint}")
    if west < -180 or east > 180 or east - west > 180:
        return error(
            "crosses the antimeridian (longitude 180°).", "Split it into two regions, one on each side."
        )
    return None


def _place(longitude: float, latitude: float) -> str:
    return (
        f"{abs(latitude):.4g}° {'N' if latitude >= 0 else 'S'}, "
        f"{abs(longitude):.4g}° {'E' if longitude >= 0 else 'W'}"
    )


def _size_problem(region: Region, settings: "Settings") -> Problem | None:
    area, limit = region.window_area_km2, settings.maximum_region_km2
    if area > limit:
        parts = "Split its parts into regions of their own" if _is_many(region) else "Draw it smaller"
        return Problem(
            region.name,
            "error",
            f"Region {region.name} covers {area:,.0f} km²; the limit is {limit:,.0f} km².",
            f"{parts}, or raise NIGHTLIGHTS_MAXIMUM_REGION_KM2.",
        )
    window = region.window
    # Prediction takes regions of any size: its tiles are continued beyond their edges.
    if region.role != "predict" and min(window.fine_shape) < settings.patch_size:
        pixel_m = METRES_PER_DEGREE / FINE_PER_DEGREE
        across_m = pixel_m * math.cos(math.radians(float(window.latitudes.mean())))
        height, width = window.fine_shape
        size = settings.patch_size
        return Problem(
            region.name,
            "error",
            f"Region {region.name} is smaller than one patch: {width * across_m / 1000:.2g} km x "
            f"{height * pixel_m / 1000:.2g} km, and a patch of {size} pixels is "
            f"{size * across_m / 1000:.2g} km x {size * pixel_m / 1000:.2g} km.",
            "Draw it larger, give it the role predict, or lower NIGHTLIGHTS_PATCH_SIZE. "
            "The patch size of the training must then be as small.",
        )
    return None


def _is_many(region: Region) -> bool:
    return isinstance(region.geometry, MultiPolygon) and len(region.geometry.geoms) > 1


def _gap(first: Window, second: Window) -> int:
    """VIIRS pixels between two windows; negative when they share pixels, 0 when they touch."""
    columns = max(second.column - first.column - first.width, first.column - second.column - second.width)
    rows = max(second.row - first.row - first.height, first.row - second.row - second.height)
    return max(columns, rows)


def _leakage_problems(regions: Sequence[Region], settings: "Settings") -> list[Problem]:
    from nightlights.observation import PointSpread  # brings scipy, too slow for every import

    spread = PointSpread(settings.fwhm_m)
    problems = []
    windows = {id(region): region.window for region in regions}
    train = [region for region in regions if region.role == "train"]
    for first, second in product(train, [region for region in regions if region.role != "train"]):
        one, other = windows[id(first)], windows[id(second)]
        gap = _gap(one, other)
        names = f"{first.name} (train) and {second.name} ({second.role})"
        if gap < 0 and second.role == "evaluate":
            message = f"Regions {names} overlap: the same pixels would train and judge the network."
            remedy = "Move them apart; the whole rectangle around each counts."
            problems.append(Problem(second.name, "error", message, remedy))
        elif gap < 0:
            message = f"Regions {names} overlap: figures there will look better than they are."
            problems.append(Problem(second.name, "warning", message, "Move them apart to judge fairly."))
        elif second.role == "evaluate" and gap < spread.margin(float(np.abs(one.latitudes).max())):
            message = f"Regions {names} are {gap} VIIRS pixels apart: their footprints share light."
            remedy = f"Leave at least {spread.margin(float(np.abs(one.latitudes).max()))} pixels."
            problems.append(Problem(second.name, "warning", message, remedy))
    return problems
