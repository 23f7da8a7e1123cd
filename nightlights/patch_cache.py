"""A region's rasters as memory-mapped arrays with the bands last, built once for fast random patches."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights import cog, files
from nightlights.encodings import MISSING, Encoding, decode
from nightlights.errors import DatasetError, WorkspaceError
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.manifests import Record, read_record, write_record
from nightlights.observation import ObservationOperator, PointSpread

if TYPE_CHECKING:
    from nightlights.datasets import Dataset

_VERSION: Final = 1
_STRIP: Final = 16
"""VIIRS rows at a time: 256 analysis rows, one row of blocks in the file."""


class _CacheRecord(Record):
    """``cache.json``: what the arrays were made of. It is written last."""

    version: int
    dataset_sha256: str
    region: str
    encodings: list[tuple[float, float]] | None


@dataclass(frozen=True)
class CachedRegion:
    """One region, ready for random access.

    Attributes
    ----------
    name, window:
        Which region, and where.
    stored:
        Memory-mapped, shape (16 height, 16 width, bands), numbers as in the daytime raster.
    encodings:
        The code of each band; None where ``stored`` are the values.
    nighttime:
        float32, shape (height, width), nW/cm2/sr, NaN where missing.
    missing:
        float32, shape (height, width): share of each VIIRS pixel's area with a missing band.
    footprint_missing:
        float32, shape (height, width): share of each VIIRS pixel's footprint, weighted by the point
        spread, with a missing band; light from beyond the region is left out.
    """

    name: str
    window: Window
    stored: NDArray[Any]
    encodings: tuple[Encoding, ...] | None
    nighttime: NDArray[np.float32]
    missing: NDArray[np.float32]
    footprint_missing: NDArray[np.float32]

    def daytime(self, part: Window, out: NDArray[np.float32]) -> None:
        """Put the bands of ``part``, in their units, into ``out`` of shape (rows, columns, bands)."""
        numbers = self.stored[part.fine_slices_in(self.window)]
        if self.encodings is None:
            out[:] = numbers
        else:
            decode(numbers, self.encodings, band_axis=-1, out=out)


def cached_region(dataset: "Dataset", name: str, folder: Path) -> CachedRegion:
    """Open the arrays of the region ``name`` in ``folder``; build them where they are not there yet.

    Arrays of an older dataset of the same name are removed.

    Raises
    ------
    DatasetError
        When the dataset has no such region.
    WorkspaceError
        When the disk is full or ``folder`` cannot be written.
    """
    window = dataset.region(name).window.window
    mine = folder / dataset.manifest.name / dataset.sha256[:16]
    place = mine / name
    record = _valid(place, dataset, name)
    if record is None:
        for other in mine.parent.glob("*"):
            if other != mine:
                shutil.rmtree(other, ignore_errors=True)
        record = _build(place, dataset, name, window)
    shares = np.load(place / "shares.npy", allow_pickle=False)
    return CachedRegion(
        name=name,
        window=window,
        stored=np.load(place / "daytime.npy", mmap_mode="r", allow_pickle=False),
        encodings=None if record.encodings is None else tuple(Encoding(*code) for code in record.encodings),
        nighttime=dataset.read_nighttime(name),
        missing=shares[0],
        footprint_missing=shares[1],
    )


def cached_truth(dataset: "Dataset", name: str, folder: Path) -> NDArray[np.float32]:
    """The hidden fine radiance of a region whose arrays :func:`cached_region` has opened in ``folder``.

    Returns
    -------
    numpy.ndarray
        float32, memory-mapped, shape (16 height, 16 width), nW/cm2/sr, NaN where missing.

    Raises
    ------
    DatasetError
        When the hidden truth is not known, as everywhere but in simulated imagery.
    WorkspaceError
        When the disk is full or ``folder`` cannot be written.
    """
    region = dataset.region(name)
    if region.truth is None or region.fine_truth is not None:
        raise DatasetError(
            f"Region {name} has no hidden truth to train on: only simulated imagery has one.",
            "Train on VIIRS, or on a dataset of the simulated planet.",
        )
    path = folder / dataset.manifest.name / dataset.sha256[:16] / name / "truth.npy"
    if not path.exists():
        window = region.window.window
        cog.require_space(path.parent, 4 * int(np.prod(window.fine_shape)))
        with files.replacing(path) as partial, partial.open("wb") as target:
            header = {"descr": "<f4", "fortran_order": False, "shape": window.fine_shape}
            np.lib.format.write_array_header_1_0(target, header)
            for strip in _strips(window):
                part = cog.read(dataset.path(region.truth), strip)[0]
                target.write(np.ascontiguousarray(part, "<f4").data)
    truth: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return truth


def _valid(place: Path, dataset: "Dataset", name: str) -> _CacheRecord | None:
    """The record of arrays that fit the dataset, or None where they must be built."""
    try:
        record = read_record(place / "cache.json", _CacheRecord)
        np.load(place / "daytime.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, WorkspaceError):
        return None
    wanted = (_VERSION, dataset.sha256, name)
    return record if (record.version, record.dataset_sha256, record.region) == wanted else None


def _build(place: Path, dataset: "Dataset", name: str, window: Window) -> _CacheRecord:
    path = dataset.path(dataset.region(name).daytime)
    first, encodings = cog.read_stored(path, next(iter(window.tiles(1, 1))))
    shape = (*window.fine_shape, len(first))
    cog.require_space(place.parent, int(np.prod(shape)) * first.dtype.itemsize)
    missing = np.zeros(window.fine_shape, bool)
    with files.replacing_folder(place) as partial:
        # Plain writes: a full disk is an error here, and a crash of the process in a mapped array.
        with (partial / "daytime.npy").open("wb") as target:
            header = {"descr": first.dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(target, header)
            for strip in _strips(window):
                stored, _ = cog.read_stored(path, strip)
                target.write(np.ascontiguousarray(np.moveaxis(stored, 0, -1)).data)
                lacking = np.isnan(stored) if encodings is None else stored == MISSING
                missing[strip.fine_slices_in(window)] = lacking.any(axis=0)
        shares = _missing_shares(missing, window, PointSpread.of(dataset.manifest))
        np.save(partial / "shares.npy", shares)
        record = _CacheRecord(
            version=_VERSION,
            dataset_sha256=dataset.sha256,
            region=name,
            encodings=None if encodings is None else [(code.scale, code.offset) for code in encodings],
        )
        write_record(partial / "cache.json", record)
    return record


def _strips(window: Window) -> Iterator[Window]:
    return window.tiles(_STRIP, window.width)


def _missing_shares(
    missing: NDArray[np.bool_], window: Window, point_spread: PointSpread
) -> NDArray[np.float32]:
    """Missing shares of the area and of the footprint, shape (2, height, width)."""
    step = FINE_PER_VIIRS
    shares = np.zeros((2, *window.shape), np.float32)
    shares[0] = missing.reshape(window.height, step, window.width, step).mean(axis=(1, 3), dtype=np.float32)
    margin = point_spread.margin(float(np.abs(window.latitudes).max()))
    for strip in _strips(window):
        around = strip.expand(margin).intersection(window) or strip
        part = missing[around.fine_slices_in(window)]
        if part.any():
            operator = ObservationOperator(around, point_spread)
            share = operator.forward(part) / operator.forward(np.ones(part.shape))
            shares[1][strip.slices_in(window)] = share[strip.slices_in(around)]
    return shares
