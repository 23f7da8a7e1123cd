"""How the client's requests travel: again after a refusal or a cut, with growing waits, until a deadline.

The client retries five times by itself, waits up to a minute without being stoppable, and has no deadline.
Its own retries are switched off, and this transport is put under it, so that every request of the process
(pixels, exports, tasks, assets, maps) is treated alike.

What is sent again: 429 and 5xx answers, 403 answers for the rate of requests, and connections that break
off or time out (https://developers.google.com/earth-engine/guides/usage asks for exponential backoff).
Starting an ingestion carries no identifier by which Earth Engine would know it again, so that one is
repeated only after a 429, when it was surely not begun.
"""

import contextlib
import contextvars
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import httplib2
import requests
from requests.adapters import HTTPAdapter

from nightlights.errors import Cancelled, EarthEngineError

Trouble = Literal["unreachable", "broken", "slow", "busy", "unavailable"]


class TroubleError(EarthEngineError):
    """A request was not answered; it, or one like it, may succeed later.

    ``trouble`` tells why.
    """

    def __init__(self, trouble: Trouble, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.trouble = trouble


_NOT_REPEATABLE: Final = re.compile(r"/(image|table):(import|importExternal)(\?|$)")
_LONGEST_CONNECT_S: Final = 30.0
_CONNECTIONS: Final = 40


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait before a request is sent again.

    The n-th wait is a random share, a half to all, of ``first_s`` x 2^n, ``longest_s`` at most: many
    workers that were refused at once do not come back at once.

    Attributes
    ----------
    first_s, longest_s:
        In seconds.
    draw:
        Gives numbers from 0 to 1.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    draw: Callable[[], float] = random.random

    def before(self, attempt: int) -> float:
        """Seconds to wait after the ``attempt``-th refusal, counted from 0."""
        return min(self.first_s * 2.0 ** min(attempt, 30), self.longest_s) * (1 + self.draw()) / 2


@dataclass(frozen=True, slots=True)
class _Patience:
    """How long this thread's requests may take, and what makes it give up at once."""

    deadline_s: float | None = None
    stop: threading.Event | None = None


_USUAL: Final = _Patience()
_patience: contextvars.ContextVar[_Patience] = contextvars.ContextVar("patience", default=_USUAL)


@contextlib.contextmanager
def patience(*, deadline_s: float | None = None, stop: threading.Event | None = None) -> Iterator[None]:
    """Within the block, requests of this thread take ``deadline_s`` at most and end when ``stop`` is set."""
    token = _patience.set(_Patience(deadline_s, stop))
    try:
        yield
    finally:
        _patience.reset(token)


class Transport:
    """The part of ``httplib2.Http`` that Google's clients use, on a pool of connections.

    Safe to use from many threads at once.

    Parameters
    ----------
    deadline_s:
        Longest time for one request, repetitions and waits included, in seconds.
    waits:
        Between repetitions.
    """

    def __init__(self, deadline_s: float, waits: Waits) -> None:
        self._deadline_s = deadline_s
        self._waits = waits
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **_unused: Any,
    ) -> tuple[httplib2.Response, bytes]:
        """Send a request until it is answered; any answer that is not worth repeating comes back.

        Raises
        ------
        TroubleError
            When the deadline has passed, or a request that must not be sent twice broke off.
        Cancelled
            When this thread was told to stop, see :func:`patience`.
        """
        mine = _patience.get()
        limit_s = self._deadline_s if mine.deadline_s is None else mine.deadline_s
        stop = mine.stop or threading.Event()
        repeatable = not (method == "POST" and _NOT_REPEATABLE.search(uri))
        end = time.monotonic() + limit_s
        attempt = 0
        while True:
            if stop.is_set():
                raise Cancelled
            try:
                answer = self._once(uri, method, body, headers, max(end - time.monotonic(), 0.01))
            except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
                raise EarthEngineError(
                    "The address of Earth Engine is none that a request could be sent to.",
                    "Correct or remove NIGHTLIGHTS_EARTHENGINE_URL.",
                ) from None
            except requests.exceptions.RequestException as error:
                trouble: Trouble = _trouble_of(error)
                wait_s = self._waits.before(attempt)
                again = repeatable
            else:
                found = _trouble_in(answer)
                if found is None or (not repeatable and found != "busy"):
                    return httplib2.Response({**answer.headers, "status": answer.status_code}), answer.content
                trouble, again = found, True
                wait_s = max(self._waits.before(attempt), _asked_for(answer))
            if not again or time.monotonic() + wait_s >= end:
                # The cause would carry the address, and with it names that are nobody's business.
                raise trouble_error(trouble, limit_s) from None
            if stop.wait(wait_s):
                raise Cancelled
            attempt += 1

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def _once(
        self, uri: str, method: str, body: Any, headers: Mapping[str, str] | None, left_s: float
    ) -> requests.Response:
        timeout = (min(left_s, _LONGEST_CONNECT_S), left_s)
        return self._session.request(method, uri, data=body, headers=dict(headers or {}), timeout=timeout)


def _trouble_of(error: requests.exceptions.RequestException) -> Trouble:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "unreachable"
    if isinstance(error, requests.exceptions.Timeout):
        return "slow"
    told = f"{error!r}"
    if "NewConnectionError" in told or "NameResolutionError" in told or "ProxyError" in told:
        return "unreachable"
    return "slow" if "Read timed out" in told else "broken"


def _trouble_in(answer: requests.Response) -> Trouble | None:
    """Why an answer is worth asking for again; None where it is not."""
    if answer.status_code == 429:
        # A quota of the month is not there again in a minute.
        return None if re.search(rb"per (day|month)", answer.content) else "busy"
    if answer.status_code == 403 and _reason(answer.content) in (
        "userRateLimitExceeded",
        "rateLimitExceeded",
    ):
        return "busy"
    return "unavailable" if answer.status_code >= 500 else None


def _reason(content: bytes) -> str | None:
    try:
        return str(json.loads(content)["error"]["errors"][0]["reason"])
    except (ValueError, LookupError, TypeError):
        return None


def _asked_for(answer: requests.Response) -> float:
    """Seconds that the answer asks to wait; 0 where it does not."""
    told = answer.headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdigit() else 0.0


def trouble_error(trouble: Trouble, limit_s: float) -> TroubleError:
    """What to tell when a request did not succeed in ``limit_s`` seconds."""
    within = f"within {limit_s:g} s"
    kept = "Resume later: what was fetched is kept."
    message, remedy = {
        "unreachable": (
            "Earth Engine cannot be reached over the network.",
            "Check the network connection (and the proxy, where there is one), then try again.",
        ),
        "broken": (
            f"The connection to Earth Engine broke off again and again; nothing came through {within}.",
            f"Check the network connection. {kept}",
        ),
        "slow": (
            f"Earth Engine did not answer {within}.",
            "Choose a shorter period or smaller regions, or raise NIGHTLIGHTS_REQUEST_DEADLINE_S.",
        ),
        "busy": (
            f"Earth Engine refused the request {within}: the quota of requests is used up.",
            f"Lower NIGHTLIGHTS_REQUESTS_AT_ONCE. {kept}",
        ),
        "unavailable": (f"Earth Engine was not available {within}.", kept),
    }[trouble]
    return TroubleError(trouble, message, remedy)
