"""Progress that another process can read: written whole, a few times a second, with the time left."""

import contextlib
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from threading import Event

from nightlights.errors import Cancelled, WorkspaceError
from nightlights.jobs.records import JobFiles, StateRecord
from nightlights.manifests import Failure, JobProgress, JobState, now, write_record
from nightlights.progress import NoProgress, Progress

WRITE_INTERVAL_SECONDS = 0.25
RATE_WINDOW_SECONDS = 60.0
"""The time left is estimated from the rate over this long."""

_SHORTEST_ESTIMATE_SECONDS = 1.0
_LARGEST_SHARE_OF_TIME = 0.1


class RateEstimator:
    """Estimates the seconds left from how fast the work went of late."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()
        self._total = 0.0

    def seconds_left(self, moment: float, done: float, total: float) -> float | None:
        """Take in a sample at ``moment`` (seconds); None while too little is known."""
        if total != self._total or (self._samples and done < self._samples[-1][1]):
            self._samples.clear()
            self._total = total
        self._samples.append((moment, done))
        # One sample older than the window stays, so that slow work has something to be measured against.
        while len(self._samples) > 2 and moment - self._samples[1][0] > RATE_WINDOW_SECONDS:
            self._samples.popleft()
        first_moment, first_done = self._samples[0]
        elapsed, gained = moment - first_moment, done - first_done
        if elapsed < _SHORTEST_ESTIMATE_SECONDS or gained <= 0:
            return None
        return max(total - done, 0.0) * elapsed / gained


class StateWriter:
    """Keeps ``state.json`` of one job; a :class:`~nightlights.progress.Progress` for the work itself.

    Parameters
    ----------
    files:
        The job's files.
    state:
        The state to begin with.
    display:
        Is told the same, for a terminal.
    clock, moment:
        Monotonic seconds, and the present time.
    """

    def __init__(
        self,
        files: JobFiles,
        state: StateRecord,
        display: Progress | None = None,
        clock: Callable[[], float] = time.monotonic,
        moment: Callable[[], datetime] = now,
    ) -> None:
        self.stop = Event()
        self._files = files
        self._state = state
        self._display = display or NoProgress()
        self._clock = clock
        self._moment = moment
        self._rate = RateEstimator()
        self._next_write = -float("inf")

    def begin(self) -> None:
        """Write that the work runs."""
        moment = self._moment()
        self._state = self._state.model_copy(
            update={"state": "running", "started": moment, "finished": None, "failure": None}
        )
        write_record(self._files.state, self._state)

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """See :meth:`nightlights.progress.Progress.update`. A full disk does not stop the work here."""
        if self.stop.is_set() or self._files.cancel.exists():
            raise Cancelled
        previous = self._state.progress
        started = self._clock()
        self._state.progress = JobProgress(
            done=done,
            total=total,
            unit=unit,
            message=message,
            updated=self._moment(),
            seconds_left=self._rate.seconds_left(started, done, total),
        )
        self._display.update(done, total, unit=unit, message=message)
        if started >= self._next_write or (previous.total, previous.unit) != (total, unit):
            with contextlib.suppress(WorkspaceError):
                write_record(self._files.state, self._state)
            # A slow disk must not hold up the work: writing takes a tenth of the time at most.
            spent = self._clock() - started
            self._next_write = started + max(WRITE_INTERVAL_SECONDS, spent / _LARGEST_SHARE_OF_TIME)

    def finish(self, state: JobState, failure: Failure | None = None) -> None:
        """Write the last state; on a full disk the job's reserve makes room for it.

        Raises
        ------
        WorkspaceError
            When it cannot be written even so.
        """
        self._state = self._state.model_copy(
            update={"state": state, "finished": self._moment(), "failure": failure}
        )
        self._state.progress = self._state.progress.model_copy(update={"seconds_left": None})
        try:
            write_record(self._files.state, self._state)
        except WorkspaceError:
            self._files.reserve.unlink(missing_ok=True)
            write_record(self._files.state, self._state)
