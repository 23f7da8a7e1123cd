"""The address that the app listens on: 127.0.0.1 unless another one is named."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser.server import free_port

ROOT = Path(__file__).parent.parent
STREAMLIT = ("-m", "streamlit", "run", "app.py", "--server.headless=true")
COMMAND = ("-m", "nightlights", "app", "--no-browser")
OTHER_ADDRESS = "127.0.0.2"
"""Another address of this machine: Linux answers on all of 127.0.0.0/8, macOS on 127.0.0.1 only."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=f"{OTHER_ADDRESS} needs Linux")


@contextmanager
def server(log: Path, *arguments: str, **variables: str) -> Iterator[int]:
    """Start a server from the repository root, wait until 127.0.0.1 answers, stop it at the end."""
    port = free_port()
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("NIGHTLIGHTS_", "STREAMLIT_"))
    }
    environment = {**inherited, "NIGHTLIGHTS_WORKSPACE": str(log.parent / "workspace"), **variables}
    option = f"--server.port={port}" if "streamlit" in arguments else f"--port={port}"
    command = [sys.executable, *arguments, option]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            wait_until_it_answers(port, process, log)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_it_answers(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"No answer within two minutes:\n{log.read_text()}")


def accepts(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False


@pytest.mark.parametrize("command", [STREAMLIT, COMMAND], ids=["streamlit", "nightlights"])
def test_only_this_machine_reaches_the_app_by_default(tmp_path: Path, command: tuple[str, ...]) -> None:
    with server(tmp_path / "log", *command) as port:
        assert accepts("127.0.0.1", port)
        assert not accepts(OTHER_ADDRESS, port)


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ((*COMMAND, "--host=0.0.0.0"), {}),
        (COMMAND, {"NIGHTLIGHTS_HOST": "0.0.0.0"}),  # noqa: S104 - the variable is what is tested
        ((*STREAMLIT, "--server.address=0.0.0.0"), {}),
    ],
    ids=["option", "variable", "streamlit"],
)
def test_a_named_host_takes_precedence_over_the_configuration(
    tmp_path: Path, command: tuple[str, ...], variables: dict[str, str]
) -> None:
    with server(tmp_path / "log", *command, **variables) as port:
        assert accepts(OTHER_ADDRESS, port)
