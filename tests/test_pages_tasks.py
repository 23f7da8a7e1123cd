"""The Tasks page: Earth Engine's operations in words, cancelling, fetching, empty states."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pages_workspace import add_job, app, submitted

from nightlights.errors import EarthEngineError
from nightlights.interface import background as background_module
from nightlights.interface import connection, task_actions
from nightlights.interface.background import Background
from nightlights.interface.jobs_view import COLOURS
from nightlights.interface.task_table import summary, task_rows
from nightlights.manifests import JobState, write_record
from nightlights.settings import Settings
from nightlights.sources.earthengine import operations as earthengine_operations
from nightlights.sources.earthengine.operations import Operation
from nightlights.task_files import FetchedFiles, fetch_request
from nightlights.workspace import Workspace

__all__ = ["app", "submitted"]

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNNING = Operation(
    name="projects/my-project/operations/AAA",
    description="lagos-daytime",
    kind="image export",
    state="running",
    created=BEGAN,
    started=BEGAN,
    finished=None,
    runtime_s=200.0,
    eecu_seconds=12.5,
    destination="",
    error="",
    remedy="",
    attempt=1,
    progress=0.4,
)
DONE = replace(
    RUNNING,
    name="projects/my-project/operations/BBB",
    description="accra-daytime",
    state="done",
    destination="Cloud Storage: nightlights/exports/1/accra/1/daytime",
    progress=None,
)
FAILED = replace(
    RUNNING,
    name="projects/my-project/operations/CCC",
    description="abuja-daytime",
    state="failed",
    eecu_seconds=None,
    error="User memory limit exceeded.",
    remedy="Choose smaller regions.",
)


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("NIGHTLIGHTS_EARTHENGINE_URL", raising=False)
    monkeypatch.setenv("NIGHTLIGHTS_EARTHENGINE_PROJECT", "my-project")
    monkeypatch.setenv("NIGHTLIGHTS_BUCKET", "planted-bucket-name")
    made = SimpleNamespace(project="my-project", account="ann", method="your sign-in", local=False)
    monkeypatch.setattr(connection, "_connect", lambda _: made)
    return Workspace.open(tmp_path / "workspace")


def texts(page: Any) -> str:
    kinds = (page.markdown, page.caption, page.warning, page.error, page.success, page.info)
    return "\n".join(element.value for kind in kinds for element in kind)


def press(page: Any, label: str) -> Any:
    return next(button for button in page.button if button.label == label).click().run()


def connected(app: Any, space: Workspace, operations: list[Operation], patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(task_actions, "_list", lambda _: list(operations))
    return press(app("tasks", space), "Connect")


def test_without_a_project_the_page_leads_home(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NIGHTLIGHTS_EARTHENGINE_PROJECT")
    page = app("tasks", space)
    assert "it is set up on the Home page" in texts(page)
    assert not page.button


def test_nobody_is_asked_before_a_click(app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_: Settings) -> list[Operation]:
        raise AssertionError("asked")

    monkeypatch.setattr(task_actions, "_list", ask)
    page = app("tasks", space)
    assert [button.label for button in page.button] == ["Connect"]
    assert not page.dataframe


def test_no_task_yet_says_what_makes_one(app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    page = connected(app, space, [], monkeypatch)
    assert "There is no task yet" in texts(page)


def test_the_table_says_state_cost_destination_and_error(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = connected(app, space, [RUNNING, DONE, FAILED], monkeypatch)
    table = page.dataframe[0].value
    assert list(table["State"]) == ["running 40 %", "done", "failed"]
    assert table["Runtime"][0] == "3 min 20 s"
    assert table["Error"][2] == "User memory limit exceeded. Choose smaller regions."
    assert "25.0 EECU s together" in texts(page)
    assert "planted-bucket-name" not in str(page)


def test_a_listing_that_fails_is_one_sentence(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(_: Settings) -> list[Operation]:
        raise EarthEngineError("The network is down.", "Check it.")

    monkeypatch.setattr(task_actions, "_list", ask)
    page = press(app("tasks", space), "Connect")
    assert [error.value for error in page.error] == ["**The network is down.**  \nCheck it."]


def test_a_list_stays_when_its_refresh_fails_and_shows_its_time_and_why(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    questions = Background(
        clock=lambda: seconds[0],
        moment=lambda: datetime(2026, 3, 1, 14, 5, tzinfo=UTC) + timedelta(seconds=seconds[0]),
    )
    monkeypatch.setattr(background_module, "background", lambda: questions)
    monkeypatch.setattr(connection, "background", lambda: questions)
    answers: list[list[Operation] | EarthEngineError] = [
        [RUNNING, DONE],
        EarthEngineError("Earth Engine cannot be reached.", "Check the network."),
        [RUNNING, DONE, FAILED],
    ]
    calls: list[float] = []

    def ask(_: Settings) -> list[Operation]:
        calls.append(seconds[0])
        answer = answers[len(calls) - 1]
        if isinstance(answer, EarthEngineError):
            raise answer
        return answer

    def look(at: float, until: Callable[[], bool]) -> None:
        seconds[0] = at
        deadline = time.monotonic() + 30
        page.run()
        while not until() and time.monotonic() < deadline:
            page.run()
        assert until()

    monkeypatch.setattr(task_actions, "_list", ask)
    page = press(app("tasks", space), "Connect")
    assert not page.warning
    look(10.0, lambda: bool(page.warning))
    (warning,) = page.warning
    assert warning.value == (
        "**The tasks could not be refreshed; shown as of 14:05 UTC.**  \n"
        "Earth Engine cannot be reached. Check the network.  \nTried again every 20 s."
    )
    assert list(page.dataframe[0].value["State"]) == ["running 40 %", "done"]
    assert not page.error
    look(25.0, lambda: bool(page.warning))
    assert calls == [0.0, 10.0]
    look(31.0, lambda: not page.warning)
    assert list(page.dataframe[0].value["State"]) == ["running 40 %", "done", "failed"]
    assert calls == [0.0, 10.0, 31.0]


def test_cancelling_asks_again_and_only_what_runs_can_be_cancelled(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[str] = []
    monkeypatch.setattr(
        earthengine_operations, "cancel_operation", lambda name, settings: cancelled.append(name)
    )
    page = connected(app, space, [RUNNING, DONE, FAILED], monkeypatch)
    assert "This stops **lagos-daytime**" in texts(page)
    (button,) = [button for button in page.button if button.label == "Yes, cancel it"]
    button.click().run()
    assert cancelled == [RUNNING.name]


def test_a_click_submits_the_job_that_fetches_the_files(
    app: Any, space: Workspace, submitted: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = connected(app, space, [RUNNING, DONE], monkeypatch)
    request = fetch_request(space, DONE)
    assert request.folder.startswith("downloads/accra-daytime-")
    assert f"Into {request.folder} of the workspace." in texts(page)
    press(page, "Fetch")
    assert submitted == [("fetch", request)]
    assert "planted-bucket-name" not in str(submitted)


@pytest.mark.parametrize("state", ["running", "failed", "cancelled", "interrupted"])
def test_a_fetch_that_is_not_done_is_shown_without_a_connection(
    app: Any, space: Workspace, state: JobState
) -> None:
    add_job(space, "fetch", {"task": DONE.name, "folder": "downloads/accra-daytime"}, state)
    page = app("tasks", space)
    assert f"**Fetch BBB** :{COLOURS[state]}-badge[{state}" in texts(page)
    expected = "Cancel" if state == "running" else "Resume"
    assert expected in [button.label for button in page.button]


def test_what_was_fetched_is_shown_and_what_is_gone_is_not(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = space.root / "downloads" / "accra-daytime" / "daytime.tif"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"0" * 2000)
    record = FetchedFiles(
        task=DONE.name,
        folder="downloads/accra-daytime",
        files=["daytime.tif"],
        size_bytes=2000,
        finished=BEGAN,
    )
    write_record(space.root / "downloads" / "BBB.json", record)
    page = connected(app, space, [DONE], monkeypatch)
    assert f"Fetched 1 file, 2.0 kB, into {path.parent}." in texts(page)
    path.unlink()
    assert "Fetched" not in texts(page.run())


def test_the_tasks_stay_at_their_place_when_the_card_of_a_fetch_goes(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What moves is drawn at both places until the page has run to its end."""
    before = len(connected(app, space, [DONE], monkeypatch).main.children)
    add_job(space, "fetch", {"task": DONE.name, "folder": "downloads/accra-daytime"}, "failed")
    page = connected(app, space, [DONE], monkeypatch)
    assert "Resume" in [button.label for button in page.button]
    assert len(page.main.children) == before


def test_tasks_that_share_a_description_are_fetched_into_folders_of_their_own(space: Workspace) -> None:
    operations = [DONE, replace(DONE, name="projects/my-project/operations/DDD")]
    folders = [fetch_request(space, operation).folder for operation in operations]
    assert len(set(folders)) == 2
    assert folders == [fetch_request(space, operation).folder for operation in operations]


def test_without_a_bucket_nothing_can_be_fetched(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NIGHTLIGHTS_BUCKET")
    page = connected(app, space, [DONE], monkeypatch)
    assert next(button for button in page.button if button.label == "Fetch").disabled
    assert "The bucket is not set" in texts(page)


def test_rows_leave_out_what_is_not_known() -> None:
    (row,) = task_rows([replace(FAILED, runtime_s=None, error="", remedy="", description="")])
    assert (row["Task"], row["Runtime"], row["EECU"], row["Error"]) == ("CCC", None, None, None)


def test_the_summary_counts_states() -> None:
    assert summary([RUNNING, DONE, DONE]) == "1 running, 2 done · 37.5 EECU s together"
