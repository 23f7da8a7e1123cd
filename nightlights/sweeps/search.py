"""Search training settings: train a run for each combination, and put the runs in order of their score."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from nightlights.errors import DatasetError, ModelError, WorkspaceError
from nightlights.evaluation import Share
from nightlights.experiments import list_experiments, read_scores
from nightlights.files import make_folder
from nightlights.jobs import JobStore
from nightlights.manifests import RunRecord, TrainingRequest, now, read_record, write_record
from nightlights.metrics import ALL_REGIONS
from nightlights.pipeline import read_run
from nightlights.progress import Progress
from nightlights.sweeps.estimate import plan_sweep
from nightlights.sweeps.records import SWEEP_FILE, SweepRecord, SweepRequest, Trial
from nightlights.sweeps.series import make_room, train_and_score
from nightlights.sweeps.trials import run_names, trial_count
from nightlights.sweeps.variations import words_of
from nightlights.workspace import Workspace


def sweep(
    workspace: Workspace,
    request: SweepRequest,
    progress: Progress,
    *,
    resume: bool = False,
    clock: Callable[[], datetime] = now,
) -> SweepRecord:
    """Train and score a run for each combination of settings; every one is a run of the workspace.

    A run whose training fails, for example because it diverges, has no score and does not end the sweep.

    Parameters
    ----------
    resume:
        Keep what is scored, and go on with the run that was interrupted after its last finished epoch.

    Raises
    ------
    SettingsError
        When the request cannot be used, see :func:`nightlights.sweeps.estimate.plan_sweep`.
    WorkspaceError
        When the name is in use, or the disk is full.
    ModelError
        When not one run could be trained.
    """
    from nightlights.datasets import Dataset

    plan = plan_sweep(workspace, request, ())
    dataset = Dataset.open(workspace, request.dataset)
    folder = workspace.sweep_folder(request.name)
    path = folder / SWEEP_FILE
    names = run_names(request.name, len(plan.trials))
    if not (resume and path.is_file() and _asked_for(read_record(path, SweepRecord), request)):
        make_room(
            workspace,
            request.name,
            folder,
            names,
            overwrite=request.overwrite,
            older_runs=_older_runs(workspace, path, names) if request.overwrite else (),
        )
        make_folder(folder)
        record = SweepRecord(
            name=request.name,
            created=clock(),
            dataset=request.dataset,
            source=dataset.manifest.source,
            search=request.search,
            seed=request.seed if request.search == "random" else None,
            settings=request.settings,
            vary=request.vary,
            trials=[Trial(run=run, values=values) for run, values in zip(names, plan.trials, strict=True)],
        )
        write_record(path, record)
    record = read_record(path, SweepRecord)
    trials = {trial.run: trial for trial in record.trials}
    for index, (run, settings) in enumerate(zip(names, plan.settings, strict=True)):
        if trials[run].evaluation_rmse is not None or trials[run].failure:
            continue
        values = ", ".join(f"{field} {words_of(value)}" for field, value in trials[run].values.items())
        share = Share(progress, index, len(names), f"Run {index + 1} of {len(names)}: {values}", "runs")
        wanted = TrainingRequest(
            run=run,
            dataset=request.dataset,
            settings=settings,
            notes=f"{values}; of the sweep {request.name}",
            series=f"sweep {request.name}",
        )
        try:
            train_and_score(workspace, dataset, wanted, share, roles=("evaluate",), resume=True)
        except (ModelError, DatasetError) as error:
            trials[run] = trials[run].model_copy(update={"failure": str(error)})
        else:
            trials[run] = _scored(workspace, trials[run])
        record = record.model_copy(update={"trials": _best_first(list(trials.values()))})
        write_record(path, record)
    if record.best is None:
        raise ModelError(
            f"No run of the sweep {request.name} could be trained: {record.trials[0].failure}",
            "Vary other settings.",
        )
    record = record.model_copy(update={"finished": record.finished or clock()})
    write_record(path, record)
    progress.update(len(names), len(names), unit="runs", message="All runs are scored")
    return record


def read_sweep(workspace: Workspace, name: str) -> SweepRecord:
    """A sweep as far as it is.

    Raises
    ------
    WorkspaceError
        When there is none of that name.
    """
    path = workspace.sweep_folder(name) / SWEEP_FILE
    if not path.is_file():
        known = ", ".join(workspace.sweep_names()) or "none yet"
        raise WorkspaceError(f"There is no sweep {name}.", f"There are: {known}.")
    return read_record(path, SweepRecord)


def delete_sweep(workspace: Workspace, name: str, store: JobStore, *, keep_runs: bool = False) -> None:
    """Remove a sweep and its runs.

    Parameters
    ----------
    keep_runs:
        Remove its record alone.

    Raises
    ------
    JobError
        While a job uses the sweep or one of its runs; nothing is removed then.
    WorkspaceError
        When there is none of that name.
    """
    record = read_sweep(workspace, name)
    runs = [] if keep_runs else [trial.run for trial in record.trials]
    busy = [*(f"runs/{run}" for run in runs), f"sweeps/{name}"]
    with store.holding(busy[-1]):
        for path in busy[:-1]:
            if store.user_of(path) is not None:
                raise WorkspaceError(f"{path} is in use by a job.", "Wait until it has ended, or cancel it.")
        for run in runs:
            workspace.delete(workspace.run_folder(run))
        workspace.delete(workspace.sweep_folder(name))


def known_runs(workspace: Workspace, store: JobStore | None = None) -> list[RunRecord]:
    """The records of all runs, from which the time of others is estimated."""
    return [each.record for each in list_experiments(workspace, store)]


def run_sweep(workspace: Workspace, request: SweepRequest, progress: Progress, *, resume: bool) -> None:
    """Handle a sweep job."""
    sweep(workspace, request, progress, resume=resume)


def _older_runs(workspace: Workspace, path: Path, names: Sequence[str]) -> list[str]:
    """Runs of the sweep whose record is at ``path``, none of them but ``names`` used by a job."""
    try:
        runs = [trial.run for trial in read_record(path, SweepRecord).trials]
    except WorkspaceError:
        return []
    store = JobStore(workspace)
    for run in runs:
        if run not in names and store.user_of(f"runs/{run}") is not None:
            raise WorkspaceError(f"runs/{run} is in use by a job.", "Wait until it has ended, or cancel it.")
    return runs


def _asked_for(record: SweepRecord, request: SweepRequest) -> bool:
    """Whether ``record`` is of this request, not of an older sweep whose name it takes over."""
    seed = request.seed if request.search == "random" else None
    asked = (request.dataset, request.search, seed, request.settings, request.vary)
    found = (record.dataset, record.search, record.seed, record.settings, record.vary)
    return found == asked and len(record.trials) == trial_count(request)


def _scored(workspace: Workspace, trial: Trial) -> Trial:
    run = read_run(workspace, trial.run)
    own = [
        score
        for score in read_scores(workspace, trial.run)
        if (score.method, score.region, score.role) == (run.settings.network, ALL_REGIONS, "evaluate")
    ]
    figures = {
        "evaluation_rmse": own[0].rmse if own else None,
        "train_rmse": run.train_rmse,
        "seconds": run.seconds,
        "failure": "" if own else "No VIIRS pixel of the evaluation regions is known.",
    }
    return trial.model_copy(update=figures)


def _best_first(trials: list[Trial]) -> list[Trial]:
    """By score, then those without one by name; equal scores by name, so that resuming changes nothing."""
    return sorted(
        trials,
        key=lambda trial: (trial.evaluation_rmse is None, trial.evaluation_rmse or 0.0, trial.run),
    )
