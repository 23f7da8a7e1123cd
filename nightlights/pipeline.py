"""The whole loop in functions: regions to dataset, dataset to run, run to scores and predictions.

The pages and the command line start these as jobs, see :mod:`nightlights.jobs`; the ``run_*`` functions
are the jobs' handlers. What a step needs is imported by that step, so that asking for a source does not
wait for a deep learning library.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightlights.errors import DatasetError, ModelError, NewerVersionError, SourceError, WorkspaceError
from nightlights.evaluation import (
    CapCounter,
    Compared,
    Method,
    Share,
    baseline_methods,
    network_method,
    part_methods,
    scored_parts,
    scores_of,
    usual_exponent_of,
)
from nightlights.files import remove_partial, replacing_folder
from nightlights.jobs.kinds import EvaluationRequest
from nightlights.manifests import (
    DatasetManifest,
    ExportRequest,
    ImportRequest,
    ModelConfig,
    PredictionRecord,
    PredictionRequest,
    Role,
    RunRecord,
    Scores,
    TrainingRequest,
    WindowRecord,
    now,
    read_record,
    write_record,
)
from nightlights.noise import SIMULATED
from nightlights.observation import PointSpread
from nightlights.progress import Progress
from nightlights.settings import Settings
from nightlights.shipped import shipped_model, usable_model
from nightlights.sources.base import ImagerySource
from nightlights.workspace import Workspace

if TYPE_CHECKING:
    from nightlights.datasets import Dataset

CONFIG_FILE = "config.json"
RUN_FILE = "run.json"
SCORES_FILE = "metrics.json"
PREDICTION_FILE = "prediction.json"


def make_source(request: ExportRequest, settings: Settings | None = None) -> ImagerySource:
    """The imagery source that ``request`` asks for.

    Parameters
    ----------
    settings:
        The connection to Earth Engine; from the environment unless given.

    Raises
    ------
    SourceError, RasterError
        When it cannot deliver, for example because no file matches.
    """
    if request.source == "rasters":
        from nightlights.sources.rasters import RastersSource

        return RastersSource(
            request.daytime_files,
            request.nighttime_files,
            daytime_nodata=request.daytime_nodata,
            nighttime_nodata=request.nighttime_nodata,
            ignore_nodata_tag=request.ignore_nodata_tag,
            nighttime_composite=request.nighttime_composite,
            truth=request.truth,
        )
    if request.source == "earthengine" and request.earthengine is not None:
        from nightlights.sources.earthengine.source import EarthEngineSource

        return EarthEngineSource(request.earthengine, settings or Settings.from_environment())
    if request.source == "tfrecord":
        raise SourceError(
            "TFRecord files are imported, not exported.", "See: nightlights datasets import --help"
        )
    from nightlights.sources.simulated import SimulatedSource

    return SimulatedSource(
        request.planet_seed,
        PointSpread(request.fwhm_m, request.glow_share, request.glow_fwhm_m),
        noise=SIMULATED.model_copy(update={"share": request.noise_share}),
        width_factor=request.width_factor,
    )


def export(
    workspace: Workspace,
    request: ExportRequest,
    progress: Progress,
    settings: Settings | None = None,
    *,
    resume: bool = False,
) -> DatasetManifest:
    """Export the regions of a collection; an interrupted export of the same request goes on.

    Raises
    ------
    RegionError
        When there is no such collection, or one of its regions cannot be used.
    SourceError, RasterError
        When the source cannot deliver.
    DatasetError
        When the dataset's name is in use.
    WorkspaceError
        When the disk is full.
    """
    from nightlights.datasets import export_dataset
    from nightlights.region_checks import check_regions, raise_first_error, repaired
    from nightlights.region_files import load_collection

    regions = [repaired(region)[0] for region in load_collection(workspace, request.regions)]
    known = settings or Settings.from_environment(workspace=workspace.root)
    raise_first_error(check_regions(regions, known))
    source = make_source(request, known)
    # Of an import of that name that was killed.
    shutil.rmtree(workspace.unpacked_folder(request.dataset), ignore_errors=True)
    return export_dataset(workspace, request, source, regions, progress, resume=resume)


def import_files(
    workspace: Workspace, request: ImportRequest, progress: Progress, *, resume: bool = False
) -> DatasetManifest:
    """Import TFRecord files as a dataset; an interrupted import of the same files goes on.

    Raises
    ------
    DatasetError
        When a file cannot be used, which the sentence names, or the dataset's name is in use.
    WorkspaceError
        When the disk is full.
    """
    from nightlights.tfrecords.importing import import_dataset

    return import_dataset(workspace, request, progress, resume=resume)


def train(
    workspace: Workspace, request: TrainingRequest, progress: Progress, *, resume: bool = False
) -> RunRecord:
    """Train a network on a dataset of the workspace, then evaluate it.

    Parameters
    ----------
    resume:
        Go on after the last finished epoch.

    Raises
    ------
    DatasetError, ModelError
        When the dataset or the settings cannot be used, or the run's name is in use.
    """
    from nightlights import training
    from nightlights.datasets import Dataset

    folder = workspace.run_folder(request.run)
    if (folder / RUN_FILE).exists() and not (resume or request.overwrite):
        raise ModelError(
            f"The run name {request.run} is in use.",
            "Choose another name, or overwrite it (--overwrite on the command line).",
        )
    training.train(Dataset.open(workspace, request.dataset), request, folder, progress, resume)
    evaluate(workspace, request.run, progress)
    return read_run(workspace, request.run)


def read_run(workspace: Workspace, run: str) -> RunRecord:
    """The record of a run.

    Raises
    ------
    ModelError
        When there is none of that name; the remedy lists those there are.
    """
    path = workspace.run_folder(run) / RUN_FILE
    if not path.is_file():
        known = ", ".join(workspace.run_names()) or "none yet"
        if shipped_model(run):
            raise ModelError(
                f"{run} is a model that ships; this needs a run of your own.",
                f"Its card and its intervals lie beside it in the folder of models. Runs: {known}.",
            )
        raise ModelError(f"There is no run {run}.", f"Train it first. Runs: {known}.")
    return read_record(path, RunRecord)


def evaluate(
    workspace: Workspace,
    run: str,
    progress: Progress,
    *,
    roles: Sequence[Role] = ("train", "evaluate"),
    bootstrap_seed: int = 1,
) -> Scores:
    """Score a run and the baselines in each of its regions; write ``metrics.json``.

    Every region is predicted as a whole and observed; "all regions" sums over the pixels of all regions of
    a role. The pooled RMSE of the run becomes the figure of its record.

    Parameters
    ----------
    roles:
        Which of the run's regions are scored.
    bootstrap_seed:
        Of the confidence intervals.

    Raises
    ------
    ModelError
        When there is no such run, or it has no model yet.
    DatasetError
        When its dataset is gone or has changed since.
    """
    return scored(workspace, run, progress, roles=roles, bootstrap_seed=bootstrap_seed)[0]


def scored(
    workspace: Workspace, run: str, progress: Progress, *, roles: Sequence[Role], bootstrap_seed: int
) -> tuple[Scores, dict[str, list[Compared]]]:
    """As :func:`evaluate`; gives the comparisons of each method too, from which others can be pooled."""
    from nightlights.datasets import Dataset
    from nightlights.metrics import Bootstrap

    folder, record = workspace.run_folder(run), read_run(workspace, run)
    dataset = Dataset.open(workspace, record.dataset)
    remove_partial(folder)
    counter = CapCounter(read_record(folder / CONFIG_FILE, ModelConfig).largest_radiance)
    methods = list(_methods(folder, record, dataset, counter))
    names: dict[Role, list[str]] = {"train": record.train_regions, "evaluate": record.evaluate_regions}
    regions = [(role, name) for role in roles for name in names.get(role, [])]
    work = [(method, role, region) for method in methods for role, region in regions]
    compared: dict[str, list[Compared]] = {method.name: [] for method in methods}
    for index, (method, role, region) in enumerate(work):
        share = Share(progress, index, len(work), f"Scoring {method.name} in {region}")
        compared[method.name].append(Compared(role, region, method.compare(dataset, region, share)))
    bootstrap = Bootstrap(seed=bootstrap_seed)
    scores = [score for name, each in compared.items() for score in scores_of(name, each, bootstrap)]
    result = Scores(simulated=dataset.manifest.source.simulated, scores=scores)
    write_record(folder / SCORES_FILE, result)
    pooled = {score.role: score.rmse for score in scores if score.method == record.settings.network}
    figures: dict[str, Any] = {
        f"{'train' if role == 'train' else 'evaluation'}_rmse": pooled.get(role) for role in roles
    }
    figures["parts"] = scored_parts(record.parts, scores, record.settings.network)
    figures["at_cap"] = counter.fraction
    own = [each for each in compared[record.settings.network] if each.role == "evaluate"]
    if own and record.settings.sharpening_contrast == 1.0:
        figures["usual_exponent"] = usual_exponent_of(dataset, own)
    write_record(folder / RUN_FILE, record.model_copy(update=figures))
    progress.update(len(work), len(work), unit="scores", message="Scored")
    return result, compared


def _methods(folder: Path, record: RunRecord, dataset: "Dataset", counter: CapCounter) -> Iterator[Method]:
    """The run's network and the baselines, ready to score regions of ``dataset``."""
    from nightlights.prediction import Predictor

    predictor = Predictor.load(folder)
    if predictor.config.dataset_sha256 != dataset.sha256:
        raise DatasetError(
            f"The dataset {record.dataset} has changed since the run {record.name} was trained on it.",
            "Train again: regions that were trained on might be scored as if they were new.",
        )
    yield network_method(record.settings.network, predictor, folder, counter)
    yield from part_methods(predictor, folder)
    yield from baseline_methods(dataset, record.train_regions, record, predictor.config, folder)


def predict(
    workspace: Workspace,
    request: PredictionRequest,
    progress: Progress,
    clock: Callable[[], datetime] = now,
) -> PredictionRecord:
    """Predict one region and write its layers as a prediction of the workspace, whole or not at all.

    Raises
    ------
    ModelError
        When there is no such run, it has no model yet, it takes other bands, or its intervals are broken.
    DatasetError
        When there is no such dataset or region.
    WorkspaceError
        When the prediction's name is in use, or the disk is full.
    """
    from nightlights.datasets import Dataset
    from nightlights.prediction import layer_fine_scores, predict_region
    from nightlights.uncertainty import load_calibration
    from nightlights.uncertainty.layers import write_interval_layers

    target = workspace.prediction_folder(request.prediction)
    if (target / PREDICTION_FILE).exists() and not request.overwrite:
        raise WorkspaceError(
            f"The prediction name {request.prediction} is in use.",
            "Choose another name, or overwrite it (--overwrite on the command line).",
        )
    model, run = usable_model(workspace, request.run)
    dataset = Dataset.open(workspace, request.dataset or run.dataset)
    region = dataset.region(request.region)
    # Before the prediction, which takes long: intervals that cannot be used must not cost it.
    calibration = load_calibration(model)
    remove_partial(target)
    with replacing_folder(target) as unfinished:
        made = predict_region(
            dataset,
            region.name,
            model,
            unfinished,
            progress,
            sharpen=request.sharpen,
            exponent=request.exponent,
        )
        layers = made.layers | write_interval_layers(
            dataset, region.name, model, calibration, unfinished / made.layers["prediction"], progress
        )
        fine = layer_fine_scores(
            dataset, region.name, run.settings.network, unfinished, made.layers, progress
        )
        compared = made.comparison
        known = compared.sums.pixels > 0
        score = compared.score(run.settings.network, region.name, region.role) if known else None
        record = PredictionRecord(
            name=request.prediction,
            created=clock(),
            run=run.name,
            dataset=dataset.manifest.name,
            region=region.name,
            role=region.role,
            source=dataset.manifest.source,
            window=WindowRecord.of(region.window.window),
            bands=dataset.manifest.bands,
            layers=layers,
            sharpening_contrast=made.sharpening_contrast,
            sharpening=made.sharpening,
            score=score,
            fine_scores=fine,
            fine_truth=region.fine_truth,
            total_predicted=compared.total_predicted,
            total_measured=compared.total_measured,
        )
        write_record(unfinished / PREDICTION_FILE, record)
    return record


def run_export(workspace: Workspace, request: ExportRequest, progress: Progress, *, resume: bool) -> None:
    """Handle an export job; the partial folder knows by itself what can be kept."""
    manifest = workspace.dataset_folder(request.dataset) / "dataset.json"
    finished = resume and not request.overwrite and _is_newer_than_job(workspace, manifest, DatasetManifest)
    export(workspace, request, progress, resume=finished)


def run_import(workspace: Workspace, request: ImportRequest, progress: Progress, *, resume: bool) -> None:
    """Handle an import job; the partial folder knows by itself what can be kept."""
    manifest = workspace.dataset_folder(request.dataset) / "dataset.json"
    finished = resume and not request.overwrite and _is_newer_than_job(workspace, manifest, DatasetManifest)
    import_files(workspace, request, progress, resume=finished)


def run_train(workspace: Workspace, request: TrainingRequest, progress: Progress, *, resume: bool) -> None:
    """Handle a training job.

    With overwrite, one that was stopped before it began finds the older run in its place.
    """
    manifest = workspace.run_folder(request.run) / RUN_FILE
    begun = not request.overwrite or _is_newer_than_job(workspace, manifest, RunRecord)
    train(workspace, request, progress, resume=resume and begun)


def run_evaluate(
    workspace: Workspace, request: EvaluationRequest, progress: Progress, *, resume: bool
) -> None:
    """Handle an evaluation job, from the start in any case."""
    if request.standard is not None:
        raise ModelError(
            "The standard cities are scored by a benchmark.", "Score on them with: ./run bench standard score"
        )
    evaluate(workspace, request.run, progress, bootstrap_seed=request.bootstrap_seed)


def run_predict(
    workspace: Workspace, request: PredictionRequest, progress: Progress, *, resume: bool
) -> None:
    """Handle a prediction job, from the start in any case."""
    manifest = workspace.prediction_folder(request.prediction) / PREDICTION_FILE
    if resume and _is_newer_than_job(workspace, manifest, PredictionRecord):
        made = read_record(manifest, PredictionRecord)
        if (made.run, made.region) == (request.run, request.region) and request.dataset in (
            None,
            made.dataset,
        ):
            request = request.model_copy(update={"overwrite": True})
    predict(workspace, request, progress)


def _is_newer_than_job(
    workspace: Workspace, manifest: Path, kind: type[DatasetManifest | RunRecord | PredictionRecord]
) -> bool:
    """Whether ``manifest`` was written since the job at work on its folder was submitted.

    A resumed job that was killed after its last step finds its own result, whose name is in use then.
    """
    from nightlights.jobs import JobStore

    job = JobStore(workspace).user_of(manifest.parent.relative_to(workspace.root).as_posix())
    try:
        return job is not None and read_record(manifest, kind).created >= job.created
    except NewerVersionError:
        raise
    except WorkspaceError:
        return False
