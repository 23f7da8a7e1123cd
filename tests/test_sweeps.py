"""Sweeps: what is varied, which runs that makes, and that resuming ends the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from learning_samples import TINY_NETWORK, learnable_dataset

from nightlights import cli, training
from nightlights.errors import Cancelled, DatasetError, ModelError, SettingsError, WorkspaceError
from nightlights.jobs import JobStore
from nightlights.jobs.kinds import KINDS
from nightlights.manifests import TrainingSettings
from nightlights.networks import NETWORKS
from nightlights.pipeline import read_run
from nightlights.progress import NoProgress
from nightlights.sweeps.estimate import plan_sweep, seconds_of
from nightlights.sweeps.records import SweepRecord, SweepRequest, Variation
from nightlights.sweeps.search import delete_sweep, known_runs, read_sweep, sweep
from nightlights.sweeps.trials import trials_of
from nightlights.sweeps.variations import parse_variation, words_of
from nightlights.workspace import Workspace

SETTINGS = TrainingSettings(
    network="tiny", epochs=1, patches_per_region=1, patch_size=64, batch_size=2, evaluation_patches=1, seed=3
)
RATES = Variation(field="learning_rate", values=[1e-4, 3e-2])
REQUEST = SweepRequest(name="rates", dataset="sample", search="grid", settings=SETTINGS, vary=[RATES])


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, SweepRecord]:
    root = tmp_path_factory.mktemp("sweeps")
    learnable_dataset(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
        return Workspace.open(root), sweep(Workspace.open(root), REQUEST, NoProgress())


def test_every_trial_is_a_run_and_the_best_comes_first(made: tuple[Workspace, SweepRecord]) -> None:
    workspace, record = made
    assert workspace.run_names() == ["rates-001", "rates-002"]
    for trial in record.trials:
        run = read_run(workspace, trial.run)
        assert run.settings.learning_rate == trial.values["learning_rate"]
        assert run.evaluation_rmse == trial.evaluation_rmse
    rmse = [trial.evaluation_rmse for trial in record.trials]
    assert rmse == sorted(rmse, key=lambda value: value or 0.0)
    assert record.best == record.trials[0]
    assert record.finished is not None
    assert record.source.simulated
    assert record.unit == "nW/cm²/sr"
    assert read_sweep(workspace, "rates") == record
    assert workspace.sweep_names() == ["rates"]


def test_a_sweep_that_was_stopped_trains_no_run_twice_and_ends_the_same(
    made: tuple[Workspace, SweepRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnable_dataset(tmp_path)
    workspace, train = Workspace.open(tmp_path), training.train
    asked: list[str] = []

    def watched(dataset: Any, request: Any, *rest: Any) -> Any:
        asked.append(request.run)
        if asked == ["rates-001", "rates-002"]:
            raise Cancelled
        return train(dataset, request, *rest)

    monkeypatch.setattr(training, "train", watched)
    with pytest.raises(Cancelled):
        sweep(workspace, REQUEST, NoProgress())
    stopped = read_sweep(workspace, "rates")
    assert (stopped.done, stopped.finished) == (1, None)
    with pytest.raises(WorkspaceError, match="in use"):
        sweep(workspace, REQUEST, NoProgress())
    resumed = sweep(workspace, REQUEST, NoProgress(), resume=True)
    assert asked == ["rates-001", "rates-002", "rates-002"]
    assert [trial.run for trial in resumed.trials] == [trial.run for trial in made[1].trials]
    assert [trial.evaluation_rmse for trial in resumed.trials] == pytest.approx(
        [trial.evaluation_rmse for trial in made[1].trials], rel=1e-5
    )


def test_a_run_that_fails_does_not_end_the_sweep(
    made: tuple[Workspace, SweepRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, _ = made
    train = training.train

    def diverging(dataset: Any, request: Any, *rest: Any) -> Any:
        if request.settings.learning_rate > 1:
            raise ModelError("Training diverged.")
        return train(dataset, request, *rest)

    monkeypatch.setattr(training, "train", diverging)
    wild = REQUEST.model_copy(
        update={"name": "wild", "vary": [Variation(field="learning_rate", values=[9.0, 1e-4])]}
    )
    record = sweep(workspace, wild, NoProgress())
    assert [trial.run for trial in record.trials] == ["wild-002", "wild-001"]
    assert record.trials[1].failure == "Training diverged."
    assert record.finished is not None
    delete_sweep(workspace, "wild", JobStore(workspace))
    assert workspace.sweep_names() == ["rates"]
    assert workspace.run_names() == ["rates-001", "rates-002"]


def test_the_record_of_an_older_sweep_is_not_taken_for_this_one(
    made: tuple[Workspace, SweepRecord],
) -> None:
    workspace, _ = made
    other = REQUEST.model_copy(update={"vary": [Variation(field="seed", values=[1, 2])]})
    with pytest.raises(WorkspaceError, match=r"in use.*--overwrite"):
        sweep(workspace, other, NoProgress(), resume=True)


def test_a_sweep_that_takes_the_place_of_a_larger_one_leaves_no_run_of_it(
    made: tuple[Workspace, SweepRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, _ = made
    larger = REQUEST.model_copy(update={"name": "fewer", "overwrite": True})
    smaller = larger.model_copy(update={"vary": [Variation(field="seed", values=[5])]})
    sweep(workspace, larger, NoProgress())
    assert {"fewer-001", "fewer-002"} <= set(workspace.run_names())
    with monkeypatch.context() as busy:
        busy.setattr(JobStore, "user_of", lambda _, path: path if path == "runs/fewer-002" else None)
        with pytest.raises(WorkspaceError, match="runs/fewer-002 is in use by a job"):
            sweep(workspace, smaller, NoProgress())
    assert len(read_sweep(workspace, "fewer").trials) == 2
    sweep(workspace, smaller, NoProgress())
    assert [name for name in workspace.run_names() if name.startswith("fewer")] == ["fewer-001"]
    # A record that cannot be read keeps nobody from a new sweep.
    (workspace.sweep_folder("fewer") / "sweep.json").write_text("{")
    assert len(sweep(workspace, smaller, NoProgress()).trials) == 1
    delete_sweep(workspace, "fewer", JobStore(workspace))


def random_request(**changes: Any) -> SweepRequest:
    vary = [
        Variation(field="learning_rate", low=1e-4, high=1e-2, scale="logarithmic"),
        Variation(field="loss", values=["pixel Huber", "mixture"]),
        Variation(field="patch_size", low=64, high=256),
        Variation(field="early_stopping", values=[None, 3]),
    ]
    asked = {"name": "r", "dataset": "sample", "search": "random", "vary": vary, "trials": 40, "seed": 7}
    return SweepRequest.model_validate({**asked, **changes})


def test_a_random_search_depends_on_its_seed_alone() -> None:
    trials = trials_of(random_request())
    assert trials == trials_of(random_request(name="other", dataset="elsewhere", settings=SETTINGS))
    assert trials != trials_of(random_request(seed=8))
    # More runs only add to those there are.
    assert trials_of(random_request(trials=50))[:40] == trials
    rates = [trial["learning_rate"] for trial in trials]
    assert all(1e-4 <= rate <= 1e-2 for rate in rates)
    # Half of a logarithmic range lies below its geometric mean; of a linear one a tenth would.
    assert 10 <= sum(rate < 1e-3 for rate in rates) <= 30
    assert {trial["loss"] for trial in trials} == {"pixel Huber", "mixture"}
    assert {trial["early_stopping"] for trial in trials} == {None, 3}
    assert all(trial["patch_size"] % 16 == 0 for trial in trials)


def test_a_grid_is_every_combination() -> None:
    vary = [RATES, Variation(field="mirror", values=[True, False])]
    trials = trials_of(REQUEST.model_copy(update={"vary": vary}))
    assert [tuple(trial.values()) for trial in trials] == [
        (1e-4, True),
        (1e-4, False),
        (3e-2, True),
        (3e-2, False),
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vary": [Variation(field="speed", values=[1])]}, "no training setting 'speed'"),
        ({"vary": [RATES, RATES]}, "varied twice"),
        ({"vary": [Variation(field="epochs", values=[3, -1])]}, "epochs cannot be -1"),
        ({"vary": [Variation(field="network", values=["vit"])]}, "no network 'vit'"),
        ({"vary": [Variation(field="epochs", low=1, high=3)]}, "needs values of epochs, not a range"),
        ({"vary": [Variation(field="seed", values=list(range(201)))]}, r"201 runs, about .* at most 200"),
        (
            {"search": "random", "trials": 3, "vary": [Variation(field="mirror", values=[True, False])]},
            "only 2 different",
        ),
        ({"search": "random"}, "How many runs"),
        (
            {"vary": [Variation(field="patch_size", values=[64, 1024])]},
            r"does not fit any of the \d regions: north",
        ),
        ({"settings": SETTINGS.model_copy(update={"evaluate_regions": []})}, "no region to evaluate on"),
        ({"dataset": "none"}, "missing"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_the_first_run(
    made: tuple[Workspace, SweepRecord], changes: dict[str, Any], reason: str
) -> None:
    workspace, _ = made
    request = REQUEST.model_copy(update={"name": "refused", **changes})
    with pytest.raises((SettingsError, DatasetError, ModelError, WorkspaceError), match=reason):
        plan_sweep(workspace, request, known_runs(workspace))
    assert "refused" not in workspace.sweep_names()


def test_the_time_follows_from_earlier_runs_of_the_network(made: tuple[Workspace, SweepRecord]) -> None:
    workspace, _ = made
    run = read_run(workspace, "rates-001").model_copy(update={"seconds": 10.0})
    # Three times the epochs on half the regions.
    assert seconds_of([SETTINGS.model_copy(update={"epochs": 3})], 1, [run]) == pytest.approx(15)
    # Patches of twice the side have four times the pixels.
    assert seconds_of([SETTINGS.model_copy(update={"patch_size": 128})], 2, [run]) == pytest.approx(40)
    assert seconds_of([TrainingSettings(network="unet")], 2, [run]) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("learning_rate=0.001,3e-3,0.001", Variation(field="learning_rate", values=[0.001, 0.003])),
        ("loss=pixel-huber,mixture", Variation(field="loss", values=["pixel Huber", "mixture"])),
        ("early-stopping=none,3", Variation(field="early_stopping", values=[None, 3])),
        ("mirror=true,false", Variation(field="mirror", values=[True, False])),
        (
            "train_regions=north+south,north",
            Variation(field="train_regions", values=[["north", "south"], ["north"]]),
        ),
        ("epochs=linear:2:9", Variation(field="epochs", low=2, high=9)),
        (
            "learning_rate=log:1e-4:1e-2",
            Variation(field="learning_rate", low=1e-4, high=1e-2, scale="logarithmic"),
        ),
    ],
)
def test_variations_are_read_as_people_write_them(text: str, expected: Variation) -> None:
    found = parse_variation(text, SETTINGS)
    assert found == expected
    assert [type(value) for value in found.values] == [type(value) for value in expected.values]
    if found.values:
        again = f"{found.field}={','.join(words_of(value) for value in found.values)}"
        assert parse_variation(again, SETTINGS) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("learning_rate", "does not say what to vary"),
        ("speed=1", "no training setting 'speed'"),
        ("epochs=many", "epochs cannot be 'many'"),
        ("learning_rate=log:0:1", "must begin above 0"),
        ("learning_rate=log:1:2:3", "is not a range"),
        ("learning_rate=linear:5:20", "learning_rate cannot be 20"),
        ("epochs=linear:9:2", "ends before it begins"),
    ],
)
def test_variations_that_mean_nothing_are_refused(text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        parse_variation(text, SETTINGS)


def test_the_command_runs_it_as_a_job_that_holds_its_runs(
    made: tuple[Workspace, SweepRecord], capfd: pytest.CaptureFixture[str]
) -> None:
    workspace, _ = made
    place = ["--workspace", str(workspace.root)]
    begin = ["sweep", "grid", "--name", "again", "--like", "rates-001", "--vary", "seed=5"]
    assert cli.main([*begin, "--json", *place]) == 0
    out = capfd.readouterr()
    read = SweepRecord.model_validate(json.loads(out.out))
    assert [trial.values for trial in read.trials] == [{"seed": 5}]
    assert read.settings.learning_rate == 1e-4
    assert "1 run, about " in out.err
    job = JobStore(workspace).list("sweep")[0]
    assert (job.state, job.target) == ("done", "again")
    assert set(job.writes) == {"sweeps/again", "runs/again-001"}
    assert KINDS["sweep"].reads(workspace, REQUEST) == ["datasets/sample"]
    assert cli.main(["sweep", "show", "again", *place]) == 0
    assert "Simulated planet: sweep again on sample, best first" in capfd.readouterr().out
    assert cli.main(["sweep", "list", "--json", *place]) == 0
    assert {each["name"] for each in json.loads(capfd.readouterr().out)} == {"again", "rates"}
    assert cli.main(["sweep", "delete", "again", "--yes", "--keep-runs", *place]) == 0
    assert "again-001" in workspace.run_names()
    assert cli.main(["sweep", "show", "again", *place]) == 2
    assert "There is no sweep again" in capfd.readouterr().err
    assert cli.main(["sweep", "grid", "--name", "x", "--vary", "seed=1", *place]) == 2
    workspace.delete(workspace.run_folder("again-001"))
