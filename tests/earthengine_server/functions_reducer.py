"""Reducers, and images made of collections."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from .algorithms import ExpressionError
from .functions_image import distinct
from .registry import UnsupportedFunctionError, function
from .values import Band, Collection, EarthImage, Geometry, Grid, Pixels

# The arguments keep the names that Earth Engine gives them.
# ruff: noqa: N803

Reduction = Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[Any]]
"""Values and validity, both of shape (images, ...), to values of shape (...)."""


@dataclass(frozen=True)
class Reducer:
    """What a reducer gives: by the ending of the output's name, how it is computed and of which type.

    ``needs`` says whether an output is valid only where some input is.
    """

    outputs: Mapping[str, Reduction]
    dtype: Any = np.float64
    needs: bool = True


def percentile_of(values: NDArray[Any], valid: NDArray[np.bool_], percent: float) -> NDArray[np.float64]:
    """Percentile over the first axis, between neighbours in proportion."""
    count = valid.sum(axis=0)
    ordered = np.sort(np.where(valid, values.astype(np.float64), np.inf), axis=0)
    place = np.maximum(count - 1, 0) * (percent / 100)
    lower = np.floor(place).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(count - 1, 0))
    low = np.take_along_axis(ordered, lower[None], axis=0)[0]
    high = np.take_along_axis(ordered, upper[None], axis=0)[0]
    with np.errstate(invalid="ignore"):
        mixed = low + (high - low) * (place - lower)
    return np.where(count > 0, mixed, 0.0)


def _median(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    return percentile_of(values, valid, 50.0)


def _mean(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    return np.where(valid, values, 0).sum(axis=0, dtype=np.float64) / np.maximum(valid.sum(axis=0), 1)


def _extreme(highest: bool) -> Reduction:
    def reduce(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
        filled = np.where(valid, values.astype(np.float64), -np.inf if highest else np.inf)
        result = filled.max(axis=0) if highest else filled.min(axis=0)
        return np.where(valid.any(axis=0), result, 0)

    return reduce


def _place(last: bool) -> Reduction:
    def reduce(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
        found = len(valid) - 1 - np.argmax(valid[::-1], axis=0) if last else np.argmax(valid, axis=0)
        return np.take_along_axis(values, found[None], axis=0)[0]

    return reduce


def _count(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    return valid.sum(axis=0)


def _sum(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    return np.where(valid, values, 0).sum(axis=0, dtype=np.float64)


@function("Reducer.median")
def median_reducer(
    maxBuckets: int | None = None, minBucketWidth: float | None = None, maxRaw: int | None = None
) -> Reducer:
    return Reducer({"median": _median})


@function("Reducer.percentile")
def percentile_reducer(
    percentiles: Sequence[float],
    outputNames: Sequence[str] | None = None,
    maxBuckets: int | None = None,
    minBucketWidth: float | None = None,
    maxRaw: int | None = None,
) -> Reducer:
    wanted = percentiles if isinstance(percentiles, list) else [percentiles]
    for percent in wanted:
        if not 0 <= percent <= 100:
            raise ExpressionError(f"Reducer.percentile: Percentile must be within 0 and 100, not {percent}.")
    names = outputNames or [f"p{_named(percent)}" for percent in wanted]
    return Reducer(
        {
            name: (lambda values, valid, percent=percent: percentile_of(values, valid, percent))
            for name, percent in zip(names, wanted, strict=True)
        }
    )


def _named(percent: float) -> str:
    """A percentile within a band's name: 25 for 25.0, 2_5 for 2.5."""
    return str(int(percent)) if float(percent).is_integer() else str(percent).replace(".", "_")


for _name, _reduction, _dtype in (
    ("mean", _mean, np.float64),
    ("min", _extreme(False), np.float64),
    ("max", _extreme(True), np.float64),
    ("sum", _sum, np.float64),
    ("count", _count, np.int64),
    ("firstNonNull", _place(False), np.float64),
    ("lastNonNull", _place(True), np.float64),
):
    _ending = {"firstNonNull": "first", "lastNonNull": "last"}.get(_name, _name)
    _reducer = Reducer({_ending: _reduction}, _dtype, needs=_name not in ("sum", "count"))
    function(f"Reducer.{_name}")(lambda made=_reducer, **_: made)


def reduced(collection: Collection, reducer: Reducer, *, keep_names: bool = False) -> EarthImage:
    """One image: each band over all images that have it, wherever they are valid.

    An empty collection gives an image without bands.
    """
    example = next(collection.samples(), None)
    if example is None:
        return EarthImage(())
    if not isinstance(example, EarthImage):
        raise ExpressionError("ImageCollection.reduce: the collection holds no images.")
    outputs = []
    for band in example.bands:
        for ending, reduction in reducer.outputs.items():
            name = band.name if keep_names else f"{band.name}_{ending}"
            outputs.append(_reduced_band(collection, band.name, name, reduction, reducer))

    def covers(grid: Grid) -> NDArray[np.bool_]:
        inside = np.zeros((grid.height, grid.width), bool)
        for image in collection.under(grid):
            inside |= True if image.covers is None else image.covers(grid)
        return inside

    return EarthImage(tuple(outputs), covers=covers)


def _reduced_band(
    collection: Collection, source: str, name: str, reduction: Reduction, reducer: Reducer
) -> Band:
    def compute(grid: Grid) -> Pixels:
        images = collection.under(grid)
        if not images:
            nothing = np.zeros((grid.height, grid.width))
            return nothing, nothing.astype(bool)
        pulled = [image.band(source).pull(grid) for image in images]
        values, valid = (np.stack(parts) for parts in zip(*pulled, strict=True))
        known = valid.any(axis=0)
        return reduction(values, valid), known

    return Band(name, reducer.dtype, compute, composite=True)


@function("ImageCollection.reduce")
def reduce_collection(collection: Collection, reducer: Reducer, parallelScale: float = 1.0) -> EarthImage:
    return reduced(collection, reducer)


for _name, _maker in (
    ("median", _median),
    ("mean", _mean),
    ("min", _extreme(False)),
    ("max", _extreme(True)),
    ("sum", _sum),
    ("count", _count),
):
    function(f"reduce.{_name}")(
        lambda collection, made=Reducer({_name: _maker}): reduced(collection, made, keep_names=True)
    )


@function("ImageCollection.mosaic")
def mosaic(collection: Collection) -> EarthImage:
    """The last image on top, wherever it is valid."""
    return reduced(collection, Reducer({"last": _place(True)}), keep_names=True)


@function("Image.reduce")
def reduce_bands(image: EarthImage, reducer: Reducer) -> EarthImage:
    def of(ending: str, reduction: Reduction) -> Band:
        def compute(grid: Grid) -> Pixels:
            pulled = [band.pull(grid) for band in image.bands]
            values, valid = (np.stack(parts) for parts in zip(*pulled, strict=True))
            return reduction(values, valid), valid.any(axis=0)

        return image.bands[0].like(compute, name=ending, dtype=reducer.dtype)

    return image.with_bands([of(*output) for output in reducer.outputs.items()])


@function("ImageCollection.toBands")
def to_bands(collection: Collection) -> EarthImage:
    bands = [
        band.renamed(f"{image.get('system:index')}_{band.name}")
        for image in collection.all()
        for band in image.bands
    ]
    return EarthImage(tuple(distinct(bands)))


@function("ImageCollection.qualityMosaic")
def quality_mosaic(collection: Collection, qualityBand: str) -> EarthImage:
    raise UnsupportedFunctionError("ImageCollection.qualityMosaic")


def footprint(collection: Collection) -> Geometry:
    """Where the elements of a collection are."""
    return Geometry(shapely.union_all([element.geometry.shape for element in collection.all()]))
