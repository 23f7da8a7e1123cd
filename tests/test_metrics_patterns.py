"""Scan lines, checkerboards, frames and holes, on images whose figures are known."""

import math

import numpy as np
import pytest

from nightlights.metrics import dark_holes, edge_ratio, phase_spread, scan_lines


def town(seed: int = 1, side: int = 128) -> np.ndarray:
    """Light without any pattern."""
    return np.random.default_rng(seed).lognormal(0, 1, (side, side))


def test_scan_lines_are_seen_and_scattered_light_is_not() -> None:
    clean = town()
    lined, crossed = clean.copy(), clean.copy()
    lined[::2] *= 1.5
    crossed[:, ::2] *= 1.5
    # Of scattered light: a second difference has 6 variances, a mean of 128 has a 128th of it.
    assert scan_lines(clean) == pytest.approx(2 * 6 / 128, rel=0.3)
    for image in (lined, crossed):
        assert scan_lines(image) - scan_lines(clean) == pytest.approx((2 * math.log(1.5)) ** 2, rel=0.1)
    assert scan_lines(lined.T) == pytest.approx(scan_lines(lined))
    # A slope is no line.
    assert scan_lines(np.exp(np.add.outer(np.arange(40) / 9, np.zeros(30)))) == pytest.approx(0, abs=1e-12)


def test_a_checkerboard_is_seen_whichever_way_it_lies() -> None:
    clean = town(2)
    spreads = []
    for row in (0, 1):
        for column in (0, 1):
            image = clean.copy()
            image[row::2, column::2] *= 1.4
            spreads.append(phase_spread(image))
    assert phase_spread(clean) < 0.05
    assert np.allclose(spreads, math.log(1.4), atol=0.05)
    assert phase_spread(np.full((7, 9), 4.0)) == 0


def test_a_frame_is_seen_on_every_side() -> None:
    light = np.full((120, 90), 2.0)
    assert edge_ratio(light) == 1
    for side in ((slice(8),), (slice(-8, None),), (slice(None), slice(8)), (slice(None), slice(-8, None))):
        framed = light.copy()
        framed[side] = 3.0
        assert edge_ratio(framed) > 1.05
    framed = np.full((120, 90), 3.0)
    framed[8:-8, 8:-8] = 2.0
    assert edge_ratio(framed) == pytest.approx(1.5)
    framed[40:-40, 40:-40] = 100.0
    assert edge_ratio(framed) == pytest.approx(1.5)


def test_holes_count_where_there_is_light_to_lose() -> None:
    truth = np.full((10, 10), 5.0)
    truth[:5] = 0.9
    light = truth.copy()
    light[0] = 0.0
    assert dark_holes(light, truth) == 0
    light[9, :2], light[8, :2] = 0.49, 0.51
    assert dark_holes(light, truth) == pytest.approx(2 / 50)


def test_missing_pixels_do_not_count() -> None:
    light = town(3)
    light[::2] *= 2
    gaps = light.copy()
    gaps[:, :60] = np.nan
    assert scan_lines(gaps) == pytest.approx(scan_lines(light), rel=0.2)
    assert phase_spread(gaps) == pytest.approx(phase_spread(light), rel=0.2)
    assert math.isfinite(edge_ratio(gaps))
    assert dark_holes(gaps, light) == 0 and dark_holes(np.zeros_like(light), gaps) == 1
    nothing = np.full((16, 16), np.nan)
    assert all(math.isnan(figure(nothing)) for figure in (scan_lines, phase_spread, edge_ratio))
    assert math.isnan(dark_holes(light, np.zeros_like(light)))
