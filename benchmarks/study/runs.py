"""The study's twenty runs on the simulated planet, with its loader's defect and without it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from statistics import median
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import Field

from nightlights.bands import RADIANCE_UNIT
from nightlights.errors import ModelError, SettingsError
from nightlights.evaluation import Share, network_method
from nightlights.files import make_folder
from nightlights.manifests import (
    ExportRequest,
    TrainingRequest,
    TrainingSettings,
    now,
    write_record,
)
from nightlights.networks.registry import network_info
from nightlights.pipeline import make_source
from nightlights.progress import NoProgress, Progress
from nightlights.records import SCHEMA_VERSION, Record
from nightlights.region_files import save_collection
from nightlights.regions import RegionCollection
from nightlights.sweeps.trials import checked_values
from nightlights.training.choices import check_patch_size
from nightlights.wording import counted
from nightlights.workspace import Workspace
from study.loader import Loading, StudyLoader
from study.table import STUDY_ROWS, RegionSize, StudyRow, study_regions

if TYPE_CHECKING:
    from nightlights.datasets import Dataset

STUDY_PATCH_SIZE: Final = 256
STUDY_FILE: Final = "study.json"
SIDE_DEGREES: Final[dict[RegionSize, float]] = {"small": 0.2, "large": 0.4}
"""Sides of the squares that stand for the study's regions, with patches of 256 pixels; our choice."""

_LOADERS: Final[dict[Loading, str]] = {"study": "defect", "study mended": "mended"}
_FIXED_PATCHES: Final = 32

Verdict = Literal["–", "diverged", "no better", "better"]
_DIVERGED: Final = 10.0
"""Times the RMSE of the best constant from which on light has run away rather than been misplaced."""
_CONSTANT: Final = 0.98
"""Times the same from which on a run is no better; below 1, for a constant that is not quite the best."""


@dataclass(frozen=True, slots=True)
class StudyScale:
    """How much smaller than the study its runs are here.

    Attributes
    ----------
    work:
        Share of the study's training work that is aimed at, patches times epochs: both shrink by its square
        root, and the batch with the patches, so that an epoch keeps its number of steps. No row has less
        than one patch a region and one epoch, so that its own share may be larger: :func:`work_share`.
    network:
        See :mod:`nightlights.networks`.
    patch_size:
        Side in analysis pixels; the regions shrink with it.
    seed:
        Of the weights, the patches and their order; the planet's is ``planet_seed``.
    """

    work: float = 1.0
    network: str = "study-unet"
    patch_size: int = STUDY_PATCH_SIZE
    seed: int = 1
    planet_seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.work <= 1:
            raise SettingsError(f"The scale cannot be {self.work:g}.", "Choose a share above 0, at most 1.")
        values = {"patch_size": self.patch_size, "seed": self.seed}
        checked_values(TrainingSettings(), values)
        check_patch_size(self.settings(STUDY_ROWS[0], "study"), network_info(self.network))

    def settings(self, row: StudyRow, loader: Loading) -> TrainingSettings:
        """The study's recipe for ``row``: its own loss, labels, optimizer and constant learning rate."""
        shrink = math.sqrt(self.work)
        patches = max(1, round(row.patches_per_region * shrink))
        batch = row.batch_size * patches / row.patches_per_region
        return TrainingSettings(
            network=self.network,
            epochs=max(1, round(row.epochs * shrink)),
            patches_per_region=patches,
            patch_size=self.patch_size,
            batch_size=max(1, round(batch)),
            learning_rate=row.learning_rate,
            optimizer=row.optimizer,
            schedule="constant",
            gradient_norm=0.0,
            loss="pixel squared error",
            label_resampling="nearest",
            loader=loader,
            rotate=False,
            mirror=False,
            seed=self.seed,
            evaluation_patches=_FIXED_PATCHES,
        )

    def side(self, size: RegionSize) -> float:
        """Side of a region in degrees."""
        return SIDE_DEGREES[size] * self.patch_size / STUDY_PATCH_SIZE


class StudyOutcome(Record):
    """One run of ours. RMSE in nW/cm2/sr at the VIIRS grid, in inference mode.

    Attributes
    ----------
    train_rmse:
        On fixed patches of the regions that the loader reads.
    last_rmse:
        Over the last evaluation region, the only one that the study's loader reads.
    evaluation_rmse:
        Over the pixels of all evaluation regions.
    """

    run: str
    train_rmse: float | None = None
    last_rmse: float | None = None
    evaluation_rmse: float | None = None
    failure: str = Field(default="", description="why there are no figures, such as that training diverged")

    @classmethod
    def of(cls, run: str, train: float | None, last: float, evaluation: float) -> Self:
        """The outcome with these figures; a failure where one of them is no number."""
        figures = (train, last, evaluation)
        if not all(figure is None or math.isfinite(figure) for figure in figures):
            return cls(run=run, failure="Training diverged: its predictions are no numbers.")
        return cls(run=run, train_rmse=train, last_rmse=last, evaluation_rmse=evaluation)


class StudyComparison(Record):
    """A row of the study beside ours; the published figures have no unit."""

    row: int
    patches: int = Field(description="of an epoch, ours, all regions together as the study counted them")
    batch_size: int
    epochs: int
    defect: StudyOutcome
    mended: StudyOutcome


class StudyRegions(Record):
    """What a dataset's regions measure. Standard deviations of VIIRS radiance in nW/cm2/sr.

    The deviation is the RMSE of the best constant in hindsight: how hard a region is, whatever the network.
    """

    dataset: str
    train: dict[str, float] = Field(description="region to deviation, in the order of the files")
    evaluate: dict[str, float]


class StudyRecord(Record):
    """``study/study.json``: simulated throughout."""

    schema_version: Literal[1] = SCHEMA_VERSION
    created: datetime
    simulated: Literal[True] = True
    work: float
    network: str
    patch_size: int
    seed: int
    planet_seed: int
    unit: str = RADIANCE_UNIT
    rows: list[StudyComparison]
    regions: list[StudyRegions]

    def row(self, number: int) -> StudyComparison | None:
        """Ours for a row of the study, if it was run."""
        return next((each for each in self.rows if each.row == number), None)

    def verdict(self, row: StudyRow, outcome: StudyOutcome) -> Verdict:
        """What became of a run, by its RMSE in the last evaluation region against the best constant's."""
        if outcome.last_rmse is None:
            return "diverged" if outcome.failure else "–"
        name = row.dataset.removesuffix("_adam")
        found = [each for each in self.regions if each.dataset.removesuffix("_adam") == name]
        if not found:
            return "–"
        ratio = outcome.last_rmse / max(list(found[0].evaluate.values())[-1], 1e-9)
        if ratio > _DIVERGED:
            return "diverged"
        return "no better" if ratio >= _CONSTANT else "better"


def run_study(
    workspace: Workspace,
    scale: StudyScale,
    rows: Sequence[StudyRow],
    progress: Progress,
    *,
    clock: Callable[[], datetime] = now,
) -> StudyRecord:
    """Train ``rows`` twice each; finished runs of the same settings are kept. Simulated imagery.

    Raises
    ------
    SettingsError, DatasetError, ModelError
        When patches do not fit the network or the regions, or training diverges.
    """
    comparisons, regions = [], dict[str, StudyRegions]()
    # A small scale rounds some rows to the same settings; those are trained once.
    known: dict[tuple[str, str], StudyOutcome] = {}
    for index, row in enumerate(rows):
        dataset = _dataset(workspace, scale, row, progress)
        regions.setdefault(row.dataset.removesuffix("_adam"), _regions_of(dataset, row))
        outcomes: list[StudyOutcome] = []
        for loader, words in _LOADERS.items():
            message = f"Row {row.row} ({row.dataset}), {words}"
            share = Share(progress, 2 * index + len(outcomes), 2 * len(rows), message, "runs")
            settings = scale.settings(row, loader)
            same = dataset.manifest.name, settings.model_dump_json()
            if same not in known:
                known[same] = _outcome(workspace, dataset, f"study-{row.row:02d}-{words}", settings, share)
            outcomes.append(known[same])
        settings = scale.settings(row, "study")
        comparisons.append(
            StudyComparison(
                row=row.row,
                patches=settings.patches_per_region * row.regions,
                batch_size=settings.batch_size,
                epochs=settings.epochs,
                defect=outcomes[0],
                mended=outcomes[1],
            )
        )
    record = StudyRecord(
        created=clock(),
        work=scale.work,
        network=scale.network,
        patch_size=scale.patch_size,
        seed=scale.seed,
        planet_seed=scale.planet_seed,
        rows=comparisons,
        regions=list(regions.values()),
    )
    make_folder(workspace.root / "study")
    write_record(workspace.root / "study" / STUDY_FILE, record)
    progress.update(1, 1, message="All rows are done")
    return record


def loader_of(settings: TrainingSettings) -> StudyLoader | None:
    """The loader that ``settings`` name; None for random patches."""
    return None if settings.loader == "random patches" else StudyLoader(settings.loader)


def rows_of(numbers: Sequence[int] | None) -> list[StudyRow]:
    """The rows with these numbers, all unless given.

    Raises
    ------
    SettingsError
        When there is no such row.
    """
    known = {row.row: row for row in STUDY_ROWS}
    for number in numbers or ():
        if number not in known:
            raise SettingsError(f"The study has no row {number}.", f"Its rows: 1 to {len(known)}.")
    return [known[number] for number in dict.fromkeys(numbers or known)]


def answers(record: StudyRecord) -> list[str]:
    """What the runs say to the study's two puzzles, in sentences with their numbers."""
    unit, said = record.unit, []
    published = {row.row: row for row in STUDY_ROWS}

    def ran_away(ours: StudyComparison) -> bool:
        outcomes = (ours.defect, ours.mended)
        return any(record.verdict(published[ours.row], outcome) == "diverged" for outcome in outcomes)

    for few, many, words in _TEN_TIMES:
        less, more = record.row(few), record.row(many)
        if less and more:
            pairs = ((less.defect, more.defect), (less.mended, more.mended))
            with_it, without = (
                f"{figure(first.evaluation_rmse)} to {figure(second.evaluation_rmse)}"
                for first, second in pairs
            )
            doubt = " Some of these diverged, so they say little." if ran_away(less) or ran_away(more) else ""
            said.append(
                f"Ten times the patches (row {few} to row {many}, {words}): with the defect {with_it}, "
                f"without it {without} {unit} in Abuja and Nairobi together.{doubt}"
            )
    sound = [each for each in record.rows if not ran_away(each)]
    both = [(each.mended.evaluation_rmse, each.defect.evaluation_rmse) for each in sound]
    ratios = [mended / defect for mended, defect in both if mended and defect]
    if ratios:
        out = len(record.rows) - len(sound)
        left_out = f"; {counted(out, 'row')} in which a run diverged left out" if out else ""
        said.append(
            f"Without the defect the RMSE in Abuja and Nairobi is {median(ratios):.2f} times that with it "
            f"(median of {counted(len(ratios), 'row')}, {min(ratios):.2f} to {max(ratios):.2f}{left_out}); "
            f"it is lower in {sum(ratio < 1 for ratio in ratios)} of them."
        )
    for each in record.regions:
        (read, deviation), (judge, other) = list(each.train.items())[-1], list(each.evaluate.items())[-1]
        said.append(
            f"{each.dataset}: training RMSE is that of {read} alone, where VIIRS has a standard deviation of "
            f"{deviation:.2f} {unit}; evaluation RMSE is that of {judge} alone, {other:.2f}; over the "
            f"training regions it goes from {min(each.train.values()):.2f} to {max(each.train.values()):.2f}."
        )
    return said


def work_share(row: StudyRow, ours: StudyComparison) -> float:
    """Patches times epochs of one training of ours, as a share of the study's in ``row``."""
    return ours.patches * ours.epochs / (row.samples * row.epochs)


def figure(value: float | None) -> str:
    """An RMSE with two digits; a dash where there is none."""
    return "–" if value is None else f"{value:.2f}"


_TEN_TIMES: Final = ((8, 5, "1 epoch"), (10, 6, "20 epochs"), (11, 7, "50 epochs"))
"""Rows of eight small regions with 100 patches each, and of eight large ones with 1,000."""


def _dataset(workspace: Workspace, scale: StudyScale, row: StudyRow, progress: Progress) -> "Dataset":
    """The regions of ``row`` on the simulated planet, exported where they are not there yet."""
    from nightlights.datasets import Dataset, export_dataset

    name = f"study-{row.dataset.replace('_adam', '')}-{scale.patch_size}-{scale.planet_seed}"
    if name not in workspace.dataset_names():
        regions = study_regions(row, scale.side(row.region_size), scale.side("large"))
        save_collection(workspace, RegionCollection(name, tuple(regions), f"Regions of {row.dataset}"))
        request = ExportRequest(dataset=name, regions=name, planet_seed=scale.planet_seed)
        # Not checked as drawn regions are: theirs may be smaller than a default patch.
        export_dataset(workspace, request, make_source(request), regions, progress)
    return Dataset.open(workspace, name)


def _outcome(
    workspace: Workspace, dataset: "Dataset", run: str, settings: TrainingSettings, progress: Progress
) -> StudyOutcome:
    from nightlights import training
    from nightlights.metrics import ScoreSums
    from nightlights.prediction import Predictor

    request = TrainingRequest(
        run=run,
        dataset=dataset.manifest.name,
        settings=settings,
        notes="The study's table",
        series="the study's table",
        overwrite=True,
    )
    folder = workspace.run_folder(run)
    try:
        record = training.train(dataset, request, folder, progress, True, loader=loader_of(settings))
    except ModelError as error:
        return StudyOutcome(run=run, failure=str(error))
    method = network_method(settings.network, Predictor.load(folder), folder)
    sums = [method.compare(dataset, name, NoProgress()).sums for name in record.evaluate_regions]
    return StudyOutcome.of(run, record.train_rmse, sums[-1].rmse, reduce(ScoreSums.merge, sums).rmse)


def _regions_of(dataset: "Dataset", row: StudyRow) -> StudyRegions:
    import numpy as np

    deviations = {
        (region.role, region.name): float(np.nanstd(dataset.read_nighttime(region.name)))
        for region in dataset.manifest.regions
    }
    return StudyRegions(
        dataset=row.dataset,
        train={name: value for (role, name), value in deviations.items() if role == "train"},
        evaluate={name: value for (role, name), value in deviations.items() if role == "evaluate"},
    )
