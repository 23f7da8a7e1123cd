"""Background jobs: export, training, evaluation and prediction as processes of their own.

A job is a folder of the workspace, so it outlives the app that started it, and any process can see how
far it is. Two jobs never write the same thing, and none reads what another one writes.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import psutil

from nightlights.errors import JobError, NewerVersionError, WorkspaceError
from nightlights.files import PARTIAL_PREFIX, clear_os_errors, remove_partial, replacing_folder
from nightlights.jobs.kinds import KINDS_REFERENCE, Kind, checked_request, load_reference
from nightlights.jobs.perform import perform
from nightlights.jobs.records import Job, JobFiles, JobRecord, ProcessRecord, StateRecord
from nightlights.manifests import JobKind, JobProgress, Record, now, read_record, write_record
from nightlights.names import checked_name
from nightlights.progress import Progress
from nightlights.workspace import Workspace

CANCEL_GRACE_SECONDS: Final = 20.0
"""How long a cancelled job may take to stop by itself before it is killed."""

_RESERVE_BYTES = 32_768
_PARTS_OF_A_TARGET = 2
_TITLES: dict[JobKind, str] = {
    "export": "Export dataset",
    "import": "Import dataset",
    "train": "Train run",
    "evaluate": "Evaluate run",
    "calibrate": "Calibrate run",
    "cross-validate": "Cross-validate",
    "sweep": "Sweep",
    "standard": "Standard table",  # of a benchmark, whose kinds benchmarks/standard knows
    "first-look": "First look",
    "predict": "Predict",
    "publish": "Publish prediction",
    "fetch": "Fetch files of task",
    "example": "Real light",
}


_children: list[subprocess.Popen[bytes]] = []


def _reap() -> None:
    """Collect the children of this process that have ended, so that none stays a zombie."""
    _children[:] = [child for child in list(_children) if child.poll() is None]


def _paths(*groups: Collection[str]) -> set[str]:
    """All paths, without case, since some file systems ignore it."""
    return {path.casefold() for paths in groups for path in paths}


class JobStore:
    """The jobs of a workspace.

    Parameters
    ----------
    workspace:
        Where they lie.
    kinds:
        ``module:attribute`` of the registry of kinds, which a worker imports too.
    clock:
        The present time.
    """

    def __init__(
        self,
        workspace: Workspace,
        kinds: str = KINDS_REFERENCE,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.workspace = workspace
        self._reference = kinds
        self._kinds: Mapping[JobKind, Kind] = load_reference(kinds)
        self._clock = clock

    def submit(self, kind: JobKind, request: Record, title: str = "") -> Job:
        """Start a job in the background.

        Raises
        ------
        JobError
            When a running job writes what this one would write or read, or reads what it would write.
        WorkspaceError
            When the workspace cannot be written.
        """
        with self._exclusively(), self._created(kind, request, title) as (files, lock):
            self._start(files, lock)
        return self.get(files.folder.name)

    def run_in_foreground(
        self, kind: JobKind, request: Record, progress: Progress | None = None, title: str = ""
    ) -> Job:
        """Do the work in this process, with the same records, so that the app sees it too.

        Raises
        ------
        NightlightsError
            Why it did not succeed; :class:`~nightlights.errors.Cancelled` after Ctrl-C.
        """
        with contextlib.ExitStack() as held:
            with self._exclusively():
                files, _ = held.enter_context(self._created(kind, request, title))
                write_record(files.process, ProcessRecord.of(os.getpid(), leads_session=False))
            perform(self.workspace, files, self._kinds[kind], progress)
        return self.get(files.folder.name)

    def resume(self, job_id: str) -> Job:
        """Start a job again that failed, was cancelled or interrupted, on the same folder.

        Raises
        ------
        JobError
            When it runs or is done, or another job is in its way.
        """
        with self._exclusively():
            job = self.get(job_id)
            if not job.resumable:
                raise JobError(f"Job {job_id} cannot be resumed: it is {job.state_text}.")
            if job.kind not in self._kinds:
                raise JobError(
                    f"Job {job_id} belongs to a benchmark.",
                    f"Resume it there: ./run bench standard resume {job_id}",
                )
            self._check_free(job.writes, job.reads)
            files = self._files(job_id)
            with files.locked() as lock:
                self._remove_partial(job)
                files.cancel.unlink(missing_ok=True)
                files.process.unlink(missing_ok=True)
                self._write_queued(files, attempt=job.attempt + 1)
                self._start(files, lock)
        return self.get(job_id)

    def cancel(self, job_id: str, grace_seconds: float = CANCEL_GRACE_SECONDS) -> Job:
        """Ask a job to stop; it is killed when it has not stopped after ``grace_seconds``.

        Returns at once; :meth:`wait` for the end.

        Raises
        ------
        JobError
            When it is not running.
        """
        job = self.get(job_id)
        if not job.active:
            raise JobError(f"Job {job_id} cannot be cancelled: it is {job.state_text}.")
        files = self._files(job_id)
        try:
            with clear_os_errors(files.cancel):
                files.cancel.touch()
        except FileNotFoundError as error:
            raise JobError(f"Job {job_id} was deleted meanwhile.") from error
        owner, process = files.read_process(), files.worker()
        if owner and process:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
            threading.Thread(
                target=self._kill_after,
                args=(job_id, owner, process, grace_seconds),
                name=f"kill {job_id}",
                daemon=True,
            ).start()
        return self.get(job_id)

    def delete(self, job_id: str) -> None:
        """Remove the records of a job that has ended; what it made stays, what only resuming it needs goes.

        Raises
        ------
        JobError
            When it still runs.
        """
        with self._exclusively():
            job = self.get(job_id)
            if job.active:
                raise JobError(f"Job {job_id} cannot be deleted: it is {job.state_text}.", "Cancel it first.")
            remains = self._remains(job)
            self.workspace.delete(self._files(job_id).folder)
            for folder in remains:
                self.workspace.delete(folder)

    def get(self, job_id: str) -> Job:
        """One job.

        Raises
        ------
        JobError
            When there is none of that name, or its folder is broken.
        """
        _reap()
        try:
            return self._read(self._files(job_id))
        except NewerVersionError as error:
            raise JobError(error.message, error.remedy) from error
        except WorkspaceError as error:
            raise JobError(
                f"There is no job {job_id[:80]!r}.", "List the jobs to see their names."
            ) from error

    def list(self, kind: JobKind | None = None) -> list[Job]:
        """All jobs, the newest first; folders that cannot be read are left out."""
        _reap()
        jobs = []
        for path in self.workspace.jobs_folder.glob("[!.]*/job.json"):
            with contextlib.suppress(WorkspaceError):
                jobs.append(self._read(JobFiles(path.parent)))
        return sorted(
            (job for job in jobs if kind in (None, job.kind)),
            key=lambda job: (job.created, job.id),
            reverse=True,
        )

    def user_of(self, path: str) -> Job | None:
        """The active job that reads or writes ``path``, such as ``runs/first``, or None."""
        used = path.casefold()
        return next(
            (job for job in self.list() if used in _paths(job.writes, job.reads) and job.active), None
        )

    @contextlib.contextmanager
    def holding(self, path: str) -> Iterator[None]:
        """Keep ``path``, such as ``runs/first``, to the caller for the moment of the block.

        Raises
        ------
        JobError
            When an active job uses it.
        """
        with self._exclusively():
            self._check_free([path], [])
            yield

    def log(self, job_id: str, last_bytes: int = 20_000) -> str:
        """The end of what the job printed."""
        try:
            with self._files(job_id).log.open("rb") as log:
                log.seek(max(log.seek(0, os.SEEK_END) - last_bytes, 0))
                return log.read().decode("utf-8", errors="replace")
        except OSError:
            return ""

    def wait(self, job_id: str, timeout_seconds: float = 600.0) -> Job:
        """Wait until a job has ended.

        Raises
        ------
        JobError
            When it has not ended in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while (job := self.get(job_id)).active:
            if time.monotonic() > deadline:
                raise JobError(f"Job {job_id} has not ended after {timeout_seconds:g} s.")
            time.sleep(0.05)
        return job

    def _remains(self, job: Job) -> Collection[Path]:
        """Folders that nobody needs once ``job`` cannot be resumed any more."""
        others = (other for other in self.list() if other.id != job.id and other.state != "done")
        if not job.resumable or any(set(other.writes) & set(job.writes) for other in others):
            return ()
        kind = self._kinds.get(job.kind)
        if kind is None:
            return ()
        try:
            return kind.remains(self.workspace, checked_request(kind, job.request))
        except JobError:
            # The request of an older version of the program; what it left cannot be told.
            return ()

    def _kill_after(
        self, job_id: str, owner: ProcessRecord, process: psutil.Process, grace_seconds: float
    ) -> None:
        """Kill the process of a job, and the group that it leads, if it has not stopped in time.

        A process that works in the foreground lives on after its job; it is left alone then.
        """
        # On macOS a group of which only zombies are left answers with PermissionError.
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError, JobError):
            try:
                process.wait(timeout=grace_seconds)
            except psutil.TimeoutExpired:
                now_at_work = self._files(job_id).read_process()
                if not self.get(job_id).active or now_at_work is None or now_at_work.pid != owner.pid:
                    return
                if owner.leads_session:
                    os.killpg(owner.pid, signal.SIGKILL)
                else:
                    process.kill()

    def _files(self, job_id: str) -> JobFiles:
        return JobFiles(self.workspace.job_folder(job_id))

    def _read(self, files: JobFiles) -> Job:
        record = read_record(files.job, JobRecord)
        state = files.read_state()
        return Job.of(record, state)

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Let one process at a time start or remove jobs; the system frees the lock of a dead process."""
        lock = self.workspace.jobs_folder / ".lock"
        with clear_os_errors(lock):
            try:
                lock.parent.mkdir(parents=True, exist_ok=True)
            except FileExistsError as error:
                remedy = "Move it away, or choose another workspace folder."
                raise WorkspaceError(f"{lock.parent} is a file, not a folder.", remedy) from error
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _check_free(self, writes: Collection[str], reads: Collection[str]) -> None:
        self._check_versions()
        for job in self.list():
            theirs = _paths(job.writes)
            shared = (_paths(writes) & _paths(job.writes, job.reads)) | (_paths(reads) & theirs)
            if job.active and shared:
                verb = "written" if shared & theirs else "read"
                raise JobError(
                    f"{min(shared)} is being {verb} by job {job.id} ({job.title}, {job.state_text}).",
                    "Wait until it ends, or cancel it.",
                )

    def _check_versions(self) -> None:
        """Refuse to work beside a running job whose reads and writes are unknown."""
        for path in self.workspace.jobs_folder.glob("[!.]*/job.json"):
            try:
                read_record(path, JobRecord)
            except WorkspaceError as error:
                if JobFiles(path.parent).has_worker():
                    raise JobError(
                        f"The job {path.parent.name} is running, and its record cannot be read; a newer "
                        "version of this program may have started it.",
                        "Wait until it ends, or update the program.",
                    ) from error

    @contextlib.contextmanager
    def _created(self, kind: JobKind, request: Record, title: str) -> Iterator[tuple[JobFiles, int]]:
        """Make the folder of a new job; gives its files and its lock, which is held from the first moment."""
        description = self._kinds[kind]
        checked_request(description, request.model_dump(mode="json"))
        writes = list(description.writes(self.workspace, request))
        reads = list(description.reads(self.workspace, request))
        self._check_free(writes, reads)
        moment = self._clock()
        target = description.target(request)
        job_id = checked_name(f"{moment:%Y%m%d-%H%M%S}-{kind}-{uuid.uuid4().hex[:4]}", "job name")
        files = JobFiles(self.workspace.job_folder(job_id))
        record = JobRecord(
            id=job_id,
            kind=kind,
            title=title or f"{_TITLES[kind]} {target}",
            created=moment,
            target=target,
            writes=writes,
            reads=reads,
            request=request.model_dump(mode="json"),
        )
        # Job folders are made one at a time, so that no other process is writing here.
        for killed in self.workspace.jobs_folder.glob(f"{PARTIAL_PREFIX}*"):
            shutil.rmtree(killed, ignore_errors=True)
        with contextlib.ExitStack() as held:
            with replacing_folder(files.folder) as partial:
                new = JobFiles(partial)
                write_record(new.job, record)
                self._write_queued(new, attempt=1)
                new.reserve.write_bytes(bytes(_RESERVE_BYTES))
                lock = held.enter_context(new.locked())
            self._remove_partial(record)
            yield files, lock

    def _remove_partial(self, job: Job | JobRecord) -> None:
        """Remove what killed processes left half-written where ``job`` writes and where only it reads."""
        others = [each for each in self.list() if each.active and each.id != job.id]
        used = _paths(*(paths for other in others for paths in (other.writes, other.reads)))
        # Patch caches lie in the datasets that they are made of.
        for path in (*job.writes, *(path for path in job.reads if path.casefold() not in used)):
            # Fetched files may go anywhere; only folders such as ``runs/first`` are a job's own.
            if len(Path(path).parts) == _PARTS_OF_A_TARGET and not Path(path).is_absolute():
                remove_partial(self.workspace.root / path)
        remove_partial(self._files(job.id).folder)

    def _write_queued(self, files: JobFiles, attempt: int) -> None:
        moment = self._clock()
        progress = JobProgress(updated=moment, message="Starting")
        write_record(
            files.state, StateRecord(state="queued", attempt=attempt, queued=moment, progress=progress)
        )

    def _start(self, files: JobFiles, lock: int) -> None:
        """Start the worker in a session of its own, so that neither Ctrl-C nor the app's end reaches it.

        It inherits the lock, so that there is no moment in which the job has none.
        """
        command = [sys.executable, "-m", "nightlights.worker", str(self.workspace.root), files.folder.name]
        with clear_os_errors(files.log), files.log.open("ab") as log:
            worker = subprocess.Popen(
                [*command, "--kinds", self._reference, "--lock", str(lock)],
                pass_fds=[lock],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        _children.append(worker)
        with contextlib.suppress(psutil.NoSuchProcess):
            write_record(files.process, ProcessRecord.of(worker.pid, leads_session=True))
