"""The runs of the table of targets: what they are part of, and what of them is kept."""

from dataclasses import replace
from pathlib import Path

import pytest
from standard import recipes
from standard.jobs import StandardRequest
from standard.work import make_table
from standard_samples import apart, shrink

from nightlights.experiments import list_experiments
from nightlights.manifests import RunRecord, read_record, write_record
from nightlights.progress import NoProgress
from nightlights.training.run import _Run
from nightlights.workspace import Workspace

RUN = "standard-sharpening"
REQUEST = StandardRequest(train=True, only=["sharpening"])


def _refuse(*_: object) -> None:
    raise AssertionError("nothing is to be trained")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A table with an ensemble of two tiny networks."""
    shrink(monkeypatch)
    apart(monkeypatch, tmp_path)
    recipe = recipes.RECIPES["sharpening"]
    monkeypatch.setitem(recipes.RECIPES, "sharpening", replace(recipe, members=({"seed": 3}, {"seed": 4})))
    workspace = Workspace.open(tmp_path / "w")
    make_table(workspace, REQUEST, NoProgress())
    return workspace


def test_runs_of_the_table_are_part_of_it_and_older_ones_go_on_without_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {RUN, f"{RUN}-1", f"{RUN}-2"}
    assert {each.name: each.series for each in list_experiments(workspace)} == dict.fromkeys(
        names, "standard table"
    )
    for name in names:
        path = workspace.run_folder(name) / "run.json"
        write_record(path, read_record(path, RunRecord).model_copy(update={"series": ""}))
    monkeypatch.setattr(_Run, "work", _refuse)
    assert make_table(workspace, REQUEST, NoProgress()).method("sharpening") is not None
    assert {each.series for each in list_experiments(workspace)} == {""}
