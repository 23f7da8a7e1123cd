"""Sharpened light is observed as it was measured, keeps the texture, and adds no blocks, halos or gloom."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_info, threadpool_limits

from nightlights.errors import DatasetError
from nightlights.grid import Window
from nightlights.manifests import ModelConfig, TrainingSettings
from nightlights.observation import ObservationOperator, PointSpread, observe
from nightlights.sharpening import NOISE_FLOOR, sharpen, sharpened_blocks
from nightlights.sharpening.cells import CellOperator, cell_sums

WINDOW = Window(44_000, 18_000, 11, 9)
Floats = NDArray[np.float64]


def town(window: Window, seed: int, brightest: float = 30.0) -> Floats:
    """Streets and roofs: bright pixels where a smooth field is high, a faint background elsewhere."""
    generator = np.random.default_rng(seed)
    density = gaussian_filter(generator.normal(size=window.fine_shape), 12)
    lit = generator.random(window.fine_shape) < np.clip(density / density.std() / 2 + 0.2, 0, 1)
    return np.where(lit, generator.gamma(2, brightest / 4, window.fine_shape), 0.2)


def measured_of(truth: Floats, window: Window, seed: int, noise: float = 0.02) -> Floats:
    """What a noisy VIIRS sees: a share of the light, and a floor that takes dark pixels below 0."""
    seen = observe(truth, window)
    return seen + np.random.default_rng(seed).normal(size=seen.shape) * (noise * seen + noise)


def assert_agrees(sharpened: NDArray[np.float32], measured: Floats, window: Window) -> None:
    observed, known = observe(sharpened, window), np.isfinite(measured)
    above = known & (measured > NOISE_FLOOR) & np.isfinite(observed)
    np.testing.assert_allclose(observed[above], measured[above], rtol=0.01)
    area = np.broadcast_to(window.pixel_area_km2[:, None], window.shape)
    both = known & np.isfinite(observed)
    assert (observed * area)[both].sum() == pytest.approx((measured * area)[both].sum(), rel=1e-3)
    assert np.nanmin(sharpened) >= 0


some_windows = st.builds(
    Window, st.integers(0, 80_000), st.integers(12_000, 24_000), st.integers(5, 8), st.integers(5, 8)
)
wherever = st.builds(
    Window, st.integers(0, 80_000), st.integers(1000, 32_000), st.integers(2, 6), st.integers(2, 6)
)


@settings(max_examples=5, deadline=None)
@given(some_windows, st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.3, 1.0]))
def test_the_result_is_observed_as_measured_from_a_prior_of_another_town(
    window: Window, seed: int, brightness: float
) -> None:
    truth, other = town(window, seed), town(window, seed + 1, 30 * brightness)
    measured = measured_of(truth, window, seed)
    assert_agrees(sharpen(other, measured, window), measured, window)


def test_a_prior_that_is_dark_where_light_was_measured_is_not_bent_beyond_use() -> None:
    """Its contrast is twenty times that of the truth, in other places: 1 % would roughen the light."""
    window = Window(0, 12_000, 6, 5)
    measured = measured_of(town(window, 1257), window, 1257)
    observed = observe(sharpen(town(window, 1258, 600.0), measured, window), window)
    bright = measured > NOISE_FLOOR
    error = np.abs(observed / measured - 1)[bright]
    assert 0.01 < error.max() < 0.05
    area = np.broadcast_to(window.pixel_area_km2[:, None], window.shape)
    assert (observed * area).sum() == pytest.approx((measured * area).sum(), rel=1e-3)


def test_tolerance_and_noise_floor_are_those_that_are_given() -> None:
    window = Window(44_000, 18_000, 6, 5)
    measured, prior = observe(town(window, 1), window), town(window, 2)
    bright = measured > NOISE_FLOOR

    def errors(**given: float) -> Floats:
        return np.abs(observe(sharpen(prior, measured, window, **given), window) - measured)

    assert 0.02 < (errors(tolerance=0.03) / measured)[bright].max() < 0.03
    dim = errors(noise_floor=1000.0)
    assert dim.max() < 0.1 and (dim / measured)[bright].max() > 0.02


def test_a_prior_below_0_counts_as_none_with_a_contrast_too() -> None:
    window = Window(44_000, 18_000, 6, 5)
    prior, measured = town(window, 2), observe(town(window, 1), window)
    prior[::3] = -prior[::3]
    found, wanted = (sharpen(each, measured, window, contrast=1.25) for each in (prior, prior.clip(0)))
    np.testing.assert_array_equal(found, wanted)


@settings(max_examples=5, deadline=None)
@given(wherever, st.integers(0, 2**32 - 1))
def test_a_perfect_prior_and_its_own_observation_give_the_truth_back(window: Window, seed: int) -> None:
    truth = town(window, seed)
    np.testing.assert_allclose(sharpen(truth, observe(truth, window), window), truth, rtol=1e-5)


@pytest.mark.parametrize("contrast", [0.1, 2.0])
def test_the_texture_does_not_depend_on_how_dim_the_prior_is(contrast: float) -> None:
    """Up to the bounds of the setting: with a contrast of 4 the dim prior loses its texture."""
    truth = town(WINDOW, 4)
    measured, dim = observe(truth, WINDOW), truth * (0.02 / truth.mean())
    wanted = sharpen(truth, measured, WINDOW, contrast=contrast)
    np.testing.assert_allclose(
        sharpen(dim, measured, WINDOW, contrast=contrast), wanted, rtol=0.02, atol=0.01
    )
    for model in (TrainingSettings, ModelConfig):
        assert [*map(str, model.model_fields["sharpening_contrast"].metadata)] == ["Ge(ge=0.1)", "Le(le=2)"]


@pytest.mark.parametrize("contrast", [0.5, 1.25])
def test_a_prior_that_is_a_power_of_the_truth_gives_the_truth_back_by_its_contrast(contrast: float) -> None:
    truth = town(WINDOW, 4)
    measured = observe(truth, WINDOW)
    flat = 3 * truth ** (1 / contrast)
    found = sharpen(flat, measured, WINDOW, contrast=contrast)
    np.testing.assert_allclose(found, truth, rtol=1e-3)
    assert np.abs(sharpen(flat, measured, WINDOW) / truth - 1).max() > 0.1


def test_a_truth_of_the_wrong_brightness_everywhere_is_put_right() -> None:
    truth = town(WINDOW, 1)
    smooth = np.exp(gaussian_filter(np.random.default_rng(2).normal(size=truth.shape), 40) * 40)
    found = sharpen(truth * smooth, observe(truth, WINDOW), WINDOW)
    before = np.sqrt(np.mean((truth * smooth - truth) ** 2))
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.25 * before


def test_noise_costs_little_where_the_prior_is_right() -> None:
    truth = town(WINDOW, 3)
    found = sharpen(truth, measured_of(truth, WINDOW, 4), WINDOW)
    flat = sharpen(np.ones_like(truth), measured_of(truth, WINDOW, 4), WINDOW)
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.5 * np.sqrt(np.mean((flat - truth) ** 2))


@pytest.mark.parametrize("level", [0.4, 5.0, 200.0])
def test_an_even_prior_under_an_even_measurement_is_even(level: float) -> None:
    found = sharpen(np.ones(WINDOW.fine_shape), np.full(WINDOW.shape, level), WINDOW)
    np.testing.assert_allclose(found, level, rtol=0.01)


def test_a_smooth_prior_stays_smooth_across_the_edges_of_viirs_pixels() -> None:
    generator = np.random.default_rng(5)
    measured = 10 * np.exp(gaussian_filter(generator.normal(size=WINDOW.shape), 1))
    found = sharpen(np.full(WINDOW.fine_shape, 10.0), measured, WINDOW).astype(float)
    for axis in (0, 1):
        bends = np.abs(np.diff(found, 2, axis=axis)).max(axis=1 - axis)
        at_edges = np.zeros(len(bends), bool)
        at_edges[14::16] = at_edges[15::16] = True
        assert bends[at_edges].max() <= 1.2 * bends[~at_edges].max()
        assert np.abs(np.diff(found, axis=axis)).max() < 0.06 * found.max()


def test_an_edge_of_light_has_no_halo() -> None:
    truth = np.full(WINDOW.fine_shape, 2.0)
    truth[:, 90:] = 20.0
    found = sharpen(truth, observe(truth, WINDOW), WINDOW)
    assert found.min() > 1.99 and found.max() < 20.01
    blurred = gaussian_filter(truth, 4)
    found = sharpen(blurred, observe(truth, WINDOW), WINDOW)
    assert found[:, :60].max() < 2.2 and found[:, :60].min() > 1.8
    assert found[:, 120:].max() < 22 and found[:, 120:].min() > 18


@pytest.mark.parametrize("tile", [2, 5])
@pytest.mark.parametrize("row", [17_000])
def test_tiles_equal_the_whole_pass(tile: int, row: int) -> None:
    window = Window(44_000, row, 7, 6)
    prior, truth = town(window, 6).astype(np.float32), town(window, 7)
    prior[:30, 20:50] = np.nan
    measured = measured_of(truth, window, 8)
    whole = sharpen(prior, measured, window)
    tiled = np.full(window.fine_shape, -1, np.float32)
    for part, light in sharpened_blocks(
        lambda part: prior[part.fine_slices_in(window)], measured, window, tile_size=tile
    ):
        tiled[part.fine_slices_in(window)] = light
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-4 * float(np.nanmax(whole)), equal_nan=True)


def test_a_region_beyond_the_memory_is_read_again_and_gives_the_same() -> None:
    window = Window(44_000, 17_000, 7, 6)
    prior = town(window, 6).astype(np.float32)
    measured = measured_of(town(window, 7), window, 8)
    readings: list[Window] = []

    def read(part: Window) -> NDArray[np.float32]:
        readings.append(part)
        return prior[part.fine_slices_in(window)]

    for kept_bytes, least, most in ((2**30, 3, 3), (0, 60, 10_000)):
        readings.clear()
        found = np.empty(window.fine_shape, np.float32)
        for part, light in sharpened_blocks(read, measured, window, tile_size=7, kept_bytes=kept_bytes):
            found[part.fine_slices_in(window)] = light
        np.testing.assert_array_equal(found, sharpen(prior, measured, window))
        assert least <= 3 * len(readings) <= most


def test_noise_far_from_the_equator_bends_the_light_little_and_agreement_is_given_up_there() -> None:
    window = Window(44_000, 6_500, 16, 14)
    truth = town(window, 13)
    clean, noisy = observe(truth, window), measured_of(truth, window, 14, noise=0.03)
    assert_agrees(sharpen(truth * 1.3, clean, window), clean, window)
    found = sharpen(truth, noisy, window)
    difference = np.abs(observe(found, window) / noisy - 1)[noisy > NOISE_FLOOR]
    assert difference.max() > 0.01 and difference.mean() < 0.02
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.3 * truth.std()


def test_noise_burns_no_dark_holes_into_a_lit_town() -> None:
    noisy = measured_of(town(WINDOW, 15), WINDOW, 16, noise=0.05)
    assert sharpen(np.full(WINDOW.fine_shape, 10.0), noisy, WINDOW).min() > 0


def test_missing_viirs_keeps_the_prior_scaled_as_its_neighbours() -> None:
    truth = town(WINDOW, 9)
    measured = observe(truth, WINDOW)
    measured[3:6, 4:8] = np.nan
    found = sharpen(truth / 4, measured, WINDOW)
    assert np.isfinite(found).all()
    hole = (slice(64, 80), slice(80, 112))
    assert found[hole].sum() == pytest.approx(truth[hole].sum(), rel=0.05)
    assert np.corrcoef(found[hole].ravel(), truth[hole].ravel())[0, 1] > 0.99
    assert_agrees(found, measured, WINDOW)


def test_missing_viirs_is_scaled_as_what_is_near_and_not_as_the_whole_window() -> None:
    truth = town(WINDOW, 9)
    measured, prior = observe(truth, WINDOW), truth / 4
    prior[:, 112:] *= 16
    measured[3:6, 2:5] = np.nan
    hole = (slice(64, 80), slice(48, 64))
    assert sharpen(prior, measured, WINDOW)[hole].sum() == pytest.approx(truth[hole].sum(), rel=0.1)


def test_a_missing_prior_stays_missing_and_the_rest_agrees() -> None:
    truth, prior = town(WINDOW, 10), town(WINDOW, 11)
    prior[20:70, 50:110] = np.nan
    measured = measured_of(truth, WINDOW, 12)
    found = sharpen(prior, measured, WINDOW)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(prior))
    assert_agrees(found, measured, WINDOW)


@pytest.mark.parametrize("prior", [0.0, np.nan, -3.0, 1e4])
@pytest.mark.parametrize("measured", [0.0, -0.3, np.nan, 50.0])
def test_extremes_stay_finite_and_not_negative(prior: float, measured: float) -> None:
    window = Window(44_000, 18_000, 4, 3)
    found = sharpen(np.full(window.fine_shape, prior), np.full(window.shape, measured), window)
    assert np.isnan(found).all() if np.isnan(prior) else (found >= 0).all()
    if measured == 50.0 and not np.isnan(prior):
        np.testing.assert_allclose(observe(found, window), 50.0, rtol=0.01)


def test_a_lone_pixel_sharper_than_the_point_spread_bends_the_result_within_bounds() -> None:
    measured = np.full(WINDOW.shape, 0.2)
    measured[4, 5] = 80.0
    found = sharpen(np.ones(WINDOW.fine_shape), measured, WINDOW)
    assert np.isfinite(found).all() and found.min() >= 0
    assert found[:, :32].max() < 5
    rows, columns = np.unravel_index(found.argmax(), found.shape)
    assert 64 <= rows < 80 and 80 <= columns < 96


@pytest.mark.parametrize(("fine", "coarse"), [((16, 16), (9, 11)), ((144, 176), (3, 3))])
def test_arrays_of_another_shape_are_refused(fine: tuple[int, int], coarse: tuple[int, int]) -> None:
    with pytest.raises(DatasetError, match="shape"):
        sharpen(np.ones(fine), np.ones(coarse), WINDOW)


@settings(max_examples=10, deadline=None)
@given(wherever, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 742.0, 1500.0]))
def test_the_operator_on_single_pixels_is_the_observation_strip_by_strip(
    window: Window, seed: int, fwhm_m: float
) -> None:
    generator, spread = np.random.default_rng(seed), PointSpread(fwhm_m)
    fast, exact = CellOperator.of(window, spread, cell=1), ObservationOperator(window, spread)
    fine, coarse = generator.random(window.fine_shape), generator.random(window.shape)
    seen = np.zeros((window.height + 2 * fast.margin, window.width))
    for row in range(window.height):
        strip, pixels = slice(row, row + 1), slice(16 * row, 16 * row + 16)
        seen[row : row + 1 + 2 * fast.margin] += fast.forward(fine[pixels], strip)
        np.testing.assert_allclose(fast.adjoint(coarse, strip), exact.adjoint(coarse)[pixels], rtol=1e-5)
    inner = seen[fast.margin : fast.margin + window.height]
    np.testing.assert_allclose(inner, exact.forward(fine), rtol=1e-5)
    np.testing.assert_allclose(fast.forward(fine), exact.forward(fine), rtol=1e-5)


@settings(max_examples=10, deadline=None)
@given(wherever, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 742.0, 1500.0]))
def test_the_operator_on_cells_is_close_and_its_adjoint_is_one(
    window: Window, seed: int, fwhm_m: float
) -> None:
    generator, spread = np.random.default_rng(seed), PointSpread(fwhm_m)
    operator = CellOperator.of(window, spread)
    cells = generator.random(tuple(4 * side for side in window.shape))
    coarse = generator.random(window.shape)
    assert (operator.forward(cells) * coarse).sum() == pytest.approx(
        (cells * operator.adjoint(coarse)).sum(), rel=1e-10
    )
    even = np.kron(cells, np.ones((4, 4)))
    np.testing.assert_allclose(
        operator.forward(cell_sums(even)), ObservationOperator(window, spread).forward(even), rtol=1e-9
    )


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_threads_are_bounded_while_it_works_and_the_result_does_not_depend_on_them() -> None:
    truth, other = town(WINDOW, 1), town(WINDOW, 2)
    measured = measured_of(truth, WINDOW, 3)
    results, seen = [], set()
    for threads in (1, 2, 4):

        def read(part: Window) -> NDArray[np.float32]:
            seen.update(blas_threads())
            return other[part.fine_slices_in(WINDOW)].astype(np.float32)

        with threadpool_limits(threads, user_api="blas"):
            tiles = []
            for _, light in sharpened_blocks(read, measured, WINDOW, tile_size=4, kept_bytes=0):
                # What the caller does between two tiles keeps its threads.
                assert blas_threads() == {threads}
                tiles.append(light)
            results.append(tiles)
    assert seen == {1}
    for tiles in results[1:]:
        for light, expected in zip(tiles, results[0], strict=True):
            np.testing.assert_array_equal(light, expected)
