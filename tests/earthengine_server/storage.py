"""A Cloud Storage emulator beside the server, read and written by the real storage client."""

import logging
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

from .failures import ServiceError, invalid
from .faults import Faults

OWN_AGENT = "local-earth-engine"
"""How the server itself is told from its users, who alone suffer the faults."""

logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)


class _Handler(RequestHandler):
    """The emulator's handler: one request at a time, for its storage is not made for threads."""

    disable_nagle_algorithm = True
    wbufsize = -1

    def __init__(self, emulator: "StorageEmulator", *arguments: Any) -> None:
        self.emulator = emulator
        super().__init__(emulator.storage, *arguments)

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        itself = OWN_AGENT in self.headers.get("User-Agent", "")
        fault = None if itself else self.emulator.faults.of_storage(self.command, self.path)
        if fault == "unavailable":
            self.close_connection = True
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.wfile.flush()
            return False
        if fault == "cut":
            self.wfile = _Half(self.wfile)
        with self.emulator.lock:
            getattr(self, f"do_{self.command}")()
        self.wfile.flush()
        return False


class _Half:
    """Lets through the head and half of the body."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        half = data if data.startswith(b"HTTP/") else data[: len(data) // 2]
        self._file.write(half)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are no news."""


class StorageEmulator:
    """Serves one bucket; in memory unless a folder is given."""

    def __init__(self, bucket: str, faults: Faults, port: int = 0, folder: Path | None = None) -> None:
        self.faults = faults
        self.lock = threading.Lock()
        self.storage = Storage(
            use_memory_fs=folder is None, data_dir=None if folder is None else str(folder.resolve())
        )
        self.bucket = bucket
        if self.storage.get_bucket(bucket) is None:
            buckets.create_bucket(bucket, self.storage)
        self._server = _Server(("127.0.0.1", port), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._client: Any = None

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def client(self) -> Any:
        """The real storage client, as another service would use it."""
        if self._client is None:
            from google.api_core.client_info import ClientInfo
            from google.auth.credentials import AnonymousCredentials
            from google.cloud import storage

            self._client = storage.Client(
                project="local-test",
                credentials=AnonymousCredentials(),
                client_info=ClientInfo(user_agent=OWN_AGENT),
                client_options={"api_endpoint": self.url},
            )
        return self._client

    def put(self, bucket: str, name: str, content: bytes) -> None:
        """Write an object, as Earth Engine writes an export."""
        from google.api_core.exceptions import GoogleAPICallError

        try:
            self.client.bucket(bucket).blob(name).upload_from_string(content, "application/octet-stream")
        except GoogleAPICallError:
            raise ServiceError(400, f"Unable to write to bucket {bucket} (permission denied).") from None

    def get(self, bucket: str, name: str) -> bytes:
        """Read an object."""
        from google.api_core.exceptions import GoogleAPICallError

        try:
            return bytes(self.client.bucket(bucket).blob(name).download_as_bytes())
        except GoogleAPICallError:
            raise invalid(f"Could not find object: gs://{bucket}/{name}.") from None
