"""Sharpened light agrees with VIIRS but for noise, keeps the texture, and adds no blocks, halos or gloom."""

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
from nightlights.noise import Noise
from nightlights.observation import ObservationOperator, PointSpread, observe
from nightlights.sharpening import Agreement, Sharpening, sharpen
from nightlights.sharpening.interpolation import bicubic
from nightlights.sharpening.strips import StripOperator

WINDOW = Window(44_000, 18_000, 11, 9)
QUIET = Noise(share=0.005, floor=0.01)
"""Of a measurement without noise: something has to be allowed."""
SOME = Noise(share=0.02, floor=0.05)
Floats = NDArray[np.float64]


def town(window: Window, seed: int, brightest: float = 30.0) -> Floats:
    """Streets and roofs: bright pixels where a smooth field is high, a faint background elsewhere."""
    generator = np.random.default_rng(seed)
    density = gaussian_filter(generator.normal(size=window.fine_shape), 12)
    lit = generator.random(window.fine_shape) < np.clip(density / density.std() / 2 + 0.2, 0, 1)
    return np.where(lit, generator.gamma(2, brightest / 4, window.fine_shape), 0.2)


def measured_of(truth: Floats, window: Window, seed: int, noise: Noise) -> Floats:
    """What a noisy VIIRS sees; the floor of the noise takes dark pixels below 0."""
    seen = observe(truth, window)
    generator = np.random.default_rng(seed)
    return seen + generator.normal(size=seen.shape) * np.hypot(noise.floor, noise.share * seen)


def agreement_of(light: NDArray[np.float32], measured: Floats, window: Window, noise: Noise) -> Agreement:
    return Agreement.of(observe(light, window), measured, noise.sigma(measured))


def assert_total_kept(light: NDArray[np.float32], measured: Floats, window: Window) -> None:
    observed = observe(light, window)
    both = np.isfinite(observed) & np.isfinite(measured)
    area = np.broadcast_to(window.pixel_area_km2[:, None], window.shape)[both]
    assert (observed[both] * area).sum() == pytest.approx((measured[both] * area).sum(), rel=1e-3)
    assert np.nanmin(light) >= 0


some_windows = st.builds(
    Window, st.integers(0, 80_000), st.integers(12_000, 24_000), st.integers(5, 8), st.integers(5, 8)
)
# Of fewer pixels the noise of one or two rules every mean.
wide_windows = st.builds(
    Window, st.integers(0, 80_000), st.integers(12_000, 24_000), st.integers(9, 10), st.integers(9, 10)
)
wherever = st.builds(
    Window, st.integers(0, 80_000), st.integers(1000, 32_000), st.integers(2, 6), st.integers(2, 6)
)


noises = st.builds(Noise, share=st.sampled_from([0.02, 0.05, 0.1, 0.3]), floor=st.sampled_from([0.05, 0.1]))


@settings(max_examples=10, deadline=None)
@given(wide_windows, st.integers(0, 2**32 - 1), noises)
def test_noise_is_not_fitted_and_total_light_is_kept(window: Window, seed: int, noise: Noise) -> None:
    """From a prior that is right but for its brightness, whatever the noise."""
    truth = town(window, seed)
    measured = measured_of(truth, window, seed, noise)
    found = sharpen(3 * truth, measured, window, noise=noise)
    assert_total_kept(found, measured, window)
    assert 0.4 < agreement_of(found, measured, window, noise).chi_square < 1.8
    # But for its total, which the noise lets be known so well, it is the truth again.
    assert np.sqrt(np.mean((found - truth) ** 2)) < (0.15 + 2 * noise.share) * np.sqrt(np.mean(truth**2))


@settings(max_examples=5, deadline=None)
@given(some_windows, st.integers(0, 2**32 - 1), st.sampled_from([0.3, 1.0, 3.0]))
def test_a_prior_of_another_town_is_brought_within_the_noise(
    window: Window, seed: int, brightness: float
) -> None:
    noise = Noise(share=0.05, floor=0.1)
    truth, other = town(window, seed), town(window, seed + 1, 30 * brightness)
    measured = measured_of(truth, window, seed, noise)
    before = agreement_of((other * truth.mean() / other.mean()).astype(np.float32), measured, window, noise)
    found = sharpen(other, measured, window, noise=noise)
    after = agreement_of(found, measured, window, noise)
    assert after.chi_square < max(1.5, 0.1 * before.chi_square)
    assert_total_kept(found, measured, window)


def test_a_town_in_the_dark_is_fitted_although_the_mean_over_all_pixels_is_below_1() -> None:
    window = Window(44_000, 18_000, 40, 40)
    noise, truth = Noise(share=0.1, floor=0.1), np.full(window.fine_shape, 0.02)
    truth[288:352, 288:352] = 20.0
    prior = truth.copy()
    prior[288:352, 288:320] = 2.0
    measured = observe(truth, window)
    found = sharpen(prior, measured, window, noise=noise)
    seen, sigma = observe(found, window), noise.sigma(measured)
    residuals = ((seen - measured) / sigma)[16:24, 16:24]
    assert np.mean(residuals**2) < 1.5
    # The dark land around moves by the total alone, which the town decides.
    far = found[:128] / prior[:128]
    assert far.max() / far.min() < 1.01


def test_the_less_the_measurement_is_known_the_less_the_prior_is_changed() -> None:
    truth, prior = town(WINDOW, 1), town(WINDOW, 2)
    measured = observe(truth, WINDOW)
    prior = prior * truth.mean() / prior.mean()

    def change(share: float) -> float:
        found = sharpen(prior, measured, WINDOW, noise=Noise(share=share, floor=0.05))
        return float(np.std(np.log(found / prior)))

    quiet, month, unknown = change(0.02), change(0.3), change(1.0)
    assert quiet > 1.2 * month > 1.44 * unknown


def test_one_fire_does_not_rule_the_rest() -> None:
    """Noise is heavy-tailed: a pixel that no light explains must leave the neighbourhood's fit as it is."""
    window = Window(44_000, 18_000, 30, 24)
    truth, noise = town(window, 3), Noise(share=0.1, floor=0.1)
    measured = measured_of(truth, window, 4, noise)
    burning = measured.copy()
    burning[12, 6] += 150.0
    calm, found = (sharpen(truth, each, window, noise=noise) for each in (measured, burning))
    far = np.ones(window.fine_shape, bool)
    far[:, : 16 * 15] = False
    # Total light is kept, so that what the fire's own place cannot hold is spread over all.
    ratio = (found / calm)[far]
    assert ratio.max() / ratio.min() < 1.1


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_noise_makes_no_pattern_on_water_and_no_ringing_at_the_shore(share: float) -> None:
    """A dark, even lake beside a town: the sharpened lake is even, as dark as it is and no darker."""
    noise, truth = Noise(share=share, floor=0.09), town(WINDOW, 5)
    truth[:, 96:] = 0.1
    prior = np.where(truth == 0.1, 0.1, town(WINDOW, 6))
    measured = measured_of(truth, WINDOW, 7, noise)
    found = sharpen(prior, measured, WINDOW, noise=noise)
    smooth = bicubic(measured, WINDOW, PointSpread())
    shore = (slice(None), slice(96, 112))
    assert found[shore].mean() < 0.5 * smooth[shore].mean()
    lake = found[:, 100:]
    assert lake.min() > 0.03
    for axis in (0, 1):
        bends = np.abs(np.diff(np.log(lake), 2, axis=axis))
        # It bends once, where the light of the shore ends.
        assert np.percentile(bends, 95) < 0.05 and bends.max() < 0.5


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
    found = sharpen(truth * smooth, observe(truth, WINDOW), WINDOW, noise=QUIET)
    before = np.sqrt(np.mean((truth * smooth - truth) ** 2))
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.25 * before


def test_noise_costs_little_where_the_prior_is_right() -> None:
    truth = town(WINDOW, 3)
    found = sharpen(truth, measured_of(truth, WINDOW, 4, SOME), WINDOW)
    flat = sharpen(np.ones_like(truth), measured_of(truth, WINDOW, 4, SOME), WINDOW)
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
    measured = measured_of(truth, window, 8, SOME)
    whole = sharpen(prior, measured, window, noise=SOME)
    tiled = np.full(window.fine_shape, -1, np.float32)
    found = Sharpening.of(
        lambda part: prior[part.fine_slices_in(window)], measured, window, noise=SOME, tile_size=tile
    )
    for part, light in found.blocks():
        tiled[part.fine_slices_in(window)] = light
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-4 * float(np.nanmax(whole)), equal_nan=True)


def test_a_region_beyond_the_memory_is_read_again_and_gives_the_same() -> None:
    window = Window(44_000, 17_000, 7, 6)
    prior = town(window, 6).astype(np.float32)
    measured = measured_of(town(window, 7), window, 8, SOME)
    readings: list[Window] = []

    def read(part: Window) -> NDArray[np.float32]:
        readings.append(part)
        return prior[part.fine_slices_in(window)]

    for kept_bytes, least, most in ((2**30, 3, 3), (0, 60, 10_000)):
        readings.clear()
        found = np.empty(window.fine_shape, np.float32)
        for part, light in Sharpening.of(
            read, measured, window, noise=SOME, tile_size=7, kept_bytes=kept_bytes
        ).blocks():
            found[part.fine_slices_in(window)] = light
        np.testing.assert_array_equal(found, sharpen(prior, measured, window, noise=SOME))
        assert least <= 3 * len(readings) <= most


@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_noise_draws_no_blobs_on_dark_ground_and_a_village_stays(exponent: float) -> None:
    noise, truth = Noise(share=0.3, floor=0.05), np.full(WINDOW.fine_shape, 0.2)
    truth[60:76, 80:96] = 5.0
    measured = measured_of(truth, WINDOW, 31, noise)
    found = sharpen(truth.astype(np.float32), measured, WINDOW, noise=noise, exponent=exponent)
    far = np.ones(WINDOW.fine_shape, bool)
    far[16:120, 36:140] = False
    assert found[far].std() < 0.5 * measured[:, [0, 1, -2, -1]].std()
    assert found[far].min() > 0.1
    assert found[64:72, 84:92].mean() > 0.7 * bicubic(measured, WINDOW, PointSpread())[64:72, 84:92].mean()


def test_contrasts_count_where_light_stands_out_of_the_noise() -> None:
    """Fields that differ by day are even by night; the blocks of a town are not."""
    noise, fields = Noise(share=0.05, floor=0.09), np.ones(WINDOW.fine_shape)
    fields[::8] = 3.0
    spans = []
    for light in (0.2, 20.0):
        measured = measured_of(np.full(WINDOW.fine_shape, light), WINDOW, 33, noise)
        found = sharpen(fields, measured, WINDOW, noise=noise, exponent=0.8)[32:-32, 32:-32]
        spans.append(np.log(found[::8].mean() / found[4::8].mean()) / np.log(3.0))
    assert spans[0] < 0.3
    assert spans[1] == pytest.approx(0.8, abs=0.05)


def test_noise_burns_no_dark_holes_into_a_lit_town() -> None:
    noise = Noise(share=0.1, floor=0.09)
    truth = np.maximum(town(WINDOW, 15), 1.0)
    noisy = measured_of(truth, WINDOW, 16, noise)
    found = sharpen(np.full(WINDOW.fine_shape, 10.0), noisy, WINDOW, noise=noise)
    ratio = found / bicubic(noisy, WINDOW, PointSpread())
    assert ratio.min() > 0.3


def test_missing_viirs_keeps_the_prior_scaled_as_its_neighbours() -> None:
    truth = town(WINDOW, 9)
    measured = observe(truth, WINDOW)
    measured[3:6, 4:8] = np.nan
    found = sharpen(truth / 4, measured, WINDOW)
    assert np.isfinite(found).all()
    hole = (slice(64, 80), slice(80, 112))
    assert found[hole].sum() == pytest.approx(truth[hole].sum(), rel=0.05)
    assert np.corrcoef(found[hole].ravel(), truth[hole].ravel())[0, 1] > 0.99
    assert_total_kept(found, measured, WINDOW)


def test_missing_viirs_is_scaled_as_what_is_near_and_not_as_the_whole_window() -> None:
    truth = town(WINDOW, 9)
    measured, prior = observe(truth, WINDOW), truth / 4
    prior[:, 112:] *= 16
    measured[3:6, 2:5] = np.nan
    hole = (slice(64, 80), slice(48, 64))
    found = sharpen(prior, measured, WINDOW, noise=QUIET)
    assert found[hole].sum() == pytest.approx(truth[hole].sum(), rel=0.1)


def test_a_missing_prior_stays_missing_and_the_rest_agrees() -> None:
    truth, prior = town(WINDOW, 10), town(WINDOW, 11)
    prior[20:70, 50:110] = np.nan
    measured = measured_of(truth, WINDOW, 12, SOME)
    found = sharpen(prior, measured, WINDOW, noise=SOME)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(prior))
    assert_total_kept(found, measured, WINDOW)
    assert agreement_of(found, measured, WINDOW, SOME).chi_square < 4


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
    fast, exact = StripOperator.of(window, spread), ObservationOperator(window, spread)
    fine, coarse = generator.random(window.fine_shape), generator.random(window.shape)
    seen = np.zeros((window.height + 2 * fast.margin, window.width))
    for row in range(window.height):
        strip, pixels = slice(row, row + 1), slice(16 * row, 16 * row + 16)
        seen[row : row + 1 + 2 * fast.margin] += fast.forward(fine[pixels], strip)
        np.testing.assert_allclose(fast.adjoint(coarse, strip), exact.adjoint(coarse)[pixels], rtol=1e-5)
    inner = seen[fast.margin : fast.margin + window.height]
    np.testing.assert_allclose(inner, exact.forward(fine), rtol=1e-5)


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_threads_are_bounded_while_it_works_and_the_result_does_not_depend_on_them() -> None:
    truth, other = town(WINDOW, 1), town(WINDOW, 2)
    measured = measured_of(truth, WINDOW, 3, SOME)
    results, seen = [], set()
    for threads in (1, 2, 4):

        def read(part: Window) -> NDArray[np.float32]:
            seen.update(blas_threads())
            return other[part.fine_slices_in(WINDOW)].astype(np.float32)

        with threadpool_limits(threads, user_api="blas"):
            tiles = []
            found = Sharpening.of(read, measured, WINDOW, noise=SOME, tile_size=4, kept_bytes=0)
            for _, light in found.blocks():
                # What the caller does between two tiles keeps its threads.
                assert blas_threads() == {threads}
                tiles.append(light)
            results.append(tiles)
    assert seen == {1}
    for tiles in results[1:]:
        for light, expected in zip(tiles, results[0], strict=True):
            np.testing.assert_array_equal(light, expected)


def test_an_exponent_of_0_is_interpolated_viirs_sharpened_whatever_the_prior() -> None:
    measured = measured_of(town(WINDOW, 20), WINDOW, 21, SOME)
    smooth = bicubic(measured, WINDOW, PointSpread())
    wanted = sharpen(smooth, measured, WINDOW, noise=SOME)
    found, other = (
        sharpen(town(WINDOW, seed), measured, WINDOW, noise=SOME, exponent=0.0) for seed in (22, 23)
    )
    np.testing.assert_array_equal(found, other)
    # Of dark ground it interpolates the mean of the surroundings.
    np.testing.assert_allclose(found, wanted, rtol=0.05, atol=0.1)


def test_an_exponent_in_between_trusts_the_texture_in_part_and_1_in_full() -> None:
    truth = town(WINDOW, 24)
    measured = observe(truth, WINDOW)
    light = {
        exponent: sharpen(truth, measured, WINDOW, noise=QUIET, exponent=exponent)
        for exponent in (0.0, 0.5, 1.0)
    }
    logs = [np.log(each) for each in light.values()]
    texture = [float(np.std(each - gaussian_filter(each, 3))) for each in logs]
    assert texture[0] < 0.2 * texture[1]
    assert texture[1] == pytest.approx(texture[2] / 2, rel=0.15)
    whole = np.log(sharpen(truth, measured, WINDOW, noise=QUIET))
    assert texture[2] == pytest.approx(float(np.std(whole - gaussian_filter(whole, 3))), rel=0.1)


@pytest.mark.parametrize("exponent", [None, 1.0])
def test_a_village_that_is_not_there_goes_and_the_town_keeps_its_light(exponent: float | None) -> None:
    noise, truth = Noise(share=0.02, floor=0.09), np.zeros(WINDOW.fine_shape)
    truth[40:100, 20:80] = 15.0
    prior = np.where(truth > 0, truth, 0.05)
    prior[60:90, 150:165] = 20.0
    measured = measured_of(truth, WINDOW, 35, noise)
    found = sharpen(prior, measured, WINDOW, noise=noise, exponent=exponent)
    assert found[60:90, 150:165].mean() < 1.0
    assert found[40:100, 20:80].mean() == pytest.approx(15.0, rel=0.1)


@pytest.mark.parametrize("exponent", [None, 0.0, 0.3, 1.2])
def test_where_viirs_tells_nothing_the_prior_stays_as_it_is(exponent: float | None) -> None:
    """No pixel measured, or none of which enough of the footprint is known."""
    one, wide = Window(44_000, 18_000, 1, 1), Window(44_000, 18_000, 9, 9)
    nothing, five = np.full(wide.shape, np.nan), np.full(wide.shape, 5.0)
    patch = np.full(wide.fine_shape, np.nan)
    patch[70:74, 70:74] = 3.0
    for prior, measured, window in (
        (np.full(one.fine_shape, 7.0), np.full(one.shape, 5.0), one),
        (np.full(wide.fine_shape, 50.0), nothing, wide),
        (np.zeros(wide.fine_shape), nothing, wide),
        (patch, five, wide),
    ):
        found = sharpen(prior, measured, window, exponent=exponent)
        np.testing.assert_array_equal(found, prior.astype(np.float32))


def test_noise_that_is_not_known_of_every_pixel_is_refused() -> None:
    light = np.ones(WINDOW.fine_shape, np.float32)
    for wrong in (np.nan, 0.0, -1.0):
        sigma = np.full(WINDOW.shape, 0.5)
        sigma[3, 3] = wrong
        with pytest.raises(DatasetError, match="noise"):
            Sharpening.of(
                lambda part: light[part.fine_slices_in(WINDOW)], np.ones(WINDOW.shape), WINDOW, sigma=sigma
            )


def test_the_total_is_kept_where_most_light_stands_at_the_floor() -> None:
    noise = Noise(share=0.02, floor=2.0)
    measured = 0.3 + np.random.default_rng(1).normal(size=WINDOW.shape) * 0.2
    prior = np.full(WINDOW.fine_shape, 0.3)
    prior[80:84, 80:84] = 1e4
    assert_total_kept(sharpen(prior, measured, WINDOW, noise=noise), measured, WINDOW)


def test_a_mixture_is_the_same_in_tiles_and_missing_where_the_prior_is() -> None:
    prior, measured = town(WINDOW, 25).astype(np.float32), measured_of(town(WINDOW, 26), WINDOW, 27, SOME)
    prior[40:60, 10:90] = np.nan
    measured[2, 3] = np.nan
    whole = sharpen(prior, measured, WINDOW, noise=SOME, exponent=0.4)
    np.testing.assert_array_equal(np.isnan(whole), np.isnan(prior))
    for tile, kept_bytes in ((3, 2**30), (4, 0)):
        tiled = np.full(WINDOW.fine_shape, -1, np.float32)
        found = Sharpening.of(
            lambda part: prior[part.fine_slices_in(WINDOW)],
            measured,
            WINDOW,
            noise=SOME,
            exponent=0.4,
            tile_size=tile,
            kept_bytes=kept_bytes,
        )
        for part, light in found.blocks():
            tiled[part.fine_slices_in(WINDOW)] = light
        np.testing.assert_allclose(tiled, whole, rtol=1e-3, atol=1e-4, equal_nan=True)


def test_of_a_texture_in_part_only_the_contrasts_within_footprints_count() -> None:
    truth = town(WINDOW, 28)
    measured = measured_of(truth, WINDOW, 29, SOME)
    across = np.linspace(-1, 1, WINDOW.fine_shape[1])
    wrong = truth * np.exp(across)
    right, found = (
        sharpen(texture, measured, WINDOW, noise=SOME, exponent=0.5) for texture in (truth, 7 * wrong)
    )
    inner = (slice(16, -16), slice(16, -16))
    far = np.abs(np.log(found / right))[inner]
    assert np.median(far) < 0.02
    assert np.percentile(far, 95) < 0.12
