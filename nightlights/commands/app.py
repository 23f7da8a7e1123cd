"""``nightlights app``: the app in the browser."""

import os
import socket
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
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port.", envvar="NIGHTLIGHTS_PORT")] = 8501,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. 127.0.0.1 is this machine alone; 0.0.0.0 lets in everyone who can "
            "reach it, and the app has no passwords.",
            envvar="NIGHTLIGHTS_HOST",
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
    command += [f"--server.headless={str(headless).lower()}", "--server.showEmailPrompt=false"]
    command += ["--browser.gatherUsageStats=false"]
    say(f"Earth at Night in HD: http://{'localhost' if host == '0.0.0.0' else host}:{port}")  # noqa: S104
    # Streamlit reads .streamlit/config.toml from the current folder, and takes the place of this process so
    # that signals reach it.
    os.chdir(_ROOT)
    os.execve(sys.executable, command, {**os.environ, WORKSPACE_VARIABLE: str(place.root)})  # noqa: S606


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
