"""Baselines at 30 m: each is right where it must be, and all are scored against the truth."""

from pathlib import Path

import numpy as np
import pytest
from learning_samples import learnable_dataset
from standard.boosting import fit_gradient_boosting

from nightlights import cog
from nightlights.bands import RADIANCE_UNIT
from nightlights.baselines import fit_linear_regression
from nightlights.datasets import Dataset
from nightlights.grid import Window
from nightlights.observation import PointSpread, observe
from nightlights.prediction.fine_scores import layer_fine_scores
from nightlights.scores import BICUBIC, CONSTANT, KRIGING, REGRESSION_KRIGING
from nightlights.sharpening import sharpen
from nightlights.sharpening.interpolation import INTERPOLATIONS, area_to_point_kriging, bicubic

WINDOW = Window(44_000, 18_000, 12, 10)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root: Path = tmp_path_factory.mktemp("workspace")
    return learnable_dataset(root)


@pytest.mark.parametrize("method", INTERPOLATIONS)
def test_an_even_measurement_gives_even_light_and_missing_stays_missing(method: str) -> None:
    measured = np.full(WINDOW.shape, 3.0)
    measured[2, 3] = np.nan
    fine = INTERPOLATIONS[method](measured, WINDOW, PointSpread())
    missing = np.zeros(WINDOW.fine_shape, bool)
    missing[32:48, 48:64] = True
    np.testing.assert_array_equal(np.isnan(fine), missing)
    np.testing.assert_allclose(fine[~missing], 3.0, rtol=1e-9)


def test_kriging_is_observed_nearly_as_measured_and_nearer_to_smooth_light_than_splines() -> None:
    y, x = np.mgrid[0:160, 0:192]
    truth = 2 + 30 * np.exp(-((y - 70) ** 2 + (x - 90) ** 2) / (2 * 18.0**2))
    measured = observe(truth, WINDOW)
    kriged = area_to_point_kriging(measured, WINDOW, PointSpread())
    np.testing.assert_allclose(observe(kriged, WINDOW), measured, atol=0.05 * measured.max())
    splines = bicubic(measured, WINDOW, PointSpread())
    assert np.mean((kriged - truth) ** 2) < 0.6 * np.mean((splines - truth) ** 2)


def test_kriging_is_scored_with_the_point_spread_of_its_dataset(dataset: Dataset, tmp_path: Path) -> None:
    wide = Dataset(dataset.folder, dataset.manifest.model_copy(update={"point_spread_fwhm_m": 1000.0}))
    window, truth = dataset.region("east").window.window, dataset.read_truth("east")
    assert truth is not None
    path = tmp_path / "light.tif"
    cog.write_geotiff(path, [(window, truth)], window=window, fine=True, bands=["a"], units=[RADIANCE_UNIT])
    scores = layer_fine_scores(wide, "east", "the truth", tmp_path, {"prediction": path.name})
    found = {each.method: each.fine.rmse for each in scores}
    measured = dataset.read_nighttime("east").astype(np.float64)
    kriged = area_to_point_kriging(measured, window, PointSpread(1000.0))
    assert found[KRIGING] == pytest.approx(np.sqrt(np.mean((kriged - truth) ** 2)), rel=1e-6)


def test_boosting_repeats_itself_and_claims_nothing_where_a_band_is_missing(dataset: Dataset) -> None:
    regions = ["north", "south"]
    boosting = fit_gradient_boosting(dataset, regions, seed=1, pixels=20_000)
    again = fit_gradient_boosting(dataset, regions, seed=1, pixels=20_000)
    daytime = dataset.read_daytime("east")
    daytime[0, :5] = np.nan
    light = boosting.predict(daytime)
    np.testing.assert_array_equal(light, again.predict(daytime))
    assert np.isnan(light[:5]).all() and np.isfinite(light[5:]).all()


def test_every_method_is_scored_plain_and_sharpened(dataset: Dataset, tmp_path: Path) -> None:
    truth = dataset.read_truth("east")
    assert truth is not None
    window, spread = dataset.region("east").window.window, PointSpread()
    measured = dataset.read_nighttime("east").astype(np.float64)
    linear = fit_linear_regression(dataset, ["north", "south"]).predict(dataset.read_daytime("east"))
    nearest = INTERPOLATIONS["nearest VIIRS"](measured, window, spread)
    rmse = {}
    for method, light in {"linear": linear, "nearest": nearest, "the truth": truth}.items():
        layers = {"prediction": light, "sharpened": sharpen(light, measured, window, spread)}
        for layer, pixels in layers.items():
            blocks = [(window, pixels.astype(np.float32))]
            path = tmp_path / method / f"{layer}.tif"
            cog.write_geotiff(path, blocks, window=window, fine=True, bands=[layer], units=[RADIANCE_UNIT])
        files = {layer: f"{layer}.tif" for layer in layers}
        scores = layer_fine_scores(dataset, "east", method, tmp_path / method, files)
        rmse |= {(each.method, each.sharpened): each.fine.rmse for each in scores}
    assert rmse.keys() == {
        (BICUBIC, False),
        (BICUBIC, True),
        (KRIGING, False),
        (REGRESSION_KRIGING, False),
        (CONSTANT, False),
        *(
            (method, sharpened)
            for method in ("linear", "nearest", "the truth")
            for sharpened in (False, True)
        ),
    }
    assert rmse["the truth", False] == 0 and rmse["the truth", True] < 1e-3
    assert rmse["linear", False] == pytest.approx(np.sqrt(np.mean((linear - truth) ** 2)), rel=1e-6)
    assert rmse["linear", True] < rmse["linear", False]
    assert rmse["nearest", True] < rmse["nearest", False]
