"""Questions to a distant service: asked in threads beside the page, cached, refreshed, retried."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.manifests import now

PATIENCE_S: Final = 0.5
"""How long a page waits before it paints without the answer."""
RETRY_S: Final = 20.0
"""How long after a failure the same question may be asked again."""

_KEPT: Final = 256
_SECONDS_BETWEEN_LOOKS: Final = 1

Value = TypeVar("Value")


@dataclass(slots=True)
class _Question:
    future: "Future[Any]"
    finished: float | None = None
    moment: datetime | None = None
    newer: "_Question | None" = None
    """The refresh that is under way."""
    failed: "_Question | None" = None
    """The last refresh, where it failed."""


@dataclass(frozen=True, slots=True)
class Reply(Generic[Value]):
    """The answer to a question, or the future of one.

    Attributes
    ----------
    future:
        The newest answer that did not fail; without any, the attempt that is under way or failed.
    as_of:
        When it was given (UTC); None while it is under way.
    age_s:
        Seconds since then.
    refresh_failure:
        Why the last refresh of it failed; None where it did not.
    """

    future: "Future[Value]"
    as_of: datetime | None
    age_s: float
    refresh_failure: NightlightsError | None


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """A value with its age; the attributes are those of :class:`Reply`."""

    value: Value
    as_of: datetime
    age_s: float
    refresh_failure: NightlightsError | None


class Background:
    """Questions and their answers, shared by all visitors; the oldest are forgotten.

    Parameters
    ----------
    clock:
        Seconds that only grow.
    moment:
        The present time.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, moment: Callable[[], datetime] = now
    ) -> None:
        self._clock = clock
        self._moment = moment
        self._lock = threading.Lock()
        self._questions: OrderedDict[Hashable, _Question] = OrderedDict()
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="question")

    def ask(
        self,
        key: Hashable,
        work: Callable[[], Value],
        maximum_age_s: float,
        valid_s: float = float("inf"),
    ) -> "Reply[Value]":
        """The answer to ``key``, from ``work`` unless there is one.

        An answer older than ``maximum_age_s`` is refreshed, and given until the refresh has succeeded; one
        older than ``valid_s`` is dropped. After a failure, ``work`` is called again :data:`RETRY_S`
        later at the earliest, however often the page runs.
        """
        with self._lock:
            question = self._current(key, valid_s)
            if question is None or (_has_failed(question) and self._age(question) > RETRY_S):
                question = self._questions[key] = self._begin(work)
                while len(self._questions) > _KEPT:
                    self._questions.popitem(last=False)
            elif self._is_due(question, maximum_age_s):
                question.newer = self._begin(work)
            failure = failure_of(question.failed.future) if question.failed else None
            return Reply(question.future, question.moment, self._age(question), failure)

    def peek(self, key: Hashable) -> "Future[Any] | None":
        """The answer to ``key`` if it was ever asked for."""
        with self._lock:
            question = self._questions.get(key)
            return question.future if question else None

    def forget(self, key: Hashable) -> None:
        """Let the next :meth:`ask` for ``key`` call its work again."""
        with self._lock:
            self._questions.pop(key, None)

    def _current(self, key: Hashable, valid_s: float) -> _Question | None:
        """The question that answers ``key`` now; a refresh replaces a good answer only if it succeeded."""
        question = self._questions.get(key)
        if question is None:
            return None
        newer = question.newer
        if newer is not None and newer.finished is not None:
            question.newer = None
            if _has_failed(newer):
                question.failed = newer
            else:
                question = self._questions[key] = newer
        if self._age(question) > valid_s and not _has_failed(question):
            expired = self._questions.pop(key)
            question = expired.newer or expired.failed
            if question is not None:
                self._questions[key] = question
        return question

    def _is_due(self, question: _Question, maximum_age_s: float) -> bool:
        """Whether a good answer should be refreshed now."""
        if _has_failed(question) or question.newer is not None or self._age(question) <= maximum_age_s:
            return False
        return question.failed is None or self._age(question.failed) > RETRY_S

    def _begin(self, work: Callable[[], Any]) -> _Question:
        question = _Question(self._threads.submit(work))
        question.future.add_done_callback(lambda _: self._stamp(question))
        return question

    def _stamp(self, question: _Question) -> None:
        question.moment = self._moment()
        question.finished = self._clock()

    def _age(self, question: _Question) -> float:
        return 0.0 if question.finished is None else self._clock() - question.finished


def _has_failed(question: _Question) -> bool:
    return question.future.done() and question.future.exception() is not None


@st.cache_resource(show_spinner=False)
def background() -> Background:
    """The questions of this process."""
    return Background()


def answer(
    key: Hashable,
    work: Callable[[], Value],
    waiting: str,
    *,
    maximum_age_s: float = 3600.0,
    valid_s: float = float("inf"),
) -> Value | None:
    """The answer to ``key``; None while it is under way, which the page then shows.

    A good answer is given while its refresh fails: right for what stays valid, such as the address of a
    layer. Where its age matters, use :func:`dated_answer`.

    Parameters
    ----------
    key:
        Names the question and everything that it depends on.
    work:
        Finds the answer; runs in a thread of its own, so it must not draw.
    waiting:
        Shown meanwhile; the page runs again by itself when the answer is there.
    maximum_age_s:
        An older answer, in seconds, is refreshed; it is given until the refresh has succeeded.
    valid_s:
        An older answer, in seconds, is dropped.

    Raises
    ------
    NightlightsError
        Why ``work`` failed, where there is no valid answer.
    """
    dated = dated_answer(key, work, waiting, maximum_age_s=maximum_age_s, valid_s=valid_s)
    return None if dated is None else dated.value


def dated_answer(
    key: Hashable,
    work: Callable[[], Value],
    waiting: str,
    *,
    maximum_age_s: float = 3600.0,
    valid_s: float = float("inf"),
) -> Answer[Value] | None:
    """Like :func:`answer`, with the time of the answer and why it could not be refreshed."""
    reply = background().ask(key, work, maximum_age_s, valid_s)
    if not is_done(reply.future):
        st.caption(waiting)
        wait_for(reply.future)
        return None
    if error := failure_of(reply.future):
        raise error
    return Answer(reply.future.result(), reply.as_of or now(), reply.age_s, reply.refresh_failure)


def is_done(future: "Future[Any]") -> bool:
    """Whether the answer is there, after a moment's patience."""
    try:
        future.exception(timeout=PATIENCE_S)
    except TimeoutError:
        return False
    return True


def wait_for(future: "Future[Any]") -> None:
    """Run the page again when the answer is there."""
    st.fragment(_look_again, run_every=_SECONDS_BETWEEN_LOOKS)(future)


def _look_again(future: "Future[Any]") -> None:
    if future.done():
        st.rerun()


def failure_of(future: "Future[Any]") -> NightlightsError | None:
    """Why there is no answer, in words, or None."""
    error = future.exception() if future.done() else None
    if error is None or isinstance(error, NightlightsError):
        return error
    # Words of other errors are not ours, and may name what must not be shown.
    return NightlightsError(f"It failed unexpectedly ({type(error).__name__}).", "Try again.")
