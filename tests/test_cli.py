"""The command line: exit codes, one clear line, pure JSON, and every step of the loop."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from pages_workspace import add_dataset, add_job, add_prediction, add_run, full_workspace
from rasterio.transform import from_origin
from typer.core import TyperCommand
from typer.main import get_command

from nightlights import pipeline
from nightlights.cli import main
from nightlights.commands.train import app as train_app
from nightlights.commands.work import TerminalProgress
from nightlights.errors import DatasetError
from nightlights.jobs import JobStore
from nightlights.manifests import (
    ExportRequest,
    JobKind,
    PredictionRequest,
    TrainingRequest,
    TrainingSettings,
    TruthRequest,
    write_record,
)
from nightlights.networks.registry import NETWORKS
from nightlights.wording import local_time
from nightlights.workspace import Workspace

ROOT = Path(__file__).parent.parent
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command line in a workspace of its own; gives exit code, output and error output."""
    monkeypatch.setenv("NIGHTLIGHTS_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return full_workspace(tmp_path / "workspace")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the jobs were asked for, instead of their work."""
    seen: list[Any] = []

    def handler(workspace: Workspace, request: Any, progress: Any, *, resume: bool) -> None:
        print("libraries like to talk")
        progress.update(1, 2, unit="tiles", message="Working")
        seen.append(request)

    for name in ("run_export", "run_train", "run_evaluate", "run_predict"):
        monkeypatch.setattr(pipeline, name, handler)
    return seen


def refused(result: tuple[int, str, str]) -> str:
    """The one line on standard error of a command that found bad input."""
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err.strip()


def write_regions(path: Path, **places: tuple[str, float, float]) -> None:
    """Squares of 0.05 degrees by name: role, longitude and latitude of the south-west corner."""
    features = [
        {
            "type": "Feature",
            "properties": {"name": name, "role": role},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x, y], [x + 0.05, y], [x + 0.05, y + 0.05], [x, y + 0.05], [x, y]]],
            },
        }
        for name, (role, x, y) in places.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def modules_after(*arguments: str) -> set[str]:
    code = f"import sys; from nightlights.cli import main; main({list(arguments)!r}); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return {name.split(".")[0] for name in result.stdout.splitlines()[-1].split()}


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    assert not modules_after("--help") & {"numpy", "pydantic", "scipy", "tensorflow", "keras", "streamlit"}


def test_listing_networks_and_places_needs_no_deep_learning_library() -> None:
    assert not modules_after("networks") & {"tensorflow", "keras", "streamlit", "geemap"}
    assert not modules_after("places", "Lagos") & {"tensorflow", "numpy"}


def test_the_module_runs_too_and_says_its_version() -> None:
    command = [sys.executable, "-m", "nightlights"]
    result = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("nightlights ")
    bad = subprocess.run([*command, "regions", "show", "x/y"], capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert bad.stdout == ""
    assert "'x/y' cannot be a name of regions" in bad.stderr


def test_every_command_in_the_help_exists(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    commands = "app demo regions places export datasets networks train evaluate experiments predict jobs"
    for name in [*commands.split(), "predictions"]:
        assert f" {name} " in out
        assert run(name, "--help")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["expot"], "No such command 'expot'. Did you mean 'export'? See nightlights --help."),
        (["train", "--epoch", "3"], "No such option: --epoch"),
        (["train", "--run", "a"], "Missing option '--dataset'. See nightlights train --help."),
        (
            ["train", "--run", "a", "--dataset", "b", "--epochs", "many"],
            "'--epochs': Input should be a valid integer",
        ),
        (["regions", "import"], "Missing argument"),
        (["regions", "import", "absent.geojson"], "absent.geojson cannot be read: No such file"),
        (["regions", "show", "absent"], "There are no regions named absent"),
        (["regions", "preset", "europe"], "There is no preset 'europe'"),
        (["regions", "delete", "absent", "--yes"], "There are no regions named absent"),
        (["export", "--regions", "absent", "--dataset", "d"], "There are no regions named absent"),
        (["export", "--regions", "r", "--dataset", "d", "--source", "rasters"], "--daytime and --nighttime"),
        (["export", "--regions", "r", "--dataset", "d", "--daytime", "x"], "Add --source rasters"),
        (
            ["export", "--regions", "r", "--dataset", "d", "--truth", "x"],
            "--truth goes with your own rasters",
        ),
        (["export", "--regions", "r", "--dataset", "d", "--truth-nodata", "0"], "Give --truth, too"),
        (
            [
                *("export", "--regions", "r", "--dataset", "d", "--source", "rasters", "--daytime", "x"),
                *("--nighttime", "x", "--truth", "x", "--truth-calibration", "guess"),
            ],
            "--truth-calibration cannot be 'guess'",
        ),
        (["export", "--regions", "r", "--dataset", "../d"], "--dataset cannot be '../d'"),
        (["export", "--regions", "r", "--dataset", "d", "--source", "moon"], "--source cannot be 'moon'"),
        (["train", "--dataset", "absent", "--run", "a"], "There is no dataset absent"),
        (["train", "--dataset", "d", "--run", "a", "--network", "vgg"], "There is no network 'vgg'"),
        (["train", "--dataset", "d", "--run", "a", "--epochs", "0"], "--epochs cannot be 0"),
        (["train", "--dataset", "d", "--run", "a", "--loss", "hinge"], "Choose one of pixel-squared-error"),
        (["train", "--dataset", "d", "--run", "a", "--patch-size", "100"], "multiple of 16"),
        (["evaluate", "--run", "absent"], "There is no run absent"),
        (["predict", "--run", "absent", "--region", "r"], "There is no run absent"),
        (["predict", "--run", "a", "--region", "r", "--output", "no/such/x.tif"], "--output cannot be"),
        (["experiments", "show", "absent"], "There is no run absent"),
        (["datasets", "show", "absent"], "There is no dataset absent"),
        (["datasets", "delete", "absent", "--yes"], "There is no dataset absent"),
        (["predictions", "show", "absent"], "There is no prediction absent"),
        (["jobs", "show", "absent"], "There is no job 'absent'"),
        (["jobs", "resume", "absent"], "There is no job 'absent'"),
        (["places", "qqqqqq"], "No city matches 'qqqqqq'"),
        (["regions", "list", "--workspace", ""], "--workspace names no folder"),
        (["--workspace", " ", "regions", "list"], "--workspace names no folder"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(run: Run, arguments: list[str], expected: str) -> None:
    assert expected in refused(run(*arguments))


def test_a_setting_that_cannot_be_used_names_its_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "17")
    assert "NIGHTLIGHTS_PATCH_SIZE cannot be '17'" in refused(run("regions", "preset", "demo"))


def test_a_workspace_that_is_a_file_or_cannot_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "it is a file" in refused(run("regions", "preset", "demo", "--workspace", "file"))
    assert "is a file, not a folder" in refused(
        run("--workspace", "file/inside", "regions", "preset", "demo")
    )


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_workspace_may_be_named_before_or_after_the_command(run: Run, tmp_path: Path, place: str) -> None:
    option, command = ["--workspace", str(tmp_path / "other")], ["regions", "preset", "demo"]
    assert run(*(option + command if place == "before" else command + option))[0] == 0
    assert (tmp_path / "other" / "regions" / "demo.geojson").is_file()
    assert not (tmp_path / "workspace").exists()


def test_listing_leaves_no_trace(run: Run, tmp_path: Path) -> None:
    for kind in ("regions", "datasets", "experiments", "predictions", "jobs"):
        code, out, err = run(kind, "list")
        assert (code, out) == (0, "")
        assert err.startswith("No ")
        assert run(kind, "list", "--json")[1] == "[]\n"
    assert not (tmp_path / "workspace").exists()


def test_regions_from_file_to_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "64")
    write_regions(tmp_path / "areas.geojson", north=("train", 29.0, -3.0), south=("Evaluation", 30.0, -4.0))
    code, out, err = run("regions", "import", "areas.geojson", "--name", "burundi")
    assert (code, err) == (0, "")
    assert "north (train), south (evaluate)" in out
    shown = json.loads(run("regions", "show", "burundi", "--json")[1])
    assert [(row["name"], row["role"]) for row in shown["regions"]] == [
        ("north", "train"),
        ("south", "evaluate"),
    ]
    assert shown["regions"][0]["area_km2"] == pytest.approx(30.87, abs=0.02)
    assert shown["problems"] == []
    assert json.loads(run("regions", "list", "--json")[1])[0]["train"] == 1
    assert run("regions", "export", "burundi", "--output", "out.geojson")[0] == 0
    assert json.loads((tmp_path / "out.geojson").read_text()) == json.loads(
        run("regions", "export", "burundi")[1]
    )
    again = refused(run("regions", "import", "areas.geojson", "--name", "burundi"))
    assert "already" in again
    assert "--overwrite" in again
    assert run("regions", "import", "areas.geojson", "--name", "burundi", "--overwrite")[0] == 0
    assert "Nobody is there to answer" in refused(run("regions", "delete", "burundi"))
    assert run("regions", "delete", "burundi", "--yes")[0] == 0
    assert run("regions", "list", "--json")[1] == "[]\n"


def test_bad_regions_are_refused_and_nothing_is_saved(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "256")
    write_regions(tmp_path / "a.geojson", small=("train", 29.0, -3.0), other=("train", 31.0, -3.0))
    message = refused(run("regions", "import", "a.geojson"))
    assert "Region small is smaller than one patch" in message
    assert "1 more" in message
    assert not (tmp_path / "workspace").exists()


def test_checking_regions_lists_every_problem(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "64")
    write_regions(tmp_path / "a.geojson", a=("train", 29.0, -3.0), b=("train", 31.0, -3.0))
    assert run("regions", "import", "a.geojson", "--name", "r")[1].startswith("Saved 2 regions as r: ")
    write_regions(tmp_path / "one.geojson", a=("train", 29.0, -3.0))
    assert run("regions", "import", "one.geojson")[1] == "Saved 1 region as one: a (train).\n"
    assert run("regions", "check", "r", "--json")[1] == "[]\n"
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "256")
    code, out, err = run("regions", "check", "r", "--json")
    assert code == 2
    assert [problem["region"] for problem in json.loads(out)] == ["a", "b"]
    assert err.count("\n") == 1


def test_presets_are_listed_and_combined(run: Run) -> None:
    names = [row["name"] for row in json.loads(run("regions", "preset", "--json")[1])]
    assert {"africa", "united-states", "kinshasa-brazzaville", "demo"} <= set(names)
    code, out, _ = run("regions", "preset", "africa", "kinshasa-brazzaville", "--name", "study", "--json")
    assert code == 0
    assert len(json.loads(out)["regions"]) == 11


def test_export_turns_its_options_into_a_request(run: Run, requests: list[Any], tmp_path: Path) -> None:
    assert run("regions", "preset", "demo")[0] == 0
    run("export", "--regions", "demo", "--dataset", "d", "--planet-seed", 7, "--bands", "SR_B4, SR_B3")
    run(
        *("export", "--source", "rasters", "--daytime", "day/*.tif", "--nighttime", "viirs/*.tif"),
        *("--regions", "demo", "--dataset", "burundi", "--nighttime-nodata", "-99", "--ignore-nodata-tag"),
        *("--nighttime-composite", "median", "--attribution", "VIIRS: EOG", "--attribution", "People: JRC"),
    )
    run(
        *("export", "--source", "rasters", "--daytime", "day/*.tif", "--nighttime", "viirs/*.tif"),
        *("--regions", "demo", "--dataset", "own", "--truth", "sdgsat/*.tif", "--truth-calibration", "rank"),
        *("--truth-maximum-shift-m", "500", "--truth-resolution-m", "60", "--truth-nodata", "0"),
    )
    simulated, rasters, truth = requests
    assert rasters.truth is None
    assert truth.truth == TruthRequest(
        files=[str(tmp_path / "sdgsat/*.tif")],
        nodata=0,
        calibration="rank",
        maximum_shift_m=500,
        resolution_m=60,
    )
    assert simulated == ExportRequest(dataset="d", regions="demo", planet_seed=7, bands=["SR_B4", "SR_B3"])
    assert rasters == ExportRequest(
        dataset="burundi",
        regions="demo",
        source="rasters",
        daytime_files=[str(tmp_path / "day/*.tif")],
        nighttime_files=[str(tmp_path / "viirs/*.tif")],
        nighttime_nodata=-99.0,
        ignore_nodata_tag=True,
        nighttime_composite="median",
        attribution=["VIIRS: EOG", "People: JRC"],
    )


def test_export_refuses_regions_that_leak(run: Run, requests: list[Any], tmp_path: Path) -> None:
    write_regions(tmp_path / "a.geojson", a=("train", 29.0, -3.0), b=("evaluate", 29.02, -3.0))
    regions = tmp_path / "workspace" / "regions"
    regions.mkdir(parents=True)
    (regions / "r.geojson").write_text((tmp_path / "a.geojson").read_text().replace("0.05", "0.5"))
    refused(run("export", "--regions", "r", "--dataset", "d"))
    assert requests == []
    assert not (tmp_path / "workspace" / "jobs").exists()


def test_training_takes_the_network_s_own_settings_and_what_is_given(
    run: Run, requests: list[Any], workspace: Workspace
) -> None:
    common = ("train", "--dataset", "cities", "--run", "new")
    run(*common, "--network", "study-unet", "--epochs", 5)
    run(*common, "--loss", "pixel-huber", "--no-mirror", "--train-regions", "lagos, accra", "--notes", "x")
    study, small = requests
    own = NETWORKS["study-unet"].settings
    assert study.settings == own.model_copy(update={"epochs": 5})
    assert small == TrainingRequest(
        run="new",
        dataset="cities",
        notes="x",
        settings=NETWORKS["unet-small"].settings.model_copy(
            update={"loss": "pixel Huber", "mirror": False, "train_regions": ["lagos", "accra"]}
        ),
    )


def test_every_training_setting_is_an_option_with_help() -> None:
    command = get_command(train_app)
    assert isinstance(command, TyperCommand)
    options = {parameter.name: parameter for parameter in command.params}
    # Of the loader the program has one; the others are of a benchmark.
    for name in TrainingSettings.model_fields.keys() - {"loader"}:
        assert name in options, name
        assert options[name].help, name  # type: ignore[attr-defined]


def test_libraries_and_progress_never_reach_standard_output(
    run: Run, requests: list[Any], workspace: Workspace
) -> None:
    for arguments in (
        ("evaluate", "--run", "first"),
        ("predict", "--run", "first", "--region", "abuja"),
    ):
        code, out, err = run(*arguments, "--json")
        assert code == 0
        json.loads(out)
        assert err == ""
    job = JobStore(workspace).list()[0].id
    assert "libraries like to talk" in run("jobs", "show", job, "--log")[1]


def test_what_libraries_print_from_c_is_kept_apart_too(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_WORKSPACE", str(workspace.root))

    def handler(*_: Any, **__: Any) -> None:
        for descriptor in (1, 2):
            os.write(descriptor, b"from C\n")
        raise DatasetError("It failed.", "Mend it.")

    monkeypatch.setattr(pipeline, "run_evaluate", handler)
    assert main(["evaluate", "--run", "first", "--json"]) == 2
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "It failed. Mend it.\n")
    os.write(2, b"as before\n")
    assert capfd.readouterr().err == "as before\n"


def test_scores_are_objects_with_their_unit(run: Run, requests: list[Any], workspace: Workspace) -> None:
    scores = json.loads(run("evaluate", "--run", "first", "--json")[1])["scores"]
    assert scores
    for score in scores:
        assert {"method", "region", "rmse", "mae", "bias", "r2", "pixels", "unit"} <= set(score)
        assert score["unit"] == "nW/cm²/sr"
    file = workspace.run_folder("first") / "metrics.json"
    worthless = {**scores[0], "r2": -0.0003, "bias": -0.0001}
    file.write_text(json.dumps({**json.loads(file.read_text()), "scores": [worthless]}))
    table = run("evaluate", "--run", "first")[1]
    assert "+0.000" in table
    assert "-0.000" not in table
    assert "nW/cm²/sr" in table
    assert "imulated" in table


def test_a_name_that_is_too_long_is_refused_with_the_length_that_is_allowed(run: Run) -> None:
    sweep = ("sweep", "grid", "--dataset", "d", "--vary", "seed=1,2", "--name")
    assert "at most 60" in refused(run(*sweep, "s" * 61))
    assert "at most 64" in refused(run("train", "--dataset", "d", "--run", "r" * 65))


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (("train", "--dataset", "cities", "--run", "first"), "Train first"),
        (("predict", "--run", "first", "--region", "abuja"), "Predict abuja with first"),
        (("export", "--regions", "cities", "--dataset", "cities"), "Export cities"),
    ],
)
@pytest.mark.parametrize("background", [False, True])
def test_jobs_have_the_titles_of_the_pages(
    run: Run,
    requests: list[Any],
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    title: str,
    background: bool,
) -> None:
    monkeypatch.setattr(JobStore, "_start", lambda *_: None)
    before = {job.id for job in JobStore(workspace).list()}
    code, _, err = run(*arguments, *(["--background"] if background else []))
    assert code == 0, err
    assert [job.title for job in JobStore(workspace).list() if job.id not in before] == [title]


def test_predicting_with_a_run_that_does_not_exist_records_no_job(run: Run, workspace: Workspace) -> None:
    before = JobStore(workspace).list()
    for more in ((), ("--background",), ("--dataset", "cities")):
        message = refused(run("predict", "--run", "absent", "--region", "abuja", *more))
        assert "There is no run absent" in message
    assert JobStore(workspace).list() == before


def test_predict_copies_a_layer_whole(
    run: Run, requests: list[Any], workspace: Workspace, tmp_path: Path
) -> None:
    arguments = ("predict", "--run", "first", "--region", "abuja")
    assert run(*arguments, "--output", "abuja.tif")[0] == 0
    assert requests == [PredictionRequest(run="first", region="abuja", prediction="first-abuja")]
    layers = json.loads((workspace.prediction_folder("first-abuja") / "prediction.json").read_text())[
        "layers"
    ]
    original = workspace.prediction_folder("first-abuja") / layers["prediction"]
    assert (tmp_path / "abuja.tif").read_bytes() == original.read_bytes()
    assert "no layer 'moon'" in run(*arguments, "--output", "moon.tif", "--layer", "moon")[2]
    assert not (tmp_path / "moon.tif").exists()


def test_a_failed_job_is_kept_and_its_reason_is_the_message(
    run: Run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise DatasetError("The regions are too dark.", "Draw brighter ones.")

    monkeypatch.setattr(pipeline, "run_train", fail)
    message = refused(run("train", "--dataset", "cities", "--run", "new"))
    assert message == "The regions are too dark. Draw brighter ones."
    assert JobStore(workspace).list("train")[0].state == "failed"


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("train", ("--dataset", "cities", "--run", "new"), "To go on: "),
        ("predict", ("--run", "first", "--region", "abuja"), "To run it again from the start: "),
    ],
)
def test_ctrl_c_says_how_to_go_on(
    run: Run,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    kind: JobKind,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, f"run_{kind}", interrupt)
    code, out, err = run(kind, *arguments)
    assert (code, out) == (130, "")
    job = JobStore(workspace).list(kind)[0]
    assert job.state == "cancelled"
    assert f"{words}nightlights jobs resume {job.id}" in err


def test_what_is_unexpected_is_told_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: Any) -> None:
        raise ZeroDivisionError("by 0")

    monkeypatch.setattr("nightlights.places.search", explode)
    code, _, err = run("places", "Lagos")
    assert code == 1
    assert err == "Unexpected error, ZeroDivisionError: by 0. NIGHTLIGHTS_DEBUG=1 shows where.\n"


def test_everything_in_a_workspace_can_be_listed_shown_and_deleted(run: Run, workspace: Workspace) -> None:
    assert [row["name"] for row in json.loads(run("datasets", "list", "--json")[1])] == ["cities"]
    assert json.loads(run("datasets", "show", "cities", "--json")[1])["name"] == "cities"
    assert {row["run"] for row in json.loads(run("experiments", "list", "--json")[1])} == {"first", "second"}
    shown = json.loads(run("experiments", "show", "first", "--json")[1])
    assert shown["epochs"]
    assert shown["scores"]
    assert run("experiments", "note", "first", "the better one")[0] == 0
    assert json.loads(run("experiments", "show", "first", "--json")[1])["run"]["notes"] == "the better one"
    assert json.loads(run("predictions", "list", "--json")[1])[0]["region"] == "abuja"
    for kind, name in (("datasets", "cities"), ("experiments", "first"), ("predictions", "first-abuja")):
        for output in (run(kind, "list")[1], run(kind, "show", name)[1]):
            assert name in output
        assert "Nobody is there to answer" in refused(run(kind, "delete", name))
        assert run(kind, "delete", name, "--yes")[0] == 0
        assert refused(run(kind, "show", name))


def test_jobs_are_listed_and_what_they_use_is_not_deleted(run: Run, workspace: Workspace) -> None:
    request = {"run": "third", "dataset": "cities"}
    failed = add_job(workspace, "train", request, "failed")
    assert "failed" in run("jobs", "show", failed)[1]
    assert run("jobs", "delete", failed)[0] == 0
    running = add_job(workspace, "train", request, "running")
    listed = json.loads(run("jobs", "list", "--json")[1])
    assert [(job["id"], job["state"]) for job in listed] == [(running, "running")]
    assert "running 25 %" in run("jobs", "show", running)[1]
    table = run("jobs", "list")[1]
    assert local_time(datetime.fromisoformat(listed[0]["created"])) in table
    assert "+00:00" not in table
    assert f"is used by job {running}" in refused(run("datasets", "delete", "cities", "--yes"))
    assert workspace.dataset_names() == ["cities"]


def test_places_are_found_with_their_population(run: Run) -> None:
    found = json.loads(run("places", "lagos, ng", "--json", "--limit", 1)[1])
    assert found[0]["name"] == "Lagos"
    assert found[0]["population"] > 5_000_000
    assert "Lagos" in run("places", "Lagos")[1]


def test_networks_are_listed_with_the_default_first(run: Run) -> None:
    listed = json.loads(run("networks", "--json")[1])
    assert listed[0]["name"] == "unet-small"
    assert {"study-unet", "unet"} <= {row["name"] for row in listed}
    assert "31," in run("networks")[1]


@pytest.fixture
def demo_jobs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Jobs of the demo that leave their results at once; RMSE 2 where the linear regression has 4.1."""
    done: list[str] = []

    def export(workspace: Workspace, request: ExportRequest, progress: Any, *, resume: bool) -> None:
        done.append(f"export {request.dataset} seed {request.planet_seed}")
        add_dataset(workspace, request.dataset)

    def train(workspace: Workspace, request: TrainingRequest, progress: Any, *, resume: bool) -> None:
        done.append(f"train {request.run} epochs {request.settings.epochs}")
        rmse = 2.0 if request.settings.epochs > 1 else 5.0
        record = add_run(workspace, request.run, dataset=request.dataset, evaluation_rmse=rmse)
        settings = record.model_copy(update={"settings": request.settings})
        write_record(workspace.run_folder(request.run) / "run.json", settings)

    def predict(workspace: Workspace, request: PredictionRequest, progress: Any, *, resume: bool) -> None:
        done.append(f"predict {request.prediction}")
        add_prediction(workspace, request.run, request.region, request.run)

    for name, handler in (("run_export", export), ("run_train", train), ("run_predict", predict)):
        monkeypatch.setattr(pipeline, name, handler)
    return done


def test_the_demo_does_every_step_once(run: Run, demo_jobs: list[str], tmp_path: Path) -> None:
    code, out, err = run("demo")
    assert code == 0, err
    assert demo_jobs == ["export demo seed 1", "train demo epochs 10", "predict demo-kinshasa"]
    for word in ("Simulated planet", "RMSE nW/cm²/sr", "constant mean", "linear regression", "unet-small"):
        assert word in out
    for step in ("Regions", "Export", "Training and scores", "Prediction"):
        assert f"{step}: " in err
    assert (tmp_path / "workspace" / "demo" / "runs" / "demo").is_dir()
    document = json.loads(run("demo", "--json")[1])
    assert len(demo_jobs) == 3
    assert document["simulated"]
    assert document["better_than_baselines"]
    assert {score["role"] for score in document["scores"]} == {"evaluate"}
    run("demo", "--fresh", "--seed", 4)
    assert demo_jobs[3:] == ["export demo-4 seed 4", "train demo-4 epochs 10", "predict demo-4-kinshasa"]
    run("demo", "--fresh")
    assert len(demo_jobs) == 9


def test_a_demo_that_learnt_nothing_says_so_and_fails(run: Run, demo_jobs: list[str]) -> None:
    code, out, err = run("demo", "--epochs", 1)
    assert code == 1
    assert "NOT better than 6.40 of the constant mean and 4.10 of the linear regression" in err
    assert "linear regression" in out
    # Other settings train again, on the same dataset.
    assert run("demo", "--epochs", 2)[0] == 0
    assert [job.split()[0] for job in demo_jobs] == ["export", "train", "predict", "train", "predict"]


def test_a_port_that_is_taken_is_a_clear_word(run: Run) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Cannot listen on 127.0.0.1:{port}" in refused(run("app", "--port", port))


def test_progress_without_a_terminal_is_a_line_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress(line_seconds=1e9, quiet_seconds=0) as progress:
        for step in range(100):
            message = f"Training, loss {1 / (step + 1):.2f}" if step < 99 else "Scoring"
            progress.update(step + 1, 100, unit="steps", message=message)
    assert capsys.readouterr().err == "Training, loss 1.00 (1 / 100 steps)\nScoring (100 / 100 steps)\n"


def test_work_that_ends_soon_says_nothing_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress(quiet_seconds=1e9) as progress:
        progress.update(1, 2, unit="steps", message="Reading")
    assert capsys.readouterr().err == ""


@pytest.fixture
def rasters(tmp_path: Path) -> Path:
    """Two daytime rasters in metres' worth of degrees and a VIIRS raster, of a town that glows."""
    rng = np.random.default_rng(1)
    size, pixel = 1200, 0.3 / 1200
    light = np.zeros((size, size), np.float32)
    rows, columns = np.mgrid[:size, :size]
    for row, column in rng.integers(0, size, (60, 2)):
        light += 30 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 800).astype(np.float32)
    day = np.stack([0.1 + light / 100, 0.3 - light / 200]) + rng.normal(0, 0.005, (2, size, size))
    (tmp_path / "day").mkdir()
    (tmp_path / "viirs").mkdir()
    profile: dict[str, Any] = {"driver": "GTiff", "dtype": "float32", "crs": "EPSG:4326"}
    for index, half in enumerate((slice(0, size // 2), slice(size // 2, size))):
        part = day[:, half]
        with rasterio.open(
            *(tmp_path / "day" / f"{index}.tif", "w"),
            count=2,
            height=part.shape[1],
            width=size,
            transform=from_origin(29.0, -3.0 - half.start * pixel, pixel, pixel),
            **profile,
        ) as raster:
            raster.write(part.astype(np.float32))
    block = size // 72
    coarse = light[: block * 72, : block * 72].reshape(72, block, 72, block).mean((1, 3))
    with rasterio.open(
        *(tmp_path / "viirs" / "light.tif", "w"),
        count=1,
        height=72,
        width=72,
        transform=from_origin(29.0, -3.0, block * pixel, block * pixel),
        **profile,
    ) as raster:
        raster.write(coarse.astype(np.float32), 1)
    return tmp_path


def test_the_commands_of_the_readme_work_on_one_s_own_rasters(
    run: Run, rasters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "64")
    write_regions(
        rasters / "regions.geojson",
        north=("train", 29.03, -3.08),
        middle=("train", 29.11, -3.16),
        south=("evaluate", 29.2, -3.25),
    )
    steps = (
        "regions import regions.geojson --name burundi",
        "export --source rasters --daytime day/*.tif --nighttime viirs/*.tif --regions burundi"
        " --dataset burundi",
        "train --dataset burundi --network unet-small --epochs 1 --run first"
        " --patch-size 64 --patches-per-region 4 --batch-size 2 --evaluation-patches 2",
    )
    for step in steps:
        code, out, err = run(*step.split())
        assert code == 0, err
        assert out
    document = json.loads(run("evaluate", "--run", "first", "--json")[1])
    pooled = {
        score["method"]: score
        for score in document["scores"]
        if score["region"] == "all regions" and score["role"] == "evaluate"
    }
    parts = {"level alone", "texture alone"}
    baselines = {"constant mean", "linear regression", "footprint regression"}
    assert baselines | {"unet-small"} | parts == set(pooled)
    assert not document["simulated"]
    assert pooled["linear regression"]["rmse"] < pooled["constant mean"]["rmse"]
    code, _, err = run(*["predict", "--run", "first", "--region", "south", "--output", "south.tif"])
    assert code == 0, err
    with rasterio.open(rasters / "south.tif") as raster:
        assert raster.shape == (13 * 16, 13 * 16)
        assert np.isfinite(raster.read(1, masked=True)).all()
    assert "prediction name first-south is in use" in refused(
        run(*["predict", "--run", "first", "--region", "south"])
    )
