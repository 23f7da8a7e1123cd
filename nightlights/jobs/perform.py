"""The work of one job in this process, and how its end is told."""

import contextlib
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from nightlights.errors import Cancelled, JobError, NightlightsError
from nightlights.files import clear_os_errors
from nightlights.jobs.kinds import Kind, checked_request, load_reference
from nightlights.jobs.progress import StateWriter
from nightlights.jobs.records import JobFiles, JobRecord, StateRecord
from nightlights.manifests import Failure, read_record
from nightlights.progress import Progress
from nightlights.redaction import redact
from nightlights.settings import Settings
from nightlights.workspace import Workspace

OUT_OF_MEMORY = Failure(
    message="The machine ran out of memory.",
    remedy="Choose a smaller batch or patch size, or close other programs, and resume it.",
)


@contextlib.contextmanager
def _stopping_on_signal(writer: StateWriter) -> Iterator[None]:
    """Turn SIGTERM into a wish to stop at the next progress update."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda *_: writer.stop.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _out_of_memory(error: Exception) -> bool:
    # TensorFlow's error for a full device, told by name because TensorFlow is not imported here.
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _unexpected(error: Exception, secrets: Sequence[str]) -> Failure:
    reason = " ".join(redact(str(error), secrets).split())[:200]
    return Failure(
        message=f"The work stopped with an unexpected error: {type(error).__name__}: {reason}".rstrip(": ")
        + ".",
        remedy="See the log of the job.",
    )


def perform(
    workspace: Workspace, files: JobFiles, kind: Kind, display: Progress | None = None
) -> StateRecord:
    """Do the work of a job in this process, keeping its state.

    Raises
    ------
    NightlightsError
        Why it did not succeed, after the state says the same; :class:`Cancelled` when asked to stop.
    """
    secrets = Settings.from_environment(workspace=workspace.root).secrets
    record = read_record(files.job, JobRecord)
    state = read_record(files.state, StateRecord)
    writer = StateWriter(files, state, display)
    with _stopping_on_signal(writer):
        writer.begin()
        try:
            handler = cast(Callable[..., Any], load_reference(kind.handler))
            request = checked_request(kind, record.request)
            with clear_os_errors(workspace.root):
                handler(workspace, request, writer, resume=state.attempt > 1)
        except (Cancelled, KeyboardInterrupt) as error:
            writer.finish("cancelled")
            raise Cancelled from error
        except NightlightsError as error:
            writer.finish(
                "failed",
                Failure(message=redact(error.message, secrets), remedy=redact(error.remedy, secrets)),
            )
            raise
        except Exception as error:
            with contextlib.suppress(OSError), files.log.open("a", encoding="utf-8") as log:
                log.write(redact(traceback.format_exc(), secrets))
            memory = _out_of_memory(error)
            failure = OUT_OF_MEMORY if memory else _unexpected(error, secrets)
            writer.finish("interrupted" if memory else "failed", failure)
            # The log has the original, without what nobody may read; a traceback would have all of it.
            raise JobError(failure.message, failure.remedy) from None
        writer.finish("done")
    return read_record(files.state, StateRecord)
