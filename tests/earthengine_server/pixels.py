"""Pixels as bytes: NPY, GeoTIFF and PNG."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from .failures import invalid
from .functions_display import visualize
from .requests import known_fields
from .values import EarthImage, Grid, Pixels, render

CONTENT_TYPES = {"NPY": "application/octet-stream", "GEO_TIFF": "image/tiff", "PNG": "image/png"}


def npy(pixels: Mapping[str, Pixels]) -> bytes:
    """A structured array, one field a band; 0 where a pixel is masked."""
    first = next(iter(pixels.values()))[0]
    array = np.zeros(first.shape, [(name, values.dtype) for name, (values, _) in pixels.items()])
    for name, (values, mask) in pixels.items():
        array[name] = np.where(mask, values, 0)
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def geotiff(
    pixels: Mapping[str, Pixels], grid: Grid, *, nodata: float | None = None, cloud_optimized: bool = False
) -> bytes:
    """A GeoTIFF of all bands in one type; ``nodata``, or else 0, where a pixel is masked."""
    from rasterio.io import MemoryFile

    dtype = np.result_type(*(values.dtype for values, _ in pixels.values()))
    if dtype == np.int64:
        dtype = np.dtype(np.float64)
    profile: dict[str, Any] = {
        "width": grid.width,
        "height": grid.height,
        "count": len(pixels),
        "dtype": dtype,
        "crs": grid.crs,
        "transform": _affine(grid),
        "nodata": nodata,
        "compress": "deflate",
    }
    profile.update({"driver": "COG"} if cloud_optimized else {"driver": "GTiff"})
    if not cloud_optimized and min(grid.width, grid.height) >= 256:
        profile.update(tiled=True, blockxsize=256, blockysize=256)
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            for index, (name, (values, mask)) in enumerate(pixels.items(), 1):
                file.write(np.where(mask, values, 0 if nodata is None else nodata).astype(dtype), index)
                file.set_band_description(index, name)
        return bytes(memory.read())


def _affine(grid: Grid) -> Any:
    from affine import Affine

    return Affine(*grid.transform)


def png(image: EarthImage, grid: Grid, options: Mapping[str, Any] | None = None) -> bytes:
    """An RGBA picture; the image's bands are bytes unless ``options`` says how they become bytes.

    Parameters
    ----------
    options:
        ``VisualizationOptions`` of the service: ranges, palette and gamma.
    """
    from PIL import Image

    if options:
        image = _visualized(image, options)
    pixels = list(render(image, grid).values())
    if len(pixels) not in (1, 3):
        raise invalid(f"Expected 1 or 3 bands to make a picture, got {len(pixels)}.")
    if any(values.dtype != np.uint8 for values, _ in pixels):
        raise invalid("The bands are not bytes: visualize the image, or give visualizationOptions.")
    channels = [values for values, _ in pixels] * (3 if len(pixels) == 1 else 1)
    opaque = np.logical_and.reduce([mask for _, mask in pixels])
    picture = np.dstack([*channels, np.where(opaque, 255, 0).astype(np.uint8)])
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _visualized(image: EarthImage, options: Mapping[str, Any]) -> EarthImage:
    known_fields(options, ("ranges", "paletteColors", "gamma"), "visualization_options")
    ranges = options.get("ranges") or []
    return visualize(
        image,
        min=[limits.get("min", 0) for limits in ranges] or None,
        max=[limits.get("max", 1) for limits in ranges] or None,
        gamma=(options.get("gamma") or {}).get("value"),
        palette=options.get("paletteColors"),
    )
