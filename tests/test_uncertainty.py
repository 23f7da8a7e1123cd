"""Intervals hold the share that they promise, whatever the tiles, and only for what was calibrated."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_samples import TINY_NETWORK, LearnableSource
from numpy.typing import NDArray
from shapely import box
from typer.testing import CliRunner

from nightlights import cog
from nightlights.bands import RadianceTransform, Scaling
from nightlights.cli import app
from nightlights.datasets import Dataset, export_dataset
from nightlights.errors import DatasetError, ModelError, SettingsError
from nightlights.grid import Window
from nightlights.interface.compare_map import layer_choices, legend_of
from nightlights.interface.prediction_view import values_at_point
from nightlights.interface.tiles import find_layer
from nightlights.jobs import JobStore
from nightlights.manifests import (
    ExportRequest,
    ModelConfig,
    PredictionRequest,
    Role,
    RunRecord,
    TrainingSettings,
    now,
    write_record,
)
from nightlights.models import CONFIG_FILE, save_model
from nightlights.networks import NETWORKS
from nightlights.pipeline import predict
from nightlights.prediction import Predictor, Tiling
from nightlights.progress import NoProgress
from nightlights.regions import Region
from nightlights.uncertainty import UNCERTAINTY_FILE, load_calibration
from nightlights.uncertainty.calibration import _places, calibrate, calibration_regions, calibration_sources
from nightlights.uncertainty.coverage import coverage
from nightlights.uncertainty.features import region_features
from nightlights.uncertainty.intervals import SizeModel, fit_intervals, held_out_cover, pooled_quantile
from nightlights.uncertainty.layers import predicted_bounds
from nightlights.uncertainty.orientations import TurnedDataset, block_means, turned_means, turns
from nightlights.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

REGIONS: dict[str, tuple[Window, Role]] = {
    "learnt": (Window(43_000, 16_000, 11, 10), "train"),
    "east": (Window(43_200, 18_000, 13, 10), "evaluate"),
    "west": (Window(42_000, 18_000, 10, 12), "evaluate"),
    "far": (Window(41_000, 17_000, 11, 11), "evaluate"),
}
TRANSFORM = RadianceTransform(scale=1.0)


def uneven(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two features and errors whose size follows from the first, more above than below."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(count, 2))
    skewed = generator.gamma(2.0, size=count) - 1.5
    return features, np.exp(1.2 * features[:, 0] - 1) * skewed


def test_intervals_hold_nine_tenths_of_new_errors_of_uneven_size() -> None:
    features, errors = uneven(6_000, seed=1)
    made = fit_intervals(features, errors, np.arange(6_000) // 500, 0.9)
    fresh, new = uneven(40_000, seed=2)
    held = made.hold(fresh, new)
    assert 0.88 < held.mean() < 0.92
    for part in (fresh[:, 0] < -1, np.abs(fresh[:, 0]) < 0.5, fresh[:, 0] > 1):
        assert 0.86 < held[part].mean() < 0.94
    lower, upper = made.bounds(np.zeros(len(new)), fresh)
    np.testing.assert_allclose(-lower, upper)
    same_everywhere = np.quantile(np.abs(errors), 0.9)
    assert np.median(upper - lower) < 0.7 * 2 * same_everywhere


def test_the_size_model_finds_what_errors_follow_from() -> None:
    features, errors = uneven(20_000, seed=3)
    fitted = SizeModel.fitted(features, errors)
    np.testing.assert_allclose(fitted.weights / fitted.spread, [1.2, 0.0], atol=0.05)
    beyond = fitted.size(np.array([[1e6, 0.0], [4 * fitted.spread[0] + fitted.center[0], 0.0]]))
    assert beyond[0] == pytest.approx(beyond[1])


def test_pooled_quantiles_count_groups_by_hand() -> None:
    # Group 0 has one pixel, which is half of all; each of the five of group 1 is a tenth.
    ratios, groups = np.array([3.0, 1.0, 2.0, 4.0, 5.0, 6.0]), np.array([7, 9, 9, 9, 9, 9])
    shares = (0.1, 0.2, 0.21, 0.7, 0.71, 0.8, 0.9, 1.0)
    assert [pooled_quantile(ratios, groups, share) for share in shares] == [1, 2, 3, 3, 4, 4, 5, 6]
    assert pooled_quantile(np.arange(1.0, 101.0), np.zeros(100, int), 0.9) == 90


def cities(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Cities of 30 pixels that err to one side each, by a standard normal, and around that half as much."""
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), 30)
    errors = generator.normal(size=count)[groups] + 0.5 * generator.normal(size=groups.size)
    return generator.normal(size=(groups.size, 1)), errors, groups


def test_nine_tenths_of_a_new_city_are_held_in_the_mean_however_few_cities_there_were() -> None:
    held, narrow, reported, raised = [], [], [], 0
    for seed in range(30):
        features, errors, groups = cities(6, seed)
        made = fit_intervals(features, errors, groups, 0.9)
        new, there, _ = cities(200, 1_000 + seed)
        held.append(made.hold(new, there).mean())
        # As if pixels were exchangeable, which they are not.
        plain = pooled_quantile(np.abs(errors), np.zeros(len(errors), int), 0.9)
        narrow.append((np.abs(there) <= plain).mean())
        if seed < 4:
            reported.append(held_out_cover(features, errors, groups, 0.9).mean())
        assert 0.9 <= made.share <= 1 and made.below == made.above
        raised += made.share > 0.9
    assert 8 < raised < 30
    assert 0.89 < np.mean(held) < 0.93
    assert np.mean(narrow) < 0.88
    assert 0.8 < np.mean(reported) < 0.95


def test_a_region_that_errs_more_shows_in_its_own_coverage() -> None:
    features, errors = uneven(3_000, seed=4)
    groups = np.arange(3_000) // 500
    errors[groups == 2] *= 6
    held = held_out_cover(features, errors, groups, 0.9)
    assert held[groups == 2].mean() < 0.6
    assert held[groups != 2].mean() > 0.88
    made = fit_intervals(features, errors, groups, 0.9)
    assert made.hold(features[groups == 2], errors[groups == 2]).mean() > held[groups == 2].mean() + 0.05
    with pytest.raises(ValueError, match="one group"):
        fit_intervals(features, errors, np.zeros(3_000, int), 0.9)


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=5))
def test_coverage_does_not_depend_on_the_pieces(cuts: list[int]) -> None:
    generator = np.random.default_rng(5)
    measured = generator.lognormal(0, 2, 60)
    lower, upper = measured - generator.uniform(-0.2, 1, 60), measured + generator.uniform(-0.2, 1, 60)
    lower[7], measured[9] = np.nan, np.nan
    whole = coverage([(lower, upper, measured)])
    edges = sorted({0, 60, *cuts})
    pieces = [slice(a, b) for a, b in itertools.pairwise(edges)]
    found = coverage((lower[part], upper[part], measured[part]) for part in pieces)
    assert [(row.name, row.pixels, row.share) for row in found] == [
        (row.name, row.pixels, row.share) for row in whole
    ]
    np.testing.assert_allclose([row.mean_width for row in found], [row.mean_width for row in whole])


def test_coverage_by_class_by_hand() -> None:
    measured = np.array([0.1, 0.2, 1.0, 8.0, np.nan])
    lower, upper = np.array([0, 0.3, 1, 0, 0]), np.array([0.5, 0.5, 3, 7, 9])
    rows = coverage([(lower, upper, measured)])
    assert [(row.name, row.pixels, row.share) for row in rows] == [
        ("all", 4, 0.5),
        ("dark", 2, 0.5),
        ("dim", 1, 1.0),
        ("bright", 1, 0.0),
    ]
    assert [row.mean_width for row in rows] == pytest.approx([(0.5 + 0.2 + 2 + 7) / 4, 0.35, 2, 7])
    assert coverage([]) == []
    with pytest.raises(ValueError, match="shapes"):
        coverage([(lower, upper, measured[:2])])


def exported(workspace: Workspace, name: str, regions: dict[str, tuple[Window, Role]]) -> Dataset:
    chosen = [Region(key, role, box(*window.bounds)) for key, (window, role) in regions.items()]
    request = ExportRequest(dataset=name, regions="some")
    export_dataset(workspace, request, LearnableSource(), chosen, NoProgress())
    return Dataset.open(workspace, name)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def dataset(workspace: Workspace) -> Dataset:
    return exported(workspace, "sample", REGIONS)


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
        yield


@pytest.fixture(scope="module")
def run(dataset: Dataset) -> RunRecord:
    return RunRecord(
        name="first",
        created=now(),
        dataset="sample",
        source=dataset.manifest.source,
        settings=TrainingSettings(network="tiny", early_stopping=3),
        train_regions=["learnt"],
        evaluate_regions=["east", "west", "far"],
    )


@pytest.fixture(scope="module")
def folder(workspace: Workspace, dataset: Dataset, run: RunRecord) -> Path:
    folder = workspace.run_folder("first")
    folder.mkdir(parents=True)
    image = np.moveaxis(dataset.read_daytime("learnt"), 0, -1)
    names = [band.name for band in dataset.manifest.bands]
    config = ModelConfig(
        network="tiny",
        bands=dataset.manifest.bands,
        scaling=Scaling.fitted(names, image.reshape(-1, len(names))),
        transform=TRANSFORM,
        patch_size=64,
        point_spread_fwhm_m=742.0,
        dataset_sha256=dataset.sha256,
        simulated=True,
    )
    save_model(folder, TINY_NETWORK.layout.build(len(names), "tiny", 4))
    write_record(folder / CONFIG_FILE, config)
    write_record(folder / "run.json", run.model_copy(update={"finished": now()}))
    return folder


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    return Predictor.load(folder)


@pytest.mark.parametrize("number", range(8))
def test_a_turned_dataset_is_the_turned_image(dataset: Dataset, number: int) -> None:
    turn = turns(8)[number]
    view = TurnedDataset(dataset.folder, dataset.manifest, turn)
    whole = turn.apply(dataset.read_daytime("east"))
    np.testing.assert_array_equal(view.read_daytime("east"), whole)
    np.testing.assert_array_equal(turn.undo(whole), dataset.read_daytime("east"))
    window = view.region("east").window.window
    part = Window(2, 3, 5, 4)
    np.testing.assert_array_equal(
        view.read_daytime("east", part), whole[(slice(None), *part.fine_slices_in(window))]
    )
    night = turn.apply(dataset.read_nighttime("east"))
    np.testing.assert_array_equal(view.read_nighttime("east", part), night[part.slices_in(window)])
    others = [turns(8)[other].apply(dataset.read_nighttime("east")) for other in range(8) if other != number]
    assert not any(np.array_equal(night, other) for other in others)


def test_the_prediction_of_a_turned_region_is_turned_back(dataset: Dataset, predictor: Predictor) -> None:
    for turn in turns(8)[2:5]:
        found = turned_means(predictor, dataset, "east", turn, NoProgress())
        fine = turn.undo(predictor.radiance(np.ascontiguousarray(turn.apply(dataset.read_daytime("east")))))
        np.testing.assert_allclose(found, block_means(fine), rtol=1e-5)
    upright = block_means(predictor.radiance(dataset.read_daytime("east")))
    assert np.abs(found - upright).max() > 1e-4


def test_features_do_not_depend_on_the_tiles(dataset: Dataset, predictor: Predictor) -> None:
    fine = predictor.radiance(dataset.read_daytime("east"))
    outer = REGIONS["east"][0]

    def features(tile: int, predicting: Predictor) -> NDArray[np.float64]:
        found = region_features(
            lambda part: fine[part.fine_slices_in(outer)],
            dataset,
            "east",
            predicting,
            TRANSFORM,
            4,
            NoProgress(),
            tile,
        )
        return np.concatenate([found.observed[..., None], found.features], axis=-1)

    whole = features(64, predictor)
    shape = TINY_NETWORK.layout
    small = Predictor(predictor.model, predictor.config, Tiling(32, 16, shape.stride))
    np.testing.assert_allclose(features(3, small), whole, rtol=1e-4, atol=1e-5)
    assert whole.shape == (10, 13, 6)
    assert np.isfinite(whole[2:-2, 2:-2]).all()
    assert (np.nanstd(whole, axis=(0, 1)) > 1e-3).all()


def test_regions_that_were_trained_on_are_refused(
    workspace: Workspace, dataset: Dataset, run: RunRecord
) -> None:
    assert calibration_regions(dataset, dataset, run, None) == ["east", "west", "far"]
    with pytest.raises(DatasetError, match="was trained on learnt"):
        calibration_regions(dataset, dataset, run, ["east", "learnt"])
    with pytest.raises(DatasetError, match="no region nowhere"):
        calibration_regions(dataset, dataset, run, ["nowhere"])
    near = Window(43_010, 16_009, 6, 6)
    other = exported(workspace, "other", {"overlaps": (near, "evaluate"), "apart": REGIONS["far"]})
    with pytest.raises(DatasetError, match="overlaps holds a part of"):
        calibration_regions(other, dataset, run, None)
    assert calibration_regions(other, dataset, run, ["apart"]) == ["apart"]
    without = run.model_copy(update={"evaluate_regions": []})
    with pytest.raises(DatasetError, match="no region to calibrate with"):
        calibration_regions(dataset, dataset, without, None)


def test_calibrated_intervals_become_layers_of_a_prediction(
    workspace: Workspace, dataset: Dataset, run: RunRecord, folder: Path
) -> None:
    request = PredictionRequest(run="first", region="east", prediction="plain")
    assert not {"lower", "upper"} & set(predict(workspace, request, NoProgress()).layers)
    regions = calibration_regions(dataset, dataset, run, None)
    made = calibrate([(dataset, regions)], run, folder, NoProgress(), orientations=2)
    assert load_calibration(folder) == made
    assert made.held_out == "regions" and made.simulated
    assert [region.name for region in made.regions] == regions
    assert "chose the epoch" in made.remark and "east, west, far" in made.remark
    assert np.mean([region.coverage for region in made.regions]) == pytest.approx(made.coverage)
    record = predict(workspace, request.model_copy(update={"prediction": "wide"}), NoProgress())
    files = workspace.prediction_folder("wide")
    read = {layer: cog.read(files / record.layers[layer])[0] for layer in ("lower", "upper", "uncertainty")}
    observed = cog.read(files / record.layers["observed"])[0]
    inside = np.isfinite(observed)
    np.testing.assert_array_equal(np.isfinite(read["lower"]), inside)
    assert (read["lower"] < read["upper"])[inside].all()
    np.testing.assert_allclose(
        read["uncertainty"][inside], (read["upper"] - read["lower"])[inside], rtol=1e-4, atol=1e-4
    )
    tags = cog.inspect(files / "upper.tif").tags
    assert (tags["layer"], tags["interval"], tags["simulated"]) == ("upper", "90%", "yes")
    choices = {choice.layer: choice for choice in layer_choices(record).values()}
    assert {"lower", "upper", "uncertainty"} < set(choices)
    for layer in ("lower", "upper", "uncertainty"):
        path, drawing = find_layer(workspace, "prediction", "wide", None, layer)
        assert (path, drawing) == (files / f"{layer}.tif", "radiance")
    assert "90 % interval" in legend_of(choices["uncertainty"], record, 1.0)[0].title
    window = REGIONS["east"][0].bounds
    middle = ((window[0] + window[2]) / 2, (window[1] + window[3]) / 2)
    said = {
        figure.title.split(" (")[0]: figure.value for figure in values_at_point(record, files, *middle)[0]
    }
    assert (
        float(said["Lower bound"]) < float(said["Predicted, as VIIRS sees it"]) < float(said["Upper bound"])
    )
    both = predicted_bounds(dataset, "east", folder, NoProgress())
    assert both is not None
    np.testing.assert_allclose(both[0][inside], read["lower"][inside], rtol=1e-4, atol=1e-4)
    each = [(predicted_bounds(dataset, name, folder, NoProgress()), name) for name in regions]
    rows = coverage((*bounds, dataset.read_nighttime(name)) for bounds, name in each if bounds)
    assert rows[0].pixels == made.pixels
    # These pixels were calibrated with; those of new places are what held_out_cover is about.
    assert 0.88 < rows[0].share <= 1


def test_ground_that_was_looked_at_twice_is_held_out_at_once(
    workspace: Workspace, dataset: Dataset, run: RunRecord, tmp_path: Path, folder: Path
) -> None:
    both = exported(workspace, "again", {**REGIONS, "partly": (Window(43_212, 18_009, 9, 9), "evaluate")})
    own = tmp_path / "model"
    shutil.copytree(folder, own)
    names = ["east", "west", "far"]
    sources = calibration_sources([dataset, both], dataset, run, None)
    assert sources == [(dataset, names), (both, [*names, "partly"])]
    made = calibrate(sources, run, own, NoProgress(), orientations=1, note="A note.")
    assert [(region.dataset, region.name) for region in made.regions] == [
        *(("sample", name) for name in names),
        *(("again", name) for name in [*names, "partly"]),
    ]
    assert made.datasets == ["sample", "again"] and made.held_out == "regions" and "A note." in made.remark
    # The same imagery twice says no more than once of how ground differs.
    alike = {region.name: region.coverage for region in made.regions[:3]}
    assert {region.name: region.coverage for region in made.regions[3:6]} == alike
    numbers = _places([(each, name) for each, own_names in sources for name in own_names])
    assert numbers.tolist() == [0, 1, 2, 0, 1, 2, 0]
    once = calibrate([(dataset, ["east", "west", "far"])], run, own, NoProgress(), orientations=1)
    twice = calibrate([(dataset, names), (both, names)], run, own, NoProgress(), orientations=1)
    assert twice.above == pytest.approx(once.above, rel=1e-6)
    with pytest.raises(DatasetError, match="no region nowhere in sample, again"):
        calibration_sources([dataset, both], dataset, run, ["nowhere", "east"])
    assert calibration_sources([dataset, both], dataset, run, ["partly"]) == [(both, ["partly"])]


def test_calibrations_of_one_dataset_alone_can_still_be_read(folder: Path, tmp_path: Path) -> None:
    path = folder / UNCERTAINTY_FILE
    known = json.loads(path.read_text())
    for region in known["regions"]:
        del region["dataset"], region["dataset_sha256"]
    (dataset,) = known.pop("datasets")
    del known["share"], known["method"]
    own = tmp_path / "model"
    shutil.copytree(folder, own)
    (own / UNCERTAINTY_FILE).write_text(json.dumps({**known, "dataset": dataset}))
    old = load_calibration(own)
    assert old is not None and (old.datasets, old.share, old.method) == (["sample"], 0.9, 1)


def test_one_region_is_calibrated_by_its_blocks(dataset: Dataset, run: RunRecord, folder: Path) -> None:
    with pytest.raises(DatasetError, match="VIIRS pixels are known in east"):
        calibrate([(dataset, ["east"])], run, folder, NoProgress(), orientations=1)
    with pytest.raises(DatasetError, match="too small to hold parts"):
        calibrate([(dataset, ["east", "far"])], run, folder, NoProgress(), orientations=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "cannot be used"),
        (lambda text: text.replace('"contrast"', '"colour"'), "not those of the program"),
        (lambda text: text.replace('"intercept": ', '"intercept": 1e999, "ignored": '), "cannot be used"),
        (lambda text: json.dumps({**json.loads(text), "below": -9.0, "above": 1.0}), "empty"),
        (lambda text: json.dumps({**json.loads(text), "model_sha256": "0" * 64}), "another model"),
    ],
)
def test_broken_calibrations_are_refused(
    dataset: Dataset, run: RunRecord, folder: Path, change: Any, said: str
) -> None:
    path = folder / UNCERTAINTY_FILE
    if not path.exists():
        calibrate([(dataset, ["east", "west", "far"])], run, folder, NoProgress(), orientations=1)
    good = path.read_text()
    path.write_text(change(good))
    try:
        with pytest.raises(ModelError, match=said) as caught:
            predicted_bounds(dataset, "east", folder, NoProgress())
        assert "nightlights calibrate --run first" in caught.value.remedy
    finally:
        path.write_text(good)


def test_the_command_prints_how_many_pixels_are_inside(workspace: Workspace, folder: Path) -> None:
    place = ["--workspace", str(workspace.root)]
    done = CliRunner().invoke(app, ["calibrate", "--run", "first", "--orientations", "1", "--json", *place])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    said_names = [region["name"] for region in said["regions"]]
    assert (said["orientations"], said_names) == (1, ["east", "west", "far"])
    several = ["--dataset", "sample,again", "--regions", "east,west,far,partly"]
    done = CliRunner().invoke(app, ["calibrate", "--run", "first", "--orientations", "1", *several, *place])
    assert done.exit_code == 0, done.output
    assert all(each in done.stdout for each in ("again", "mean over", "errors end", "Next: nightlights"))
    reads = [job.reads for job in JobStore(workspace).list("calibrate") if job.state == "done"]
    assert ["datasets/sample", "datasets/again"] in reads
    refused = CliRunner().invoke(app, ["calibrate", "--run", "first", "--regions", "learnt", *place])
    assert isinstance(refused.exception, DatasetError)
    wrong = CliRunner().invoke(app, ["calibrate", "--run", "first", "--orientations", "3", *place])
    assert isinstance(wrong.exception, SettingsError)
