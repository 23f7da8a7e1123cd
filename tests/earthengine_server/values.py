"""What an expression evaluates to: grids, images that are computed when pulled, features, collections."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray

from .algorithms import ExpressionError

Transform = tuple[float, float, float, float, float, float]
Bounds = tuple[float, float, float, float]
Pixels = tuple[NDArray[Any], NDArray[np.bool_]]
"""Values, and where they are valid, both of shape (height, width). Values that are not valid are 0."""

GEOGRAPHIC = "EPSG:4326"
BLOCK = 128
"""Side, in pixels, of the parts in which large grids are computed, so that memory stays bounded."""


@functools.lru_cache(maxsize=64)
def transformer(source: str, target: str) -> pyproj.Transformer:
    """Coordinates of ``source`` to those of ``target``, longitude or easting first."""
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def project(geometry: shapely.Geometry, source: str, target: str) -> shapely.Geometry:
    """``geometry`` in the coordinates of ``target``."""
    if source == target:
        return geometry
    return shapely.transform(geometry, transformer(source, target).transform, interleaved=False)


@dataclass(frozen=True, slots=True)
class Projection:
    """A reference system and the affine transform of its pixels, (a, b, c, d, e, f) as affine has them."""

    crs: str
    transform: Transform = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

    def grid(self, column: int, row: int, width: int, height: int) -> Grid:
        """The grid of ``width`` x ``height`` pixels whose first one is at ``column``, ``row``."""
        moved = Affine(*self.transform) @ Affine.translation(column, row)
        return Grid(self.crs, _six(moved), width, height)


COMPOSITE = Projection(GEOGRAPHIC, (1.0, 0.0, -180.0, 0.0, -1.0, 90.0))
"""The default projection of what a reducer makes of a collection: one degree a pixel."""


def _six(transform: Affine) -> Transform:
    return transform.a, transform.b, transform.c, transform.d, transform.e, transform.f


@dataclass(frozen=True, slots=True)
class Grid:
    """Pixels on which an image is asked for.

    Attributes
    ----------
    crs, transform:
        Reference system and affine transform (a, b, c, d, e, f): corners of pixels to coordinates.
    width, height:
        Pixels.
    """

    crs: str
    transform: Transform
    width: int
    height: int

    @property
    def projection(self) -> Projection:
        """Reference system and transform alone."""
        return Projection(self.crs, self.transform)

    @property
    def straight(self) -> bool:
        """Whether rows and columns run along the axes of the reference system."""
        return self.transform[1] == 0 and self.transform[3] == 0

    def part(self, column: int, row: int, width: int, height: int) -> Grid:
        """Some pixels of this grid (or around it)."""
        return self.projection.grid(column, row, width, height)

    def blocks(self, side: int = BLOCK) -> Iterator[tuple[slice, slice, Grid]]:
        """Rows, columns and grids of parts of at most ``side`` x ``side`` pixels that cover this one."""
        for row in range(0, self.height, side):
            for column in range(0, self.width, side):
                height, width = min(side, self.height - row), min(side, self.width - column)
                rows, columns = slice(row, row + height), slice(column, column + width)
                yield rows, columns, self.part(column, row, width, height)

    def centres(self, crs: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates of the pixels' centres in ``crs``; both of a shape that broadcasts to this grid's."""
        columns, rows = np.arange(self.width) + 0.5, np.arange(self.height) + 0.5
        a, b, c, d, e, f = self.transform
        if self.straight and crs == self.crs:
            return (a * columns + c)[None, :], (e * rows + f)[:, None]
        x = a * columns[None, :] + b * rows[:, None] + c
        y = d * columns[None, :] + e * rows[:, None] + f
        if crs == self.crs:
            return x, y
        across, down = transformer(self.crs, crs).transform(x, y)
        return np.asarray(across), np.asarray(down)

    def bounds(self) -> Bounds:
        """(west, south, east, north) in degrees, with a pixel more on each side."""
        outer = self.part(-1, -1, self.width + 2, self.height + 2)
        edge = np.linspace(0, 1, 9)
        columns = np.concatenate([edge, edge, np.zeros(9), np.ones(9)]) * outer.width
        rows = np.concatenate([np.zeros(9), np.ones(9), edge, edge]) * outer.height
        a, b, c, d, e, f = outer.transform
        x, y = a * columns + b * rows + c, d * columns + e * rows + f
        if outer.crs != GEOGRAPHIC:
            x, y = transformer(outer.crs, GEOGRAPHIC).transform(x, y)
        return float(np.min(x)), float(np.min(y)), float(np.max(x)), float(np.max(y))

    def degrees_per_pixel(self) -> float:
        """Rough size of a pixel in degrees."""
        west, south, east, north = self.bounds()
        return max((east - west) / (self.width + 2), (north - south) / (self.height + 2))


class Band:
    """One band: a name, a type, a default projection, and values that are computed when pulled.

    Parameters
    ----------
    composite:
        Whether the band comes from a reducer over a collection, and so has no pixels of its own.
    """

    def __init__(
        self,
        name: str,
        dtype: np.dtype[Any] | type,
        compute: Callable[[Grid], Pixels],
        projection: Projection = COMPOSITE,
        composite: bool = False,
    ) -> None:
        self.name = name
        self.dtype = np.dtype(dtype)
        self.projection = projection
        self.composite = composite
        self._compute = compute
        self._last: tuple[Grid, Pixels] | None = None

    def pull(self, grid: Grid) -> Pixels:
        """Values and their validity on ``grid``."""
        last = self._last
        if last is None or last[0] != grid:
            values, mask = self._compute(grid)
            shape = grid.height, grid.width
            mask = np.broadcast_to(mask, shape)
            values = np.where(mask, values, 0).astype(self.dtype, copy=False)
            last = self._last = grid, (values, mask)
        return last[1]

    def renamed(self, name: str) -> Band:
        """The same band by another name."""
        return self.like(self.pull, name=name)

    def like(
        self,
        compute: Callable[[Grid], Pixels],
        *,
        name: str | None = None,
        dtype: np.dtype[Any] | type | None = None,
        projection: Projection | None = None,
        composite: bool | None = None,
    ) -> Band:
        """A band made of this one: what is not given stays."""
        return Band(
            self.name if name is None else name,
            self.dtype if dtype is None else dtype,
            compute,
            self.projection if projection is None else projection,
            self.composite if composite is None else composite,
        )


class ArrayBand(Band):
    """A band each of whose pixels holds an array: its surroundings."""

    def __init__(self, band: Band, kernel: Kernel, default: float) -> None:
        def refuse(grid: Grid) -> Pixels:
            raise ExpressionError("An array image has no pixels to send: sample it.")

        super().__init__(band.name, band.dtype, refuse, band.projection, band.composite)
        self._band, self._kernel, self._default = band, kernel, default

    def array_at(self, pixel: Grid) -> NDArray[Any]:
        """The array of one pixel, shape (height, width) of the kernel."""
        kernel = self._kernel
        around = pixel.part(-kernel.focus_column, -kernel.focus_row, kernel.width, kernel.height)
        values = np.empty((kernel.height, kernel.width), self.dtype)
        for rows, columns, part in around.blocks():
            pulled, mask = self._band.pull(part)
            values[rows, columns] = np.where(mask, pulled, self._default)
        return values

    def renamed(self, name: str) -> Band:
        """The same arrays by another name."""
        return ArrayBand(self._band.renamed(name), self._kernel, self._default)


@dataclass(frozen=True, slots=True)
class Kernel:
    """Which pixels around one: a rectangle and the place of the pixel in it; with weights, if not all 1."""

    width: int
    height: int
    focus_column: int
    focus_row: int
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Geometry:
    """A shape, kept in degrees; ``source`` is it in its own pixels or coordinates, where it has some."""

    shape: shapely.Geometry
    source: tuple[shapely.Geometry, Projection] | None = None
    geodesic: bool = True


@dataclass(frozen=True)
class Feature:
    """A geometry, or none, and properties."""

    geometry: Geometry | None
    properties: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """A property, or None."""
        return self.properties.get(name)

    def with_properties(self, properties: Mapping[str, Any]) -> Feature:
        """The same with other properties."""
        return replace(self, properties=dict(properties))


@dataclass(frozen=True)
class EarthImage:
    """Bands and properties.

    Attributes
    ----------
    bands:
        In order; names are unique.
    properties:
        With ``system:index`` and ``system:time_start`` (milliseconds since 1970) where the image has them.
    geometry:
        Its footprint; None where it has no edge.
    covers:
        Which pixels of a grid lie within the footprint; None where all do.
    grid:
        The pixels that an export asks for, once the expression says so (``clipToBoundsAndScale``).
    """

    bands: tuple[Band, ...]
    properties: Mapping[str, Any] = field(default_factory=dict)
    geometry: Geometry | None = None
    covers: Callable[[Grid], NDArray[np.bool_]] | None = None
    grid: Grid | None = None

    @property
    def names(self) -> list[str]:
        """Names of the bands."""
        return [band.name for band in self.bands]

    def get(self, name: str) -> Any:
        """A property, or None."""
        return self.properties.get(name)

    def with_bands(self, bands: Sequence[Band]) -> EarthImage:
        """The same image with other bands."""
        return replace(self, bands=tuple(bands))

    def with_properties(self, properties: Mapping[str, Any]) -> EarthImage:
        """The same image with other properties."""
        return replace(self, properties=dict(properties))

    def band(self, name: str) -> Band:
        """The band of that name."""
        for band in self.bands:
            if band.name == name:
                return band
        raise ExpressionError(f"Band '{name}' is not one of the image's bands: {self.names}.")


def render(image: EarthImage, grid: Grid) -> dict[str, Pixels]:
    """Every band of ``image`` on ``grid``, computed part by part so that memory stays bounded."""
    if not image.bands:
        raise ExpressionError("The image has no bands: the collection that it was made of is empty.")
    shape = grid.height, grid.width
    whole: dict[str, Pixels] = {
        band.name: (np.zeros(shape, band.dtype), np.zeros(shape, bool)) for band in image.bands
    }
    for rows, columns, part in grid.blocks():
        for band in image.bands:
            values, mask = band.pull(part)
            whole[band.name][0][rows, columns] = values
            whole[band.name][1][rows, columns] = mask
    return whole


class Element(Protocol):
    """An image or a feature: what a collection holds."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """Named values."""

    @property
    def geometry(self) -> Geometry | None:
        """Where it is."""

    def get(self, name: str) -> Any:
        """A property, or None."""

    def with_properties(self, properties: Mapping[str, Any]) -> Any:
        """The same with other properties."""


Members = Callable[[Bounds | None], list[Any]]


class Collection:
    """Images or features, found only when and where they are needed.

    Parameters
    ----------
    members:
        Gives the elements that may lie within bounds (in degrees), or all of them for None; may give more
        than that. Raises ExpressionError for None where there are too many.
    samples:
        Elements here and there, to know what the others are like without finding all of them.
    coarsest_degrees:
        Grids of larger pixels, in degrees, find nothing: there are no pyramids here.
    """

    def __init__(
        self,
        members: Members,
        samples: Callable[[], Iterator[Any]] | None = None,
        *,
        images: bool = True,
        coarsest_degrees: float = math.inf,
    ) -> None:
        self._members = members
        self._samples = samples
        self.images = images
        self.coarsest_degrees = coarsest_degrees

    @classmethod
    def of(cls, elements: Sequence[Any], *, images: bool | None = None) -> Collection:
        """A collection of known elements."""
        kept = list(elements)
        if images is None:
            images = bool(kept) and isinstance(kept[0], EarthImage)
        return cls(lambda bounds: kept, lambda: iter(kept), images=images)

    def near(self, bounds: Bounds) -> list[Any]:
        """Elements that may lie within ``bounds``, and perhaps more."""
        return self._members(bounds)

    def under(self, grid: Grid) -> list[Any]:
        """Elements that may have pixels on ``grid``, and perhaps more."""
        return [] if grid.degrees_per_pixel() > self.coarsest_degrees else self.near(grid.bounds())

    def all(self) -> list[Any]:
        """Every element."""
        return self._members(None)

    def samples(self) -> Iterator[Any]:
        """Elements here and there; none only where the collection is empty."""
        return iter(self.all()) if self._samples is None else self._samples()

    def mapped(self, change: Callable[[Any], Any], *, images: bool | None = None) -> Collection:
        """Each element changed, once however often it is asked for; None leaves the collection."""
        known: dict[int, tuple[Any, Any]] = {}

        def once(element: Any) -> Any:
            if id(element) not in known:
                known[id(element)] = element, change(element)
            return known[id(element)][1]

        return Collection(
            lambda bounds: [new for old in self._members(bounds) if (new := once(old)) is not None],
            lambda: (new for old in self.samples() if (new := once(old)) is not None),
            images=self.images if images is None else images,
            coarsest_degrees=self.coarsest_degrees,
        )

    def kept(self, keep: Callable[[Any], bool], bounds: Bounds | None = None) -> Collection:
        """Those elements that ``keep`` wants, all of which lie within ``bounds`` if given."""

        def members(asked: Bounds | None) -> list[Any]:
            return [element for element in self._members(meeting(asked, bounds)) if keep(element)]

        def samples() -> Iterator[Any]:
            source = self.samples() if bounds is None else self._members(bounds)
            return (element for element in source if keep(element))

        return Collection(members, samples, images=self.images, coarsest_degrees=self.coarsest_degrees)


def meeting(first: Bounds | None, second: Bounds | None) -> Bounds | None:
    """What two bounds have in common; the second where they have nothing in common."""
    if first is None or second is None:
        return second if first is None else first
    west, south = max(first[0], second[0]), max(first[1], second[1])
    east, north = min(first[2], second[2]), min(first[3], second[3])
    return (west, south, east, north) if west <= east and south <= north else second


def whole(value: Any, what: str) -> int:
    """``value`` as a whole number."""
    number = float(value)
    if not math.isfinite(number) or number != int(number):
        raise ExpressionError(f"{what} must be a whole number, not {value}.")
    return int(number)
