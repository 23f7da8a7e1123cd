"""Earth Engine's operations, also called tasks: what they are, how far they are, and stopping them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from nightlights.errors import EarthEngineError
from nightlights.manifests import now
from nightlights.redaction import redact
from nightlights.settings import Settings
from nightlights.sources.earthengine.client import connect
from nightlights.sources.earthengine.failures import clear_earthengine_errors

OperationState = Literal["waiting", "running", "cancelling", "done", "failed", "cancelled"]

_STATES: Final[dict[str, OperationState]] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "CANCELLING": "cancelling",
    "SUCCEEDED": "done",
    "CANCELLED": "cancelled",
    "FAILED": "failed",
}
_KINDS: Final = {
    "EXPORT_IMAGE": "image export",
    "EXPORT_FEATURES": "table export",
    "EXPORT_TILES": "map export",
    "EXPORT_VIDEO": "video export",
    "EXPORT_CLASSIFIER": "classifier export",
    "INGEST_IMAGE": "image ingestion",
    "INGEST_TABLE": "table ingestion",
}
_NOT_FOUND: Final = 404
_BUCKET_ADDRESS: Final = re.compile(
    r"(?:gs://|https://(?:console|storage)\.(?:developers\.|cloud\.)?google(?:apis)?\.com/(?:storage/browser/)?)"
    r"([^/\s?]+)/?([^\s?]*)"
)
_ASSET_ADDRESS: Final = re.compile(r"[?&]asset=(\S+)")
_REMEDIES: Final = (
    (r"memory", "Choose smaller regions, fewer patches or a shorter period, and start it again."),
    (r"too many pixels|maxPixels", "Choose smaller regions."),
    (r"timed out|deadline", "Choose smaller regions or a shorter period, and start it again."),
    (r"quota|rate limit|too many", "Wait until other tasks are done, and start it again."),
    (r"bucket|storage\.objects|permission|access", "Check the bucket's name and its permissions."),
    (r"no bands|empty collection|no images", "Choose a longer period or weaker masks: no image was left."),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as it was when it was asked for.

    Attributes
    ----------
    name:
        ``projects/PROJECT/operations/ID``.
    runtime_s:
        Seconds since it began, or that it took; None before.
    eecu_seconds:
        Earth Engine compute it has used, in EECU-seconds; None where not told.
    destination:
        Where it writes, without the bucket's name.
    error, remedy:
        Why it failed, and what to do about it; empty otherwise.
    progress:
        From 0 to 1, None where not told.
    """

    name: str
    description: str
    kind: str
    state: OperationState
    created: datetime | None
    started: datetime | None
    finished: datetime | None
    runtime_s: float | None
    eecu_seconds: float | None
    destination: str
    error: str
    remedy: str
    attempt: int
    progress: float | None

    @property
    def id(self) -> str:
        """The last part of its name."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def active(self) -> bool:
        """Whether it has not ended yet."""
        return self.state in ("waiting", "running", "cancelling")


def list_operations(settings: Settings, *, clock: Callable[[], datetime] = now) -> list[Operation]:
    """The operations of the project, the newest first: all that run, and those of the last days.

    Raises
    ------
    EarthEngineError
        When Earth Engine cannot be asked.
    """
    connect(settings)
    import ee

    with clear_earthengine_errors(settings):
        answers = ee.data.listOperations()
    moment = clock()
    found = [_operation(each, settings, moment) for each in answers]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda each: (each.created or oldest, each.id), reverse=True)


def find_operation(
    operation: str, settings: Settings, *, clock: Callable[[], datetime] = now
) -> Operation | None:
    """One operation, by its id or whole name; None where Earth Engine knows none, or no longer.

    Raises
    ------
    EarthEngineError
        When Earth Engine cannot be asked.
    """
    answer = _ask(operation, settings)
    return None if answer is None else _operation(answer, settings, clock())


def get_operation(operation: str, settings: Settings, *, clock: Callable[[], datetime] = now) -> Operation:
    """Like :func:`find_operation`, where there must be one.

    Raises
    ------
    EarthEngineError
        When there is none, or Earth Engine cannot be asked.
    """
    found = find_operation(operation, settings, clock=clock)
    if found is None:
        raise EarthEngineError(
            f"Earth Engine knows no task {operation[:80]}.", "List the tasks to see their ids."
        )
    return found


def cancel_operation(operation: str, settings: Settings) -> Operation:
    """Ask Earth Engine to stop an operation; what it is afterwards.

    Raises
    ------
    EarthEngineError
        When there is none, it has ended already, or Earth Engine cannot be asked.
    """
    before = get_operation(operation, settings)
    if not before.active:
        raise EarthEngineError(f"Task {before.id} cannot be cancelled: it is {before.state}.")
    import ee

    with clear_earthengine_errors(settings):
        ee.data.cancelOperation(before.name)
    return get_operation(before.name, settings)


def stored_paths(operation: str, settings: Settings) -> list[str]:
    """What the names of an operation's files in the settings' bucket begin with; none for other places.

    Raises
    ------
    EarthEngineError
        When Earth Engine cannot be asked.
    """
    answer = _ask(operation, settings) or {}
    matches = [
        _BUCKET_ADDRESS.fullmatch(uri) for uri in answer.get("metadata", {}).get("destinationUris", ())
    ]
    return [match[2] for match in matches if match is not None and match[1] in settings.secrets]


def _ask(operation: str, settings: Settings) -> dict[str, Any] | None:
    name = _name(operation, settings)
    import ee

    with clear_earthengine_errors(settings):
        try:
            answer: dict[str, Any] = ee.data.getOperation(name)
        except ee.EEException as error:
            # The client keeps the status only in what its exception was raised from.
            if getattr(getattr(error.__context__, "resp", None), "status", None) != _NOT_FOUND:
                raise
            return None
    return answer


def _name(operation: str, settings: Settings) -> str:
    project = connect(settings).project
    if re.fullmatch(r"projects/[^/\s]+/operations/[^/\s]+", operation):
        return operation
    if not re.fullmatch(r"[A-Za-z0-9_-]+", operation):
        raise EarthEngineError(f"{operation[:80]!r} is no id of a task.", "List the tasks to see their ids.")
    return f"projects/{project}/operations/{operation}"


def _operation(answer: dict[str, Any], settings: Settings, moment: datetime) -> Operation:
    told = answer.get("metadata", {})
    started, finished = _time(told.get("startTime")), _time(told.get("endTime"))
    state = _STATES.get(told.get("state", ""), "waiting")
    message = answer.get("error", {}).get("message", "") if state in ("failed", "cancelled") else ""
    until = finished or (moment if state in ("running", "cancelling") else _time(told.get("updateTime")))
    eecu, progress = told.get("batchEecuUsageSeconds"), told.get("progress")
    return Operation(
        name=answer["name"],
        description=redact(told.get("description", ""), settings.secrets),
        kind=_KINDS.get(told.get("type", ""), told.get("type", "").replace("_", " ").lower() or "task"),
        state=state,
        created=_time(told.get("createTime")),
        started=started,
        finished=finished,
        runtime_s=max((until - started).total_seconds(), 0.0) if started and until else None,
        eecu_seconds=None if eecu is None else float(eecu),
        destination=_destination(told.get("destinationUris", ()), settings),
        error=_without_buckets(message, settings),
        remedy=advice(message) if state == "failed" else "",
        attempt=int(told.get("attempt", 1)),
        progress=None if progress is None else float(progress),
    )


def advice(error: str) -> str:
    """What to do about an operation that failed with ``error``."""
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, error, re.IGNORECASE):
            return remedy
    return "Start it again; if it fails again, choose smaller regions."


def _without_buckets(text: str, settings: Settings) -> str:
    return redact(_BUCKET_ADDRESS.sub(lambda match: f"Cloud Storage: {match[2]}", text), settings.secrets)


def _time(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text)


def _destination(uris: Sequence[str], settings: Settings) -> str:
    words = []
    for uri in uris:
        stored, asset = _BUCKET_ADDRESS.fullmatch(uri), _ASSET_ADDRESS.search(uri)
        if stored:
            words.append(f"Cloud Storage: {stored[2]}")
        elif asset:
            words.append(f"Asset: {asset[1]}")
        elif "drive.google.com" in uri:
            words.append("Drive")
    rest = f" and {len(words) - 1} more" if len(words) > 1 else ""
    return redact(words[0] + rest, settings.secrets) if words else ""
