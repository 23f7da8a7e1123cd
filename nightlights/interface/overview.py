"""What the workspace holds, and the one next step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nightlights.errors import NightlightsError
from nightlights.manifests import (
    DatasetManifest,
    JobKind,
    PredictionRecord,
    RunRecord,
    read_record,
)
from nightlights.wording import counted
from nightlights.workspace import Workspace

if TYPE_CHECKING:
    from nightlights.jobs import Job

PAGE_OF_KIND: Final[Mapping[JobKind, str]] = {
    "export": "imagery",
    "import": "imagery",
    "train": "train",
    "evaluate": "experiments",
    "calibrate": "experiments",
    "cross-validate": "experiments",
    "sweep": "experiments",
    "standard": "experiments",
    "first-look": "compare",
    "predict": "compare",
    "publish": "compare",
    "fetch": "tasks",
    "example": "imagery",
}
"""Where a job of a kind is watched."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts, the newest of each kind in words, and what could not be read.

    ``simulated`` holds when everything came from the simulated planet, as it does while there is nothing.
    """

    regions: int
    datasets: int
    runs: int
    finished_runs: int
    predictions: int
    newest: Mapping[str, str]
    simulated: bool
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NextStep:
    """The page to go to, what the button says, and why."""

    page: str
    label: str
    reason: str


def look_at(workspace: Workspace) -> Overview:
    """Read the manifests of the workspace; broken ones are named, not raised."""
    broken: list[str] = []
    newest: dict[str, str] = {}
    regions = 0
    names = workspace.region_names()
    if names:
        # It brings readers of every kind of file: the first picture of an empty workspace does not wait.
        from nightlights.region_files import load_collection
    for name in names:
        try:
            collection = load_collection(workspace, name)
        except NightlightsError as error:
            broken.append(str(error))
            continue
        regions += len(collection)
        newest["regions"] = f"{name}: {counted(len(collection), 'region')}"
    datasets: list[DatasetManifest] = []
    runs: list[RunRecord] = []
    predictions: list[PredictionRecord] = []
    for name in workspace.dataset_names():
        try:
            datasets.append(read_record(workspace.dataset_folder(name) / "dataset.json", DatasetManifest))
        except NightlightsError as error:
            broken.append(str(error))
    for name in workspace.run_names():
        try:
            runs.append(read_record(workspace.run_folder(name) / "run.json", RunRecord))
        except NightlightsError as error:
            broken.append(str(error))
    for name in workspace.prediction_names():
        try:
            predictions.append(
                read_record(workspace.prediction_folder(name) / "prediction.json", PredictionRecord)
            )
        except NightlightsError as error:
            broken.append(str(error))
    if datasets:
        dataset = max(datasets, key=lambda record: record.created)
        newest["datasets"] = f"{dataset.name}: {counted(len(dataset.regions), 'region')}"
    if runs:
        newest["runs"] = _run_words(max(runs, key=lambda record: record.created))
    if predictions:
        prediction = max(predictions, key=lambda record: record.created)
        newest["predictions"] = f"{prediction.region} by {prediction.run}"
    sources = [
        *(dataset.source for dataset in datasets),
        *(run.source for run in runs),
        *(prediction.source for prediction in predictions),
    ]
    return Overview(
        regions,
        len(datasets),
        len(runs),
        sum(run.finished is not None for run in runs),
        len(predictions),
        newest,
        all(source.simulated for source in sources),
        tuple(broken),
    )


def _run_words(run: RunRecord) -> str:
    if run.evaluation_rmse is None:
        return f"{run.name}: {counted(run.epochs_done, 'epoch')}{run.caveats}"
    return f"{run.name}: RMSE {run.evaluation_rmse:.2f} nW/cm²/sr{run.caveats}"


def next_step(overview: Overview, jobs: Sequence["Job"]) -> NextStep:
    """What to do next: watch what runs, else the first thing that is missing."""
    active = next((job for job in jobs if job.active), None)
    if active is not None:
        return NextStep(PAGE_OF_KIND[active.kind], "Watch it work", f"{active.title} is {active.state_text}.")
    if not overview.regions:
        return NextStep("regions", "Draw regions", "Choose where to train and where to evaluate.")
    if not overview.datasets:
        return NextStep("imagery", "Export imagery", "The regions are drawn; fetch their images.")
    if not overview.finished_runs:
        return NextStep("train", "Train a network", "The images are there; train a network on them.")
    if not overview.predictions:
        return NextStep("compare", "Predict a region", "A network is trained; see what it predicts.")
    return NextStep("compare", "Compare predictions", "Put prediction, VIIRS and Landsat side by side.")
