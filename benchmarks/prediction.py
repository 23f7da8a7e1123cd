"""Peak memory of predicting a large region in tiles, and how well that agrees with one pass over the whole.

Give a workspace that holds a trained run, for example that of the demo:
``python benchmarks/prediction.py WORKSPACE RUN``. A region of 125 x 125 VIIRS pixels (2000 x 2000 analysis
pixels) of the simulated planet is exported beside it, in a folder that is removed afterwards. The tiled
prediction and the whole pass run in processes of their own, since only the peak of a whole process can be
measured.
"""

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from shapely import box

from nightlights import cog
from nightlights.datasets import Dataset, export_dataset
from nightlights.grid import Window
from nightlights.manifests import ExportRequest
from nightlights.prediction import Predictor, predict_region
from nightlights.progress import NoProgress
from nightlights.regions import Region
from nightlights.sources.simulated import SimulatedSource
from nightlights.workspace import Workspace

WINDOW = Window.covering(15.05, -4.57, 15.57, -4.05)
SIDE = 125


def export(workspace: Workspace) -> Dataset:
    """The large region as a dataset of ``workspace``."""
    window = Window(WINDOW.column, WINDOW.row, SIDE, SIDE)
    region = Region("large", "predict", box(*window.bounds))
    request = ExportRequest(dataset="large", regions="large")
    export_dataset(workspace, request, SimulatedSource(), [region], NoProgress())
    return Dataset.open(workspace, "large")


def in_tiles(workspace: Workspace, model: Path) -> None:
    """As the app predicts."""
    folder = workspace.root / "tiled"
    folder.mkdir()
    predict_region(Dataset.open(workspace, "large"), "large", model, folder)


def in_one_pass(workspace: Workspace, model: Path) -> None:
    """The whole region through the network at once."""
    image = Dataset.open(workspace, "large").read_daytime("large")
    np.save(workspace.root / "whole.npy", Predictor.load(model).radiance(image), allow_pickle=False)


def _measured(work: Callable[..., None], arguments: tuple[Any, ...], answer: Any) -> None:
    work(*arguments)
    answer.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def peak_bytes(work: Callable[..., None], *arguments: Any) -> int:
    """Peak resident memory of a new process that does ``work``, in bytes (Linux)."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_measured, args=(work, arguments, answer))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{work.__name__} ended with {process.exitcode}.")
    return int(answer.get())


def main(root: str, run: str) -> None:
    """Print the peaks and the largest difference."""
    model = Workspace(Path(root).resolve()).run_folder(run)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder))
        export(workspace)
        print(f"peak in tiles:    {peak_bytes(in_tiles, workspace, model) / 1e9:.2f} GB")
        print(f"peak in one pass: {peak_bytes(in_one_pass, workspace, model) / 1e9:.2f} GB")
        tiled = cog.read(workspace.root / "tiled" / "prediction.tif")[0]
        whole = np.load(workspace.root / "whole.npy", allow_pickle=False)
        difference = float(np.abs(tiled - whole).max())
        print(f"shape: {whole.shape}, simulated; largest radiance {whole.max():.1f} nW/cm2/sr")
        print(f"largest difference: {difference:.1e} nW/cm2/sr, {difference / whole.std():.1e} of the spread")


if __name__ == "__main__":
    main(*sys.argv[1:])
