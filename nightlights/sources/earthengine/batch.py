"""Batch exports: started, watched, fetched; after a crash or a cut connection gone on with.

What was started is kept in a file of the folder, before it is started, so that nothing is asked of Earth
Engine twice: the request's identifier is the same when it is sent again, and a task of the same description
that is there already is taken for ours. The bucket's name is never written down.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from nightlights.bands import Band
from nightlights.composites import Destination, EarthEngineRequest, FileFormat
from nightlights.errors import Cancelled, EarthEngineError, NightlightsError
from nightlights.files import make_folder
from nightlights.grid import Window
from nightlights.manifests import Name, Record, read_record, write_record
from nightlights.progress import Progress
from nightlights.settings import Settings
from nightlights.sources.earthengine.client import connect
from nightlights.sources.earthengine.exports import Export, start_image_export, start_patch_export
from nightlights.sources.earthengine.operations import (
    Operation,
    cancel_operation,
    find_operation,
    list_operations,
)
from nightlights.sources.earthengine.products import RADIANCE_BAND, daytime_bands
from nightlights.sources.earthengine.readers import (
    FetchedImages,
    GeoTiffs,
    Patches,
    RegionReader,
    write_patches,
)
from nightlights.sources.earthengine.sampling import choose_patches

if TYPE_CHECKING:
    import ee

STATE_FILE: Final = "batch.json"
Layer = Literal["daytime", "nighttime", "patches"]
_LAYERS: Final[dict[FileFormat, tuple[Layer, ...]]] = {
    "GeoTIFF": ("daytime", "nighttime"),
    "TFRecord": ("patches",),
}
_WORDS: Final[dict[Layer, str]] = {
    "daytime": "daytime image",
    "nighttime": "night-time image",
    "patches": "patches",
}


class TaskRecord(Record):
    """One task of a batch export. ``operation`` is None until Earth Engine has answered."""

    region: Name
    layer: Layer
    attempt: int = 1
    operation: str | None = None
    files: list[str] | None = None


class BatchRecord(Record):
    """``batch.json``: the tasks of one export. ``export`` tells it from every other one."""

    schema_version: Literal[1] = 1
    export: str
    destination: Destination
    file_format: FileFormat
    tasks: list[TaskRecord] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between two looks at the tasks: the first, by what it grows, and the longest.

    ``step_s`` is the longest time in which nobody asks whether to stop.
    """

    first_s: float = 2.0
    growth: float = 1.5
    longest_s: float = 60.0
    step_s: float = 0.5

    @classmethod
    def of(cls, settings: Settings) -> "Pauses":
        """Short ones for a local test server, whose tasks take no time."""
        return cls(0.02, 1.5, 0.5, 0.1) if settings.earthengine_url else cls()


def fetch_batch(
    request: EarthEngineRequest,
    settings: Settings,
    windows: Mapping[str, Window],
    folder: Path,
    progress: Progress,
    *,
    pauses: Pauses | None = None,
    sleep: Callable[[float], None] = time.sleep,
    new_id: Callable[[], str] = lambda: secrets.token_hex(5),
) -> FetchedImages:
    """Export the images of ``windows`` by Earth Engine's tasks, and fetch them into ``folder``.

    Tasks that an earlier call in ``folder`` started are waited for, not started again; those that failed
    or were cancelled since are. Cancelling cancels the tasks that have not ended.

    Parameters
    ----------
    windows:
        By the name of their region.
    progress:
        Told in tasks.
    pauses, sleep:
        Between two looks at the tasks.
    new_id:
        Gives the name of a new export.

    Returns
    -------
    FetchedImages
        Reads the files.

    Raises
    ------
    EarthEngineError
        When a task fails, its files are not in the bucket, or Earth Engine or Cloud Storage cannot be
        reached.
    NightlightsError
        When all is done and the files lie on Drive: which ones, and how they become a dataset.
    Cancelled
        When ``progress`` says so.
    """
    make_folder(folder)
    work = _Batch(request, settings, dict(windows), folder, progress, daytime_bands(request.daytime))
    work.begin(new_id)
    try:
        work.start()
        work.wait(pauses or Pauses.of(settings), sleep)
    except Cancelled:
        work.cancel()
        raise
    if request.destination == "Drive":
        raise work.on_drive()
    return FetchedImages({name: (window, work.reader(name)) for name, window in windows.items()})


@dataclass
class _Batch:
    """One batch export at work."""

    request: EarthEngineRequest
    settings: Settings
    windows: dict[str, Window]
    folder: Path
    progress: Progress
    bands: tuple[Band, ...]
    record: BatchRecord = field(init=False)
    _resumed: bool = field(init=False, default=False)
    _finished: float = field(init=False, default=0.0)

    @property
    def tasks(self) -> list[TaskRecord]:
        """Those of the regions that are wanted now."""
        return [task for task in self.record.tasks if task.region in self.windows]

    @property
    def unfinished(self) -> list[TaskRecord]:
        """Those whose files are not here yet."""
        return [task for task in self.tasks if task.files is None]

    def begin(self, new_id: Callable[[], str]) -> None:
        """Take up the export of this folder, or begin a new one, and write down what will be asked for."""
        path = self.folder / STATE_FILE
        self._resumed = path.exists()
        if self._resumed:
            self.record = read_record(path, BatchRecord)
        else:
            self.record = BatchRecord(
                export=new_id(),
                destination=self.request.destination,
                file_format=self.request.file_format,
            )
        known = {(task.region, task.layer) for task in self.record.tasks}
        for region in self.windows:
            for layer in _LAYERS[self.request.file_format]:
                if (region, layer) not in known:
                    self.record.tasks.append(TaskRecord(region=region, layer=layer))
        if self.request.file_format == "TFRecord":
            for region in self.windows:
                self._patches(region)
        self.save()

    def save(self) -> None:
        """Write the state, whole."""
        write_record(self.folder / STATE_FILE, self.record)

    def start(self) -> None:
        """Start every task that does not run and is not done."""
        if self.unfinished:
            connect(self.settings)
        for task in self.unfinished:
            if task.files is None and task.operation is not None:
                found = find_operation(task.operation, self.settings)
                if found is None or found.state in ("failed", "cancelled", "cancelling"):
                    task.operation, task.attempt = None, task.attempt + 1
                    self.save()
        new = [task for task in self.unfinished if task.operation is None]
        there: dict[str, Operation] = {}
        if new and self._resumed:
            there = {each.description: each for each in list_operations(self.settings)}
        for task in new:
            if self.export_of(task).description not in there:
                self.tell(0, len(new), f"Checking the {_WORDS[task.layer]} of {task.region}")
                self._check_images(task)
        for number, task in enumerate(new):
            export = self.export_of(task)
            self.tell(number, len(new), f"Starting the task {export.description}")
            found = there.get(export.description)
            task.operation = found.name if found is not None else self._submit(task, export)
            self.save()

    def export_of(self, task: TaskRecord) -> Export:
        """How the export of a task is called, and where it goes."""
        record = self.record
        name = f"{task.region}-{task.layer}"
        if record.destination == "Drive":
            folder = f"{self.settings.bucket_folder.replace('/', '-')}-{record.export}"
            prefix = name if task.attempt == 1 else f"{name}-{task.attempt}"
        else:
            # A folder for each region and attempt: no file's name begins with another task's prefix.
            folder = f"{self.settings.bucket_folder}/exports/{record.export}/{task.region}/{task.attempt}"
            prefix = task.layer
        return Export(
            destination=record.destination,
            folder=folder,
            prefix=prefix,
            description=f"{name}-{record.export}-{task.attempt}",
            request_id=f"nightlights-{record.export}-{self.record.tasks.index(task)}-{task.attempt}",
        )

    def _images(self, task: TaskRecord) -> "tuple[ee.Image | None, ee.Image | None]":
        """The daytime and the night-time composite that a task exports."""
        from nightlights.sources.earthengine.images import daytime_image, nighttime_image

        window = self.windows[task.region]
        day = None if task.layer == "nighttime" else daytime_image(self.request.daytime, window)
        night = None if task.layer == "daytime" else nighttime_image(self.request.nighttime, window)
        return day, night

    def _check_images(self, task: TaskRecord) -> None:
        """Refuse a composite of no images: without bands, its export fails or is refused in other words."""
        from nightlights.sources.earthengine.pixels import check_bands

        day, night = self._images(task)
        if night is not None:
            check_bands(night, [RADIANCE_BAND], self.settings)
        if day is not None:
            check_bands(day, [band.name for band in self.bands], self.settings)

    def _submit(self, task: TaskRecord, export: Export) -> str:
        window = self.windows[task.region]
        day, night = self._images(task)
        if day is not None and night is not None:
            names = [*(band.name for band in self.bands), RADIANCE_BAND]
            patches = self._patches(task.region)
            return start_patch_export(day.addBands(night), names, window, patches, export, self.settings)
        return start_image_export(
            day if day is not None else night, window, export, self.settings, fine=day is not None
        )

    def _patches(self, region: str) -> list[Window]:
        asked = self.request
        return choose_patches(self.windows[region], asked.patch_size, asked.patches_per_region, asked.seed)

    def wait(self, pauses: Pauses, sleep: Callable[[float], None]) -> None:
        """Fetch the files of each task as it ends, until none is left."""
        pause = pauses.first_s
        while self.unfinished:
            operations = self._look()
            failed = [each for each in operations.values() if each.state in ("failed", "cancelled")]
            for task in self.unfinished:
                operation = operations[task.operation or ""]
                if operation.state == "done":
                    self._fetch(task)
            self._tell_operations(operations)
            if failed:
                raise self._failure(failed[0])
            if self.unfinished:
                self._pause(pause, pauses.step_s, sleep, operations)
                pause = min(pause * pauses.growth, pauses.longest_s)

    def _look(self) -> dict[str, Operation]:
        """The operations of all unfinished tasks, by one request where they are many."""
        wanted = [task.operation or "" for task in self.unfinished]
        listed = {}
        if len(wanted) > 2:
            listed = {each.name: each for each in list_operations(self.settings)}
        found = {name: listed.get(name) or find_operation(name, self.settings) for name in wanted}
        gone = [name for name, operation in found.items() if operation is None]
        if gone:
            raise EarthEngineError(
                f"Earth Engine does not know the task {gone[0].rsplit('/', 1)[-1]} any more.",
                "Resume it to start that task again.",
            )
        return {name: operation for name, operation in found.items() if operation is not None}

    def _failure(self, operation: Operation) -> EarthEngineError:
        task = next(task for task in self.unfinished if task.operation == operation.name)
        what = f"The {_WORDS[task.layer]} of {task.region} could not be exported"
        if operation.state == "cancelled":
            return EarthEngineError(f"{what}: its task was cancelled.", "Resume it to start the task again.")
        reason = operation.error.rstrip(".") or "Earth Engine gives no reason"
        return EarthEngineError(f"{what}: {reason}.", operation.remedy)

    def _fetch(self, task: TaskRecord) -> None:
        if self.record.destination == "Drive":
            task.files = []
        else:
            task.files = self._download(task)
        self.save()

    def _download(self, task: TaskRecord) -> list[str]:
        """Fetch the files of a finished task, and look at them."""
        from nightlights.storage import open_bucket

        store, export = open_bucket(self.settings), self.export_of(task)
        names = [each.name for each in store.list(export.path) if not each.name.endswith("mixer.json")]
        what = f"{task.region}, {_WORDS[task.layer]}"
        if not names:
            task.operation, task.attempt = None, task.attempt + 1
            self.save()
            raise EarthEngineError(
                f"The files of {what}, are not in the bucket.",
                "Is it the bucket that they were exported to? Resume it to export them again.",
            )
        folder = self.folder / task.region / str(task.attempt)
        paths = store.download(names, folder, _Within(self, f"Fetching {what}"))
        if task.layer == "patches":
            bands = [band.name for band in self.bands]
            window = self.windows[task.region]
            write_patches(
                paths, bands, RADIANCE_BAND, window, self._patches(task.region), self.folder / task.region
            )
        return [str(path.relative_to(self.folder)) for path in paths]

    def reader(self, region: str) -> RegionReader:
        """What reads the files of a region.

        Raises
        ------
        RasterError
            When they are not what was asked for.
        """
        window = self.windows[region]
        if self.record.file_format == "TFRecord":
            return Patches(window, self.folder / region)
        files = {
            task.layer: [self.folder / name for name in task.files or ()]
            for task in self.tasks
            if task.region == region
        }
        reader = GeoTiffs(window, files["daytime"], files["nighttime"], [band.name for band in self.bands])
        reader.check()
        return reader

    def cancel(self) -> None:
        """Ask Earth Engine to stop what has not ended; what goes on all the same is seen on resuming."""
        for task in self.unfinished:
            if task.operation is not None:
                try:
                    cancel_operation(task.operation, self.settings)
                except NightlightsError:
                    continue

    def on_drive(self) -> NightlightsError:
        """What to do with files that only their owner can fetch."""
        exports = [self.export_of(task) for task in self.tasks]
        names = ", ".join(f"{export.prefix}*" for export in exports)
        if self.record.file_format == "TFRecord":
            command = "datasets import --scaling physical --other-role train '*-patches*.tfrecord.gz'"
        else:
            command = "export --source rasters --daytime '*-daytime*.tif' --nighttime '*-nighttime*.tif'"
        return NightlightsError(
            f"The tasks are done; their files are on Drive in the folder {exports[0].folder}: {names}.",
            f"Download them, and make a dataset of them: nightlights {command} (and more, see its --help).",
        )

    def tell(self, done: float, total: float, message: str) -> None:
        """Pass on how far it is, in tasks."""
        self.progress.update(done, total, unit="tasks", message=message)

    def tell_within(self, message: str) -> None:
        """Pass on that a step goes on within the same number of tasks."""
        done = len(self.tasks) - len(self.unfinished)
        self.tell(max(self._finished, done), len(self.tasks), message)

    def _tell_operations(self, operations: Mapping[str, Operation]) -> None:
        active = [each for each in operations.values() if each.active]
        fetched = len(self.tasks) - len(self.unfinished)
        self._finished = fetched + sum(each.progress or 0.0 for each in active)
        running = sum(each.state == "running" for each in active)
        words = f"Earth Engine: {fetched} of {len(self.tasks)} tasks done, {running} running"
        spent = sum(each.eecu_seconds or 0.0 for each in operations.values())
        self.tell_within(words + (f", {spent:,.0f} EECU-seconds" if spent else ""))

    def _pause(
        self,
        seconds: float,
        step: float,
        sleep: Callable[[float], None],
        operations: Mapping[str, Operation],
    ) -> None:
        left = seconds
        while left > 0:
            sleep(min(left, step))
            left -= step
            self._tell_operations(operations)


@dataclass(frozen=True)
class _Within:
    """Progress in megabytes of one step among tasks."""

    batch: _Batch
    what: str

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        self.batch.tell_within(f"{self.what}: {done:,.0f} of {total:,.0f} {unit}")
