"""Images: bands, arithmetic, types, masks."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from .algorithms import ExpressionError
from .registry import UnsupportedFunctionError, function
from .values import GEOGRAPHIC, Band, Collection, EarthImage, Feature, Geometry, Grid, Pixels

# The arguments keep the names that Earth Engine gives them.
# ruff: noqa: N803


@function("Image.constant")
def constant(value: Any) -> EarthImage:
    """An image without edge, one band for each number."""
    values = value if isinstance(value, list) else [value]
    names = ["constant"] if len(values) == 1 else [f"constant_{index}" for index in range(len(values))]
    return EarthImage(tuple(_constant(name, number) for name, number in zip(names, values, strict=True)))


def _constant(name: str, number: Any) -> Band:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ExpressionError(f"Image.constant: {number!r} is not a number.")
    dtype = np.dtype(np.float64)
    if float(number).is_integer():
        dtype = np.result_type(np.min_scalar_type(int(number)), np.uint8)

    def compute(grid: Grid) -> Pixels:
        shape = grid.height, grid.width
        return np.full(shape, number, dtype), np.ones(shape, bool)

    return Band(name, dtype, compute)


def selected(image: EarthImage, selectors: Sequence[Any]) -> list[Band]:
    """Bands by name, by regular expression or by number."""
    found: list[Band] = []
    for selector in selectors:
        if isinstance(selector, int | float):
            if not 0 <= int(selector) < len(image.bands):
                raise ExpressionError(f"Image.select: there is no band number {int(selector)}.")
            found.append(image.bands[int(selector)])
            continue
        matching = [band for band in image.bands if band.name == selector] or [
            band for band in image.bands if re.fullmatch(selector, band.name)
        ]
        if not matching:
            raise ExpressionError(
                f"Image.select: Band pattern '{selector}' did not match any bands. "
                f"Available bands: {image.names}"
            )
        found.extend(matching)
    return found


@function("Image.select")
def select(
    input: EarthImage, bandSelectors: Sequence[Any], newNames: Sequence[str] | None = None
) -> EarthImage:
    selectors = bandSelectors if isinstance(bandSelectors, list) else [bandSelectors]
    bands = selected(input, selectors)
    if newNames is not None:
        bands = _renamed(bands, newNames, "Image.select")
    return input.with_bands(distinct(bands))


@function("Image.rename")
def rename(input: EarthImage, names: Sequence[str]) -> EarthImage:
    return input.with_bands(distinct(_renamed(input.bands, names, "Image.rename")))


def _renamed(bands: Sequence[Band], names: Sequence[str], what: str) -> list[Band]:
    if len(names) != len(bands):
        counts = f"The number of names ({len(names)}) must match the number of bands ({len(bands)})"
        raise ExpressionError(f"{what}: {counts}.")
    return [band.renamed(name) for band, name in zip(bands, names, strict=True)]


def distinct(bands: Sequence[Band]) -> list[Band]:
    """Bands whose names are taken get a number, as Earth Engine gives them."""
    taken: list[str] = []
    kept = []
    for band in bands:
        name, count = band.name, 0
        while name in taken:
            count += 1
            name = f"{band.name}_{count}"
        taken.append(name)
        kept.append(band if name == band.name else band.renamed(name))
    return kept


@function("Image.addBands")
def add_bands(
    dstImg: EarthImage, srcImg: EarthImage, names: Sequence[str] | None = None, overwrite: bool = False
) -> EarthImage:
    added = list(srcImg.bands) if names is None else selected(srcImg, names)
    if overwrite:
        by_name = {band.name: band for band in added}
        kept = [by_name.pop(band.name, band) for band in dstImg.bands]
        return dstImg.with_bands([*kept, *by_name.values()])
    return dstImg.with_bands(distinct([*dstImg.bands, *added]))


@function("Image.bandNames")
def band_names(image: EarthImage) -> list[str]:
    return image.names


def pairs(first: EarthImage, second: EarthImage, what: str) -> list[tuple[Band, Band, str]]:
    """Which band meets which, and the name of the result."""
    if len(first.bands) == len(second.bands):
        if set(first.names) == set(second.names):
            return [(band, second.band(band.name), band.name) for band in first.bands]
        return [(one, two, one.name) for one, two in zip(first.bands, second.bands, strict=True)]
    if len(second.bands) == 1:
        return [(band, second.bands[0], band.name) for band in first.bands]
    if len(first.bands) == 1:
        return [(first.bands[0], band, band.name) for band in second.bands]
    raise ExpressionError(
        f"{what}: Images must contain either 1 or the same number of bands: "
        f"{len(first.bands)} and {len(second.bands)}."
    )


Binary = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
_BITWISE: Mapping[str, Binary] = {
    "bitwiseAnd": np.bitwise_and,
    "bitwise_and": np.bitwise_and,
    "bitwiseOr": np.bitwise_or,
    "bitwise_or": np.bitwise_or,
    "bitwiseXor": np.bitwise_xor,
    "leftShift": np.left_shift,
    "rightShift": np.right_shift,
}
_ARITHMETIC: Mapping[str, Binary] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "mod": np.mod,
    "max": np.maximum,
    "min": np.minimum,
}
_FLOATING: Mapping[str, Binary] = {
    "divide": lambda one, two: np.divide(one, two, out=np.zeros_like(one), where=two != 0),
    "pow": np.power,
    "atan2": np.arctan2,
    "hypot": np.hypot,
}
_LOGIC: Mapping[str, Binary] = {
    "eq": np.equal,
    "neq": np.not_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
    "lt": np.less,
    "lte": np.less_equal,
    "and": lambda one, two: (one != 0) & (two != 0),
    "or": lambda one, two: (one != 0) | (two != 0),
}


def _binary(name: str, compute: Binary, kind: str) -> Callable[..., EarthImage]:
    def call(image1: EarthImage, image2: EarthImage) -> EarthImage:
        return image1.with_bands(
            [_combined(name, compute, kind, *pair) for pair in pairs(image1, image2, f"Image.{name}")]
        )

    return call


def _combined(name: str, compute: Binary, kind: str, one: Band, two: Band, label: str) -> Band:
    work = np.result_type(one.dtype, two.dtype)
    if kind == "bitwise" and work.kind == "f":
        raise ExpressionError(f"Image.{name}: bits of numbers that are not whole.")
    if kind == "floating":
        work = np.dtype(np.float64)
    elif kind == "arithmetic" and work.kind in "iu":
        work = np.dtype(np.int64)

    def pull(grid: Grid) -> Pixels:
        (first, first_mask), (second, second_mask) = one.pull(grid), two.pull(grid)
        with np.errstate(all="ignore"):
            values = compute(first.astype(work, copy=False), second.astype(work, copy=False))
        return values, first_mask & second_mask

    # A constant has no pixels of its own; the result has those of the other image.
    base = two if _unbounded(one) and not _unbounded(two) else one
    return base.like(pull, name=label, dtype=np.uint8 if kind == "logic" else work)


def _unbounded(band: Band) -> bool:
    return band.projection.transform[0] == 1.0 and not band.composite


for _kind, _table in (
    ("bitwise", _BITWISE),
    ("arithmetic", _ARITHMETIC),
    ("floating", _FLOATING),
    ("logic", _LOGIC),
):
    for _name, _compute in _table.items():
        function(f"Image.{_name}")(_binary(_name, _compute, _kind))


def changed(image: EarthImage, change: Callable[[NDArray[Any]], Any], dtype: Any = None) -> EarthImage:
    """Every band's values changed, their validity kept."""

    def of(band: Band) -> Band:
        def pull(grid: Grid) -> Pixels:
            values, mask = band.pull(grid)
            with np.errstate(all="ignore"):
                return change(values), mask

        return band.like(pull, dtype=dtype)

    return image.with_bands([of(band) for band in image.bands])


def _unary(change: Callable[[NDArray[Any]], Any], dtype: Any = None) -> Callable[..., EarthImage]:
    def call(value: EarthImage) -> EarthImage:
        return changed(value, change, dtype)

    return call


def _cast(dtype: Any) -> Callable[..., EarthImage]:
    def convert(values: NDArray[Any]) -> NDArray[Any]:
        if np.dtype(dtype).kind in "iu":
            limits = np.iinfo(dtype)
            return np.clip(np.trunc(values), limits.min, limits.max)
        return values

    return _unary(convert, dtype)


for _name, _dtype in {
    "float": np.float32,
    "toFloat": np.float32,
    "double": np.float64,
    "toDouble": np.float64,
    "byte": np.uint8,
    "toByte": np.uint8,
    "uint8": np.uint8,
    "toUint8": np.uint8,
    "short": np.int16,
    "toShort": np.int16,
    "int16": np.int16,
    "toInt16": np.int16,
    "uint16": np.uint16,
    "toUint16": np.uint16,
    "int": np.int32,
    "toInt": np.int32,
    "int32": np.int32,
    "toInt32": np.int32,
}.items():
    function(f"Image.{_name}")(_cast(_dtype))

for _name, _change, _result in (
    ("abs", np.abs, None),
    ("not", lambda values: values == 0, np.uint8),
    ("round", lambda values: np.floor(values + 0.5), np.int64),
    ("floor", np.floor, np.int64),
    ("ceil", np.ceil, np.int64),
    ("sqrt", np.sqrt, np.float64),
    ("exp", np.exp, np.float64),
    ("log", np.log, np.float64),
    ("log10", np.log10, np.float64),
    ("sin", np.sin, np.float64),
    ("cos", np.cos, np.float64),
):
    function(f"Image.{_name}")(_unary(_change, _result))


@function("Image.clamp")
def clamp(input: EarthImage, low: float, high: float) -> EarthImage:
    return changed(input, lambda values: np.clip(values, low, high), np.float64)


@function("Image.unitScale")
def unit_scale(input: EarthImage, low: float, high: float) -> EarthImage:
    return changed(input, lambda values: (values - low) / (high - low), np.float64)


@function("Image.updateMask")
def update_mask(image: EarthImage, mask: EarthImage) -> EarthImage:
    def of(band: Band, other: Band) -> Band:
        def pull(grid: Grid) -> Pixels:
            (values, valid), (keep, known) = band.pull(grid), other.pull(grid)
            return values, valid & known & (keep != 0)

        return band.like(pull)

    if len(mask.bands) not in (1, len(image.bands)):
        raise ExpressionError(
            f"Image.updateMask: the mask has {len(mask.bands)} bands for {len(image.bands)} bands."
        )
    masks = mask.bands * len(image.bands) if len(mask.bands) == 1 else mask.bands
    return image.with_bands([of(band, other) for band, other in zip(image.bands, masks, strict=True)])


@function("Image.selfMask")
def self_mask(image: EarthImage) -> EarthImage:
    return update_mask(image, image)


@function("Image.mask")
def mask_of(image: EarthImage, mask: EarthImage | None = None) -> EarthImage:
    if mask is not None:
        raise UnsupportedFunctionError("Image.mask", " with a mask (use updateMask)")

    def of(band: Band) -> Band:
        def pull(grid: Grid) -> Pixels:
            valid = band.pull(grid)[1]
            return valid.astype(np.uint8), np.ones_like(valid)

        return band.like(pull, dtype=np.uint8)

    return image.with_bands([of(band) for band in image.bands])


@function("Image.unmask")
def unmask(input: EarthImage, value: EarthImage | None = None, sameFootprint: bool = True) -> EarthImage:
    filling = value or constant(0)

    def of(band: Band, other: Band) -> Band:
        dtype = np.result_type(band.dtype, other.dtype)

        def pull(grid: Grid) -> Pixels:
            (values, valid), (fill, filled) = band.pull(grid), other.pull(grid)
            if sameFootprint and input.covers is not None:
                filled = filled & input.covers(grid)
            return np.where(valid, values.astype(dtype), fill), valid | filled

        return band.like(pull, dtype=dtype)

    if len(filling.bands) not in (1, len(input.bands)):
        raise ExpressionError("Image.unmask: the value needs one band, or as many as the image.")
    fillings = filling.bands * len(input.bands) if len(filling.bands) == 1 else filling.bands
    bands = [of(band, other) for band, other in zip(input.bands, fillings, strict=True)]
    image = input.with_bands(bands)
    return image if sameFootprint else EarthImage(image.bands, image.properties)


@function("Image.where")
def where(input: EarthImage, test: EarthImage, value: EarthImage) -> EarthImage:
    def of(band: Band, check: Band, other: Band) -> Band:
        dtype = np.result_type(band.dtype, other.dtype)

        def pull(grid: Grid) -> Pixels:
            (values, valid), (new, known) = band.pull(grid), other.pull(grid)
            truth, tested = check.pull(grid)
            replaced = tested & known & (truth != 0)
            return np.where(replaced, new, values.astype(dtype)), valid

        return band.like(pull, dtype=dtype)

    count = len(input.bands)
    tests = test.bands * count if len(test.bands) == 1 else test.bands
    news = value.bands * count if len(value.bands) == 1 else value.bands
    return input.with_bands([of(*parts) for parts in zip(input.bands, tests, news, strict=True)])


@function("Image.clip", "Image.clipToCollection")
def clip(input: EarthImage, geometry: Any = None, collection: Collection | None = None) -> EarthImage:
    shape = shape_of(geometry if collection is None else collection)

    def inside(grid: Grid) -> NDArray[np.bool_]:
        x, y = np.broadcast_arrays(*grid.centres(GEOGRAPHIC))
        return np.asarray(shapely.contains_xy(shape, x, y))

    def of(band: Band) -> Band:
        def pull(grid: Grid) -> Pixels:
            values, valid = band.pull(grid)
            return values, valid & inside(grid)

        return band.like(pull)

    bands = tuple(of(band) for band in input.bands)
    return EarthImage(bands, input.properties, Geometry(shape), inside)


def shape_of(place: Any) -> shapely.Geometry:
    """The shape, in degrees, of a geometry, a feature, an image or a collection of them."""
    if isinstance(place, Geometry):
        return place.shape
    if isinstance(place, Feature | EarthImage):
        if place.geometry is None:
            raise ExpressionError("A geometry is needed, and this element has none.")
        return place.geometry.shape
    if isinstance(place, Collection):
        return shapely.union_all([shape_of(element) for element in place.all()])
    raise ExpressionError(f"A geometry is needed, not {type(place).__name__}.")
