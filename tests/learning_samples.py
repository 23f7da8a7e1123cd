"""A source whose light follows from one band, and a small dataset of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from shapely import box

from nightlights.bands import LANDSAT_BANDS
from nightlights.datasets import Dataset, export_dataset
from nightlights.grid import Window
from nightlights.manifests import ExportRequest, Role
from nightlights.networks import NETWORKS
from nightlights.networks.layout import UNetLayout
from nightlights.observation import observe
from nightlights.progress import NoProgress
from nightlights.regions import Region
from nightlights.sources.base import Estimate
from nightlights.workspace import Workspace

BRIGHTEST = 40.0
TINY_NETWORK = replace(
    NETWORKS["unet-small"],
    name="tiny",
    layout=UNetLayout(
        depth=1,
        base_filters=4,
        convolution_bias=False,
        normalised_concatenation=False,
        momentum=0.9,
        output="softplus",
    ),
)
"""A network that trains in a second; tests put it into the registry."""
WINDOWS: dict[str, tuple[Window, Role]] = {
    "north": (Window(43_000, 16_000, 12, 12), "train"),
    "south": (Window(43_100, 19_000, 12, 12), "train"),
    "east": (Window(43_200, 18_000, 12, 12), "evaluate"),
}


class LearnableSource:
    """Two bands of smooth noise; the light is a threshold of the first, which no linear map gives."""

    kind = "simulated"
    label = "Learnable test source"
    simulated = True
    notes = ()
    usual_noise = None
    bands = (LANDSAT_BANDS[3], LANDSAT_BANDS[7])

    def describe(self) -> dict[str, Any]:
        return {}

    def estimate(self, window: Window) -> Estimate:
        return Estimate(stored_bytes=1, seconds=1.0)

    def _noise(self, window: Window, stream: int) -> NDArray[np.float64]:
        generator = np.random.default_rng([window.row, window.column, stream])
        noise = gaussian_filter(generator.normal(size=window.fine_shape), 10, mode="wrap")
        return noise / noise.std()

    def daytime(self, window: Window) -> NDArray[np.float32]:
        optical = 0.2 + 0.05 * self._noise(window, 0)
        thermal = 300 + 5 * self._noise(window, 1)
        return np.stack([optical, thermal]).astype(np.float32)

    def truth(self, window: Window) -> NDArray[np.float32]:
        return np.where(self._noise(window, 0) > 0.8, BRIGHTEST, 0.2).astype(np.float32)

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        return observe(self.truth(window), window).astype(np.float32)


def learnable_dataset(root: Path, name: str = "sample") -> Dataset:
    """Export :data:`WINDOWS` of :class:`LearnableSource` into a workspace at ``root``."""
    workspace = Workspace.open(root)
    regions = [Region(key, role, box(*window.bounds)) for key, (window, role) in WINDOWS.items()]
    request = ExportRequest(dataset=name, regions="some")
    export_dataset(workspace, request, LearnableSource(), regions, NoProgress())
    return Dataset.open(workspace, name)
