"""The Home page: what there is, and the one next step."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pages_workspace import add_dataset, add_job, add_prediction, add_regions, add_run, app, ship_run

from nightlights.files import write_text
from nightlights.interface.navigation import PAGES
from nightlights.interface.overview import PAGE_OF_KIND, look_at, next_step
from nightlights.jobs import KINDS, JobStore
from nightlights.records import JobKind
from nightlights.workspace import Workspace

__all__ = ["app"]


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


def texts(page: Any) -> str:
    kinds = (page.markdown, page.caption, page.warning, page.error, page.code)
    html = [element.proto.body for element in page.get("html")]
    return "\n".join([element.value for kind in kinds for element in kind] + html)


def primary(page: Any) -> list[str]:
    return [button.label for button in page.button if button.proto.type == "primary"]


def test_an_empty_workspace_leads_to_drawing(app: Any, space: Workspace) -> None:
    page = app("home", space)
    assert primary(page) == ["Draw regions"]
    assert [metric.value for metric in page.metric] == ["0", "0", "0", "0"]
    said = texts(page)
    assert "SIMULATED" in said
    assert "Simulated planet (seed 1)" in said
    assert "GiB of memory" in said
    assert str(space.root) in said


def test_a_newcomer_may_look_at_a_prediction_first(
    app: Any, space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_MODELS", str(tmp_path / "models"))

    def offered() -> bool:
        return any("look at a prediction" in link.label for link in app("home", space).get("page_link"))

    assert not offered()
    ship_run(space, tmp_path / "models")
    assert offered()
    add_prediction(space)
    assert not offered()


def test_the_next_step_follows_the_loop(space: Workspace) -> None:
    seen = [next_step(look_at(space), []).page]
    for add in (add_regions, add_dataset, add_run, add_prediction):
        add(space)
        seen.append(next_step(look_at(space), []).page)
    assert seen == ["regions", "imagery", "train", "compare", "compare"]
    assert next_step(look_at(space), []).label == "Compare predictions"


def test_every_kind_of_job_has_a_page(app: Any, space: Workspace) -> None:
    assert set(PAGE_OF_KIND) == set(get_args(JobKind)) >= set(KINDS)
    assert set(PAGE_OF_KIND.values()) <= {info.key for info in PAGES}
    add_job(space, "first-look", {"run": "daytime"}, "running")
    assert primary(app("home", space)) == ["Watch it work"]


def test_a_running_job_comes_first(app: Any, space: Workspace) -> None:
    add_regions(space)
    add_job(space, "export", {"dataset": "cities", "regions": "cities"}, "running")
    page = app("home", space)
    assert primary(page) == ["Watch it work"]
    assert next_step(look_at(space), JobStore(space).list()).page == "imagery"
    said = texts(page)
    assert "running 25 %" in said
    assert "lagos (1 of 4)" in said
    assert "Cancel" in [button.label for button in page.button]


def test_a_failed_job_says_why_and_can_be_resumed(app: Any, space: Workspace) -> None:
    add_job(space, "export", {"dataset": "cities", "regions": "cities"}, "failed")
    page = app("home", space)
    said = texts(page)
    assert "The disk is full." in said and "Free some space." in said
    assert "Resume" in [button.label for button in page.button]


def test_counts_and_the_newest(app: Any, space: Workspace) -> None:
    add_regions(space)
    add_dataset(space)
    add_run(space)
    page = app("home", space)
    assert [metric.value for metric in page.metric] == ["4", "1", "1", "0"]
    assert "cities: 4 regions" in texts(page)


def test_a_broken_manifest_is_named_and_hides_nothing(app: Any, space: Workspace) -> None:
    add_regions(space)
    add_dataset(space)
    write_text(space.dataset_folder("broken") / "dataset.json", "{")
    page = app("home", space)
    assert [metric.value for metric in page.metric][:2] == ["4", "1"]
    (warning,) = page.warning
    assert "broken" in warning.value


def test_an_unusable_workspace_is_one_clear_sentence(app: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    page = app("home", Workspace(file))
    (error,) = page.error
    assert "it is a file" in error.value and "Choose another folder" in error.value
