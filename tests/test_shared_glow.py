"""The glow of real VIIRS over Lake Tanganyika, off Bujumbura: the robust median of 2016."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from real_light import lake, lake_over_shore

from nightlights.glow import estimate_glow
from nightlights.grid import Window
from nightlights.noise import YEAR
from nightlights.observation import PointSpread
from nightlights.sharpening import sharpen
from nightlights.sharpening.interpolation import bicubic

DATA = Path(__file__).parents[2] / "shared" / "data"
Floats = NDArray[np.float64]

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not (DATA / "burundi_2016").is_dir(), reason="the real rasters are not beside the project"
    ),
]


@pytest.fixture(scope="module")
def seen() -> tuple[Floats, Window]:
    """VIIRS of Bujumbura and the north of the lake in nW/cm2/sr, on the grid."""
    return lake(DATA)


def test_the_profile_off_the_shore_is_no_gaussian(seen: tuple[Floats, Window]) -> None:
    measured, window = seen
    plain = lake_over_shore(measured, window)
    # A Gaussian of 742 m and a land without light between would leave next to nothing.
    assert 0.05 < plain < 0.08


def test_the_glow_of_bujumbura_is_found(seen: tuple[Floats, Window]) -> None:
    found = estimate_glow([seen[0]], [seen[1]])
    assert found.supported, found.reason
    assert 0.1 < found.share_lower < found.share < found.share_upper < 0.4
    assert 6_000 < found.fwhm_lower_m <= found.fwhm_m <= found.fwhm_upper_m < 15_000


def test_light_sharpened_with_its_glow_leaves_the_lake_dark(seen: tuple[Floats, Window]) -> None:
    measured, window = seen
    glow = estimate_glow([measured], [window])
    prior = bicubic(measured, window, PointSpread())
    plain = lake_over_shore(measured, window)
    ratios = {}
    for share in (0.0, glow.share):
        spread = PointSpread(742.0, share, glow.fwhm_m)
        ratios[share] = lake_over_shore(sharpen(prior, measured, window, spread, noise=YEAR), window)
    assert ratios[glow.share] < plain / 3
    assert ratios[0.0] > plain / 2
