"""The regions behind the drawing map: what was drawn, edited and deleted, undo and redo.

The map and Python both hold the shapes, and either may be behind the other: the map after an undo, Python
while somebody draws, both after a remount. So every state has a revision, the map's answers name the revision
they are based on (see ``static/drawing.js``), and an answer to an older state is ignored. An empty map that
has just been mounted answers to no revision at all and can wipe out nothing; deleting every shape answers
to the present one and goes through.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry import mapping, shape

from nightlights.errors import NightlightsError, RegionError
from nightlights.grid import METRES_PER_DEGREE
from nightlights.interface.map_parts import DrawnRegions
from nightlights.manifests import ROLES, Role
from nightlights.names import suggested_name
from nightlights.places import cities
from nightlights.region_checks import Problem, repaired
from nightlights.regions import Region, RegionCollection, polygons_of
from nightlights.wording import area_words

DECIMALS: Final = 6
"""Digits of a degree that the map gives back: 0.1 m."""
MAXIMUM_UNDO: Final = 100
NEAR_KM: Final = 40.0
"""A new region is named after the largest city within this distance."""

NO_CITY: Final = "region"
"""Far from any city regions are numbered: ``region-1``, ``region-2``."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A region, and the identity by which the map knows it whatever its name."""

    uid: str
    region: Region


def name_near(longitude: float, latitude: float) -> str:
    """A name for a region around a point in degrees: that of the largest city near, or ``region``."""
    for place in cities():
        north = (place.latitude - latitude) * METRES_PER_DEGREE / 1000
        if abs(north) > NEAR_KM:
            continue
        east = (place.longitude - longitude) * METRES_PER_DEGREE / 1000 * np.cos(np.radians(latitude))
        if np.hypot(east, north) <= NEAR_KM:
            return suggested_name(place.name, NO_CITY)
    return NO_CITY


def unused_name(wanted: str, used: Iterable[str]) -> str:
    """``wanted``, or ``wanted-2``, ``wanted-3``... when it is taken; capitals do not tell names apart."""
    taken = {name.lower() for name in used}
    if wanted.lower() not in taken and wanted != NO_CITY:
        return wanted
    number = 1 if wanted == NO_CITY else 2
    while f"{wanted[:58]}-{number}".lower() in taken:
        number += 1
    return f"{wanted[:58]}-{number}"


def _fingerprint(geometry: Polygon | MultiPolygon) -> str:
    """Equal for geometries whose vertices agree to :data:`DECIMALS` digits."""
    rounded = np.round(shapely.get_coordinates(geometry), DECIMALS) + 0.0
    return hashlib.sha256(f"{geometry.geom_type}{rounded.tolist()}".encode()).hexdigest()[:16]


class RegionEditor:
    """The regions of one collection while one visitor works on them.

    Parameters
    ----------
    collection:
        The regions at the beginning.
    identify:
        Gives a new identity at every call.
    """

    def __init__(
        self, collection: RegionCollection, identify: Callable[[], str] = lambda: uuid.uuid4().hex[:12]
    ) -> None:
        self._identify = identify
        self.session = identify()
        self._collection = replace(collection, regions=())
        self._shapes: tuple[Shape, ...] = tuple(Shape(identify(), region) for region in collection)
        self._known = {shape.uid for shape in self._shapes}
        self._number = 0
        self._undo: list[tuple[Shape, ...]] = []
        self._redo: list[tuple[Shape, ...]] = []

    @property
    def revision(self) -> str:
        """Names the present state."""
        return f"{self.session}-{self._number}"

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions in the order in which they were drawn."""
        return tuple(shape.region for shape in self._shapes)

    @property
    def collection(self) -> RegionCollection:
        """The regions as a collection, to be saved."""
        return replace(self._collection, regions=self.regions)

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier state."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether a state was undone."""
        return bool(self._redo)

    def undo(self) -> None:
        """Back to the state before the last change."""
        if self._undo:
            self._redo.append(self._shapes)
            self._show(self._undo.pop())

    def redo(self) -> None:
        """Forward to the state that was undone last."""
        if self._redo:
            self._undo.append(self._shapes)
            self._show(self._redo.pop())

    def _show(self, shapes: tuple[Shape, ...]) -> None:
        self._shapes = shapes
        self._known |= {shape.uid for shape in shapes}
        self._number += 1

    def _change(self, shapes: Sequence[Shape]) -> bool:
        if tuple(shapes) == self._shapes:
            return False
        self._undo = [*self._undo[1 - MAXIMUM_UNDO :], self._shapes]
        self._redo.clear()
        self._show(tuple(shapes))
        return True

    def _used_names(self) -> list[str]:
        return [shape.region.name for shape in self._shapes]

    def receive(self, answer: Sequence[Mapping[str, Any]] | None) -> list[Problem] | None:
        """Take in what the map holds.

        Parameters
        ----------
        answer:
            GeoJSON features as the map gives them, the first naming the revision; None before the map has
            said anything.

        Returns
        -------
        list of Problem, or None
            Repairs that were made, when something changed; None when nothing did, or when the answer is
            about a state that is no more.
        """
        if not answer or (answer[0].get("properties") or {}).get("revision") != self.revision:
            return None
        found = {str((feature.get("properties") or {}).get("uid", "")): feature for feature in answer[1:]}
        problems: list[Problem] = []
        kept: list[Shape] = []
        for known in self._shapes:
            feature = found.pop(known.uid, None)
            if feature is None:
                # The map cannot edit regions of several parts, so their absence there means nothing.
                if isinstance(known.region.geometry, MultiPolygon):
                    kept.append(known)
                continue
            kept.append(self._edited(known, feature, problems))
        names = [shape.region.name for shape in kept]
        for uid, feature in found.items():
            region = self._drawn(feature, names, problems)
            if region is not None:
                kept.append(Shape(uid or self._identify(), region))
                names.append(region.name)
        return problems if self._change(kept) else None

    def _edited(self, known: Shape, feature: Mapping[str, Any], problems: list[Problem]) -> Shape:
        geometry = _polygon(feature)
        if geometry is None or _fingerprint(geometry) == _fingerprint(known.region.geometry):
            return known
        region, repairs = repaired(replace(known.region, geometry=geometry))
        problems += repairs
        return Shape(known.uid, region)

    def _drawn(
        self, feature: Mapping[str, Any], names: Sequence[str], problems: list[Problem]
    ) -> Region | None:
        geometry = _polygon(feature)
        if geometry is None:
            return None
        said = (feature.get("properties") or {}).get("role")
        role: Role = next((role for role in ROLES if role == said), "train")
        # Named only after it was moved back from another copy of the world.
        region, _ = repaired(Region(NO_CITY, role, geometry))
        middle = region.geometry.centroid
        name = unused_name(name_near(middle.x, middle.y), names)
        region, repairs = repaired(Region(name, role, geometry))
        problems += repairs
        return region

    def add(self, regions: Iterable[Region]) -> int:
        """Add regions, renamed where a name is taken; gives how many."""
        names, added = self._used_names(), []
        for region in regions:
            name = unused_name(region.name, names)
            names.append(name)
            added.append(Shape(self._identify(), replace(region, name=name)))
        self._change([*self._shapes, *added])
        return len(added)

    def revise(self, index: int, *, name: str | None = None, role: Role | None = None) -> None:
        """Give the region at ``index`` another name or role.

        Raises
        ------
        RegionError
            When the name cannot be used or is taken.
        """
        known = self._shapes[index]
        new_name = known.region.name if name is None else name
        others = [shape.region.name.lower() for shape in self._shapes if shape is not known]
        if new_name.lower() in others:
            raise RegionError(f"There is already a region named {new_name}.", "Choose another name.")
        region = replace(known.region, name=new_name, role=role or known.region.role)
        self._change([Shape(known.uid, region) if shape is known else shape for shape in self._shapes])

    def delete(self, indices: Iterable[int]) -> None:
        """Remove the regions at ``indices``."""
        doomed = set(indices)
        self._change([shape for index, shape in enumerate(self._shapes) if index not in doomed])

    def replace_from_disk(self, collection: RegionCollection) -> None:
        """Show what another program has saved; one undo brings the earlier state back."""
        uids = {shape.region.name: shape.uid for shape in self._shapes}
        self._collection = replace(collection, regions=())
        self._change([Shape(uids.get(region.name) or self._identify(), region) for region in collection])

    def drawn(self, problems: Sequence[Problem], new_role: Role) -> DrawnRegions:
        """The regions as the map shall hold them; ``problems`` mark those that cannot be used."""
        wrong = {problem.region: problem.message for problem in problems if problem.severity == "error"}
        features = [
            {
                "type": "Feature",
                "geometry": json.loads(json.dumps(mapping(shape.region.geometry))),
                "properties": {
                    "uid": shape.uid,
                    "shape": _fingerprint(shape.region.geometry),
                    "name": shape.region.name,
                    "role": shape.region.role,
                    "area": _area(shape.region),
                    "problem": wrong.get(shape.region.name, ""),
                },
            }
            for shape in self._shapes
        ]
        gone = sorted(self._known - {shape.uid for shape in self._shapes})
        return DrawnRegions(self.session, self.revision, features, gone, new_role)


def _area(region: Region) -> str:
    return area_words(region.area_km2)


def _polygon(feature: Mapping[str, Any]) -> Polygon | MultiPolygon | None:
    """The polygon of a feature, or None when it has none that can be used."""
    try:
        geometry = shape(feature["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError):
        return None
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        return None
    try:
        return polygons_of(geometry)
    except (NightlightsError, shapely.errors.ShapelyError):
        return None
