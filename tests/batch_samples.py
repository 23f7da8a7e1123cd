"""Small composites of small windows, and a server that several tests of a file share."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from earthengine_server.faults import Faults
from earthengine_server.server import EarthEngineServer
from shapely import box

from nightlights.composites import DaytimeComposite, EarthEngineRequest, NighttimeComposite
from nightlights.grid import Window
from nightlights.manifests import ExportRequest
from nightlights.progress import NoProgress
from nightlights.region_files import save_collection
from nightlights.regions import Region, RegionCollection
from nightlights.settings import Settings
from nightlights.sources.earthengine.source import EarthEngineSource
from nightlights.workspace import Workspace

KINSHASA = Window(46_860, 19_046, 9, 8)
BRAZZAVILLE = Window(46_880, 19_030, 6, 7)
WINDOWS = {"kinshasa": KINSHASA, "brazzaville": BRAZZAVILLE}
REQUEST = EarthEngineRequest(
    daytime=DaytimeComposite(start=date(2021, 1, 1), end=date(2021, 2, 28), bands=("SR_B4", "SR_B5", "B10")),
    nighttime=NighttimeComposite(start=date(2021, 1, 1), end=date(2021, 2, 28)),
    method="batch",
    patch_size=64,
    patches_per_region=3,
)


class Crash(BaseException):
    """The end of the process, as far as the code under test can tell."""


class CrashingProgress:
    """Ends the process at its ``last``-th word."""

    def __init__(self, last: int) -> None:
        self.left = last

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        self.left -= 1
        if self.left <= 0:
            raise Crash


@pytest.fixture(scope="module")
def planet_server() -> Iterator[EarthEngineServer]:
    with EarthEngineServer() as server:
        yield server


@pytest.fixture
def server(planet_server: EarthEngineServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[EarthEngineServer]:
    """The shared server without faults, set in the environment; give it faults with :func:`play`."""
    for name, value in planet_server.environment.items():
        monkeypatch.setenv(name, value)
    planet_server.requests.clear()
    yield planet_server
    play(planet_server)


def play(server: EarthEngineServer, **faults: Any) -> None:
    """From now on these faults alone."""
    server.faults.become(Faults(**faults))


def request(**changes: Any) -> EarthEngineRequest:
    return REQUEST.model_copy(update=changes)


def fetched(folder: Path, asked: EarthEngineRequest, windows: dict[str, Window] = WINDOWS) -> Any:
    """A source whose imagery lies in ``folder`` by now."""
    source = EarthEngineSource(asked, Settings.from_environment())
    source.fetch(windows, folder, NoProgress())
    return source


def make_workspace(root: Path, windows: dict[str, Window] = WINDOWS) -> Workspace:
    """A workspace with the regions ``areas``."""
    workspace = Workspace.open(root)
    regions = tuple(Region(name, "train", box(*window.bounds)) for name, window in windows.items())
    save_collection(workspace, RegionCollection("areas", regions))
    return workspace


def export_request(name: str, asked: EarthEngineRequest) -> ExportRequest:
    return ExportRequest(dataset=name, regions="areas", source="earthengine", earthengine=asked)
