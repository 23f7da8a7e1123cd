"""Small imagery for the tests of the data room: an analytic source and GeoTIFFs built on the spot."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from shapely import box

from nightlights.bands import LANDSAT_BANDS, Band
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.manifests import ExportRequest, Role
from nightlights.regions import Region
from nightlights.sources.base import Estimate

BANDS = (LANDSAT_BANDS[3], LANDSAT_BANDS[4], LANDSAT_BANDS[7])


class AnalyticSource:
    """A source whose every pixel is a formula of its row and column, so that a test can say what is right."""

    kind = "simulated"
    label = "Analytic test source"
    simulated = True
    notes = ()
    usual_noise = None

    def __init__(
        self, bands: tuple[Band, ...] = BANDS, holes: tuple[Window, ...] = (), truth: bool = True
    ) -> None:
        self.bands = bands
        self.holes = holes
        self.has_truth = truth
        self.calls: list[Window] = []

    def describe(self) -> dict[str, Any]:
        return {"holes": len(self.holes)}

    def estimate(self, window: Window) -> Estimate:
        return Estimate(stored_bytes=window.width * window.height * 1000, seconds=0.5)

    def daytime(self, window: Window) -> NDArray[np.float32]:
        self.calls.append(window)
        rows, columns = fine_indices(window)
        pattern = (rows * 7 + columns * 13) % 1000
        image = np.stack([formula(band, index, pattern) for index, band in enumerate(self.bands)])
        for hole in self.holes:
            if part := hole.intersection(window):
                image[(slice(None), *part.fine_slices_in(window))] = np.nan
        return image

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        rows = np.arange(window.row, window.row + window.height)[:, None]
        columns = np.arange(window.column, window.column + window.width)
        return (((rows * 3 + columns * 5) % 200) / 10 - 0.5).astype(np.float32)

    def truth(self, window: Window) -> NDArray[np.float32] | None:
        rows, columns = fine_indices(window)
        return ((rows + columns) % 50).astype(np.float32) if self.has_truth else None


def fine_indices(window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    height, width = window.fine_shape
    rows = window.row * FINE_PER_VIIRS + np.arange(height)
    columns = window.column * FINE_PER_VIIRS + np.arange(width)
    return rows[:, None], columns[None, :]


def formula(band: Band, index: int, pattern: NDArray[np.int64]) -> NDArray[np.float32]:
    number = (pattern + 31 * index) % 1000
    if band.quantity == "reflectance":
        return ((number * 20 + 7273) * 0.0000275 - 0.2).astype(np.float32)
    return (280 + number * 0.05).astype(np.float32)


def region(name: str, window: Window, role: Role = "train") -> Region:
    return Region(name, role, box(*window.bounds))


def request(name: str = "sample", **fields: Any) -> ExportRequest:
    return ExportRequest(dataset=name, regions="some-regions", **fields)


def geotiff(
    path: Path,
    values: NDArray[Any],
    transform: Affine,
    crs: str | None = "EPSG:4326",
    names: tuple[str, ...] = (),
    **profile: Any,
) -> Path:
    """Write ``values``, shape (bands, rows, columns), as an ordinary GeoTIFF."""
    cube = values if values.ndim == 3 else values[None]
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=cube.shape[0],
        height=cube.shape[1],
        width=cube.shape[2],
        dtype=cube.dtype,
        crs=crs,
        transform=transform,
        **profile,
    ) as target:
        target.write(cube)
        if names:
            target.descriptions = names
    return path


@contextlib.contextmanager
def mounted_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A small file system at ``folder``; skips the test where none can be mounted."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or not mount or not unmount:
        pytest.skip("only root may mount a small file system")
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run([mount, *options], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        # Lazily: a worker that has said its last word may not have ended yet.
        subprocess.run([unmount, "-l", str(folder)], check=True)


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Let nothing be written on the file system that :func:`mounted_disk` gave, not even by root."""
    for_reading, for_writing = (["mount", "-o", f"remount,{how}", str(disk)] for how in ("ro", "rw"))
    subprocess.run(for_reading, check=True)
    try:
        yield
    finally:
        subprocess.run(for_writing, check=True)
