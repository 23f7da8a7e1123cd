"""The device that training and prediction will use, found without a deep learning library."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

_QUERY = ("nvidia-smi", "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits")
_MACOS_PROCESSOR = ("sysctl", "-n", "machdep.cpu.brand_string")
_TIMEOUT_SECONDS = 5
_CUDA_PACKAGE_PREFIX = "nvidia-cudnn-"

Runner = Callable[[Sequence[str]], str | None]


@dataclass(frozen=True, slots=True)
class Device:
    """Where the networks run.

    Attributes
    ----------
    kind:
        "GPU" or "CPU".
    name:
        As its maker calls it.
    memory_bytes:
        Memory of the GPU, or of the machine, in bytes.
    note:
        Why a GPU that is there is not used; empty otherwise.
    """

    kind: Literal["GPU", "CPU"]
    name: str
    memory_bytes: int
    note: str = ""


def describe(
    environment: Mapping[str, str] | None = None,
    run: Runner | None = None,
    cuda_installed: Callable[[], bool] | None = None,
) -> Device:
    """The first GPU that ``CUDA_VISIBLE_DEVICES`` leaves visible and TensorFlow can use, else the CPU.

    Parameters
    ----------
    environment:
        Environment variables, the process's own unless given.
    run:
        Runs a command and gives its output, or None when that fails.
    cuda_installed:
        Whether TensorFlow's CUDA libraries are installed.
    """
    environment = os.environ if environment is None else environment
    run = run or _output
    gpus = _gpus(run(_QUERY) or "")
    if not gpus:
        return _cpu("", run)
    choice = environment.get("CUDA_VISIBLE_DEVICES")
    visible = _visible(gpus, choice)
    if not visible:
        return _cpu(f"{gpus[0][2]} is hidden by CUDA_VISIBLE_DEVICES={choice}.", run)
    if not (cuda_installed or _cuda_libraries_installed)():
        return _cpu(
            f"{visible[0][2]} is there, but TensorFlow's CUDA libraries are not installed: "
            "pip install 'tensorflow[and-cuda]'.",
            run,
        )
    return Device("GPU", visible[0][2], visible[0][3])


def _gpus(listing: str) -> list[tuple[str, str, str, int]]:
    gpus = []
    for line in listing.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 4:
            mebibytes = int(parts[3]) if parts[3].isdigit() else 0
            gpus.append((parts[0], parts[1], parts[2], mebibytes * 2**20))
    return gpus


def _visible(gpus: list[tuple[str, str, str, int]], choice: str | None) -> list[tuple[str, str, str, int]]:
    if choice is None:
        return gpus
    visible = []
    for wanted in (part.strip() for part in choice.split(",")):
        found = [gpu for gpu in gpus if wanted and (gpu[0] == wanted or gpu[1].startswith(wanted))]
        # CUDA itself stops at the first entry that names no device.
        if not found:
            break
        visible.append(found[0])
    return visible


def _output(command: Sequence[str]) -> str | None:
    try:
        finished = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return finished.stdout


def _cuda_libraries_installed() -> bool:
    names = (distribution.metadata["Name"] or "" for distribution in importlib.metadata.distributions())
    return any(name.lower().startswith(_CUDA_PACKAGE_PREFIX) for name in names)


def _cpu(note: str, run: Runner) -> Device:
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    name = f"{_processor_name(run)} ({cores} core{'s' if cores > 1 else ''})"
    return Device("CPU", name, int(psutil.virtual_memory().total), note)


def _processor_name(run: Runner) -> str:
    name = run(_MACOS_PROCESSOR) if platform.system() == "Darwin" else _linux_processor_name()
    return (name or "").strip() or platform.processor() or platform.machine() or "CPU"


def _linux_processor_name() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2] for line in lines if line.startswith("model name")), None)
