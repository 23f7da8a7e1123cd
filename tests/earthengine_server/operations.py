"""Long-running operations: they really run, in threads of their own, and can be watched and cancelled."""

import copy
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .failures import ServiceError, not_found
from .faults import Faults
from .records import timestamp

AT_ONCE = 2
"""Batch tasks that run at a time; the others wait."""


class CancelledError(Exception):
    """The work stopped because the operation was cancelled."""


@dataclass
class Operation:
    """One operation; ``metadata`` is as the service gives it."""

    name: str
    metadata: dict[str, Any]
    request_id: str | None
    error: dict[str, Any] | None = None
    finished: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def report(self, share: float) -> None:
        """Tell the progress, from 0 to 1; stop here if the operation was cancelled.

        Raises
        ------
        CancelledError
            When it was cancelled.
        """
        if self.cancelled.is_set():
            raise CancelledError
        self.metadata.update(progress=round(share, 3), updateTime=timestamp())

    def to_json(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"name": self.name, "metadata": copy.deepcopy(self.metadata)}
        if self.finished.is_set():
            answer["done"] = True
            if self.error is not None:
                answer["error"] = self.error
            else:
                answer["response"] = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        return answer


Work = Callable[[Operation], Sequence[str]]
"""Does the work, reports its progress, gives the addresses of what it made."""


class Operations:
    """All operations of this server, newest last."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self._operations: dict[str, Operation] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="operation")
        self.started = 0
        """How many were really started, repeated requests with the same id not counted."""

    def start(self, project: str, kind: str, body: dict[str, Any], work: Work) -> Operation:
        """Start an operation, or find the one that was started with the same ``requestId``."""
        request_id = body.get("requestId")
        with self._lock:
            for known in self._operations.values():
                if request_id and known.request_id == request_id:
                    return known
            now = timestamp()
            metadata = {
                "@type": "type.googleapis.com/google.earthengine.v1.OperationMetadata",
                "state": "PENDING",
                "description": body.get("description", kind),
                "priority": 100,
                "createTime": now,
                "updateTime": now,
                "type": kind,
            }
            name = f"{project}/operations/{uuid.uuid4().hex[:24].upper()}"
            operation = Operation(name, metadata, request_id)
            self._operations[name] = operation
            self.started += 1
        self._pool.submit(self._run, operation, work)
        return operation

    def _run(self, operation: Operation, work: Work) -> None:
        metadata = operation.metadata
        if operation.cancelled.is_set():
            return
        start = timestamp()
        metadata.update(state="RUNNING", startTime=start, updateTime=start, attempt=1, progress=0)
        try:
            operation.cancelled.wait(self._faults.operation_s)
            operation.report(0.0)
            if self._faults.next_operation_fails():
                operation.report(self._faults.interrupted_after)
                raise ServiceError(500, "Internal error.")
            uris = list(work(operation))
            metadata.update(
                state="SUCCEEDED",
                destinationUris=uris,
                progress=1,
                batchEecuUsageSeconds=2.5 * (1 + len(uris)),
            )
        except CancelledError:
            metadata.update(state="CANCELLED")
            operation.error = {"code": 1, "message": "Cancelled."}
        except ServiceError as error:
            metadata.update(state="FAILED")
            operation.error = {"code": 13 if error.code == 500 else 3, "message": error.message}
        except Exception as error:
            metadata.update(state="FAILED")
            operation.error = {"code": 3, "message": str(error) or type(error).__name__}
        end = timestamp()
        metadata.update(updateTime=end, endTime=end)
        operation.finished.set()

    def get(self, name: str) -> Operation:
        if name not in self._operations:
            raise not_found(f"Operation {name} not found.")
        return self._operations[name]

    def cancel(self, name: str) -> None:
        """Cancel it; one that has ended stays as it is."""
        operation = self.get(name)
        with self._lock:
            if operation.finished.is_set():
                return
            operation.cancelled.set()
            if operation.metadata["state"] == "PENDING":
                now = timestamp()
                operation.metadata.update(state="CANCELLED", updateTime=now, endTime=now)
                operation.error = {"code": 1, "message": "Cancelled."}
                operation.finished.set()
            else:
                operation.metadata.update(state="CANCELLING", updateTime=timestamp())

    def list(self, project: str) -> list[Operation]:
        """Those of a project, newest first."""
        with self._lock:
            return [one for one in reversed(self._operations.values()) if one.name.startswith(project + "/")]

    def stop(self) -> None:
        """Cancel what still runs."""
        for operation in list(self._operations.values()):
            operation.cancelled.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
