"""Fetching the files of an Earth Engine task as a job: real client, local server, storage emulator."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from earthengine_server.faults import Faults
from earthengine_server.server import EarthEngineServer
from pages_workspace import app
from server_samples import content, exported, first_scene, run, sample_server
from test_earthengine_secrets import assert_nowhere

from nightlights.cli import main
from nightlights.errors import EarthEngineError, JobError, WorkspaceError
from nightlights.jobs import Job, JobStore
from nightlights.jobs.kinds import KINDS
from nightlights.progress import NoProgress
from nightlights.settings import Settings
from nightlights.sources.earthengine import client
from nightlights.sources.earthengine.operations import Operation, get_operation
from nightlights.storage.transfers import _PART
from nightlights.task_files import FetchRequest, fetch_request, fetched_files, run_fetch
from nightlights.workspace import Workspace

__all__ = ["app"]

BUCKET = "planted-bucket-2b9e"
LARGE = "out/sample-large.bin"
LARGE_CONTENT = np.random.default_rng(1).bytes(2 * _PART + 100)
"""Three parts."""


class Gate:
    """Holds the requests for parts of the large file, once so many have passed."""

    def __init__(self, passing: int) -> None:
        self.left = passing
        self.waiting = threading.Event()
        self.open = threading.Event()
        self.parts = 0

    def __call__(self, method: str, path: str) -> None:
        if method == "GET" and path.startswith("/download/") and "sample-large" in path:
            self.parts += 1
            self.left -= 1
            if self.left < 0:
                self.waiting.set()
                self.open.wait(60)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[tuple[EarthEngineServer, str]]:
    """A server with one finished task, which has written two files, one of them large."""
    with sample_server(bucket=BUCKET) as server:
        image = first_scene().toFloat().unmask(0)
        operation = run(server, exported(image, server, "out/sample", fileFormat="GeoTIFF"))
        assert operation["metadata"]["state"] == "SUCCEEDED"
        server.storage.client.bucket(BUCKET).blob(LARGE).upload_from_string(LARGE_CONTENT)
        yield server, operation["name"]


@pytest.fixture
def server(
    shared_server: tuple[EarthEngineServer, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> EarthEngineServer:
    for name, value in shared_server[0].environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NIGHTLIGHTS_WORKSPACE", str(tmp_path / "workspace"))
    client.disconnect()
    return shared_server[0]


@pytest.fixture
def gate(server: EarthEngineServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Gate]]:
    gates: list[Gate] = []

    def make(passing: int) -> Gate:
        gates.append(Gate(passing))
        monkeypatch.setattr(Faults, "of_storage", lambda _, method, path: gates[-1](method, path))
        return gates[-1]

    yield make
    for each in gates:
        each.open.set()


@pytest.fixture
def store(server: EarthEngineServer, tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(Workspace.open(tmp_path / "workspace"))
    yield store
    for job in store.list():
        if job.active:
            kill(store, job)


@pytest.fixture
def operation(shared_server: tuple[EarthEngineServer, str], server: EarthEngineServer) -> Operation:
    return get_operation(shared_server[1], Settings.from_environment())


def kill(store: JobStore, job: Job) -> None:
    process = store._files(job.id).read_process()
    assert process is not None
    os.killpg(process.pid, signal.SIGKILL)


def texts(page: Any) -> str:
    kinds = (page.markdown, page.caption, page.warning, page.error, page.success, page.info)
    return "\n".join(element.value for kind in kinds for element in kind)


def press(page: Any, label: str) -> Any:
    return next(button for button in page.button if button.label == label).click().run()


def assert_fetched(store: JobStore, server: EarthEngineServer, operation: Operation) -> None:
    """Both files are as in the bucket, recorded, and nothing unfinished is beside them."""
    folder = store.workspace.root / fetch_request(store.workspace, operation).folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "sample-large.bin": LARGE_CONTENT,
        "sample.tif": content(server, "out/sample.tif"),
    }
    record = fetched_files(store.workspace, operation.id)
    assert record is not None
    assert sorted(record.files) == ["sample-large.bin", "sample.tif"]
    assert record.folder == fetch_request(store.workspace, operation).folder
    assert record.size_bytes == sum(path.stat().st_size for path in folder.iterdir())


def test_a_job_fetches_the_files_and_writes_no_bucket(
    store: JobStore, server: EarthEngineServer, operation: Operation
) -> None:
    job = store.submit("fetch", fetch_request(store.workspace, operation))
    (folder,) = job.writes
    assert job.target == operation.id and folder.startswith("downloads/sample-")
    done = store.wait(job.id)
    assert done.state == "done", store.log(job.id)
    assert (done.progress.unit, done.progress.done) == ("MB", done.progress.total)
    assert_fetched(store, server, operation)
    assert_nowhere((BUCKET,), store.workspace.root, store.log(job.id), str(done))


@pytest.mark.parametrize("inside", ["", "predictions", "runs/first", "downloads"])
def test_files_are_not_fetched_into_folders_of_the_workspace(
    store: JobStore, operation: Operation, inside: str
) -> None:
    with pytest.raises(WorkspaceError, match="keeps other things"):
        fetch_request(store.workspace, operation, store.workspace.root / inside)


def test_two_fetches_into_one_folder_exclude_each_other(
    store: JobStore, server: EarthEngineServer, operation: Operation, gate: Callable[[int], Gate]
) -> None:
    closed = gate(0)
    request = fetch_request(store.workspace, operation)
    job = store.submit("fetch", request)
    assert closed.waiting.wait(60)
    with pytest.raises(JobError, match=f"{request.folder} is being written"):
        store.submit("fetch", request)
    # The same folder by its whole path, from the command line.
    whole = fetch_request(store.workspace, operation, store.workspace.root / request.folder)
    with pytest.raises(JobError, match=f"{request.folder} is being written"):
        store.run_in_foreground("fetch", whole)
    closed.open.set()
    assert store.wait(job.id).state == "done"


def test_a_killed_fetch_keeps_what_has_arrived_and_resumes(
    store: JobStore, server: EarthEngineServer, operation: Operation, gate: Callable[[int], Gate]
) -> None:
    first = gate(1)
    job = store.submit("fetch", fetch_request(store.workspace, operation))
    assert first.waiting.wait(60)
    kill(store, job)
    assert store.wait(job.id).state == "interrupted"
    folder = store.workspace.root / fetch_request(store.workspace, operation).folder
    (partial,) = folder.glob(".partial-*-sample-large.bin")
    assert partial.read_bytes() == LARGE_CONTENT[:_PART]
    assert fetched_files(store.workspace, operation.id) is None
    first.open.set()
    second = gate(100)
    assert store.resume(job.id).attempt == 2
    done = store.wait(job.id)
    assert done.state == "done", store.log(job.id)
    # Of three parts, the first was there.
    assert second.parts == 2
    assert_fetched(store, server, operation)


def test_a_cancelled_fetch_resumes(
    store: JobStore, server: EarthEngineServer, operation: Operation, gate: Callable[[int], Gate]
) -> None:
    first = gate(1)
    job = store.submit("fetch", fetch_request(store.workspace, operation))
    assert first.waiting.wait(60)
    store.cancel(job.id)
    first.open.set()
    assert store.wait(job.id).state == "cancelled"
    second = gate(100)
    store.resume(job.id)
    assert store.wait(job.id).state == "done"
    assert second.parts <= 2
    assert_fetched(store, server, operation)


def test_a_fetch_again_that_fails_leaves_no_record(
    store: JobStore, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = fetch_request(store.workspace, operation)
    run_fetch(store.workspace, request, NoProgress(), resume=False)
    assert fetched_files(store.workspace, operation.id) is not None
    monkeypatch.setenv("NIGHTLIGHTS_BUCKET", "another-bucket")
    with pytest.raises(EarthEngineError, match="wrote no files to the bucket of the settings"):
        run_fetch(store.workspace, request, NoProgress(), resume=False)
    assert fetched_files(store.workspace, operation.id) is None


def test_a_record_counts_only_while_its_files_are_there(store: JobStore, operation: Operation) -> None:
    run_fetch(store.workspace, fetch_request(store.workspace, operation), NoProgress(), resume=False)
    record = fetched_files(store.workspace, operation.id)
    assert record is not None
    record.paths(store.workspace)[0].unlink()
    assert fetched_files(store.workspace, operation.id) is None


@pytest.mark.parametrize("task", ["", "a b", "../x", "projects/p/operations/../x", "a/b"])
def test_a_task_that_is_no_name_is_refused(task: str) -> None:
    with pytest.raises(ValueError, match="task"):
        FetchRequest(task=task, folder="downloads/x")


def test_the_command_line_fetches_in_the_foreground_as_a_job(
    store: JobStore,
    server: EarthEngineServer,
    operation: Operation,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["tasks", "fetch", operation.id]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert sorted(Path(line).name for line in lines) == ["sample-large.bin", "sample.tif"]
    assert_fetched(store, server, operation)
    (job,) = store.list("fetch")
    assert (job.state, job.title) == ("done", "Fetch files of sample")
    assert main(["tasks", "fetch", operation.id, "--folder", str(tmp_path / "elsewhere"), "--json"]) == 0
    assert (tmp_path / "elsewhere" / "sample.tif").is_file()
    (second,) = [each for each in store.list("fetch") if each.id != job.id]
    assert second.writes == [str(tmp_path / "elsewhere")]
    capfd.readouterr()
    assert main(["tasks", "fetch", operation.id, "--background"]) == 0
    (started,) = [each for each in store.list("fetch") if each.id not in (job.id, second.id)]
    assert started.id in capfd.readouterr().out
    assert store.wait(started.id).state == "done"
    assert main(["tasks", "fetch", "no-such-task"]) == 2
    assert len(store.list("fetch")) == 3


def test_the_page_starts_a_job_and_follows_it_through_a_reload(
    app: Any,
    store: JobStore,
    server: EarthEngineServer,
    operation: Operation,
    gate: Callable[[int], Gate],
) -> None:
    closed = gate(1)
    page = press(app("tasks", store.workspace), "Connect")
    while "Fetch" not in [button.label for button in page.button]:
        page.run()
    press(page, "Fetch")
    assert closed.waiting.wait(60)
    (job,) = store.list("fetch")
    page.run()
    assert "**Fetch files of sample** :orange-badge[running" in texts(page)
    assert "Progress is shown at the top of this page" in texts(page)
    assert next(button for button in page.button if button.label == "Fetch").disabled
    # Another visit, to a server that was started again: without a connection, with the same card.
    again = app("tasks", store.workspace)
    assert "**Fetch files of sample** :orange-badge[running" in texts(again)
    press(again, "Cancel")
    closed.open.set()
    assert store.wait(job.id).state == "cancelled"
    again.run()
    press(again, "Resume")
    assert store.wait(job.id).state == "done"
    page = press(app("tasks", store.workspace), "Connect")
    deadline = time.monotonic() + 60
    while "Fetched" not in texts(page) and time.monotonic() < deadline:
        page.run()
    folder = store.workspace.root / fetch_request(store.workspace, operation).folder
    assert f"Fetched 2 files, 17 MB, into {folder}." in texts(page)
    assert not any(thread.name.startswith("download") for thread in threading.enumerate())
    assert BUCKET not in texts(page)
    assert KINDS["fetch"].resumes
