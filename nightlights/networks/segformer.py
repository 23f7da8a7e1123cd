"""A transformer after SegFormer (Xie et al. 2021, arXiv:2105.15203) whose attention stays within windows.

Kept of that paper: patches that overlap, stages of falling resolution, attention with spatially reduced
keys, a depthwise convolution inside the feed-forward part instead of position codes, a decoder of pointwise
layers alone. Two things differ. Attention looks over a window (Liu et al. 2021,
doi:10.1109/ICCV48922.2021.00986), not over the whole image: with global attention every output pixel would
depend on where a tile was cut. And the bands are joined to the decoder at full resolution, for the paper's
own output ends at a quarter of it.
"""

import math
from dataclasses import dataclass
from typing import Any

from nightlights.networks.base import FLOAT_BYTES, Layout, Output
from nightlights.networks.reach import (
    ITSELF,
    Chain,
    Convolution,
    Enlargement,
    Parallel,
    Step,
    Windows,
    residual,
)

_EXPANSION = 4
_FIRST_STRIDE = 4
_FIRST_KERNEL, _NEXT_KERNEL = 7, 3
_TENSORS_PER_BLOCK = 32
"""Activations of the stage's size that training keeps of one block, four of them expanded."""
_TENSORS_AT_FULL_RESOLUTION = 10
_SMALLEST_VARIANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Stage:
    """One resolution of the encoder.

    Attributes
    ----------
    filters:
        Numbers of a token.
    blocks:
        Pairs of attention and feed-forward part.
    heads:
        Heads of the attention.
    window:
        Side of a window of attention, in tokens.
    reduction:
        Side of the square of tokens that one key stands for; divides the window.
    """

    filters: int
    blocks: int
    heads: int
    window: int
    reduction: int


@dataclass(frozen=True, slots=True)
class WindowedSegFormerLayout(Layout):
    """A hierarchical transformer with a light decoder.

    Attributes
    ----------
    stages:
        Finest first; the first has one token for 4 x 4 pixels, each other one for 2 x 2 of the one before.
    decoder_filters:
        Numbers of a token in the decoder.
    base_filters:
        Filters at full resolution.
    momentum:
        Weight of the past in the moving statistics of the decoder's normalisation.
    output:
        Function of the last layer.
    """

    stages: tuple[Stage, ...]
    decoder_filters: int
    base_filters: int
    momentum: float
    output: Output

    @property
    def depth(self) -> int:  # type: ignore[override]
        """Number of halvings between the input and the coarsest stage."""
        return int(math.log2(_FIRST_STRIDE)) + len(self.stages) - 1

    def steps(self) -> Step:
        """See :meth:`Layout.steps`."""
        encoder = ITSELF
        branches = []
        for index, stage in enumerate(self.stages):
            embedding = (
                Convolution(_FIRST_KERNEL, _FIRST_STRIDE) if index == 0 else Convolution(_NEXT_KERNEL, 2)
            )
            block = Chain.of(residual(Windows(stage.window)), residual(Convolution(3)))
            encoder = Chain.of(encoder, embedding, *(block,) * stage.blocks)
            enlarged = _smooth_enlargement(2**index) if index else ITSELF
            branches.append(Chain.of(encoder, enlarged))
        decoder = Chain.of(Parallel(tuple(branches)), _smooth_enlargement(_FIRST_STRIDE))
        return Chain.of(Parallel.of(Convolution(3), decoder), Convolution(3))

    def parameters(self, band_count: int) -> int:
        """See :meth:`Layout.parameters`."""
        total, before = 0, band_count
        for index, stage in enumerate(self.stages):
            kernel = _NEXT_KERNEL if index else _FIRST_KERNEL
            total += kernel**2 * before * stage.filters + stage.filters + 2 * stage.filters
            total += stage.blocks * _block_parameters(stage) + 2 * stage.filters
            total += stage.filters * self.decoder_filters + self.decoder_filters
            before = stage.filters
        joined, fine = len(self.stages) * self.decoder_filters, self.base_filters
        total += joined * self.decoder_filters + 2 * self.decoder_filters
        total += self.decoder_filters * fine + fine
        total += 9 * band_count * fine + 2 * fine
        return total + 9 * 2 * fine * fine + 2 * fine + fine + 1

    def training_bytes(self, pixels: int) -> int:
        """See :meth:`Layout.training_bytes`."""
        per_pixel: float = _TENSORS_AT_FULL_RESOLUTION * self.base_filters
        for index, stage in enumerate(self.stages):
            tokens = 1 / (_FIRST_STRIDE * 2**index) ** 2
            keys = (stage.window // stage.reduction) ** 2
            per_pixel += tokens * stage.blocks * (_TENSORS_PER_BLOCK * stage.filters + 3 * stage.heads * keys)
            per_pixel += 3 * self.decoder_filters / _FIRST_STRIDE**2
        return int(FLOAT_BYTES * per_pixel * pixels)

    def build(self, band_count: int, name: str, seed: int) -> Any:
        """See :meth:`Layout.build`."""
        import keras
        import numpy as np

        from nightlights.networks.initial_weights import draw_kernels

        layers = keras.layers

        def rectified(tensor: Any, label: str) -> Any:
            layer = layers.BatchNormalization(momentum=self.momentum, name=f"{label}_normalised")
            return layers.Activation("relu", name=f"{label}_rectified")(layer(tensor))

        inputs = keras.Input((None, None, band_count), name="bands")
        tensor, tokens = inputs, []
        for index, stage in enumerate(self.stages):
            tensor = _encoded(tensor, stage, index)
            decoded = layers.Conv2D(self.decoder_filters, 1, name=f"decoder{index}_projected")(tensor)
            if index:
                decoded = _enlarged(decoded, 2**index, f"decoder{index}")
            tokens.append(decoded)
        joined = layers.Concatenate(name="decoder_joined")(tokens)
        joined = layers.Conv2D(self.decoder_filters, 1, use_bias=False, name="decoder_mixed")(joined)
        joined = rectified(joined, "decoder")
        joined = layers.Conv2D(self.base_filters, 1, name="decoder_narrowed")(joined)
        joined = _enlarged(joined, _FIRST_STRIDE, "decoder")
        fine = layers.Conv2D(self.base_filters, 3, padding="same", use_bias=False, name="fine")(inputs)
        tensor = layers.Concatenate(name="fine_joined")([rectified(fine, "fine"), joined])
        tensor = layers.Conv2D(self.base_filters, 3, padding="same", use_bias=False, name="last")(tensor)
        tensor = rectified(tensor, "last")
        outputs = layers.Conv2D(1, 1, activation=self.output, name="transformed_radiance")(tensor)
        model = keras.Model(inputs, outputs, name=name.replace("-", "_"))
        draw_kernels(model, np.random.default_rng(seed))
        return model


def _smooth_enlargement(factor: int) -> Step:
    return Chain.of(Enlargement(factor), Convolution(factor + 1))


def _enlarged(tensor: Any, factor: int, label: str) -> Any:
    """Repeat every pixel ``factor`` times along both axes, then even out the steps.

    Keras's bilinear enlargement wants to know the size of the image when the network is compiled.
    """
    import keras

    tensor = keras.layers.UpSampling2D(factor, name=f"{label}_enlarged")(tensor)
    return keras.layers.AveragePooling2D(factor + 1, strides=1, padding="same", name=f"{label}_smoothed")(
        tensor
    )


def _block_parameters(stage: Stage) -> int:
    filters, expanded = stage.filters, _EXPANSION * stage.filters
    reduced = stage.reduction**2 * filters**2 + filters + 2 * filters if stage.reduction > 1 else 0
    attention = 2 * filters + reduced + 4 * (filters**2 + filters)
    depthwise = 9 * expanded + expanded
    return (
        attention + 2 * filters + (filters * expanded + expanded) + depthwise + expanded * filters + filters
    )


def _encoded(tensor: Any, stage: Stage, index: int) -> Any:
    """The tokens of a stage from those of the stage before."""
    import keras

    layers = keras.layers

    def normalised(tensor: Any, label: str) -> Any:
        layer = layers.LayerNormalization(epsilon=_SMALLEST_VARIANCE, name=f"{label}_normalised")
        return layer(tensor)

    label = f"stage{index}"
    embedding = layers.Conv2D(
        stage.filters,
        _NEXT_KERNEL if index else _FIRST_KERNEL,
        strides=2 if index else _FIRST_STRIDE,
        padding="same",
        name=f"{label}_embedded",
    )
    tensor = normalised(embedding(tensor), label)
    for number in range(stage.blocks):
        part = f"{label}_{number}"
        queries = keys = normalised(tensor, f"{part}_attention")
        if stage.reduction > 1:
            reduced = layers.Conv2D(
                stage.filters, stage.reduction, strides=stage.reduction, name=f"{part}_reduced"
            )
            keys = normalised(reduced(keys), f"{part}_keys")
        inner = _attended(queries, keys, stage, part)
        tensor = layers.Add(name=f"{part}_attention_added")([tensor, inner])
        inner = normalised(tensor, f"{part}_forward")
        inner = layers.Conv2D(_EXPANSION * stage.filters, 1, name=f"{part}_expanded")(inner)
        inner = layers.DepthwiseConv2D(3, padding="same", activation="gelu", name=f"{part}_depthwise")(inner)
        inner = layers.Conv2D(stage.filters, 1, name=f"{part}_projected")(inner)
        tensor = layers.Add(name=f"{part}_forward_added")([tensor, inner])
    return normalised(tensor, f"{label}_last")


def _attended(queries: Any, keys: Any, stage: Stage, label: str) -> Any:
    """Attention of the tokens of every window to the keys of that window."""
    import keras

    attention = keras.layers.MultiHeadAttention(
        stage.heads, stage.filters // stage.heads, name=f"{label}_attention"
    )
    windows = keras.ops.space_to_depth(queries, stage.window)
    reduced = keras.ops.space_to_depth(keys, stage.window // stage.reduction)
    attended = attention(_folded(windows, stage.filters), _folded(reduced, stage.filters))
    return keras.ops.depth_to_space(_unfolded(attended, windows), stage.window)


def _folded(windows: Any, filters: int) -> Any:
    """Fold windows into the batch axis, for attention scores of rank 4: oneDNN has no softmax above rank 5.

    From shape (n, rows, columns, tokens x filters) or (n, rows, columns, tokens, filters) to
    (n x rows x columns, tokens, filters).
    """
    import keras

    return keras.ops.reshape(windows, (-1, math.prod(windows.shape[3:]) // filters, filters))


def _unfolded(tokens: Any, windows: Any) -> Any:
    """Undo :func:`_folded`: the shape of ``windows``, the values of ``tokens``.

    A reshape takes one unknown size and there are three, so windows are gathered by their row-major index.
    """
    import keras

    ops = keras.ops
    counts = ops.ones_like(ops.max(windows, axis=tuple(range(3, len(windows.shape)))), dtype="int32")
    indices = ops.zeros_like(counts)
    for axis in (2, 1, 0):
        # Subtract: on TensorFlow, keras.ops.add takes shape (2, 1, 1) for a bias of the last or second axis.
        indices = indices - (counts - ops.cumsum(counts, axis))
        counts = ops.sum(counts, axis, keepdims=True)
    return ops.take(ops.reshape(tokens, (-1, *windows.shape[3:])), indices, axis=0)


def fold_windows(model: Any) -> Any:
    """Return ``model`` with windows of attention folded into the batch axis.

    Models of earlier versions keep rows and columns of windows as axes of their own, and some processors
    cannot predict with them. Weights, and so predictions, stay the same. Every other model is returned as is.
    """
    import keras

    attention = keras.layers.MultiHeadAttention

    def outdated(layer: Any) -> bool:
        return isinstance(layer, attention) and tuple(layer.get_config()["attention_axes"] or ()) == (3,)

    def present(layers: Any) -> bool:
        return any(outdated(layer) or present(getattr(layer, "layers", ())) for layer in layers)

    if not present(model.layers):
        return model
    pairs = []

    def clone(layer: Any) -> Any:
        if not outdated(layer):
            return layer
        pairs.append((layer, attention.from_config(layer.get_config() | {"attention_axes": None})))
        return pairs[-1][1]

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if not isinstance(layer, attention):
            return layer(*inputs, **options)
        folded = [_folded(windows, windows.shape[-1]) for windows in inputs]
        return _unfolded(layer(*folded), inputs[0])

    folded = keras.models.clone_model(model, clone_function=clone, call_function=call, recursive=True)
    for before, after in pairs:
        after.set_weights(before.get_weights())
    return folded
