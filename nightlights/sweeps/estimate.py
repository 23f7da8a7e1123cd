"""How many runs a sweep has and about how long they take, known before it begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nightlights.errors import SettingsError
from nightlights.manifests import DatasetManifest, RunRecord, TrainingSettings, read_record
from nightlights.sweeps.records import MAXIMUM_TRIALS, SweepRequest
from nightlights.sweeps.trials import settings_with, trial_count, trials_of
from nightlights.training.choices import (
    check_choices,
    choosing_cost,
    chosen_regions,
    patches_per_region,
)
from nightlights.wording import counted
from nightlights.workspace import Workspace


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep will do.

    Attributes
    ----------
    trials:
        The varied settings of each run.
    settings:
        All settings of each run.
    seconds:
        Of training, as fast as earlier runs of the same networks; None where one has never been trained.
    """

    trials: list[dict[str, Any]]
    settings: list[TrainingSettings]
    seconds: float | None

    @property
    def words(self) -> str:
        """How many runs, and how long."""
        return f"{counted(len(self.trials), 'run')}, {_time_words(self.seconds)}"


def plan_sweep(workspace: Workspace, request: SweepRequest, runs: Sequence[RunRecord]) -> SweepPlan:
    """Check all that can be checked before the first run, and count the work.

    Parameters
    ----------
    runs:
        Earlier runs, from whose speed the time is estimated.

    Raises
    ------
    SettingsError
        When a setting cannot be varied so, or there are too many runs; the sentence says how many and how
        long they would take.
    DatasetError, ModelError, WorkspaceError
        When there is no such dataset, it has no region to evaluate on, or a run could not use it.
    """
    count = trial_count(request)
    manifest = read_record(workspace.dataset_folder(request.dataset) / "dataset.json", DatasetManifest)
    train, evaluate = chosen_regions(manifest, request.settings)
    if count > MAXIMUM_TRIALS:
        seconds = seconds_of([request.settings], len(train), runs, manifest)
        long = _time_words(None if seconds is None else seconds * count)
        raise SettingsError(
            f"These are {count:,} runs, {long}; a sweep has at most {MAXIMUM_TRIALS}.",
            "List fewer values, or draw some of the combinations with a random search.",
        )
    trials = trials_of(request)
    settings = [settings_with(request.settings, trial) for trial in trials]
    if not evaluate:
        raise SettingsError(
            f"The dataset {request.dataset} has no region to evaluate on, and runs are compared there.",
            "Give a region the role evaluate, and export again.",
        )
    for each in settings:
        check_choices(manifest, each)
    return SweepPlan(trials, settings, seconds_of(settings, len(train), runs, manifest))


def seconds_of(
    settings: Sequence[TrainingSettings],
    train_regions: int,
    runs: Sequence[RunRecord],
    manifest: DatasetManifest | None = None,
) -> float | None:
    """About how long training takes, from the newest run of each network; None where there is none.

    With ``manifest`` passes over the footprints of its regions are counted, too.
    """
    total = 0.0
    for each in settings:
        alike = [run for run in runs if run.settings.network == each.network and run.seconds > 0]
        alike = [run for run in alike if run.epochs_done]
        alike = [run for run in alike if run.settings.texture_networks == each.texture_networks]
        if not alike:
            return None
        newest = max(alike, key=lambda run: run.created)
        counted = _pixels(newest.settings) * max(len(newest.train_regions), 1)
        trained = newest.epochs_done * (newest.patches * newest.settings.patch_size**2 or counted)
        work = each.epochs * _pixels(each, manifest) * train_regions
        total += newest.seconds / trained * work * (1 + choosing_cost(each, train_regions))
    return total


def _pixels(settings: TrainingSettings, manifest: DatasetManifest | None = None) -> int:
    """Pixels of a region's patches in an epoch."""
    patches = patches_per_region(manifest, settings) if manifest else settings.patches_per_region
    return patches * settings.patch_size**2


def _time_words(seconds: float | None) -> str:
    if seconds is None:
        return "for a time that is known after the first"
    if seconds < 60:
        return f"about {seconds:.0f} s of training"
    minutes = seconds / 60
    return (
        f"about {minutes:.0f} min of training" if minutes < 120 else f"about {minutes / 60:.1f} h of training"
    )
