"""What the eye would object to in a trained network's light, measured beside the truth."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely import box

from nightlights.datasets import Dataset, export_dataset
from nightlights.manifests import ExportRequest, Role, TrainingRequest, TrainingSettings
from nightlights.metrics import dark_holes, edge_ratio, phase_spread, scan_lines
from nightlights.observation import PointSpread, observe
from nightlights.prediction import Predictor
from nightlights.progress import NoProgress
from nightlights.regions import Region
from nightlights.sharpening import sharpen
from nightlights.sharpening.interpolation import bicubic
from nightlights.sources.simulated import SimulatedSource
from nightlights.training import train
from nightlights.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE = 0.1
PLACES: dict[str, tuple[float, float, Role]] = {
    "lagos": (3.38, 6.52, "train"),
    "accra": (-0.19, 5.62, "train"),
    "abidjan": (-4.02, 5.34, "evaluate"),
}
Light = NDArray[np.float64]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Light]:
    """The held-out town: its truth, interpolated VIIRS, what each part predicts, and sharpened light."""
    workspace = Workspace.open(tmp_path_factory.mktemp("planet"))
    regions = [
        Region(name, role, box(east - SIDE / 2, north - SIDE / 2, east + SIDE / 2, north + SIDE / 2))
        for name, (east, north, role) in PLACES.items()
    ]
    request = ExportRequest(dataset="towns", regions="towns")
    export_dataset(workspace, request, SimulatedSource(1), regions, NoProgress())
    dataset = Dataset.open(workspace, "towns")
    settings = TrainingSettings(
        network="unet-small", texture_networks=2, epochs=4, patches_per_region=32, evaluation_patches=2
    )
    folder = workspace.run_folder("towns")
    train(dataset, TrainingRequest(run="towns", dataset="towns", settings=settings), folder, NoProgress())
    predictor = Predictor.load(folder)
    zeros = replace(predictor.level, config=predictor.config.model_copy(update={"mirrored_edges": False}))
    window = dataset.region("abidjan").window.window
    measured = dataset.read_nighttime("abidjan").astype(np.float64)
    truth = dataset.read_truth("abidjan")
    assert truth is not None
    found: dict[str, Light] = {
        "truth": truth.astype(np.float64),
        "bicubic": bicubic(measured, window, PointSpread()),
    }
    for name, part in (("level", predictor.level), ("level, zeros", zeros), ("predicted", predictor)):
        found[name] = np.full(window.fine_shape, np.nan)
        for tile, light in part.blocks(dataset, "abidjan", NoProgress()):
            found[name][tile.fine_slices_in(window)] = light
    noise = dataset.manifest.viirs_noise
    found["sharpened"] = sharpen(found["predicted"], measured, window, noise=noise).astype(np.float64)
    errors = [
        float(np.sqrt(np.mean((observe(found[name], window) - measured) ** 2)))
        for name in ("predicted", "level")
    ]
    assert errors[0] < 1.01 * errors[1]
    return found


@pytest.mark.parametrize("layer", ["predicted", "sharpened"])
def test_there_are_no_scan_lines_and_no_checkerboard(images: dict[str, Light], layer: str) -> None:
    for figure, limit in (
        (scan_lines, 1.5 * scan_lines(images["truth"])),
        (phase_spread, 0.01 + phase_spread(images["truth"])),
    ):
        assert figure(images[layer]) <= limit < figure(images["level"]), figure.__name__


def test_there_are_no_dark_holes(images: dict[str, Light]) -> None:
    usual = dark_holes(images["bicubic"], images["truth"])
    assert dark_holes(images["sharpened"], images["truth"]) <= 1.5 * usual


@pytest.mark.parametrize("layer", ["predicted", "sharpened"])
def test_there_is_no_frame(images: dict[str, Light], layer: str) -> None:
    own = edge_ratio(images["truth"])
    assert abs(edge_ratio(images[layer]) - own) < 0.1
    # Beside zeros, what the network sees at the edge is no ground that there is.
    zeros, mirrored = (edge_ratio(images[name]) for name in ("level, zeros", "level"))
    assert abs(zeros - own) > 0.03 + abs(mirrored - own)
