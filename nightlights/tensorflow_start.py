"""TensorFlow imported without the page of hints that it prints, errors and all else let through.

Its own switch, TF_CPP_MIN_LOG_LEVEL, comes too late for the first lines and would hide errors with the hints.
Whoever sets that variable sees what it lets through, and nothing is hidden here.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final

LOG_LEVEL: Final = "TF_CPP_MIN_LOG_LEVEL"

_HINTS: Final = (
    "All log messages before absl::InitializeLog",
    "cpu_feature_guard.cc",
    "To enable the following instructions:",
    "Unable to register cu(BLAS|DNN|FFT) factory",
    "computation placer already registered",
)
_NO_GPU: Final = ("Could not find cuda drivers", "failed call to cuInit", "cuda_diagnostics.cc")
"""Said on every machine without a GPU; where there is one, they are the reason why it is not used."""

_FILTER: Final = """
import re, sys
harmless = re.compile(sys.argv[1].encode())
for line in sys.stdin.buffer:
    if not harmless.search(line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""
_PATIENCE_SECONDS: Final = 5


def import_tensorflow() -> None:
    """Import TensorFlow and let it look for GPUs, which is when it says most."""
    if "tensorflow" in sys.modules:
        return
    patterns = _HINTS if shutil.which("nvidia-smi") else (*_HINTS, *_NO_GPU)
    hushed = contextlib.nullcontext() if LOG_LEVEL in os.environ else without_lines(patterns)
    os.environ.setdefault(LOG_LEVEL, "2")
    with hushed:
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")


@contextlib.contextmanager
def without_lines(patterns: Sequence[str]) -> Iterator[None]:
    """Keep lines that match one of ``patterns`` from standard error, whoever writes them.

    Another process does it, so that the last words of a process that crashes still come through.
    """
    read_end, write_end = os.pipe()
    try:
        reader = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _FILTER, "|".join(f"(?:{each})" for each in patterns)],
            stdin=read_end,
            stdout=subprocess.DEVNULL,
            # Ctrl-C is for the work, not for what it says.
            start_new_session=True,
        )
    except OSError:
        os.close(read_end)
        os.close(write_end)
        yield
        return
    kept = os.dup(2)
    os.dup2(write_end, 2)
    os.close(read_end)
    os.close(write_end)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        with contextlib.suppress(subprocess.TimeoutExpired):
            reader.wait(_PATIENCE_SECONDS)
