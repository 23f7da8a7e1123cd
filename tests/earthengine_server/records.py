"""What the server was asked, for tests that look at the wire."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def timestamp() -> str:
    """The time now, as the service writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class Request:
    """One request as it came in.

    Attributes
    ----------
    path:
        Without the query, percent signs decoded.
    body:
        The JSON body, or None.
    status:
        HTTP status that was answered; 0 where the connection was cut before any answer.
    fault:
        The fault that was played on it, or None.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    status: int
    fault: str | None

    @property
    def expression(self) -> dict[str, Any] | None:
        """The expression that was sent, if any."""
        return self.body.get("expression") if isinstance(self.body, dict) else None


class RequestLog:
    """Every request, in the order in which they were answered; kept in a file too where one is given."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._path = path

    def add(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)
            if self._path is not None:
                line = {key: value for key, value in vars(request).items() if key != "headers"}
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")

    def __iter__(self) -> Iterator[Request]:
        with self._lock:
            return iter(list(self._requests))

    def __len__(self) -> int:
        return len(self._requests)

    def of(self, ending: str) -> list[Request]:
        """Those whose path ends so, for example ``image:computePixels``."""
        return [request for request in self if request.path.endswith(ending)]

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()
