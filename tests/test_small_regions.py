"""Regions of 6 km are imported, exported, trained on with default patches and predicted; smaller ones too."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nightlights import cog
from nightlights.cli import main
from nightlights.datasets import Dataset
from nightlights.manifests import PredictionRecord, RunRecord, read_record
from nightlights.networks.registry import NETWORKS, network_info
from nightlights.patches import check_fit
from nightlights.settings import Settings
from nightlights.training_settings import SMALLEST_DEFAULT_PATCH, SMALLEST_PATCH, TrainingSettings
from nightlights.workspace import Workspace

ROOT = Path(__file__).parent.parent
SIX_KM = 6 / 111.32
REGIONS = {
    "north": ("train", 3.35, 6.45, SIX_KM),
    "south": ("evaluate", 3.60, 6.60, SIX_KM),
    "point": ("predict", 3.351, 6.451, 0.001),
    "block": ("predict", 3.70, 6.45, 0.02),
}
Run = Callable[..., tuple[int, str]]


def small_regions() -> str:
    """Squares as GeoJSON."""
    features = []
    for name, (role, west, south, side) in REGIONS.items():
        east, north = west + side, south + side
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        properties = {"name": name, "role": role}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    return json.dumps({"type": "FeatureCollection", "features": features})


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a dataset of small regions of the simulated planet, all by the command line."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "small.geojson").write_text(small_regions())
    for arguments in (
        ["regions", "import", str(folder / "small.geojson")],
        ["regions", "check", "small"],
        ["export", "--regions", "small", "--dataset", "small"],
    ):
        assert main(["--workspace", str(folder / "workspace"), *arguments]) == 0
    return Workspace.open(folder / "workspace")


@pytest.fixture
def run(space: Workspace, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command line in the workspace; gives exit code and error output."""

    def call(*arguments: str) -> tuple[int, str]:
        code = main(["--workspace", str(space.root), *arguments])
        return code, capsys.readouterr().err

    return call


def test_regions_of_six_kilometres_are_trained_on_with_default_patches_and_predicted(
    space: Workspace, run: Run
) -> None:
    little = ["--epochs", "1", "--patches-per-region", "2", "--batch-size", "2", "--evaluation-patches", "2"]
    little += ["--texture-networks", "1"]
    assert run("train", "--dataset", "small", "--run", "first", *little)[0] == 0
    trained = read_record(space.run_folder("first") / "run.json", RunRecord)
    assert trained.settings.patch_size == 128
    assert (trained.train_regions, trained.evaluate_regions) == (["north"], ["south"])
    assert trained.epochs_done == 1
    for region in REGIONS:
        assert run("predict", "--run", "first", "--region", region, "--prediction", region)[0] == 0
        folder = space.prediction_folder(region)
        record = read_record(folder / "prediction.json", PredictionRecord)
        window = Dataset.open(space, "small").region(region).window.window
        for layer in ("prediction", "sharpened"):
            radiance = cog.read(folder / record.layers[layer])[0]
            assert radiance.shape == window.fine_shape
            assert np.isfinite(radiance).all()


def test_patches_that_are_too_large_for_all_regions_are_refused_with_the_largest_that_fit(run: Run) -> None:
    code, err = run("train", "--dataset", "small", "--run", "second", "--network", "unet")
    assert code == 2
    assert err.splitlines()[-1] == (
        "A patch of 256 x 256 pixels does not fit any of the 2 regions: north (224 x 224 pixels), "
        "south (224 x 224 pixels). Choose a patch size of at most 224 pixels, or export larger regions."
    )


def test_one_region_that_is_too_small_is_named_and_not_left_out_silently(run: Run) -> None:
    code, err = run("train", "--dataset", "small", "--run", "second", "--train-regions", "north,block")
    assert code == 2
    assert "does not fit 1 of 3 regions: block (96 x 96 pixels)." in err
    assert "Choose a patch size of at most 96 pixels, or leave it out, or export a larger region." in err


def test_the_size_in_the_remedy_suits_the_network(space: Workspace) -> None:
    regions = [Dataset.open(space, "small").region(name) for name in ("point", "block")]
    with pytest.raises(Exception, match="at most 96 pixels"):
        check_fit(regions[1:], 128, network_info("unet").stride)
    with pytest.raises(Exception, match="at most 64 pixels"):
        check_fit(regions[1:], 128, 64)
    with pytest.raises(Exception, match=r"\)\. Export larger regions\."):
        check_fit(regions, 128)


def test_the_smallest_default_patch_is_that_of_the_networks_and_of_the_check() -> None:
    assert min(info.settings.patch_size for info in NETWORKS.values()) == SMALLEST_DEFAULT_PATCH
    assert SMALLEST_DEFAULT_PATCH == TrainingSettings().patch_size == Settings().patch_size >= SMALLEST_PATCH


def test_the_readme_and_the_example_state_the_smallest_region_and_the_default() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    size = SMALLEST_DEFAULT_PATCH
    assert f"| `NIGHTLIGHTS_PATCH_SIZE` | {size} |" in readme
    viirs_pixels = size // 16
    degrees = np.ceil(viirs_pixels / 240 * 1000) / 1000
    sides = f"at least {degrees:.3f} degrees, one patch of {size} pixels"
    assert f"{sides}: {viirs_pixels * 0.464:.1f} km at the equator" in readme
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert f"#NIGHTLIGHTS_PATCH_SIZE={size}\n" in example
