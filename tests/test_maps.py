"""Tiles show the right pixels in the right colours; points read the right values."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from nightlights.bands import LANDSAT_BANDS
from nightlights.errors import RasterError
from nightlights.grid import Window
from nightlights.interface.planet_tiles import scene_png
from nightlights.maps import Stretch, TileStyle, coloured, tile_png, values_at
from nightlights.palettes import DIFFERENCE, RADIANCE

ALL = np.ones((1, 1), dtype=np.bool_)
# Web map tiles of zoom 8 are 1.40625 degrees wide; tile (128, 127) begins at 0 E and ends at 0 N.
ZOOM, COLUMN, ROW = 8, 128, 127
SIDE = 360 / 2**ZOOM


def write(
    path: Path, bands: NDArray[Any], *, scale: float = 1, offset: float = 0, nodata: Any = np.nan
) -> Path:
    """A raster over the tile from the equator north and Greenwich east."""
    count, height, width = bands.shape
    transform = Affine(SIDE / width, 0, 0, 0, -SIDE / height, SIDE)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=bands.dtype,
        crs="EPSG:4326",
        transform=transform,
        nodata=nodata,
    ) as raster:
        raster.write(bands)
        raster.scales, raster.offsets = (scale,) * count, (offset,) * count
    return path


def pixels(png: bytes | None) -> NDArray[np.uint8]:
    assert png is not None
    return np.asarray(Image.open(BytesIO(png)))


def test_a_tile_shows_the_quarters_of_a_raster_where_they_are(tmp_path: Path) -> None:
    values = np.array([[[0.1, 1000.0], [np.nan, 10.0]]], np.float32)
    style = TileStyle(low=1.0, high=100.0)
    tile = pixels(tile_png(write(tmp_path / "a.tif", values), COLUMN, ROW, ZOOM, "radiance", style))
    assert tile.shape == (256, 256, 4)
    north_west, north_east, south_west, south_east = (
        tile[60, 60], tile[60, 200], tile[200, 60], tile[200, 200]
    )  # fmt: skip
    assert (*north_west[:3], north_west[3]) == (0, 0, 0, 255)
    assert tuple(north_east[:3]) == tuple(RADIANCE[255])
    assert south_west[3] == 0
    # 10 is the middle of 1 .. 100 on the logarithmic scale.
    assert tuple(south_east[:3]) == tuple(RADIANCE[128])


def test_a_tile_elsewhere_is_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.ones((1, 4, 4), np.float32))
    assert tile_png(path, COLUMN + 9, ROW, ZOOM, "radiance", TileStyle()) is None


def test_scaled_integers_are_drawn_in_physical_units(tmp_path: Path) -> None:
    stored = np.array([10_000, 20_000, 0], np.uint16)[:, None, None] * np.ones((1, 8, 8), np.uint16)
    path = write(tmp_path / "a.tif", stored, scale=0.0000275, offset=-0.2, nodata=65535)
    stretch = Stretch((2, 1, 3), ((0.0, 0.7), (0.0, 0.15), (-0.2, 0.2)))
    tile = pixels(tile_png(path, COLUMN, ROW, ZOOM, stretch, TileStyle()))
    # 20000 -> 0.35, half of 0.7; 10000 -> 0.075, half of 0.15; 0 -> -0.2, the lower end.
    np.testing.assert_allclose(tile[128, 128], [128, 128, 0, 255], atol=1)


def test_difference_colours_are_centred_at_zero() -> None:
    for value, index in ((0.0, 128), (-9.0, 0), (9.0, 255), (1.5, 191)):
        colour = coloured(np.full((1, 1, 1), value), ALL, "difference", TileStyle(limit=3.0))
        assert tuple(colour[0, 0, :3]) == tuple(DIFFERENCE[index])


def test_one_band_is_grey() -> None:
    grey = coloured(np.full((1, 1, 1), 300.0), ALL, Stretch((1,), ((285.0, 320.0),)), TileStyle())
    assert tuple(grey[0, 0]) == (109, 109, 109, 255)


@pytest.mark.parametrize(
    "style",
    [
        {"low": "nan"},
        {"low": "5", "high": "2"},
        {"low": "0"},
        {"scale": "cubic"},
        {"limit": "0"},
        {"limit": "inf"},
        {"high": "1e99"},
    ],
)
def test_styles_that_cannot_be_drawn(style: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        TileStyle.model_validate(style)


def test_values_at_a_point(tmp_path: Path) -> None:
    fine = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    fine[0, 0, 3] = np.nan
    stored = np.full((2, 2, 2), 10_000, np.uint16)
    files = {
        "fine": write(tmp_path / "fine.tif", fine),
        "scaled": write(tmp_path / "scaled.tif", stored, scale=0.01, offset=200, nodata=0),
    }
    west_south = values_at(files, SIDE / 8, SIDE / 8)
    assert west_south["fine"] == (12.0,)
    assert west_south["scaled"] == pytest.approx((300.0, 300.0))
    assert values_at(files, SIDE * 7 / 8, SIDE * 7 / 8)["fine"] == (None,)
    assert values_at(files, -1.0, 1.0) == {}


def test_a_broken_file_says_what_to_do(tmp_path: Path) -> None:
    broken = tmp_path / "a.tif"
    broken.write_bytes(b"II*\x00 and no more")
    with pytest.raises(RasterError, match="again"):
        tile_png(broken, COLUMN, ROW, ZOOM, "radiance", TileStyle())
    with pytest.raises(RasterError, match="again"):
        values_at({"a": broken}, 0.1, 0.1)


class Quadrants:
    """A source whose red band is 0.35 north of a latitude and 0 south of it; nothing else is used."""

    bands = LANDSAT_BANDS

    def __init__(self, latitude: float) -> None:
        self.latitude = latitude

    def daytime(self, window: Window) -> NDArray[np.float32]:
        image = np.zeros((len(LANDSAT_BANDS), *window.fine_shape), np.float32)
        image[3, window.fine_latitudes > self.latitude] = 0.35
        return image


def test_a_scene_is_laid_into_the_web_map_tile() -> None:
    zoom, x, y = 12, 2200, 900
    edges = [np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * (y + part) / 2**zoom)))) for part in (0, 0.25, 1)]
    png = scene_png(Quadrants(edges[1]), x, y, zoom)  # type: ignore[arg-type]
    tile = pixels(png)
    assert (tile[:62, :, 0] == 255).all()
    assert (tile[66:, :, 0] == 0).all()
    assert (tile[..., 3] == 255).all()
    assert scene_png(Quadrants(0.0), 0, 0, zoom) is None  # type: ignore[arg-type]
