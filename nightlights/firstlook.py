"""What a newcomer sees first: a shipped model's prediction of a small square of the simulated planet.

It ships ready-made beside the model, so that the first start has a picture to show at once. Where it does
not, a job makes it.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nightlights.errors import NewerVersionError, NightlightsError
from nightlights.files import replacing_folder
from nightlights.manifests import PredictionRecord, PredictionRequest, read_record
from nightlights.progress import Progress
from nightlights.shipped import FIRST_LOOK, models_folder, shipped_model
from nightlights.workspace import Workspace

if TYPE_CHECKING:
    from nightlights.jobs.kinds import FirstLookRequest
    from nightlights.regions import Region

_LONGITUDE, _LATITUDE, _SIDE_DEGREES = 15.31, -4.33, 0.1
REGION: Final = "kinshasa"
PICTURES: Final = {"day": "day.webp", "night": "night.png", "sharpened": "sharpened.webp"}
"""Daytime, VIIRS and sharpened light as small pictures: what is shown to the names of their files."""
_PREDICTION_FILE: Final = "prediction.json"


def first_look_region() -> "Region":
    """A tenth of a degree of Kinshasa."""
    from shapely import box

    from nightlights.regions import Region

    west, south = _LONGITUDE - _SIDE_DEGREES / 2, _LATITUDE - _SIDE_DEGREES / 2
    return Region(REGION, "predict", box(west, south, west + _SIDE_DEGREES, south + _SIDE_DEGREES))


def ready_made() -> Path | None:
    """The folder of the prediction that ships; None where there is none of a model that ships."""
    folder = models_folder() / FIRST_LOOK
    try:
        record = read_record(folder / _PREDICTION_FILE, PredictionRecord)
    except NightlightsError:
        return None
    whole = all((folder / file).is_file() for file in record.layers.values())
    return folder if whole and shipped_model(record.run) is not None else None


def pictures_of(folder: Path) -> dict[str, Path] | None:
    """The pictures of the prediction in ``folder``, by what they show; None unless all are there."""
    paths = {shown: folder / file for shown, file in PICTURES.items()}
    return paths if all(path.is_file() for path in paths.values()) else None


def show_ready_made(workspace: Workspace) -> PredictionRecord | None:
    """Put the prediction that ships into a workspace that holds nothing yet; None where nothing was put.

    Raises
    ------
    WorkspaceError
        When the folder cannot be written.
    """
    held = workspace.prediction_names() or workspace.dataset_names() or workspace.run_names()
    folder = None if held else ready_made()
    if folder is None:
        return None
    target = workspace.prediction_folder(FIRST_LOOK)
    with replacing_folder(target) as unfinished:
        for path in folder.iterdir():
            if path.name not in PICTURES.values():
                shutil.copyfile(path, unfinished / path.name)
    return read_record(target / _PREDICTION_FILE, PredictionRecord)


def run_first_look(
    workspace: Workspace, request: "FirstLookRequest", progress: Progress, *, resume: bool
) -> None:
    """Handle a first look: make the imagery unless it is there, and predict it.

    Raises
    ------
    ModelError
        When there is no such model, or it takes other bands than the simulated planet has.
    WorkspaceError
        When the disk is full.
    """
    from nightlights.datasets import Dataset, export_dataset
    from nightlights.manifests import ExportRequest
    from nightlights.pipeline import predict
    from nightlights.sources.simulated import SimulatedSource

    try:
        Dataset.open(workspace, FIRST_LOOK)
    except NewerVersionError:
        raise
    except NightlightsError:
        wanted = ExportRequest(dataset=FIRST_LOOK, regions=FIRST_LOOK, overwrite=True)
        export_dataset(
            workspace, wanted, SimulatedSource(wanted.planet_seed), [first_look_region()], progress
        )
    prediction = PredictionRequest(
        run=request.run, region=REGION, dataset=FIRST_LOOK, prediction=FIRST_LOOK, overwrite=True
    )
    predict(workspace, prediction, progress)
