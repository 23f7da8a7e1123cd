"""Tiles equal the pass over the whole image, missing stays missing, and the layers agree with each other."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_samples import BANDS, AnalyticSource, mounted_disk, region
from numpy.typing import NDArray

from nightlights import cog
from nightlights.bands import RADIANCE_UNIT, RadianceTransform, Scaling
from nightlights.datasets import Dataset, export_dataset
from nightlights.errors import Cancelled, ModelError, WorkspaceError
from nightlights.grid import Window
from nightlights.manifests import ExportRequest, ModelConfig, PredictionRequest, write_record
from nightlights.metrics import ScoreSums
from nightlights.models import CONFIG_FILE, save_model
from nightlights.networks import NETWORKS
from nightlights.networks.layout import UNetLayout
from nightlights.noise import SIMULATED
from nightlights.observation import PointSpread, observe
from nightlights.prediction import (
    Predictor,
    Tiling,
    compare_region,
    fine_scores,
    layer_fine_scores,
    observed_blocks,
    predict_region,
)
from nightlights.progress import NoProgress
from nightlights.scores import KRIGING, REGRESSION_KRIGING
from nightlights.sharpening import sharpen
from nightlights.sharpening.verdict import EXPONENTS, verdict
from nightlights.workspace import Workspace

WINDOW = Window(44_000, 18_000, 23, 19)
HOLE = Window(44_005, 18_004, 3, 2)
TRANSFORM = RadianceTransform(kind="linear", scale=3.0)


def layout(depth: int) -> UNetLayout:
    return UNetLayout(
        depth=depth,
        base_filters=3,
        convolution_bias=False,
        normalised_concatenation=False,
        momentum=0.1,
        output="linear",
    )


def calibrated_network(depth: int, image: NDArray[np.float32]) -> Any:
    """Random weights and normalisations fitted to the image, so that no layer is idle or saturated."""
    import keras

    from nightlights.networks.unet import build_unet

    generator = np.random.default_rng(3)
    model = build_unet(layout(depth), len(BANDS), "test", seed=5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(generator.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(generator.normal(0, 0.3, layer.beta.shape))
    for _ in range(3):
        model(image[None], training=True)
    model.jit_compile = False
    return model


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    workspace = Workspace.open(tmp_path_factory.mktemp("workspace"))
    request = ExportRequest(dataset="analytic", regions="all")
    source = AnalyticSource(holes=(HOLE,))
    export_dataset(workspace, request, source, [region("town", WINDOW, "evaluate")], NoProgress())
    return Dataset.open(workspace, "analytic")


@pytest.fixture(scope="module")
def config(dataset: Dataset) -> ModelConfig:
    image = np.moveaxis(dataset.read_daytime("town"), 0, -1)
    return ModelConfig(
        network="unet-small",
        bands=dataset.manifest.bands,
        scaling=Scaling.fitted([band.name for band in BANDS], image.reshape(-1, len(BANDS))),
        transform=TRANSFORM,
        patch_size=64,
        point_spread_fwhm_m=742.0,
        dataset_sha256=dataset.sha256,
        simulated=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset, config: ModelConfig) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    folder.mkdir()
    image = config.scaling.apply(np.moveaxis(dataset.read_daytime("town"), 0, -1))
    save_model(folder, calibrated_network(4, image))
    write_record(folder / CONFIG_FILE, config)
    return folder


def assert_same_light(one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    """Equal up to the rounding of products over tiles of other sizes."""
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * float(np.nanmax(other)), equal_nan=True)


def test_every_exponent_that_viirs_may_ask_for_may_be_asked_for() -> None:
    given = {"run": "r", "region": "town", "prediction": "p"}
    assert PredictionRequest(**given, exponent=max(EXPONENTS)).exponent == max(EXPONENTS)
    for wrong in (-0.1, max(EXPONENTS) + 0.1):
        with pytest.raises(ValueError, match="exponent"):
            PredictionRequest(**given, exponent=wrong)


def test_sharpening_raises_the_contrast_as_the_model_says(
    dataset: Dataset, folder: Path, config: ModelConfig, tmp_path: Path
) -> None:
    model = shutil.copytree(folder, tmp_path / "model")
    write_record(model / CONFIG_FILE, config.model_copy(update={"sharpening_contrast": 1.5}))
    result = predict_region(dataset, "town", model, tmp_path, sharpen=True)
    fine, found = (cog.read(tmp_path / result.layers[layer])[0] for layer in ("prediction", "sharpened"))
    measured = dataset.read_nighttime("town")
    assert result.sharpening is not None and result.sharpening.verdict is not None
    given = {"noise": SIMULATED, "exponent": result.sharpening.exponent}
    wanted = sharpen(fine, measured, WINDOW, PointSpread(742.0), contrast=1.5, **given)
    assert_same_light(found, wanted)
    plain = sharpen(fine, measured, WINDOW, PointSpread(742.0), **given)
    assert np.nanmax(np.abs(found - plain)) > 1e-2 * np.nanmax(wanted)
    assert result.sharpening_contrast == 1.5
    assert cog.inspect(tmp_path / "sharpened.tif").tags["sharpening_contrast"] == "1.5"
    assert "sharpening_contrast" not in cog.inspect(tmp_path / "prediction.tif").tags


def assembled(predictor: Predictor, dataset: Dataset) -> NDArray[np.float32]:
    whole = np.full(WINDOW.fine_shape, -999, np.float32)
    for tile, radiance in predictor.blocks(dataset, "town", NoProgress()):
        whole[tile.fine_slices_in(WINDOW)] = radiance
    return whole


@pytest.mark.parametrize(("depth", "size"), [(4, 112), (5, 128)])
def test_tiles_equal_the_pass_over_the_whole_image(
    dataset: Dataset, config: ModelConfig, depth: int, size: int
) -> None:
    image = dataset.read_daytime("town")
    model = calibrated_network(depth, config.scaling.apply(np.moveaxis(image, 0, -1))[:288, :352])
    shape = layout(depth)
    predictor = Predictor(model, config, Tiling(size, shape.margin, shape.stride))
    tiled, whole = assembled(predictor, dataset), predictor.radiance(image)
    spread = float(np.nanstd(whole))
    assert spread > 0.01
    np.testing.assert_array_equal(np.isnan(tiled), np.isnan(whole))
    assert np.nanmax(np.abs(tiled - whole)) <= 1e-4 * spread
    careless = Predictor(model, config, Tiling(size, 32, shape.stride))
    assert np.nanmax(np.abs(assembled(careless, dataset) - whole)) > 1e-3 * spread


def test_the_whole_pass_is_the_network_on_the_image_continued_by_its_edges(
    dataset: Dataset, config: ModelConfig
) -> None:
    image = np.nan_to_num(dataset.read_daytime("town"), nan=290.0)
    scaled = config.scaling.apply(np.moveaxis(image, 0, -1))
    model = calibrated_network(5, scaled[:288, :352])
    height, width = WINDOW.fine_shape
    assert (height % 32, width % 32) == (16, 16)
    continued = np.concatenate([scaled, np.repeat(scaled[-1:], 16, axis=0)])
    continued = np.concatenate([continued, np.repeat(continued[:, -1:], 16, axis=1)], axis=1)
    expected = 3 * np.asarray(model(continued[None]))[0, :height, :width, 0]
    found = Predictor(model, config, Tiling(64, 192, 32)).radiance(image)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * float(expected.std()))


def test_the_layers_agree_with_each_other_and_say_what_they_are(
    dataset: Dataset, folder: Path, tmp_path: Path
) -> None:
    told: list[float] = []

    class Sharpening:
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            if message == "Sharpening":
                told.append(done / total)

    result = predict_region(dataset, "town", folder, tmp_path, Sharpening(), tile_size=128, sharpen=True)
    assert told == sorted(told) and 0.5 in told and told[-1] == 1
    layers = {"daytime", "viirs", "truth", "prediction", "observed", "difference", "sharpened"}
    assert set(result.layers) == layers
    read = {layer: cog.read(tmp_path / file) for layer, file in result.layers.items()}
    np.testing.assert_array_equal(read["daytime"], dataset.read_daytime("town"))
    np.testing.assert_array_equal(read["viirs"][0], dataset.read_nighttime("town"))
    fine, measured = read["prediction"][0], read["viirs"][0]
    missing = np.zeros(WINDOW.fine_shape, bool)
    missing[HOLE.fine_slices_in(WINDOW)] = True
    np.testing.assert_array_equal(np.isnan(fine), missing)
    expected = observe(fine, WINDOW, PointSpread(742.0))
    np.testing.assert_allclose(read["observed"][0], expected, rtol=1e-6, equal_nan=True)
    np.testing.assert_allclose(read["difference"][0], expected - measured, rtol=1e-4, atol=1e-4)
    assert result.sharpening is not None
    exponent = result.sharpening.exponent
    texture = observe(fine, WINDOW, PointSpread(742.0))
    assert verdict(measured, texture, WINDOW, PointSpread(742.0), SIMULATED).exponent == exponent
    wanted = sharpen(fine, measured, WINDOW, PointSpread(742.0), noise=SIMULATED, exponent=exponent)
    assert_same_light(read["sharpened"][0], wanted)
    # What is said of the agreement is that of the layer itself with what was measured.
    seen, sigma = observe(read["sharpened"][0], WINDOW, PointSpread(742.0)), SIMULATED.sigma(measured)
    residuals = ((seen - measured) / sigma)[np.isfinite(seen) & np.isfinite(measured)]
    assert result.sharpening.noise == SIMULATED
    assert result.sharpening.pixels == residuals.size
    assert result.sharpening.chi_square == pytest.approx(np.mean(residuals**2), rel=1e-3)
    assert result.sharpening.within_two_sigma == pytest.approx(np.mean(np.abs(residuals) < 2), abs=0.01)
    tags = cog.inspect(tmp_path / result.layers["sharpened"]).tags
    assert float(tags["chi_square_per_pixel"]) == pytest.approx(result.sharpening.chi_square, rel=0.01)
    assert result.comparison.sums.pixels == np.isfinite(expected).sum()
    assert result.comparison.sums.rmse == pytest.approx(
        np.sqrt(np.nanmean((expected - measured) ** 2)), rel=1e-5
    )
    area = WINDOW.pixel_area_km2[:, None] * np.isfinite(expected)
    assert result.comparison.total_measured == pytest.approx(float((measured * area).sum()), rel=1e-5)
    assert result.comparison.total_predicted == pytest.approx(float(np.nansum(expected * area)), rel=1e-5)
    info = cog.inspect(tmp_path / "prediction.tif")
    assert info.units == (RADIANCE_UNIT,) and info.fine and info.window == WINDOW
    assert info.nodata is not None and np.isnan(info.nodata) and info.overviews
    assert info.tags["model"] == "first" and info.tags["simulated"] == "yes"


def test_a_dataset_with_other_bands_is_refused(dataset: Dataset, folder: Path, config: ModelConfig) -> None:
    predictor = Predictor.load(folder)
    swapped = config.model_copy(update={"bands": config.bands[::-1]})
    with pytest.raises(ModelError, match=r"SR_B5"):
        Predictor(predictor.model, swapped, predictor.tiling).check(dataset)
    percent = config.bands[0].model_copy(update={"unit": "%"})
    other = config.model_copy(update={"bands": [percent, *config.bands[1:]]})
    with pytest.raises(ModelError, match=r"\(%\)"):
        Predictor(predictor.model, other, predictor.tiling).check(dataset)


def test_nothing_is_claimed_of_a_pixel_that_lacks_one_band(
    dataset: Dataset, folder: Path, config: ModelConfig
) -> None:
    image = np.nan_to_num(dataset.read_daytime("town")[:, :64, :64], nan=290.0)
    image[0, 10, 20] = np.nan
    assert len(image) > 1
    radiance = Predictor.load(folder).radiance(image)
    assert np.argwhere(np.isnan(radiance)).tolist() == [[10, 20]]


def test_cancelling_leaves_no_file(dataset: Dataset, folder: Path, tmp_path: Path) -> None:
    class Impatient:
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            if done == 2:
                raise Cancelled

    with pytest.raises(Cancelled):
        predict_region(dataset, "town", folder, tmp_path, Impatient(), tile_size=128)
    assert not [path for path in tmp_path.iterdir() if "prediction" in path.name]


@pytest.mark.parametrize("latitude_row", [200, 18_000, 33_000])
@pytest.mark.parametrize("tile", [1, 4, 7])
def test_observing_block_by_block_equals_observing_at_once(latitude_row: int, tile: int) -> None:
    window = Window(1000, latitude_row, 15, 11)
    fine = np.random.default_rng(1).lognormal(0, 2, window.fine_shape).astype(np.float32)
    fine[:40, 30:90] = np.nan
    whole = np.full(window.shape, -1, np.float32)
    spread = PointSpread(742.0)
    for part, seen in observed_blocks(lambda part: fine[part.fine_slices_in(window)], window, spread, tile):
        whole[part.slices_in(window)] = seen
    np.testing.assert_allclose(whole, observe(fine, window, spread), rtol=1e-5, equal_nan=True)


def test_comparing_a_region_equals_the_sums_over_its_rasters(dataset: Dataset, tmp_path: Path) -> None:
    truth = dataset.read_truth("town")
    assert truth is not None
    blocks = [(tile, truth[tile.fine_slices_in(WINDOW)]) for tile in WINDOW.tiles(5, 6)]
    found = compare_region(dataset, "town", blocks, PointSpread(742.0), tmp_path)
    seen = observe(truth, WINDOW, PointSpread(742.0))
    expected = ScoreSums().add(seen, dataset.read_nighttime("town"))
    assert found.sums.pixels == expected.pixels
    assert found.sums.rmse == pytest.approx(expected.rmse, rel=1e-6)
    assert list(tmp_path.iterdir()) == []


def test_a_region_is_scored_alike_where_posix_fallocate_is_missing_as_on_macos(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = dataset.read_truth("town")
    assert truth is not None
    blocks = [(tile, truth[tile.fine_slices_in(WINDOW)]) for tile in WINDOW.tiles(5, 6)]
    spread = PointSpread(742.0)
    expected = compare_region(dataset, "town", blocks, spread, tmp_path).score("network", "town")
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    assert compare_region(dataset, "town", blocks, spread, tmp_path).score("network", "town") == expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("system", ["as here", "macOS"])
def test_a_disk_too_full_to_score_a_region_is_one_sentence(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    if system == "macOS":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with mounted_disk(tmp_path / "disk", 1) as disk:
        (disk / "ballast").write_bytes(bytes(900_000))
        with pytest.raises(WorkspaceError, match=r"Cannot write .*disk: the disk is full\. Free some space"):
            compare_region(dataset, "town", [], PointSpread(742.0), disk)
        assert [path.name for path in disk.iterdir()] == ["ballast"]


@pytest.mark.parametrize("info", NETWORKS.values(), ids=NETWORKS.keys())
def test_tiles_of_every_network_lie_on_its_stride_and_on_whole_viirs_pixels(info: Any) -> None:
    tiling = Tiling.for_network(info)
    assert tiling.margin >= info.margin
    for number in (tiling.size, tiling.margin, Tiling.for_network(info, 50).size):
        assert number % info.stride == 0 and number % 16 == 0
    side = tiling.size + 2 * tiling.margin
    assert side**2 * info.base_filters * 26 <= 1.05e9
    window = Window(10, 10, 300, 200)
    tiles = tiling.tiles(window)
    assert sum(tile.width * tile.height for tile in tiles) == 300 * 200


def test_without_being_asked_for_nothing_is_sharpened_and_sharpening_can_be_cancelled(
    dataset: Dataset, folder: Path, tmp_path: Path
) -> None:
    class StopAtSharpening:
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            if message == "Sharpening":
                raise Cancelled

    plain = predict_region(dataset, "town", folder, tmp_path / "plain", StopAtSharpening(), tile_size=128)
    assert "sharpened" not in plain.layers
    other = tmp_path / "sharpened"
    with pytest.raises(Cancelled):
        predict_region(dataset, "town", folder, other, StopAtSharpening(), tile_size=128, sharpen=True)


def test_scores_against_the_truth_do_not_depend_on_tiles_and_large_regions_are_not_kriged(
    dataset: Dataset, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = predict_region(dataset, "town", folder, tmp_path, tile_size=128, sharpen=True).layers
    whole = layer_fine_scores(dataset, "town", "unet", tmp_path, layers)
    assert len({each.fine.pixels for each in whole}) == 1
    monkeypatch.setattr(fine_scores, "_TILE", 4)
    monkeypatch.setattr(fine_scores, "LARGEST_KRIGED", 22)
    tiled = layer_fine_scores(dataset, "town", "unet", tmp_path, layers)
    kriged = [each for each in whole if each.method in (KRIGING, REGRESSION_KRIGING)]
    assert len(kriged) == 2
    for each in kriged:
        whole.remove(each)
    assert [each.title for each in whole] == [each.title for each in tiled]
    for one, other in zip(whole, tiled, strict=True):
        figures, others = (each.fine.model_dump(exclude_none=True) for each in (one, other))
        assert figures == pytest.approx(others, rel=1e-6)
