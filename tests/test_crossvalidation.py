"""Leave-one-region-out: every region is predicted by a model that has not seen it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from learning_samples import TINY_NETWORK, WINDOWS, learnable_dataset

from nightlights import cli, crossvalidation, training
from nightlights.commands.crossvalidate import folds_of
from nightlights.crossvalidation import cross_validate, read_cross_validation
from nightlights.errors import Cancelled, DatasetError, JobError, WorkspaceError
from nightlights.jobs import JobStore
from nightlights.jobs.kinds import fold_run
from nightlights.manifests import (
    CrossValidationRecord,
    CrossValidationRequest,
    RunRecord,
    SourceRecord,
    TrainingRequest,
    TrainingSettings,
    now,
    write_record,
)
from nightlights.metrics import ALL_REGIONS
from nightlights.names import checked_name
from nightlights.networks import NETWORKS
from nightlights.pipeline import read_run
from nightlights.progress import NoProgress
from nightlights.workspace import Workspace

SETTINGS = TrainingSettings(
    network="tiny", epochs=1, patches_per_region=1, patch_size=64, batch_size=2, evaluation_patches=1, seed=3
)
REQUEST = CrossValidationRequest(name="held", dataset="sample", settings=SETTINGS)
NAMES = list(WINDOWS)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, CrossValidationRecord]:
    root = tmp_path_factory.mktemp("crossvalidation")
    learnable_dataset(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
        return Workspace.open(root), cross_validate(Workspace.open(root), REQUEST, NoProgress())


def test_each_region_is_scored_by_a_run_that_was_trained_on_the_others(
    made: tuple[Workspace, CrossValidationRecord],
) -> None:
    workspace, record = made
    assert [fold.region for fold in record.folds] == NAMES
    for fold in record.folds:
        run = read_run(workspace, fold.run)
        assert run.evaluate_regions == [fold.region]
        assert sorted(run.train_regions) == sorted(set(NAMES) - {fold.region})
    assert read_cross_validation(workspace, "held") == record
    assert workspace.crossvalidation_names() == ["held"]


def test_the_pooled_score_adds_the_pixels_of_all_folds(
    made: tuple[Workspace, CrossValidationRecord],
) -> None:
    _, record = made
    for method in ("tiny", "constant mean", "linear regression", "footprint regression"):
        own = [score for score in record.scores if score.method == method]
        single, pooled = own[:-1], own[-1]
        assert [score.region for score in own] == [*NAMES, ALL_REGIONS]
        squares = sum(score.rmse**2 * score.pixels for score in single)
        assert pooled.pixels == sum(score.pixels for score in single)
        assert pooled.rmse == pytest.approx((squares / pooled.pixels) ** 0.5)
    # A constant that is fitted anew in every fold is not one constant over all of them.
    assert next(s.spearman for s in record.scores if s.method == "constant mean") is None


def test_resuming_keeps_finished_folds_and_ends_the_same(
    made: tuple[Workspace, CrossValidationRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnable_dataset(tmp_path)
    workspace = Workspace.open(tmp_path)
    train, asked = training.train, []

    def interrupted(*arguments: object, **named: object) -> object:
        if len(asked) == 1:
            raise Cancelled
        asked.append(arguments)
        return train(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "train", interrupted)
    with pytest.raises(Cancelled):
        cross_validate(workspace, REQUEST, NoProgress())
    assert workspace.run_names() == [f"held-without-{NAMES[0]}"]
    assert not workspace.crossvalidation_names()
    monkeypatch.setattr(training, "train", train)
    first = read_run(workspace, f"held-without-{NAMES[0]}")
    resumed = cross_validate(workspace, REQUEST, NoProgress(), resume=True)
    assert read_run(workspace, f"held-without-{NAMES[0]}").finished == first.finished
    assert [score.rmse for score in resumed.scores] == pytest.approx(
        [score.rmse for score in made[1].scores], rel=1e-5
    )


def test_what_is_there_is_not_replaced_unasked(made: tuple[Workspace, CrossValidationRecord]) -> None:
    workspace, _ = made
    with pytest.raises(WorkspaceError, match="in use"):
        cross_validate(workspace, REQUEST, NoProgress())


def test_folds_that_a_killed_one_left_are_no_orphans(
    made: tuple[Workspace, CrossValidationRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its end, it has no record that names them; the next one has fewer regions."""
    learnable_dataset(tmp_path)
    workspace = Workspace.open(tmp_path)
    fold = read_run(made[0], f"held-without-{NAMES[0]}")
    for name, region in (("old", NAMES[0]), ("old", NAMES[1]), ("old-without-x", NAMES[0])):
        folder = workspace.run_folder(f"{name}-without-{region}")
        folder.mkdir(parents=True)
        write_record(folder / "run.json", fold.model_copy(update={"evaluate_regions": [region]}))

    def stopped(*_: object, **__: object) -> None:
        raise Cancelled

    monkeypatch.setattr(crossvalidation, "train_and_score", stopped)
    request = REQUEST.model_copy(update={"name": "old", "regions": NAMES[1:]})
    with pytest.raises(WorkspaceError, match="in use"):
        cross_validate(workspace, request, NoProgress())
    assert len(workspace.run_names()) == 3
    with pytest.raises(Cancelled):
        cross_validate(workspace, request.model_copy(update={"overwrite": True}), NoProgress())
    # That of another cross-validation, whose name begins alike, is left alone.
    assert workspace.run_names() == [f"old-without-x-without-{NAMES[0]}"]


def test_a_region_that_is_only_held_out_is_never_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnable_dataset(tmp_path)
    asked: dict[str, list[str] | None] = {}

    def noted(
        _: Workspace, __: object, wanted: TrainingRequest, *___: object, **____: object
    ) -> dict[str, Any]:
        asked[wanted.run] = wanted.settings.train_regions
        return {}

    monkeypatch.setattr(crossvalidation, "train_and_score", noted)
    settings = SETTINGS.model_copy(update={"train_regions": ["north", "south"]})
    changes = {"name": "partly", "regions": ["north", "east"], "settings": settings}
    record = cross_validate(Workspace.open(tmp_path), REQUEST.model_copy(update=changes), NoProgress())
    assert asked == {"partly-without-north": ["south"], "partly-without-east": ["north", "south"]}
    # One fold had one region and the other two.
    assert record.trained_on is None


@pytest.mark.parametrize(
    ("trained_on", "words"),
    [(None, ""), (1, ", training on the other one"), (2, ", training on the 2 others")],
)
def test_the_regions_of_a_fold_are_counted(
    made: tuple[Workspace, CrossValidationRecord], trained_on: int | None, words: str
) -> None:
    record = made[1].model_copy(update={"trained_on": trained_on})
    assert folds_of(record) == f"3 regions held out, each once{words}"


@pytest.mark.parametrize(
    ("regions", "trained", "reason"),
    [([], None, "No region"), (["north"], ["north"], "two regions"), (["north", "x"], None, "no region x")],
)
def test_regions_that_cannot_be_held_out_are_refused(
    made: tuple[Workspace, CrossValidationRecord],
    regions: list[str],
    trained: list[str] | None,
    reason: str,
) -> None:
    settings = SETTINGS.model_copy(update={"train_regions": trained})
    request = REQUEST.model_copy(update={"name": "other", "regions": regions, "settings": settings})
    with pytest.raises(DatasetError, match=reason):
        cross_validate(made[0], request, NoProgress())


@pytest.mark.parametrize("regions", [["north"], ["twin", "south"], None])
def test_a_region_that_overlaps_another_is_not_held_out_of_it(
    tmp_path: Path, regions: list[str] | None
) -> None:
    dataset = learnable_dataset(tmp_path)
    twin = dataset.region("north").model_copy(update={"name": "twin"})
    manifest = dataset.manifest.model_copy(update={"regions": [*dataset.manifest.regions, twin]})
    write_record(dataset.folder / "dataset.json", manifest)
    request = REQUEST.model_copy(update={"name": "other", "regions": regions})
    with pytest.raises(DatasetError, match="overlap"):
        cross_validate(Workspace.open(tmp_path), request, NoProgress())


def test_a_job_holds_the_runs_of_its_folds_and_of_those_that_it_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, store = Workspace.open(tmp_path), JobStore(Workspace.open(tmp_path))
    learnable_dataset(tmp_path)
    for run, region in (("held-without-west", "west"), ("held-apart", "west")):
        settings = SETTINGS.model_copy(update={"evaluate_regions": [region]})
        record = RunRecord(
            name=run,
            created=now(),
            dataset="sample",
            source=SourceRecord(kind="simulated", label="Simulated", simulated=True, parameters={}),
            settings=settings,
            train_regions=["east"],
            evaluate_regions=[region],
        )
        workspace.run_folder(run).mkdir(parents=True)
        write_record(workspace.run_folder(run) / "run.json", record)
    # Jobs that wait for ever: their locks are held, as a worker would.
    locks: list[int] = []
    monkeypatch.setattr(JobStore, "_start", lambda _, __, lock: locks.append(os.dup(lock)))
    job = store.submit("cross-validate", REQUEST.model_copy(update={"overwrite": True}))
    folds = {f"runs/held-without-{name}" for name in NAMES}
    assert set(job.writes) == {"crossvalidations/held", "runs/held-without-west", *folds}
    for run in ("held-without-east", "held-without-west"):
        wanted = TrainingRequest(run=run, dataset="sample", settings=SETTINGS, overwrite=True)
        with pytest.raises(JobError, match=f"runs/{run} is being written"):
            store.submit("train", wanted)
    assert store.submit("train", wanted.model_copy(update={"run": "held-apart"})).state == "queued"
    for lock in locks:
        os.close(lock)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b-without-c"), ("a-without-b", "c")),
        (("x" * 64, "north"), ("x" * 64, "south")),
        (("x" * 64, "north"), ("X" * 64, "north")),
    ],
)
def test_folds_of_different_cross_validations_or_regions_are_different_runs(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    runs = [fold_run(*one), fold_run(*other)]
    assert runs[0].lower() != runs[1].lower()
    assert [checked_name(run) for run in runs] == runs
    assert fold_run("held", "abuja") == "held-without-abuja"


def test_the_command_runs_it_as_a_job_that_holds_its_runs(
    made: tuple[Workspace, CrossValidationRecord], capfd: pytest.CaptureFixture[str]
) -> None:
    workspace, record = made
    arguments = ["crossvalidate", "--name", "again", "--like", f"held-without-{NAMES[0]}"]
    place = ["--workspace", str(workspace.root)]
    assert cli.main([*arguments, "--regions", "south,east", "--json", *place]) == 0
    read = CrossValidationRecord.model_validate(json.loads(capfd.readouterr().out))
    assert [fold.region for fold in read.folds] == ["south", "east"]
    # What is not named is not held out, but trained on.
    assert sorted(read_run(workspace, "again-without-south").train_regions) == ["east", "north"]
    assert sorted(read_run(workspace, "again-without-east").train_regions) == ["north", "south"]
    assert read.settings == record.settings
    job = JobStore(workspace).list("cross-validate")[0]
    assert (job.state, job.target) == ("done", "again")
    assert set(job.writes) == {
        "crossvalidations/again",
        "runs/again-without-south",
        "runs/again-without-east",
    }
    assert cli.main(["crossvalidate", "--name", "none", *place]) == 2
    assert cli.main(["crossvalidate", "--name", "none", "--show", *place]) == 2
    assert "There is no finished cross-validation none" in capfd.readouterr().err
    assert cli.main(["crossvalidate", "--name", "again", "--show", *place]) == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert "Simulated planet: cross-validation again of tiny" in printed
    assert "2 regions held out, each once, training on the 2 others" in printed
