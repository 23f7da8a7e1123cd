"""Predictions in the study's form: patches in a TFRecord file, and the mixer that makes an image of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from nightlights import cog
from nightlights.errors import RasterError
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.tfrecords.examples import encode_example
from nightlights.tfrecords.framing import write_records
from nightlights.tfrecords.mixer import Mixer
from nightlights.tfrecords.patches import encode_missing

PATCH_SIZE: Final = 256


def write_prediction_tfrecord(raster: Path, folder: Path, patch_size: int = PATCH_SIZE) -> list[Path]:
    """Write a raster on the analysis grid as patches that Earth Engine ingests.

    The files are ``NAME.tfrecord`` and ``NAME-mixer.json``.
    Values stay in physical units: radiance in nW/cm2/sr. A missing pixel, and whatever of the last patches
    lies beyond the raster, is -9999: say so when the image is ingested. The file is not gzipped, since
    ingestion wants it so.

    Parameters
    ----------
    raster:
        A GeoTIFF of this package; its bands become features of the same names.
    folder:
        Where to write.
    patch_size:
        Side of a patch in analysis pixels, a multiple of 16.

    Returns
    -------
    list of Path
        The TFRecord file, then the mixer.

    Raises
    ------
    RasterError
        When the raster cannot be read, lies on another grid, or the patch size is no multiple of 16.
    WorkspaceError
        When the disk is full or the folder cannot be written.
    """
    info = cog.inspect(raster)
    if info.window is None or not info.fine:
        raise RasterError(f"{raster} does not lie on the analysis grid.", "Predict it again.")
    if patch_size < FINE_PER_VIIRS or patch_size % FINE_PER_VIIRS:
        raise RasterError(
            f"A patch of {patch_size} pixels is no whole number of VIIRS pixels.",
            f"Choose a multiple of {FINE_PER_VIIRS}.",
        )
    records = folder / f"{raster.stem}.tfrecord"
    mixer = folder / f"{raster.stem}-mixer.json"
    write_records(records, _patches(raster, info.bands, info.window, patch_size), compressed=False)
    Mixer.for_window(info.window, patch_size).write(mixer)
    return [records, mixer]


def _patches(raster: Path, bands: tuple[str, ...], window: Window, patch_size: int) -> Iterator[bytes]:
    side = patch_size // FINE_PER_VIIRS
    for part in window.tiles(side, side):
        height, width = part.fine_shape
        cube = np.full((len(bands), patch_size, patch_size), np.nan, np.float32)
        cube[:, :height, :width] = cog.read(raster, part)
        yield encode_example(dict(zip(bands, encode_missing(cube), strict=True)))
