"""``nightlights app``: the app in the browser."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from nightlights.commands.options import WORKSPACE_VARIABLE, WorkspaceOption, writable_workspace
from nightlights.commands.output import say
from nightlights.errors import SettingsError

app = typer.Typer(add_completion=False)

_ROOT = Path(__file__).resolve().parents[2]


@app.command("app")
def open_app(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port.", envvar="PORT")] = 8501,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. 127.0.0.1 is this machine alone; 0.0.0.0 lets in everyone who can "
            "reach it, and the app has no passwords.",
            envvar="HOST",
        ),
    ] = "127.0.0.1",
    browser: Annotated[
        bool | None,
        typer.Option("--browser/--no-browser", help="Open a browser. Default: where there is a display."),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Open the app in the browser; Ctrl-C ends it, background jobs go on."""
    script = _ROOT / "app.py"
    if not script.is_file():
        raise SettingsError(
            f"{script} is missing.", "Start the app from a checkout of the project: pip install -e ."
        )
    _check_free(host, port)
    place = writable_workspace(workspace)
    has_display = sys.platform in {"darwin", "win32"} or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    headless = not (has_display if browser is None else browser)
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += [f"--server.address={host}", f"--server.port={port}"]
    command += [f"--server.headless={str(headless).lower()}", "--browser.gatherUsageStats=false"]
    say(f"Earth at Night in HD: http://{'localhost' if host == '0.0.0.0' else host}:{port}")  # noqa: S104
    # Streamlit reads .streamlit/config.toml from the current folder.
    server = subprocess.Popen(command, cwd=_ROOT, env={**os.environ, WORKSPACE_VARIABLE: str(place.root)})
    try:
        code = server.wait()
    except KeyboardInterrupt:
        # The terminal has sent Ctrl-C to the server too; it needs a moment to close.
        code = server.wait(timeout=10)
    raise typer.Exit(0 if code in (0, -2) else 1)


def _check_free(host: str, port: int) -> None:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            f"Choose another --port, such as {port + 1}.",
        ) from error
