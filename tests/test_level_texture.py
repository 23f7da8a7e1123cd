"""Models of level and texture: trained in parts, killed anywhere, joined in the prediction."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_samples import TINY_NETWORK, learnable_dataset
from numpy.typing import NDArray

from nightlights.datasets import Dataset
from nightlights.ensembles import combine
from nightlights.errors import Cancelled, ModelError
from nightlights.grid import Window
from nightlights.manifests import ModelConfig, RunRecord, TrainingRequest, TrainingSettings, read_record
from nightlights.models import load_model, model_sha256
from nightlights.networks import NETWORKS
from nightlights.observation import PointSpread, observe
from nightlights.prediction import Predictor, redistribution
from nightlights.prediction.redistribution import ObservedLight, smoothed
from nightlights.progress import NoProgress
from nightlights.training import train
from nightlights.training.history import read_history
from nightlights.training.texture import texture_settings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PARTS = TrainingSettings(
    network="tiny",
    epochs=2,
    patches_per_region=6,
    patch_size=64,
    batch_size=4,
    evaluation_patches=4,
    texture_networks=2,
)
FILES = {"run.json", "config.json", "history.csv", "model.keras", "texture"}


def request(**changes: Any) -> TrainingRequest:
    return TrainingRequest(run="first", dataset="sample", settings=PARTS.model_copy(update=changes))


class Stop:
    """Progress that cancels at the update of a number, counted from 1."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.seen: list[tuple[float, float, str]] = []

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        self.seen.append((done, total, message))
        if len(self.seen) == self.number:
            raise Cancelled


@pytest.fixture(scope="module", autouse=True)
def tiny_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stop]:
    """The folder of an uninterrupted run, and the progress that it told."""
    folder, progress = tmp_path_factory.mktemp("runs") / "whole", Stop()
    train(dataset, request(), folder, progress)
    return folder, progress


def weights_of(folder: Path) -> list[NDArray[Any]]:
    return [weight for place in (folder, folder / "texture") for weight in load_model(place)[0].get_weights()]


def assert_same(one: Path, other: Path) -> None:
    for first, second in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(first, second)
    assert (one / "config.json").read_text() == (other / "config.json").read_text()
    for place in ("", "texture/member-1", "texture/member-2"):
        curves = ([epoch.train_rmse for epoch in read_history(folder / place)] for folder in (one, other))
        assert next(curves) == next(curves)


def predicted(predictor: Predictor, dataset: Dataset, region: str = "east") -> NDArray[np.float32]:
    window = dataset.region(region).window.window
    light = np.full(window.fine_shape, np.nan, np.float32)
    for tile, radiance in predictor.blocks(dataset, region, NoProgress()):
        light[tile.fine_slices_in(window)] = radiance
    return light


@given(seed=st.integers(0, 2**31), side=st.integers(2, 9), row=st.sampled_from([1200, 18_000]))
@settings(max_examples=15, deadline=None)
def test_light_is_observed_tile_by_tile_as_in_one_pass(seed: int, side: int, row: int) -> None:
    window = Window(40_000, row, 9, 7)
    generator = np.random.default_rng(seed)
    light = generator.lognormal(0, 2, window.fine_shape).astype(np.float32)
    light[:30, :70] = np.nan
    light[generator.random(light.shape) < 0.1] = np.nan
    seen = ObservedLight(window, PointSpread())
    for tile in window.tiles(side, side):
        seen.add(tile, light[tile.fine_slices_in(window)])
    np.testing.assert_allclose(seen.radiance, observe(light, window), rtol=1e-9)
    assert np.isnan(seen.radiance).any()


def test_smoothing_averages_logarithms_of_what_is_known() -> None:
    generator = np.random.default_rng(3)
    light = generator.lognormal(0, 1, (40, 50)).astype(np.float32)
    light[10:12, 20:30] = np.nan
    calm = smoothed(light, 0.7)
    assert (np.isnan(calm) == np.isnan(light)).all()
    known = ~np.isnan(light)
    assert np.log(calm[known]).std() < 0.6 * np.log(light[known]).std()
    # Logarithms keep their mean, up to what the edges change.
    assert np.log(calm[known]).mean() == pytest.approx(np.log(light[known]).mean(), abs=0.02)
    np.testing.assert_allclose(smoothed(np.full((9, 9), 3.0), 0.7), 3.0, rtol=1e-6)
    np.testing.assert_array_equal(smoothed(light, 0.0), light)
    # Three pixels around a part are enough for it.
    np.testing.assert_array_equal(smoothed(light[:20], 0.7)[:17], calm[:17])


def test_a_run_leaves_both_parts_with_their_curves(whole: tuple[Path, Stop]) -> None:
    folder, _ = whole
    assert {path.name for path in folder.iterdir()} == FILES
    texture = folder / "texture"
    assert {path.name for path in texture.iterdir()} == {
        "run.json",
        "config.json",
        "model.keras",
        "members.json",
        "member-1",
        "member-2",
    }
    assert not list(folder.rglob("checkpoint*"))
    record, config = (
        read_record(folder / "run.json", RunRecord),
        read_record(folder / "config.json", ModelConfig),
    )
    assert (config.texture_networks, config.network) == (2, "tiny")
    level, own, both = record.parts
    assert (level.part, own.part, both.part) == ("level", "texture", "together")
    assert (own.network, own.networks, both.networks) == ("pixel", 2, 3)
    assert own.parameters == 2 * NETWORKS["pixel"].layout.parameters(2)
    assert record.seconds == pytest.approx(level.seconds + own.seconds) and own.seconds > 0
    seeds = [read_record(texture / f"member-{k}" / "run.json", RunRecord).settings.seed for k in (1, 2)]
    assert seeds == [2, 3]
    assert [epoch.epoch for epoch in read_history(texture / "member-2")] == [1, 2]


def test_one_progress_spans_all_parts(whole: tuple[Path, Stop]) -> None:
    seen = whole[1].seen
    assert {total for _, total, _ in seen} == {100.0}
    shares = [done for done, _, _ in seen]
    assert shares == sorted(shares) and shares[-1] == 100.0
    for words in (
        "Level network: epoch 2 of 2",
        "Texture network 1 of 2: epoch",
        "Texture network 2 of 2: epoch 2",
    ):
        assert any(words in message for _, _, message in seen), words


@pytest.mark.parametrize(
    "words",
    [
        "Level network: epoch 2",
        pytest.param("Texture network 1 of 2: starting", marks=pytest.mark.slow),
        pytest.param("Texture network 1 of 2: epoch 2", marks=pytest.mark.slow),
        "Texture network 2 of 2: epoch 1",
    ],
)
def test_a_run_cancelled_in_any_part_resumes_to_the_same_model(
    whole: tuple[Path, Stop], dataset: Dataset, tmp_path: Path, words: str
) -> None:
    class StopAt(Stop):
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            if words in message:
                raise Cancelled

    folder, _ = whole
    with pytest.raises(Cancelled):
        train(dataset, request(), tmp_path, StopAt())
    record = read_record(tmp_path / "run.json", RunRecord)
    assert record.finished is None and not record.parts
    resumed = train(dataset, request(), tmp_path, NoProgress(), resume=True)
    assert resumed.finished is not None and len(resumed.parts) == 3
    assert_same(folder, tmp_path)


_KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import test_level_texture as t
t.NETWORKS["tiny"] = t.TINY_NETWORK
from nightlights import ensembles
from nightlights.datasets import Dataset
from nightlights.training import train
from nightlights.workspace import Workspace

def write(path, record, write=ensembles.write_record):
    # After the mean of the texture networks is written, before its record is.
    if path.name == "run.json":
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, record)

ensembles.write_record = write
dataset = Dataset.open(Workspace(Path(sys.argv[2])), "sample")
train(dataset, t.request(), Path(sys.argv[3]), t.NoProgress())
"""


def test_a_run_killed_between_its_parts_predicts_by_its_level_and_resumes(
    whole: tuple[Path, Stop], dataset: Dataset, tmp_path: Path
) -> None:
    arguments = [str(Path(__file__).parent), str(dataset.folder.parent.parent), str(tmp_path)]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *arguments], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / "texture" / "model.keras").exists()
    assert Predictor.load(tmp_path).texture is None
    train(dataset, request(), tmp_path, NoProgress(), resume=True)
    assert_same(whole[0], tmp_path)


def test_the_prediction_has_the_level_of_one_and_the_texture_of_the_others(
    whole: tuple[Path, Stop], dataset: Dataset
) -> None:
    predictor = Predictor.load(whole[0])
    assert predictor.texture is not None
    window = dataset.region("east").window.window
    both, level = predicted(predictor, dataset), predicted(predictor.level, dataset)
    texture = smoothed(predicted(predictor.texture, dataset), predictor.config.texture_smoothing)
    wanted = observe(level, window)
    error = np.sqrt(np.mean((observe(both, window) - wanted) ** 2))
    assert error < 0.03 * wanted.mean()
    # It is not the level itself, and not the texture as it was.
    assert np.abs(both / level - 1).mean() > 0.05 < np.abs(both / texture - 1).mean()
    # What the texture was multiplied with changes slowly: by less in a pixel than light does.
    steps = [np.abs(np.diff(np.log(light), axis=1)) for light in (both / texture, both)]
    assert np.quantile(steps[0], 0.99) < 0.02 and steps[0].mean() < 0.5 * steps[1].mean()


def test_tiles_of_both_parts_meet(whole: tuple[Path, Stop], dataset: Dataset) -> None:
    coarse, fine = (predicted(Predictor.load(whole[0], size), dataset) for size in (None, 32))
    np.testing.assert_allclose(fine, coarse, rtol=1e-4)


def test_a_region_beyond_memory_has_the_same_light(
    whole: tuple[Path, Stop], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor.load(whole[0])
    kept = predicted(predictor, dataset)
    monkeypatch.setattr(redistribution, "_KEPT_BYTES", 0)
    monkeypatch.setattr(redistribution, "_TILE", 5)
    np.testing.assert_allclose(predicted(predictor, dataset), kept, rtol=1e-4)


@pytest.mark.parametrize("size", [32, 48, 80, None])
def test_imagery_is_mirrored_beyond_the_edges_of_a_region(
    whole: tuple[Path, Stop], dataset: Dataset, size: int | None
) -> None:
    level = Predictor.load(whole[0], size).level
    margin = level.tiling.margin
    assert level.config.mirrored_edges and margin > 0
    image = np.pad(
        dataset.read_daytime("east"), [(0, 0), (margin, margin), (margin, margin)], mode="symmetric"
    )
    wanted = level.radiance(image)[margin:-margin, margin:-margin]
    light = predicted(level, dataset)
    np.testing.assert_allclose(light, wanted, rtol=0, atol=1e-5 * float(wanted.max()))
    # Older models know no such edges.
    older = replace(level, config=level.config.model_copy(update={"mirrored_edges": False}))
    differs = np.abs(predicted(older, dataset) - light) > 1e-3 * light
    assert differs[:4].any() and not differs[margin:-margin, margin:-margin].any()


def test_missing_imagery_is_missing_in_the_prediction(whole: tuple[Path, Stop], dataset: Dataset) -> None:
    class Gaps(Dataset):
        def read_daytime(self, region: str, window: Window | None = None) -> NDArray[np.float32]:
            outer = self.region(region).window.window
            image = super().read_daytime(region).copy()
            image[:, 20:60, 100:] = np.nan
            part = window or outer
            return image[(slice(None), *part.fine_slices_in(outer))]

    gaps = Gaps(dataset.folder, dataset.manifest)
    light = predicted(Predictor.load(whole[0]), gaps)
    assert np.isnan(light[20:60, 100:]).all() and np.isfinite(light).sum() == light.size - 40 * (
        light.shape[1] - 100
    )


def test_a_prediction_tells_one_progress_and_can_be_cancelled(
    whole: tuple[Path, Stop], dataset: Dataset
) -> None:
    predictor, progress = Predictor.load(whole[0], 64), Stop()
    list(predictor.blocks(dataset, "east", progress))
    shares = [done / total for done, total, _ in progress.seen]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1) and len({*shares}) > 5
    for number in (1, len(shares) // 2, len(shares) - 1):
        with pytest.raises(Cancelled):
            list(predictor.blocks(dataset, "east", Stop(number)))


def test_a_model_without_its_texture_is_refused(whole: tuple[Path, Stop], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole[0], tmp_path / "copy"))
    digest = model_sha256(folder)
    (folder / "texture" / "model.keras").write_bytes((folder / "texture/member-1/model.keras").read_bytes())
    assert model_sha256(folder) != digest == model_sha256(whole[0])
    shutil.rmtree(folder / "texture")
    with pytest.raises(ModelError, match="texture"):
        Predictor.load(folder)


def test_models_of_two_parts_have_no_mean(whole: tuple[Path, Stop], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has texture networks") as error:
        combine([whole[0], whole[0]], tmp_path / "mean", "mean")
    assert "--texture-networks 0" in error.value.remedy


def test_a_run_that_takes_the_place_of_another_removes_its_texture(
    whole: tuple[Path, Stop], dataset: Dataset, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(whole[0], tmp_path / "copy"))
    alone = request(texture_networks=0, epochs=1).model_copy(update={"overwrite": True})
    record = train(dataset, alone, folder, NoProgress())
    assert {path.name for path in folder.iterdir()} == FILES - {"texture"} and not record.parts
    assert json.loads((folder / "config.json").read_text())["texture_networks"] == 0


def test_texture_networks_have_settings_of_their_own() -> None:
    level = NETWORKS["unet"].settings.model_copy(
        update={
            "texture_networks": 3,
            "seed": 2**31 - 2,
            "viirs_input": True,
            "early_stopping": 2,
            "train_regions": ["a"],
            "loss": "mixture",
        }
    )
    every = texture_settings(level)
    assert [each.seed for each in every] == [2**31 - 1, 0, 1]
    for each in every:
        assert (each.network, each.loss, each.learning_rate) == ("pixel", "footprint squared error", 3e-3)
        assert (each.patch_size, each.patches_per_region, each.epochs) == (256, 200, 30)
        assert each.train_regions == ["a"] and each.texture_networks == 0
        assert not each.viirs_input and each.early_stopping is None
    assert texture_settings(level.model_copy(update={"texture_networks": 0})) == []
    oracle = level.model_copy(update={"label": "truth", "loss": "pixel squared error"})
    assert texture_settings(oracle)[0].loss == "pixel squared error"
