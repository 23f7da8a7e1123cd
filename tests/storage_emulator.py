"""An emulator of Cloud Storage in this process, which the real client talks to over HTTP.

The emulator's own server answers one connection at a time; here each has its thread, requests are logged,
and answers can be spoilt on purpose.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any

import pytest
from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.server import RequestHandler, Router
from gcp_storage_emulator.storage import Storage

BUCKET = "planted-bucket-name-7f3a"
"""An unusual name, so that a test can look for it where no secret may be."""

Fault = Callable[[str, str], int | None]
"""Method and path of a request to an HTTP status (nothing is done then), 0 (the connection is cut in the
middle of the answer), or None (all is well)."""


@dataclass
class StorageEmulator:
    """A running emulator: its address, its bucket, and what was asked of it."""

    url: str
    bucket: str
    storage: Storage
    requests: list[tuple[str, str]] = field(default_factory=list)
    fault: Fault | None = None

    @property
    def client(self) -> Any:
        """A client of Google's for this emulator."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        return storage.Client(
            project="local-test",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": self.url},
        )

    def names(self) -> list[str]:
        """The files of the bucket."""
        return sorted(blob.name for blob in self.client.list_blobs(self.bucket))

    def put(self, name: str, content: bytes) -> None:
        """Put a file there."""
        self.client.bucket(self.bucket).blob(name).upload_from_string(content)

    def get(self, name: str) -> bytes:
        """The content of a file."""
        content: bytes = self.client.bucket(self.bucket).blob(name).download_as_bytes(raw_download=True)
        return content


class _CutConnection:
    """Sends half of a body, then hangs up."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, content: bytes) -> int:
        if content.startswith(b"HTTP/"):
            self._stream.write(content)
        else:
            self._stream.write(content[: len(content) // 2])
        return len(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Handler(RequestHandler):  # type: ignore[misc]
    def __init__(self, emulator: StorageEmulator, lock: threading.Lock, *args: Any) -> None:
        self._emulator, self._lock = emulator, lock
        super().__init__(emulator.storage, *args)

    def _answer(self, method: str) -> None:
        self._emulator.requests.append((method, self.path))
        fault = self._emulator.fault(method, self.path) if self._emulator.fault else None
        if fault:
            self.send_error(fault)
            return
        if fault == 0:
            self.wfile = _CutConnection(self.wfile)
        # Its storage was made for one thread.
        with self._lock:
            Router(self).handle(method)

    def do_GET(self) -> None:  # noqa: N802 - the name that the server calls
        self._answer("GET")

    def do_POST(self) -> None:  # noqa: N802 - the name that the server calls
        self._answer("POST")

    def do_PUT(self) -> None:  # noqa: N802 - the name that the server calls
        self._answer("PUT")

    def do_PATCH(self) -> None:  # noqa: N802 - the name that the server calls
        self._answer("PATCH")

    def do_DELETE(self) -> None:  # noqa: N802 - the name that the server calls
        self._answer("DELETE")

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def running_storage_emulator(bucket: str = BUCKET, port: int = 0) -> Iterator[StorageEmulator]:
    """Run an emulator with one empty bucket, in memory, until the block ends."""
    storage = Storage(use_memory_fs=True)
    buckets.create_bucket(bucket, storage)
    emulator = StorageEmulator("", bucket, storage)
    server = _Server(("127.0.0.1", port), partial(_Handler, emulator, threading.Lock()))
    emulator.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield emulator
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def storage_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageEmulator]:
    """A running emulator that the environment points to, as the settings read it."""
    with running_storage_emulator() as emulator:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        monkeypatch.setenv("NIGHTLIGHTS_BUCKET", emulator.bucket)
        yield emulator
