"""What every series of runs does: make room for its runs, then train and score each."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nightlights.errors import WorkspaceError
from nightlights.evaluation import Compared
from nightlights.manifests import Role, TrainingRequest
from nightlights.pipeline import RUN_FILE, scored
from nightlights.progress import NoProgress, Progress
from nightlights.workspace import Workspace

if TYPE_CHECKING:
    from nightlights.datasets import Dataset


def make_room(
    workspace: Workspace,
    name: str,
    own: Path,
    runs: Sequence[str],
    *,
    overwrite: bool,
    older_runs: Sequence[str] = (),
) -> None:
    """Remove an older series of this name, if that is allowed.

    Parameters
    ----------
    own:
        The folder of its record.
    runs:
        Names of its runs.
    older_runs:
        Names of the runs of the older series, which may be more.

    Raises
    ------
    WorkspaceError
        When the name is in use and nothing may be overwritten.
    """
    folders = [workspace.run_folder(run) for run in runs]
    older = [folder for folder in folders if (folder / RUN_FILE).exists()]
    if (older or own.exists()) and not overwrite:
        taken = older[0].name if older else name
        raise WorkspaceError(
            f"The name {name} is in use: there is {taken} already.",
            "Choose another name, or overwrite it (--overwrite on the command line). An interrupted job "
            "can be resumed.",
        )
    # Before the record, which alone says that they belong to the series.
    for run in older_runs:
        if run not in runs:
            workspace.delete(workspace.run_folder(run))
    # The record goes first: runs without it are made anew, a record without them would not be.
    for folder in (own, *older):
        workspace.delete(folder)


def train_and_score(
    workspace: Workspace,
    dataset: "Dataset",
    request: TrainingRequest,
    progress: Progress,
    *,
    roles: Sequence[Role],
    resume: bool,
    bootstrap_seed: int = 1,
) -> dict[str, list[Compared]]:
    """Train one run of the series and score it; gives the comparisons of each method.

    A run that is finished is not trained again, only scored: that takes little beside the training.

    Raises
    ------
    DatasetError, ModelError
        When the dataset or the settings cannot be used, or training diverges.
    """
    from nightlights import training

    training.train(dataset, request, workspace.run_folder(request.run), progress, resume)
    return scored(workspace, request.run, NoProgress(), roles=roles, bootstrap_seed=bootstrap_seed)[1]
