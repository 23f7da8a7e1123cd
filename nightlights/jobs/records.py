"""What a job keeps in its folder, and whether the process behind it still lives.

``job.json`` is written once, by whoever submits. ``state.json`` is written by the process that does the
work, ``process.json`` says which process that is, ``log.txt`` holds what it printed, and a file named
``cancel`` asks it to stop.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import psutil
from pydantic import Field

from nightlights.errors import WorkspaceError
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

START_GRACE_SECONDS: Final = 30.0
"""How long a job may be without a process after it was queued."""

_CLOCK_TOLERANCE_SECONDS = 2.0

DIED = Failure(
    message="The process ended without a word, perhaps for lack of memory or because the machine stopped.",
    remedy="Resume it to go on; if it happens again, choose a smaller batch or patch size.",
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
    """``process.json``: a process is its number and when it started, since numbers are used again.

    ``leads_session`` is true for a background worker, whose whole process group is its own.
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
        """The process, or None when it has ended or its number belongs to another one now."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) <= _CLOCK_TOLERANCE_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


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

    def read_state(self, moment: datetime) -> StateRecord:
        """The state as it truly is at ``moment``: a job whose process has died is not running.

        Raises
        ------
        WorkspaceError
            When ``state.json`` is missing or broken.
        """
        state = read_record(self.state, StateRecord)
        while state.state in ACTIVE_STATES:
            process = self.read_process()
            if process is None:
                if (moment - state.queued).total_seconds() < START_GRACE_SECONDS:
                    return state
            elif process.process() is not None:
                return state
            # It may have written its last word, or have been started again, between the two looks.
            again = read_record(self.state, StateRecord)
            if again == state and self.read_process() == process:
                return _ended(state, cancelled=self.cancel.exists())
            state = again
        return state


def _ended(state: StateRecord, *, cancelled: bool) -> StateRecord:
    return state.model_copy(
        update={
            "state": "cancelled" if cancelled else "interrupted",
            "finished": state.progress.updated,
            "failure": None if cancelled else DIED,
        }
    )
