"""The connection with Earth Engine on the Home page: states in words, settings, secrets that stay secret."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pages_workspace import app

from nightlights.errors import EarthEngineError
from nightlights.interface import connection
from nightlights.settings import CONNECTION_FILE, Settings
from nightlights.workspace import Workspace

__all__ = ["app"]

BUCKET = "planted-bucket-name"


@dataclass(frozen=True)
class Made:
    """What the client returns."""

    project: str = "my-project"
    account: str = "ann@example.org"
    method: str = "your sign-in"
    local: bool = False


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name in ("EARTHENGINE_PROJECT", "EARTHENGINE_URL", "SERVICE_ACCOUNT_KEY", "BUCKET", "BUCKET_FOLDER"):
        monkeypatch.delenv(f"NIGHTLIGHTS_{name}", raising=False)
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of every attempt to connect; each one succeeds."""
    made: list[Settings] = []

    def connect(wanted: Settings) -> Made:
        made.append(wanted)
        return Made(local=wanted.earthengine_url is not None)

    monkeypatch.setattr(connection, "_connect", connect)
    return made


def texts(page: Any) -> str:
    kinds = (page.markdown, page.caption, page.warning, page.error, page.success, page.info)
    return "\n".join(element.value for kind in kinds for element in kind)


def field(page: Any, label: str) -> Any:
    return next(each for each in page.text_input if each.label.startswith(label))


def press(page: Any, label: str) -> Any:
    return next(button for button in page.button if button.label == label).click().run()


def save(page: Any, **values: str) -> Any:
    labels = {"project": "Google Cloud project", "key": "Key file", "bucket": "Cloud Storage bucket"}
    for name, value in values.items():
        field(page, labels[name]).set_value(value)
    return press(page, "Save")


def test_nothing_is_set_up_and_nobody_is_asked(app: Any, space: Workspace, attempts: list[Settings]) -> None:
    page = app("home", space)
    assert "Not set up" in texts(page)
    (button,) = [button for button in page.button if button.label == "Connect"]
    assert button.disabled
    assert attempts == []


def test_a_saved_project_connects_on_a_click_and_says_who_to_what(
    app: Any, space: Workspace, attempts: list[Settings]
) -> None:
    page = save(app("home", space), project="my-project")
    assert "Set up for **my-project**" in texts(page)
    assert attempts == []
    press(page, "Connect")
    assert "as **ann@example.org** (your sign-in) to **my-project**" in texts(page)
    assert [each.earthengine_project for each in attempts] == ["my-project"]
    page.run()
    assert len(attempts) == 1


def test_other_settings_give_the_connection_up(app: Any, space: Workspace, attempts: list[Settings]) -> None:
    page = press(save(app("home", space), project="my-project"), "Connect")
    save(page, project="other-project")
    assert "Set up for **other-project**" in texts(page)
    assert "ann@example.org" not in texts(page)


def test_a_failure_is_one_sentence_with_a_remedy_and_can_be_tried_again(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(_: Settings) -> Made:
        raise EarthEngineError("You are not signed in.", "Run earthengine authenticate.")

    monkeypatch.setattr(connection, "_connect", connect)
    page = press(save(app("home", space), project="my-project"), "Connect")
    assert "Not connected" in texts(page)
    assert [error.value for error in page.error] == [
        "**You are not signed in.**  \nRun earthengine authenticate."
    ]
    monkeypatch.setattr(connection, "_connect", lambda wanted: Made())
    press(page, "Connect")
    assert "ann@example.org" in texts(page)


def test_an_unexpected_failure_does_not_show_its_words(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(_: Settings) -> Made:
        raise ValueError(f"gs://{BUCKET}")

    monkeypatch.setattr(connection, "_connect", connect)
    page = press(save(app("home", space), project="my-project"), "Connect")
    assert "ValueError" in texts(page)
    assert BUCKET not in texts(page)


def test_the_page_paints_while_it_connects(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def connect(_: Settings) -> Made:
        go_on.wait(20)
        return Made()

    monkeypatch.setattr(connection, "_connect", connect)
    page = press(save(app("home", space), project="my-project"), "Connect")
    assert "Connecting" in texts(page)
    assert "The way through" in texts(page)
    go_on.set()
    page.run()
    assert "ann@example.org" in texts(page)


def test_the_bucket_is_kept_but_never_shown_again(app: Any, space: Workspace) -> None:
    page = save(app("home", space), project="my-project", bucket=BUCKET)
    assert BUCKET in (space.root / CONNECTION_FILE).read_text()
    bucket = field(page, "Cloud Storage bucket")
    assert (bucket.value, bucket.placeholder) == ("", "set")
    assert BUCKET not in str(page)
    save(page, project="other-project")
    kept = Settings.from_environment({"NIGHTLIGHTS_WORKSPACE": str(space.root)})
    assert kept.bucket is not None
    assert (kept.bucket.get_secret_value(), kept.earthengine_project) == (BUCKET, "other-project")
    next(box for box in page.checkbox if box.label == "Forget the bucket").check()
    press(page, "Save")
    assert Settings.from_environment({"NIGHTLIGHTS_WORKSPACE": str(space.root)}).bucket is None


def test_a_value_that_cannot_be_used_changes_nothing(app: Any, space: Workspace) -> None:
    page = save(app("home", space), project="Not A Project")
    assert "Not A Project" in page.error[0].value
    save(page, project="my-project", key=str(space.root / "no-such.json"))
    assert "no-such.json" in page.error[0].value
    assert not (space.root / CONNECTION_FILE).exists()


def test_the_environment_has_the_last_word_and_is_said_to(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_EARTHENGINE_PROJECT", "fixed-project")
    monkeypatch.setenv("NIGHTLIGHTS_BUCKET", BUCKET)
    page = app("home", space)
    project, bucket = field(page, "Google Cloud project"), field(page, "Cloud Storage bucket")
    assert "from the environment" in project.label
    assert (project.value, project.disabled) == ("fixed-project", True)
    assert (bucket.value, bucket.placeholder, bucket.disabled) == ("", "set", True)
    field(page, "Folder").set_value("study")
    press(page, "Save")
    assert BUCKET not in (space.root / CONNECTION_FILE).read_text()
    assert "fixed-project" not in (space.root / CONNECTION_FILE).read_text()
    assert field(page, "Folder").value == "study"


def test_a_test_server_is_labelled_as_simulated(
    app: Any, space: Workspace, attempts: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_EARTHENGINE_URL", "http://127.0.0.1:9")
    page = app("home", space)
    assert "local test server" in texts(page)
    assert "[Simulated]" in texts(page)
    press(page, "Connect")
    assert ":green-badge[Connected] to the **local test server**" in texts(page)
