"""Names of predictions: each run, dataset and region has one of its own, and older predictions are found."""

from typing import Any

import pytest
from pages_workspace import add_dataset, add_prediction, add_run

from nightlights.cli import main
from nightlights.commands import predict
from nightlights.errors import Cancelled
from nightlights.interface.prediction_choice import request_for, targets
from nightlights.manifests import PredictionRequest, write_record
from nightlights.names import checked_name
from nightlights.prediction_names import prediction_name
from nightlights.workspace import Workspace

LONG = "x" * 64


@pytest.fixture
def space(tmp_path: Any) -> Workspace:
    space = Workspace.open(tmp_path / "workspace")
    add_dataset(space)
    return space


@pytest.fixture
def default_name(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives the name of the prediction that the command line asks for."""
    requests: list[PredictionRequest] = []

    def keep(place: Any, kind: str, request: PredictionRequest, **_: Any) -> None:
        requests.append(request)
        raise Cancelled

    monkeypatch.setattr(predict, "run_job", keep)

    def name(run: str, region: str, *more: str) -> str:
        arguments = ["predict", "--run", run, "--region", region, *more]
        assert main(["--workspace", str(space.root), *arguments]) == 130
        return requests[-1].prediction

    return name


def add_named(space: Workspace, name: str, run: str, region: str = "abuja") -> None:
    """A prediction whose name was chosen by a person or by an older version."""
    record = add_prediction(space, run, region)
    folder = space.prediction_folder(name)
    space.prediction_folder(record.name).rename(folder)
    write_record(folder / "prediction.json", record.model_copy(update={"name": name}))


def test_runs_that_differ_in_case_only_predict_under_names_that_differ_in_more(
    space: Workspace, default_name: Any
) -> None:
    for run in ("first", "First"):
        add_run(space, run)
    names = [default_name("first", "abuja"), default_name("First", "abuja")]
    assert names[0] == "first-abuja"
    assert names[1].startswith("first-abuja-")
    for run, name in zip(("first", "First"), names, strict=True):
        trained = add_run(space, run)
        asked = [request_for(space, run, "cities", target) for target in targets(space, trained)]
        assert [request.prediction for request in asked if request.region == "abuja"] == [name]


def test_every_region_of_a_run_with_a_long_name_has_a_name_of_its_own(
    space: Workspace, default_name: Any
) -> None:
    run = add_run(space, LONG)
    names = [default_name(LONG, region) for region in ("abuja", "lagos", "accra")]
    assert len(set(names)) == 3
    assert all(checked_name(name) == name for name in names)
    asked = [request_for(space, LONG, "cities", target).prediction for target in targets(space, run)]
    assert set(names) < set(asked)
    assert len(set(asked)) == len(asked)


def test_regions_of_one_name_in_two_datasets_have_two_names(space: Workspace, default_name: Any) -> None:
    add_run(space)
    add_dataset(space, "another")
    assert default_name("first", "abuja") == default_name("first", "abuja", "--dataset", "cities")
    assert default_name("first", "abuja", "--dataset", "another") == "first--another--abuja"


@pytest.mark.parametrize("run", ["first", "First", LONG])
def test_a_prediction_that_an_older_version_named_is_found_again(
    space: Workspace, default_name: Any, run: str
) -> None:
    add_run(space, run)
    older = f"{run}-abuja"[:64].lower()
    if run == LONG:
        record = add_prediction(space, "first").model_copy(update={"name": older, "run": run})
        folder = space.prediction_folder(older)
        space.prediction_folder("first-abuja").rename(folder)
        write_record(folder / "prediction.json", record)
    else:
        add_named(space, older, run)
    assert default_name(run, "abuja") == older
    assert prediction_name(space, run, "cities", "cities", "lagos") != older


def test_a_name_that_another_run_has_taken_is_left_to_it(space: Workspace, default_name: Any) -> None:
    add_run(space)
    add_named(space, "First-Abuja", "other")
    name = default_name("first", "abuja")
    assert name.startswith("first-abuja-")
    assert name == default_name("first", "abuja")
    add_named(space, name, "first")
    assert default_name("first", "abuja") == name


def test_a_prediction_whose_record_is_broken_keeps_its_name(space: Workspace, default_name: Any) -> None:
    add_run(space)
    add_prediction(space)
    (space.prediction_folder("first-abuja") / "prediction.json").write_text("{")
    assert default_name("first", "abuja").startswith("first-abuja-")
