"""What a network's layers say about its reach is what its gradients and its tiles show."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nightlights.networks import NETWORKS
from nightlights.networks.base import Layout
from nightlights.networks.convnext import ConvNextUNetLayout
from nightlights.networks.layout import UNetLayout
from nightlights.networks.reach import (
    ITSELF,
    Chain,
    Convolution,
    Enlargement,
    Parallel,
    Windows,
    margin_of,
    reach_of,
    stride_of,
)
from nightlights.networks.segformer import Stage, WindowedSegFormerLayout
from nightlights.networks.unet import build_unet

# TensorFlow's own conversion to numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def narrow(layout: Layout) -> Layout:
    """The same places, few numbers."""
    if isinstance(layout, WindowedSegFormerLayout):
        stages = tuple(replace(stage, filters=4 * stage.heads) for stage in layout.stages)
        return replace(layout, stages=stages, decoder_filters=6, base_filters=4)
    assert isinstance(layout, UNetLayout | ConvNextUNetLayout)
    return replace(layout, base_filters=4)


EVERY = {
    name: narrow(info.layout) for name, info in NETWORKS.items() if info.reach and name != "unet-medium"
} | {
    "convnext of two blocks": ConvNextUNetLayout(depth=2, base_filters=4, blocks=2, output="linear"),
    "unet of doubled pixels": narrow(NETWORKS["unet-small"].with_decoder("resize").layout),
    "windows of several sides": WindowedSegFormerLayout(
        (Stage(4, 2, 1, 4, 2), Stage(8, 1, 2, 4, 1)), 6, 4, 0.9, "linear"
    ),
}
ROUNDING = {"float32": 1e-5, "float64": 1e-12}
"""Largest effect of rounding, relative to the largest value.

Convolutions leave rounding errors beyond their kernels on some processors. In double precision, what the
farthest pixel adds, down to 5e-10, lies far above them.
"""
each_layout = pytest.mark.parametrize("layout", EVERY.values(), ids=EVERY.keys())


def image(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@contextlib.contextmanager
def precision(kind: str) -> Iterator[None]:
    """Build networks of floats of this ``kind``."""
    policy, floats = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx(kind)
    keras.config.set_dtype_policy(kind)
    try:
        yield
    finally:
        keras.config.set_floatx(floats)
        keras.config.set_dtype_policy(policy)


def settled(layout: Layout, bands: int, given: NDArray[np.float32], kind: str = "float64") -> Any:
    """A network whose statistics are those of the image, without which coarse levels hardly matter."""
    with precision(kind):
        model = layout.build(bands, "probe", 5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(given, training=True)
    return model


def test_the_medium_network_differs_from_the_small_one_in_filters_alone() -> None:
    assert narrow(NETWORKS["unet-medium"].layout) == EVERY["unet-small"]


def test_known_margins() -> None:
    assert {name: (info.stride, info.reach, info.margin) for name, info in NETWORKS.items()} == {
        "unet-small": (16, 94, 96),
        "unet-medium": (16, 94, 96),
        "unet": (32, 190, 192),
        "unet-convnext": (16, 142, 144),
        "segformer": (128, 354, 384),
        "pixel": (1, 0, 0),
        "footprint-regression": (1, 0, 0),
        "boosted-regression": (1, 0, 0),
        "study-unet": (32, 190, 192),
    }


def test_a_decoder_of_doubled_pixels_reaches_farther_and_other_networks_have_none() -> None:
    small = NETWORKS["unet-small"].with_decoder("resize")
    assert (small.stride, small.reach, small.margin) == (16, 110, 112)
    assert small.with_decoder("transposed") == NETWORKS["unet-small"]
    for name in ("study-unet", "unet-convnext", "segformer", "pixel", "footprint-regression"):
        assert NETWORKS[name].with_decoder("resize") is NETWORKS[name]
    layout = narrow(small.layout)
    model = layout.build(3, "probe", 5)
    assert layout.parameters(3) == sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert not any(isinstance(layer, keras.layers.Conv2DTranspose) for layer in model.layers)


def test_the_pixel_network_knows_nothing_but_the_pixel() -> None:
    layout = NETWORKS["pixel"].layout
    scene = image(1, 6, 8, 3)
    model = settled(layout, 3, scene)
    order = np.random.default_rng(2).permutation(48)
    mixed = scene.reshape(48, 3)[order].reshape(scene.shape)
    light, mixed_light = (np.asarray(model(bands)).ravel() for bands in (scene, mixed))
    np.testing.assert_allclose(mixed_light, light[order], atol=1e-5)
    assert np.ptp(light) > 0.1


def test_the_algebra_on_networks_worked_out_by_hand() -> None:
    assert (stride_of(ITSELF), reach_of(ITSELF), margin_of(ITSELF)) == (1, 0, 0)
    two = Chain.of(Convolution(3), Convolution(7))
    assert (stride_of(two), reach_of(two)) == (1, 4)
    # A patch embedding of SegFormer takes 1 pixel before its four and 2 after.
    assert Convolution(7, 4).needed(0, 0) == (-1, 5)
    assert Convolution(3, 2).needed(1, 1) == (2, 4)
    assert Enlargement(2).needed(5, 8) == (2, 4)
    windows = Chain.of(Convolution(2, 2), Windows(8), Enlargement(2))
    assert (stride_of(windows), reach_of(windows), windows.needed(17, 17)) == (16, 0, (16, 31))
    # One pixel across the edge of a window costs all of the window beyond.
    across = Chain.of(Windows(8), Convolution(3))
    assert (stride_of(across), reach_of(across), margin_of(across)) == (8, 8, 8)
    with pytest.raises(ValueError, match="several scales"):
        stride_of(Chain.of(Parallel.of(ITSELF, Convolution(2, 2)), Convolution(3)))
    with pytest.raises(ValueError, match="parts of a pixel"):
        stride_of(Chain.of(Enlargement(2), Convolution(2, 2)))


@given(st.sampled_from(list(EVERY)), st.integers(-300, 300), st.integers(0, 200), st.integers(-5, 5))
def test_a_shift_by_whole_strides_shifts_what_is_needed(name: str, low: int, width: int, cells: int) -> None:
    steps, shift = EVERY[name].steps(), cells * EVERY[name].stride
    first, last = steps.needed(low, low + width)
    assert steps.needed(low + shift, low + width + shift) == (first + shift, last + shift)
    one, other = steps.needed(low, low), steps.needed(low + width, low + width)
    assert (first, last) == (min(one[0], other[0]), max(one[1], other[1]))


@each_layout
def test_gradients_reach_exactly_as_far_as_the_layers_say(layout: Layout) -> None:
    import tensorflow as tf

    stride, steps = layout.stride, layout.steps()
    cells = 2 * (layout.margin // stride) + 1
    first = layout.margin
    scene = image(1, stride, cells * stride, 2)
    model = settled(layout, 2, scene)
    intervals = [steps.needed(position, position) for position in range(stride)]
    lows, highs = zip(*intervals, strict=True)
    farthest = {int(np.argmin(lows)), int(np.argmax(highs)), stride // 3}
    reached = 0
    for position in farthest:
        given = tf.constant(scene, tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(given)
            output = tf.reduce_sum(tf.abs(model(given)[:, :, first + position]))
        slopes = np.abs(np.asarray(tape.gradient(output, given))).sum(axis=(0, 1, 3))
        columns = np.flatnonzero(slopes > ROUNDING["float64"] * slopes.max()) - first
        assert (columns[0], columns[-1]) == intervals[position]
        reached = max(reached, int(-columns[0]), int(columns[-1] - (stride - 1)))
    assert reached == layout.receptive_reach()


@each_layout
def test_what_lies_beyond_the_reach_changes_nothing(layout: Layout) -> None:
    stride, margin = layout.stride, layout.margin
    scene = image(1, stride, 2 * margin + 3 * stride, 2)
    model = settled(layout, 2, scene)
    position = margin + stride + stride // 3
    low, high = layout.steps().needed(position, position)
    changed = image(*scene.shape, seed=1) * 30
    changed[:, :, low : high + 1] = scene[:, :, low : high + 1]
    before, after = (np.asarray(model(bands))[:, :, position] for bands in (scene, changed))
    largest = np.abs(before).max()
    np.testing.assert_allclose(after, before, rtol=0, atol=ROUNDING["float64"] * largest)
    for column in (low, high):
        inside = np.array(changed)
        inside[:, :, column] += 100
        difference = np.abs(np.asarray(model(inside))[:, :, position] - before).max()
        assert difference > 100 * ROUNDING["float64"] * largest


@each_layout
def test_a_tile_with_the_margin_equals_the_whole_image(layout: Layout) -> None:
    stride, margin = layout.stride, layout.margin
    scene = image(1, stride, 2 * margin + 5 * stride, 2)
    model = settled(layout, 2, scene, "float32")
    core = slice(margin + 2 * stride, margin + 3 * stride)
    # As a region is predicted: compiled once, for images of several sizes.
    whole = model.predict_on_batch(scene)[0, :, core]
    tile = model.predict_on_batch(scene[:, :, core.start - margin : core.stop + margin])[0, :, margin:-margin]
    largest = np.abs(whole).max()
    np.testing.assert_allclose(tile, whole, rtol=0, atol=ROUNDING["float32"] * largest)
    half = stride // 2
    shifted = model.predict_on_batch(scene[:, :, core.start - margin - half : core.stop + margin + half])
    assert np.abs(shifted[0, :, margin + half : -margin - half] - whole).max() > 1e-3 * largest


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("normalised", [True, False])
def test_an_impulse_reaches_exactly_as_far_as_the_receptive_field_says(depth: int, normalised: bool) -> None:
    layout = UNetLayout(depth, 1, False, normalised, 0.9, "linear")
    with precision("float64"):
        model = build_unet(layout, 1, "probe", 0)
    for weight in model.trainable_weights:
        # Positive weights let nothing cancel and keep every rectifier open.
        if "kernel" in weight.path:
            weight.assign(np.abs(weight.numpy()) + 0.1)
    stride, cells = layout.stride, 2 * (layout.margin // layout.stride) + 3
    first = (cells // 2) * stride
    impulses = np.ones((stride, stride, cells * stride, 1), np.float32)
    for position in range(stride):
        impulses[position, :, first + position] = 100.0
    differences = np.abs(np.asarray(model(impulses) - model(np.ones_like(impulses[:1]))))[..., 0].max(axis=1)
    changed = differences > ROUNDING["float64"] * differences.max(axis=1, keepdims=True)
    farthest = 0
    for position, row in enumerate(changed):
        columns = np.flatnonzero(row)
        cell = columns // stride * stride
        farthest = max(farthest, int(np.max(cell - first - position)))
        farthest = max(farthest, int(np.max(first + position - (cell + stride - 1))))
    assert farthest == layout.receptive_reach()
