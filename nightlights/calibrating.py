"""Calibrate a run of the workspace: a job that the pages and the command line start."""

import contextlib
from typing import TYPE_CHECKING

from nightlights.errors import DatasetError, ModelError, WorkspaceError
from nightlights.jobs.kinds import CalibrationRequest
from nightlights.manifests import ModelConfig, RunRecord, read_record
from nightlights.models import CONFIG_FILE
from nightlights.pipeline import read_run
from nightlights.progress import Progress
from nightlights.uncertainty import Calibration, load_calibration
from nightlights.workspace import Workspace

if TYPE_CHECKING:
    from nightlights.datasets import Dataset


def calibrate_run(workspace: Workspace, request: CalibrationRequest, progress: Progress) -> Calibration:
    """Learn the intervals of a run in regions that it was not trained on, and write them beside its model.

    Raises
    ------
    ModelError
        When there is no such run, it is not finished, it has no model, or it takes other bands.
    DatasetError
        When a dataset or a region is missing, or the network was trained on one.
    """
    from nightlights.datasets import Dataset
    from nightlights.uncertainty.calibration import calibrate, calibration_sources, unchecked_ground

    run = read_run(workspace, request.run)
    if run.finished is None:
        # Training goes on with other weights, to which the intervals would not belong.
        raise ModelError(f"The run {run.name} is not finished.", "Resume it first, then calibrate it.")
    trained = _trained(workspace, run)
    datasets = [Dataset.open(workspace, name) for name in dict.fromkeys(request.datasets or [run.dataset])]
    sources = calibration_sources(datasets, trained, run, request.regions or None)
    note = unchecked_ground([dataset for dataset, _ in sources], run) if trained is None else ""
    folder = workspace.run_folder(request.run)
    return calibrate(sources, run, folder, progress, orientations=request.orientations, note=note)


def _trained(workspace: Workspace, run: RunRecord) -> "Dataset | None":
    """What ``run`` was trained on; None where it is gone, or another lies under its name by now."""
    from nightlights.datasets import Dataset

    with contextlib.suppress(DatasetError, WorkspaceError):
        config = read_record(workspace.run_folder(run.name) / CONFIG_FILE, ModelConfig)
        dataset = Dataset.open(workspace, run.dataset)
        if dataset.sha256 == config.dataset_sha256:
            return dataset
    return None


def read_calibration(workspace: Workspace, run: str) -> Calibration:
    """The intervals of a run.

    Raises
    ------
    ModelError
        When it was never calibrated, or they belong to another model.
    """
    found = load_calibration(workspace.run_folder(run))
    if found is None:
        raise ModelError(f"{run} was never calibrated.", f"Calibrate it: nightlights calibrate --run {run}")
    return found


def run_calibration(
    workspace: Workspace, request: CalibrationRequest, progress: Progress, *, resume: bool
) -> None:
    """Handle a calibration job, from the start in any case."""
    calibrate_run(workspace, request, progress)
