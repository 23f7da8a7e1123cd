"""The whole loop in functions: regions to dataset, dataset to run, run to scores and predictions.

The pages and the command line start these as jobs, see :mod:`nightlights.jobs`; the ``run_*`` functions
are the jobs' handlers.
"""

from nightlights.errors import SettingsError
from nightlights.jobs.kinds import EvaluationRequest
from nightlights.manifests import (
    DatasetManifest,
    ExportRequest,
    PredictionRecord,
    PredictionRequest,
    RunRecord,
    Scores,
    TrainingRequest,
)
from nightlights.progress import Progress
from nightlights.sources.base import ImagerySource
from nightlights.workspace import Workspace


def make_source(request: ExportRequest) -> ImagerySource:
    """The imagery source that ``request`` asks for.

    Raises
    ------
    SourceError
        When it cannot deliver, for example because no file matches.
    """
    raise SettingsError("This is not built yet.")


def export(workspace: Workspace, request: ExportRequest, progress: Progress) -> DatasetManifest:
    """Export the regions of a collection; an interrupted export of the same request goes on."""
    raise SettingsError("This is not built yet.")


def train(
    workspace: Workspace, request: TrainingRequest, progress: Progress, *, resume: bool = False
) -> RunRecord:
    """Train a network on a dataset of the workspace, then evaluate it."""
    raise SettingsError("This is not built yet.")


def evaluate(workspace: Workspace, run: str, progress: Progress) -> Scores:
    """Score a run and the baselines in each of its regions, at the VIIRS grid."""
    raise SettingsError("This is not built yet.")


def predict(workspace: Workspace, request: PredictionRequest, progress: Progress) -> PredictionRecord:
    """Predict one region and write its layers as a prediction of the workspace."""
    raise SettingsError("This is not built yet.")


def run_export(workspace: Workspace, request: ExportRequest, progress: Progress, *, resume: bool) -> None:
    """Handle an export job."""
    export(workspace, request, progress)


def run_train(workspace: Workspace, request: TrainingRequest, progress: Progress, *, resume: bool) -> None:
    """Handle a training job."""
    train(workspace, request, progress, resume=resume)


def run_evaluate(
    workspace: Workspace, request: EvaluationRequest, progress: Progress, *, resume: bool
) -> None:
    """Handle an evaluation job."""
    evaluate(workspace, request.run, progress)


def run_predict(
    workspace: Workspace, request: PredictionRequest, progress: Progress, *, resume: bool
) -> None:
    """Handle a prediction job."""
    predict(workspace, request, progress)
