"""Models of level and texture wherever a model is used: scores, intervals, shipping, the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from learning_samples import TINY_NETWORK, learnable_dataset
from numpy.typing import NDArray
from standard.candidates import model_candidate
from standard.recipes import RECIPES

from nightlights import cli, cog, pipeline
from nightlights.bands import RadianceTransform
from nightlights.datasets import Dataset
from nightlights.errors import ModelError
from nightlights.evaluation import LEVEL_ALONE, TEXTURE_ALONE
from nightlights.experiments import get_experiment
from nightlights.grid import Window
from nightlights.manifests import PredictionRequest, RunRecord, Scores, read_record
from nightlights.metrics import ALL_REGIONS
from nightlights.models import load_model
from nightlights.networks import NETWORKS
from nightlights.observation import observe
from nightlights.prediction import Predictor
from nightlights.progress import NoProgress
from nightlights.promotion import BLANK, draft_card, promote
from nightlights.sharpening.verdict import USUAL
from nightlights.shipped import shipped_models
from nightlights.uncertainty import load_calibration
from nightlights.uncertainty.calibration import calibrate
from nightlights.uncertainty.features import region_features
from nightlights.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RUN = "both"


@pytest.fixture(scope="module", autouse=True)
def tiny_network(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
        patch.setenv("NIGHTLIGHTS_MODELS", str(tmp_path_factory.mktemp("models")))
        yield


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a run that was trained from the command line."""
    root = tmp_path_factory.mktemp("workspace")
    learnable_dataset(root)
    small = {"epochs": 1, "patches-per-region": 6, "patch-size": 64, "batch-size": 4, "evaluation-patches": 2}
    options = [text for name, value in small.items() for text in (f"--{name}", str(value))]
    # A level without a guide sees more than single pixels from its first step on.
    parts = ["--network", "tiny", "--texture-networks", "2", "--guide", "none"]
    arguments = ["train", "--dataset", "sample", "--run", RUN, *parts, *options, "--workspace", str(root)]
    assert cli.main(arguments) == 0
    return Workspace.open(root)


def test_each_part_is_scored_alone_and_both_together(space: Workspace) -> None:
    record = get_experiment(space, RUN).record
    scores = read_record(space.run_folder(RUN) / "metrics.json", Scores).scores
    pooled = {(score.method, score.role): score.rmse for score in scores if score.region == ALL_REGIONS}
    assert {method for method, _ in pooled} >= {"tiny", LEVEL_ALONE, TEXTURE_ALONE, "constant mean"}
    for part, method in zip(record.parts, (LEVEL_ALONE, TEXTURE_ALONE, "tiny"), strict=True):
        assert part.train_rmse == pooled[method, "train"]
        assert part.evaluation_rmse == pooled[method, "evaluate"]
    assert record.evaluation_rmse == pooled["tiny", "evaluate"]
    # Joined, they have the score of the level.
    level, texture, both = (part.evaluation_rmse for part in record.parts)
    assert level is not None and texture is not None and both is not None
    assert abs(both - level) < 0.2 * abs(texture - level)
    # Against the truth, each has figures of its own.
    fine = {score.method: score.fine.rmse for score in scores if score.role == "evaluate" and score.fine}
    assert len({round(fine[method], 3) for method in ("tiny", LEVEL_ALONE, TEXTURE_ALONE)}) == 3


def test_a_prediction_is_that_of_both_parts(space: Workspace) -> None:
    request = PredictionRequest(run=RUN, region="east", prediction="mine", overwrite=True)
    record = pipeline.predict(space, request, NoProgress())
    folder, dataset = space.prediction_folder("mine"), Dataset.open(space, "sample")
    window = dataset.region("east").window.window
    light = cog.read(folder / record.layers["prediction"], window)[0]
    predictor = Predictor.load(space.run_folder(RUN))
    level = np.zeros(window.fine_shape, np.float32)
    for tile, radiance in predictor.level.blocks(dataset, "east", NoProgress()):
        level[tile.fine_slices_in(window)] = radiance
    wanted = observe(level, window)
    assert np.abs(observe(light, window) - wanted).mean() < 0.03 * wanted.mean()
    assert np.abs(light - level).mean() > 0.05 * level.mean()
    # What the evaluated region says of the texture is lent to others of the dataset.
    run = get_experiment(space, RUN).record
    assert run.usual_exponent is not None and run.usual_exponent != USUAL
    assert record.sharpening is not None and record.sharpening.verdict is not None
    assert record.sharpening.verdict.usual == run.usual_exponent
    candidate = model_candidate(RECIPES["daytime"], space.run_folder(RUN))
    np.testing.assert_allclose(candidate.predict(dataset, "east", NoProgress()), light, rtol=1e-5)


def test_intervals_belong_to_both_parts(space: Workspace, tmp_path: Path) -> None:
    folder, dataset = (
        Path(shutil.copytree(space.run_folder(RUN), tmp_path / RUN)),
        Dataset.open(space, "sample"),
    )
    run = read_record(folder / "run.json", RunRecord)
    names = [region.name for region in dataset.manifest.regions]
    made = calibrate([(dataset, names)], run, folder, NoProgress(), orientations=2)
    assert load_calibration(folder) == made
    (folder / "texture" / "model.keras").write_bytes((folder / "texture/member-1/model.keras").read_bytes())
    with pytest.raises(ModelError, match="belong to another model"):
        load_calibration(folder)
    shutil.rmtree(folder / "texture")
    with pytest.raises(ModelError, match="belong to another model"):
        load_calibration(folder)


def test_orientations_are_those_of_the_level(space: Workspace) -> None:
    predictor, dataset = Predictor.load(space.run_folder(RUN)), Dataset.open(space, "sample")
    window = dataset.region("east").window.window
    spreads = []
    for each in (predictor, predictor.level):
        light = np.zeros(window.fine_shape, np.float32)
        for tile, radiance in each.blocks(dataset, "east", NoProgress()):
            light[tile.fine_slices_in(window)] = radiance

        def read(part: Window, light: NDArray[np.float32] = light) -> NDArray[np.float32]:
            return light[part.fine_slices_in(window)]

        found = region_features(
            read, dataset, "east", each, RadianceTransform(scale=5.0), 2, NoProgress(), tile_size=12
        )
        spreads.append(found.features[..., -1])
    np.testing.assert_allclose(spreads[0], spreads[1], atol=1e-3)
    assert spreads[0].std() > 0.01


def test_a_shipped_model_has_both_parts_or_is_none(space: Workspace, tmp_path: Path) -> None:
    folder = space.run_folder(RUN)
    card = draft_card(space, RUN, overwrite=True)
    assert "- texture: 2 x pixel" in card.read_text() and "- level: 1 x tiny" in card.read_text()
    card.write_text(card.read_text().replace(BLANK, "(written"))
    model = promote(space, RUN, "both", root=tmp_path)
    assert {path.name for path in (model.folder / "texture").iterdir()} == {
        "model.keras",
        "config.json",
        "run.json",
        "members.json",
    }
    for part in ("", "texture"):
        own, shipped = (load_model(place / part)[0].get_weights() for place in (folder, model.folder))
        for one, other in zip(own, shipped, strict=True):
            np.testing.assert_array_equal(one, other)
        device = json.loads((model.folder / part / "run.json").read_text())["device"]
        assert device in ("CPU", "GPU")
    assert [each.name for each in shipped_models(tmp_path)] == ["both"]
    assert Predictor.load(model.folder).texture is not None
    (model.folder / "texture" / "model.keras").unlink()
    assert shipped_models(tmp_path) == []
    other = Workspace.open(tmp_path / "w")
    broken = Path(shutil.copytree(folder, other.run_folder(RUN)))
    (broken / "texture" / "members.json").unlink()
    with pytest.raises(ModelError, match=r"not whole: texture/members.json"):
        promote(other, RUN, "again", root=tmp_path)
    assert not (tmp_path / "again").exists()
