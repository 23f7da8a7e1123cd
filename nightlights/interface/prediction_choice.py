"""What a run can predict, and what it has predicted already."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from nightlights.errors import NightlightsError
from nightlights.experiments import series_of, series_of_runs
from nightlights.interface.tiles import version_of
from nightlights.manifests import (
    DatasetManifest,
    ModelConfig,
    PredictionRecord,
    PredictionRequest,
    Role,
    RunRecord,
    read_record,
)
from nightlights.prediction_names import prediction_name
from nightlights.shipped import shipped_models, usable_model
from nightlights.workspace import Workspace

_ROLE_ORDER: tuple[Role, ...] = ("evaluate", "predict", "train")


@dataclass(frozen=True, slots=True)
class Target:
    """A region of a dataset that a run can predict; ``prediction`` is the newest one, if any.

    ``key`` is the region's name, with that of the dataset before it where that is not the run's own;
    ``bounds`` are (west, south, east, north) in degrees; ``version`` changes with the dataset, and is None
    when the dataset is gone; ``simulated`` says whether the dataset comes from the simulated planet.
    """

    key: str
    dataset: str
    region: str
    role: Role
    bounds: tuple[float, float, float, float]
    version: str | None = None
    simulated: bool = False
    prediction: PredictionRecord | None = None


def usable_runs(workspace: Workspace) -> list[RunRecord]:
    """The runs of :func:`own_runs`, then what ships."""
    runs = own_runs(workspace)
    names = {run.name for run in runs}
    return runs + [model.run for model in shipped_models() if model.run.name not in names]


def own_runs(workspace: Workspace) -> list[RunRecord]:
    """The runs of a workspace that have a model, newest first; what cannot be read is left out.

    Runs of sweeps, cross-validations and benchmarks stand behind those that a person trained.
    """
    told = series_of_runs(workspace)
    runs = []
    for name in workspace.run_names():
        folder = workspace.run_folder(name)
        with suppress(NightlightsError):
            if (folder / "model.keras").exists() and (folder / "config.json").exists():
                runs.append(read_record(folder / "run.json", RunRecord))
    runs.sort(key=lambda run: run.created, reverse=True)
    runs.sort(key=lambda run: bool(series_of(run, told)))
    return runs


def targets(workspace: Workspace, run: RunRecord) -> list[Target]:
    """The regions of every dataset with the bands of ``run``.

    Those that were predicted come first, since there is something to look at; then its own dataset first,
    held-out regions first.

    Regions that were predicted stay in the list after their dataset is gone.
    """
    predictions = _predictions(workspace, run.name)
    bands = _bands(workspace, run.name)
    found: dict[str, Target] = {}

    def key_of(dataset: str, region: str) -> str:
        return region if dataset == run.dataset else f"{dataset}/{region}"

    for name in sorted(workspace.dataset_names(), key=lambda name: name != run.dataset):
        with suppress(NightlightsError):
            manifest = read_record(workspace.dataset_folder(name) / "dataset.json", DatasetManifest)
            if [band.name for band in manifest.bands] == bands:
                for region in sorted(manifest.regions, key=lambda region: _ROLE_ORDER.index(region.role)):
                    bounds = region.window.window.bounds
                    key = key_of(name, region.name)
                    known = (version_of(manifest), manifest.source.simulated)
                    found[key] = Target(key, name, region.name, region.role, bounds, *known)
    for record in predictions:
        key, bounds = key_of(record.dataset, record.region), record.window.window.bounds
        gone = Target(key, record.dataset, record.region, record.role, bounds)
        found[key] = replace(found.get(key, gone), prediction=record)
    return sorted(found.values(), key=lambda target: target.prediction is None)


def request_for(workspace: Workspace, run: str, own_dataset: str, target: Target) -> PredictionRequest:
    """The request that predicts ``target``; an older prediction of it is replaced."""
    name = (
        target.prediction.name
        if target.prediction
        else prediction_name(workspace, run, own_dataset, target.dataset, target.region)
    )
    return PredictionRequest(
        run=run,
        region=target.region,
        dataset=target.dataset,
        prediction=name,
        overwrite=target.prediction is not None,
    )


def _predictions(workspace: Workspace, run: str) -> Sequence[PredictionRecord]:
    """Oldest first, so that the newest of a region wins."""
    records = []
    for name in workspace.prediction_names():
        with suppress(NightlightsError):
            record = read_record(workspace.prediction_folder(name) / "prediction.json", PredictionRecord)
            if record.run == run:
                records.append(record)
    return sorted(records, key=lambda record: record.created)


def _bands(workspace: Workspace, run: str) -> list[str]:
    with suppress(NightlightsError):
        config = read_record(usable_model(workspace, run)[0] / "config.json", ModelConfig)
        return [band.name for band in config.bands]
    return []
