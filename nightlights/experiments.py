"""Training runs as a table: their settings, figures, curves and notes."""

import contextlib
import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nightlights.crossvalidation import read_cross_validation
from nightlights.errors import WorkspaceError
from nightlights.jobs import Job, JobStore
from nightlights.manifests import (
    EpochRecord,
    JobState,
    Record,
    Role,
    RunRecord,
    Score,
    Scores,
    read_record,
    write_record,
)
from nightlights.metrics import ALL_REGIONS
from nightlights.models import MODEL_FILE
from nightlights.pipeline import RUN_FILE, SCORES_FILE, read_run
from nightlights.sweeps.records import SWEEP_FILE, SweepRecord
from nightlights.training.history import read_history
from nightlights.workspace import Workspace

__all__ = [
    "Experiment",
    "delete_experiment",
    "get_experiment",
    "list_experiments",
    "read_history",
    "read_scores",
    "series_of",
    "series_of_runs",
    "set_notes",
    "table_csv",
]

MAXIMUM_NOTES = 2000
"""Longest notes of a run, in characters."""


class Experiment(Record):
    """One run as a row of the table. Every RMSE is in nW/cm2/sr at the VIIRS grid.

    ``state`` and ``state_text`` are those of the newest job on the run; a run without one is ``done`` when
    it has finished its epochs and ``interrupted`` otherwise. ``last_epoch`` holds the newest point of the
    curves. ``series`` names the sweep or cross-validation that the run is a part of, if any.
    """

    name: str
    series: str
    state: JobState
    state_text: str
    job: str | None
    record: RunRecord
    scores: list[Score]
    last_epoch: EpochRecord | None
    has_model: bool

    def score(self, role: Role, method: str | None = None, region: str = ALL_REGIONS) -> Score | None:
        """The score in a region, of the run's own network unless ``method`` is given; None if unknown."""
        wanted = method or self.record.settings.network
        for score in self.scores:
            if (score.method, score.region, score.role) == (wanted, region, role):
                return score
        return None

    def row(self) -> dict[str, Any]:
        """Plain values for a table, from the heading with its unit to the value."""
        own, mean, linear, footprint = (
            self.score("evaluate", method)
            for method in (None, "constant mean", "linear regression", "footprint regression")
        )
        figures = {
            "run": self.name,
            "state": self.state_text,
            "simulated": self.record.source.simulated,
            "dataset": self.record.dataset,
            "evaluation RMSE (nW/cm²/sr)": own.rmse if own else self.record.evaluation_rmse,
            "training RMSE (nW/cm²/sr)": self.record.train_rmse,
            "evaluation MAE (nW/cm²/sr)": own.mae if own else None,
            "evaluation bias (nW/cm²/sr)": own.bias if own else None,
            "evaluation R²": own.r2 if own else None,
            "constant mean RMSE (nW/cm²/sr)": mean.rmse if mean else None,
            "linear regression RMSE (nW/cm²/sr)": linear.rmse if linear else None,
            "footprint regression RMSE (nW/cm²/sr)": footprint.rmse if footprint else None,
            "epochs done": self.record.epochs_done,
            "train regions": ", ".join(self.record.train_regions),
            "evaluate regions": ", ".join(self.record.evaluate_regions),
            "part of": self.series,
        }
        settings = self.record.settings.model_dump(exclude={"train_regions", "evaluate_regions"})
        return {
            **figures,
            **{name.replace("_", " "): value for name, value in settings.items()},
            "weights": self.record.parameters,
            "device": self.record.device,
            "training time (s)": self.record.seconds,
            "created": self.record.created.isoformat(),
            "notes": self.record.notes,
        }


def list_experiments(workspace: Workspace, store: JobStore | None = None) -> list[Experiment]:
    """All runs, the newest first; broken folders are left out."""
    jobs, series = _newest_jobs(store or JobStore(workspace)), series_of_runs(workspace)
    found = []
    for name in workspace.run_names():
        with contextlib.suppress(WorkspaceError):
            found.append(_experiment(workspace, name, jobs.get(name), series))
    return sorted(found, key=lambda each: (each.record.created, each.name), reverse=True)


def get_experiment(workspace: Workspace, run: str, store: JobStore | None = None) -> Experiment:
    """One run.

    Raises
    ------
    ModelError
        When there is none of that name.
    WorkspaceError
        When its record is broken.
    """
    read_run(workspace, run)
    job = _newest_jobs(store or JobStore(workspace)).get(run)
    return _experiment(workspace, run, job, series_of_runs(workspace))


def series_of_runs(workspace: Workspace) -> dict[str, tuple[str, datetime | None]]:
    """Run to the sweep or cross-validation that its record names, and when that ended, if it has."""
    found: dict[str, tuple[str, datetime | None]] = {}
    for name in workspace.crossvalidation_names():
        with contextlib.suppress(WorkspaceError):
            validation = read_cross_validation(workspace, name)
            found |= {fold.run: (f"cross-validation {name}", validation.created) for fold in validation.folds}
    for name in workspace.sweep_names():
        with contextlib.suppress(WorkspaceError):
            record = read_record(workspace.sweep_folder(name) / SWEEP_FILE, SweepRecord)
            found |= {trial.run: (f"sweep {name}", record.finished) for trial in record.trials}
    return found


def series_of(record: RunRecord, told: Mapping[str, tuple[str, datetime | None]]) -> str:
    """The sweep or cross-validation that a run is a part of; empty for one of its own.

    Runs from before they said it themselves are found in ``told``, see :func:`series_of_runs`. A run that
    began after all of that had ended only bears an old name.
    """
    name, ended = told.get(record.name, ("", None))
    return record.series or (name if ended is None or record.created <= ended else "")


def read_scores(workspace: Workspace, run: str) -> list[Score]:
    """The scores of a run; none before its evaluation."""
    with contextlib.suppress(WorkspaceError):
        return read_record(workspace.run_folder(run) / SCORES_FILE, Scores).scores
    return []


def set_notes(workspace: Workspace, run: str, notes: str, store: JobStore | None = None) -> RunRecord:
    """Write the notes of a run into its record.

    Raises
    ------
    JobError
        While a job uses the run, because it would write its own record over the notes.
    WorkspaceError
        When the notes are too long, or the workspace cannot be written.
    """
    if len(notes) > MAXIMUM_NOTES:
        raise WorkspaceError(f"The notes have {len(notes)} characters.", f"Use at most {MAXIMUM_NOTES}.")
    with (store or JobStore(workspace)).holding(f"runs/{run}"):
        record = read_run(workspace, run).model_copy(update={"notes": notes})
        write_record(workspace.run_folder(run) / RUN_FILE, record)
    return record


def delete_experiment(workspace: Workspace, run: str, store: JobStore | None = None) -> None:
    """Remove a run with its model; predictions that were made with it stay.

    Raises
    ------
    JobError
        While a job uses the run.
    ModelError
        When there is no such run.
    """
    with (store or JobStore(workspace)).holding(f"runs/{run}"):
        # A run whose record is broken can be removed too: that is the remedy which reading it names.
        if run not in workspace.run_names():
            read_run(workspace, run)
        workspace.delete(workspace.run_folder(run))


def table_csv(experiments: Sequence[Experiment]) -> str:
    """The table as CSV: one line a run, headings with units."""
    rows = [experiment.row() for experiment in experiments]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["run"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"} else value


def _newest_jobs(store: JobStore) -> dict[str, Job]:
    """The newest job that trained or evaluated each run."""
    newest: dict[str, Job] = {}
    for job in store.list():
        if job.kind in ("train", "evaluate"):
            newest.setdefault(job.target, job)
    return newest


def _experiment(
    workspace: Workspace, run: str, job: Job | None, told: Mapping[str, tuple[str, datetime | None]]
) -> Experiment:
    folder = workspace.run_folder(run)
    record = read_record(folder / RUN_FILE, RunRecord)
    history = read_history(folder)
    done: JobState = "done" if record.finished else "interrupted"
    words = job.state_text if job else done
    return Experiment(
        name=run,
        series=series_of(record, told),
        state=job.state if job else done,
        state_text=f"{words}{record.caveats}",
        job=job.id if job else None,
        record=record,
        scores=read_scores(workspace, run),
        last_epoch=history[-1] if history else None,
        has_model=(folder / MODEL_FILE).is_file(),
    )
