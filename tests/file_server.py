"""A real HTTP server of a few files, which breaks off, refuses or waits as a test asks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Fault:
    """What happens to one request.

    Attributes
    ----------
    status:
        The answer is only this status.
    after:
        The connection breaks off after so many bytes of the answer.
    body:
        Is sent in the place of the file.
    gate:
        The rest of the answer waits for it after half of the bytes.
    start:
        The byte at which a partial answer begins, whatever was asked for.
    """

    status: int | None = None
    after: int | None = None
    body: bytes | None = None
    gate: threading.Event | None = None
    start: int | None = None


@dataclass
class FileServer:
    """The files by path, the faults of coming requests by path, and the requests that came."""

    files: dict[str, bytes]
    url: str = ""
    ranges: bool = True
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    waiting: threading.Event = field(default_factory=threading.Event)

    def fail(self, path: str, *faults: Fault) -> None:
        """Let the next requests for ``path`` go wrong, one after the other."""
        self.faults.setdefault(path, []).extend(faults)

    def of(self, path: str) -> list[str | None]:
        """The ranges that were asked of ``path``; None for the whole."""
        return [asked for requested, asked in self.requests if requested == path]


@contextmanager
def file_server(files: dict[str, bytes]) -> Iterator[FileServer]:
    """Serve ``files`` on a free port of this machine, until the block ends."""
    server = FileServer(files)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            server.requests.append((self.path, asked))
            waiting = server.faults.get(self.path, [])
            fault = waiting.pop(0) if waiting else Fault()
            if fault.status or self.path not in server.files:
                self.send_error(fault.status or 404)
                return
            whole = server.files[self.path] if fault.body is None else fault.body
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
            start = start if fault.start is None else fault.start
            self.send_response(206 if start or fault.start is not None else 200)
            if start or fault.start is not None:
                self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
            body = whole[start:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fault.gate is not None:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                server.waiting.set()
                fault.gate.wait(60)
                body = body[len(body) // 2 :]
            self.wfile.write(body if fault.after is None else body[: fault.after])
            self.close_connection = True

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        for faults in server.faults.values():
            for fault in faults:
                if fault.gate is not None:
                    fault.gate.set()
        http.shutdown()
        http.server_close()
        thread.join(10)
