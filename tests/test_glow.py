"""The glow of the point spread: what it keeps, whom it reaches, and that every use of it is the same."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, uniform_filter

from nightlights.bands import RadianceTransform
from nightlights.errors import SettingsError
from nightlights.glow_operator import LARGEST_REACH, glow_matrix, glow_weights
from nightlights.grid import EARTH_RADIUS_M, FINE_PER_VIIRS, Window
from nightlights.noise import Noise
from nightlights.observation import ObservationOperator, PointSpread, observe
from nightlights.sharpening import sharpen
from nightlights.sharpening.scene import Scene
from nightlights.sharpening.strips import StripOperator
from nightlights.sharpening.verdict import _Footprints, verdict
from nightlights.training.footprints import MINIMUM_COVERAGE, PatchFootprints

Floats = NDArray[np.float64]
GLOW = PointSpread(742.0, 0.2, 5_000.0)
some_windows = st.builds(
    Window, st.integers(0, 80_000), st.integers(600, 33_000), st.integers(1, 9), st.integers(1, 9)
)
glows = st.builds(
    PointSpread,
    st.sampled_from([0.0, 742.0]),
    st.sampled_from([0.05, 0.2, 0.5]),
    st.sampled_from([2_000.0, 5_000.0, 10_000.0]),
)


@settings(max_examples=40, deadline=None)
@given(some_windows, glows, st.integers(0, 2**32 - 1))
def test_the_adjoint_is_the_transpose(window: Window, spread: PointSpread, seed: int) -> None:
    generator = np.random.default_rng(seed)
    operator = ObservationOperator(window, spread)
    fine, coarse = generator.normal(size=window.fine_shape), generator.normal(size=window.shape)
    assert (operator.forward(fine) * coarse).sum() == pytest.approx(
        (fine * operator.adjoint(coarse)).sum(), rel=1e-10, abs=1e-10
    )


@settings(max_examples=15, deadline=None)
@given(some_windows, glows, st.integers(0, 2**32 - 1))
def test_even_light_is_observed_as_even_light(window: Window, spread: PointSpread, seed: int) -> None:
    fine = np.full(window.fine_shape, 7.0)
    fine[np.random.default_rng(seed).uniform(size=fine.shape) < 0.1] = np.nan
    # One pixel by itself, far north, has a tenth of its footprint.
    seen = observe(fine, window, spread, minimum_coverage=0.01)
    np.testing.assert_allclose(seen[np.isfinite(seen)], 7.0, rtol=1e-12)
    assert np.isfinite(seen).any()


@pytest.mark.parametrize("row", [17_990, 4_000])
@pytest.mark.parametrize("width_m", [2_000.0, 6_000.0])
def test_all_light_away_from_the_edge_is_kept(row: int, width_m: float) -> None:
    spread = PointSpread(742.0, 0.3, width_m)
    margin = spread.margin(float(np.abs(Window(43_000, row, 1, 120).latitudes).max()))
    window = Window(43_000, row, 2 * margin + 3, 2 * margin + 3)
    fine = np.zeros(window.fine_shape)
    inner = slice(margin * FINE_PER_VIIRS, -margin * FINE_PER_VIIRS)
    fine[inner, inner] = np.random.default_rng(0).gamma(0.3, 20, size=fine[inner, inner].shape)
    observed = ObservationOperator(window, spread).forward(fine)
    assert observed.sum() * FINE_PER_VIIRS**2 == pytest.approx(fine.sum(), rel=1e-12)
    assert observed.min() >= 0
    # The glow is what is kept out there.
    assert 0 < observed[:, :2].sum() < 0.01 * observed.sum()


@pytest.mark.parametrize("width_m", [2_000.0, 4_000.0])
def test_the_operator_equals_a_convolution_on_the_analysis_grid(width_m: float) -> None:
    """Two Gaussians in metres, each convolved along both axes at full resolution, then block means."""
    window = Window(43_000, 18_000, 41, 41)
    spread = PointSpread(742.0, 0.25, width_m)
    fine = np.zeros(window.fine_shape)
    generator = np.random.default_rng(3)
    fine[280:380, 270:400] = generator.gamma(0.2, 30, (100, 130))
    fine[100, 111] = 900.0
    pixel_m = np.pi / 180 * EARTH_RADIUS_M / 3840
    expected = np.zeros(window.fine_shape)
    for share, fwhm_m in ((0.75, 742.0), (0.25, width_m)):
        sigma = fwhm_m / 2.354820045 / pixel_m
        across = gaussian_filter1d(fine, sigma, axis=0, mode="constant", truncate=6)
        expected += share * gaussian_filter1d(across, sigma, axis=1, mode="constant", truncate=6)
    blocks = expected.reshape(41, 16, 41, 16).mean(axis=(1, 3))
    found = ObservationOperator(window, spread).forward(fine)
    # The cuts at 4 and 3 standard deviations, and light shared between the two nearest VIIRS pixels.
    assert np.abs(found - blocks).max() < 0.003 * blocks.max()
    lit = blocks > 0.003 * blocks.max()
    np.testing.assert_allclose(found[lit], blocks[lit], rtol=0.06)
    without = ObservationOperator(window, spread.core).forward(fine)
    assert np.abs(without - blocks).max() > 0.05 * blocks.max()


def test_without_a_glow_nothing_is_what_it_was_not() -> None:
    window = Window(43_000, 9_000, 9, 7)
    fine = np.random.default_rng(5).gamma(0.3, 20, window.fine_shape)
    plain, none = PointSpread(742.0), PointSpread(742.0, 0.0, 9_000.0)
    assert plain.margin(60.0) == none.margin(60.0) < GLOW.margin(60.0)
    np.testing.assert_array_equal(observe(fine, window, plain), observe(fine, window, none))
    coarse = fine[::16, ::16]
    for one in (plain, none):
        strip = StripOperator.of(window, one)
        assert strip.glow is None
        np.testing.assert_array_equal(
            strip.adjoint(coarse, slice(2, 5)), StripOperator.of(window, plain).adjoint(coarse, slice(2, 5))
        )


def test_a_window_cut_from_a_larger_one_sees_the_same_away_from_its_edge() -> None:
    spread = PointSpread(742.0, 0.3, 2_000.0)
    outer = Window(43_000, 9_000, 44, 40)
    margin = spread.margin(float(outer.latitudes.max()))
    inner = Window(43_004, 9_003, 36, 34)
    fine = np.random.default_rng(4).gamma(0.3, 20, outer.fine_shape)
    whole = ObservationOperator(outer, spread).forward(fine)[inner.slices_in(outer)]
    cut = ObservationOperator(inner, spread).forward(fine[inner.fine_slices_in(outer)])
    inner_whole, inner_cut = (image[margin:-margin, margin:-margin] for image in (whole, cut))
    assert inner_whole.size > 50
    np.testing.assert_allclose(inner_cut, inner_whole, rtol=0, atol=1e-12 * inner_whole.max())


@settings(max_examples=15, deadline=None)
@given(some_windows, glows, st.integers(1, 4), st.integers(0, 2**31))
def test_strips_equal_the_whole(window: Window, spread: PointSpread, height: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    fast, exact = StripOperator.of(window, spread), ObservationOperator(window, spread)
    fine, coarse = generator.gamma(0.3, 20, window.fine_shape), generator.normal(size=window.shape)
    seen = np.zeros((window.height + 2 * fast.margin, window.width))
    back = np.empty(window.fine_shape)
    for first in range(0, window.height, height):
        rows = slice(first, min(first + height, window.height))
        across = slice(rows.start * FINE_PER_VIIRS, rows.stop * FINE_PER_VIIRS)
        seen[rows.start : rows.stop + 2 * fast.margin] += fast.forward(fine[across].astype(np.float32), rows)
        back[across] = fast.adjoint(coarse, rows)
    wanted = exact.forward(fine)
    np.testing.assert_allclose(
        seen[fast.margin : fast.margin + window.height], wanted, rtol=0, atol=1e-5 * wanted.max()
    )
    transposed = exact.adjoint(coarse)
    np.testing.assert_allclose(back, transposed, rtol=0, atol=1e-5 * np.abs(transposed).max())


@settings(max_examples=10, deadline=None)
@given(
    rows=st.lists(st.integers(0, 33_000), min_size=1, max_size=3), spread=glows, seed=st.integers(0, 2**31)
)
def test_training_observes_patches_as_one_window_is(rows: list[int], spread: PointSpread, seed: int) -> None:
    # TensorFlow before pyogrio, in one process, makes GDAL crash: not when tests are collected.
    from nightlights.losses import observed_radiance

    generator = np.random.default_rng(seed)
    fine = generator.gamma(0.5, 10.0, size=(len(rows), 96, 96))
    known = generator.uniform(size=fine.shape) > 0.02
    transform = RadianceTransform(kind="inverse hyperbolic sine", scale=3.0)
    footprints = PatchFootprints(spread, 96)
    places = np.array(rows)
    seen, weights = (
        np.asarray(each)
        for each in observed_radiance(
            transform.forward(fine).astype(np.float32),
            known.astype(np.float32),
            footprints.across_rows,
            footprints.along_rows(places),
            transform,
            0.6,
            (footprints.glow_share, footprints.glow_across_rows, footprints.glow_along_rows(places)),
        )
    )
    for index, row in enumerate(rows):
        window = Window(5000, row, 6, 6)
        expected = observe(np.where(known[index], fine[index], np.nan), window, spread, minimum_coverage=0.6)
        use = np.isfinite(expected) & (weights[index] > 0)
        assert use.sum() >= 16
        np.testing.assert_allclose(seen[index][use], expected[use], rtol=3e-5)


def test_the_core_decides_which_footprints_a_patch_covers() -> None:
    ones, rows = np.ones((1, 128, 128), np.float32), np.array([18_000])
    for spread in (GLOW, GLOW.core):
        covered = PatchFootprints(spread, 128).covered(ones, np.ones((1, 8, 8), np.float32), rows)
        assert covered[0, 1:-1, 1:-1].all() and covered.sum() == 36
    assert MINIMUM_COVERAGE > 0.9


def test_the_matrix_has_the_weights_of_the_operator() -> None:
    fine = np.random.default_rng(3).normal(size=(1, 30 * FINE_PER_VIIRS))
    window = Window(43_000, 12_000, 30, 1)
    spread = PointSpread(0.0, 0.5, 3_000.0)
    along = glow_matrix(30, spread.glow_sigma_columns(float(window.latitudes[0])))
    across = glow_matrix(1, spread.glow_sigma_rows())
    found = spread.glow_operator(window).forward(np.repeat(fine, 16, axis=0))
    np.testing.assert_allclose(found[0], across.sum() * (along @ fine[0]), rtol=0, atol=1e-12)


def test_the_reach_is_bounded_near_the_poles() -> None:
    assert PointSpread(742.0, 0.1, 10_000.0).margin(74.9) == LARGEST_REACH + 1
    assert PointSpread(742.0, 0.1, 5_000.0).margin(0.0) == 15
    for sigma in (2.0, 40.0):
        assert glow_weights(sigma).sum() == pytest.approx(1)


def test_a_scene_observes_as_the_operator_does_and_knows_what_the_core_covers() -> None:
    window = Window(43_000, 9_000, 12, 10)
    fine = np.random.default_rng(6).gamma(0.5, 10, window.fine_shape).astype(np.float32)
    fine[40:110, 30:150] = np.nan
    spread = PointSpread(742.0, 0.5, 6_000.0)
    scene = Scene(lambda part: fine[part.fine_slices_in(window)], window, spread, tile_size=3)
    expected = observe(np.maximum(fine, scene.darkest), window, spread)
    known = np.isfinite(expected)
    assert 0 < known.sum() < known.size
    np.testing.assert_array_equal(scene.inverse > 0, known)
    np.testing.assert_allclose(scene.observed(np.zeros(window.shape))[known], expected[known], rtol=1e-5)


def test_the_verdict_moves_the_glow_up_in_scale_with_the_footprint() -> None:
    """Towns seen through a glow, and a prediction that has all of it: its texture is right."""
    window = Window(44_000, 18_000, 64, 56)
    generator = np.random.default_rng(1)
    light = np.exp(1.5 * gaussian_filter1d(generator.normal(size=window.shape), 0.8, axis=0))
    noise = Noise(share=0.02, floor=0.02)
    seen = light * (1 + 0.02 * generator.normal(size=light.shape))
    with_glow, without = (
        verdict(seen, light, window, spread, noise)
        for spread in (PointSpread(742.0, 0.3, 4_000.0), GLOW.core)
    )
    assert with_glow.exponent > 0.8
    # The same texture, judged by another footprint.
    assert [scale.gain for scale in with_glow.scales] != [scale.gain for scale in without.scales]


def test_the_footprints_moved_up_in_scale_are_the_two_gaussians() -> None:
    spread, factor = PointSpread(742.0, 0.3, 4_000.0), 4
    footprints = _Footprints.of((31, 33), factor, spread, 0.0)
    even = footprints.forward(np.ones((31 * factor, 33 * factor)))
    assert even[15, 16] == pytest.approx(1, abs=1e-3)
    light = np.zeros((31 * factor, 33 * factor))
    light[60:64, 64:68] = np.random.default_rng(2).gamma(1, 5, (4, 4))
    expected = np.zeros(light.shape)
    for share, sigma in ((0.7, spread.sigma_rows() / FINE_PER_VIIRS), (0.3, spread.glow_sigma_rows())):
        across = gaussian_filter1d(light, factor * sigma, axis=0, mode="constant", truncate=8)
        expected += share * gaussian_filter1d(across, factor * sigma, axis=1, mode="constant", truncate=8)
    blocks = expected.reshape(31, factor, 33, factor).mean(axis=(1, 3))
    np.testing.assert_allclose(footprints.forward(light), blocks, rtol=0, atol=0.01 * blocks.max())
    coarse = np.random.default_rng(3).normal(size=(31, 33))
    assert (footprints.forward(light) * coarse).sum() == pytest.approx(
        (light * footprints.adjoint(coarse)).sum(), rel=1e-10
    )


def test_light_sharpened_with_the_glow_leaves_the_dark_dark() -> None:
    """A town beside water: what VIIRS sees over the water is glow, and sharpening with it puts none there."""
    window = Window(44_000, 18_000, 48, 40)
    truth = np.full(window.fine_shape, 0.01)
    town = np.random.default_rng(1).gamma(0.5, 30, (160, 160))
    truth[240:400, 200:360] += uniform_filter(town, 5)
    spread = PointSpread(742.0, 0.15, 4_000.0)
    measured = ObservationOperator(window, spread).forward(truth)
    noise, prior = Noise(share=0.02, floor=0.005), np.ones(window.fine_shape)
    prior[:, :190] = prior[:, 370:] = prior[:230] = prior[410:] = 0.02
    light = {
        glow: sharpen(prior, measured, window, spread if glow else spread.core, noise=noise)
        for glow in (True, False)
    }
    # From 2 to 4 km off the town.
    off = {glow: float(image[240:400, 440:500].mean()) for glow, image in light.items()}
    assert off[True] < 0.4 * off[False]
    area = window.pixel_area_km2[:, None]
    seen = observe(light[True], window, spread)
    assert float((seen * area).sum()) == pytest.approx(float((measured * area).sum()), rel=1e-3)


@pytest.mark.parametrize(
    ("share", "width_m"), [(-0.1, 5e3), (0.6, 5e3), (float("nan"), 5e3), (0.1, 500.0), (0.1, float("inf"))]
)
def test_a_senseless_glow_is_refused(share: float, width_m: Any) -> None:
    with pytest.raises(SettingsError, match="glow"):
        PointSpread(742.0, share, width_m)
