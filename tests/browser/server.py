"""The real app on a free port with a workspace of its own, and a Chromium that sees nothing else."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    # Shared memory is scarce in containers, and a page that runs out of it turns white.
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def chromium() -> str | None:
    """Path of the system's Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class RunningApp:
    """A server that answers."""

    url: str
    workspace: Path
    log: Path


@contextmanager
def running_app(
    workspace: Path,
    log: Path,
    base_path: str = "",
    script: str = "app.py",
    variables: Mapping[str, str] | None = None,
) -> Iterator[RunningApp]:
    """Start the app as a person does, wait until it answers, stop it at the end.

    ``variables`` are set besides those of the tests' own environment.
    """
    port = free_port()
    environment = {**os.environ, **(variables or {}), "NIGHTLIGHTS_WORKSPACE": str(workspace)}
    command = [
        sys.executable,
        *("-m", "streamlit", "run", script),
        *("--server.headless", "true", "--server.address", "127.0.0.1"),
        *("--server.port", str(port), "--server.baseUrlPath", base_path),
    ]
    url = f"http://127.0.0.1:{port}" + (f"/{base_path}" if base_path else "")
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            _wait_until_it_answers(f"{url}/_stcore/health", process, log)
            yield RunningApp(url, workspace, log)
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_it_answers(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The app ended at its start:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310 - the address is our own
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"The app did not answer within a minute:\n{log.read_text()}")
