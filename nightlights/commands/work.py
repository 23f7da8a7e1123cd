"""Long work from the shell: with a progress bar, or as a job in the background."""

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, TextIO, TypeVar

import typer

from nightlights.commands.output import print_json, say
from nightlights.errors import Cancelled, JobError, SettingsError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from nightlights.jobs import Job
    from nightlights.manifests import JobKind, Record
    from nightlights.workspace import Workspace

_LINE_SECONDS = 10.0
_QUIET_SECONDS = 10.0
_POLL_SECONDS = 0.3
_NUMBER = re.compile(r"[\d.,]+")

AnyRecord = TypeVar("AnyRecord", bound="BaseModel")


class TerminalProgress:
    """Progress on standard error: a bar on a terminal, else a line now and then.

    Parameters
    ----------
    stream:
        Where to; standard error unless given.
    line_seconds:
        Least time between two lines that say the same step, where there is no terminal.
    quiet_seconds:
        Time at the beginning without lines, where there is no terminal: bad input that is found soon ends
        in one sentence alone.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        line_seconds: float = _LINE_SECONDS,
        quiet_seconds: float = _QUIET_SECONDS,
    ) -> None:
        self._stream = stream or sys.stderr
        self._quiet_until = time.monotonic() + quiet_seconds
        self._line_seconds = line_seconds
        self._last_line = -float("inf")
        self._last_step = ""
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> "TerminalProgress":
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[amount]}"),
                TimeRemainingColumn(),
                console=Console(file=self._stream),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("Starting", total=None, amount="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """See :meth:`nightlights.progress.Progress.update`."""
        amount = f"{done:,.0f} / {total:,.0f} {unit}".rstrip()
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task, completed=done, total=total or None, description=message or unit, amount=amount
            )
            return
        moment = time.monotonic()
        # A message of which only the numbers changed, such as a loss, must not flood a log.
        step = _NUMBER.sub("#", message)
        repeated = step == self._last_step and moment - self._last_line < self._line_seconds
        if repeated or moment < self._quiet_until:
            return
        self._last_step, self._last_line = step, moment
        print(f"{message} ({amount})".strip(), file=self._stream, flush=True)


@contextlib.contextmanager
def _libraries_apart() -> Iterator[tuple[TextIO, IO[bytes]]]:
    """Keep what libraries print, be it from Python or from C, off standard output and error.

    Gives a stream to the terminal, and the file with what was printed.
    """
    real = sys.stderr
    sys.stdout.flush()
    real.flush()
    with tempfile.TemporaryFile() as chatter, open(os.dup(chatter.fileno()), "w", buffering=1) as talk:  # noqa: PTH123
        kept = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
        # Within tests, standard error is no file of the system.
        terminal = open(os.dup(2), "w", buffering=1) if _is_descriptor(real, 2) else real  # noqa: PTH123, SIM115
        try:
            for descriptor in kept:
                os.dup2(chatter.fileno(), descriptor)
            with contextlib.redirect_stdout(talk), contextlib.redirect_stderr(talk):
                yield terminal, chatter
        finally:
            for descriptor, copy in kept.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            if terminal is not real:
                terminal.close()


def _is_descriptor(stream: TextIO, descriptor: int) -> bool:
    try:
        return stream.fileno() == descriptor
    except (OSError, ValueError):
        return False


def record_of(kind: type[AnyRecord], prefix: str = "", /, **values: Any) -> AnyRecord:
    """The record of what the options say; ``prefix`` begins the names of all of them.

    Raises
    ------
    SettingsError
        Naming the first option that cannot be used.
    """
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{prefix}" + str(first["loc"][0]).replace("_", "-") if first["loc"] else "The options"
        reason = first["msg"][:1].lower() + first["msg"][1:]
        length = re.search(r"\{0,(\d+)\}", str(first.get("ctx", {}).get("pattern")))
        if first["type"] == "string_pattern_mismatch" and length:
            longest = int(length[1]) + 1
            reason = f"use letters, digits, - and _, at most {longest}, beginning with a letter or digit"
        raise SettingsError(f"{option} cannot be {first['input']!r}: {reason}.") from error


def run_job(
    workspace: "Workspace",
    kind: "JobKind",
    request: "Record",
    *,
    title: str = "",
    kinds: str | None = None,
    resume: str = "nightlights jobs resume",
) -> "Job":
    """Do the work of a job here, with progress on standard error.

    Parameters
    ----------
    kinds:
        Another registry of the kinds than the program's, see :class:`nightlights.jobs.JobStore`.
    resume:
        The command that goes on with a job, whose name follows.

    Raises
    ------
    Cancelled
        After Ctrl-C; the remedy is the command that goes on, or begins anew where nothing is resumed.
    NightlightsError
        Why it did not succeed.
    """
    from nightlights.jobs import JobStore
    from nightlights.jobs.kinds import KINDS_REFERENCE, load_reference

    kinds = kinds or KINDS_REFERENCE
    store = JobStore(workspace, kinds)
    before = {job.id for job in store.list(kind)}

    def mine() -> str | None:
        return next((job.id for job in store.list(kind) if job.id not in before), None)

    with _libraries_apart() as (terminal, chatter):
        try:
            with TerminalProgress(terminal) as progress:
                return store.run_in_foreground(kind, request, progress, title)
        except Cancelled as error:
            again = f"{resume} {mine()}" if mine() else "the same command"
            purpose = "To go on" if load_reference(kinds)[kind].resumes else "To run it again from the start"
            raise Cancelled("Cancelled.", f"{purpose}: {again}") from error
        finally:
            _append_to_log(workspace, mine(), chatter)


def _append_to_log(workspace: "Workspace", job_id: str | None, chatter: IO[bytes]) -> None:
    """Keep what libraries printed with the job, where there is room."""
    from nightlights.jobs.records import JobFiles

    chatter.seek(0)
    if job_id is not None:
        with (
            contextlib.suppress(OSError),
            JobFiles(workspace.job_folder(job_id)).log.open("ab") as log,
        ):
            shutil.copyfileobj(chatter, log)


def start_job(
    workspace: "Workspace",
    kind: "JobKind",
    request: "Record",
    *,
    json: bool,
    title: str = "",
    kinds: str | None = None,
) -> None:
    """Start a job in the background and say its name."""
    from nightlights.jobs import JobStore
    from nightlights.jobs.kinds import KINDS_REFERENCE

    job = JobStore(workspace, kinds or KINDS_REFERENCE).submit(kind, request, title)
    if json:
        print_json(job.model_dump(mode="json"))
    else:
        typer.echo(f"Started job {job.id}. See how far it is: nightlights jobs show {job.id}")


def follow_job(workspace: "Workspace", job_id: str) -> "Job":
    """Show the progress of a job until it ends. Ctrl-C leaves it running.

    Raises
    ------
    JobError
        When it ends otherwise than done.
    """
    from nightlights.jobs import JobStore

    store = JobStore(workspace)
    try:
        with TerminalProgress() as progress:
            while (job := store.get(job_id)).active:
                state = job.progress
                progress.update(state.done, state.total, unit=state.unit, message=state.message)
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        say(f"Job {job_id} goes on in the background. To stop it: nightlights jobs cancel {job_id}")
        raise
    if job.state != "done":
        remedy = job.failure.remedy if job.failure else ""
        raise JobError(f"Job {job_id} has ended: {job.state_text}.".replace("..", "."), remedy)
    return job


def check_unused(workspace: "Workspace", path: str) -> None:
    """Refuse to delete what a running job reads or writes.

    Raises
    ------
    JobError
        Naming the job.
    """
    from nightlights.jobs import JobStore

    job = JobStore(workspace).user_of(path)
    if job is not None:
        raise JobError(
            f"{path} is used by job {job.id} ({job.state_text}).",
            f"Wait, or stop it: nightlights jobs cancel {job.id}",
        )
