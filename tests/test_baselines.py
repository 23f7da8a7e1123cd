"""The baselines against least squares and observation done at once, on whole regions."""

import numpy as np
import pytest
from learning_samples import learnable_dataset
from scipy.ndimage import map_coordinates

from nightlights import baselines
from nightlights.baselines import (
    ConstantMean,
    LinearRegression,
    compare_baseline,
    fit_constant_mean,
    fit_linear_regression,
)
from nightlights.datasets import Dataset
from nightlights.observation import observe

TRAIN = ["north", "south"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp("baselines"))


@pytest.fixture(autouse=True)
def several_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_TILE", 5)


def test_constant_mean_is_the_mean_over_all_pixels(dataset: Dataset) -> None:
    pixels = np.concatenate([dataset.read_nighttime(name).ravel() for name in TRAIN])
    assert fit_constant_mean(dataset, TRAIN).mean == pytest.approx(float(pixels.mean()), rel=1e-5)


def test_linear_regression_is_the_least_squares_fit(dataset: Dataset) -> None:
    rows, labels = [], []
    for name in TRAIN:
        bands = dataset.read_daytime(name).astype(np.float64)
        position = (np.arange(bands.shape[1]) + 0.5) / 16 - 0.5
        grid = np.meshgrid(position, position, indexing="ij")
        label = map_coordinates(
            dataset.read_nighttime(name).astype(np.float64), grid, order=1, mode="nearest"
        )
        rows.append(bands.reshape(len(bands), -1).T)
        labels.append(label.ravel())
    stacked = np.concatenate(rows)
    expected = np.linalg.lstsq(
        np.column_stack([np.ones(len(stacked)), stacked]), np.concatenate(labels), rcond=None
    )[0]
    fitted = fit_linear_regression(dataset, TRAIN)
    np.testing.assert_allclose([fitted.intercept, *fitted.coefficients], expected, rtol=2e-3)


def test_scores_tile_by_tile_are_those_of_the_whole_region(dataset: Dataset) -> None:
    baseline = LinearRegression(-2.0, (30.0, 0.01))
    daytime, measured = dataset.read_daytime("east"), dataset.read_nighttime("east")
    fine = -2.0 + 30.0 * daytime[0].astype(np.float64) + 0.01 * daytime[1]
    whole = observe(fine, dataset.region("east").window.window)
    score = compare_baseline(baseline, dataset, "east").score("linear", "east")
    assert score.pixels == measured.size
    assert score.rmse == pytest.approx(float(np.sqrt(np.mean((whole - measured) ** 2))), rel=1e-6)


def test_missing_imagery_is_not_predicted() -> None:
    daytime = np.ones((2, 3, 3), np.float32)
    daytime[1, 0, 0] = np.nan
    for baseline in (ConstantMean(4.0), LinearRegression(1.0, (1.0, 2.0))):
        predicted = baseline.predict(daytime)
        assert np.isnan(predicted[0, 0])
        np.testing.assert_allclose(predicted.ravel()[1:], 4.0)


def test_regression_beats_the_constant_where_bands_tell_of_light(dataset: Dataset) -> None:
    constant = compare_baseline(fit_constant_mean(dataset, TRAIN), dataset, "east").sums
    linear = compare_baseline(fit_linear_regression(dataset, TRAIN), dataset, "east").sums
    spread = float(np.std(dataset.read_nighttime("east")))
    assert linear.rmse < constant.rmse
    assert constant.rmse == pytest.approx(spread, rel=0.2)
