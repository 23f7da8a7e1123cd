"""The kinds of jobs: their arguments, what they read and write, and who does the work."""

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from nightlights.errors import JobError, WorkspaceError
from nightlights.manifests import (
    CrossValidationRequest,
    DatasetManifest,
    ExportRequest,
    ImportRequest,
    JobKind,
    Name,
    PredictionRequest,
    PublishRequest,
    Record,
    RunRecord,
    TrainingRequest,
    read_record,
)
from nightlights.names import MAXIMUM_LENGTH, with_digest
from nightlights.shipped import FIRST_LOOK as FIRST_LOOK
from nightlights.sweeps.records import SweepRequest
from nightlights.sweeps.trials import run_names, trial_count
from nightlights.task_files import FetchRequest
from nightlights.workspace import Workspace

KINDS_REFERENCE: Final = "nightlights.jobs.kinds:KINDS"


def _nothing(_: Workspace, __: Any) -> Sequence[Path]:
    return ()


def _unfinished_dataset(workspace: Workspace, request: Any) -> Sequence[Path]:
    return (
        workspace.unfinished_dataset_folder(request.dataset),
        workspace.unpacked_folder(request.dataset),
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of job is.

    Attributes
    ----------
    request:
        The record of its arguments.
    handler:
        ``module:function``, imported only by the process that does the work; called with the workspace,
        the request, the progress and whether an earlier attempt is to be resumed.
    target:
        Name of what it makes, from the request.
    writes, reads:
        Paths within the workspace, from the workspace and the request.
    remains:
        Folders that a job leaves when it stops before its end, of use only for resuming it.
    resumes:
        Whether a job that is started again goes on where it stopped; if not, it begins anew.
    """

    request: type[Record]
    handler: str
    target: Callable[[Any], str]
    writes: Callable[[Workspace, Any], Sequence[str]]
    reads: Callable[[Workspace, Any], Sequence[str]]
    remains: Callable[[Workspace, Any], Sequence[Path]] = _nothing
    resumes: bool = True


def load_reference(reference: str) -> Any:
    """The object that ``module:attribute`` names."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


def checked_request(kind: Kind, request: Mapping[str, Any]) -> Record:
    """The request as its record.

    Raises
    ------
    JobError
        Naming the first field that cannot be used.
    """
    try:
        return kind.request.model_validate(request)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise JobError(f"The request cannot be used: {field}: {first['msg']}.", "Submit it anew.") from error


class EvaluationRequest(Record):
    """The arguments of an evaluation job.

    Attributes
    ----------
    run:
        Whose regions are scored.
    standard:
        In jobs of the benchmark ``./run bench standard`` alone: which of its cities are scored.
    model:
        In those jobs: the folder of a trained model that is no run of the workspace; ``run`` names its
        scores then.
    bootstrap_seed:
        Of the confidence intervals.
    """

    run: Name
    standard: Literal["test", "validation"] | None = None
    model: str | None = None
    bootstrap_seed: int = Field(default=1, ge=0)


class CalibrationRequest(Record):
    """The arguments of a calibration job.

    Attributes
    ----------
    run:
        Whose model gets intervals.
    datasets:
        With regions that it was not trained on; its own unless given.
    regions:
        Names; those that it was evaluated in unless given.
    orientations:
        In how many the network sees the imagery, now and with every prediction.
    """

    run: Name
    datasets: list[Name] | None = None
    regions: list[str] | None = None
    orientations: Literal[1, 2, 4, 8] = 8


class FirstLookRequest(Record):
    """The arguments of a first look: which model predicts a small square of the simulated planet."""

    run: Name


class ExampleRequest(Record):
    """The arguments of an example: public rasters of a country, fetched and made into a dataset.

    Attributes
    ----------
    example:
        Which one; see :data:`nightlights.examples.EXAMPLES`.
    dataset:
        Name of the dataset and of its regions.
    overwrite:
        Export it again where it is there already.
    """

    example: Name
    dataset: Name
    overwrite: bool = False


def dataset_of_run(workspace: Workspace, run: str) -> list[str]:
    """Path of the dataset that ``run`` was trained on; nothing where there is no such run."""
    with contextlib.suppress(WorkspaceError):
        return [f"datasets/{read_record(workspace.run_folder(run) / 'run.json', RunRecord).dataset}"]
    return []


def _calibration_reads(workspace: Workspace, request: CalibrationRequest) -> list[str]:
    named = [f"datasets/{name}" for name in request.datasets or []]
    return list(dict.fromkeys([*dataset_of_run(workspace, request.run), *named]))


def fold_run(name: str, region: str) -> str:
    """Name of the run that is trained without ``region``, in the cross-validation ``name``."""
    run = f"{name}-without-{region}"
    # What is too long, or could be the run of another cross-validation, ends with a digest.
    plain = len(run) <= MAXIMUM_LENGTH and run.count("-without-") == 1
    return run if plain else with_digest(run, name, region)


def held_out_regions(manifest: DatasetManifest, request: CrossValidationRequest) -> list[str]:
    """Names of the regions that a cross-validation holds out, each once."""
    if request.regions is not None:
        return list(dict.fromkeys(request.regions))
    return trained_regions(manifest, request)


def trained_regions(manifest: DatasetManifest, request: CrossValidationRequest) -> list[str]:
    """Names of the regions that every fold of a cross-validation trains on, but for the one it holds out."""
    if request.settings.train_regions is not None:
        return list(request.settings.train_regions)
    return [region.name for region in manifest.regions if region.role != "predict"]


def _cross_validation_writes(workspace: Workspace, request: CrossValidationRequest) -> list[str]:
    runs = []
    with contextlib.suppress(WorkspaceError):
        path = workspace.dataset_folder(request.dataset) / "dataset.json"
        regions = held_out_regions(read_record(path, DatasetManifest), request)
        runs = [fold_run(request.name, region) for region in regions]
    if request.overwrite:
        # What an older one has left is removed, also the runs of regions that are held out no more.
        runs += older_folds(workspace, request.name)
    return [f"crossvalidations/{request.name}", *(f"runs/{run}" for run in dict.fromkeys(runs))]


def older_folds(workspace: Workspace, name: str) -> Iterator[str]:
    """The runs of the workspace that are folds of the cross-validation ``name``."""
    for run in workspace.run_names():
        # Of every other run of such a name, the region that was held out has another one.
        if run.lower().startswith(name[:40].lower()):
            with contextlib.suppress(WorkspaceError):
                record = read_record(workspace.run_folder(run) / "run.json", RunRecord)
                if [fold_run(name, region) for region in record.evaluate_regions] == [run]:
                    yield run


def _sweep_writes(_: Workspace, request: SweepRequest) -> list[str]:
    runs = run_names(request.name, trial_count(request))
    return [f"sweeps/{request.name}", *(f"runs/{run}" for run in runs)]


def _prediction_reads(workspace: Workspace, request: PredictionRequest) -> list[str]:
    dataset = [f"datasets/{request.dataset}"] if request.dataset else dataset_of_run(workspace, request.run)
    return [f"runs/{request.run}", *dataset]


KINDS: dict[JobKind, Kind] = {
    "export": Kind(
        ExportRequest,
        "nightlights.pipeline:run_export",
        target=lambda request: str(request.dataset),
        writes=lambda _, request: [f"datasets/{request.dataset}"],
        reads=lambda _, __: [],
        remains=_unfinished_dataset,
    ),
    "import": Kind(
        ImportRequest,
        "nightlights.pipeline:run_import",
        target=lambda request: str(request.dataset),
        writes=lambda _, request: [f"datasets/{request.dataset}"],
        reads=lambda _, __: [],
        remains=_unfinished_dataset,
    ),
    "train": Kind(
        TrainingRequest,
        "nightlights.pipeline:run_train",
        target=lambda request: str(request.run),
        writes=lambda _, request: [f"runs/{request.run}"],
        reads=lambda _, request: [f"datasets/{request.dataset}"],
    ),
    "evaluate": Kind(
        EvaluationRequest,
        "nightlights.pipeline:run_evaluate",
        target=lambda request: str(request.run),
        writes=lambda _, request: [f"runs/{request.run}"],
        reads=lambda workspace, request: dataset_of_run(workspace, request.run),
        resumes=False,
    ),
    "calibrate": Kind(
        CalibrationRequest,
        "nightlights.calibrating:run_calibration",
        target=lambda request: str(request.run),
        writes=lambda _, request: [f"runs/{request.run}"],
        reads=_calibration_reads,
        resumes=False,
    ),
    "cross-validate": Kind(
        CrossValidationRequest,
        "nightlights.crossvalidation:run_cross_validation",
        target=lambda request: str(request.name),
        writes=_cross_validation_writes,
        reads=lambda _, request: [f"datasets/{request.dataset}"],
    ),
    "sweep": Kind(
        SweepRequest,
        "nightlights.sweeps.search:run_sweep",
        target=lambda request: str(request.name),
        writes=_sweep_writes,
        reads=lambda _, request: [f"datasets/{request.dataset}"],
    ),
    "first-look": Kind(
        FirstLookRequest,
        "nightlights.firstlook:run_first_look",
        target=lambda request: FIRST_LOOK,
        writes=lambda _, __: [f"datasets/{FIRST_LOOK}", f"predictions/{FIRST_LOOK}"],
        reads=lambda _, __: [],
        resumes=False,
    ),
    "predict": Kind(
        PredictionRequest,
        "nightlights.pipeline:run_predict",
        target=lambda request: str(request.prediction),
        writes=lambda _, request: [f"predictions/{request.prediction}"],
        reads=_prediction_reads,
        resumes=False,
    ),
    "publish": Kind(
        PublishRequest,
        "nightlights.publishing:run_publish",
        target=lambda request: str(request.prediction),
        writes=lambda _, request: [f"predictions/{request.prediction}"],
        reads=lambda _, __: [],
    ),
    "fetch": Kind(
        FetchRequest,
        "nightlights.task_files:run_fetch",
        target=lambda request: str(request.task_id),
        writes=lambda _, request: [str(request.folder)],
        reads=lambda _, __: [],
    ),
    "example": Kind(
        ExampleRequest,
        "nightlights.examples:run_example",
        target=lambda request: str(request.dataset),
        writes=lambda _, request: [f"datasets/{request.dataset}", f"examples/{request.example}"],
        reads=lambda _, __: [],
        remains=_unfinished_dataset,
    ),
}
"""What the handlers are is known here by name alone: nothing heavy is imported by listing jobs."""
