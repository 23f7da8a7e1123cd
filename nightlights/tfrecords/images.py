"""Image exports: TFRecord files with a mixer, laid out as a georeferenced raster."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError
from rasterio.warp import transform_bounds
from rasterio.windows import Window as PixelWindow

from nightlights.cog import clear_write_errors, require_space
from nightlights.errors import DatasetError, GridError
from nightlights.files import make_folder
from nightlights.grid import CRS, Window
from nightlights.reference_systems import reference_system
from nightlights.tfrecords.examples import Example, read_examples
from nightlights.tfrecords.mixer import Mixer
from nightlights.tfrecords.patches import check_features
from nightlights.tfrecords.study import Form

_BLOCK: Final = 256


@dataclass(frozen=True)
class ImageFiles:
    """An image export once every record has been looked at.

    Attributes
    ----------
    margins:
        (x, y) pixels that the ``kernelSize`` added to each patch, both sides together.
    window:
        What it covers, in VIIRS pixels.
    """

    mixer_path: Path
    files: tuple[Path, ...]
    mixer: Mixer
    margins: tuple[int, int]
    form: Form
    window: Window


def scan_image(
    mixer_path: Path,
    files: Sequence[Path],
    form: Form,
    kernel_size: tuple[int, int] | None,
    tell: Callable[[], None],
) -> ImageFiles:
    """Read every record of an image export once, and compare them with the mixer.

    Raises
    ------
    DatasetError
        When the mixer does not match its files, or one of them is truncated, damaged or lacks a band.
    """
    mixer = Mixer.read(mixer_path)
    if not files:
        raise DatasetError(
            f"{mixer_path.name} has no TFRecord files beside it.",
            "Give the files of its image too: they begin like the mixer.",
        )
    margins, length, count = (0, 0), 0, 0
    for path in files:
        for number, example in enumerate(read_examples(path), start=1):
            if not count:
                length = _length(path, example, form)
                margins = _margins(mixer_path, mixer, length, kernel_size)
                form.check_plausible(path.name, example)
            check_features(path, number, example, form, length)
            count += 1
            tell()
    if count != mixer.total_patches:
        raise DatasetError(
            f"{mixer_path.name} does not match its {len(files)} TFRecord files: it tells "
            f"{mixer.total_patches} patches, and they hold {count}.",
            "Give all files of the image, and the mixer of the same export.",
        )
    return ImageFiles(mixer_path, tuple(files), mixer, margins, form, _window(mixer_path, mixer))


def _length(path: Path, example: Example, form: Form) -> int:
    check_features(path, 1, example, form, example.get(form.features[0], np.empty(0)).size)
    return int(example[form.features[0]].size)


def _margins(
    mixer_path: Path, mixer: Mixer, length: int, kernel_size: tuple[int, int] | None
) -> tuple[int, int]:
    margins = mixer.margins(length, kernel_size)
    if margins is None:
        kernel = f" and a kernel of {kernel_size[0]} x {kernel_size[1]}" if kernel_size else ""
        raise DatasetError(
            f"{mixer_path.name} does not match its TFRecord files: patches of {mixer.width} x {mixer.height} "
            f"pixels{kernel} cannot have {length:,} values.",
            "Give the mixer of the same export, and its kernelSize where x and y differ.",
        )
    return margins


def _window(mixer_path: Path, mixer: Mixer) -> Window:
    height, width = mixer.shape
    corners = [mixer.transform @ corner for corner in ((0, 0), (width, 0), (0, height), (width, height))]
    xs, ys = zip(*corners, strict=True)
    try:
        bounds = transform_bounds(reference_system(mixer.crs), CRS, min(xs), min(ys), max(xs), max(ys))
        return Window.covering(*bounds)
    except (CRSError, CPLE_BaseError):
        raise DatasetError(
            f"{mixer_path.name} names the coordinate reference system {mixer.crs[:60]!r}, which is unknown.",
            "Export the image in EPSG:4326.",
        ) from None
    except (GridError, ValueError, OverflowError):
        raise DatasetError(
            f"{mixer_path.name} places its image beyond the VIIRS grid (180 W to 180 E, 65 S to 75 N).",
            "Take the mixer of the same export.",
        ) from None


def write_rasters(image: ImageFiles, folder: Path) -> tuple[Path, Path | None]:
    """Lay an image out as GeoTIFFs in physical units, NaN where missing.

    Returns
    -------
    daytime, nighttime:
        Both with the mixer's pixels; None where the files hold no radiance.

    Raises
    ------
    DatasetError
        When a file has changed since and cannot be read.
    WorkspaceError
        When the disk is full.
    """
    form, mixer = image.form, image.mixer
    height, width = mixer.shape
    size = 4 * height * width * len(form.features) + 100_000
    require_space(folder, size)
    make_folder(folder)
    day_path, night_path = folder / "daytime.tif", folder / "nighttime.tif"
    profile = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "dtype": "float32",
        "crs": mixer.crs,
        "transform": mixer.transform,
        "nodata": np.nan,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "bigtiff": "if_safer",
    }
    with clear_write_errors(folder, size):
        with rasterio.open(day_path, "w", count=len(form.bands), **profile) as day:
            day.descriptions = tuple(stored.band.name for stored in form.bands)
            for place, example in _patches(image):
                cube = np.stack([_inner(example, stored.feature, image) for stored in form.bands])
                day.write(form.daytime(cube), window=place)
        if form.radiance is None:
            return day_path, None
        with rasterio.open(night_path, "w", count=1, **profile) as night:
            for place, example in _patches(image):
                night.write(form.nighttime(_inner(example, form.radiance, image)), 1, window=place)
    return day_path, night_path


def _patches(image: ImageFiles) -> Iterator[tuple[PixelWindow, Example]]:
    """The patches of all files in order, each with its place in the raster."""
    mixer = image.mixer
    examples = (example for path in image.files for example in read_examples(path))
    for index, example in enumerate(examples):
        row, column = divmod(index, mixer.patches_per_row)
        yield PixelWindow(column * mixer.width, row * mixer.height, mixer.width, mixer.height), example


def _inner(example: Example, feature: str, image: ImageFiles) -> NDArray[np.float32]:
    """A band of a patch without its margin."""
    (x, y), mixer = image.margins, image.mixer
    values = example[feature].astype(np.float32).reshape(mixer.height + y, mixer.width + x)
    return values[y // 2 : y // 2 + mixer.height, x // 2 : x // 2 + mixer.width]
