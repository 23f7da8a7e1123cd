"""Rasters as map tiles: which pixels, which colours. Values are read where a person points.

Radiance is drawn with one palette, differences with another, daytime bands with fixed stretches from
:mod:`nightlights.bands`: never stretched by tile, which would show seams that are not there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from nightlights.errors import RasterError
from nightlights.palettes import (
    DIFFERENCE,
    RADIANCE,
    RADIANCE_HIGH,
    RADIANCE_LOW,
    STEPS,
    difference_to_unit,
    radiance_to_unit,
)

TILE_SIZE = 256
_WEB_CRS = "EPSG:3857"
_WEB_HALF_M = 20_037_508.342789244
"""Half the side of the web map in its own metres: pi times 6,378,137."""

_Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]


class TileStyle(BaseModel):
    """How radiance and differences are drawn, in nW/cm2/sr; checked, because it comes from an address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: _Finite = RADIANCE_LOW
    high: _Finite = RADIANCE_HIGH
    scale: Literal["log", "linear"] = "log"
    limit: Annotated[float, Field(gt=0, le=1e6)] = 10.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high or (self.scale == "log" and self.low <= 0):
            raise ValueError("low must be below high, and above 0 on the logarithmic scale")
        return self


@dataclass(frozen=True, slots=True)
class Stretch:
    """Band numbers (from 1) shown as red, green and blue or as one grey band, each with its range."""

    bands: tuple[int, ...]
    ranges: tuple[tuple[float, float], ...]


Drawing = Literal["radiance", "difference"] | Stretch


def _read_tile(
    path: Path, x: int, y: int, z: int, bands: tuple[int, ...], smooth: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    """Values, shape (bands, 256, 256), and which are known; None where the raster does not reach.

    GDAL warps the pixels of the tile and no others, from the overview that fits, so that a tile of half
    the world is as quick as one of a street.
    """
    import rasterio
    from affine import Affine
    from rasterio.enums import Resampling
    from rasterio.errors import RasterioError
    from rasterio.vrt import WarpedVRT
    from rasterio.warp import transform_bounds

    side = 2 * _WEB_HALF_M / 2**z
    west, north = x * side - _WEB_HALF_M, _WEB_HALF_M - y * side
    try:
        with rasterio.open(path) as raster:
            left, bottom, right, top = transform_bounds(raster.crs, _WEB_CRS, *raster.bounds)
            if right <= west or left >= west + side or top <= north - side or bottom >= north:
                return None
            options = {
                "crs": _WEB_CRS,
                "transform": Affine(side / TILE_SIZE, 0, west, 0, -side / TILE_SIZE, north),
                "width": TILE_SIZE,
                "height": TILE_SIZE,
                "resampling": Resampling.bilinear if smooth else Resampling.nearest,
                "add_alpha": raster.nodata is None,
            }
            with WarpedVRT(raster, **options) as tile:
                pixels = tile.read(list(bands), masked=True)
            scales, offsets = (
                np.asarray(values)[np.asarray(bands) - 1, None, None]
                for values in (raster.scales, raster.offsets)
            )
    except RasterioError as error:
        raise RasterError(f"{path.name} cannot be read.", "Export or predict it again.") from error
    values = (np.ma.getdata(pixels) * scales + offsets).astype(np.float32)
    missing = np.ma.getmaskarray(pixels) | ~np.isfinite(values)
    return values, np.asarray(~missing.any(axis=0))


def _index(unit: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.rint(np.nan_to_num(unit) * (STEPS - 1)).astype(np.intp)


def coloured(
    values: NDArray[np.floating[Any]],
    known: NDArray[np.bool_],
    drawing: Drawing,
    style: TileStyle,
) -> NDArray[np.uint8]:
    """Colours of pixels.

    Parameters
    ----------
    values:
        Shape (bands, height, width), in the layer's unit.
    known:
        Shape (height, width); pixels that are not known become transparent.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width, 4), red, green, blue, alpha.
    """
    result = np.zeros((*known.shape, 4), dtype=np.uint8)
    if isinstance(drawing, Stretch):
        shades = [
            np.clip((np.nan_to_num(band) - low) / (high - low), 0, 1) * 255
            for band, (low, high) in zip(values, drawing.ranges, strict=True)
        ]
        result[..., :3] = np.rint(np.stack(shades if len(shades) == 3 else shades * 3, axis=-1))
    elif drawing == "difference":
        result[..., :3] = DIFFERENCE[_index(difference_to_unit(values[0], style.limit))]
    else:
        unit = radiance_to_unit(values[0], style.low, style.high, style.scale == "log")
        result[..., :3] = RADIANCE[_index(unit)]
    result[..., 3] = np.where(known, 255, 0)
    return result


def encode_png(colours: NDArray[np.uint8]) -> bytes:
    """A PNG of uint8 colours, shape (height, width, 4)."""
    from PIL import Image

    content = BytesIO()
    Image.fromarray(colours).save(content, format="PNG", compress_level=1)
    return content.getvalue()


def tile_png(path: Path, x: int, y: int, z: int, drawing: Drawing, style: TileStyle) -> bytes | None:
    """One map tile as PNG, or None where the raster does not reach.

    Parameters
    ----------
    path:
        A GeoTIFF, best with overviews.
    x, y, z:
        Tile of the web map scheme (EPSG:3857), z from 0.

    Raises
    ------
    RasterError
        When the file cannot be read.
    """
    bands = drawing.bands if isinstance(drawing, Stretch) else (1,)
    read = _read_tile(path, x, y, z, bands, smooth=isinstance(drawing, Stretch))
    if read is None:
        return None
    values, known = read
    return encode_png(coloured(values, known, drawing, style))


def values_at(
    files: Mapping[str, Path], longitude: float, latitude: float
) -> dict[str, tuple[float | None, ...]]:
    """Values of all bands of every file at one point, in the bands' units; None where missing.

    Files that do not reach the point are left out.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.warp import transform
    from rasterio.windows import Window as PixelWindow

    found: dict[str, tuple[float | None, ...]] = {}
    for name, path in files.items():
        try:
            with rasterio.open(path) as raster:
                east, north = transform("EPSG:4326", raster.crs, [longitude], [latitude])
                row, column = raster.index(east[0], north[0])
                if not (0 <= row < raster.height and 0 <= column < raster.width):
                    continue
                pixel = raster.read(window=PixelWindow(column, row, 1, 1), masked=True)[:, 0, 0]
                scales, offsets = raster.scales, raster.offsets
        except RasterioError as error:
            raise RasterError(f"{path.name} cannot be read.", "Export or predict it again.") from error
        found[name] = _physical(pixel, scales, offsets)
    return found


def _physical(pixel: Any, scales: Sequence[float], offsets: Sequence[float]) -> tuple[float | None, ...]:
    missing = np.ma.getmaskarray(pixel)
    numbers = np.ma.getdata(pixel).astype(np.float64) * np.asarray(scales) + np.asarray(offsets)
    return tuple(
        None if absent or not np.isfinite(number) else float(number)
        for number, absent in zip(numbers, missing, strict=True)
    )
