"""Attention within windows: against plain numpy, on every processor, and in models of earlier versions."""

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
from nightlights.manifests import ModelConfig, write_record
from nightlights.models import load_model, save_model
from nightlights.networks import segformer
from nightlights.networks.segformer import Stage, WindowedSegFormerLayout

# TensorFlow's own conversion to numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BANDS = LANDSAT_BANDS[:2]
STAGE = Stage(filters=8, blocks=1, heads=2, window=4, reduction=2)
LAYOUT = WindowedSegFormerLayout((Stage(4, 1, 1, 4, 2), Stage(8, 1, 2, 4, 1)), 6, 4, 0.9, "linear")
ROUNDING = 1e-5
"""Largest effect of rounding, relative to the largest value."""


def image(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def perturb(model: Any) -> Any:
    """Move every weight, so that no bias and no normalisation is idle."""
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(weight.numpy() + generator.normal(0, 0.1, weight.shape) ** 2)
    return model


def attention_in_numpy(
    queries: NDArray[np.float32], keys: NDArray[np.float32], weights: dict[str, NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Attention of every window's tokens to that window's keys, one window at a time."""
    result = np.empty(queries.shape)
    side, reduced = STAGE.window, STAGE.window // STAGE.reduction
    count, height, width, filters = queries.shape

    def projected(tokens: NDArray[np.float32], name: str) -> NDArray[np.float64]:
        return np.einsum("tf,fhd->htd", tokens, weights[f"{name}/kernel"]) + weights[f"{name}/bias"][:, None]

    for number, row, column in np.ndindex(count, height // side, width // side):
        rows, columns = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
        tokens = queries[number, rows, columns].reshape(-1, filters)
        rows, columns = (slice(place * reduced, (place + 1) * reduced) for place in (row, column))
        summaries = keys[number, rows, columns].reshape(-1, filters)
        query, key, value = (
            projected(tokens, "query"),
            projected(summaries, "key"),
            projected(summaries, "value"),
        )
        scores = np.exp(query @ key.transpose(0, 2, 1) / np.sqrt(filters // STAGE.heads))
        attended = scores / scores.sum(axis=-1, keepdims=True) @ value
        output = np.einsum("htd,hdf->tf", attended, weights["attention_output/kernel"])
        rows, columns = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
        result[number, rows, columns] = (output + weights["attention_output/bias"]).reshape(
            side, side, filters
        )
    return result


# As many images as rows of windows: keras.ops.add confuses the two on TensorFlow.
@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 8, 12), (3, 12, 8), (1, 8, 16)])
def test_attention_is_that_of_every_window_computed_in_numpy(shape: tuple[int, int, int]) -> None:
    count, height, width = shape
    tokens, reduced = keras.Input((None, None, STAGE.filters)), keras.Input((None, None, STAGE.filters))
    model = keras.Model([tokens, reduced], segformer._attended(tokens, reduced, STAGE, "block"))
    for number, weight in enumerate(model.weights):
        weight.assign(image(*weight.shape, seed=number))
    weights = {weight.path.removeprefix("block_attention/"): weight.numpy() for weight in model.weights}
    queries = image(count, height, width, STAGE.filters, seed=20)
    keys = image(count, height // STAGE.reduction, width // STAGE.reduction, STAGE.filters, seed=21)
    expected = attention_in_numpy(queries, keys, weights)
    np.testing.assert_allclose(
        np.asarray(model([queries, keys])), expected, rtol=0, atol=ROUNDING * np.abs(expected).max()
    )


def attended_with_windows_as_axes(queries: Any, keys: Any, stage: Stage, label: str) -> Any:
    """Attention as models saved before 2026-12 compute it, with scores of rank 6."""

    def windows(tensor: Any, side: int) -> Any:
        together = keras.ops.space_to_depth(tensor, side)
        return keras.ops.stack(keras.ops.split(together, side**2, axis=-1), axis=3)

    attention = keras.layers.MultiHeadAttention(
        stage.heads, stage.filters // stage.heads, attention_axes=(3,), name=f"{label}_attention"
    )
    attended = attention(windows(queries, stage.window), windows(keys, stage.window // stage.reduction))
    tokens = keras.ops.unstack(attended, stage.window**2, axis=3)
    return keras.ops.depth_to_space(keras.ops.concatenate(tokens, axis=-1), stage.window)


def write_config(folder: Path) -> None:
    config = ModelConfig(
        network="segformer",
        bands=list(BANDS),
        scaling=Scaling.study(BANDS),
        transform=RadianceTransform(),
        patch_size=64,
        point_spread_fwhm_m=742.0,
        dataset_sha256="0" * 64,
        simulated=True,
    )
    write_record(folder / "config.json", config)


@pytest.mark.parametrize("nested", [False, True], ids=["a network", "an ensemble"])
def test_a_model_of_an_earlier_version_loads_and_predicts_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nested: bool
) -> None:
    monkeypatch.setattr(segformer, "_attended", attended_with_windows_as_axes)
    old = perturb(LAYOUT.build(len(BANDS), "segformer", 5))
    monkeypatch.undo()
    new = LAYOUT.build(len(BANDS), "segformer", 5)
    assert [(weight.path, weight.shape) for weight in new.weights] == [
        (weight.path, weight.shape) for weight in old.weights
    ]
    new.set_weights(old.get_weights())
    if nested:
        inputs = keras.Input((None, None, len(BANDS)))
        old = keras.Model(inputs, old(inputs))
    save_model(tmp_path, old)
    write_config(tmp_path)
    loaded, _ = load_model(tmp_path)
    bands = image(2, 32, 64, len(BANDS))
    expected = np.asarray(new(bands))
    atol = ROUNDING * np.abs(expected).max()
    np.testing.assert_allclose(np.asarray(loaded(bands)), expected, rtol=0, atol=atol)
    save_model(tmp_path, loaded)
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_allclose(again.predict_on_batch(bands), expected, rtol=0, atol=atol)
    assert segformer.fold_windows(again) is again


def test_predictions_are_those_of_the_first_version_of_the_network() -> None:
    predicted = np.asarray(perturb(LAYOUT.build(2, "segformer", 5))(image(2, 32, 64, 2, seed=1)))[..., 0]
    # Computed by the version of 2026-11-22 with TF_ENABLE_ONEDNN_OPTS=0.
    assert predicted.mean() == pytest.approx(0.4350217, rel=1e-4)
    assert predicted[[0, 0, 1, 1], [0, 15, 16, 31], [0, 40, 33, 63]] == pytest.approx(
        [0.08137284, 0.67442465, 1.1472676, 0.8965533], abs=1e-5
    )


_TRAINED = """
import sys
import numpy as np
from nightlights.networks import NETWORKS, build
from nightlights.training.backend import prepare
prepare()
side = NETWORKS["segformer"].stride
bands = np.random.default_rng(0).normal(size=(1, side, side, 2)).astype("float32")
model = build("segformer", 2)
model.compile("adam", "mse", jit_compile=False)
np.save(sys.argv[1], model.predict_on_batch(bands))
first, second = (model.train_on_batch(bands, np.abs(bands[..., :1])) for _ in range(2))
assert second < first, (first, second)
"""
_ON_JAX = """
import sys
import keras, numpy as np
assert keras.backend.backend() == "jax"
from test_networks_attention import LAYOUT, image
np.save(sys.argv[1], np.asarray(LAYOUT.build(2, "segformer", 1)(image(2, 32, 64, 2))))
"""


def predicted_in_a_process(code: str, path: Path, **variables: str) -> NDArray[np.float32]:
    """What ``code`` saves to ``path``, run in a process with these environment variables."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""} | variables,
    )
    assert done.returncode == 0, done.stderr
    return np.asarray(np.load(path))


@pytest.mark.slow
def test_segformer_trains_and_predicts_with_and_without_onednn(tmp_path: Path) -> None:
    # TensorFlow reads the variable at import.
    without, with_onednn = (
        predicted_in_a_process(_TRAINED, tmp_path / "prediction.npy", TF_ENABLE_ONEDNN_OPTS=choice)
        for choice in "01"
    )
    assert np.ptp(without) > 0.01
    np.testing.assert_allclose(with_onednn, without, rtol=0, atol=ROUNDING * np.abs(without).max())


@pytest.mark.slow
def test_windows_attend_the_same_on_jax(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    here = np.asarray(LAYOUT.build(2, "segformer", 1)(image(2, 32, 64, 2)))
    tests = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    variables = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": tests}
    there = predicted_in_a_process(_ON_JAX, tmp_path / "prediction.npy", **variables)
    np.testing.assert_allclose(there, here, rtol=0, atol=10 * ROUNDING * np.abs(here).max())
