"""Leave-one-region-out cross-validation: how well a recipe does in cities that it has not seen.

Each region, or each that is named, is held out once; a network and the baselines are fitted to all others
and scored in it. Whole regions are held out because neighbouring pixels are alike: a random split would test
on what was all but trained on (Roberts et al. 2017, doi:10.1111/ecog.02881).
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from nightlights.errors import DatasetError, WorkspaceError
from nightlights.evaluation import Compared, Share, scores_of
from nightlights.files import make_folder
from nightlights.jobs.kinds import fold_run, held_out_regions, older_folds, trained_regions
from nightlights.manifests import (
    CrossValidationFold,
    CrossValidationRecord,
    CrossValidationRequest,
    TrainingRequest,
    now,
    read_record,
    write_record,
)
from nightlights.progress import Progress
from nightlights.sweeps.series import make_room, train_and_score
from nightlights.workspace import Workspace

if TYPE_CHECKING:
    from nightlights.datasets import Dataset

CROSS_VALIDATION_FILE = "crossvalidation.json"


def cross_validate(
    workspace: Workspace,
    request: CrossValidationRequest,
    progress: Progress,
    *,
    resume: bool = False,
    clock: Callable[[], datetime] = now,
) -> CrossValidationRecord:
    """Train and score a fold for every region; every fold is a run of the workspace.

    Parameters
    ----------
    resume:
        Keep finished folds, and go on with the one that was interrupted after its last finished epoch.

    Raises
    ------
    DatasetError
        When there is no such dataset or region, fewer than two regions, or one that is held out overlaps
        another.
    WorkspaceError
        When the name is in use, or the disk is full.
    ModelError
        When the settings cannot be used.
    """
    from nightlights.datasets import Dataset
    from nightlights.metrics import Bootstrap

    dataset = Dataset.open(workspace, request.dataset)
    regions = held_out_regions(dataset.manifest, request)
    trained = list(dict.fromkeys(trained_regions(dataset.manifest, request)))
    _check(dataset, regions, trained)
    folds = [CrossValidationFold(region=name, run=fold_run(request.name, name)) for name in regions]
    folder = workspace.crossvalidation_folder(request.name)
    if not resume:
        # An older one may have had more regions, and no record, if it was killed before its end.
        runs = dict.fromkeys([*(fold.run for fold in folds), *older_folds(workspace, request.name)])
        make_room(workspace, request.name, folder, list(runs), overwrite=request.overwrite)
    compared: dict[str, list[Compared]] = {}
    for index, fold in enumerate(folds):
        message = f"Fold {index + 1} of {len(folds)}: {fold.region} held out"
        share = Share(progress, index, len(folds), message, "folds")
        others = [name for name in trained if name != fold.region]
        settings = request.settings.model_copy(
            update={"train_regions": others, "evaluate_regions": [fold.region]}
        )
        wanted = TrainingRequest(
            run=fold.run,
            dataset=request.dataset,
            settings=settings,
            notes=f"{fold.region} held out of the cross-validation {request.name}",
            series=f"cross-validation {request.name}",
        )
        own = train_and_score(
            workspace,
            dataset,
            wanted,
            share,
            roles=["evaluate"],
            resume=resume,
            bootstrap_seed=request.bootstrap_seed,
        )
        for method, each in own.items():
            compared.setdefault(method, []).extend(each)
    bootstrap = Bootstrap(seed=request.bootstrap_seed)
    counts = {len(trained) - (name in trained) for name in regions}
    record = CrossValidationRecord(
        name=request.name,
        created=clock(),
        dataset=request.dataset,
        source=dataset.manifest.source,
        settings=request.settings,
        bootstrap_seed=request.bootstrap_seed,
        folds=folds,
        trained_on=counts.pop() if len(counts) == 1 else None,
        scores=[score for method, each in compared.items() for score in scores_of(method, each, bootstrap)],
    )
    make_folder(folder)
    write_record(folder / CROSS_VALIDATION_FILE, record)
    progress.update(len(folds), len(folds), unit="folds", message="Cross-validated")
    return record


def read_cross_validation(workspace: Workspace, name: str) -> CrossValidationRecord:
    """A finished cross-validation.

    Raises
    ------
    WorkspaceError
        When there is none of that name.
    """
    path = workspace.crossvalidation_folder(name) / CROSS_VALIDATION_FILE
    if not path.is_file():
        known = ", ".join(workspace.crossvalidation_names()) or "none yet"
        raise WorkspaceError(f"There is no finished cross-validation {name}.", f"There are: {known}.")
    return read_record(path, CrossValidationRecord)


def run_cross_validation(
    workspace: Workspace, request: CrossValidationRequest, progress: Progress, *, resume: bool
) -> None:
    """Handle a cross-validation job."""
    cross_validate(workspace, request, progress, resume=resume)


def _check(dataset: "Dataset", held_out: list[str], trained: list[str]) -> None:
    """See that every region that is held out can be held out of all that are trained on."""
    if not held_out:
        raise DatasetError("No region is held out.", "Name one or more, or leave the choice to the roles.")
    windows = {name: dataset.region(name).window.window for name in [*held_out, *trained]}
    for region in held_out:
        others = [name for name in trained if name != region]
        if not others:
            raise DatasetError(
                f"Without {region}, no region of {dataset.manifest.name} is left to train on; "
                "cross-validation needs two regions or more.",
                "Choose more regions, with the role train or evaluate.",
            )
        for other in others:
            if windows[region].intersection(windows[other]):
                raise DatasetError(
                    f"The regions {region} and {other} overlap, so {region} cannot be held out of the "
                    f"training on {other}.",
                    "Hold out others, or export a dataset without one of the two.",
                )
