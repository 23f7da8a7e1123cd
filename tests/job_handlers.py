"""Tiny handlers for tests of jobs, imported by real workers; each waits on files instead of sleeping."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from nightlights.errors import DatasetError
from nightlights.files import replacing
from nightlights.jobs.kinds import Kind
from nightlights.manifests import Name, Record
from nightlights.progress import Progress
from nightlights.workspace import Workspace


class CountRequest(Record):
    """Count to ``total``, one line a step into ``counted/NAME``; ``then`` says what comes at ``at``."""

    name: Name
    reads: list[str] = Field(default_factory=list)
    total: int = 3
    at: int = 2
    then: Literal[
        "go on", "wait", "ignore", "die", "die writing", "leave a child", "refuse", "break", "exhaust"
    ] = "go on"


def count(workspace: Workspace, request: CountRequest, progress: Progress, *, resume: bool) -> None:
    path = workspace.root / "counted" / request.name
    path.parent.mkdir(exist_ok=True)
    done = len(path.read_text().split()) if resume else 0
    print("counting from", done)
    if request.then == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for step in range(done, request.total):
        with path.open("a" if step else "w") as counted:
            counted.write(f"{step}\n")
        progress.update(step + 1, request.total, unit="steps", message=f"step {step + 1}")
        if step + 1 == request.at and not resume and request.then != "go on":
            act(workspace, request, progress, step + 1)


def act(workspace: Workspace, request: CountRequest, progress: Progress, done: int) -> None:
    progress.update(done, request.total, unit="", message="a new unit")
    while request.then == "wait":
        progress.update(done, request.total)
        time.sleep(0.01)
    while request.then == "ignore":
        time.sleep(0.01)
    if request.then == "die writing":
        (state,) = workspace.jobs_folder.glob("*/state.json")
        unfinished = [replacing(workspace.root / "counted" / request.name), replacing(state)]
        for writing in unfinished:
            writing.__enter__().write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    if request.then == "leave a child":
        # As libraries start processes that leave the descriptors open.
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        child = subprocess.Popen(sleep, start_new_session=True, close_fds=False)
        (workspace.root / "counted" / f"{request.name}.child").write_text(str(child.pid))
        os.kill(os.getpid(), signal.SIGKILL)
    if request.then == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if request.then == "refuse":
        raise DatasetError("The dataset is empty.", "Export it again.")
    if request.then == "break":
        raise ValueError("seven is not a colour")
    if request.then == "exhaust":
        raise MemoryError


def paths(workspace: Workspace, request: CountRequest) -> list[str]:
    return [f"counted/{request.name}"]


HERE = Path(__file__).parent
KINDS = {
    "export": Kind(
        CountRequest,
        "job_handlers:count",
        target=lambda request: request.name,
        writes=paths,
        reads=lambda _, request: request.reads,
    ),
    "train": Kind(
        CountRequest,
        "job_handlers:missing",
        target=lambda request: request.name,
        writes=paths,
        reads=lambda _, request: request.reads,
    ),
}
