"""Faults that the server plays on purpose: the same ones for the same seed and the same requests.

Whether a request fails is drawn from the seed, the request itself and how often it was sent before, never
from the order in which requests arrive: threads may race, the faults stay the same.
"""

import hashlib
import random
import re
import threading
from dataclasses import dataclass, field, fields
from typing import Final

from . import failures
from .failures import ServiceError

DENIALS: Final = (
    "expired_credentials",
    "not_registered",
    "api_not_enabled",
    "no_permission",
    "quota",
)
_AT_THE_START = re.compile(r"/(\$discovery/rest|v1/projects/[^/]+/algorithms)(\?.*)?")


@dataclass
class Faults:
    """Shares of requests, from 0 to 1, that fail in one way or another.

    Attributes
    ----------
    too_many, unavailable:
        Share answered 429 and 503, before anything is done.
    cut:
        Share whose connection is closed in the middle of the answer, or before it, when all is done:
        what the request asked for has happened, and the client does not know.
    slow, delay_s:
        Share that waits so many seconds first.
    at_most:
        The same request fails at most so many times in a row, so that everything ends.
    initialize:
        Whether what the client asks at its start can fail too.
    failed_operations:
        So many operations fail at first (the first ones).
    interrupted_after:
        Failing operations fail after this share of their work, from 0 to 1.
    denied:
        One of :data:`DENIALS`: every request is refused.
    full:
        Operations cannot write: the quota of the storage is spent.
    operation_s:
        How long every operation takes at least, in seconds, so that it can be watched and cancelled.
    storage_unavailable, storage_cut:
        The same for Cloud Storage: share answered 503, share of downloads cut in the middle.
    """

    seed: int = 1
    too_many: float = 0.0
    unavailable: float = 0.0
    cut: float = 0.0
    slow: float = 0.0
    delay_s: float = 0.2
    at_most: int = 4
    initialize: bool = False
    failed_operations: int = 0
    interrupted_after: float = 0.5
    denied: str | None = None
    full: bool = False
    operation_s: float = 0.0
    storage_unavailable: float = 0.0
    storage_cut: float = 0.0
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Faults":
        """From ``too_many=0.15,unavailable=0.15,cut=0.05,seed=3``; an unknown name is refused."""
        types = {one.name: one.type for one in fields(cls) if not one.name.startswith("_")}
        faults = cls()
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = part.partition("=")
            if name not in types:
                raise ValueError(f"{name!r} is no fault; there are {', '.join(types)}.")
            kind = types[name]
            setattr(
                faults,
                name,
                value.lower() in {"", "1", "true", "yes"}
                if kind is bool
                else value
                if kind not in (int, float)
                else kind(value),
            )
        if faults.denied is not None and faults.denied not in DENIALS:
            raise ValueError(f"denied must be one of {', '.join(DENIALS)}.")
        return faults

    def become(self, other: "Faults") -> None:
        """From now on the faults of ``other``, in place: several parts of the server hold these."""
        with self._lock:
            for one in fields(self):
                if not one.name.startswith("_"):
                    setattr(self, one.name, getattr(other, one.name))
            self._seen.clear()

    def draw(self, method: str, path: str, body: bytes, shares: dict[str, float]) -> str | None:
        """Which of ``shares`` befalls this request, or None."""
        key = hashlib.sha256(b"\0".join([method.encode(), path.encode(), body])).hexdigest()
        with self._lock:
            sent, in_a_row = self._seen.get(key, (0, 0))
            rest = random.Random(f"{self.seed} {key} {sent}").random()
            fault = None
            if in_a_row < self.at_most:
                for name, share in shares.items():
                    if rest < share:
                        fault = name
                        break
                    rest -= share
            self._seen[key] = (sent + 1, in_a_row + 1 if fault else 0)
        return fault

    def of_request(self, method: str, path: str, body: bytes) -> str | None:
        """Fault of a request to Earth Engine: ``too_many``, ``unavailable``, ``cut`` or ``slow``."""
        if _AT_THE_START.fullmatch(path) and not self.initialize:
            return None
        names = ("too_many", "unavailable", "cut", "slow")
        return self.draw(method, path, body, {name: getattr(self, name) for name in names})

    def of_storage(self, method: str, path: str) -> str | None:
        """Fault of a request to Cloud Storage: ``unavailable`` or ``cut``."""
        cut = self.storage_cut if method == "GET" and path.startswith("/download/") else 0.0
        return self.draw(method, path, b"storage", {"unavailable": self.storage_unavailable, "cut": cut})

    def refuse(self, project: str) -> ServiceError | None:
        """The error for every request while access is denied."""
        match self.denied:
            case "expired_credentials":
                return failures.expired_credentials()
            case "not_registered":
                return failures.not_registered(project)
            case "api_not_enabled":
                return failures.api_not_enabled()
            case "no_permission":
                return failures.no_permission(project)
            case "quota":
                return failures.quota_spent()
        return None

    def next_operation_fails(self) -> bool:
        with self._lock:
            if self.failed_operations > 0:
                self.failed_operations -= 1
                return True
        return False
