"""The glow of real VIIRS over Lake Tanganyika, off Bujumbura: the robust median of 2016."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from nightlights.glow import estimate_glow
from nightlights.grid import Window
from nightlights.noise import YEAR
from nightlights.observation import PointSpread
from nightlights.sharpening import sharpen
from nightlights.sharpening.interpolation import bicubic

MONTHS = sorted((Path(__file__).parents[2] / "shared" / "data" / "burundi_2016").glob("VIIRS_2016_*.tif"))
Floats = NDArray[np.float64]

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(len(MONTHS) < 12, reason="the real rasters are not beside the project"),
]

WEST, NORTH, HEIGHT, WIDTH = 29.08126, -3.13959, 110, 130
SHORE = 29.34
"""Longitude of the shore between 3.37 S and 3.40 S, where the port is."""


@pytest.fixture(scope="module")
def lake() -> tuple[Floats, Window]:
    """VIIRS of Bujumbura and the north of the lake in nW/cm2/sr, on the grid."""
    months = []
    for path in MONTHS:
        with rasterio.open(path) as raster:
            image, transform = raster.read(1).astype(np.float64), raster.transform
        months.append(image - np.median(image))
    column, row = round((WEST - transform.c) / transform.a), round((NORTH - transform.f) / transform.e)
    part = np.median(months, axis=0)[row : row + HEIGHT, column : column + WIDTH]
    # The rasters lie on the grid but for their rounding.
    window = Window.covering(WEST, NORTH - 0.001, WEST + 0.001, NORTH)
    return part, Window(window.column, window.row, WIDTH, HEIGHT)


def lake_over_shore(light: NDArray[np.floating], window: Window) -> float:
    """Light from 2 to 6 km off the shore over that of the first kilometre of land."""
    step = light.shape[1] // window.width
    west, _, _, north = window.bounds
    longitude = west + (np.arange(light.shape[1]) + 0.5) / (240 * step)
    latitude = north - (np.arange(light.shape[0]) + 0.5) / (240 * step)
    km_off = (SHORE - longitude) * 111.195 * np.cos(np.radians(3.385))
    rows = light[(latitude < -3.37) & (latitude > -3.40)]
    lake, shore = rows[:, (km_off > 2) & (km_off < 6)], rows[:, (km_off < 0) & (km_off > -1)]
    return float(lake.mean() / shore.mean())


def test_the_profile_off_the_shore_is_no_gaussian(lake: tuple[Floats, Window]) -> None:
    measured, window = lake
    plain = lake_over_shore(measured, window)
    # A Gaussian of 742 m and a land without light between would leave next to nothing.
    assert 0.05 < plain < 0.08


def test_the_glow_of_bujumbura_is_found(lake: tuple[Floats, Window]) -> None:
    found = estimate_glow([lake[0]], [lake[1]])
    assert found.supported, found.reason
    assert 0.1 < found.share_lower < found.share < found.share_upper < 0.4
    assert 6_000 < found.fwhm_lower_m <= found.fwhm_m <= found.fwhm_upper_m < 15_000


def test_light_sharpened_with_its_glow_leaves_the_lake_dark(lake: tuple[Floats, Window]) -> None:
    measured, window = lake
    glow = estimate_glow([measured], [window])
    prior = bicubic(measured, window, PointSpread())
    plain = lake_over_shore(measured, window)
    ratios = {}
    for share in (0.0, glow.share):
        spread = PointSpread(742.0, share, glow.fwhm_m)
        ratios[share] = lake_over_shore(sharpen(prior, measured, window, spread, noise=YEAR), window)
    assert ratios[glow.share] < plain / 3
    assert ratios[0.0] > plain / 2
