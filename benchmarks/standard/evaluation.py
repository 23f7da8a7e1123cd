"""Scoring a model and the baselines on the standard cities."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nightlights import __version__
from nightlights.errors import DatasetError, JobError, ModelError, WorkspaceError
from nightlights.evaluation import Method, Share, baseline_methods, network_method
from nightlights.files import make_folder
from nightlights.jobs.kinds import EvaluationRequest
from nightlights.manifests import ExportRequest, RunRecord, WindowRecord, now, read_record, write_record
from nightlights.planet import PLANET_VERSION
from nightlights.progress import Progress
from nightlights.regions import Region
from nightlights.workspace import Workspace
from standard.cities import (
    GROUPS,
    PLANET_SEEDS,
    STANDARD_VERSION,
    TRAINING_PLANET,
    City,
    Split,
    cities_of,
)
from standard.records import ALL_GROUPS, StandardScore, StandardScores

if TYPE_CHECKING:
    from nightlights.datasets import Dataset
    from nightlights.prediction import Comparison

_RUN_FILE = "run.json"


def dataset_name(split: Split, seed: int) -> str:
    """Name in the workspace of the imagery of a split on one planet."""
    return f"standard-{split}-{seed}"


def standard_dataset(workspace: Workspace, split: Split, seed: int, progress: Progress) -> "Dataset":
    """The imagery of a split on the planet ``seed``, exported unless it is there as it should be.

    Raises
    ------
    WorkspaceError
        When the disk is full.
    """
    regions = [city.region("train" if split == "training" else "evaluate") for city in cities_of(split)]
    if split == "training":
        # Curves and early stopping of the trainings look at the validation cities.
        regions += [city.region("evaluate") for city in cities_of("validation")]
    return simulated_dataset(workspace, dataset_name(split, seed), seed, regions, progress)


def simulated_dataset(
    workspace: Workspace, name: str, seed: int, regions: Sequence[Region], progress: Progress
) -> "Dataset":
    """The imagery of ``regions`` on the planet ``seed``, exported unless it is there as it should be.

    Raises
    ------
    WorkspaceError
        When the disk is full.
    """
    from nightlights.datasets import Dataset, export_dataset
    from nightlights.sources.simulated import SimulatedSource

    source = SimulatedSource(seed)
    with contextlib.suppress(DatasetError, WorkspaceError):
        found = Dataset.open(workspace, name)
        windows = {region.name: (region.window, region.role) for region in found.manifest.regions}
        wanted = {region.name: (WindowRecord.of(region.window), region.role) for region in regions}
        if (found.manifest.source.parameters, windows) == (source.describe(), wanted):
            return found
    request = ExportRequest(dataset=name, regions=name.rsplit("-", 1)[0], planet_seed=seed, overwrite=True)
    export_dataset(workspace, request, source, regions, progress)
    return Dataset.open(workspace, name)


def scores_file(workspace: Workspace, name: str, split: Split, *, is_run: bool) -> Path:
    """Where the scores of a run lie, or those of a model that is no run of the workspace."""
    folder = workspace.run_folder(name) if is_run else workspace.root / "standard" / name
    return folder / f"standard-{split}.json"


def run_standard(
    workspace: Workspace, request: EvaluationRequest, progress: Progress, *, resume: bool
) -> None:
    """Handle a job that scores on the standard cities, from the start in any case; write the scores.

    Raises
    ------
    ModelError, WorkspaceError
        As :func:`evaluate_standard`.
    """
    if request.standard is None:
        raise JobError("This job scores a run in its own regions.", "Resume it with: nightlights jobs resume")
    folder = Path(request.model) if request.model else workspace.run_folder(request.run)
    scores = evaluate_standard(
        workspace, folder, progress, split=request.standard, bootstrap_seed=request.bootstrap_seed
    )
    path = scores_file(workspace, request.run, request.standard, is_run=request.model is None)
    make_folder(path.parent)
    write_record(path, scores)


def evaluate_standard(
    workspace: Workspace,
    folder: Path,
    progress: Progress,
    *,
    split: Split = "test",
    bootstrap_seed: int = 1,
    clock: Callable[[], datetime] = now,
    methods: Sequence[Method] = (),
) -> StandardScores:
    """Score the model in ``folder`` and the baselines on the cities of ``split``, on every planet.

    The baselines are fitted to what the run was trained on where that is in the workspace, else to the
    standard training cities.

    Parameters
    ----------
    folder:
        Of a run, or of a trained model.
    bootstrap_seed:
        Of the confidence intervals.
    methods:
        More methods to score beside them.

    Raises
    ------
    ModelError
        When there is no model, or it takes other bands than the simulated planet has.
    WorkspaceError
        When the disk is full.
    """
    from nightlights.prediction import Predictor

    predictor = Predictor.load(folder)
    datasets = {}
    for index, seed in enumerate(PLANET_SEEDS):
        share = Share(progress, index, len(PLANET_SEEDS), f"Looking at planet {seed}", "planets")
        datasets[seed] = standard_dataset(workspace, split, seed, share)
        predictor.check(datasets[seed])
    record = _record(folder)
    trained = _training_dataset(workspace, record, predictor.config.dataset_sha256)
    fitted = trained or _standard_training(workspace, progress)
    name = record.settings.network if record else predictor.config.network
    every = [
        network_method(name, predictor, workspace.root),
        *baseline_methods(
            fitted.dataset,
            fitted.regions,
            record if trained else None,
            predictor.config,
            # What ships is not written to.
            folder if trained and folder == workspace.run_folder(folder.name) else None,
        ),
        *methods,
    ]
    work = [(method, seed, city) for method in every for seed in PLANET_SEEDS for city in cities_of(split)]
    compared: dict[str, dict[tuple[City, int], Comparison]] = {method.name: {} for method in every}
    for index, (method, seed, city) in enumerate(work):
        share = Share(progress, index, len(work), f"Scoring {method.name} in {city.name}, planet {seed}")
        compared[method.name][city, seed] = method.compare(datasets[seed], city.name, share)
    progress.update(len(work), len(work), unit="scores", message="Scored")
    return StandardScores(
        name=folder.name,
        created=clock(),
        split=split,
        program_version=__version__,
        standard_version=STANDARD_VERSION,
        planet_version=PLANET_VERSION,
        planet_seeds=list(PLANET_SEEDS),
        training_seed=record.settings.seed if record else None,
        bootstrap_seed=bootstrap_seed,
        baselines_fitted_to=f"{fitted.dataset.manifest.name}: {', '.join(fitted.regions)}",
        seen=list(_seen(trained, split)) if trained else None,
        methods=[method.name for method in every],
        scores=[
            score for method in every for score in _scores(method.name, compared[method.name], bootstrap_seed)
        ],
    )


@dataclass(frozen=True)
class _Training:
    """What a model was trained on."""

    dataset: "Dataset"
    regions: Sequence[str]


def _standard_training(workspace: Workspace, progress: Progress) -> _Training:
    """The standard training cities on the usual planet."""
    dataset = standard_dataset(workspace, "training", TRAINING_PLANET, progress)
    return _Training(dataset, [region.name for region in dataset.regions("train")])


def _record(folder: Path) -> RunRecord | None:
    """The record of a run; None for a model that was taken out of its workspace."""
    with contextlib.suppress(WorkspaceError):
        return read_record(folder / _RUN_FILE, RunRecord)
    return None


def _training_dataset(workspace: Workspace, record: RunRecord | None, sha256: str) -> _Training | None:
    """What the run was trained on, as long as it is in the workspace unchanged."""
    from nightlights.datasets import Dataset

    if record is not None:
        with contextlib.suppress(DatasetError, WorkspaceError):
            dataset = Dataset.open(workspace, record.dataset)
            if dataset.sha256 == sha256:
                return _Training(dataset, record.train_regions)
    return None


def _seen(trained: _Training, split: Split) -> Iterator[str]:
    """Cities of which the training regions hold something, on the same planet."""
    source = trained.dataset.manifest.source
    seed = source.parameters.get("planet_seed")
    if source.kind != "simulated" or seed not in PLANET_SEEDS:
        return
    windows = [trained.dataset.region(name).window.window for name in trained.regions]
    for city in cities_of(split):
        own = city.region("evaluate").window
        if any(own.intersection(window) for window in windows):
            yield f"{city.name} (planet {seed})"


def _scores(
    method: str, compared: "dict[tuple[City, int], Comparison]", bootstrap_seed: int
) -> Iterator[StandardScore]:
    """Every city on every planet, then each group and everything, pooled."""
    from nightlights.metrics import ALL_REGIONS, Bootstrap
    from nightlights.prediction import pooled_score

    bootstrap = Bootstrap(seed=bootstrap_seed)
    for (city, seed), comparison in compared.items():
        if not comparison.sums.pixels:
            raise ModelError(f"{method} predicts nothing in {city.name}.", "See whether its model is broken.")
        score = comparison.score(method, city.name, "evaluate", bootstrap)
        yield StandardScore(**dict(score), group=city.group, planet_seed=seed)
    for group in (*GROUPS, ALL_GROUPS):
        own = [each for (city, _), each in compared.items() if group in (city.group, ALL_GROUPS)]
        if own:
            score = pooled_score(own, method, ALL_REGIONS, "evaluate", bootstrap)
            yield StandardScore(**dict(score), group=group, planet_seed=None)
