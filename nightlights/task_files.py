"""The files of an Earth Engine task, fetched from the bucket by a job: resumed, checked, recorded."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from nightlights.errors import WorkspaceError
from nightlights.files import make_folder
from nightlights.manifests import SCHEMA_VERSION, Record, now, read_record, write_record
from nightlights.names import with_digest
from nightlights.progress import Progress
from nightlights.settings import Settings
from nightlights.workspace import Workspace

if TYPE_CHECKING:
    from nightlights.sources.earthengine.operations import Operation

DOWNLOADS: Final = "downloads"
"""Within the workspace: a folder for the files of each task, and a record of what was fetched."""

TaskName = Annotated[str, Field(pattern=r"^(projects/[^/\s]+/operations/)?[A-Za-z0-9_-]{1,200}$")]


class FetchRequest(Record):
    """The arguments of a job that fetches the files of a task. The bucket is the settings' own.

    Attributes
    ----------
    task:
        Id of the task, or its whole name.
    folder:
        Where the files go: within the workspace, relative to it; elsewhere, the whole path.
    """

    task: TaskName
    folder: str = Field(min_length=1)

    @property
    def task_id(self) -> str:
        """The last part of the task's name."""
        return self.task.rsplit("/", 1)[-1]


class FetchedFiles(Record):
    """``downloads/TASK.json``: the files of a task, once all of them have arrived."""

    schema_version: Literal[1] = SCHEMA_VERSION
    task: TaskName
    folder: str
    files: list[str]
    size_bytes: int = Field(ge=0)
    finished: datetime

    def paths(self, workspace: Workspace) -> list[Path]:
        """The files on the disk, where they were when the fetch ended."""
        return [workspace.root / self.folder / name for name in self.files]


def fetch_request(workspace: Workspace, operation: "Operation", folder: Path | None = None) -> FetchRequest:
    """The request that fetches the files of ``operation``.

    Parameters
    ----------
    folder:
        Where to; one of its own in the workspace's downloads unless given, since tasks share file names.

    Raises
    ------
    WorkspaceError
        When it is a folder in which the workspace keeps something else.
    """
    name = with_digest(operation.description or operation.id, operation.id)
    place = (folder or workspace.root / DOWNLOADS / name).expanduser().resolve()
    inside = place.is_relative_to(workspace.root)
    if inside and workspace.root / DOWNLOADS not in place.parents:
        raise WorkspaceError(
            f"{place} is where the workspace keeps other things.",
            f"Choose a folder outside the workspace or within its {DOWNLOADS} folder.",
        )
    return FetchRequest(
        task=operation.name,
        folder=place.relative_to(workspace.root).as_posix() if inside else str(place),
    )


def fetch_title(operation: "Operation") -> str:
    """The title of the job that fetches the files of ``operation``."""
    return f"Fetch files of {operation.description or operation.id}"


def fetched_files(workspace: Workspace, task_id: str) -> FetchedFiles | None:
    """What was fetched of a task; None before, and when some of it is gone."""
    try:
        record = read_record(_record_file(workspace, task_id), FetchedFiles)
    except WorkspaceError:
        return None
    return record if all(path.is_file() for path in record.paths(workspace)) else None


def run_fetch(workspace: Workspace, request: FetchRequest, progress: Progress, *, resume: bool) -> None:
    """Handle a fetch job; it finds by itself what an earlier attempt has fetched.

    Raises
    ------
    EarthEngineError
        When the task is not done, wrote elsewhere, or its files cannot be read.
    WorkspaceError
        When the disk is full or the folder cannot be written.
    Cancelled
        When ``progress`` raises it; what has arrived is kept.
    """
    from nightlights.sources.earthengine.fetching import fetch_files

    record_file = _record_file(workspace, request.task_id)
    record_file.unlink(missing_ok=True)
    folder = workspace.root / request.folder
    make_folder(folder)
    settings = Settings.from_environment(workspace=workspace.root)
    paths = fetch_files(request.task, settings, folder, progress)
    record = FetchedFiles(
        task=request.task,
        folder=request.folder,
        files=[path.name for path in paths],
        size_bytes=sum(path.stat().st_size for path in paths),
        finished=now(),
    )
    write_record(record_file, record)


def _record_file(workspace: Workspace, task_id: str) -> Path:
    return workspace.root / DOWNLOADS / f"{task_id}.json"
