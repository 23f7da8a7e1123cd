"""The loop from regions to predictions, on a source whose light a network can learn."""

import csv
import io
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from learning_samples import WINDOWS, LearnableSource
from scipy.ndimage import zoom
from shapely import box

from nightlights import cog, pipeline
from nightlights.baselines import compare_baseline
from nightlights.datasets import Dataset
from nightlights.errors import (
    Cancelled,
    DatasetError,
    JobError,
    ModelError,
    RegionError,
    SourceError,
    WorkspaceError,
)
from nightlights.experiments import (
    MAXIMUM_NOTES,
    delete_experiment,
    get_experiment,
    list_experiments,
    set_notes,
    table_csv,
)
from nightlights.jobs import EvaluationRequest, JobStore
from nightlights.jobs.records import JobFiles
from nightlights.manifests import (
    ExportRequest,
    PredictionRecord,
    PredictionRequest,
    Scores,
    TrainingRequest,
    TrainingSettings,
    read_record,
    write_record,
)
from nightlights.metrics import ALL_REGIONS
from nightlights.models import load_model
from nightlights.observation import PointSpread, observe
from nightlights.prediction import Predictor, layer_fine_scores
from nightlights.progress import NoProgress
from nightlights.region_files import save_collection
from nightlights.regions import Region, RegionCollection
from nightlights.settings import Settings
from nightlights.training.history import read_history
from nightlights.workspace import Workspace

SETTINGS = TrainingSettings(
    epochs=1,
    patches_per_region=2,
    patch_size=64,
    batch_size=2,
    evaluation_patches=2,
    seed=3,
    sharpening_contrast=1.25,
)


class Recorder:
    """Keeps what was reported."""

    def __init__(self) -> None:
        self.updates: list[tuple[float, float, str, str]] = []

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        self.updates.append((done, total, unit, message))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with a dataset, a trained and scored run, and a prediction."""
    workspace = Workspace.open(tmp_path_factory.mktemp("workspace"))
    regions = [Region(name, role, box(*window.bounds)) for name, (window, role) in WINDOWS.items()]
    save_collection(workspace, RegionCollection("three", tuple(regions)))
    export = ExportRequest(dataset="sample", regions="three")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "make_source", lambda *_: LearnableSource())
        pipeline.export(workspace, export, NoProgress(), Settings(patch_size=64))
    request = TrainingRequest(run="first", dataset="sample", settings=SETTINGS, notes="a start")
    pipeline.train(workspace, request, NoProgress())
    pipeline.predict(workspace, request_for("east"), NoProgress())
    yield workspace


def request_for(region: str, **changes: object) -> PredictionRequest:
    values = {"run": "first", "region": region, "prediction": region} | changes
    return PredictionRequest.model_validate(values)


def scores_of(workspace: Workspace) -> Scores:
    return read_record(workspace.run_folder("first") / "metrics.json", Scores)


def test_training_scores_every_method_in_every_region_and_pooled(made: Workspace) -> None:
    scores = scores_of(made)
    assert scores.simulated
    expected = {
        (method, region, role)
        for method in ("unet-small", "constant mean", "linear regression", "footprint regression")
        for region, role in [
            ("north", "train"),
            ("south", "train"),
            ("east", "evaluate"),
            (ALL_REGIONS, "train"),
            (ALL_REGIONS, "evaluate"),
        ]
    }
    assert {(score.method, score.region, score.role) for score in scores.scores} == expected
    assert len(scores.scores) == len(expected)


def test_the_scores_are_those_of_whole_region_predictions(made: Workspace) -> None:
    dataset = Dataset.open(made, "sample")
    predictor = Predictor.load(made.run_folder("first"))
    errors = {}
    for region, (window, _) in WINDOWS.items():
        margin = predictor.tiling.margin
        image = np.pad(dataset.read_daytime(region), [(0, 0)] + 2 * [(margin, margin)], mode="symmetric")
        fine = predictor.radiance(image)[margin:-margin, margin:-margin]
        errors[region] = observe(fine, window, PointSpread()) - dataset.read_nighttime(region)
    found = {score.region: score for score in scores_of(made).scores if score.method == "unet-small"}
    for region in ("north", "east"):
        known = errors[region][np.isfinite(errors[region])]
        assert found[region].rmse == pytest.approx(float(np.sqrt((known**2).mean())), rel=1e-4)
        assert found[region].bias == pytest.approx(float(known.mean()), rel=1e-3)
    pooled = [score for score in scores_of(made).scores if score.region == ALL_REGIONS]
    both = np.concatenate([errors[region][np.isfinite(errors[region])] for region in ("north", "south")])
    own = next(score for score in pooled if score.method == "unet-small" and score.role == "train")
    assert own.rmse == pytest.approx(float(np.sqrt((both**2).mean())), rel=1e-4)
    assert len({score.pixels for score in pooled if score.role == "train"}) == 1


def test_the_record_of_the_run_carries_the_pooled_figures(made: Workspace) -> None:
    record = pipeline.read_run(made, "first")
    pooled = {
        score.role: score.rmse
        for score in scores_of(made).scores
        if score.method == "unet-small" and score.region == ALL_REGIONS
    }
    assert (record.train_rmse, record.evaluation_rmse) == (pooled["train"], pooled["evaluate"])
    assert record.notes == "a start" and record.finished


def test_the_run_decides_which_role_a_region_has(made: Workspace) -> None:
    folder = made.run_folder("first")
    record = pipeline.read_run(made, "first")
    saved = (folder / "metrics.json").read_bytes()
    turned = record.model_copy(update={"train_regions": ["east"], "evaluate_regions": ["north"]})
    write_record(folder / "run.json", turned)
    try:
        scores = pipeline.evaluate(made, "first", NoProgress()).scores
    finally:
        write_record(folder / "run.json", record)
        (folder / "metrics.json").write_bytes(saved)
    roles = {(score.region, score.role) for score in scores}
    assert roles == {
        ("east", "train"),
        ("north", "evaluate"),
        (ALL_REGIONS, "train"),
        (ALL_REGIONS, "evaluate"),
    }


def test_a_dataset_that_changed_since_is_not_scored(made: Workspace, tmp_path: Path) -> None:
    path = made.dataset_folder("sample") / "dataset.json"
    text = path.read_text()
    path.write_text(text.replace('"role": "evaluate"', '"role": "train"'))
    try:
        with pytest.raises(DatasetError, match="has changed since"):
            pipeline.evaluate(made, "first", NoProgress())
    finally:
        path.write_text(text)


def test_progress_of_an_evaluation_ends_at_its_total_and_can_be_cancelled(made: Workspace) -> None:
    recorder = Recorder()
    pipeline.evaluate(made, "first", recorder)
    done = [update[0] for update in recorder.updates]
    assert done == sorted(done) and recorder.updates[-1][:2] == (12, 12)
    assert any("east" in update[3] for update in recorder.updates)

    class Impatient:
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            if done > 1:
                raise Cancelled

    before = scores_of(made)
    with pytest.raises(Cancelled):
        pipeline.evaluate(made, "first", Impatient())
    assert scores_of(made) == before
    assert not list(made.run_folder("first").glob(".partial-*"))


def test_a_prediction_is_a_complete_folder_with_its_record(made: Workspace) -> None:
    folder = made.prediction_folder("east")
    record = read_record(folder / "prediction.json", PredictionRecord)
    assert made.prediction_names() == ["east"]
    assert (record.run, record.dataset, record.region, record.role) == ("first", "sample", "east", "evaluate")
    assert all((folder / file).is_file() for file in record.layers.values())
    tags = cog.inspect(folder / record.layers["sharpened"]).tags
    assert (record.sharpening_contrast, tags["sharpening_contrast"]) == (1.25, "1.25")
    scored = next(s for s in scores_of(made).scores if (s.method, s.region) == ("unet-small", "east"))
    assert record.score and record.score.rmse == pytest.approx(scored.rmse, rel=1e-5)
    viirs = cog.read(folder / record.layers["viirs"])[0]
    area = record.window.window.pixel_area_km2[:, None]
    seen = np.isfinite(cog.read(folder / record.layers["difference"])[0])
    assert record.total_measured == pytest.approx(float((viirs * area)[seen].sum()), rel=1e-5)


def test_names_in_use_are_refused_until_overwriting_is_asked_for(made: Workspace) -> None:
    with pytest.raises(WorkspaceError, match="in use"):
        pipeline.predict(made, request_for("east"), NoProgress())
    with pytest.raises(ModelError, match="in use"):
        pipeline.train(made, TrainingRequest(run="first", dataset="sample"), NoProgress())
    before = read_record(made.prediction_folder("east") / "prediction.json", PredictionRecord)
    remains = made.root / "predictions" / ".partial-0123abcd-east"
    remains.mkdir()
    later = before.created + timedelta(days=1)
    again = pipeline.predict(made, request_for("east", overwrite=True), NoProgress(), clock=lambda: later)
    assert again.created == later and again.score == before.score
    assert not remains.exists()


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        (request_for("nowhere"), DatasetError, "no region nowhere"),
        (request_for("north", run="absent"), ModelError, "no run absent"),
        (request_for("north", dataset="absent"), DatasetError, "no dataset absent"),
    ],
)
def test_a_prediction_of_nothing_is_refused_with_a_remedy_and_leaves_nothing(
    made: Workspace, request_: PredictionRequest, error: type[DatasetError], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        pipeline.predict(made, request_, NoProgress())
    assert raised.value.remedy
    assert not list((made.root / "predictions").glob(".partial-*"))
    assert not made.prediction_folder(request_.prediction).exists()


def test_bad_regions_and_missing_files_stop_an_export_before_it_begins(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    tiny = Region("tiny", "train", box(30.0, 0.0, 30.01, 0.01))
    save_collection(workspace, RegionCollection("tiny", (tiny,)))
    with pytest.raises(RegionError, match="tiny"):
        pipeline.export(workspace, ExportRequest(dataset="d", regions="tiny"), NoProgress(), Settings())
    with pytest.raises(RegionError, match="no regions named"):
        pipeline.export(workspace, ExportRequest(dataset="d", regions="absent"), NoProgress(), Settings())
    request = ExportRequest(
        dataset="d", regions="tiny", source="rasters", daytime_files=[str(tmp_path / "no*.tif")]
    )
    with pytest.raises(SourceError):
        pipeline.make_source(request)
    assert workspace.dataset_names() == [] and not (tmp_path / "datasets").exists()


def test_the_simulated_source_has_the_seed_and_the_point_spread_of_the_request() -> None:
    request = ExportRequest(dataset="d", regions="r", planet_seed=7, fwhm_m=500.0)
    assert pipeline.make_source(request).describe() == pipeline.make_source(request).describe()
    other = request.model_copy(update={"planet_seed": 8})
    wider = request.model_copy(update={"fwhm_m": 600.0})
    descriptions = [str(pipeline.make_source(each).describe()) for each in (request, other, wider)]
    assert len(set(descriptions)) == 3


def test_jobs_run_the_same_work(made: Workspace) -> None:
    store = JobStore(made)
    job = store.run_in_foreground("evaluate", EvaluationRequest(run="first"), Recorder())
    assert job.state == "done" and job.writes == ["runs/first"] and job.reads == ["datasets/sample"]
    job = store.run_in_foreground("predict", request_for("south"))
    assert job.state == "done" and "south" in made.prediction_names()
    assert set(job.reads) == {"runs/first", "datasets/sample"}
    with pytest.raises(ModelError):
        store.run_in_foreground("predict", request_for("south", run="absent", prediction="x"))
    assert store.list()[0].failure or store.list()[1].failure


def test_experiments_are_rows_with_figures_and_baselines(made: Workspace) -> None:
    (experiment,) = list_experiments(made)
    row = experiment.row()
    own, mean = experiment.score("evaluate"), experiment.score("evaluate", "constant mean")
    assert own and mean and own.role == "evaluate"
    assert own.rmse == experiment.record.evaluation_rmse
    assert row["evaluation RMSE (nW/cm²/sr)"] == own.rmse
    assert row["constant mean RMSE (nW/cm²/sr)"] == mean.rmse
    assert row["network"] == "unet-small" and row["simulated"] is True and row["patch size"] == 64
    assert experiment.has_model and experiment.last_epoch and experiment.last_epoch.epoch == 1
    assert experiment.state == "done"
    (read,) = csv.DictReader(io.StringIO(table_csv([experiment])))
    assert read["run"] == "first" and float(read["evaluation RMSE (nW/cm²/sr)"]) == own.rmse
    assert get_experiment(made, "first") == experiment


def test_a_constant_prediction_of_the_mean_has_no_bias_where_it_was_fitted(made: Workspace) -> None:
    scores = {(s.method, s.region, s.role): s for s in scores_of(made).scores}
    dataset = Dataset.open(made, "sample")
    from nightlights.baselines import fit_constant_mean

    baseline = fit_constant_mean(dataset, ["north", "south"])
    expected = compare_baseline(baseline, dataset, "east").score("constant mean", "east", "evaluate")
    found = scores["constant mean", "east", "evaluate"]
    assert found == expected
    assert found.spearman is None and found.fine is not None and found.intervals is not None


def test_notes_are_kept_and_limited(made: Workspace) -> None:
    set_notes(made, "first", "=SUM(A1) looks odd")
    experiment = get_experiment(made, "first")
    assert experiment.record.notes == "=SUM(A1) looks odd"
    (read,) = csv.DictReader(io.StringIO(table_csv([experiment])))
    assert read["notes"] == "'=SUM(A1) looks odd"
    with pytest.raises(WorkspaceError, match="characters"):
        set_notes(made, "first", "x" * (MAXIMUM_NOTES + 1))
    with pytest.raises(ModelError):
        set_notes(made, "absent", "")


def test_a_run_is_not_deleted_while_a_job_uses_it_and_broken_runs_are_left_out(made: Workspace) -> None:
    store = JobStore(made)
    (made.root / "runs" / "broken").mkdir()
    (made.root / "runs" / "broken" / "run.json").write_text("{")
    assert [experiment.name for experiment in list_experiments(made)] == ["first"]
    with pytest.raises(WorkspaceError):
        get_experiment(made, "broken")

    class Deleter:
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            (experiment,) = list_experiments(made, store)
            assert experiment.state == "running" and experiment.state_text.startswith("running")
            for change in (delete_experiment, lambda *args: set_notes(args[0], args[1], "later")):
                with pytest.raises(JobError, match=r"runs/first is being written by job"):
                    change(made, "first")
            raise Cancelled

    with pytest.raises(Cancelled):
        store.run_in_foreground("evaluate", EvaluationRequest(run="first"), Deleter())
    assert get_experiment(made, "first").state == "cancelled"
    copy = made.run_folder("second")
    copy.mkdir()
    for file in made.run_folder("first").iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    delete_experiment(made, "second")
    assert "second" not in made.run_names() and "first" in made.run_names()
    with pytest.raises(ModelError):
        delete_experiment(made, "second")
    copy.mkdir()
    (copy / "run.json").write_text("{")
    delete_experiment(made, "second")
    assert not copy.exists()


@pytest.mark.slow
def test_a_training_job_that_was_killed_ends_with_the_weights_of_an_uninterrupted_one(
    made: Workspace,
) -> None:
    store = JobStore(made)
    settings = SETTINGS.model_copy(update={"epochs": 4, "patches_per_region": 8})
    jobs = {
        run: store.submit("train", TrainingRequest(run=run, dataset="sample", settings=settings))
        for run in ("whole", "killed")
    }
    folder = made.run_folder("killed")
    while not read_history(folder):
        assert store.get(jobs["killed"].id).active, store.log(jobs["killed"].id)
        time.sleep(0.02)
    process = JobFiles(made.job_folder(jobs["killed"].id)).read_process()
    assert process
    os.kill(process.pid, signal.SIGKILL)
    assert store.wait(jobs["killed"].id).state == "interrupted"
    epochs = len(read_history(folder))
    assert 1 <= epochs < 4 and get_experiment(made, "killed").state == "interrupted"
    store.resume(jobs["killed"].id)
    for job in jobs.values():
        assert store.wait(job.id).state == "done", store.log(job.id)
    histories = [read_history(made.run_folder(run)) for run in ("whole", "killed")]
    assert [epoch.epoch for epoch in histories[1]] == [1, 2, 3, 4]
    curves = [[(epoch.loss, epoch.train_rmse) for epoch in history] for history in histories]
    assert curves[0] == curves[1]
    weights = [load_model(made.run_folder(run))[0].get_weights() for run in ("whole", "killed")]
    assert all(np.array_equal(*pair) for pair in zip(*weights, strict=True))
    scores = [read_record(made.run_folder(run) / "metrics.json", Scores) for run in ("whole", "killed")]
    assert scores[0] == scores[1]


def test_a_prediction_is_scored_at_the_analysis_grid_beside_its_sharpened_form_and_viirs_alone(
    made: Workspace,
) -> None:
    folder = made.prediction_folder("east")
    record = read_record(folder / "prediction.json", PredictionRecord)
    light = {layer: cog.read(folder / record.layers[layer])[0].astype(float) for layer in record.layers}
    cubic = zoom(light["viirs"], 16, order=3, mode="nearest", grid_mode=True).clip(0)
    wanted = {
        "unet-small": light["prediction"],
        "unet-small, sharpened": light["sharpened"],
        "bicubic VIIRS": cubic,
        "constant mean of VIIRS": np.full_like(light["truth"], light["viirs"].mean()),
    }
    found = {each.title: each.fine for each in record.fine_scores}
    assert list(found) == [
        *list(wanted)[:3],
        "bicubic VIIRS, sharpened",
        "area-to-point kriging",
        "area-to-point regression kriging",
        "constant mean of VIIRS",
    ]
    for title, radiance in wanted.items():
        rmse = np.sqrt(np.mean((radiance - light["truth"]) ** 2))
        assert found[title].rmse == pytest.approx(rmse, rel=1e-5)
    assert record.score and record.score.fine == found["unet-small"]


def test_without_sharpening_or_truth_what_is_unknown_is_not_scored(made: Workspace) -> None:
    plain = pipeline.predict(made, request_for("south", prediction="plain", sharpen=False), NoProgress())
    assert [each.sharpened for each in plain.fine_scores] == [False] * 5
    assert plain.sharpening_contrast == 1
    dataset = Dataset.open(made, "sample")
    place = dataset.region("south").model_copy(update={"truth": None})
    regions = [place if each.name == "south" else each for each in dataset.manifest.regions]
    unknown = replace(dataset, manifest=dataset.manifest.model_copy(update={"regions": regions}))
    folder = made.prediction_folder("plain")
    assert layer_fine_scores(unknown, "south", "tiny", folder, plain.layers) == []
