"""Area-to-point regression kriging: exact where it must be, and as an independent dense computation."""

from pathlib import Path

import numpy as np
import pytest
from learning_samples import learnable_dataset
from numpy.typing import NDArray

from nightlights.datasets import Dataset
from nightlights.grid import FINE_PER_DEGREE, METRES_PER_DEGREE, Window
from nightlights.observation import ObservationOperator, PointSpread, observe
from nightlights.sharpening.interpolation import _NUGGET, _RANGES_M, area_to_point_kriging, kriged_deviation
from nightlights.sharpening.regression_kriging import area_to_point_regression_kriging, regression_kriged

WINDOW = Window(44_000, 18_000, 12, 10)
SMALL = Window(44_000, 18_000, 4, 3)
Floats = NDArray[np.float64]


def dense(deviation: Floats, window: Window, spread: PointSpread, range_m: float) -> Floats:
    """Simple kriging with every covariance written out, of the observation operator's own matrix."""
    height, width = window.fine_shape
    operator = ObservationOperator(window, spread)
    pixels, footprints = height * width, window.height * window.width
    matrix = np.stack([operator.adjoint(unit.reshape(window.shape)).ravel() for unit in np.eye(footprints)])
    # Beyond the window the field goes on as inside: a footprint is the mean over its known part.
    matrix /= matrix.sum(axis=1, keepdims=True)
    metres = METRES_PER_DEGREE / FINE_PER_DEGREE
    latitude = np.radians(window.latitudes[window.height // 2])
    rows, columns = (axis.ravel() for axis in np.mgrid[0:height, 0:width])
    north = np.abs(rows[:, None] - rows) * metres
    east = np.abs(columns[:, None] - columns) * metres * np.cos(latitude)
    covariance = np.exp(-north / range_m - east / range_m)
    assert covariance.shape == (pixels, pixels)
    cross = covariance @ matrix.T
    between = matrix @ cross
    largest = np.linalg.eigvalsh(between).max()
    weights = np.linalg.solve(between + _NUGGET * largest * np.eye(footprints), deviation.ravel())
    return (cross @ weights).reshape(height, width)


def test_the_kriged_residual_is_that_of_a_dense_computation() -> None:
    deviation = np.random.default_rng(3).normal(size=SMALL.shape)
    spread = PointSpread(900.0)
    kriged = kriged_deviation(deviation, SMALL, spread)
    errors = {each: np.abs(dense(deviation, SMALL, spread, each) - kriged).max() for each in _RANGES_M}
    # Of the ranges that it chooses from it has one, and with that it is the same.
    assert min(errors.values()) < 0.01 * np.abs(kriged).max()
    assert sorted(errors.values())[1] > 0.05 * np.abs(kriged).max()


def test_an_even_field_is_exact_and_total_light_is_kept() -> None:
    generator = np.random.default_rng(5)
    even = area_to_point_regression_kriging(
        np.full(WINDOW.fine_shape, 7.0), np.full(WINDOW.shape, 3.0), WINDOW, PointSpread()
    )
    assert even.min() > 0
    inside = even[48:-48, 48:-48]
    np.testing.assert_allclose(inside, 3.0, rtol=0.02)
    np.testing.assert_array_equal(
        area_to_point_regression_kriging(
            np.full(WINDOW.fine_shape, 3.0), np.full(WINDOW.shape, 3.0), WINDOW, PointSpread()
        ).round(9),
        3.0,
    )
    trend = generator.gamma(0.5, 2.0, WINDOW.fine_shape)
    trend[:20, :20] = np.nan
    measured = observe(generator.gamma(0.2, 9.0, WINDOW.fine_shape), WINDOW) * generator.uniform(
        0.2, 1.5, WINDOW.shape
    )
    measured[5, 5] = np.nan
    light = area_to_point_regression_kriging(trend, measured, WINDOW, PointSpread())
    np.testing.assert_array_equal(np.isnan(light), np.isnan(trend))
    assert np.nanmin(light) >= 0
    seen = observe(light, WINDOW)
    area = np.broadcast_to(WINDOW.pixel_area_km2[:, None], WINDOW.shape)
    both = np.isfinite(seen) & np.isfinite(measured)
    assert (seen * area)[both].sum() == pytest.approx((measured * area)[both].sum(), rel=1e-9)


def test_a_trend_that_is_right_but_for_its_level_beats_kriging_alone() -> None:
    generator = np.random.default_rng(1)
    truth = 1 + 20 * (generator.random(WINDOW.fine_shape) < 0.1)
    y = np.arange(WINDOW.fine_shape[0])[:, None]
    truth = truth * (1 + 0.5 * np.sin(y / 40))
    trend = truth / (1 + 0.5 * np.sin(y / 40))
    measured = observe(truth, WINDOW)
    spread = PointSpread()
    light = area_to_point_regression_kriging(trend, measured, WINDOW, spread)
    alone = area_to_point_kriging(measured, WINDOW, spread)
    errors = [np.mean((each - truth) ** 2) for each in (light, trend, alone)]
    assert errors[0] < 0.9 * errors[1] and errors[0] < 0.5 * errors[2]
    np.testing.assert_allclose(
        observe(light, WINDOW)[2:-2, 2:-2], measured[2:-2, 2:-2], atol=0.05 * measured.max()
    )


def test_the_trend_of_a_region_is_fitted_to_the_region(tmp_path: Path) -> None:
    dataset: Dataset = learnable_dataset(tmp_path)
    window, truth = dataset.region("east").window.window, dataset.read_truth("east")
    measured = dataset.read_nighttime("east").astype(np.float64)
    light = regression_kriged(dataset, "east")
    kriged = area_to_point_kriging(measured, window, PointSpread())
    assert truth is not None
    assert np.mean((light - truth) ** 2) < 0.8 * np.mean((kriged - truth) ** 2)
