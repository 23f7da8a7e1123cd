"""Fine truth of one's own: the planet's, written as a raster that lies off and has another unit."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from data_samples import geotiff, region, request
from learning_samples import TINY_NETWORK
from numpy.typing import NDArray
from scipy.stats import spearmanr
from truth_samples import PLANET, TOWN, UTM, in_utm, planet_rasters, truth_raster

from nightlights import cli, cog, pipeline
from nightlights.bands import RADIANCE_UNIT
from nightlights.common_scale import PIXEL_M, CommonScale
from nightlights.datasets import Dataset, export_dataset
from nightlights.errors import DatasetError, NightlightsError, SourceError
from nightlights.fine_truth import TruthRequest
from nightlights.grid import Window
from nightlights.manifests import (
    ExportRequest,
    MethodFineScore,
    PredictionRecord,
    TrainingRequest,
    TrainingSettings,
    read_record,
)
from nightlights.metrics import FineSums, RankSums
from nightlights.networks.registry import NETWORKS
from nightlights.observation import PointSpread
from nightlights.prediction import compare_fine, fine_scores, layer_fine_scores, pooled_score
from nightlights.progress import NoProgress
from nightlights.promotion import draft_card
from nightlights.scores import BICUBIC, FineScore
from nightlights.sharpening.interpolation import bicubic
from nightlights.sources.raster_files import mosaic
from nightlights.sources.rasters import RastersSource
from nightlights.sources.truth import RegionTruth, through_pixels
from nightlights.sources.truth.registration import LEAST_PEAK, displacement
from nightlights.training.choices import check_combination
from nightlights.workspace import Workspace

Floats = NDArray[np.floating]
EAST_M, NORTH_M = -187.3, 251.9
HALF_A_PIXEL_M = PIXEL_M / 2


def tripled(light: Floats) -> Floats:
    return 3 * light + 40


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return planet_rasters(tmp_path_factory.mktemp("planet"))


def aligned(
    files: tuple[str, str], *rasters: Path, window: Window = TOWN, **asked: object
) -> RegionTruth | str:
    truth = TruthRequest.model_validate({"files": [str(each) for each in rasters], **asked})
    source = RastersSource([files[0]], [files[1]], truth=truth)
    return source.align_truth({"town": window}, PointSpread(), NoProgress())["town"]


def found(files: tuple[str, str], *rasters: Path, window: Window = TOWN, **asked: object) -> RegionTruth:
    truth = aligned(files, *rasters, window=window, **asked)
    assert isinstance(truth, RegionTruth), truth
    return truth


@pytest.fixture(scope="module", params=[10.0, 40.0, 130.0])
def moved(
    request: pytest.FixtureRequest, files: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> RegionTruth:
    path = tmp_path_factory.mktemp("moved") / "sat.tif"
    return found(files, truth_raster(path, request.param, east_m=EAST_M, north_m=NORTH_M, values=tripled))


def test_the_shift_of_a_raster_in_another_unit_is_found_within_half_a_pixel(moved: RegionTruth) -> None:
    record = moved.record
    assert record.shift.applied and (record.shift.peak or 0) > 20
    assert record.shift.east_m == pytest.approx(-EAST_M, abs=HALF_A_PIXEL_M)
    assert record.shift.north_m == pytest.approx(-NORTH_M, abs=HALF_A_PIXEL_M)
    error = np.hypot(record.shift.east_m + EAST_M, record.shift.north_m + NORTH_M)
    assert record.shift.error_m is not None and error < 3 * record.shift.error_m
    assert record.calibration.slope == pytest.approx(1 / 3, rel=0.02)
    assert record.calibration.offset == pytest.approx(-40 / 3, abs=0.3)
    assert record.rank_correlation is not None and record.rank_correlation > 0.98
    assert (record.known_share, record.saturated_from) == (1, None)
    words = " ".join(record.sentences)
    assert "m east" in words and "m south" in words and "by a line: 0.33" in words


def test_a_raster_is_compared_no_finer_than_it_is(moved: RegionTruth) -> None:
    record = moved.record
    blocks = {10: (1, 1), 40: (2, 2), 130: (5, 5)}[round(record.pixel_m)]
    assert (record.block_rows, record.block_columns) == blocks
    assert record.scale_m == pytest.approx(blocks[0] * PIXEL_M, rel=0.01)
    assert record.scale_m >= record.resolution_m


def test_models_score_against_the_raster_as_against_the_planet(
    moved: RegionTruth, files: tuple[str, str]
) -> None:
    night = RastersSource([files[0]], [files[1]]).nighttime(TOWN).astype(np.float64)
    planet = PLANET.truth(TOWN)
    models = {
        "bicubic": bicubic(night, TOWN, PointSpread()),
        "half": 0.5 * planet,
        "blurred": CommonScale(8, 8).averaged(planet, planet)[0].repeat(8, 0).repeat(8, 1),
    }
    for light in models.values():
        raster, known = score_of(moved, light, moved.read(TOWN)), score_of(moved, light, planet, moved)
        assert raster.rmse == pytest.approx(known.rmse, rel=0.03)
        assert raster.bias == pytest.approx(known.bias, abs=0.02)
        assert raster.ssim == pytest.approx(known.ssim, abs=0.01)
        assert raster.lit_f1 == pytest.approx(known.lit_f1, abs=0.01)
    assert score_of(moved, planet, moved.read(TOWN)).rmse < 0.1 * planet.std()


def score_of(
    truth: RegionTruth, light: Floats, against: Floats, through: RegionTruth | None = None
) -> FineScore:
    """Scores of ``light`` at the scale of ``truth``; ``against`` goes through the raster's pixels, too."""
    pixels = truth.record.lattices
    other = through_pixels(against, TOWN, pixels) if through else against
    return FineSums().add(*truth.record.scale.averaged(through_pixels(light, TOWN, pixels), other)).score()


@pytest.mark.parametrize("pixel", [10.0, 40.0, 130.0])
def test_the_planet_itself_scores_0_against_its_raster(
    files: tuple[str, str], tmp_path: Path, pixel: float
) -> None:
    raster = truth_raster(tmp_path / "a.tif", pixel)
    own = found(files, raster, calibration="none", maximum_shift_m=0)
    score = score_of(own, PLANET.truth(TOWN), own.read(TOWN))
    assert score.rmse < 0.05 and abs(score.bias) < 1e-3
    assert score.ssim == pytest.approx(1, abs=1e-3) and score.lit_f1 == pytest.approx(1, abs=1e-3)
    assert score.pixels > 0.96 * TOWN.height * TOWN.width * 256 / np.prod(
        (own.record.block_rows, own.record.block_columns)
    )


def test_a_raster_that_stays_where_it_is_wrong_scores_otherwise(
    files: tuple[str, str], tmp_path: Path
) -> None:
    raster = truth_raster(tmp_path / "a.tif", 40, east_m=EAST_M, north_m=NORTH_M)
    left = found(files, raster, maximum_shift_m=0)
    assert not left.record.shift.applied and "to be left where it is" in left.record.sentences[1]
    truth = PLANET.truth(TOWN)
    right = found(files, raster)
    error, rest = (score_of(own, truth, own.read(TOWN)).rmse for own in (left, right))
    assert rest < 0.1 * error


def test_a_shift_beyond_the_bound_is_reported_and_not_applied(files: tuple[str, str], tmp_path: Path) -> None:
    raster = truth_raster(tmp_path / "a.tif", 40, east_m=900.0)
    shift = found(files, raster, maximum_shift_m=300).record.shift
    assert not shift.applied and (shift.east_m, shift.north_m) == (0, 0)
    assert "peak" in shift.reason


@pytest.mark.parametrize(("limit", "applied"), [(300, False), (380, True)])
def test_a_bound_is_a_distance(files: tuple[str, str], tmp_path: Path, limit: float, applied: bool) -> None:
    raster = truth_raster(tmp_path / "a.tif", 40, east_m=250.0, north_m=250.0)
    shift = found(files, raster, maximum_shift_m=limit).record.shift
    assert shift.applied == applied
    assert shift.found_east_m == pytest.approx(-250, abs=PIXEL_M)
    assert shift.reason == ("" if applied else "the peak lies beyond the 300 m that were searched.")


def test_unrelated_images_have_no_peak_and_related_ones_have() -> None:
    generator = np.random.default_rng(3)
    one, other = generator.lognormal(0, 1, (2, 24, 20))
    assert displacement(one, other, (4.0, 4.0)).peak < LEAST_PEAK
    rolled = np.roll(one, (2, -3), (0, 1))
    place = displacement(one, rolled, (4.0, 4.0))
    assert (place.rows, place.columns) == pytest.approx((2, -3), abs=0.1)
    assert place.peak > 2 * LEAST_PEAK
    assert displacement(one, np.full_like(one, 2.0), (4.0, 4.0)).peak < LEAST_PEAK


def test_a_peak_that_is_low_moves_nothing_and_is_reported(files: tuple[str, str], tmp_path: Path) -> None:
    # A slope of light without detail: VIIRS agrees with it, but does not say where it lies.
    around = TOWN.expand(6)
    slope = np.broadcast_to(np.geomspace(60, 0.5, around.fine_shape[1]), around.fine_shape)
    image, affine = in_utm(around, 40, slope.astype(np.float32))
    raster = geotiff(tmp_path / "slope.tif", image, affine, UTM)
    noise = np.random.default_rng(2).lognormal(0, 0.5, around.shape)
    night = geotiff(
        tmp_path / "night.tif", (slope[8::16, 8::16] * noise).astype(np.float32), around.transform
    )
    record = found((files[0], str(night)), raster).record
    assert not record.shift.applied and (record.shift.east_m, record.shift.north_m) == (0, 0)
    assert record.shift.peak is not None and record.shift.peak < LEAST_PEAK
    assert record.shift.found_east_m is not None
    assert "standard deviations high, 7 are needed." in record.sentences[1]
    assert record.sentences[1].startswith("Not moved: the peak of the correlation is only")
    assert record.rank_correlation is not None and record.rank_correlation > 0.8


def test_a_region_of_few_pixels_is_not_searched(files: tuple[str, str], tmp_path: Path) -> None:
    small = replace(TOWN, column=TOWN.column + 12, row=TOWN.row + 12, width=6, height=6)
    record = found(files, truth_raster(tmp_path / "a.tif", 40, around=8), window=small).record
    assert not record.shift.applied and "fewer than 8 x 8" in record.shift.reason


def test_ranks_serve_values_that_are_not_proportional_to_light(
    files: tuple[str, str], tmp_path: Path
) -> None:
    raster = truth_raster(tmp_path / "luojia.tif", 130, values=lambda light: 100 * light ** (2 / 3))
    truth, error = PLANET.truth(TOWN), {}
    for method in ("line", "rank"):
        own = found(files, raster, calibration=method)
        error[method] = score_of(own, truth, own.read(TOWN)).rmse
    points = own.record.calibration
    assert len(points.values) == len(points.radiances) > 10
    assert (np.diff(points.values) > 0).all() and (np.diff(points.radiances) > 0).all()
    assert error["rank"] < 0.7 * error["line"]
    assert own.record.rmse is not None and own.record.rmse < 0.5


def test_values_in_the_right_unit_are_taken_as_they_are(files: tuple[str, str], tmp_path: Path) -> None:
    own = found(files, truth_raster(tmp_path / "a.tif", 40), calibration="none")
    expected = found(files, truth_raster(tmp_path / "a.tif", 40)).read(TOWN)
    assert own.record.calibration.slope is None
    np.testing.assert_allclose(own.read(TOWN).mean(), expected.mean(), rtol=0.02)


def test_saturated_pixels_are_left_out_and_negative_ones_are_dark(
    files: tuple[str, str], tmp_path: Path
) -> None:
    generator = np.random.default_rng(1)

    def sensor(light: Floats) -> Floats:
        noisy = 10 * light + generator.normal(0, 2, light.shape)
        return np.where(np.isnan(light), 0, np.clip(np.rint(noisy), -32_000, 400))

    record = found(files, truth_raster(tmp_path / "a.tif", 40, values=sensor, dtype="int16")).record
    assert record.saturated_from == 400 and record.known_share < 0.995
    assert record.calibration.slope == pytest.approx(0.1, rel=0.05)
    assert any("saturated" in sentence for sentence in record.sentences)
    own = found(files, tmp_path / "a.tif").read(TOWN)
    bright = PLANET.truth(TOWN) > 60
    assert np.isnan(own[bright]).mean() > 0.8 and np.nanmin(own) == 0
    notes = RastersSource([files[0]], [files[1]], truth=TruthRequest(files=[str(tmp_path / "a.tif")])).notes
    assert any("a.tif is saturated at 400" in note for note in notes)


def test_a_missing_value_of_the_truth_is_missing(files: tuple[str, str], tmp_path: Path) -> None:
    def holed(light: Floats) -> Floats:
        image = np.nan_to_num(light, nan=-1)
        image[: len(image) // 2, : len(image) // 3] = -1
        return image

    raster = truth_raster(tmp_path / "a.tif", 40, values=holed)
    own = found(files, raster, nodata=-1)
    assert 0.7 < own.record.known_share < 0.95
    assert np.isnan(own.read(TOWN)[:200, :100]).all() and np.isfinite(own.read(TOWN)[300:, 300:]).all()


def flat(value: float) -> NDArray[np.float32]:
    return np.full((300, 300), value, np.float32)


def filled(value: float) -> NDArray[np.float64]:
    image = np.random.default_rng(0).lognormal(0, 1, (300, 300))
    image[150:] = value
    return image


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((3, 300, 300), np.float32), "has 3 bands; a fine truth has one"),
        (flat(0), "is 0 everywhere"),
        (flat(7), "is 7 everywhere"),
        (np.tile([0.0, 1.0], (300, 150)), "2 different values; it is a mask"),
        (-np.random.default_rng(0).lognormal(0, 1, (300, 300)), "negative in more than half"),
        (filled(-9), "is exactly -9 in 50 %"),
        (np.random.default_rng(0).lognormal(0, 1, (300, 300)), "do not show the light of VIIRS"),
    ],
)
def test_what_is_no_image_of_this_light_is_refused(
    files: tuple[str, str], tmp_path: Path, values: NDArray[np.floating], message: str
) -> None:
    _, affine = in_utm(TOWN.expand(2), 50.0)
    raster = geotiff(tmp_path / "a.tif", values.astype(np.float32), affine, UTM)
    with pytest.raises(NightlightsError, match=message):
        aligned(files, raster)


def test_rasters_in_the_wrong_place_or_form_are_refused(files: tuple[str, str], tmp_path: Path) -> None:
    image, affine = in_utm(TOWN, 50.0)
    nowhere = geotiff(tmp_path / "nowhere.tif", image, affine, None)
    with pytest.raises(NightlightsError, match="no coordinate reference system"):
        aligned(files, nowhere)
    elsewhere = geotiff(tmp_path / "elsewhere.tif", image, affine, "EPSG:32637")
    with pytest.raises(
        SourceError, match=r"cannot be used in any region\. town: the rasters do not cover it"
    ):
        aligned(files, elsewhere)
    coarse, affine = in_utm(TOWN.expand(4), 500.0)
    with pytest.raises(NightlightsError, match=r"has pixels of 50. m; those of VIIRS have 463 m"):
        aligned(files, geotiff(tmp_path / "coarse.tif", coarse, affine, UTM))
    with pytest.raises(SourceError, match="No truth raster matches"):
        aligned(files, tmp_path / "none-*.tif")
    dark = truth_raster(tmp_path / "dark.tif", 40, values=lambda light: 300 - light)
    with pytest.raises(SourceError, match="do not show the light of VIIRS: rank correlation -"):
        aligned(files, dark)


@pytest.fixture(scope="module")
def dataset(files: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two halves of the town and a place without truth, which lies off and is in another unit."""
    return exported(files, tmp_path_factory.mktemp("dataset"), 130)


def exported(files: tuple[str, str], folder: Path, pixel: float) -> Dataset:
    raster = truth_raster(folder / "sat.tif", pixel, east_m=EAST_M, north_m=NORTH_M, values=tripled, around=0)
    truth = TruthRequest(files=[str(raster)])
    source = RastersSource([files[0]], [files[1]], truth=truth)
    west = replace(TOWN, width=15)
    regions = [
        region("west", west),
        region("east", replace(west, column=TOWN.column + 15), "evaluate"),
        region("edge", replace(TOWN, row=TOWN.row - 2, height=2, width=10), "predict"),
    ]
    workspace = Workspace.open(folder / "workspace")
    asked = request(source="rasters", daytime_files=[files[0]], nighttime_files=[files[1]], truth=truth)
    export_dataset(workspace, asked, source, regions, NoProgress())
    return Dataset.open(workspace, "sample")


def test_an_export_keeps_the_truth_and_says_what_was_done_to_it(dataset: Dataset) -> None:
    west, east, edge = dataset.manifest.regions
    for place in (west, east):
        own = place.fine_truth
        assert own is not None and place.truth is not None
        assert own.shift.east_m == pytest.approx(-EAST_M, abs=PIXEL_M)
        assert own.shift.north_m == pytest.approx(-NORTH_M, abs=PIXEL_M)
        truth = dataset.read_truth(place.name)
        assert truth is not None and np.isfinite(truth).mean() == pytest.approx(own.known_share, abs=1e-4)
    assert (edge.truth, edge.fine_truth) == (None, None)
    assert edge.truth_sentences == [f"No fine truth: {edge.truth_note}"]
    assert "cover" in edge.truth_note
    again = RastersSource(**{k: v for k, v in dataset.manifest.source.parameters.items() if k != "files"})
    assert again.describe() == dataset.manifest.source.parameters


def write_layer(dataset: Dataset, folder: Path, name: str, light: Floats) -> str:
    window = dataset.region("east").window.window
    blocks = [(window, light.astype(np.float32))]
    cog.write_geotiff(
        folder / f"{name}.tif", blocks, window=window, fine=True, bands=[name], units=[RADIANCE_UNIT]
    )
    return f"{name}.tif"


def scored(dataset: Dataset, folder: Path, light: Floats) -> dict[tuple[str, bool], MethodFineScore]:
    layers = {name: write_layer(dataset, folder, name, light) for name in ("prediction", "sharpened")}
    scores = layer_fine_scores(dataset, "east", "model", folder, layers)
    return {(each.method, each.sharpened): each for each in scores}


def test_a_perfect_model_scores_0_beside_bicubic_plain_and_sharpened(
    dataset: Dataset, tmp_path: Path
) -> None:
    own, planet = dataset.region("east").fine_truth, PLANET.truth(dataset.region("east").window.window)
    assert own is not None
    scores = scored(dataset, tmp_path, planet)
    perfect = scores["model", False]
    assert perfect.fine.rmse < 0.05 * planet.std() and perfect.fine.bias == pytest.approx(0, abs=0.1)
    assert (perfect.fine.ssim, perfect.spearman) == pytest.approx((1, 1), abs=0.01)
    assert perfect.fine.lit_f1 == pytest.approx(1, abs=0.01)
    assert perfect.fine.scale_m == own.scale_m == pytest.approx(145, abs=1)
    assert perfect.classes and {each.name for each in perfect.classes} >= {"dim", "bright"}
    assert sum(each.pixels for each in perfect.classes) == perfect.fine.pixels < planet.size / 24
    plain, sharp = scores[BICUBIC, False], scores[BICUBIC, True]
    assert 0 < sharp.fine.rmse < 1.05 * plain.fine.rmse
    assert plain.spearman is not None and 0.3 < plain.spearman < 1
    assert plain.fine.rmse > 10 * perfect.fine.rmse
    compared = compare_fine(dataset, "east", PLANET.truth, PointSpread())
    assert compared.score("model", "east").fine == perfect.fine


def test_scores_at_a_common_scale_do_not_depend_on_tiles(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    light = dataset.read_daytime("east")[0] * 40
    whole = scored(dataset, tmp_path, light)["model", False]
    monkeypatch.setattr(fine_scores, "_TILE", 5)
    cut = scored(dataset, tmp_path, light)["model", False]
    assert cut.fine.model_dump() == pytest.approx(whole.fine.model_dump(), rel=1e-4)
    # Ranks are counted in bins, to which rounding may move a pixel.
    assert cut.spearman == pytest.approx(whole.spearman, abs=2e-4)
    truth, own = dataset.read_truth("east"), dataset.region("east").fine_truth
    assert truth is not None and own is not None and whole.fine.rmse > 0
    shown = through_pixels(light, dataset.region("east").window.window, own.lattices)
    one, two = own.scale.averaged(shown, truth)
    known = np.isfinite(one)
    assert whole.fine.rmse == pytest.approx(np.sqrt(np.mean((one - two)[known] ** 2)), rel=1e-6)
    assert whole.spearman == pytest.approx(spearmanr(one[known], two[known])[0], abs=5e-3)


def test_tiles_have_around_them_what_the_pixels_of_the_raster_reach(
    files: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coarse = exported(files, tmp_path, 228)
    own = coarse.region("east").fine_truth
    assert own is not None and (own.block_rows, own.block_columns) == (8, 8)
    light = coarse.read_daytime("east")[0] * 40
    whole = scored(coarse, tmp_path, light)["model", False]
    monkeypatch.setattr(fine_scores, "_TILE", 4)
    cut = scored(coarse, tmp_path, light)["model", False]
    assert cut.fine.model_dump() == pytest.approx(whole.fine.model_dump(), rel=1e-4)


def test_scales_that_differ_are_not_pooled(dataset: Dataset) -> None:
    parts = [compare_fine(dataset, name, PLANET.truth, PointSpread()) for name in ("west", "east")]
    assert pooled_score(parts, "model", "all regions").fine is not None
    parts[0].fine_scale_m = 58.0
    assert pooled_score(parts, "model", "all regions").fine is None
    parts[0].fine_scale_m = None
    assert pooled_score(parts, "model", "all regions").fine is None


def test_a_truth_of_one_s_own_is_no_label(dataset: Dataset) -> None:
    settings = TrainingSettings(
        label="truth", loss="pixel squared error", train_regions=["west"], evaluate_regions=["east"]
    )
    with pytest.raises(DatasetError, match="The truth of west is a raster of your own"):
        check_combination(dataset.manifest, settings)


def test_prediction_card_and_command_line_report_the_truth(
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    workspace = Workspace.open(shutil.copytree(dataset.folder.parent.parent, tmp_path / "w"))
    settings = TrainingSettings(
        network="tiny",
        epochs=1,
        patches_per_region=1,
        patch_size=64,
        batch_size=2,
        evaluation_patches=1,
        train_regions=["west"],
        evaluate_regions=["east"],
    )
    pipeline.train(workspace, TrainingRequest(run="one", dataset="sample", settings=settings), NoProgress())
    assert cli.main(["predict", "--run", "one", "--region", "east", "--workspace", str(workspace.root)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "fine truth sat.tif, compared at 145 m" in said and "Calibrated to VIIRS by a line" in said
    assert "imulated" not in said and "idden" not in said
    path = workspace.prediction_folder("one-east") / "prediction.json"
    record = read_record(path, PredictionRecord)
    assert record.fine_truth == dataset.region("east").fine_truth and "truth" in record.layers
    titles = [each.title for each in record.fine_scores]
    assert titles[:4] == ["tiny", "tiny, sharpened", BICUBIC, f"{BICUBIC}, sharpened"]
    assert record.score and record.score.fine == record.fine_scores[0].fine
    card = draft_card(workspace, "one").read_text()
    shift = record.fine_truth.shift if record.fine_truth else None
    assert shift and "- east: Fine truth sat.tif, compared at 145 m" in card
    assert f"Moved by {shift.east_m:.0f} m east and {-shift.north_m:.0f} m south" in card
    assert f"RMSE of the prediction against it: {record.fine_scores[0].fine.rmse:.3f} nW/cm²/sr." in card
    assert cli.main(["evaluate", "--run", "one", "--workspace", str(workspace.root)]) == 0
    assert "your own raster, both averaged to 145 m" in " ".join(capsys.readouterr().out.split())


def test_an_older_request_asks_for_no_truth_and_a_truth_goes_with_rasters() -> None:
    old = {"dataset": "a", "regions": "b", "source": "rasters"}
    assert ExportRequest.model_validate(old).truth is None
    with pytest.raises(ValueError, match="goes with the source rasters"):
        ExportRequest.model_validate({**old, "source": "simulated", "truth": {"files": ["a.tif"]}})


@pytest.mark.parametrize(
    ("resolution", "latitude", "blocks"),
    [(10, 0, (1, 1)), (30, 0, (1, 1)), (40, 0, (2, 2)), (40, 60, (2, 3)), (130, -45, (5, 7))],
)
def test_blocks_are_no_finer_than_the_raster(
    resolution: float, latitude: float, blocks: tuple[int, int]
) -> None:
    window = Window.covering(10.0, latitude - 0.02, 10.04, latitude + 0.02)
    scale = CommonScale.of(resolution, window)
    assert (scale.rows, scale.columns) == blocks
    for tile in scale.tiles(window, 8):
        for offset, size in (
            (tile.row - window.row, scale.rows),
            (tile.column - window.column, scale.columns),
        ):
            assert offset * 16 % size == 0


def test_means_are_over_what_both_know() -> None:
    first = np.arange(24.0).reshape(4, 6)
    second = first.copy()
    first[0, 0], second[0, 1], second[2:, 4:] = np.nan, np.nan, np.nan
    one, two = CommonScale(2, 2).averaged(first, second)
    assert one.shape == (2, 3) and one[0, 0] == two[0, 0] == (6 + 7) / 2
    assert np.isnan(one[1, 2]) and np.isnan(two[1, 2])
    assert CommonScale(3, 4).averaged(first, second)[0].shape == (1, 1)


def test_ranks_from_a_histogram_are_those_of_the_pixels() -> None:
    generator = np.random.default_rng(4)
    truth = generator.lognormal(0, 2, 20_000)
    light = np.maximum(truth * generator.lognormal(0, 1, 20_000) - 0.3, 0)
    light[:50] = np.nan
    halves = RankSums().add(light[:7000], truth[:7000]).add(light[7000:], truth[7000:])
    assert halves.spearman == pytest.approx(spearmanr(light[50:], truth[50:])[0], abs=1e-3)
    assert RankSums().spearman is None and RankSums().add(np.ones(3), np.ones(3)).spearman is None


def test_a_coarse_raster_is_averaged_by_area(tmp_path: Path) -> None:
    window = Window(50_232, 18_744, 4, 4)
    values = np.random.default_rng(0).random((24, 24)).astype(np.float32)
    step = 4.3
    affine = window.expand(1).fine_transform @ Affine.scale(step) @ Affine.translation(0.1, 0.2)
    path = geotiff(tmp_path / "a.tif", values, affine)
    file = RastersSource([str(path)], [str(path)])._night
    image = mosaic(file, window, fine=True, average=True)[0]
    weights = [
        np.array([[max(0.0, min(p + 17 - o, s + step) - max(p + 16 - o, s)) for s in step * np.arange(24)]
                  for p in range(64)])
        for o in (0.2 * step, 0.1 * step)
    ]  # fmt: skip
    np.testing.assert_allclose(image, weights[0] @ values @ weights[1].T, atol=1e-4)
