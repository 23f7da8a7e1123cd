"""The local Earth Engine server: HTTP around the service, and Cloud Storage beside it."""

import json
import socket
import sys
import threading
import time
import traceback
import urllib.parse
from collections.abc import Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from .failures import ServiceError, too_many_requests, unavailable
from .faults import Faults
from .records import Request, RequestLog
from .requests import MAXIMUM_PAYLOAD_BYTES
from .service import Answer, Service, as_error
from .storage import StorageEmulator

BUCKET = "local-test-bucket"
PROJECT = "local-test"


class EarthEngineServer:
    """Earth Engine and Cloud Storage on free ports of this machine, in threads of this process.

    Parameters
    ----------
    interpreter:
        What evaluates expressions, with its scenes as ``interpreter.scenes``; the simulated planet of
        ``seed`` unless given.
    faults:
        What goes wrong on purpose; may be changed while the server runs.
    state:
        Folder for the bucket's files, for ``requests.jsonl`` and for what goes to Drive; in memory, and
        nothing to Drive, unless given.
    """

    def __init__(
        self,
        interpreter: Any = None,
        *,
        seed: int = 1,
        faults: Faults | None = None,
        port: int = 0,
        storage_port: int = 0,
        bucket: str = BUCKET,
        state: Path | None = None,
    ) -> None:
        if interpreter is None:
            from .interpreter import Interpreter
            from .scenes import SceneStore

            interpreter = Interpreter(SceneStore.from_planet(seed))
        self.faults = Faults() if faults is None else faults
        if state is not None:
            state.mkdir(parents=True, exist_ok=True)
        self.requests = RequestLog(None if state is None else state / "requests.jsonl")
        self.storage = StorageEmulator(
            bucket, self.faults, storage_port, None if state is None else state / "storage"
        )
        self.service = Service(
            interpreter, self.faults, self.storage, None if state is None else state / "drive"
        )
        self._server = _Server(("127.0.0.1", port), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def interpreter(self) -> Any:
        """What evaluates expressions."""
        return self.service.interpreter

    @property
    def operations(self) -> Any:
        """Every operation that was started."""
        return self.service.operations

    @property
    def assets(self) -> Any:
        """What was put into the asset folder."""
        return self.service.assets

    @property
    def storage_url(self) -> str:
        """Address of Cloud Storage."""
        return self.storage.url

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.storage.bucket

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which the app and the command line work on this server."""
        return {
            "NIGHTLIGHTS_EARTHENGINE_URL": self.url,
            "NIGHTLIGHTS_EARTHENGINE_PROJECT": PROJECT,
            "NIGHTLIGHTS_BUCKET": self.bucket,
            "STORAGE_EMULATOR_HOST": self.storage_url,
        }

    def start(self) -> None:
        self.storage.start()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.service.operations.stop()
        self.storage.stop()

    def __enter__(self) -> "EarthEngineServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are no news; anything else is."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def __init__(self, owner: EarthEngineServer, *arguments: Any) -> None:
        self.owner = owner
        super().__init__(*arguments)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the requests are kept in the log."""

    def _handle(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(address.path)
        query = dict(urllib.parse.parse_qsl(address.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        method = self.headers.get("X-HTTP-Method-Override", self.command)
        if method != self.command and not query and body:
            # The client sends addresses that are too long as forms.
            query, body = dict(urllib.parse.parse_qsl(body.decode())), b""
        fault = self.owner.faults.of_request(method, self.path, body)
        status, answer = self._answer(method, path, query, body, fault)
        self.owner.requests.add(
            Request(
                method,
                path,
                query,
                dict(self.headers),
                _parsed(body),
                0 if fault == "cut" else status,
                fault,
            )
        )
        self._send(status, answer, cut=fault == "cut")

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _handle  # noqa: N815 - names of http.server

    def _answer(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, fault: str | None
    ) -> tuple[int, Answer]:
        try:
            if fault == "too_many":
                raise too_many_requests()
            if fault == "unavailable":
                raise unavailable()
            if fault == "slow":
                time.sleep(self.owner.faults.delay_s)
            if len(body) > MAXIMUM_PAYLOAD_BYTES:
                raise ServiceError(
                    400, f"Request payload size exceeds the limit: {MAXIMUM_PAYLOAD_BYTES} bytes."
                )
            return 200, self.owner.service.answer(method, path, query, body, self.owner.url)
        except ServiceError as error:
            return error.code, Answer(json.dumps(error.to_json()).encode())
        except Exception as error:
            traceback.print_exc()
            failure = as_error(error)
            return failure.code, Answer(json.dumps(failure.to_json()).encode())

    def _send(self, status: int, answer: Answer, *, cut: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.content)))
        if cut:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.content[: len(answer.content) // 2] if cut else answer.content)
        self.wfile.flush()
        if cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
