"""The files of a finished task, fetched from the bucket."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from nightlights.errors import EarthEngineError
from nightlights.progress import Progress
from nightlights.settings import Settings
from nightlights.sources.earthengine.operations import Operation, get_operation, stored_paths

_OWN_PREFIXES = ("daytime", "nighttime", "patches")


def check_fetchable(operation: Operation) -> None:
    """Refuse a task that has no files to fetch yet, or never will.

    Raises
    ------
    EarthEngineError
        Naming its state.
    """
    if operation.state != "done":
        raise EarthEngineError(
            f"Task {operation.id} has no files to fetch: it is {operation.state}.",
            operation.remedy or ("Wait until it is done." if operation.active else ""),
        )


def fetch_files(task: str, settings: Settings, folder: Path, progress: Progress) -> tuple[Path, ...]:
    """Fetch what a task wrote to the bucket into ``folder``; see ``BucketStore.download``.

    Raises
    ------
    EarthEngineError
        When the task is not done, wrote elsewhere, or its files are gone.
    Cancelled
        When ``progress`` raises it; what has arrived is kept.
    """
    from nightlights.storage import open_bucket

    progress.update(0, 1, message="Listing the files in Cloud Storage")
    operation = get_operation(task, settings)
    check_fetchable(operation)
    paths = stored_paths(operation.name, settings)
    if not paths:
        where = operation.destination or "nowhere"
        raise EarthEngineError(
            f"Task {operation.id} wrote no files to the bucket of the settings ({where}).",
            "Files on Drive are fetched by hand; for another bucket, change the settings.",
        )
    store = open_bucket(settings)
    listed = list(dict.fromkeys(file.name for path in paths for file in store.list(path)))
    names = _of_task(listed, operation.description)
    if not names:
        raise EarthEngineError(
            f"The files of task {operation.id} are not in the bucket any more.", "Start the export again."
        )
    return store.download(names, folder, progress)


def _of_task(names: Sequence[str], description: str) -> list[str]:
    """Those files that are the task's, where Earth Engine tells only the folder that they lie in.

    Their names begin with the task's description unless a prefix was chosen; our own prefixes are parts of
    the description.
    """
    by_name = {name: PurePosixPath(name).name for name in names}
    for prefix in (description, *(layer for layer in _OWN_PREFIXES if f"-{layer}-" in description)):
        found = [name for name, last in by_name.items() if last.startswith(prefix)]
        if found:
            return found
    return list(names)
