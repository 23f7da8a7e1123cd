"""Exports that an earlier version of the planet began or finished are never mixed with those of this one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_samples import region, request

from nightlights.datasets import Dataset, export_dataset
from nightlights.errors import Cancelled
from nightlights.grid import Window
from nightlights.planet import PLANET_VERSION
from nightlights.progress import NoProgress
from nightlights.sources.simulated import SimulatedSource
from nightlights.workspace import Workspace

REGIONS = (region("first", Window(46_872, 19_036, 8, 8)), region("second", Window(46_890, 19_036, 8, 8)))


class Older(SimulatedSource):
    """The planet of an earlier version, on which everything was brighter by day."""

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "planet_version": PLANET_VERSION - 1}

    def daytime(self, window: Window) -> np.ndarray:
        return np.asarray(super().daytime(window) * np.float32(1.5))


class Stopped:
    """Progress that keeps its messages, and cancels when a region begins."""

    def __init__(self, at: str | None = None) -> None:
        self.at, self.messages = at, list[str]()

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        self.messages.append(message)
        if self.at and message.startswith(self.at):
            raise Cancelled


def pixels(workspace: Workspace, name: str) -> dict[str, str]:
    return {
        file: digest
        for each in Dataset.open(workspace, name).manifest.regions
        for file, digest in each.sha256.items()
    }


def test_an_unfinished_export_of_an_earlier_planet_is_begun_again(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    with pytest.raises(Cancelled):
        export_dataset(workspace, request(), Older(1), REGIONS, Stopped("second"))
    finished = workspace.unfinished_dataset_folder("sample") / "finished"
    assert [path.name for path in finished.glob("*.json")] == ["first.json"]
    progress = Stopped()
    export_dataset(workspace, request(), SimulatedSource(1), REGIONS, progress, resume=True)
    assert "version of the source is discarded" in progress.messages[0]
    export_dataset(workspace, request("fresh"), SimulatedSource(1), REGIONS, Stopped())
    assert pixels(workspace, "sample") == pixels(workspace, "fresh")
    parameters = Dataset.open(workspace, "sample").manifest.source.parameters
    assert parameters["planet_version"] == PLANET_VERSION


def test_a_finished_dataset_of_an_earlier_planet_stays_when_its_export_resumes(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    export_dataset(workspace, request(), Older(1), REGIONS, NoProgress())
    before = pixels(workspace, "sample")
    export_dataset(workspace, request(), SimulatedSource(1), REGIONS, NoProgress(), resume=True)
    dataset = Dataset.open(workspace, "sample")
    dataset.verify()
    assert pixels(workspace, "sample") == before
    assert dataset.manifest.source.parameters["planet_version"] == PLANET_VERSION - 1
