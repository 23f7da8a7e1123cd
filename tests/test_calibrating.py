"""Only ground that a network has not seen says how far it errs, whatever the files are called by now."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from learning_samples import TINY_NETWORK, LearnableSource
from shapely import box

from nightlights import prediction
from nightlights.bands import RadianceTransform, Scaling
from nightlights.calibrating import calibrate_run
from nightlights.datasets import Dataset, export_dataset
from nightlights.errors import DatasetError, ModelError
from nightlights.grid import Window
from nightlights.jobs.kinds import CalibrationRequest
from nightlights.manifests import (
    ExportRequest,
    ModelConfig,
    PredictionRequest,
    Role,
    RunRecord,
    SourceRecord,
    TrainingSettings,
    now,
    write_record,
)
from nightlights.models import CONFIG_FILE
from nightlights.pipeline import predict
from nightlights.progress import NoProgress
from nightlights.regions import Region
from nightlights.uncertainty import UNCERTAINTY_FILE, calibration
from nightlights.uncertainty.calibration import (
    _blocks,
    _remark,
    calibration_regions,
    calibration_sources,
    unchecked_ground,
)
from nightlights.uncertainty.features import RegionFeatures
from nightlights.workspace import Workspace

LEARNT, EAST = Window(43_000, 16_000, 5, 5), Window(43_200, 18_000, 5, 5)
REGIONS: dict[str, tuple[Window, Role]] = {"learnt": (LEARNT, "train"), "east": (EAST, "evaluate")}


def source(kind: str = "simulated", **parameters: Any) -> SourceRecord:
    return SourceRecord.model_validate(
        {"kind": kind, "label": "Some", "simulated": kind == "simulated", "parameters": parameters}
    )


def exported(workspace: Workspace, name: str, regions: dict[str, tuple[Window, Role]]) -> Dataset:
    chosen = [Region(key, role, box(*window.bounds)) for key, (window, role) in regions.items()]
    request = ExportRequest(dataset=name, regions="some", overwrite=True)
    export_dataset(workspace, request, LearnableSource(), chosen, NoProgress())
    return Dataset.open(workspace, name)


def of(dataset: Dataset, shown: SourceRecord) -> Dataset:
    """The same ground from another source."""
    return Dataset(dataset.folder, dataset.manifest.model_copy(update={"source": shown}))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return exported(workspace, "sample", REGIONS)


@pytest.fixture
def run(dataset: Dataset) -> RunRecord:
    return RunRecord(
        name="first",
        created=now(),
        finished=now(),
        dataset="sample",
        source=source(planet_seed=1),
        settings=TrainingSettings(),
        train_regions=["learnt"],
        evaluate_regions=["east"],
    )


@pytest.fixture
def three(workspace: Workspace) -> Dataset:
    places: dict[str, tuple[Window, Role]] = {
        name: (Window(column, 16_000, 9, 9), "evaluate")
        for name, column in (("a", 43_000), ("b", 43_200), ("c", 43_400))
    }
    return exported(workspace, "three", places)


@pytest.fixture
def folder(workspace: Workspace, dataset: Dataset, run: RunRecord) -> Path:
    """The folder of the run, without its model: what calibrates is replaced."""
    folder = workspace.run_folder("first")
    names = tuple(band.name for band in dataset.manifest.bands)
    ones = (1.0,) * len(names)
    config = ModelConfig(
        network=TINY_NETWORK.name,
        bands=dataset.manifest.bands,
        scaling=Scaling(bands=names, center=ones, spread=ones, lower=ones, upper=ones),
        transform=RadianceTransform(scale=1.0),
        patch_size=64,
        point_spread_fwhm_m=742.0,
        dataset_sha256=dataset.sha256,
        simulated=True,
    )
    folder.mkdir(parents=True)
    write_record(folder / CONFIG_FILE, config)
    write_record(folder / "run.json", run)
    return folder


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str]]:
    """Names of the regions and the note of each calibration that was begun."""
    begun: list[tuple[list[str], str]] = []

    def calibrate(sources: Any, *_: Any, note: str, **__: Any) -> None:
        begun.append(([name for _, names in sources for name in names], note))

    monkeypatch.setattr(calibration, "calibrate", calibrate)
    return begun


@pytest.mark.parametrize(
    ("trained", "shown"),
    [
        (source("earthengine", year=2022), source("earthengine", year=2023)),
        (source("rasters", files=["a"]), source("rasters", files=["b"])),
        (source(planet_seed=1), source("earthengine", year=2023)),
        (source(planet_seed=1), source(planet_seed=1, point_spread_fwhm_m=500.0)),
        (source(), source(planet_seed=2)),
        (source("tfrecord", planet_seed=1), source(planet_seed=2)),
    ],
)
def test_ground_that_was_trained_on_is_refused_from_another_source(
    dataset: Dataset, run: RunRecord, trained: SourceRecord, shown: SourceRecord
) -> None:
    again, seen = of(dataset, shown), of(dataset, trained)
    run = run.model_copy(update={"source": trained})
    with pytest.raises(DatasetError, match="was trained on learnt"):
        calibration_regions(again, seen, run, ["learnt"])
    assert calibration_regions(again, seen, run, ["east"]) == ["east"]


def test_what_a_run_was_trained_on_counts_and_not_the_role_in_its_dataset(
    dataset: Dataset, run: RunRecord
) -> None:
    turned = run.model_copy(update={"train_regions": ["east"], "evaluate_regions": ["learnt"]})
    with pytest.raises(DatasetError, match="was trained on east"):
        calibration_regions(dataset, dataset, turned, ["east"])
    assert calibration_regions(dataset, dataset, turned, None) == ["learnt"]


def test_names_are_checked_in_each_of_several_datasets(
    workspace: Workspace, dataset: Dataset, run: RunRecord
) -> None:
    other = exported(workspace, "other", {"later": (LEARNT, "evaluate"), "east": (EAST, "evaluate")})
    for name in ("learnt", "later"):
        with pytest.raises(DatasetError, match="was trained on learnt"):
            calibration_sources([dataset, other], dataset, run, ["east", name])
    found = calibration_sources([dataset, other], dataset, run, ["east"])
    assert found == [(dataset, ["east"]), (other, ["east"])]


def test_another_planet_is_other_ground_under_the_same_names(dataset: Dataset, run: RunRecord) -> None:
    other = of(dataset, source(planet_seed=2))
    for trained in (dataset, None):
        assert calibration_regions(other, trained, run, ["learnt", "east"]) == ["learnt", "east"]
    assert unchecked_ground([other], run) == ""
    assert unchecked_ground([other, of(dataset, run.source)], run) != ""


def test_names_tell_what_was_trained_on_where_its_dataset_is_gone(
    workspace: Workspace, run: RunRecord, folder: Path, calibrated: list[tuple[list[str], str]]
) -> None:
    both: dict[str, tuple[Window, Role]] = {"learnt": (LEARNT, "evaluate"), "east": (EAST, "evaluate")}
    exported(workspace, "later", both)
    workspace.delete(workspace.dataset_folder("sample"))
    with pytest.raises(DatasetError, match="trained on a region of the name learnt"):
        calibrate_run(workspace, CalibrationRequest(run="first", datasets=["later"]), NoProgress())
    some = CalibrationRequest(run="first", datasets=["later"], regions=["east"])
    calibrate_run(workspace, some, NoProgress())
    ((names, note),) = calibrated
    assert names == ["east"]
    assert "sample, is gone or has changed" in note and "learnt" in note


def test_another_dataset_under_the_name_of_the_training_one_is_not_taken_for_it(
    workspace: Workspace, dataset: Dataset, folder: Path, calibrated: list[tuple[list[str], str]]
) -> None:
    own = CalibrationRequest(run="first")
    calibrate_run(workspace, own, NoProgress())
    assert calibrated.pop() == (["east"], "")
    # The name of the ground that was trained on moves to other ground, and its ground gets another name.
    moved: dict[str, tuple[Window, Role]] = {"learnt": (EAST, "train"), "east": (LEARNT, "evaluate")}
    assert exported(workspace, "sample", moved).sha256 != dataset.sha256
    calibrate_run(workspace, own, NoProgress())
    ((names, note),) = calibrated
    assert names == ["east"] and "whether they share ground with them is unknown" in note


def test_a_run_that_is_not_finished_is_not_calibrated(
    workspace: Workspace, run: RunRecord, folder: Path, calibrated: list[tuple[list[str], str]]
) -> None:
    write_record(folder / "run.json", run.model_copy(update={"finished": None}))
    with pytest.raises(ModelError, match="first is not finished") as caught:
        calibrate_run(workspace, CalibrationRequest(run="first"), NoProgress())
    assert "Resume it first" in caught.value.remedy and not calibrated


def test_each_region_is_judged_by_intervals_that_were_made_without_it(
    workspace: Workspace, three: Dataset, run: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def features(_: Any, dataset: Dataset, region: str, *__: Any) -> RegionFeatures:
        generator = np.random.default_rng(ord(region))
        factor = np.exp(generator.normal(scale=3.0 if region == "c" else 0.01, size=(9, 9)))
        measured = dataset.read_nighttime(region).astype(np.float64)
        return RegionFeatures(np.abs(measured) * factor, generator.normal(size=(9, 9, 5)))

    monkeypatch.setattr(prediction.Predictor, "load", lambda _: SimpleNamespace(check=lambda _: None))
    monkeypatch.setattr(calibration, "fine_prediction", lambda *_: nullcontext())
    monkeypatch.setattr(calibration, "region_features", features)
    folder = workspace.run_folder("first")
    folder.mkdir(parents=True)
    (folder / "model.keras").write_bytes(b"weights")
    made = calibration.calibrate([(three, ["a", "b", "c"])], run, folder, NoProgress(), orientations=4)
    held = {region.name: region.coverage for region in made.regions}
    # The intervals that were written hold more of c than those that were made of a and b alone.
    assert held["a"] > 0.9 and held["b"] > 0.9 and held["c"] < 0.2
    assert made.coverage == pytest.approx(sum(held.values()) / 3)


def test_calibration_tells_one_progress_over_all_regions(
    workspace: Workspace, three: Dataset, run: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[float, float, str, str]] = []

    class Watched(NoProgress):
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            told.append((done, total, unit, message))

    def works(*given: Any) -> Any:
        for done in (0, 2, 4):
            given[-1].update(done, 4, unit="tiles", message="Predicting")
        generator = np.random.default_rng(1)
        return RegionFeatures(generator.gamma(1.0, size=(9, 9)), generator.normal(size=(9, 9, 5)))

    monkeypatch.setattr(prediction.Predictor, "load", lambda _: SimpleNamespace(check=lambda _: None))
    monkeypatch.setattr(calibration, "fine_prediction", lambda *given: nullcontext(works(*given)))
    monkeypatch.setattr(calibration, "region_features", works)
    folder = workspace.run_folder("first")
    folder.mkdir(parents=True)
    (folder / "model.keras").write_bytes(b"weights")
    calibration.calibrate([(three, ["a", "b", "c"])], run, folder, Watched(), orientations=4)
    done = [each[0] for each in told]
    assert done == sorted(done) and done[0] == 0 and done[-1] == 100
    assert {each[1:3] for each in told} == {(100, "%")}
    # Of four predictions of a region, the first is half done at an eighth, and turned ones take the rest.
    assert done[:6] == pytest.approx([100 / 3 * share for share in (0, 1 / 8, 1 / 4, 1 / 4, 5 / 8, 1)])
    assert told[7][3] == "Region 2 of 3: predicting b, orientation 1 of 4"
    assert told[-2][3] == "Region 3 of 3: predicting c, orientation 4 of 4"


def test_intervals_that_cannot_be_used_are_told_before_the_prediction(
    workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict_region(*_: Any, **__: Any) -> None:
        pytest.fail("the prediction has begun")

    monkeypatch.setattr(prediction, "predict_region", predict_region)
    (folder / UNCERTAINTY_FILE).write_text("{}")
    with pytest.raises(ModelError, match="intervals of first cannot be used"):
        predict(workspace, PredictionRequest(run="first", region="east", prediction="wide"), NoProgress())


def test_common_ground_of_two_windows_lies_in_the_same_blocks() -> None:
    # The second begins 9 columns east and 20 rows south of the first; the third shares nothing with them.
    windows = [Window(1_000, 500, 40, 40), Window(1_009, 520, 40, 40), Window(3_000, 900, 20, 16)]
    blocks = _blocks(windows, np.array([0, 0, 2]))
    assert [each.shape for each in blocks] == [(40, 40), (40, 40), (16, 20)]
    np.testing.assert_array_equal(blocks[0][20:, 9:], blocks[1][:20, :31])
    alone = [len(np.unique(each)) for each in blocks]
    assert alone == [9, 12, 2]
    assert len(np.unique(np.concatenate([each.ravel() for each in blocks]))) == 15 + 2


def test_a_level_that_was_not_reached_is_said(dataset: Dataset, run: RunRecord) -> None:
    def said(share: float) -> str:
        return _remark([(dataset, ["east"])], run, "", by_region=True, level=0.9, share=share)

    assert "could not be reached" in said(1.0) and "could not be reached" in said(0.9995)
    assert "could not be reached" not in said(0.998)
