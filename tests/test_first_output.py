"""Where a network begins: its first predictions before anything is learned."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_samples import TINY_NETWORK, learnable_dataset
from study.runs import loader_of

from nightlights.bands import STUDY_TRANSFORM, RadianceTransform
from nightlights.commands.train import choice
from nightlights.datasets import Dataset
from nightlights.errors import Cancelled
from nightlights.manifests import TrainingRequest, TrainingSettings
from nightlights.models import load_model
from nightlights.networks import NETWORKS, build
from nightlights.progress import NoProgress
from nightlights.training import train
from nightlights.training.first_output import begin_at, mean_radiance

ASINH = RadianceTransform(kind="inverse hyperbolic sine", scale=5.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp("first-output"))


@pytest.mark.parametrize("radiance", [0.03, 40.0])
@pytest.mark.parametrize(("network", "transform"), [("pixel", ASINH), ("study-unet", STUDY_TRANSFORM)])
def test_without_a_last_kernel_a_network_begins_at_the_radiance(
    network: str, transform: RadianceTransform, radiance: float
) -> None:
    model = build(network, 2) if network == "pixel" else _output_layer("sigmoid")
    begin_at(model, radiance, transform)
    kernel = model.layers[-1].kernel
    kernel.assign(np.zeros(kernel.shape))
    image = np.random.default_rng(1).normal(size=(1, 16, 16, 2)).astype(np.float32)
    predicted = transform.inverse(np.asarray(model(image)))
    assert predicted == pytest.approx(radiance, rel=1e-4)


def test_linear_outputs_and_countries_without_light_begin_at_a_number() -> None:
    model = _output_layer("linear")
    begin_at(model, 10.0, ASINH)
    assert float(model.layers[-1].bias[0]) == pytest.approx(math.asinh(2))
    model = _output_layer("softplus")
    begin_at(model, -0.01, ASINH)
    assert -10 < float(model.layers[-1].bias[0]) < -5


def steady(**settings: Any) -> TrainingSettings:
    """Settings of a run that learns as good as nothing, so that it ends where it began."""
    tiny = {"network": "tiny", "patches_per_region": 1, "patch_size": 64, "evaluation_patches": 2}
    chosen = TrainingSettings.model_validate({"epochs": 1, **tiny, **settings})
    return chosen.model_copy(update={"optimizer": "SGD", "learning_rate": 1e-12})


def bias_of(folder: Path) -> float:
    """The last bias of the model in ``folder``."""
    return float(load_model(folder)[0].layers[-1].bias[0])


def bias_at(radiance: float) -> float:
    """The one from which the network begins at ``radiance``, in nW/cm2/sr."""
    return math.log(math.expm1(math.asinh(radiance / 5)))


def test_a_run_begins_at_the_mean_of_its_training_regions_where_it_is_asked_to(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)

    def bias(name: str, **settings: Any) -> float:
        request = TrainingRequest(run=name, dataset="sample", settings=steady(**settings))
        train(dataset, request, tmp_path / name, NoProgress(), loader=loader_of(request.settings))
        return bias_of(tmp_path / name)

    drawn = bias("drawn")
    assert drawn == pytest.approx(0, abs=1e-6)
    # The patches, the evaluation region and its light play no part.
    north, south = (float(dataset.read_nighttime(name).mean()) for name in ("north", "south"))
    expected = bias_at((north + south) / 2)
    assert abs(expected) > 0.01
    assert bias("mean", first_output="mean radiance") == pytest.approx(expected, rel=1e-4)
    # The study's loader reads the last region alone.
    assert bias_at(south) != pytest.approx(expected, rel=1e-3)
    study = {"loader": "study", "loss": "pixel squared error", "label_resampling": "nearest"}
    assert bias("study", first_output="mean radiance", **study) == pytest.approx(bias_at(south), rel=1e-4)


def test_every_known_pixel_of_all_regions_counts_the_same() -> None:
    class Imagery:
        def read_nighttime(self, region: str) -> np.ndarray:
            return {"a": np.array([[1.0, np.nan, 4.0]]), "b": np.array([[7.0]])}[region]

    assert mean_radiance(Imagery(), ["a", "b"]) == 4  # type: ignore[arg-type]
    assert mean_radiance(Imagery(), ["a"]) == 2.5  # type: ignore[arg-type]


class StopInTheSecondEpoch:
    """Progress that cancels at the end of the steps of the second epoch."""

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        if unit == "steps" and done == total:
            raise Cancelled


def test_resuming_keeps_where_a_run_began(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    begun: list[float] = []

    def begin(model: Any, radiance: float, transform: RadianceTransform) -> None:
        begun.append(radiance)
        begin_at(model, 20.0, transform)

    monkeypatch.setattr("nightlights.training.run.begin_at", begin)
    request = TrainingRequest(
        run="kept", dataset="sample", settings=steady(epochs=2, first_output="mean radiance")
    )
    with pytest.raises(Cancelled):
        train(dataset, request, tmp_path, StopInTheSecondEpoch())
    assert bias_of(tmp_path) == pytest.approx(bias_at(20), rel=1e-4)
    assert train(dataset, request, tmp_path, NoProgress(), resume=True).epochs_done == 2
    assert bias_of(tmp_path) == pytest.approx(bias_at(20), rel=1e-4)
    assert len(begun) == 1


def test_the_command_knows_both_words() -> None:
    assert choice("first_output", "mean-radiance") == "mean radiance"
    assert TrainingSettings().first_output == choice("first_output", "As-Drawn") == "as drawn"


def _output_layer(activation: str) -> Any:
    import keras

    return keras.Sequential([keras.Input((None, None, 2)), keras.layers.Conv2D(1, 1, activation=activation)])
