"""The observation operator: what it keeps, what it misses, and that its adjoint is one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlights.errors import SettingsError
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import (
    ObservationOperator,
    PointSpread,
    footprint_weights,
    observation_matrix,
    observe,
)

EQUATOR = Window(43_000, 17_990, 14, 14)
NORTH = Window(43_000, 3_000, 20, 9)

some_windows = st.builds(
    Window, st.integers(0, 80_000), st.integers(600, 33_000), st.integers(1, 9), st.integers(1, 9)
)
spreads = st.builds(PointSpread, st.sampled_from([0.0, 300.0, 742.0, 1500.0]))


@settings(max_examples=40, deadline=None)
@given(some_windows, spreads, st.integers(0, 2**32 - 1))
def test_the_adjoint_is_the_transpose(window: Window, spread: PointSpread, seed: int) -> None:
    generator = np.random.default_rng(seed)
    operator = ObservationOperator(window, spread)
    fine, coarse = generator.normal(size=window.fine_shape), generator.normal(size=window.shape)
    assert (operator.forward(fine) * coarse).sum() == pytest.approx(
        (fine * operator.adjoint(coarse)).sum(), rel=1e-10, abs=1e-10
    )


@pytest.mark.parametrize("window", [EQUATOR, NORTH])
def test_light_away_from_the_edge_is_kept(window: Window) -> None:
    margin = PointSpread().margin(float(np.abs(window.latitudes).max()))
    fine = np.zeros(window.fine_shape)
    step = FINE_PER_VIIRS
    inner = fine[margin * step : -margin * step or None, margin * step : -margin * step or None]
    inner[:] = np.random.default_rng(0).gamma(0.3, 20, size=inner.shape)
    observed = ObservationOperator(window).forward(fine)
    assert observed.sum() * step**2 == pytest.approx(fine.sum(), rel=1e-12)
    assert observed.min() >= 0


def test_the_operator_equals_a_convolution_computed_pixel_by_pixel() -> None:
    window = Window(43_000, 5_000, 5, 5)
    sigma_rows = 742 / 2.354820045 / (6371007.2 * np.pi / 180) * 3840
    generator = np.random.default_rng(1)
    fine = generator.gamma(0.5, 10, window.fine_shape)
    row, column = 2, 2
    latitude = window.latitudes
    y = np.arange(80) + 0.5
    # Light of each source pixel, spread continuously and gathered by the target pixel's box.
    from math import erf, sqrt

    def share(centre: float, low: float, high: float, sigma: float) -> float:
        return 0.5 * (erf((high - centre) / sigma / sqrt(2)) - erf((low - centre) / sigma / sqrt(2)))

    expected = 0.0
    for i in range(80):
        sigma_columns = sigma_rows / np.cos(np.radians(latitude[i // 16]))
        rows = share(y[i], row * 16, row * 16 + 16, sigma_rows)
        for j in range(80):
            expected += fine[i, j] * rows * share(y[j], column * 16, column * 16 + 16, sigma_columns)
    # Sampling at pixel centres and the cut at 4 standard deviations leave a few parts in a thousand.
    assert ObservationOperator(window).forward(fine)[row, column] == pytest.approx(expected / 256, rel=2e-3)


def test_without_spread_the_operator_is_the_block_mean() -> None:
    fine = np.random.default_rng(2).normal(size=EQUATOR.fine_shape)
    blocks = fine.reshape(14, 16, 14, 16).mean(axis=(1, 3))
    np.testing.assert_allclose(observe(fine, EQUATOR, PointSpread(0.0)), blocks, atol=1e-12)


def test_the_full_width_at_half_maximum_is_the_one_asked_for() -> None:
    weights = footprint_weights(PointSpread(742.0).sigma_rows())
    # The footprint is the spread convolved with a box one VIIRS pixel wide: variances add up.
    distance_m = (np.arange(len(weights)) - (len(weights) - 1) / 2) * 6371007.2 * np.pi / 180 / 3840
    variance = (weights * distance_m**2).sum() / weights.sum()
    pixel_m = 6371007.2 * np.pi / 180 / 240
    assert np.sqrt(variance - pixel_m**2 / 12) * 2.354820045 == pytest.approx(742, rel=0.01)


def test_the_spread_along_rows_widens_with_latitude() -> None:
    spread = PointSpread()
    assert spread.sigma_columns(60.0) == pytest.approx(2 * spread.sigma_rows())
    assert spread.sigma_columns(-60.0) == spread.sigma_columns(60.0)


@given(st.sampled_from([2.0, 10.9, 30.0]), st.integers(1, 6))
def test_the_matrix_along_an_axis_gives_what_the_operator_gives(sigma: float, size: int) -> None:
    fine = np.random.default_rng(3).normal(size=size * 16)
    window = Window(43_000, 18_000, size, size)
    spread = PointSpread(sigma / PointSpread(1.0).sigma_rows())
    operator = ObservationOperator(window, spread).forward(np.tile(fine[:, None], (1, size * 16)))
    along_rows = observation_matrix(size, sigma) @ fine
    middle = observation_matrix(size, spread.sigma_columns(float(window.latitudes[0]))).sum(axis=1)
    np.testing.assert_allclose(operator[0], along_rows[0] * middle, rtol=1e-6)


def test_missing_pixels_are_left_out_of_the_mean() -> None:
    fine = np.full(EQUATOR.fine_shape, 7.0)
    fine[100:112, 60:72] = np.nan
    observed = observe(fine, EQUATOR)
    assert np.isfinite(observed).all()
    np.testing.assert_allclose(observed, 7.0)


def test_a_footprint_that_is_mostly_missing_is_missing() -> None:
    fine = np.ones(EQUATOR.fine_shape)
    fine[64:144, 64:144] = np.nan
    observed = observe(fine, EQUATOR)
    assert np.isnan(observed[6, 6])
    assert np.isfinite(observed[1, 1])
    assert np.isnan(observe(np.full(EQUATOR.fine_shape, np.nan), EQUATOR)).all()


def test_a_window_cut_from_a_larger_one_sees_the_same_away_from_its_edge() -> None:
    outer = Window(43_000, 9_000, 24, 24)
    inner = Window(43_004, 9_003, 16, 18)
    fine = np.random.default_rng(4).gamma(0.3, 20, outer.fine_shape)
    margin = PointSpread().margin(float(outer.latitudes.max()))
    whole = ObservationOperator(outer).forward(fine)[inner.slices_in(outer)]
    cut = ObservationOperator(inner).forward(fine[inner.fine_slices_in(outer)])
    inner_whole, inner_cut = (image[margin:-margin, margin:-margin] for image in (whole, cut))
    np.testing.assert_allclose(inner_cut, inner_whole, rtol=0, atol=1e-12 * inner_whole.max())


@pytest.mark.parametrize("width", [-1.0, float("nan"), float("inf"), 1e6])
def test_a_senseless_width_is_refused(width: float) -> None:
    with pytest.raises(SettingsError, match="point spread"):
        PointSpread(width)


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(SettingsError, match="shape"):
        observe(np.zeros((16, 16)), EQUATOR)
