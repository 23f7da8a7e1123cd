"""The networks: size, receptive field, seeds, backends, and loading what was saved."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from nightlights.bands import LANDSAT_BANDS, RadianceTransform, Scaling
from nightlights.errors import ModelError
from nightlights.manifests import ModelConfig, write_record
from nightlights.models import load_model, save_model
from nightlights.networks import NETWORKS, build

# TensorFlow's own conversion to numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OURS = ["unet-small", "unet-medium", "unet", "unet-convnext", "segformer", "pixel"]
BANDS = LANDSAT_BANDS[:3]


def image(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def config(bands: tuple[Any, ...] = BANDS) -> ModelConfig:
    return ModelConfig(
        network="unet-small",
        bands=list(bands),
        scaling=Scaling.study(bands),
        transform=RadianceTransform(),
        patch_size=64,
        point_spread_fwhm_m=742.0,
        dataset_sha256="0" * 64,
        simulated=True,
    )


@pytest.fixture(scope="module")
def small() -> Any:
    model = build("unet-small", len(BANDS), seed=3)
    # Statistics as after training, so that inference depends on them.
    for weight in model.weights:
        if "moving_variance" in weight.path:
            weight.assign(np.linspace(0.5, 2.0, weight.shape[0]))
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_size_said_without_keras_is_the_size_built(name: str) -> None:
    model = build(name, 9)
    weights = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert NETWORKS[name].parameters == weights
    fewer = build(name, 4)
    weights = sum(int(np.prod(weight.shape)) for weight in fewer.trainable_weights)
    assert NETWORKS[name].layout.parameters(4) == weights


def test_the_study_network_has_its_size() -> None:
    info = NETWORKS["study-unet"]
    model = build("study-unet", 9)
    assert round(model.count_params() / 1e6, 2) == 31.13
    assert (info.depth, info.base_filters, info.transform.scale) == (5, 32, 60.0)
    output = np.asarray(model(image(1, 32, 32, 9) * 50))
    assert output.shape == (1, 32, 32, 1)
    assert output.min() >= 0
    assert output.max() <= 1


@pytest.mark.parametrize("name", OURS)
def test_our_networks_predict_no_negative_light_and_have_no_cap(name: str) -> None:
    model = build(name, 9)
    last = model.layers[-1]
    last.set_weights([last.get_weights()[0] * 100, np.array([20.0])])
    side = NETWORKS[name].stride
    output = np.asarray(model(image(1, side, side, 9)))
    assert output.min() >= 0
    assert output.max() > 5


def test_the_seed_decides_the_first_weights() -> None:
    first, again, other = (build("unet-small", 2, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    kernels = [weight for weight in first if weight.ndim == 4 and weight.shape == (3, 3, 8, 8)]
    assert not np.array_equal(kernels[0], kernels[1])


def test_the_first_weights_of_the_first_networks_stay_as_they_were() -> None:
    # Runs say their seed; with it anyone can draw the same first weights, in this version of the networks.
    digest = hashlib.sha256(b"".join(weight.tobytes() for weight in build("unet-small", 9, 1).get_weights()))
    assert digest.hexdigest()[:16] == "af31128a25ec02e6"


def test_a_larger_network_needs_more_memory() -> None:
    needed = {name: info.training_bytes(256 * 256) for name, info in NETWORKS.items()}
    assert needed["unet-small"] < needed["unet-medium"] < needed["unet"]
    assert all(0.01e9 < figure < 1e9 for figure in needed.values())
    assert NETWORKS["segformer"].training_bytes(512) == pytest.approx(needed["segformer"] / 128, rel=1e-3)


def test_an_unknown_network_names_the_choices() -> None:
    with pytest.raises(ModelError, match=r"no network 'vit'.*unet-small, .*unet, .*study-unet"):
        build("vit", 3)
    with pytest.raises(ModelError, match="at least one band"):
        build("unet-small", 0)


def test_listing_networks_imports_no_deep_learning_library() -> None:
    code = (
        "import sys, nightlights.networks as n; [i.margin for i in n.NETWORKS.values()]; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"tensorflow", "keras", "jax"} & set(done.stdout.split())


@pytest.mark.parametrize("name", ["unet-small", "unet-convnext", "segformer"])
def test_a_saved_model_loads_in_safe_mode_and_predicts_the_same(
    small: Any, tmp_path: Path, name: str
) -> None:
    model = small if name == "unet-small" else build(name, len(BANDS), seed=3)
    save_model(tmp_path, model)
    write_record(tmp_path / "config.json", config())
    loaded, read = load_model(tmp_path)
    bands = image(1, 128, 256, len(BANDS))
    predicted = np.asarray(model(bands))
    largest = np.abs(predicted).max()
    np.testing.assert_allclose(np.asarray(loaded(bands)), predicted, rtol=0, atol=1e-6 * largest)
    assert read == config()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.keras"]


def test_a_broken_model_folder_is_refused_with_a_remedy(small: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no usable configuration"):
        load_model(tmp_path)
    write_record(tmp_path / "config.json", config())
    with pytest.raises(ModelError, match="holds no trained model"):
        load_model(tmp_path)
    save_model(tmp_path, small)
    whole = (tmp_path / "model.keras").read_bytes()
    (tmp_path / "model.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(tmp_path)
    (tmp_path / "model.keras").write_bytes(whole)
    write_record(tmp_path / "config.json", config(LANDSAT_BANDS[:4]))
    with pytest.raises(ModelError, match="takes 3 bands"):
        load_model(tmp_path)


def test_a_model_with_code_inside_is_not_run(tmp_path: Path) -> None:
    inputs = keras.Input((None, None, len(BANDS)))
    outputs = keras.layers.Lambda(lambda tensor: tensor[..., :1])(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    write_record(tmp_path / "config.json", config())
    with pytest.raises(ModelError):
        load_model(tmp_path)


_JAX = """
import json, sys
from pathlib import Path
import keras, numpy as np
from nightlights.bands import RadianceTransform
from nightlights.losses import footprint_loss, observed_radiance
from nightlights.models import load_model, save_model
from nightlights.networks import build
from nightlights.observation import PointSpread
from nightlights.training.augmentation import turned_back
from nightlights.training.footprints import PatchFootprints

assert keras.backend.backend() == "jax"
folder = Path(sys.argv[1])
bands = np.load(folder / "bands.npy")
model, _ = load_model(folder)
predicted = model.predict(bands, verbose=0)
np.save(folder / "jax.npy", predicted)
fresh = build("unet-small", bands.shape[-1])
(folder / "again").mkdir()
save_model(folder / "again", fresh)
(folder / "again" / "config.json").write_bytes((folder / "config.json").read_bytes())
loaded, _ = load_model(folder / "again")
fine = turned_back(predicted[..., 0], np.ones((len(bands), 3), bool))
footprints = PatchFootprints(PointSpread(), 64)
along = footprints.along_rows(np.full(len(bands), 18000))
observed, weights = observed_radiance(
    fine, np.ones(fine.shape, "float32"), footprints.across_rows, along, RadianceTransform(), 0.9
)
print(json.dumps({
    "first": float(fresh.get_weights()[0].sum()),
    "again": all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), fresh.get_weights())),
    "loss": float(footprint_loss(observed, np.ones(weights.shape, "float32"), weights, RadianceTransform())),
}))
"""


@pytest.mark.slow
def test_the_jax_backend_gives_the_same_numbers(small: Any, tmp_path: Path) -> None:
    from nightlights.losses import footprint_loss, observed_radiance
    from nightlights.observation import PointSpread
    from nightlights.training.augmentation import turned_back
    from nightlights.training.footprints import PatchFootprints

    pytest.importorskip("jax")
    save_model(tmp_path, small)
    write_record(tmp_path / "config.json", config())
    bands = image(2, 64, 64, len(BANDS))
    np.save(tmp_path / "bands.npy", bands)
    done = subprocess.run(
        [sys.executable, "-c", _JAX, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
    )
    said = json.loads(done.stdout.splitlines()[-1])
    predicted = np.asarray(small(bands))
    np.testing.assert_allclose(np.load(tmp_path / "jax.npy"), predicted, atol=1e-4)
    assert said["again"] is True
    assert said["first"] == pytest.approx(float(build("unet-small", len(BANDS)).get_weights()[0].sum()))
    fine = turned_back(predicted[..., 0], np.ones((2, 3), bool))
    footprints = PatchFootprints(PointSpread(), 64)
    known = np.ones(predicted.shape[:3], np.float32)
    along = footprints.along_rows(np.array([18_000, 18_000]))
    transform = RadianceTransform()
    observed, weights = observed_radiance(fine, known, footprints.across_rows, along, transform, 0.9)
    loss = footprint_loss(observed, np.ones(weights.shape, np.float32), weights, transform)
    assert said["loss"] == pytest.approx(float(loss), rel=1e-4)
    assert said["loss"] > 0
