"""Jobs run in real processes, die, are cancelled and go on, and never hurt each other."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_handlers import HERE, CountRequest

from nightlights.errors import Cancelled, DatasetError, JobError, WorkspaceError
from nightlights.jobs import Job, JobStore
from nightlights.jobs.progress import RateEstimator, StateWriter
from nightlights.jobs.records import JobFiles, StateRecord
from nightlights.manifests import JobProgress, read_record
from nightlights.workspace import Workspace

KINDS = "job_handlers:KINDS"
MOMENT = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobStore]:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    store = JobStore(Workspace.open(tmp_path / "workspace"), KINDS)
    yield store
    for job in store.list():
        process = store._files(job.id).read_process()
        if job.active and process and process.leads_session and process.process():
            os.killpg(process.pid, signal.SIGKILL)


def counted(store: JobStore, name: str = "a") -> list[str]:
    return (store.workspace.root / "counted" / name).read_text().split()


def until_waiting(store: JobStore, job: Job) -> Job:
    while (job := store.get(job.id)).progress.done < 2:
        assert job.active, store.log(job.id)
        time.sleep(0.01)
    return job


def test_a_job_runs_in_the_background_and_keeps_what_it_printed(store: JobStore) -> None:
    job = store.submit("export", CountRequest(name="a"), "Count")
    assert job.active and job.target == "a" and job.title == "Count"
    done = store.wait(job.id)
    assert (done.state, done.progress.done, done.progress.total) == ("done", 3, 3)
    assert done.progress.unit == "steps" and done.failure is None
    assert done.started and done.finished and done.created <= done.started <= done.finished
    assert counted(store) == ["0", "1", "2"]
    assert "counting from 0" in store.log(job.id)
    assert done.request == CountRequest(name="a").model_dump()


def test_a_killed_job_is_interrupted_and_resumes_where_it_was(store: JobStore) -> None:
    job = store.submit("export", CountRequest(name="a", total=5, then="die"))
    dead = store.wait(job.id)
    assert dead.state == "interrupted" and dead.resumable
    assert dead.failure and "memory" in dead.failure.message
    assert len(counted(store)) == 2
    resumed = store.resume(job.id)
    assert resumed.attempt == 2
    assert store.wait(job.id).state == "done"
    assert counted(store) == ["0", "1", "2", "3", "4"]
    assert "counting from 2" in store.log(job.id)


def test_a_new_store_sees_a_running_job_and_cancels_it(store: JobStore) -> None:
    job = until_waiting(store, store.submit("export", CountRequest(name="a", then="wait")))
    restarted = JobStore(store.workspace, KINDS)
    assert restarted.get(job.id).state_text == "running 67 %"
    restarted.cancel(job.id)
    cancelled = store.wait(job.id)
    assert cancelled.state == "cancelled" and cancelled.resumable
    store.resume(job.id)
    assert store.wait(job.id).state == "done"


def test_the_worker_outlives_the_process_that_submitted_it(store: JobStore) -> None:
    code = f"""
from pathlib import Path
from job_handlers import CountRequest
from nightlights.jobs import JobStore
from nightlights.workspace import Workspace
store = JobStore(Workspace.open(Path({str(store.workspace.root)!r})), {KINDS!r})
print(store.submit("export", CountRequest(name="a", then="wait")).id)
"""
    submitted = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    job = until_waiting(store, store.get(submitted.stdout.strip()))
    process = store._files(job.id).read_process()
    assert process and os.getsid(process.pid) == process.pid != os.getsid(0)
    store.cancel(job.id)
    assert store.wait(job.id).state == "cancelled"


def test_a_job_that_does_not_stop_is_killed_and_counts_as_cancelled(store: JobStore) -> None:
    job = until_waiting(store, store.submit("export", CountRequest(name="a", then="ignore")))
    store.cancel(job.id, grace_seconds=0.05)
    assert store.wait(job.id, 10).state == "cancelled"


@pytest.mark.parametrize(
    ("then", "state", "message", "in_log"),
    [
        ("refuse", "failed", "The dataset is empty.", "Export it again."),
        ("break", "failed", "ValueError: seven is not a colour", "Traceback"),
        ("exhaust", "interrupted", "ran out of memory", "MemoryError"),
    ],
)
def test_failures_are_one_sentence_with_a_remedy(
    store: JobStore, then: str, state: str, message: str, in_log: str
) -> None:
    request = CountRequest.model_validate({"name": "a", "then": then})
    with pytest.raises(DatasetError if then == "refuse" else JobError):
        store.run_in_foreground("export", request)
    (job,) = store.list()
    assert job.state == state and job.failure and message in job.failure.message
    assert "\n" not in job.failure.message and job.failure.remedy
    if then != "refuse":
        assert in_log in store.log(job.id)


def test_a_handler_that_cannot_be_imported_fails_with_a_sentence(store: JobStore) -> None:
    job = store.wait(store.submit("train", CountRequest(name="a")).id)
    assert job.state == "failed" and job.failure and "log" in job.failure.remedy
    assert "Traceback" in store.log(job.id)


def test_the_second_job_on_the_same_target_is_refused_and_others_run(store: JobStore) -> None:
    first = until_waiting(store, store.submit("export", CountRequest(name="a", then="wait")))
    with pytest.raises(JobError, match=rf"counted/a is being written by job {first.id}"):
        JobStore(store.workspace, KINDS).submit("export", CountRequest(name="a"))
    with pytest.raises(JobError, match=first.id):
        store.submit("export", CountRequest(name="b", reads=["counted/a"]))
    # Where a file system ignores case, it is the same folder.
    with pytest.raises(JobError, match=first.id):
        store.submit("export", CountRequest(name="A"))
    second = until_waiting(
        store, store.submit("export", CountRequest(name="c", reads=["shared"], then="wait"))
    )
    assert store.submit("export", CountRequest(name="d", reads=["shared"])).id
    assert store.user_of("counted/A") == store.user_of("counted/a")
    user = store.user_of("counted/a")
    assert user and user.id == first.id
    for job in (first, second):
        store.cancel(job.id)
        store.wait(job.id)
    assert store.user_of("counted/a") is None
    assert store.wait(store.submit("export", CountRequest(name="a")).id).state == "done"


def test_a_resumed_job_may_not_collide_with_a_running_one(store: JobStore) -> None:
    dead = store.wait(store.submit("export", CountRequest(name="a", then="die")).id)
    running = until_waiting(store, store.submit("export", CountRequest(name="a", then="wait")))
    with pytest.raises(JobError, match=running.id):
        store.resume(dead.id)
    with pytest.raises(JobError, match="cannot be resumed"):
        store.resume(running.id)
    store.cancel(running.id)
    store.wait(running.id)


def test_the_foreground_keeps_the_same_records_and_shows_progress(store: JobStore) -> None:
    seen: list[tuple[float, str]] = []

    class Display:
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            seen.append((done, message))
            (job,) = JobStore(store.workspace, KINDS).list()
            assert job.state == "running"

    job = store.run_in_foreground("export", CountRequest(name="a"), Display())
    assert job.state == "done" and job == store.get(job.id)
    assert seen == [(1, "step 1"), (2, "step 2"), (3, "step 3")]


def test_ctrl_c_in_the_foreground_is_cancelled_and_can_be_resumed(store: JobStore) -> None:
    class Impatient:
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            if done == 2:
                raise KeyboardInterrupt

    with pytest.raises(Cancelled):
        store.run_in_foreground("export", CountRequest(name="a", total=4), Impatient())
    (job,) = store.list()
    assert job.state == "cancelled"
    store.resume(job.id)
    assert store.wait(job.id).state == "done"
    assert counted(store) == ["0", "1", "2", "3"]


def test_a_foreground_job_is_cancelled_from_another_store(store: JobStore) -> None:
    class Canceller:
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            other = JobStore(store.workspace, KINDS)
            other.cancel(other.list()[0].id, grace_seconds=3.0)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Cancelled):
        store.run_in_foreground("export", CountRequest(name="a"), Canceller())
    (job,) = store.list()
    assert job.state == "cancelled"
    assert signal.getsignal(signal.SIGTERM) is before
    for thread in threading.enumerate():
        if thread.name == f"kill {job.id}":
            thread.join()
    # The grace has passed, and this process, which goes on after its job, was not killed.


def test_in_a_folder_without_a_lock_a_process_number_that_is_used_again_is_not_the_job(
    store: JobStore,
) -> None:
    job = store.wait(store.submit("export", CountRequest(name="a", then="die")).id)
    files = store._files(job.id)
    files.lock.unlink()
    own = psutil.Process()
    alive = {"pid": own.pid, "created": own.create_time(), "leads_session": False}
    files.process.write_text(json.dumps(alive))
    assert store.get(job.id).state == "running"
    files.process.write_text(json.dumps({**alive, "created": own.create_time() - 60}))
    assert store.get(job.id).state == "interrupted"


@pytest.mark.parametrize("without", ["process", "lock"])
def test_a_job_that_lost_its_submitter_before_its_worker_began_is_interrupted(
    store: JobStore, without: str
) -> None:
    job = store.run_in_foreground("export", CountRequest(name="a"))
    files = store._files(job.id)
    files.process.unlink()
    if without == "lock":
        files.lock.unlink()
    state = read_record(files.state, StateRecord).model_copy(update={"state": "queued"})
    files.state.write_text(state.model_dump_json())
    assert store.get(job.id).state == "interrupted"
    store.resume(job.id)
    assert store.wait(job.id).state == "done"


@pytest.mark.parametrize("step_seconds", [-86_400.0, -3.0, 3.0, 3600.0])
def test_a_step_of_the_clock_leaves_a_live_job_running(store: JobStore, step_seconds: float) -> None:
    job = until_waiting(store, store.submit("export", CountRequest(name="a", then="wait")))
    files = store._files(job.id)
    # The kernel counts from the start of the machine, so that a step of the clock moves every start time.
    process = json.loads(files.process.read_text())
    files.process.write_text(json.dumps({**process, "created": process["created"] + step_seconds}))
    moment = datetime.now(UTC) + timedelta(seconds=step_seconds)
    later = JobStore(store.workspace, KINDS, lambda: moment)
    assert later.get(job.id).state == "running"
    with pytest.raises(JobError, match="cannot be resumed"):
        later.resume(job.id)
    later.cancel(job.id)
    assert store.wait(job.id, 10).state == "cancelled"


def test_a_second_worker_of_a_live_job_is_refused(store: JobStore) -> None:
    job = until_waiting(store, store.submit("export", CountRequest(name="a", then="wait")))
    command = [
        sys.executable,
        "-m",
        "nightlights.worker",
        str(store.workspace.root),
        job.id,
        "--kinds",
        KINDS,
    ]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 2 and f"Another process works on job {job.id}" in second.stderr
    assert counted(store) == ["0", "1"] and store.get(job.id).state == "running"


def test_the_lock_ends_with_the_worker_and_not_with_what_the_worker_started(store: JobStore) -> None:
    job = store.submit("export", CountRequest(name="a", then="leave a child"))
    child = psutil.Process(int(until_child(store)))
    try:
        assert store.wait(job.id, 10).state == "interrupted"
        assert child.is_running()
        store.resume(job.id)
        assert store.wait(job.id).state == "done"
    finally:
        child.kill()


def until_child(store: JobStore) -> str:
    path = store.workspace.root / "counted" / "a.child"
    while not path.exists() or not path.read_text():
        time.sleep(0.01)
    return path.read_text()


def leftovers(store: JobStore) -> list[str]:
    root = store.workspace.root
    return sorted(str(path.relative_to(root)) for path in root.rglob(".partial-*"))


def test_what_a_killed_job_left_half_written_goes_when_it_resumes(store: JobStore) -> None:
    job = store.wait(store.submit("export", CountRequest(name="a", then="die writing")).id)
    assert job.state == "interrupted" and len(leftovers(store)) == 2
    store.resume(job.id)
    assert store.wait(job.id).state == "done" and leftovers(store) == []


def test_what_a_killed_job_left_half_written_goes_when_its_target_is_next_written(store: JobStore) -> None:
    store.wait(store.submit("export", CountRequest(name="a", then="die writing")).id)
    store.delete(store.list()[0].id)
    assert len(leftovers(store)) == 1
    store.run_in_foreground("export", CountRequest(name="b"))
    assert len(leftovers(store)) == 1
    store.run_in_foreground("export", CountRequest(name="a"))
    assert leftovers(store) == []


def test_partial_files_of_a_living_reader_stay(store: JobStore) -> None:
    cache = store.workspace.root / "datasets" / "d" / ".cache"
    cache.mkdir(parents=True)
    (cache / ".partial-0123abcd-region").mkdir()
    reading = CountRequest(name="a", reads=["datasets/d"], then="wait")
    job = until_waiting(store, store.submit("export", reading))
    (cache / ".partial-4567abcd-region").mkdir()
    store.run_in_foreground("export", CountRequest(name="b", reads=["datasets/d"]))
    assert leftovers(store) == ["datasets/d/.cache/.partial-4567abcd-region"]
    store.cancel(job.id)
    store.wait(job.id)
    store.run_in_foreground("export", CountRequest(name="b", reads=["datasets/d"]))
    assert leftovers(store) == []


def test_broken_folders_are_left_out_and_named_when_asked_for(store: JobStore) -> None:
    good = store.run_in_foreground("export", CountRequest(name="a"))
    jobs = store.workspace.jobs_folder
    for name, text in (("empty", None), ("torn", '{"id": '), ("other", "[]")):
        (jobs / name).mkdir()
        if text:
            (jobs / name / "job.json").write_text(text)
    (jobs / ".partial-x").mkdir()
    (jobs / "stateless").mkdir()
    (jobs / "stateless" / "job.json").write_text((jobs / good.id / "job.json").read_text())
    (jobs / "a-file").write_text("")
    assert [job.id for job in store.list()] == [good.id]
    for name in ("torn", "stateless", "no-such-job", "../escape"):
        with pytest.raises(JobError):
            store.get(name)


def test_no_job_starts_beside_a_running_one_of_a_newer_version(store: JobStore) -> None:
    job = until_waiting(store, store.submit("export", CountRequest(name="a", then="wait")))
    files = store._files(job.id)
    record = files.job.read_text()
    files.job.write_text(record.replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(JobError, match="newer version"):
        store.get(job.id)
    with pytest.raises(JobError, match=f"{job.id} is running, and its record"):
        store.submit("export", CountRequest(name="b"))
    files.job.write_text(record)
    store.cancel(job.id)
    store.wait(job.id)
    while files.has_worker():
        time.sleep(0.01)
    files.job.write_text(record.replace('"schema_version": 1', '"schema_version": 2'))
    store.run_in_foreground("export", CountRequest(name="b"))
    assert files.job.exists()


def test_no_job_starts_beside_a_running_one_of_an_unknown_kind(store: JobStore) -> None:
    job = until_waiting(store, store.submit("export", CountRequest(name="a", then="wait")))
    files = store._files(job.id)
    record = files.job.read_text()
    files.job.write_text(record.replace('"kind": "export"', '"kind": "reproject"'))
    with pytest.raises(JobError, match=f"{job.id} is running, and its record cannot be read"):
        store.submit("export", CountRequest(name="a"))
    files.job.write_text(record)
    store.cancel(job.id)
    store.wait(job.id)


def test_a_job_with_fields_of_a_later_version_is_listed(store: JobStore) -> None:
    job = store.run_in_foreground("export", CountRequest(name="a"))
    files = store._files(job.id)
    for path in (files.job, files.state):
        path.write_text(json.dumps({**json.loads(path.read_text()), "priority": 3}))
    state = json.loads(files.state.read_text())
    files.state.write_text(json.dumps({**state, "title": "not of the job"}))
    assert [(each.id, each.title) for each in store.list()] == [(job.id, job.title)]


def test_jobs_are_listed_newest_first_and_names_sort_by_time(store: JobStore) -> None:
    moments = [MOMENT + timedelta(seconds=seconds) for seconds in (0, 1, 86_400)]
    ids = [
        JobStore(store.workspace, KINDS, lambda moment=moment: moment)
        .run_in_foreground("export", CountRequest(name="a"))
        .id
        for moment in moments
    ]
    assert ids == sorted(ids) and ids[0].startswith("20261122-081500-export-")
    assert [job.id for job in store.list()] == ids[::-1]
    assert store.list("train") == []


def test_only_ended_jobs_are_deleted(store: JobStore) -> None:
    job = until_waiting(store, store.submit("export", CountRequest(name="a", then="wait")))
    with pytest.raises(JobError, match="Cancel it first"):
        store.delete(job.id)
    store.cancel(job.id)
    store.wait(job.id)
    store.delete(job.id)
    assert store.list() == [] and counted(store)
    with pytest.raises(JobError, match="cannot be cancelled"):
        store.cancel(store.run_in_foreground("export", CountRequest(name="a")).id)


def test_an_unusable_workspace_is_said_at_submit_and_leaves_nothing(tmp_path: Path) -> None:
    store = JobStore(Workspace.open(tmp_path), KINDS)
    store.workspace.jobs_folder.write_text("a file in the way")
    with pytest.raises(WorkspaceError) as error:
        store.submit("export", CountRequest(name="a"))
    assert error.value.remedy and list(tmp_path.iterdir()) == [store.workspace.jobs_folder]
    assert store.list() == []


def test_listing_jobs_imports_nothing_heavy() -> None:
    code = (
        "import sys, nightlights.jobs; print([m for m in ('keras', 'tensorflow', 'rasterio', 'scipy.signal',"
    )
    code += " 'geopandas', 'nightlights.pipeline') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def writer(tmp_path: Path) -> tuple[StateWriter, JobFiles, Clock]:
    clock = Clock()
    progress = JobProgress(updated=MOMENT)
    state = StateRecord(state="queued", attempt=1, queued=MOMENT, progress=progress)
    files = JobFiles(tmp_path)
    return StateWriter(files, state, clock=clock, moment=lambda: MOMENT), files, clock


def test_progress_is_written_a_few_times_a_second(writer: tuple[StateWriter, JobFiles, Clock]) -> None:
    states, files, clock = writer
    states.begin()
    written = set()
    for step in range(1000):
        clock.seconds = step / 100
        states.update(step, 1000, unit="steps")
        written.add(read_record(files.state, StateRecord).progress.done)
    assert 35 <= len(written) <= 42
    states.finish("done")
    last = read_record(files.state, StateRecord)
    assert (last.state, last.progress.done, last.progress.seconds_left) == ("done", 999, None)


def test_a_new_stage_is_written_at_once(writer: tuple[StateWriter, JobFiles, Clock]) -> None:
    states, files, _ = writer
    states.begin()
    states.update(1, 10, unit="regions")
    states.update(0, 5, unit="epochs", message="Training")
    assert read_record(files.state, StateRecord).progress.message == "Training"


def test_a_full_disk_does_not_stop_the_work_and_the_reserve_takes_the_last_word(
    writer: tuple[StateWriter, JobFiles, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    states, files, _ = writer
    states.begin()
    files.reserve.write_bytes(bytes(10))
    write = Path.write_text

    def full(self: Path, *arguments: str, **options: str) -> int:
        if files.reserve.exists():
            raise OSError(28, "No space left on device")
        return write(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", full)
    states.update(1, 2)
    assert read_record(files.state, StateRecord).progress.done == 0
    states.finish("failed")
    assert read_record(files.state, StateRecord).state == "failed"
    assert not list(files.folder.glob(".partial-*"))


@given(
    rate=st.floats(0.01, 1000),
    total=st.floats(1, 1e6),
    interval=st.floats(0.3, 100),
    count=st.integers(6, 20),
)
def test_the_time_left_is_exact_at_a_steady_rate(
    rate: float, total: float, interval: float, count: int
) -> None:
    estimator = RateEstimator()
    estimate = None
    for step in range(count):
        estimate = estimator.seconds_left(step * interval, step * interval * rate, total)
    expected = max(total - (count - 1) * interval * rate, 0) / rate
    assert estimate == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_time_left_follows_the_recent_rate_and_forgets_the_last_stage() -> None:
    estimator = RateEstimator()
    for second in range(100):
        estimator.seconds_left(second, second * 10, 10_000)
    for second in range(100, 200):
        slow = estimator.seconds_left(second, 990 + (second - 99), 10_000)
    assert slow == pytest.approx((10_000 - 1090) / 1, rel=0.01)
    assert estimator.seconds_left(200, 0, 10_000) is None
    assert estimator.seconds_left(202, 2, 10_000) == pytest.approx(9998)
    assert estimator.seconds_left(203, 3, 500) is None
    assert estimator.seconds_left(205, 4, 500) == pytest.approx(992)
