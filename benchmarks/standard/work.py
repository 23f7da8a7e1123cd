"""Train the models of the table of targets, score every method, and write the table's figures.

What is finished is kept: a run with the same settings and imagery is not trained again, and figures of the
same model on the same imagery are not computed again, so that work that was stopped goes on.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from nightlights import pipeline, training
from nightlights.datasets import Dataset
from nightlights.ensembles import combine
from nightlights.errors import ModelError, WorkspaceError
from nightlights.files import make_folder, write_text
from nightlights.manifests import TrainingRequest, now, read_record, write_record
from nightlights.names import suggested_name
from nightlights.networks import network_info
from nightlights.progress import Progress
from nightlights.shipped import shipped_models
from nightlights.training.choices import check_combination, check_patch_size
from nightlights.uncertainty.calibration import calibrate
from nightlights.workspace import Workspace
from standard import recipes
from standard.calibrating import calibration_sources, is_calibrated
from standard.candidates import fitted_candidates, interpolation_candidates, model_candidate
from standard.cities import PLANET_SEEDS, TRAINING_PLANET
from standard.evaluation import simulated_dataset, standard_dataset
from standard.jobs import StandardRequest
from standard.measuring import Candidate, Ground, measure
from standard.outdated import belonging, interval_change, recipe_change, told
from standard.recipes import RECIPES, Recipe
from standard.reduction import reduced
from standard.runs import SERIES, is_as_wanted, is_combined
from standard.table import TABLE_FILE, MethodFigures, StandardTable, Versions
from standard.targets import LARGER_ORACLE
from standard.traps import trap_places

RECORD: Final = Path(__file__).with_name(TABLE_FILE)
"""The project's record of the table."""

_IMAGERY_WEIGHT, _SCORE_WEIGHT, _SHARPENED_WEIGHT = 2.0, 2.0, 10.0
_TRAINING_WEIGHT, _STUDY_WEIGHT = 20.0, 60.0
"""Rough times of the steps beside each other, for the time left."""


@dataclass(frozen=True)
class _Step:
    """A part of the work."""

    weight: float
    what: str
    work: Callable[[Progress], None]


@dataclass(frozen=True)
class _Part:
    """Progress of a step within the whole."""

    progress: Progress
    start: float
    weight: float
    whole: float
    what: str

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """See :meth:`nightlights.progress.Progress.update`."""
        part = min(done / total, 1.0) if total > 0 else 0.0
        text = f"{self.what}: {message}" if message else self.what
        shown = 100 / self.whole
        self.progress.update(shown * (self.start + self.weight * part), 100.0, unit="%", message=text)


def _perform(steps: list[_Step], progress: Progress) -> None:
    whole, start = sum(step.weight for step in steps), 0.0
    for number, step in enumerate(steps, start=1):
        part = _Part(progress, start, step.weight, whole, f"Step {number} of {len(steps)}, {step.what}")
        part.update(0, 1)
        step.work(part)
        start += step.weight
    progress.update(100.0, 100.0, unit="%", message="Done")


def run_name(recipe: Recipe, scale: float) -> str:
    """Name of the run of a recipe."""
    return f"standard-{recipe.key}{_scaled(scale)}"


def table_folder(workspace: Workspace, split: str, scale: float = 1.0) -> Path:
    """Where the figures of trained recipes lie."""
    return workspace.root / "standard" / f"{split}{_scaled(scale)}"


def live_table_file(workspace: Workspace, split: str) -> Path:
    """Where the figures of the shipped models lie, merged with recorded ones."""
    return workspace.root / "standard" / f"{split}-shipped" / TABLE_FILE


def _scaled(scale: float) -> str:
    return "" if scale == 1 else f"-{f'{100 * scale:g}'.replace('.', '-')}-percent"


def run_standard_table(
    workspace: Workspace, request: StandardRequest, progress: Progress, *, resume: bool
) -> None:
    """Handle a job of the standard table.

    Raises
    ------
    ModelError, DatasetError, WorkspaceError
        When a model cannot be trained or scored.
    """
    make_table(workspace, request, progress, resume=resume)


def make_table(
    workspace: Workspace,
    request: StandardRequest,
    progress: Progress,
    *,
    resume: bool = False,
    clock: Callable[[], datetime] = now,
) -> StandardTable:
    """Do the work of ``request`` and write the table.

    Parameters
    ----------
    resume:
        Keep what an earlier attempt of the same work has done.

    Raises
    ------
    ModelError, DatasetError, WorkspaceError
        When a model cannot be trained or scored.
    """
    return _Work(workspace, request, clock).make(progress, resume=resume)


class _Work:
    def __init__(self, workspace: Workspace, request: StandardRequest, clock: Callable[[], datetime]) -> None:
        self.workspace, self.request, self.clock = workspace, request, clock
        self.recipes = checked_recipes(request)
        self.folder = (
            table_folder(workspace, request.split, request.scale)
            if request.train
            else live_table_file(workspace, request.split).parent
        )
        self.cities: dict[int, Dataset] = {}
        self.traps: dict[int, Dataset] = {}
        self.validation: list[Dataset] = []
        self.figures: dict[str, MethodFigures] = {}

    def make(self, progress: Progress, *, resume: bool) -> StandardTable:
        if not resume:
            self._begin_anew()
        steps = [_Step(_IMAGERY_WEIGHT, "imagery", self._imagery)]
        folders: dict[str, Path] = {}
        if self.request.train:
            for recipe in self.recipes:
                folders[recipe.key] = self.workspace.run_folder(run_name(recipe, self.request.scale))
                weight = _TRAINING_WEIGHT if recipe.ships else _STUDY_WEIGHT
                steps.append(_Step(weight, f"training {recipe.title}", self._training(recipe)))
        else:
            folders = {model.name: model.folder for model in shipped_models() if model.name in RECIPES}
        for recipe in RECIPES.values():
            if recipe.key in folders:
                steps.append(self._model_step(recipe, folders[recipe.key]))
        steps.append(_Step(6 * _SHARPENED_WEIGHT, "baselines", self._baselines))
        _perform(steps, progress)
        return self._write()

    def _begin_anew(self) -> None:
        # What ships is scored now, whatever was scored before.
        if not self.request.train or self.request.fresh:
            shutil.rmtree(self.folder / "methods", ignore_errors=True)
        if self.request.train and self.request.fresh:
            for recipe in self.recipes:
                run = run_name(recipe, self.request.scale)
                for name in (run, *(f"{run}-{index + 1}" for index in range(len(recipe.members)))):
                    self.workspace.delete(self.workspace.run_folder(name))

    def _imagery(self, progress: Progress) -> None:
        self.training_data = standard_dataset(self.workspace, "training", TRAINING_PLANET, progress)
        for seed in PLANET_SEEDS:
            self.cities[seed] = standard_dataset(self.workspace, self.request.split, seed, progress)
            regions = [city.region("evaluate") for city in trap_places(self.request.split)]
            name = f"standard-{self.request.split}-traps-{seed}"
            self.traps[seed] = simulated_dataset(self.workspace, name, seed, regions, progress)
        self.ground = Ground(self.request.split, self.cities, self.traps)
        if self.request.train:
            self.validation = [
                standard_dataset(self.workspace, "validation", seed, progress) for seed in PLANET_SEEDS
            ]
        # What cannot be trained is told before hours are spent on what can.
        for recipe in self.recipes if self.request.train else ():
            for settings in recipe.settings(self.request.scale):
                check_patch_size(settings, network_info(settings.network))
                check_combination(self.training_data.manifest, settings)

    def _training(self, recipe: Recipe) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            run = run_name(recipe, self.request.scale)
            folder = self.workspace.run_folder(run)
            trained = self._members(recipe, progress)
            if recipe.members and not is_combined(folder, trained):
                combine(trained, folder, run, series=SERIES)
                (folder / pipeline.SCORES_FILE).unlink(missing_ok=True)
            if not (folder / pipeline.SCORES_FILE).exists():
                pipeline.evaluate(self.workspace, run, progress, roles=("evaluate",))
            sources, note = calibration_sources(recipe, self.validation)
            if recipe.ships and not is_calibrated(folder, sources):
                calibrate(
                    sources,
                    pipeline.read_run(self.workspace, run),
                    folder,
                    progress,
                    orientations=recipes.ORIENTATIONS,
                    note=note,
                )

        return work

    def _members(self, recipe: Recipe, progress: Progress) -> list[Path]:
        """Folders of the trained runs of a recipe: its only one, or those of its ensemble."""
        every, folders = recipe.settings(self.request.scale), []
        for index, settings in enumerate(every):
            run = run_name(recipe, self.request.scale) + (f"-{index + 1}" if recipe.members else "")
            folder = self.workspace.run_folder(run)
            wanted = TrainingRequest(
                run=run,
                dataset=self.training_data.manifest.name,
                settings=settings,
                notes=f"Standard recipe: {recipe.title}",
                overwrite=True,
                series=SERIES,
            )
            going_on = is_as_wanted(folder, wanted, self.training_data)
            part = _Part(progress, index, 1, len(every), f"member {index + 1} of {len(every)}")
            training.train(self.training_data, wanted, folder, part if recipe.members else progress, going_on)
            folders.append(folder)
        return folders

    def _model_step(self, recipe: Recipe, folder: Path) -> _Step:
        def work(progress: Progress) -> None:
            self._measure(model_candidate(recipe, folder), progress)

        weight = _SHARPENED_WEIGHT if recipe.sharpened else _SCORE_WEIGHT
        return _Step(weight, f"scoring {recipe.title}", work)

    def _baselines(self, progress: Progress) -> None:
        candidates = [*interpolation_candidates(), *fitted_candidates(self.training_data)]
        for index, candidate in enumerate(candidates):
            self._measure(candidate, _Part(progress, index, 1, len(candidates), candidate.title))

    def _measure(self, candidate: Candidate, progress: Progress) -> None:
        path = self.folder / "methods" / f"{suggested_name(candidate.key)}.json"
        with contextlib.suppress(WorkspaceError):
            known = read_record(path, MethodFigures)
            if known.identity == candidate.identity(self.ground):
                # Older records do not say by which method their intervals were made.
                named = {"interval_method": candidate.interval_method}
                self.figures[candidate.key] = known.model_copy(update=named)
                return
        found = measure(candidate, self.ground, progress, self.clock)
        make_folder(path.parent)
        write_record(path, found)
        self.figures[candidate.key] = found

    def _write(self) -> StandardTable:
        others = [method for method in self._recorded() if method.method not in self.figures]
        scale = self.request.scale if self.request.train else 1.0
        belong, reasons = belonging(others, scale)
        recorded = [method.model_copy(update={"recorded": True}) for method in belong]
        # A model that ships is what it is; that it is not the recipe's is told.
        shipped = (
            {}
            if self.request.train
            else {
                key: f"it ships, but {reason}"
                for key, figures in self.figures.items()
                if (reason := interval_change(figures) or recipe_change(figures))
            }
        )
        table = StandardTable(
            created=self.clock(),
            split=self.request.split,
            scale=self.request.scale if self.request.train else None,
            planet_seeds=list(PLANET_SEEDS),
            training_planet=TRAINING_PLANET,
            baselines_fitted_to=self.training_data.manifest.name,
            versions=Versions.current(),
            methods=[*self.figures.values(), *recorded],
            left_out=[*told(reasons, scale), *_differing(shipped)],
            # With them, the next table can say why they were left out, or take them in again.
            set_aside=[method for method in others if method.method in reasons],
        )
        make_folder(self.folder)
        write_record(self.folder / TABLE_FILE, table)
        return table

    def _recorded(self) -> Iterator[MethodFigures]:
        """What was scored before on the same cities of the same planet and is not scored now."""
        table = (
            _record(self.folder / TABLE_FILE, self.request.split)
            if self.request.train
            else shipped_record(self.workspace, self.request.split)
        )
        yield from table.known if table else ()


def keep_record(workspace: Workspace, split: str = "test") -> Path:
    """Make the workspace's table the project's record, from which the scores of what does not ship are read.

    Raises
    ------
    ModelError
        When there is no table of this version, or a recipe's figures are missing.
    """
    table = _record(table_folder(workspace, split) / TABLE_FILE, split)
    if table is None:
        raise ModelError(
            f"There is no table of the {split} cities of this version.", "Make it: ./run bench standard train"
        )
    _, reasons = belonging([*table.methods, *(row for row in table.set_aside if row.method != LARGER_ORACLE)])
    if reasons:
        again = ",".join(key for key in reasons if key in RECIPES)
        raise ModelError(
            f"The table cannot be kept: {'; '.join(f'{key}: {why}' for key, why in reasons.items())}.",
            f"Make it anew: ./run bench standard train{f' --only {again}' if again else ''}",
        )
    missing = [key for key, recipe in RECIPES.items() if recipe.usual and table.method(key) is None]
    if missing:
        raise ModelError(
            f"The table lacks {', '.join(missing)}.",
            f"Train them: ./run bench standard train --only {','.join(missing)}",
        )
    write_text(RECORD, reduced(table))
    return RECORD


def shipped_record(workspace: Workspace, split: str) -> StandardTable | None:
    """The figures that the retraining of everything gave: the project's record, or the workspace's own."""
    for path in (RECORD, table_folder(workspace, split) / TABLE_FILE):
        found = _record(path, split)
        if found is not None:
            return found
    return None


def _record(path: Path, split: str) -> StandardTable | None:
    """The table at ``path``; None where its figures cannot be compared with those of this program."""
    with contextlib.suppress(WorkspaceError):
        table, here = read_record(path, StandardTable), Versions.current()
        theirs = (table.split, table.versions.standard, table.versions.planet)
        if theirs == (split, here.standard, here.planet):
            return table
    return None


def checked_recipes(request: StandardRequest) -> list[Recipe]:
    """The recipes that a request asks to train.

    Raises
    ------
    ModelError
        When it names one that does not exist.
    """
    unknown = [key for key in request.only or () if key not in RECIPES]
    if unknown:
        raise ModelError(f"There is no recipe {unknown[0]}.", f"Recipes: {', '.join(RECIPES)}.")
    if request.only is None:
        return [recipe for recipe in RECIPES.values() if recipe.usual]
    return [recipe for recipe in RECIPES.values() if recipe.key in request.only]


def _differing(shipped: dict[str, str]) -> list[str]:
    """Lines about models that ship and are not those of their recipes."""
    lines = [f"{key}: {reason}." for key, reason in shipped.items()]
    return lines and [*lines, "Train them anew, and promote them: nightlights models promote"]
