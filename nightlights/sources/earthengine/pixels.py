"""Pixels of an image, computed by Earth Engine and sent at once.

Why a small tiler of our own on ``image:computePixels`` and neither geedim nor xee (both read at the versions
named, neither copied):

- geedim 2.0 (Leftfield Geospatial, Apache 2.0) takes crs, transform and shape through ``prepareForExport``
  and tiles well, but over ``getDownloadURL`` (32 MB and 10,000 pixels, a GeoTIFF and a second request for
  each tile); it retries five times with fixed waits and without a deadline, always downloads the whole
  image, and keeps nothing of a download that broke off.
- xee 0.1 (Google, Apache 2.0) is built on computePixels with an explicit grid, but hands out a lazy xarray
  data set, whose chunks are fetched by dask without a place to keep them, to stop them or to say how far
  they are; it brings xarray and dask for arrays that we write to files at once.

Both fill masked pixels with a number of their choosing and leave cancelling, deadlines and resuming, which
are most of the work here, to their caller. What they showed: fill before sending (xee), count a byte of mask
for every value (xee), keep tiles small since compute, not transfer, is slow (geedim).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.errors import EarthEngineError
from nightlights.settings import Settings
from nightlights.sources.earthengine.failures import TooMuchError, clear_earthengine_errors
from nightlights.sources.earthengine.grids import PixelGrid
from nightlights.sources.earthengine.products import MISSING

if TYPE_CHECKING:
    import ee

LARGEST_REQUEST_BYTES: Final = 48_000_000
LARGEST_SIDE: Final = 32_768
MOST_BANDS: Final = 1_024
"""Limits of one request, uncompressed
(https://developers.google.com/earth-engine/reference/rest/v1/projects.image/computePixels)."""
_BYTES_PER_VALUE: Final = 5
"""A 32-bit float and its mask."""


def request_bytes(grid: PixelGrid, bands: int) -> int:
    """Size of one request as Earth Engine counts it."""
    return grid.height * grid.width * bands * _BYTES_PER_VALUE


def fetch_pixels(
    image: "ee.Image", bands: Sequence[str], grid: PixelGrid, settings: Settings
) -> NDArray[np.float32]:
    """Compute ``bands`` of ``image`` on ``grid``, by one request.

    Refusals and cut connections are met by :mod:`nightlights.sources.earthengine.transport`.

    Returns
    -------
    numpy.ndarray
        Shape (bands, height, width), north first, in the bands' units; NaN where masked.

    Raises
    ------
    TooMuchError
        When a smaller grid may do.
    EarthEngineError
        When Earth Engine refuses or cannot be reached.
    """
    import ee

    from nightlights.sources.earthengine.images import filled

    names = list(bands)
    if (
        max(grid.height, grid.width) > LARGEST_SIDE
        or len(names) > MOST_BANDS
        or request_bytes(grid, len(names)) > LARGEST_REQUEST_BYTES
    ):
        raise TooMuchError(
            f"{grid.height} x {grid.width} pixels of {len(names)} bands are too much for one request.",
            "Ask for a smaller window.",
        )
    with clear_earthengine_errors(settings):
        answer = ee.data.computePixels(
            {
                "expression": filled(image.select(names)),
                "fileFormat": "NUMPY_NDARRAY",
                "grid": grid.as_request(),
            }
        )
    return _bands_first(answer, names, grid)


def check_bands(image: "ee.Image", bands: Sequence[str], settings: Settings) -> None:
    """Check that ``image`` has ``bands``, by one small request; a composite of no images has none.

    Raises
    ------
    EarthEngineError
        When it lacks one, Earth Engine refuses, or it cannot be reached.
    """
    import ee

    with clear_earthengine_errors(settings):
        ee.data.computeValue(image.select(list(bands)).bandNames())


def _bands_first(answer: Any, names: list[str], grid: PixelGrid) -> NDArray[np.float32]:
    """The structured array that Earth Engine sends as floats, bands first, NaN where missing."""
    if answer.shape != (grid.height, grid.width) or not set(names) <= set(answer.dtype.names or ()):
        raise EarthEngineError(
            f"Earth Engine sent {answer.shape} pixels of {answer.dtype.names} instead of "
            f"{(grid.height, grid.width)} of {tuple(names)}.",
            "Try again.",
        )
    image = np.stack([np.asarray(answer[name], np.float32) for name in names])
    image[image == np.float32(MISSING)] = np.nan
    return image
