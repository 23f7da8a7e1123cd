"""Workspaces recorded by earlier versions open, resume and compare unchanged."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pages_workspace import app

from nightlights import cog, pipeline
from nightlights.crossvalidation import read_cross_validation
from nightlights.datasets import Dataset
from nightlights.experiments import list_experiments
from nightlights.files import sha256
from nightlights.jobs import JobStore
from nightlights.jobs.records import JobFiles, StateRecord
from nightlights.manifests import (
    DatasetManifest,
    ModelConfig,
    PredictionRecord,
    PredictionRequest,
    Scores,
    TrainingRequest,
    read_record,
    write_record,
)
from nightlights.metrics import ALL_REGIONS
from nightlights.models import load_model
from nightlights.planet import PLANET_VERSION
from nightlights.progress import NoProgress
from nightlights.region_files import load_collection
from nightlights.scores import Score
from nightlights.training.history import read_history
from nightlights.workspace import Workspace

__all__ = ["app"]

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.tar.gz"))
RUNS = {
    "first", "whole", "killed", "rates-001", "rates-002", "held-out-without-north", "held-out-without-east",
}  # fmt: skip
# Between processors and versions of TensorFlow the last digits differ, and grow over the steps of a training.
SAME, TRAINED_ALIKE = 1e-4, 2e-2


@pytest.fixture(scope="module", params=RECORDED, ids=lambda path: path.name.partition(".")[0])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked workspace, which no test may change."""
    folder = tmp_path_factory.mktemp("recorded")
    with tarfile.open(request.param) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def space(recorded: Path, tmp_path: Path) -> Workspace:
    """A copy to work on."""
    return Workspace.open(shutil.copytree(recorded, tmp_path / "workspace"))


def job_of(store: JobStore, target: str, kind: str) -> str:
    return next(job.id for job in store.list() if (job.target, job.kind) == (target, kind))


def files_of(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {str(path.relative_to(folder)): sha256(path) for path in paths}


def assert_alike(values: Any, expected: Any, tolerance: float) -> None:
    """Equal up to a part of the largest value."""
    largest = float(np.nanmax(np.abs(expected)))
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance * largest)


def figures(scores: list[Score]) -> dict[tuple[str, str, str], tuple[float, float, float]]:
    return {(each.method, each.role, each.region): (each.rmse, each.mae, each.bias) for each in scores}


def test_all_is_listed_and_nothing_is_written(space: Workspace, recorded: Path) -> None:
    store = JobStore(space)
    assert [region.name for region in load_collection(space, "squares")] == ["north", "south", "east"]
    assert space.dataset_names() == ["squares"] and space.prediction_names() == ["first-east"]
    assert {each.name for each in list_experiments(space, store)} == RUNS
    assert space.sweep_names() == ["rates"] and space.crossvalidation_names() == ["held-out"]
    assert read_cross_validation(space, "held-out").scores
    states = sorted((job.target, job.kind, job.state) for job in store.list())
    assert [each for each in states if each[2] != "done"] == [
        ("killed", "export", "interrupted"),
        ("killed", "train", "interrupted"),
    ]
    assert len(states) == 9
    assert files_of(space.root) == files_of(recorded)


def test_a_dataset_has_the_digest_that_its_models_were_trained_on(space: Workspace) -> None:
    dataset = Dataset.open(space, "squares")
    for run in RUNS - {"killed"}:
        config = read_record(space.run_folder(run) / "config.json", ModelConfig)
        assert config.dataset_sha256 == dataset.sha256, run


def test_scores_and_predictions_come_out_as_they_were(space: Workspace) -> None:
    before = read_record(space.run_folder("first") / "metrics.json", Scores).scores
    after = pipeline.evaluate(space, "first", NoProgress()).scores
    expected, found = figures(before), figures(after)
    assert {each for each in expected if each[0] == "pixel"} <= found.keys()
    for key in expected.keys() & found.keys():
        assert_alike(found[key], expected[key], SAME)
    assert ("pixel", "evaluate", ALL_REGIONS) in found
    old = read_record(space.prediction_folder("first-east") / "prediction.json", PredictionRecord)
    rasters = {layer: layer_of(space, old, layer) for layer in old.layers}
    request = PredictionRequest(run="first", region="east", prediction="first-east", overwrite=True)
    new = pipeline.predict(space, request, NoProgress())
    assert old.score and new.score
    assert_alike([new.score.rmse], [old.score.rmse], SAME)
    # How VIIRS is sharpened may become better; what the model predicts may not change.
    for layer in old.layers.keys() - {"sharpened"}:
        assert_alike(layer_of(space, new, layer), rasters[layer], SAME)


def layer_of(space: Workspace, record: PredictionRecord, layer: str) -> NDArray[np.float32]:
    return cog.read(space.prediction_folder(record.name) / record.layers[layer])


def test_a_killed_training_resumes_to_the_end_of_an_uninterrupted_one(space: Workspace) -> None:
    store, folder = JobStore(space), space.run_folder("killed")
    kept = read_history(folder)
    assert 3 <= len(kept) < 6
    store.resume(job := job_of(store, "killed", "train"))
    assert store.wait(job).state == "done", store.log(job)
    resumed, whole = read_history(folder), read_history(space.run_folder("whole"))
    # The kill may have come between the last row of the history and its checkpoint.
    assert resumed[: len(kept) - 1] == kept[:-1] and len(resumed) == 6
    assert_alike([resumed[len(kept) - 1].loss], [kept[-1].loss], TRAINED_ALIKE)
    assert_alike([each.train_rmse for each in resumed], [each.train_rmse for each in whole], TRAINED_ALIKE)
    networks = [load_model(space.run_folder(run))[0] for run in ("killed", "whole")]
    for weights, expected in zip(*(network.get_weights() for network in networks), strict=True):
        assert_alike(weights, expected, TRAINED_ALIKE)


def test_a_killed_export_of_an_earlier_planet_resumes_without_its_pixels(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As recorded: the squares are smaller than a usual patch.
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "64")
    store, unfinished = JobStore(space), space.unfinished_dataset_folder("killed")
    finished = [json.loads(path.read_text()) for path in unfinished.glob("finished/[!.]*.json")]
    assert len(finished) == 2
    moments = {
        file: (unfinished / "data" / file).stat().st_mtime_ns for each in finished for file in each["sha256"]
    }
    older = {file: digest for each in finished for file, digest in each["sha256"].items()}
    store.resume(job := job_of(store, "killed", "export"))
    assert store.wait(job).state == "done", store.log(job)
    dataset = Dataset.open(space, "killed")
    dataset.verify()
    assert dataset.manifest.source.parameters["planet_version"] == PLANET_VERSION > 1
    assert len(dataset.manifest.regions) == 3
    newer = {file: digest for each in dataset.manifest.regions for file, digest in each.sha256.items()}
    # The water of the northern square is the same on both.
    assert newer["south/daytime.tif"] != older["south/daytime.tif"]
    assert all(dataset.path(file).stat().st_mtime_ns > moment for file, moment in moments.items())
    assert list(space.root.rglob(".partial-*")) == []


def killed_after_its_last_step(space: Workspace, store: JobStore, target: str, kind: str) -> str:
    """A finished job whose last state was never written."""
    job = job_of(store, target, kind)
    files = JobFiles(space.job_folder(job))
    state = read_record(files.state, StateRecord)
    write_record(files.state, state.model_copy(update={"state": "running", "finished": None}))
    assert store.get(job).state == "interrupted"
    return job


def test_jobs_that_were_killed_after_their_last_step_resume(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "64")
    store, before = JobStore(space), files_of(space.dataset_folder("squares"))
    for target, kind in (("squares", "export"), ("first-east", "predict")):
        job = killed_after_its_last_step(space, store, target, kind)
        store.resume(job)
        assert store.wait(job).state == "done", store.log(job)
    assert files_of(space.dataset_folder("squares")) == before
    assert space.prediction_names() == ["first-east"]


def test_a_resumed_job_does_not_replace_what_another_one_has_made(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "64")
    store, folder = JobStore(space), space.dataset_folder("squares")
    job = killed_after_its_last_step(space, store, "squares", "export")
    manifest = read_record(folder / "dataset.json", DatasetManifest)
    write_record(folder / "dataset.json", manifest.model_copy(update={"bands": manifest.bands[::-1]}))
    before = files_of(folder)
    store.resume(job)
    failure = store.wait(job).failure
    assert failure and "squares is in use" in failure.message
    assert files_of(folder) == before


def test_a_training_over_an_older_run_that_never_began_begins_when_it_is_resumed(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, old = JobStore(space), pipeline.read_run(space, "first")
    request = TrainingRequest(
        run="first", dataset="squares", settings=old.settings, notes="again", overwrite=True
    )
    with monkeypatch.context() as patched:
        patched.setattr(JobStore, "_start", lambda *_: None)
        job = store.submit("train", request).id
    assert store.get(job).state == "interrupted"
    store.resume(job)
    assert store.wait(job).state == "done", store.log(job)
    new = pipeline.read_run(space, "first")
    assert new.notes == "again" and new.created > old.created and new.finished


def test_the_compare_page_shows_the_recorded_prediction(
    space: Workspace, app: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr("nightlights.interface.map_view.base_map", lambda *place, **options: (place, options))
    monkeypatch.setattr(
        "nightlights.interface.map_view.show_map", lambda *_, **parts: shown.append(parts) or {}
    )
    page = app("compare", space)
    page.selectbox(key="run").set_value("first").run()
    page.selectbox(key="region").set_value("east").run()
    assert not page.exception and not page.error
    names = {layer.name for layer in shown[-1]["layers"]}
    assert names and not any("has not been predicted" in each.value for each in page.info)


def test_requests_of_recorded_jobs_are_still_understood(space: Workspace) -> None:
    store = JobStore(space)
    for job in store.list():
        assert store._kinds[job.kind].request.model_validate(job.request)
