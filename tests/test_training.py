"""Training: what a run leaves, that it can be killed, and what it refuses."""

import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from learning_samples import TINY_NETWORK, learnable_dataset
from numpy.typing import NDArray

from nightlights.bands import Scaling
from nightlights.datasets import Dataset
from nightlights.errors import Cancelled, DatasetError, ModelError
from nightlights.manifests import (
    EpochRecord,
    RunRecord,
    TrainingRequest,
    TrainingSettings,
    read_record,
    write_record,
)
from nightlights.models import load_model
from nightlights.networks import NETWORKS
from nightlights.observation import PointSpread, observe
from nightlights.patches import PatchSampler
from nightlights.progress import NoProgress
from nightlights.training import train
from nightlights.training.backend import check_memory
from nightlights.training.batches import BatchMaker
from nightlights.training.checkpoints import CHECKPOINT_FILE
from nightlights.training.footprints import MINIMUM_COVERAGE, PatchFootprints
from nightlights.training.history import read_history, write_history
from nightlights.training.learning_rates import learning_rate_at
from nightlights.training.prefetch import prefetched

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TINY = TrainingSettings(
    network="tiny",
    epochs=3,
    patches_per_region=6,
    patch_size=64,
    batch_size=4,
    learning_rate=3e-3,
    loss="footprint squared error",
    evaluation_patches=4,
)


def request(settings: TrainingSettings = TINY, **changes: Any) -> TrainingRequest:
    return TrainingRequest(run="first", dataset="sample", settings=settings.model_copy(update=changes))


class StopAt:
    """Progress that cancels at a step, or at once where it is below 0."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.seen: list[tuple[float, float, str]] = []

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        self.seen.append((done, total, unit))
        if self.step < 0 or (unit == "steps" and done >= self.step):
            raise Cancelled


def weights_of(folder: Path) -> list[NDArray[Any]]:
    return list(load_model(folder)[0].get_weights())


def assert_same_weights(one: Path, other: Path) -> None:
    for first, second in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.fixture(scope="module", autouse=True)
def tiny_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(dataset, request(), folder, NoProgress())
    return folder


@pytest.fixture(scope="module")
def stopped_run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was cancelled in its second epoch."""
    folder = tmp_path_factory.mktemp("runs") / "stopped"
    progress = StopAt(4)
    with pytest.raises(Cancelled):
        train(dataset, request(), folder, progress)
    assert progress.seen[-1][0] < progress.seen[-1][1] == 9
    return folder


@pytest.fixture
def stopped(stopped_run: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(stopped_run, tmp_path / "stopped"))


def test_a_run_leaves_its_record_history_and_model_and_nothing_else(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names == {"run.json", "config.json", "history.csv", "model.keras"}
    record, history = read_record(run / "run.json", RunRecord), read_history(run)
    assert record.finished is not None
    assert record.epochs_done == 3
    assert (record.train_regions, record.evaluate_regions) == (["north", "south"], ["east"])
    assert record.device
    assert record.source.simulated
    assert [epoch.epoch for epoch in history] == [1, 2, 3]
    assert record.train_rmse == history[-1].train_rmse
    assert record.evaluation_rmse == history[-1].evaluation_rmse
    assert all(epoch.patches_per_second > 0 and epoch.seconds > 0 for epoch in history)
    assert record.parameters == TINY_NETWORK.layout.parameters(2)


@pytest.mark.parametrize(
    ("column", "regions"), [("train_rmse", ["north", "south"]), ("evaluation_rmse", ["east"])]
)
def test_both_curves_are_the_rmse_of_the_saved_model_at_the_viirs_grid(
    run: Path, dataset: Dataset, column: str, regions: list[str]
) -> None:
    model, config = load_model(run)
    patches = PatchSampler(dataset, regions, 64, 1, 0.2, dataset.folder / ".cache").fixed(4, 1)
    fine = config.transform.inverse(np.asarray(model(config.scaling.apply(patches.daytime)))[..., 0])
    errors = []
    for image, measured, window in zip(fine, patches.nighttime, patches.windows, strict=True):
        seen = observe(image, window, minimum_coverage=MINIMUM_COVERAGE)
        assert np.isfinite(seen).sum() == 4
        errors.append((seen - measured)[np.isfinite(seen)])
    expected = math.sqrt(np.mean(np.concatenate(errors) ** 2))
    assert getattr(read_history(run)[-1], column) == pytest.approx(expected, rel=1e-3)


def test_training_learns_what_no_linear_map_gives(dataset: Dataset, tmp_path: Path) -> None:
    settings = request(epochs=6, patches_per_region=24, patch_size=80, learning_rate=5e-3)
    record = train(dataset, settings, tmp_path, NoProgress())
    spread = float(np.std(dataset.read_nighttime("east")))
    assert record.evaluation_rmse is not None
    assert record.evaluation_rmse < 0.75 * spread


_KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import test_training as t
t.NETWORKS["tiny"] = t.TINY_NETWORK
from nightlights.datasets import Dataset
from nightlights.training import train
from nightlights.workspace import Workspace

class Kill(t.StopAt):
    def update(self, done, total, *, unit="", message=""):
        if unit == "steps" and done >= 5:
            os.kill(os.getpid(), signal.SIGKILL)

dataset = Dataset.open(Workspace(Path(sys.argv[2])), "sample")
train(dataset, t.request(), Path(sys.argv[3]), Kill(0))
"""


def test_a_killed_run_resumes_to_the_weights_of_an_uninterrupted_one(
    run: Path, dataset: Dataset, tmp_path: Path
) -> None:
    arguments = [str(Path(__file__).parent), str(dataset.folder.parent.parent), str(tmp_path)]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *arguments], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read_record(tmp_path / "run.json", RunRecord).epochs_done == 1
    # A row that was written before its checkpoint must not stay.
    history = read_history(tmp_path)
    write_history(tmp_path, [*history, history[0].model_copy(update={"epoch": 2, "loss": 99.0})])
    record = train(dataset, request(), tmp_path, NoProgress(), resume=True)
    assert record.epochs_done == 3
    assert_same_weights(tmp_path, run)
    assert [epoch.loss for epoch in read_history(tmp_path)] == [epoch.loss for epoch in read_history(run)]


def test_a_cancelled_run_is_usable_and_resumes(run: Path, dataset: Dataset, stopped: Path) -> None:
    record = read_record(stopped / "run.json", RunRecord)
    assert (record.epochs_done, record.finished) == (1, None)
    load_model(stopped)
    (stopped / "uncertainty.json").write_text("{}")
    train(dataset, request(), stopped, NoProgress(), resume=True)
    assert not (stopped / "uncertainty.json").exists()
    assert_same_weights(stopped, run)


def test_resuming_a_finished_run_changes_nothing(run: Path, dataset: Dataset) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    record = train(dataset, request(), run, NoProgress(), resume=True)
    assert record.epochs_done == 3
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_run_resumes_only_with_its_own_settings_and_data(dataset: Dataset, stopped: Path) -> None:
    with pytest.raises(ModelError, match="other settings"):
        train(dataset, request(learning_rate=0.5), stopped, NoProgress(), resume=True)
    record = read_record(stopped / "run.json", RunRecord)
    write_record(stopped / "run.json", record.model_copy(update={"parameters": record.parameters + 1}))
    with pytest.raises(ModelError, match=r"begun by an earlier version: its network has [\d,]+ weights"):
        train(dataset, request(), stopped, NoProgress(), resume=True)
    write_record(stopped / "run.json", record)
    other = dataset.manifest.model_copy(update={"point_spread_fwhm_m": 500.0})
    with pytest.raises(DatasetError, match="has changed since the run first began"):
        train(Dataset(dataset.folder, other), request(), stopped, NoProgress(), resume=True)
    (stopped / CHECKPOINT_FILE).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ModelError, match=r"checkpoint .* is broken"):
        train(dataset, request(), stopped, NoProgress(), resume=True)


def test_starting_anew_forgets_the_older_run(dataset: Dataset, stopped: Path) -> None:
    (stopped / "metrics.json").write_text("{}")
    with pytest.raises(Cancelled):
        train(dataset, request(seed=9), stopped, StopAt(1))
    assert sorted(path.name for path in stopped.iterdir()) == ["config.json", "history.csv", "run.json"]
    assert read_history(stopped) == []
    assert read_record(stopped / "run.json", RunRecord).settings.seed == 9


def test_a_run_that_cannot_begin_leaves_the_one_it_would_replace(
    dataset: Dataset, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    with pytest.raises(DatasetError, match="does not fit any of"):
        train(dataset, request(patch_size=256), stopped, NoProgress())
    with pytest.raises(DatasetError, match="No footprint of VIIRS lies within a patch"):
        train(dataset, request(patch_size=32), stopped, NoProgress())
    with monkeypatch.context() as small, pytest.raises(ModelError, match="GB of memory for one step"):
        small.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**6, total=10**9))
        train(dataset, request(seed=9), stopped, NoProgress())
    with pytest.raises(Cancelled):
        train(dataset, request(seed=9), stopped, StopAt(-1))
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before
    anew = request(seed=9).model_copy(update={"overwrite": True})
    with pytest.raises(Cancelled):
        train(dataset, anew, stopped, StopAt(1), resume=True)
    assert read_record(stopped / "run.json", RunRecord).settings.seed == 9


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "pixel squared error", "label_resampling": "nearest", "optimizer": "SGD"},
        {"loss": "pixel Huber", "optimizer": "Adam", "evaluate_regions": []},
    ],
)
def test_other_losses_and_optimizers_train(dataset: Dataset, tmp_path: Path, changes: dict[str, Any]) -> None:
    record = train(dataset, request(epochs=1, **changes), tmp_path, NoProgress())
    assert record.train_rmse is not None
    assert math.isfinite(record.train_rmse)
    assert (record.evaluation_rmse is None) == (record.evaluate_regions == [])
    assert read_history(tmp_path)[0].evaluation_rmse == record.evaluation_rmse


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"train_regions": []}, DatasetError, "no region to train on"),
        ({"evaluate_regions": ["north"]}, DatasetError, "north would be trained on and evaluated on"),
        ({"train_regions": ["atlantis"]}, DatasetError, "no region 'atlantis'.*north, south, east"),
        ({"network": "study-unet", "patch_size": 80}, ModelError, "multiple of 32.*Choose 64 pixels"),
        ({"network": "vit"}, ModelError, "no network 'vit'.*unet-small.*study-unet"),
        ({"patch_size": 32}, DatasetError, "No footprint of VIIRS lies within a patch of 32 pixels"),
        (
            {"patch_size": 256},
            DatasetError,
            r"does not fit any of the \d regions: north .* Choose a patch size of at most",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(
    dataset: Dataset, tmp_path: Path, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        train(dataset, request(**changes), tmp_path / "run", NoProgress())


def test_a_diverging_run_stops_and_keeps_its_last_good_epoch(
    dataset: Dataset, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = weights_of(stopped)
    from nightlights.training import steps

    honest = steps.footprint_loss
    monkeypatch.setattr(steps, "footprint_loss", lambda *arguments: honest(*arguments) * float("nan"))
    with pytest.raises(ModelError, match=r"diverged.*at step 4.*lower learning rate"):
        train(dataset, request(), stopped, NoProgress(), resume=True)
    for before, after in zip(kept, weights_of(stopped), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_full_device_is_said_with_a_remedy(
    dataset: Dataset, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from nightlights.training.steps import Trainer

    def full(*_: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(Trainer, "step", full)
    with pytest.raises(ModelError, match=r"out of memory.*smaller batch"):
        train(dataset, request(), stopped, NoProgress(), resume=True)


def test_too_little_memory_is_said_before_it_runs_out() -> None:
    with pytest.raises(ModelError, match=r"needs about 1\d\.\d GB .* 8\.0 GB are free.*smaller batch"):
        check_memory(NETWORKS["study-unet"], 48 * 256 * 256, 8_000_000_000)
    check_memory(NETWORKS["unet-small"], 8 * 256 * 256, 8_000_000_000)


def test_turns_are_drawn_by_the_step_and_the_arrays_lie_north_up(dataset: Dataset) -> None:
    patches = PatchSampler(dataset, ["north"], 64, 1, 0.2, dataset.folder / ".cache").fixed(8, 1)
    maker = BatchMaker(
        scaling=Scaling.study(dataset.manifest.bands),
        transform=NETWORKS["unet-small"].transform,
        footprints=PatchFootprints(PointSpread(), 64),
        settings=TINY,
    )
    arrays, still = maker.for_training(patches, 3), maker.for_scoring(patches)
    assert arrays["switches"].any() and not still["switches"].any()
    for name in ("inputs", "measured", "weights", "known", "along_rows"):
        np.testing.assert_array_equal(arrays[name], still[name])
    np.testing.assert_array_equal(maker.for_training(patches, 3)["switches"], arrays["switches"])
    assert not np.array_equal(maker.for_training(patches, 4)["switches"], arrays["switches"])


def test_learning_rate_warms_up_then_falls() -> None:
    rates = [learning_rate_at(step, 200, 0.1, "cosine") for step in range(200)]
    assert max(rates) == pytest.approx(0.1)
    assert int(np.argmax(rates)) in {9, 10}
    assert rates[0] == pytest.approx(0.01)
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.001, rel=0.1)
    assert {learning_rate_at(step, 200, 0.1, "constant") for step in range(200)} == {0.1}


def test_history_is_read_up_to_the_first_broken_row(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []
    epochs = [
        EpochRecord(
            epoch=number,
            loss=0.1,
            train_rmse=1.5,
            evaluation_rmse=None if number == 1 else 2.5,
            learning_rate=0.01,
            seconds=1.25,
            patches_per_second=40.0,
        )
        for number in (1, 2, 3)
    ]
    write_history(tmp_path, epochs)
    assert read_history(tmp_path) == epochs
    path = tmp_path / "history.csv"
    whole = path.read_text()
    assert whole.startswith("epoch,loss,train_rmse_nw_cm2_sr,evaluation_rmse_nw_cm2_sr,")
    path.write_text(whole.replace("_nw_cm2_sr", ""))
    assert read_history(tmp_path) == epochs
    path.write_text(whole[:-12])
    assert read_history(tmp_path) == epochs[:2]


def test_batches_come_in_order_and_errors_come_through() -> None:
    assert list(prefetched(lambda index: index * 2, range(3, 20), workers=3)) == list(range(6, 40, 2))

    def failing(index: int) -> int:
        if index == 5:
            raise DatasetError("broken")
        return index

    batches = prefetched(failing, range(10))
    assert [next(batches) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(DatasetError, match="broken"):
        next(batches)
