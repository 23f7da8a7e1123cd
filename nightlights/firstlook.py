"""What a newcomer sees first: a shipped model's prediction of a small square of the simulated planet."""

from typing import Final

from shapely import box

from nightlights.errors import NewerVersionError, NightlightsError
from nightlights.jobs.kinds import FIRST_LOOK, FirstLookRequest
from nightlights.manifests import PredictionRequest
from nightlights.pipeline import predict
from nightlights.progress import Progress
from nightlights.regions import Region
from nightlights.workspace import Workspace

_LONGITUDE, _LATITUDE, _SIDE_DEGREES = 15.31, -4.33, 0.1
REGION: Final = "kinshasa"


def first_look_region() -> Region:
    """A tenth of a degree of Kinshasa."""
    west, south = _LONGITUDE - _SIDE_DEGREES / 2, _LATITUDE - _SIDE_DEGREES / 2
    return Region(REGION, "predict", box(west, south, west + _SIDE_DEGREES, south + _SIDE_DEGREES))


def run_first_look(
    workspace: Workspace, request: FirstLookRequest, progress: Progress, *, resume: bool
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
