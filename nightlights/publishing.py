"""Publishing a prediction: to the bucket, and as an Earth Engine asset; done once, however often tried.

How far it is stands in ``publication.json`` beside the prediction. Names in the bucket and of the asset
follow from the prediction and its content, so that a repeated publication finds what an earlier one made.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nightlights import __version__, files
from nightlights.errors import EarthEngineError, NewerVersionError, NightlightsError, WorkspaceError
from nightlights.manifests import (
    DatasetManifest,
    PredictionRecord,
    PublicationRecord,
    PublishRequest,
    RunRecord,
    now,
    read_record,
    write_record,
)
from nightlights.progress import Progress
from nightlights.settings import Settings
from nightlights.workspace import Workspace

if TYPE_CHECKING:
    from nightlights.sources.earthengine.assets import ImageContent

PUBLICATION_FILE: Final = "publication.json"
BAND: Final = "radiance"
"""Name of the one band of the asset."""
_STEPS: Final = 3
_TRIES: Final = 3


def publish(
    workspace: Workspace,
    request: PublishRequest,
    progress: Progress,
    settings: Settings | None = None,
    *,
    clock: Callable[[], datetime] = now,
    sleep: Callable[[float], None] = time.sleep,
) -> PublicationRecord:
    """Send a prediction to the bucket, and make an asset of it where asked for.

    What is there already with the same content is neither sent nor made again.

    Parameters
    ----------
    settings:
        Bucket, folder and project; of the environment unless given.
    clock, sleep:
        The time now, and waiting between two looks at the ingestion.

    Raises
    ------
    WorkspaceError
        When there is no such prediction.
    EarthEngineError
        When the bucket or Earth Engine refuses, the ingestion fails, or an asset of that name has other
        content and ``overwrite`` is not asked for.
    Cancelled
        When ``progress`` says so; the ingestion goes on, and publishing again finds it.
    """
    settings = settings or Settings.from_environment(workspace=workspace.root)
    folder = workspace.prediction_folder(request.prediction)
    if not (folder / "prediction.json").is_file():
        known = ", ".join(workspace.prediction_names()) or "none yet"
        raise WorkspaceError(f"There is no prediction {request.prediction}.", f"Predictions: {known}.")
    prediction = read_record(folder / "prediction.json", PredictionRecord)
    work = _Publication(workspace, request, prediction, folder, settings, progress)
    work.begin(clock())
    work.upload()
    if request.ingest:
        work.ingest(sleep)
    work.keep(finished=clock())
    progress.update(_STEPS, _STEPS, unit="steps", message="Published")
    return work.record


def read_publication(workspace: Workspace, prediction: str) -> PublicationRecord:
    """Where a prediction was published, and how far that is.

    Raises
    ------
    WorkspaceError
        When it never was.
    """
    return read_record(workspace.prediction_folder(prediction) / PUBLICATION_FILE, PublicationRecord)


@dataclass
class _Publication:
    """One publication at work."""

    workspace: Workspace
    request: PublishRequest
    prediction: PredictionRecord
    folder: Path
    settings: Settings
    progress: Progress
    raster: Path = field(init=False)
    record: PublicationRecord = field(init=False)
    _period: tuple[date | None, date | None] = field(init=False)
    _addresses: list[str] = field(init=False)

    def begin(self, moment: datetime) -> None:
        """Take up the publication of the same content, or begin a new one."""
        self._tell(0, "Reading the prediction")
        self.raster = self.folder / self.prediction.layers["prediction"]
        if not self.raster.is_file():
            raise WorkspaceError(
                f"The prediction {self.prediction.name} has lost its file {self.raster.name}.",
                "Predict it again.",
            )
        content = files.sha256(self.raster)
        properties, self._period = self._describe(content)
        self.record = PublicationRecord(
            prediction=self.prediction.name,
            form=self.request.form,
            sha256=content,
            simulated=self.prediction.source.simulated,
            started=moment,
            properties=properties,
        )
        before = self._earlier()
        if before is not None and (before.sha256, before.form) == (content, self.request.form):
            told = {"asset": before.asset, "operation": before.operation, "files": before.files}
            self.keep(**told, eecu_seconds=before.eecu_seconds, started=before.started)

    def _earlier(self) -> PublicationRecord | None:
        """The record of an earlier publication, or None where there is none that can be read."""
        try:
            return read_record(self.folder / PUBLICATION_FILE, PublicationRecord)
        except NewerVersionError:
            raise
        except WorkspaceError:
            return None

    def keep(self, **changes: Any) -> None:
        """Write the state with ``changes``."""
        self.record = self.record.model_copy(update=changes)
        write_record(self.folder / PUBLICATION_FILE, self.record)

    def upload(self) -> None:
        """Send the files; those that are there with the same checksum are left alone."""
        from nightlights.storage import open_bucket

        store = open_bucket(self.settings)
        place = f"{self.settings.bucket_folder}/predictions/{self.prediction.name}/{self.record.sha256[:12]}"
        paths = [self.raster] if self.request.form == "COG" else self._tfrecords()
        names = []
        for number, path in enumerate(paths):
            self._tell(number / len(paths), f"Sending {path.name}")
            names.append(
                store.upload(path, f"{place}/{path.name}", self._within(f"Sending {path.name}")).name
            )
        self._addresses = [store.address(name) for name in names]
        self.keep(files=names)
        shutil.rmtree(self._patches_folder, ignore_errors=True)

    def _tfrecords(self) -> list[Path]:
        """The prediction as patches and mixer, in the prediction's folder until they are sent."""
        from nightlights.tfrecords.predictions import write_prediction_tfrecord

        files.make_folder(self._patches_folder)
        return write_prediction_tfrecord(self.raster, self._patches_folder)

    @property
    def _patches_folder(self) -> Path:
        return self.folder / f"{files.PARTIAL_PREFIX}tfrecord"

    def ingest(self, sleep: Callable[[float], None]) -> None:
        """Make the asset, and wait until it is there."""
        from nightlights.sources.earthengine.assets import (
            asset_name,
            find_asset,
            keep_properties,
            start_ingestion,
        )

        asset = asset_name(self.request.asset or self.prediction.name, self.settings)
        if asset != self.record.asset:
            self.keep(asset=asset, operation=None, eecu_seconds=None)
        self._tell(1, f"Asking Earth Engine for the asset {asset}")
        for _ in range(_TRIES):
            operation = start_ingestion(
                asset, self._content(), self.settings, overwrite=self.request.overwrite, sleep=sleep
            )
            if operation is None:
                keep_properties(asset, self.record.properties, self.settings)
                return
            self.keep(operation=operation)
            self._wait(operation, sleep)
            found = find_asset(asset, self.settings)
            if found is not None and found.sha256 == self.record.sha256:
                return
            # It was the ingestion of an older content, which had been running already.
        raise EarthEngineError(
            f"The asset {asset} does not hold this prediction.", "Does somebody else write it? Try again."
        )

    def _wait(self, name: str, sleep: Callable[[float], None]) -> None:
        from nightlights.sources.earthengine.batch import Pauses
        from nightlights.sources.earthengine.operations import get_operation

        pauses = Pauses.of(self.settings)
        pause = pauses.first_s
        while True:
            operation = get_operation(name, self.settings)
            done = operation.progress or 0.0
            self._tell(1 + done, f"Earth Engine makes the asset: {operation.state}")
            if operation.eecu_seconds is not None:
                self.keep(eecu_seconds=operation.eecu_seconds)
            if operation.state == "done":
                return
            if not operation.active:
                self.keep(operation=None)
                reason = operation.error.rstrip(".") or operation.state
                raise EarthEngineError(f"The asset could not be made: {reason}.", operation.remedy)
            left = pause
            while left > 0:
                sleep(min(left, pauses.step_s))
                left -= pauses.step_s
                self._tell(1 + done, f"Earth Engine makes the asset: {operation.state}")
            pause = min(pause * pauses.growth, pauses.longest_s)

    def _content(self) -> "ImageContent":
        from nightlights.sources.earthengine.assets import ImageContent
        from nightlights.sources.earthengine.products import MISSING

        start, end = self._period
        return ImageContent(
            uris=self._addresses,
            band=BAND,
            missing=MISSING if self.request.form == "TFRecord" else None,
            properties=self.record.properties,
            start=start,
            end=end,
        )

    def _describe(self, content: str) -> tuple[dict[str, str | float], tuple[date | None, date | None]]:
        """The properties of the asset, and first and last day where the imagery has a period."""
        prediction = self.prediction
        properties: dict[str, str | float] = {
            "run": prediction.run,
            "region": prediction.region,
            "units": prediction.unit,
            "licence": self.request.licence,
            "source": prediction.source.label,
            "simulated": "yes" if prediction.source.simulated else "no",
            "created": prediction.created.isoformat(),
            "software": f"nightlights {__version__}",
            "sha256": content,
        }
        if prediction.score is not None:
            properties["rmse"] = prediction.score.rmse
        with contextlib.suppress(WorkspaceError):
            run = read_record(self.workspace.run_folder(prediction.run) / "run.json", RunRecord)
            properties["model"] = run.settings.network
        start, end = self._dates()
        if start is not None and end is not None:
            properties |= {"period_start": start.isoformat(), "period_end": end.isoformat()}
        return properties, (start, end)

    def _dates(self) -> tuple[date | None, date | None]:
        told: Mapping[str, Any] = self.prediction.source.parameters
        for key in ("request", "earthengine"):
            told = told.get(key, told) if isinstance(told.get(key), dict) else told
        night = told.get("nighttime")
        if isinstance(night, dict) and night.get("start") and night.get("end"):
            return date.fromisoformat(night["start"]), date.fromisoformat(night["end"])
        with contextlib.suppress(NightlightsError):
            path = self.workspace.dataset_folder(self.prediction.dataset) / "dataset.json"
            dataset = read_record(path, DatasetManifest)
            if dataset.period_start and dataset.period_end:
                return date.fromisoformat(dataset.period_start), date.fromisoformat(dataset.period_end)
        return None, None

    def _tell(self, done: float, message: str) -> None:
        self.progress.update(done, _STEPS, unit="steps", message=message)

    def _within(self, message: str) -> Progress:
        return _Within(self.progress, message)


@dataclass(frozen=True)
class _Within:
    """Progress in megabytes within the first step."""

    progress: Progress
    message: str

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        words = f"{self.message}: {done:,.0f} of {total:,.0f} {unit}"
        self.progress.update(done / total if total else 0.0, _STEPS, unit="steps", message=words)


def run_publish(workspace: Workspace, request: PublishRequest, progress: Progress, *, resume: bool) -> None:
    """Handle a publication job; it finds by itself what an earlier attempt made."""
    publish(workspace, request, progress)
