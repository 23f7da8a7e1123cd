"""What each setting of training changes: losses, labels, point spread, averages, schedules, stopping."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_samples import TINY_NETWORK, learnable_dataset
from numpy.typing import NDArray

from nightlights.bands import Scaling
from nightlights.commands.train import choice
from nightlights.datasets import Dataset
from nightlights.errors import Cancelled, DatasetError, ModelError, SettingsError
from nightlights.grid import Window
from nightlights.manifests import EpochRecord, RunRecord, TrainingRequest, TrainingSettings, read_record
from nightlights.models import load_model
from nightlights.networks import NETWORKS, build
from nightlights.networks.guided import Assembled
from nightlights.observation import ObservationOperator, PointSpread
from nightlights.patches import PatchSampler
from nightlights.prediction import Predictor
from nightlights.prediction.tiling import Tiling
from nightlights.progress import NoProgress
from nightlights.training import learning_rates, train
from nightlights.training.batches import BatchMaker
from nightlights.training.footprints import PatchFootprints
from nightlights.training.history import read_history
from nightlights.training.learning_rates import plateau_factor
from nightlights.training.run import RUN_FILE, _Run
from nightlights.training.stopping import kept_epoch, stops

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ONE_STEP = TrainingSettings(
    network="tiny",
    epochs=1,
    patches_per_region=2,
    patch_size=64,
    batch_size=4,
    optimizer="SGD",
    schedule="constant",
    evaluation_patches=2,
    rotate=False,
    mirror=False,
)
SEVERAL = ONE_STEP.model_copy(update={"epochs": 6, "patches_per_region": 4, "optimizer": "Adam"})


@pytest.fixture(scope="module", autouse=True)
def tiny_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp("settings"))


class StopAfter:
    """Progress that cancels once so many steps are done."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        if unit == "steps" and done >= self.steps:
            raise Cancelled


def trained(
    dataset: Dataset,
    folder: Path,
    settings: TrainingSettings = ONE_STEP,
    progress: Any = None,
    **changes: Any,
) -> RunRecord:
    wanted = settings.model_copy(update=changes)
    request = TrainingRequest(run="first", dataset="sample", settings=wanted)
    return train(dataset, request, folder, progress or NoProgress(), resume=True)


def weights_of(folder: Path) -> list[NDArray[Any]]:
    return list(load_model(folder)[0].get_weights())


@pytest.fixture(scope="module")
def plain(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one step with the footprint loss."""
    folder = tmp_path_factory.mktemp("runs") / "plain"
    trained(dataset, folder)
    return folder


@pytest.fixture(scope="module")
def pixel(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one step with the pixel loss."""
    folder = tmp_path_factory.mktemp("runs") / "pixel"
    trained(dataset, folder, loss="pixel squared error")
    return folder


def test_a_mixture_is_the_sum_of_its_parts_by_their_shares(
    dataset: Dataset, plain: Path, pixel: Path, tmp_path: Path
) -> None:
    trained(dataset, tmp_path, loss="mixture", footprint_share=0.3)
    footprint, pixels, mixture = (read_history(folder)[0].loss for folder in (plain, pixel, tmp_path))
    assert abs(footprint - pixels) > 0.05 * pixels
    assert mixture == pytest.approx(0.3 * footprint + 0.7 * pixels, rel=1e-5)


def test_the_truth_is_the_label_and_the_run_says_so(dataset: Dataset, pixel: Path, tmp_path: Path) -> None:
    settings = ONE_STEP.model_copy(update={"label": "truth", "loss": "pixel squared error"})
    record = trained(dataset, tmp_path / "run", settings)
    assert record.trained_on_truth and load_model(tmp_path / "run")[1].trained_on_truth
    sampler = PatchSampler(dataset, ["north"], 64, 1, 0.2, dataset.folder / ".cache", truth=True)
    patches = sampler.batch(0, [0, 1])
    maker = BatchMaker(
        load_model(tmp_path / "run")[1].scaling,
        TINY_NETWORK.transform,
        PatchFootprints(PointSpread(), 64),
        settings,
    )
    arrays = maker.for_training(patches, 0)
    for label, window in zip(arrays["label"], patches.windows, strict=True):
        truth = dataset.read_truth("north", window)
        np.testing.assert_allclose(label, TINY_NETWORK.transform.forward(truth), rtol=1e-6)
    assert "measured" not in arrays
    assert not load_model(pixel)[1].trained_on_truth
    assert read_history(pixel)[0].loss != read_history(tmp_path / "run")[0].loss


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"label": "truth"}, ModelError, "footprint squared error compares VIIRS pixels.*pixel loss"),
        ({"label": "truth", "loss": "mixture"}, ModelError, "mixture compares VIIRS pixels"),
        ({"point_spread": "learned", "loss": "pixel Huber"}, ModelError, "cannot be learned.*footprint"),
        ({"early_stopping": 2, "evaluate_regions": []}, ModelError, "none is chosen.*evaluation regions"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    dataset: Dataset, tmp_path: Path, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        trained(dataset, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_what_the_dataset_does_not_know_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    manifest = dataset.manifest
    regions = [region.model_copy(update={"truth": None}) for region in manifest.regions]
    real = Dataset(dataset.folder, manifest.model_copy(update={"regions": regions}))
    with pytest.raises(DatasetError, match=r"truth of north, south is not known.*Train on VIIRS"):
        trained(real, tmp_path / "run", label="truth", loss="pixel Huber")
    sharp = Dataset(dataset.folder, manifest.model_copy(update={"point_spread_fwhm_m": 0.0}))
    with pytest.raises(ModelError, match="0 m, lies beyond the 300 to 2000 m"):
        trained(sharp, tmp_path / "run", point_spread="learned")


def test_viirs_as_an_input_is_the_same_in_training_and_in_tiles(dataset: Dataset, tmp_path: Path) -> None:
    settings = ONE_STEP.model_copy(update={"viirs_input": True, "sharpening_contrast": 1.25})
    trained(dataset, tmp_path, settings)
    model, config = load_model(tmp_path)
    assert config.sharpening_contrast == 1.25
    assert config.viirs_input and model.input_shape[-1] == 3
    outer = dataset.region("east").window.window
    # The pass over the whole image is told nothing of what lies beyond it.
    config = config.model_copy(update={"mirrored_edges": False})
    predictor = Predictor(model, config, Tiling(64, 16, 2))
    measured = predictor.measured_input(dataset, "east")
    assert measured is not None
    whole = predictor.radiance(dataset.read_daytime("east"), measured.part(outer))
    for size in (48, 80):
        tiled = np.full(outer.fine_shape, -1, np.float32)
        cut = Predictor(model, config, Tiling(size, 16, 2))
        for tile, radiance in cut.blocks(dataset, "east", NoProgress()):
            tiled[tile.fine_slices_in(outer)] = radiance
        np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5 * float(whole.max()))
    sampler = PatchSampler(dataset, ["east"], 64, 1, 0.2, dataset.folder / ".cache")
    patches = sampler.fixed(3, 1)
    footprints = PatchFootprints(PointSpread(), 64)
    maker = BatchMaker(config.scaling, config.transform, footprints, settings, {"east": measured})
    inputs = maker.for_scoring(patches)["inputs"]
    for image, window in zip(inputs, patches.windows, strict=True):
        np.testing.assert_array_equal(image[..., 2], measured.part(window))
    with pytest.raises(ModelError, match="reads VIIRS beside the daytime bands"):
        predictor.radiance(dataset.read_daytime("east"))


def test_a_stopped_run_resumes_to_the_same_averages_rates_and_width(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_rates, "PLATEAU_PATIENCE", 1)
    changes: dict[str, Any] = {
        "weight_averaging": 0.9,
        "schedule": "plateau",
        "point_spread": "learned",
        "loss": "mixture",
        "learning_rate": 0.03,
        "epochs": 4,
        "seed": 2,
    }
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    record = trained(dataset, whole, SEVERAL, **changes)
    with pytest.raises(Cancelled):
        trained(dataset, stopped, SEVERAL, StopAfter(7), **changes)
    assert len(read_history(stopped)) == 3
    resumed = trained(dataset, stopped, SEVERAL, **changes)
    for one, other in zip(weights_of(whole), weights_of(stopped), strict=True):
        np.testing.assert_array_equal(one, other)
    rows = [
        [epoch.model_copy(update={"seconds": 0, "patches_per_second": 0}) for epoch in read_history(folder)]
        for folder in (whole, stopped)
    ]
    assert rows[0] == rows[1]
    assert [epoch.learning_rate for epoch in rows[0]] == [0.03, 0.03, 0.03, 0.015]
    assert record.learned_fwhm_m == resumed.learned_fwhm_m == load_model(stopped)[1].point_spread_fwhm_m
    assert record.learned_fwhm_m is not None and 1 < abs(record.learned_fwhm_m - 742) < 500


@pytest.mark.parametrize(
    ("changes", "stopped_at"),
    [
        ({"epochs": 2}, 2),
        # The best epoch is the one before the stop: those after it change no figure of the record.
        ({"epochs": 40, "early_stopping": 2, "learning_rate": 0.05, "point_spread": "learned"}, "kept"),
        ({"epochs": 40, "early_stopping": 2, "learning_rate": 0.05, "point_spread": "learned"}, "last"),
    ],
)
def test_a_run_stopped_between_checkpoint_and_record_ends_with_the_record_of_an_uninterrupted_one(
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    stopped_at: int | str,
) -> None:
    request = TrainingRequest(run="r", dataset="sample", settings=SEVERAL.model_copy(update=changes))

    def ended(folder: str) -> RunRecord:
        seconds = iter(range(1_000_000))
        return train(
            dataset,
            request,
            tmp_path / folder,
            NoProgress(),
            resume=True,
            clock=lambda: datetime(2026, 1, 2, tzinfo=UTC),
            timer=lambda: float(next(seconds)),
        )

    whole = ended("whole")
    assert whole.seconds > 0 and whole.train_rmse is not None
    epoch = {"kept": whole.kept_epoch, "last": whole.epochs_done}.get(str(stopped_at), stopped_at)
    update = _Run._update

    def killed(run: _Run, **figures: Any) -> None:
        if figures.get("epochs_done") == epoch:
            raise Cancelled
        update(run, **figures)

    monkeypatch.setattr(_Run, "_update", killed)
    with pytest.raises(Cancelled):
        ended("stopped")
    monkeypatch.undo()
    assert ended("stopped") == whole
    assert read_record(tmp_path / "stopped" / RUN_FILE, RunRecord) == whole


def test_a_run_trained_anew_keeps_nothing_that_was_said_of_the_older_model(
    dataset: Dataset, tmp_path: Path
) -> None:
    about = ["card.md", "uncertainty.json", "standard-test.json", "standard-validation.json", "metrics.json"]
    for name in [*about, "notes.txt"]:
        (tmp_path / name).write_text("of the older model")
    request = TrainingRequest(run="first", dataset="sample", settings=ONE_STEP, overwrite=True)
    train(dataset, request, tmp_path, NoProgress())
    assert {path.name for path in tmp_path.iterdir()} == {
        "notes.txt",
        "run.json",
        "config.json",
        "history.csv",
        "model.keras",
    }


def test_the_average_of_the_weights_is_what_is_saved_and_scored(
    dataset: Dataset, plain: Path, tmp_path: Path
) -> None:
    trained(dataset, tmp_path, weight_averaging=0.5)
    first = build("tiny", 2, 1).get_weights()
    # After one step the decay is (1 + 1) / (10 + 1), less than half.
    for before, after, mean in zip(first, weights_of(plain), weights_of(tmp_path), strict=True):
        np.testing.assert_allclose(mean, before + (1 - 2 / 11) * (after - before), rtol=1e-5, atol=1e-7)
    errors = [read_history(folder)[0].train_rmse for folder in (plain, tmp_path)]
    assert errors[0] != errors[1]


def test_early_stopping_ends_the_run_and_keeps_its_best_epoch(dataset: Dataset, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"epochs": 40, "early_stopping": 2, "learning_rate": 0.05}
    record = trained(dataset, tmp_path, SEVERAL, **changes)
    history = read_history(tmp_path)
    errors = [epoch.evaluation_rmse for epoch in history]
    assert record.epochs_done == len(history) < 40
    assert record.kept_epoch == len(history) - 2 == int(np.argmin(errors)) + 1
    assert (record.evaluation_rmse, record.train_rmse) == (min(errors), history[-3].train_rmse)
    shorter = {**changes, "epochs": record.kept_epoch, "early_stopping": None, "schedule": "constant"}
    trained(dataset, tmp_path / "shorter", SEVERAL, **shorter)
    for one, other in zip(weights_of(tmp_path), weights_of(tmp_path / "shorter"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("network", "norm", "moved"),
    [("unet", None, 1.0), ("unet", 0.0, 5.0), ("study-unet", None, 5.0), ("unet", 2.0, 2.0)],
)
def test_the_gradient_is_limited_as_told_or_as_the_network_wants(
    network: str, norm: float | None, moved: float
) -> None:
    assert step_of(network, [3.0, 4.0], optimizer="SGD", learning_rate=1.0, gradient_norm=norm) == (
        pytest.approx(moved, rel=1e-5)
    )


def test_kernels_decay_as_told_with_adamw_alone() -> None:
    for optimizer, expected in (("AdamW", 0.5 * 0.1 * math.sqrt(2)), ("Adam", 0.0)):
        moved = step_of("unet", [0.0, 0.0], optimizer=optimizer, learning_rate=0.1, weight_decay=0.5)
        assert moved == pytest.approx(expected, abs=1e-6)


def step_of(network: str, gradient: list[float], **changes: Any) -> float:
    """How far the optimizer moves a kernel of ones by one gradient."""
    import keras

    from nightlights.training.steps import make_optimizer

    settings = TrainingSettings(network=network).model_copy(update=changes)
    optimizer = make_optimizer(settings, NETWORKS[network])
    kernel = keras.Variable(np.ones(2, np.float32), name="kernel")
    optimizer.build([kernel])
    optimizer.apply([np.array(gradient, np.float32)], [kernel])
    return float(np.linalg.norm(kernel.numpy() - 1))


@pytest.mark.parametrize("fwhm_m", [320.0, 742.0, 1900.0])
def test_learned_matrices_begin_as_the_fixed_ones(fwhm_m: float) -> None:
    from nightlights.training.point_spread import LearnedPointSpread

    footprints, rows = PatchFootprints(PointSpread(fwhm_m), 96), np.array([40, 18_000, 33_000])
    learned = LearnedPointSpread(fwhm_m, 6)
    assert float(learned.fwhm_m) == pytest.approx(fwhm_m, rel=1e-5)
    across, along = learned.matrices(footprints.cosines(rows))
    largest = float(footprints.across_rows.max())
    np.testing.assert_allclose(across, footprints.across_rows, rtol=0, atol=1e-5 * largest)
    np.testing.assert_allclose(along, footprints.along_rows(rows), rtol=0, atol=1e-5 * largest)


def test_a_wide_point_spread_leaves_no_footprint_out_of_the_score(dataset: Dataset) -> None:
    from nightlights.training.steps import Trainer

    settings = ONE_STEP.model_copy(update={"point_spread": "learned"})
    patches = PatchSampler(dataset, ["north"], 64, 1, 0.2, dataset.folder / ".cache").fixed(2, 1)
    footprints = PatchFootprints(PointSpread(742.0), 64)
    scaling = Scaling.study(dataset.manifest.bands)
    arrays = BatchMaker(scaling, TINY_NETWORK.transform, footprints, settings).for_scoring(patches)
    trainer = Trainer(Assembled.plain(build("tiny", 2, 1)), TINY_NETWORK, settings, footprints)
    width = next(each for each in trainer.state["weight"] if each.name == "point_spread")
    found = [trainer.score([arrays])]
    width.assign(5.0)
    found.append(trainer.score([arrays]))
    assert trainer.fwhm_m == pytest.approx(1989, abs=1)
    assert found[0].pixels == found[1].pixels == 8
    assert found[0].rmse != found[1].rmse


def test_the_learned_width_finds_the_one_that_made_the_measurement() -> None:
    import keras
    import tensorflow as tf

    from nightlights.losses import observe_patches
    from nightlights.training.point_spread import LearnedPointSpread

    fine = np.random.default_rng(1).gamma(0.3, 10.0, size=(128, 128))
    operator = ObservationOperator(Window(100, 9000, 8, 8), PointSpread(900.0))
    seen = operator.forward(fine).astype(np.float32)
    learned = LearnedPointSpread(500.0, 8)
    cosines = PatchFootprints(PointSpread(), 128).cosines(np.array([9000]))
    optimizer = keras.optimizers.Adam(0.1)

    @tf.function(autograph=False)
    def step() -> None:
        with tf.GradientTape() as tape:
            guess = observe_patches(fine[None].astype(np.float32), *learned.matrices(cosines))
            loss = tf.reduce_mean(tf.square(guess[0] - seen))
        optimizer.apply(tape.gradient(loss, [learned.variable]), [learned.variable])

    optimizer.build([learned.variable])
    for _ in range(100):
        step()
    assert float(learned.fwhm_m) == pytest.approx(900.0, rel=0.02)


def test_a_choice_that_may_be_left_open_is_taken_from_words() -> None:
    assert choice("schedule", "Plateau") == "plateau"
    assert choice("loss", "footprint-huber") == "footprint Huber"
    assert choice("schedule", None) is None
    with pytest.raises(SettingsError, match=r"--schedule cannot be 'step'.*constant, cosine, plateau"):
        choice("schedule", "step")


def test_a_plateau_halves_the_rate_after_three_epochs_without_a_better_loss() -> None:
    assert plateau_factor([3.0, 2.0, 1.0, 1.0, 1.5]) == 1
    assert plateau_factor([3.0, 2.0, 1.0, 1.0, 1.5, 1.2]) == 0.5
    assert plateau_factor([1.0, 2.0, 2.0, 2.0, 0.5, 2.0, 2.0]) == 0.5
    assert plateau_factor([1.0, *[2.0] * 6]) == 0.25


def test_the_first_of_the_best_epochs_is_kept() -> None:
    history = [
        EpochRecord(
            epoch=number,
            loss=1.0,
            train_rmse=1.0,
            evaluation_rmse=rmse,
            learning_rate=0.1,
            seconds=1.0,
            patches_per_second=1.0,
        )
        for number, rmse in enumerate([3.0, 2.0, 2.0, 4.0], start=1)
    ]
    assert kept_epoch(history, 2).epoch == 2
    assert kept_epoch(history, None).epoch == 4
    assert [stops(history[:count], 2) for count in range(5)] == [False, False, False, False, True]
    assert not stops(history, None)
