"""Record a workspace with the installed version of the program, for later versions to open.

``python tests/recorded/record.py recorded.tar.gz`` records a dataset, runs, a prediction, a sweep and a
cross-validation on small squares of the simulated planet, and jobs that were killed in the middle. Only the
command line is used, so that every version can record its own. See docs/workspace.md.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BANDS = ["SR_B2", "SR_B4", "SR_B5", "SR_B6"]
SQUARES = {
    "north": ("train", 15.3, -4.30, 0.03),
    "south": ("train", 15.3, -4.45, 0.03),
    "east": ("evaluate", 15.38, -4.35, 0.072),
}
"""Role, west and south edge and side, in degrees. The third is just large enough to calibrate in."""
TRAINING = ["--network", "pixel", "--patch-size", "64", "--patches-per-region", "8", "--batch-size", "4"]


def nightlights(root: Path, *arguments: str, check: bool = True) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "NIGHTLIGHTS_WORKSPACE": str(root), "NIGHTLIGHTS_PATCH_SIZE": "64"}
    process = subprocess.Popen([sys.executable, "-m", "nightlights", *arguments], env=environment)
    if check and process.wait():
        raise SystemExit(f"nightlights {' '.join(arguments)} ended with exit code {process.returncode}")
    return process


def killed_when(reached: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    while not reached():
        if process.poll() is not None:
            raise SystemExit("The process ended before it could be killed.")
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()


def square(name: str) -> dict[str, Any]:
    role, west, south, side = SQUARES[name]
    corners = [(0, 0), (side, 0), (side, side), (0, side), (0, 0)]
    ring = [[round(west + x, 6), round(south + y, 6)] for x, y in corners]
    return {
        "type": "Feature",
        "properties": {"name": name, "role": role},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def record(root: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        squares = Path(folder) / "squares.geojson"
        squares.write_text(json.dumps({"type": "FeatureCollection", "features": list(map(square, SQUARES))}))
        nightlights(root, "regions", "import", str(squares), "--name", "squares")
    bands = ["--bands", ",".join(BANDS)]
    nightlights(root, "export", "--regions", "squares", "--dataset", "squares", *bands)
    train = ["train", "--dataset", "squares", *TRAINING]
    nightlights(root, *train, "--epochs", "2", "--run", "first")
    nightlights(root, "calibrate", "--run", "first", "--orientations", "1")
    nightlights(root, "predict", "--run", "first", "--region", "east")
    nightlights(root, *train, "--epochs", "6", "--run", "whole")
    vary = ["--vary", "learning_rate=0.001,0.003"]
    nightlights(root, "sweep", "grid", "--name", "rates", "--like", "first", *vary)
    nightlights(root, "crossvalidate", "--like", "first", "--name", "held-out", "--regions", "north,east")

    history = root / "runs" / "killed" / "history.csv"
    process = nightlights(root, *train, "--epochs", "6", "--run", "killed", check=False)
    killed_when(lambda: history.exists() and len(history.read_text().splitlines()) > 3, process)
    finished = root / "datasets" / ".partial-export-killed" / "finished"
    process = nightlights(root, "export", "--regions", "squares", "--dataset", "killed", *bands, check=False)
    killed_when(lambda: finished.is_dir() and len(list(finished.glob("[!.]*"))) >= 2, process)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspace"
        record(root)
        for path in root.glob("runs/*/run.json"):
            # Which machine recorded it is of no interest.
            path.write_text(re.sub(r'("device": "[A-Z]+)[^"]*"', r'\1"', path.read_text()))
        with tarfile.open(sys.argv[1], "w:gz") as archive:
            for path in sorted(root.rglob("*")):
                # Patch caches are made again; locks hold nothing.
                if ".cache" not in path.parts and path.name not in ("lock", ".lock", "reserve"):
                    archive.add(path, path.relative_to(root), recursive=False, filter=without_owner)
    print(f"Recorded {sys.argv[1]}")


def without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main()
