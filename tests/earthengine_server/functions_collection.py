"""Collections and elements: filtering, mapping, linking, joining, properties."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .algorithms import ExpressionError
from .functions_filter import Filter
from .functions_image import add_bands, select
from .functions_reducer import footprint
from .registry import UnsupportedFunctionError, function
from .values import Band, Collection, EarthImage, Feature, Geometry, Grid, Pixels

# The arguments keep the names that Earth Engine gives them.
# ruff: noqa: N803


@function("Collection")
def collection(features: Sequence[Any]) -> Collection:
    known = Feature | EarthImage | Collection
    return Collection.of([item if isinstance(item, known) else Feature(item) for item in features])


@function("ImageCollection.fromImages")
def from_images(images: Sequence[EarthImage]) -> Collection:
    return Collection.of(
        [
            image.with_properties({"system:index": str(number), **image.properties})
            for number, image in enumerate(images)
        ],
        images=True,
    )


@function("Collection.filter")
def filtered(collection: Collection, filter: Any) -> Collection:
    if not isinstance(filter, Filter):
        raise ExpressionError("Collection.filter: the filter is not a Filter.")
    return collection.kept(filter.keeps, filter.bounds)


@function("Collection.map")
def mapped(
    collection: Collection, baseAlgorithm: Callable[[Any], Any], dropNulls: bool = False
) -> Collection:
    def change(element: Any) -> Any:
        result = baseAlgorithm(element)
        if result is None and dropNulls:
            return None
        if not isinstance(result, EarthImage | Feature):
            raise ExpressionError(
                "Collection.map: A mapped algorithm must return a Feature or Image, "
                f"not {type(result).__name__}."
            )
        return result

    return collection.mapped(change)


@function("Collection.merge", "ImageCollection.merge")
def merge(collection1: Collection, collection2: Collection) -> Collection:
    def prefixed(number: int) -> Callable[[Any], Any]:
        return lambda element: element.with_properties(
            {**element.properties, "system:index": f"{number}_{element.get('system:index')}"}
        )

    first, second = collection1.mapped(prefixed(1)), collection2.mapped(prefixed(2))

    def members(bounds: Any) -> list[Any]:
        parts = (first, second)
        return [e for part in parts for e in (part.all() if bounds is None else part.near(bounds))]

    def samples() -> Any:
        yield from first.samples()
        yield from second.samples()

    coarsest = max(collection1.coarsest_degrees, collection2.coarsest_degrees)
    return Collection(members, samples, images=collection1.images, coarsest_degrees=coarsest)


@function("Collection.size")
def size(collection: Collection) -> int:
    return len(collection.all())


@function("Collection.first")
def first(collection: Collection) -> Any:
    elements = collection.all()
    return elements[0] if elements else None


@function("Collection.toList")
def to_list(collection: Collection, count: int, offset: int = 0) -> list[Any]:
    return collection.all()[int(offset) : int(offset) + int(count)]


@function("Collection.limit")
def limit(collection: Collection, limit: int, key: str | None = None, ascending: bool = True) -> Collection:
    ordered = collection.all()
    if key is not None:
        ordered = sorted(ordered, key=lambda element: element.get(key), reverse=not ascending)
    return Collection.of(ordered[: int(limit)], images=collection.images)


@function("Collection.geometry")
def geometry(collection: Collection, maxError: Any = None) -> Geometry:
    return footprint(collection)


@function("Collection.flatten")
def flatten(collection: Collection) -> Collection:
    inner = collection.all()
    if not all(isinstance(part, Collection) for part in inner):
        raise ExpressionError("Collection.flatten: the elements are not collections.")
    # The parts are numbered, as Earth Engine numbers them, so that no two elements have one index.
    return Collection.of(
        [
            element.with_properties(
                {**element.properties, "system:index": f"{number}_{element.get('system:index')}"}
            )
            for number, part in enumerate(inner)
            for element in part.all()
        ]
    )


@function("AggregateFeatureCollection.array")
def aggregate_array(collection: Collection, property: str) -> list[Any]:
    return [value for element in collection.all() if (value := element.get(property)) is not None]


@function("AggregateFeatureCollection.count")
def aggregate_count(collection: Collection, property: str) -> int:
    return len(aggregate_array(collection, property))


@function("AggregateFeatureCollection.min")
def aggregate_min(collection: Collection, property: str) -> Any:
    return min(aggregate_array(collection, property), default=None)


@function("AggregateFeatureCollection.max")
def aggregate_max(collection: Collection, property: str) -> Any:
    return max(aggregate_array(collection, property), default=None)


@function("Element.get")
def get(object: Any, property: str) -> Any:
    return object.get(property)


@function("Element.set")
def set_property(object: Any, key: str, value: Any = None) -> Any:
    return object.with_properties({**object.properties, key: value})


@function("Element.setMulti")
def set_properties(object: Any, properties: Mapping[str, Any]) -> Any:
    return object.with_properties({**object.properties, **properties})


@function("Element.copyProperties")
def copy_properties(
    destination: Any,
    source: Any,
    properties: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
) -> Any:
    taken = {
        key: value
        for key, value in source.properties.items()
        if (not key.startswith("system:") if properties is None else key in properties)
        and key not in (exclude or ())
    }
    return destination.with_properties({**destination.properties, **taken})


@function("Element.propertyNames")
def property_names(element: Any) -> list[str]:
    return sorted(element.properties)


@function("Element.toDictionary")
def to_dictionary(element: Any, properties: Sequence[str] | None = None) -> dict[str, Any]:
    return {
        key: value
        for key, value in element.properties.items()
        if (properties is None and not key.startswith("system:")) or key in (properties or ())
    }


@function("Feature")
def feature(
    geometry: Geometry | None = None,
    metadata: Mapping[str, Any] | None = None,
    geometryKey: str | None = None,
) -> Feature:
    return Feature(geometry, dict(metadata or {}))


@function("Feature.geometry", "Image.geometry")
def geometry_of(feature: Any, maxError: Any = None, proj: Any = None, geodesics: Any = None) -> Geometry:
    if feature.geometry is None:
        raise ExpressionError("The element has no geometry.")
    return feature.geometry


def _empty_like(bands: Sequence[Band]) -> list[Band]:
    """Bands that are valid nowhere."""

    def nothing(grid: Grid) -> Pixels:
        shape = grid.height, grid.width
        return np.zeros(shape), np.zeros(shape, bool)

    return [band.like(nothing) for band in bands]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@function("Image.linkCollection")
def link_collection(
    input: EarthImage,
    imageCollection: Collection,
    linkedBands: Any = None,
    linkedProperties: Any = None,
    matchPropertyName: str = "system:index",
) -> EarthImage:
    """The first image of the same property gives bands and properties; without one, empty bands."""
    if input.geometry is None:
        candidates = imageCollection.all()
    else:
        candidates = imageCollection.near(input.geometry.shape.bounds)
    key = input.get(matchPropertyName)
    match = next((image for image in candidates if image.get(matchPropertyName) == key), None)
    linked = input
    if linkedBands is not None:
        if match is None:
            example = next(imageCollection.samples(), None)
            if example is None:
                raise ExpressionError("Image.linkCollection: the collection is empty.")
            chosen = select(example, _list(linkedBands))
            chosen = chosen.with_bands(_empty_like(chosen.bands))
        else:
            chosen = select(match, _list(linkedBands))
        linked = add_bands(linked, chosen)
    if linkedProperties is not None and match is not None:
        taken = {name: match.get(name) for name in _list(linkedProperties)}
        linked = linked.with_properties({**linked.properties, **taken})
    return linked


@function("ImageCollection.combine")
def combine(primary: Collection, secondary: Collection, overwrite: bool = False) -> Collection:
    def with_partner(image: EarthImage) -> EarthImage | None:
        assert image.geometry is not None
        key = image.get("system:index")
        for other in secondary.near(image.geometry.shape.bounds):
            if other.get("system:index") == key:
                return add_bands(image, other, None, overwrite)
        return None

    return primary.mapped(with_partner)


@function("Join.inner")
def inner(primaryKey: str = "primary", secondaryKey: str = "secondary", measureKey: Any = None) -> Any:
    return "inner", primaryKey, secondaryKey


@function("Join.saveFirst")
def save_first(
    matchKey: str,
    ordering: str | None = None,
    ascending: bool = True,
    measureKey: Any = None,
    outer: bool = False,
) -> Any:
    if ordering is not None or measureKey is not None:
        raise UnsupportedFunctionError("Join.saveFirst", " with ordering or measureKey")
    return "outer" if outer else "first", matchKey, None


@function("Join.simple")
def simple() -> Any:
    return "simple", None, None


@function("Join.apply")
def join(join: Any, primary: Collection, secondary: Collection, condition: Filter) -> Collection:
    kind, first_key, second_key = join

    def partners(element: Any) -> list[Any]:
        near = secondary.all() if element.geometry is None else secondary.near(element.geometry.shape.bounds)
        return [other for other in near if condition.matches(element, other)]

    if kind == "inner":

        def members(bounds: Any) -> list[Any]:
            return [
                Feature(element.geometry, {first_key: element, second_key: other})
                for element in (primary.all() if bounds is None else primary.near(bounds))
                for other in partners(element)
            ]

        def samples() -> Any:
            for element in primary.samples():
                for other in partners(element):
                    yield Feature(element.geometry, {first_key: element, second_key: other})

        return Collection(members, samples, images=False)

    def saved(element: Any) -> Any:
        found = partners(element)
        if not found and kind != "outer":
            return None
        if kind == "simple":
            return element
        return element.with_properties({**element.properties, first_key: found[0] if found else None})

    return primary.mapped(saved)
