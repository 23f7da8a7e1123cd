"""Cloud Optimized GeoTIFFs on the nested grid, written whole and verified, read with NaN where missing."""

import contextlib
import logging
import shutil
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window as PixelWindow

from nightlights.encodings import MISSING, Encoding, decode
from nightlights.errors import GridError, RasterError, WorkspaceError
from nightlights.files import PARTIAL_PREFIX, clear_os_errors, replacing, reserve_space
from nightlights.grid import CRS, Window

# GDAL's words reach the user as errors; without a handler Python would also print them on stderr.
logging.getLogger("rasterio").addHandler(logging.NullHandler())

_BLOCK = 256
# The tiled file, the COG and its overviews (a third more) exist side by side for a moment.
_COPIES = 2.4
_TRUNCATED = "The file seems to be truncated or damaged: copy or download it again."

Block = tuple[Window, NDArray[np.float32]]
"""A part of a raster: where, and its values of shape (bands, rows, columns) or (rows, columns)."""


@dataclass(frozen=True, slots=True)
class RasterInfo:
    """What a raster file says about itself.

    Attributes
    ----------
    width, height:
        Size in its own pixels.
    bands:
        Names of the bands; ``band_1`` and so on where the file names none.
    units:
        Unit of each band; empty where the file names none.
    crs:
        Coordinate reference system, as text.
    transform:
        From pixel corner to coordinates of ``crs``.
    window, fine:
        Where it lies on the VIIRS grid (``fine`` False) or the analysis grid (True); ``window`` is None
        where it lies on neither.
    overviews:
        Reduction factors of the overviews of the first band.
    """

    path: Path
    width: int
    height: int
    bands: tuple[str, ...]
    units: tuple[str, ...]
    dtype: str
    nodata: float | None
    crs: str
    transform: Affine
    bounds: tuple[float, float, float, float]
    window: Window | None
    fine: bool
    overviews: tuple[int, ...]
    tags: dict[str, str]


@contextlib.contextmanager
def clear_read_errors(path: Path | str) -> Iterator[None]:
    """Turn what GDAL says while it reads ``path`` into a :class:`RasterError` with a remedy."""
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        if not Path(path).exists():
            raise RasterError(f"{path} is missing.", "Was it moved or deleted? Check the path.") from error
        raise RasterError(f"{path} cannot be read as a raster.", _TRUNCATED) from error


@contextlib.contextmanager
def opened(path: Path | str) -> Iterator[Any]:
    """Open a raster for reading, and check that it is georeferenced.

    Raises
    ------
    RasterError
        When the file is missing, is no raster, is truncated (also while the block reads from it), or has
        no coordinate reference system.
    """
    with clear_read_errors(path), rasterio.open(path) as dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            raise RasterError(
                f"{path} has no coordinate reference system, so nobody can tell where it lies.",
                "Assign one, for example with gdal_edit -a_srs, or export the raster again with it.",
            )
        yield dataset


def _on_grid(dataset: Any) -> tuple[Window | None, bool]:
    if dataset.crs.is_geographic and dataset.crs.to_epsg() == 4326:
        for fine in (False, True):
            with contextlib.suppress(GridError):
                return (
                    Window.from_transform(dataset.transform, dataset.height, dataset.width, fine=fine),
                    fine,
                )
    return None, False


def inspect(path: Path | str) -> RasterInfo:
    """What the raster at ``path`` says about itself. Errors as :func:`opened`."""
    with opened(path) as dataset:
        window, fine = _on_grid(dataset)
        return RasterInfo(
            path=Path(path),
            width=dataset.width,
            height=dataset.height,
            bands=tuple(text or f"band_{index}" for index, text in enumerate(dataset.descriptions, start=1)),
            units=tuple(text or "" for text in dataset.units),
            dtype=dataset.dtypes[0],
            nodata=dataset.nodata,
            crs=dataset.crs.to_string(),
            transform=dataset.transform,
            bounds=tuple(dataset.bounds),
            window=window,
            fine=fine,
            overviews=tuple(dataset.overviews(1)),
            tags=dict(dataset.tags()),
        )


def read(path: Path | str, window: Window | None = None) -> NDArray[np.float32]:
    """Read a raster that this module wrote.

    Parameters
    ----------
    path:
        A GeoTIFF on the VIIRS grid or on the analysis grid.
    window:
        Which part, in VIIRS pixels; all of it unless given.

    Returns
    -------
    numpy.ndarray
        float32, shape (bands, rows, columns), north first, in the bands' units, NaN where missing.

    Raises
    ------
    RasterError
        As :func:`opened`, and when the raster lies on neither grid.
    GridError
        When ``window`` reaches beyond the raster.
    """
    stored, encodings = read_stored(path, window)
    if encodings is None:
        return stored.astype(np.float32, copy=False)
    return decode(stored, encodings, band_axis=0)


def read_stored(
    path: Path | str, window: Window | None = None
) -> tuple[NDArray[Any], tuple[Encoding, ...] | None]:
    """The numbers as they lie in the file, and the code of each band (None: they are the values).

    Arguments, shape and errors as :func:`read`.
    """
    with opened(path) as dataset:
        outer, fine = _on_grid(dataset)
        if outer is None:
            raise RasterError(f"{path} does not lie on the grid.", "Export it again.")
        stored = dataset.read(window=_pixels(window or outer, outer, fine))
        if dataset.dtypes[0] != "uint16":
            return stored, None
        codes = zip(dataset.scales, dataset.offsets, strict=True)
        return stored, tuple(Encoding(*code) for code in codes)


def _pixels(window: Window, outer: Window, fine: bool) -> PixelWindow:
    rows, columns = window.fine_slices_in(outer) if fine else window.slices_in(outer)
    return PixelWindow.from_slices(rows, columns)


def require_space(folder: Path, size: int) -> None:
    """Refuse work that needs ``size`` bytes in ``folder`` (or its nearest existing parent).

    Raises
    ------
    WorkspaceError
        When less is free.
    """
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < size:
        raise WorkspaceError(
            f"Cannot write {folder}: the disk is full "
            f"({size / 1e6:,.1f} MB needed, {free / 1e6:,.1f} MB free).",
            "Free some space, or choose another workspace folder.",
        )


@contextlib.contextmanager
def clear_write_errors(path: Path, size: int) -> Iterator[None]:
    """Turn what GDAL says while it writes ``size`` bytes at ``path`` into a :class:`WorkspaceError`.

    GDAL tells that a write failed but not why, and gives the space back at once, so the reason is found
    by asking the file system for that much space.
    """
    try:
        yield
    except (RasterioIOError, CPLE_BaseError) as error:
        with clear_os_errors(path):
            _probe_space(path.parent, size)
        raise WorkspaceError(
            f"Cannot write {path}: {error.__cause__ or error}.", "Check the disk, then try again."
        ) from error


def _probe_space(folder: Path, size: int) -> None:
    probe = folder / f"{PARTIAL_PREFIX}{uuid.uuid4().hex[:8]}-probe"
    try:
        with probe.open("wb") as handle:
            reserve_space(handle.fileno(), size)
    finally:
        probe.unlink(missing_ok=True)


def write_geotiff(
    path: Path,
    blocks: Iterable[Block],
    *,
    window: Window,
    fine: bool,
    bands: Sequence[str],
    units: Sequence[str],
    encodings: Sequence[Encoding] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write a Cloud Optimized GeoTIFF with overviews, block by block, whole or not at all.

    Only one block is in memory at a time. The finished file is read back and compared with what was
    written, because GDAL may report a short write late or never.

    Parameters
    ----------
    path:
        The file; its folder is made if needed.
    blocks:
        Parts that together cover ``window``: (part, values) with values in physical units, NaN where
        missing, of shape (bands, rows, columns), or (rows, columns) for one band. Whatever is not covered
        stays missing.
    window:
        Where the raster lies.
    fine:
        Whether it has analysis pixels (True) or VIIRS pixels (False).
    bands, units:
        Name and unit of each band.
    encodings:
        Store 16-bit numbers by these codes; float32 with NaN as nodata unless given.
    tags:
        Text to keep in the file, for example the source or the model.

    Raises
    ------
    WorkspaceError
        When the disk is full or the folder cannot be written.
    """
    height, width = window.fine_shape if fine else window.shape
    dtype = np.dtype(np.uint16 if encodings else np.float32)
    size = int(height * width * len(bands) * dtype.itemsize * _COPIES) + 100_000
    require_space(path.parent, size)
    profile = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": len(bands),
        "dtype": dtype.name,
        "crs": CRS,
        "transform": window.fine_transform if fine else window.transform,
        "nodata": MISSING if encodings else np.nan,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "interleave": "band",
        "bigtiff": "if_safer",
    }
    with replacing(path) as partial:
        tiled = partial.with_name(f"{partial.name}-tiled.tif")
        try:
            with clear_write_errors(path, size):
                with rasterio.open(tiled, "w", **profile) as target:
                    _describe(target, bands, units, encodings, tags or {})
                    checks = [
                        _write_block(target, block, _pixels(part, window, fine), encodings)
                        for part, block in blocks
                    ]
                rasterio.shutil.copy(
                    tiled,
                    partial,
                    driver="COG",
                    COMPRESS="DEFLATE",
                    LEVEL=6,
                    PREDICTOR="YES",
                    BLOCKSIZE=_BLOCK,
                    OVERVIEW_RESAMPLING="AVERAGE",
                    OVERVIEWS="IGNORE_EXISTING",
                    BIGTIFF="IF_SAFER",
                )
                _verify(partial, checks)
        finally:
            for rest in (tiled, *partial.parent.glob(f"{partial.name}.*")):
                rest.unlink(missing_ok=True)


def _describe(
    target: Any,
    bands: Sequence[str],
    units: Sequence[str],
    encodings: Sequence[Encoding] | None,
    tags: Mapping[str, str],
) -> None:
    target.descriptions = tuple(bands)
    target.units = tuple(units)
    if encodings:
        target.scales = tuple(encoding.scale for encoding in encodings)
        target.offsets = tuple(encoding.offset for encoding in encodings)
    target.update_tags(AREA_OR_POINT="Area", **tags)


def _write_block(
    target: Any, values: NDArray[np.float32], pixels: PixelWindow, encodings: Sequence[Encoding] | None
) -> tuple[PixelWindow, int]:
    cube = values if values.ndim == 3 else values[None]
    if cube.shape != (target.count, pixels.height, pixels.width):
        raise RasterError(
            f"A block of shape {values.shape} does not fit {target.count} bands of "
            f"{pixels.height} x {pixels.width} pixels."
        )
    if encodings:
        stored = np.stack([code.encode(band) for code, band in zip(encodings, cube, strict=True)])
    else:
        stored = np.ascontiguousarray(cube, dtype=np.float32)
        # One bit pattern for all missing pixels, so that the same values give the same file.
        stored = np.where(np.isnan(stored), np.float32(np.nan), stored)
    target.write(stored, window=pixels)
    return pixels, zlib.crc32(stored.tobytes())


def _verify(path: Path, checks: Sequence[tuple[PixelWindow, int]]) -> None:
    with rasterio.open(path) as written:
        for pixels, checksum in checks:
            if zlib.crc32(written.read(window=pixels).tobytes()) != checksum:
                raise RasterioIOError("the file does not hold what was written")
