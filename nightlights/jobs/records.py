"""Files in the folder of a job, and whether the process behind it still lives.

``job.json`` is written once, on submission. ``state.json`` is written by the process that does the work and
holds a lock on the file ``lock`` until it ends, however it ends. ``process.json`` names that process,
``log.txt`` holds its output, and a file named ``cancel`` asks it to stop.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import psutil
from pydantic import Field

from nightlights.errors import JobError, WorkspaceError
from nightlights.files import clear_os_errors
from nightlights.manifests import (
    SCHEMA_VERSION,
    Failure,
    JobKind,
    JobProgress,
    JobState,
    Name,
    Record,
    read_record,
)

ACTIVE_STATES: Final[tuple[JobState, ...]] = ("queued", "running")
"""States in which a job may still write."""

_CLOCK_TOLERANCE_SECONDS = 2.0
_LOCK_TIMEOUT_SECONDS = 5.0
"""Readers hold a shared lock for some microseconds; only a living worker holds its own for longer."""

DIED = Failure(
    message="The process ended unexpectedly; the machine may be out of memory, or was stopped.",
    remedy="Resume it to go on. If it happens again, close other programs; a training needs less memory with "
    "smaller batches or patches.",
)


class JobRecord(Record):
    """``job.json``: what is to be done. ``reads`` and ``writes`` are paths within the workspace."""

    schema_version: Literal[1] = SCHEMA_VERSION
    id: Name
    kind: JobKind
    title: str
    created: datetime
    target: str
    writes: list[str]
    reads: list[str]
    request: dict[str, Any]


class StateRecord(Record):
    """``state.json``: how far it is. ``attempt`` counts the first start as 1."""

    state: JobState
    attempt: int = Field(ge=1)
    queued: datetime
    started: datetime | None = None
    finished: datetime | None = None
    progress: JobProgress
    failure: Failure | None = None


class ProcessRecord(Record):
    """``process.json``: the process that holds the lock of the job, or held it last.

    ``leads_session`` is true for a background worker, whose whole process group is its own. ``created`` is in
    seconds since 1970 by the clock of that moment; it tells a living worker only in folders without a lock,
    written before December 2026, since a step of the clock changes it.
    """

    pid: int = Field(gt=0)
    created: float
    leads_session: bool

    @classmethod
    def of(cls, pid: int, *, leads_session: bool) -> "ProcessRecord":
        """The record of a running process.

        Raises
        ------
        psutil.NoSuchProcess
            When it has ended already.
        """
        return cls(pid=pid, created=psutil.Process(pid).create_time(), leads_session=leads_session)

    def process(self) -> psutil.Process | None:
        """The process of that number, or None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None

    def started_when_recorded(self) -> bool:
        """Whether the process of that number started at ``created``, by a clock that has not been set."""
        process = self.process()
        with contextlib.suppress(psutil.NoSuchProcess):
            return (
                process is not None and abs(process.create_time() - self.created) <= _CLOCK_TOLERANCE_SECONDS
            )
        return False


class Job(Record):
    """One job as it is at the moment of reading."""

    id: str
    kind: JobKind
    title: str
    target: str
    state: JobState
    attempt: int
    created: datetime
    started: datetime | None
    finished: datetime | None
    progress: JobProgress
    failure: Failure | None
    writes: list[str]
    reads: list[str]
    request: dict[str, Any]

    @classmethod
    def of(cls, record: JobRecord, state: StateRecord) -> "Job":
        """The job of a folder, without what only a later version knows."""
        of_record = {name: getattr(record, name) for name in cls.model_fields.keys() & JobRecord.model_fields}
        of_state = {name: getattr(state, name) for name in cls.model_fields.keys() & StateRecord.model_fields}
        return cls(**of_record, **of_state)

    @property
    def active(self) -> bool:
        """Whether it is queued or running."""
        return self.state in ACTIVE_STATES

    @property
    def resumable(self) -> bool:
        """Whether :meth:`nightlights.jobs.JobStore.resume` may start it again."""
        return self.state in ("failed", "cancelled", "interrupted")

    @property
    def state_text(self) -> str:
        """The state in words: "running 42 %", "failed: why"."""
        if self.state == "running":
            return f"running {100 * self.progress.fraction:.0f} %"
        return f"{self.state}: {self.failure.message}" if self.failure else self.state


@dataclass(frozen=True, slots=True)
class JobFiles:
    """The files in the folder of one job."""

    folder: Path

    @property
    def job(self) -> Path:
        """What is to be done."""
        return self.folder / "job.json"

    @property
    def state(self) -> Path:
        """How far it is."""
        return self.folder / "state.json"

    @property
    def process(self) -> Path:
        """Which process does it."""
        return self.folder / "process.json"

    @property
    def lock(self) -> Path:
        """Locked by the process that does it."""
        return self.folder / "lock"

    @property
    def cancel(self) -> Path:
        """Present when the work should stop."""
        return self.folder / "cancel"

    @property
    def log(self) -> Path:
        """What the process printed."""
        return self.folder / "log.txt"

    @property
    def reserve(self) -> Path:
        """A few kilobytes kept free for the last state, should the disk be full by then."""
        return self.folder / "reserve"

    def read_process(self) -> ProcessRecord | None:
        """The process record, or None while there is none."""
        try:
            return read_record(self.process, ProcessRecord)
        except WorkspaceError:
            return None

    def worker(self) -> psutil.Process | None:
        """The living process that does the work, or None."""
        owner = self.read_process()
        return owner.process() if owner and self.has_worker() else None

    def has_worker(self) -> bool:
        """Whether a living process does the work. The system releases the lock of a dead process."""
        try:
            descriptor = os.open(self.lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            owner = self.read_process()
            return owner is not None and owner.started_when_recorded()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @contextlib.contextmanager
    def locked(self, timeout_seconds: float = _LOCK_TIMEOUT_SECONDS) -> Iterator[int]:
        """Hold the lock for the block and give its file descriptor, with which a child holds it further.

        Raises
        ------
        JobError
            When another process holds it.
        """
        with clear_os_errors(self.lock):
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(descriptor, time.monotonic() + timeout_seconds, self.folder.name)
            yield descriptor
        finally:
            os.close(descriptor)

    def read_state(self) -> StateRecord:
        """The state as it truly is: a job whose process has died is not running.

        Raises
        ------
        WorkspaceError
            When ``state.json`` is missing or broken.
        """
        state = read_record(self.state, StateRecord)
        while state.state in ACTIVE_STATES and not self.has_worker():
            # It may have written its last state, or have been resumed, between the two looks.
            again = read_record(self.state, StateRecord)
            if again == state:
                return _ended(state, cancelled=self.cancel.exists())
            state = again
        return state


def _lock(descriptor: int, deadline: float, job_id: str) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise JobError(
                    f"Another process works on job {job_id}.", "Wait until it ends, or cancel it."
                ) from None
            time.sleep(0.01)


def _ended(state: StateRecord, *, cancelled: bool) -> StateRecord:
    return state.model_copy(
        update={
            "state": "cancelled" if cancelled else "interrupted",
            "finished": state.progress.updated,
            "failure": None if cancelled else DIED,
        }
    )
