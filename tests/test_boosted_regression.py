"""The boosted footprint regression: trees within a model, how many are kept, bounds, resuming."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_samples import LearnableSource
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter
from shapely import box

from nightlights.bands import Band
from nightlights.datasets import Dataset, export_dataset
from nightlights.errors import Cancelled
from nightlights.footprint_trees import FootprintTrees, Tree
from nightlights.grid import Window
from nightlights.manifests import (
    ExportRequest,
    ModelConfig,
    Role,
    RunRecord,
    Scores,
    TrainingRequest,
    read_record,
)
from nightlights.metrics import ALL_REGIONS
from nightlights.models import load_model
from nightlights.networks import NETWORKS
from nightlights.observation import observe
from nightlights.pipeline import train
from nightlights.prediction import Predictor
from nightlights.progress import NoProgress
from nightlights.promotion import draft_card
from nightlights.regions import Region
from nightlights.regressions import FootprintBaseline
from nightlights.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE = 24
WINDOWS: dict[str, tuple[Window, Role]] = {
    name: (Window(43_000 + 200 * index, 18_000, SIDE, SIDE), "evaluate" if name == "east" else "train")
    for index, name in enumerate(("north", "south", "west", "east"))
}


class WealthSource(LearnableSource):
    """People in a few pixels, whose light depends on how wealthy the district is."""

    bands = (Band(name="people", quantity="other", unit="1"), Band(name="roofs", quantity="reflectance"))
    least, most = 0.6, 1.8

    def daytime(self, window: Window) -> NDArray[np.float32]:
        generator = np.random.default_rng([window.column, 7])
        density, wealth = (gaussian_filter(generator.normal(size=window.fine_shape), 50) for _ in range(2))
        lived_in = generator.random(window.fine_shape) < 0.08 * np.exp(1.2 * density / density.std() - 1)
        people = np.where(lived_in, generator.lognormal(2, 1, window.fine_shape), 0)
        return np.stack([people, 0.3 + 0.1 * wealth / wealth.std()]).astype(np.float32)

    def truth(self, window: Window) -> NDArray[np.float32]:
        people, roofs = self.daytime(window)
        return (0.3 + 0.5 * people * np.where(roofs > 0.3, self.most, self.least)).astype(np.float32)

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        noise = np.random.default_rng([window.column, 8]).normal(size=window.shape)
        return (observe(self.truth(window), window) * (1 + 0.02 * noise)).astype(np.float32)


class EvenSource(WealthSource):
    """The same, but for everybody's light being alike."""

    least = most = 1.0


def exported(root: Path, source: Any) -> Workspace:
    workspace = Workspace.open(root)
    regions = [Region(key, role, box(*window.bounds)) for key, (window, role) in WINDOWS.items()]
    export_dataset(workspace, ExportRequest(dataset="d", regions="some"), source, regions, NoProgress())
    return workspace


@pytest.fixture(scope="module")
def wealthy(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = exported(tmp_path_factory.mktemp("wealthy"), WealthSource())
    fitted(workspace, "boosted")
    return workspace


def fitted(workspace: Workspace, run: str, progress: Any = None, **changes: Any) -> RunRecord:
    settings = NETWORKS["boosted-regression"].settings.model_copy(
        update={"patch_size": 128, "evaluation_patches": 2, **changes}
    )
    request = TrainingRequest(run=run, dataset="d", settings=settings)
    return train(workspace, request, progress or NoProgress(), resume=True)


def predicted(folder: Path, dataset: Dataset, tile: int) -> NDArray[np.float32]:
    window = dataset.region("east").window.window
    light = np.full(window.fine_shape, np.nan, np.float32)
    for part, radiance in Predictor.load(folder, tile).blocks(dataset, "east", NoProgress()):
        light[part.fine_slices_in(window)] = radiance
    return light


def test_trees_learn_what_no_sum_of_terms_can(wealthy: Workspace) -> None:
    folder = wealthy.run_folder("boosted")
    scores = read_record(folder / "metrics.json", Scores).scores
    rmse = {
        each.method: each.rmse for each in scores if (each.region, each.role) == (ALL_REGIONS, "evaluate")
    }
    assert rmse["boosted-regression"] < 0.7 * rmse["footprint regression"]
    config = read_record(folder / "config.json", ModelConfig)
    assert config.boosting is not None and config.boosting.trees
    assert config.boosting.errors[1] < config.boosting.errors[0]
    record = read_record(folder / "run.json", RunRecord)
    assert record.finished and config.guide is not None
    assert record.parameters == config.guide.size + config.boosting.size
    assert config.guide_reach == max(config.guide.reach, 97 // 2 + 33 // 2)
    text = draft_card(wealthy, "boosted").read_text()
    assert f"- boosting: {len(config.boosting.trees)} trees multiply it by at most x 2.01" in text


def test_the_model_is_the_regression_times_the_factor_in_tiles_of_any_size(wealthy: Workspace) -> None:
    folder, dataset = wealthy.run_folder("boosted"), Dataset.open(wealthy, "d")
    model, config = load_model(folder)
    assert not model.trainable_weights and config.guide is not None and config.boosting is not None
    image = dataset.read_daytime("east")
    factor = config.boosting.factor(config.scaling.apply(np.moveaxis(image, 0, -1)))
    expected = FootprintBaseline(config.guide, config.scaling).predict(image) * factor
    assert factor.max() > 1.2 and factor.min() < 0.9 and abs(np.log(factor)).max() <= 0.7001
    for tile in (64, 512):
        light = predicted(folder, dataset, tile)
        # A pixel in a thousand may lie on the other side of a threshold by rounding.
        assert np.quantile(np.abs(light / np.minimum(expected, config.largest_radiance) - 1), 0.999) < 2e-3
    # Light within a footprint is the regression's: the factor changes slowly.
    steps = np.abs(np.diff(np.log(factor), axis=0))
    assert steps.max() < 0.05


def test_where_they_do_not_help_no_tree_is_kept(tmp_path: Path) -> None:
    workspace = exported(tmp_path, EvenSource())
    fitted(workspace, "even")
    config = read_record(workspace.run_folder("even") / "config.json", ModelConfig)
    assert config.boosting is not None and config.boosting.errors[1] <= config.boosting.errors[0]
    dataset = Dataset.open(workspace, "d")
    factor = config.boosting.factor(config.scaling.apply(np.moveaxis(dataset.read_daytime("east"), 0, -1)))
    assert np.abs(factor - 1).max() < 0.05


class StopWhileObserving:
    """Progress that cancels while the trees' rows are made."""

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        if "surroundings" in message:
            raise Cancelled


def test_a_fit_that_was_stopped_is_resumed_to_the_same_model(wealthy: Workspace) -> None:
    with pytest.raises(Cancelled):
        fitted(wealthy, "stopped", StopWhileObserving())
    fitted(wealthy, "stopped")
    configs = [
        read_record(wealthy.run_folder(name) / "config.json", ModelConfig) for name in ("boosted", "stopped")
    ]
    assert configs[0] == configs[1]
    weights = [load_model(wealthy.run_folder(name))[0].get_weights() for name in ("boosted", "stopped")]
    assert all(np.array_equal(*pair) for pair in zip(*weights, strict=True))


def test_an_older_configuration_has_no_trees_and_a_broken_tree_is_refused(wealthy: Workspace) -> None:
    config = read_record(wealthy.run_folder("boosted") / "config.json", ModelConfig)
    stored = config.model_dump()
    del stored["boosting"]
    assert ModelConfig.model_validate(stored).boosting is None
    tree = {"feature": (0, -1, -1), "threshold": (1.0, 0, 0), "left": (1, -1, -1), "right": (2, -1, -1)}
    good = Tree.model_validate({**tree, "value": (0.0, 0.25, -0.5)})
    assert good.leaves == [(0.25, [(0, False)]), (-0.5, [(0, True)])]
    for changes in ({"left": (0, -1, -1)}, {"right": (3, -1, -1)}, {"feature": (0, 0, -1)}):
        with pytest.raises(ValidationError):
            Tree.model_validate({**tree, "value": (0.0, 0.25, -0.5), **changes})
    with pytest.raises(ValidationError, match="odd"):
        FootprintTrees(widths=(32,), trees=(good,), limit=0.7, smoothing=33, errors=(1.0, 1.0))
