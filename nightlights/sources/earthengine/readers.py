"""What a batch export left on disk, read as windows: GeoTIFFs laid side by side, or patches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nightlights.errors import GridError, RasterError, SourceError
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.sources.earthengine.products import MISSING

_PIXEL_TOLERANCE = 0.01


class RegionReader(Protocol):
    """The two images of one region."""

    def daytime(self, window: Window) -> NDArray[np.float32]:
        """Shape (bands, 16 height, 16 width), NaN where missing."""

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        """Shape (height, width) in nW/cm2/sr, NaN where missing."""


@dataclass(frozen=True)
class FetchedImages:
    """Everything that a batch export brought here, by region."""

    regions: Mapping[str, tuple[Window, RegionReader]]

    def daytime(self, window: Window) -> NDArray[np.float32]:
        """The daytime bands of ``window``, shape (bands, 16 height, 16 width), NaN where missing."""
        return self._reader(window).daytime(window)

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        """The radiance of ``window`` in nW/cm2/sr, shape (height, width), NaN where missing."""
        return self._reader(window).nighttime(window)

    def _reader(self, window: Window) -> RegionReader:
        for outer, reader in self.regions.values():
            if outer.contains(window):
                return reader
        raise SourceError("This window was not exported.", "Export its region first.")


@dataclass(frozen=True)
class GeoTiffs:
    """A region's GeoTIFFs, one or several for each of its two images."""

    region: Window
    day: Sequence[Path]
    night: Sequence[Path]
    bands: Sequence[str]

    def check(self) -> None:
        """Look at every file once.

        Raises
        ------
        RasterError
            When one is no GeoTIFF on our grid, has other bands, or they leave a gap.
        """
        for files, fine, bands in ((self.day, True, self.bands), (self.night, False, None)):
            covered = 0
            for path in files:
                covered += _check_file(path, self.region, fine, bands)
            if covered != np.prod(self.region.fine_shape if fine else self.region.shape):
                what = "daytime" if fine else "night-time"
                raise RasterError(
                    f"The files of the {what} image do not cover their region.",
                    "Delete what was fetched, and export it again.",
                )

    def daytime(self, window: Window) -> NDArray[np.float32]:
        """See :class:`RegionReader`."""
        return _mosaic(self.day, window, len(self.bands), fine=True)

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        """See :class:`RegionReader`."""
        return np.asarray(_mosaic(self.night, window, 1, fine=False)[0])


@dataclass(frozen=True)
class Patches:
    """A region of which only patches are known: two memory-mapped arrays, NaN elsewhere."""

    region: Window
    folder: Path

    def daytime(self, window: Window) -> NDArray[np.float32]:
        """See :class:`RegionReader`."""
        rows, columns = window.fine_slices_in(self.region)
        return np.array(self._array("daytime")[:, rows, columns])

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        """See :class:`RegionReader`."""
        rows, columns = window.slices_in(self.region)
        return np.array(self._array("nighttime")[rows, columns])

    def _array(self, name: str) -> NDArray[np.float32]:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")  # type: ignore[no-any-return]


def _offset(dataset: Any, region: Window, fine: bool) -> tuple[int, int]:
    """(row, column) of a file's first pixel, in pixels of the region's grid from the region's corner."""
    outer = region.fine_transform if fine else region.transform
    column, row = (dataset.transform.c - outer.c) / outer.a, (dataset.transform.f - outer.f) / outer.e
    side = max(dataset.width, dataset.height)
    slack = _PIXEL_TOLERANCE / side
    aligned = (
        dataset.crs.to_epsg() == 4326
        and abs(dataset.transform.a / outer.a - 1) < slack
        and abs(dataset.transform.e / outer.e - 1) < slack
        and dataset.transform.b == dataset.transform.d == 0
        and abs(column - round(column)) < _PIXEL_TOLERANCE
        and abs(row - round(row)) < _PIXEL_TOLERANCE
    )
    if not aligned:
        raise GridError("not on the grid")
    return round(row), round(column)


def _check_file(path: Path, region: Window, fine: bool, bands: Sequence[str] | None) -> int:
    """The number of the region's pixels in a file, once it is what was asked for."""
    from nightlights import cog

    with cog.opened(path) as dataset:
        try:
            row, column = _offset(dataset, region, fine)
        except GridError:
            raise RasterError(
                f"{path.name} does not lie on the {'analysis' if fine else 'VIIRS'} grid.",
                "Delete what was fetched, and export it again.",
            ) from None
        wanted = 1 if bands is None else len(bands)
        names = [text or "" for text in dataset.descriptions]
        if dataset.count != wanted or (bands is not None and any(names) and names != list(bands)):
            raise RasterError(
                f"{path.name} has the bands {', '.join(names)}.", f"Wanted: {', '.join(bands or ())}."
            )
        height, width = region.fine_shape if fine else region.shape
        rows = min(row + dataset.height, height) - max(row, 0)
        columns = min(column + dataset.width, width) - max(column, 0)
        return int(max(rows, 0) * max(columns, 0))


def _mosaic(files: Sequence[Path], window: Window, bands: int, *, fine: bool) -> NDArray[np.float32]:
    """The pixels of ``window`` from those files that hold some of them."""
    from rasterio.windows import Window as PixelWindow

    from nightlights import cog

    height, width = window.fine_shape if fine else window.shape
    image = np.full((bands, height, width), np.nan, np.float32)
    for path in files:
        with cog.opened(path) as dataset:
            row, column = _offset(dataset, window, fine)
            top, bottom = max(row, 0), min(row + dataset.height, height)
            left, right = max(column, 0), min(column + dataset.width, width)
            if top >= bottom or left >= right:
                continue
            part = PixelWindow(left - column, top - row, right - left, bottom - top)
            image[:, top:bottom, left:right] = dataset.read(window=part, out_dtype="float32")
    image[image == MISSING] = np.nan
    return image


def write_patches(
    files: Sequence[Path],
    bands: Sequence[str],
    radiance_band: str,
    region: Window,
    patches: Sequence[Window],
    folder: Path,
) -> None:
    """Lay the patches of TFRecord files at their places in two arrays, ``daytime.npy`` and ``nighttime.npy``.

    Parameters
    ----------
    patches:
        Those that were asked for; every one must be there.

    Raises
    ------
    DatasetError
        When a file is truncated, or a record lacks a band.
    SourceError
        When a patch was not asked for, or one is missing.
    """
    from nightlights.cog import require_space
    from nightlights.files import make_folder, replacing
    from nightlights.tfrecords.examples import read_examples

    make_folder(folder)
    # A full disk would end the process where it writes into the mapped memory.
    values = len(bands) * np.prod(region.fine_shape, dtype=np.int64) + np.prod(region.shape, dtype=np.int64)
    require_space(folder, 4 * int(values))
    missing = {(patch.row, patch.column): patch for patch in patches}
    side = patches[0].fine_shape[0]
    with (
        replacing(folder / "nighttime.npy") as night_file,
        replacing(folder / "daytime.npy") as day_file,
    ):
        day = _new_array(day_file, (len(bands), *region.fine_shape))
        night = _new_array(night_file, region.shape)
        for path in files:
            for example in read_examples(path):
                place = (_whole(example, "viirs_row", path), _whole(example, "viirs_column", path))
                patch = missing.pop(place, None)
                if patch is None:
                    raise SourceError(
                        f"{path.name} has a patch twice, or one that was not asked for.",
                        "Delete what was fetched, and export it again.",
                    )
                rows, columns = patch.fine_slices_in(region)
                for index, band in enumerate(bands):
                    day[index, rows, columns] = _square(example, band, side, path)
                # A VIIRS pixel is repeated in its 16 x 16 analysis pixels; one of the middle tells it.
                middle = FINE_PER_VIIRS // 2
                light = _square(example, radiance_band, side, path)
                night[patch.slices_in(region)] = light[middle::FINE_PER_VIIRS, middle::FINE_PER_VIIRS]
        if missing:
            raise SourceError(
                f"{len(missing)} of {len(patches)} patches are missing in the files of Earth Engine.",
                "Delete what was fetched, and export it again.",
            )
        day.flush()
        night.flush()


def _new_array(path: Path, shape: tuple[int, ...]) -> Any:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    array[...] = np.nan
    return array


def _values(example: Mapping[str, NDArray[Any]], name: str, path: Path) -> NDArray[Any]:
    if name not in example:
        raise SourceError(f"A record of {path.name} has no {name}.", "Export it again.")
    return example[name]


def _whole(example: Mapping[str, NDArray[Any]], name: str, path: Path) -> int:
    values = _values(example, name, path)
    if values.size != 1 or not np.isfinite(values[0]):
        raise SourceError(f"A record of {path.name} tells no number as {name}.", "Export it again.")
    return round(float(values[0]))


def _square(example: Mapping[str, NDArray[Any]], name: str, side: int, path: Path) -> NDArray[np.float32]:
    values = np.asarray(_values(example, name, path), np.float32)
    if values.size != side * side:
        raise SourceError(
            f"A record of {path.name} has {values.size} values of {name} instead of {side * side}.",
            "Export it again.",
        )
    square = values.reshape(side, side)
    return np.where(square == np.float32(MISSING), np.float32(np.nan), square)
