"""Questions to a distant service, asked beside the page: it paints at once and says what it waits for."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import streamlit as st

from nightlights.errors import NightlightsError

PATIENCE_S: Final = 0.5
"""How long a page waits before it paints without the answer."""

_KEPT: Final = 256
_SECONDS_BETWEEN_LOOKS: Final = 1
_FAILURE_KEPT_S: Final = 20.0

Value = TypeVar("Value")


@dataclass(slots=True)
class _Question:
    future: "Future[Any]"
    finished: float | None = None
    newer: "_Question | None" = None


class Background:
    """Questions and their answers, shared by all visitors; the oldest are forgotten.

    Parameters
    ----------
    clock:
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._questions: OrderedDict[Hashable, _Question] = OrderedDict()
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="question")

    def ask(self, key: Hashable, work: Callable[[], Value], maximum_age_s: float) -> "Future[Value]":
        """The answer to ``key``, from ``work`` unless there is one.

        One that is older than ``maximum_age_s`` is given until ``work`` has found a newer one. A failure is
        kept for a few seconds only, so that a page that runs often does not repeat it at once.
        """
        with self._lock:
            question = self._questions.get(key)
            if question is not None and question.newer is not None and question.newer.finished is not None:
                question = self._questions[key] = question.newer
            if question is None or self._has_failed_long_ago(question):
                question = self._questions[key] = self._begin(work)
                while len(self._questions) > _KEPT:
                    self._questions.popitem(last=False)
            elif question.newer is None and self._age(question) > maximum_age_s:
                question.newer = self._begin(work)
            return question.future

    def peek(self, key: Hashable) -> "Future[Any] | None":
        """The answer to ``key`` if it was ever asked for."""
        with self._lock:
            question = self._questions.get(key)
            return question.future if question else None

    def forget(self, key: Hashable) -> None:
        """Let the next :meth:`ask` for ``key`` work anew."""
        with self._lock:
            self._questions.pop(key, None)

    def _begin(self, work: Callable[[], Any]) -> _Question:
        question = _Question(self._threads.submit(work))
        question.future.add_done_callback(lambda _: self._stamp(question))
        return question

    def _stamp(self, question: _Question) -> None:
        question.finished = self._clock()

    def _age(self, question: _Question) -> float:
        return 0.0 if question.finished is None else self._clock() - question.finished

    def _has_failed_long_ago(self, question: _Question) -> bool:
        failed = question.future.done() and question.future.exception() is not None
        return failed and self._age(question) > _FAILURE_KEPT_S


@st.cache_resource(show_spinner=False)
def background() -> Background:
    """The questions of this process."""
    return Background()


def answer(
    key: Hashable, work: Callable[[], Value], waiting: str, *, maximum_age_s: float = 3600.0
) -> Value | None:
    """The answer to ``key``; None while it is under way, which the page then says.

    Parameters
    ----------
    key:
        Names the question and everything that it depends on.
    work:
        Finds the answer; runs in a thread of its own, so it must not draw.
    waiting:
        Said meanwhile; the page runs again by itself when the answer is there.
    maximum_age_s:
        An older answer, in seconds, is asked for again; it is given until there is a newer one.

    Raises
    ------
    NightlightsError
        When ``work`` raised it.
    """
    future = background().ask(key, work, maximum_age_s)
    if is_done(future):
        return future.result()
    st.caption(waiting)
    wait_for(future)
    return None


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
