"""A U-Net whose blocks are those of ConvNeXt: wide depthwise kernels, then an inverted bottleneck.

Liu et al. 2022, doi:10.1109/CVPR52688.2022.01167. The scale of each layer, with which that paper begins its
deep networks near the identity, is left out: there are few blocks here.
"""

import itertools
from dataclasses import dataclass
from typing import Any

from nightlights.networks.base import FLOAT_BYTES, Layout, Output
from nightlights.networks.reach import ITSELF, Chain, Convolution, Enlargement, Parallel, Step, residual

_KERNEL = 7
_EXPANSION = 4
_TENSORS_PER_BLOCK = 20
"""Activations of the level's size that training keeps of one block: four tensors, two of them expanded."""
_TENSORS_BESIDE = 8
"""The same of what lies between the blocks of one level."""
_SMALLEST_VARIANCE = 1e-6


@dataclass(frozen=True, slots=True)
class ConvNextUNetLayout(Layout):
    """A U-Net of ConvNeXt blocks with layer normalisation.

    Attributes
    ----------
    depth:
        Number of halvings between the input and the coarsest level.
    base_filters:
        Filters at full resolution; they double with every halving.
    blocks:
        Blocks of a level, on either side and in the centre.
    output:
        Function of the last layer.
    """

    depth: int
    base_filters: int
    blocks: int
    output: Output

    @property
    def filters(self) -> tuple[int, ...]:
        """Filters of every level, finest first, the coarsest (centre) last."""
        return tuple(self.base_filters * 2**level for level in range(self.depth + 1))

    def steps(self) -> Step:
        """See :meth:`Layout.steps`."""
        blocks = Chain((residual(Convolution(_KERNEL)),) * self.blocks)
        network: Step = blocks
        for _ in range(self.depth):
            coarser = Chain.of(Convolution(2, 2), network, Enlargement(2))
            network = Chain.of(blocks, Parallel.of(ITSELF, coarser), blocks)
        return Chain.of(Convolution(3), network)

    def parameters(self, band_count: int) -> int:
        """See :meth:`Layout.parameters`."""
        filters = self.filters
        total = 9 * band_count * filters[0] + filters[0]
        for fine, coarse in itertools.pairwise(filters):
            total += 2 * self.blocks * _block_parameters(fine)
            total += 2 * fine + 4 * fine * coarse + coarse
            total += 4 * coarse * fine + fine
            total += 2 * fine * fine + fine
        return total + self.blocks * _block_parameters(filters[-1]) + 2 * filters[0] + filters[0] + 1

    def training_bytes(self, pixels: int) -> int:
        """See :meth:`Layout.training_bytes`."""
        tensors = 2 * self.blocks * _TENSORS_PER_BLOCK + _TENSORS_BESIDE
        per_pixel = sum(filters / 4**level for level, filters in enumerate(self.filters))
        return int(FLOAT_BYTES * tensors * per_pixel * pixels)

    def build(self, band_count: int, name: str, seed: int) -> Any:
        """See :meth:`Layout.build`."""
        import keras
        import numpy as np

        from nightlights.networks.initial_weights import draw_kernels

        layers = keras.layers

        def normalised(tensor: Any, label: str) -> Any:
            layer = layers.LayerNormalization(epsilon=_SMALLEST_VARIANCE, name=f"{label}_normalised")
            return layer(tensor)

        def blocks(tensor: Any, filters: int, label: str) -> Any:
            for index in range(self.blocks):
                part = f"{label}_{index}"
                inner = layers.DepthwiseConv2D(_KERNEL, padding="same", name=f"{part}_depthwise")(tensor)
                inner = normalised(inner, part)
                inner = layers.Conv2D(_EXPANSION * filters, 1, activation="gelu", name=f"{part}_expanded")(
                    inner
                )
                inner = layers.Conv2D(filters, 1, name=f"{part}_projected")(inner)
                tensor = layers.Add(name=f"{part}_added")([tensor, inner])
            return tensor

        filters = self.filters
        inputs = keras.Input((None, None, band_count), name="bands")
        tensor = layers.Conv2D(filters[0], 3, padding="same", name="stem")(inputs)
        skipped = []
        for level in range(self.depth):
            label = f"encoder{level}"
            tensor = blocks(tensor, filters[level], label)
            skipped.append(tensor)
            tensor = normalised(tensor, label)
            tensor = layers.Conv2D(filters[level + 1], 2, strides=2, name=f"{label}_halved")(tensor)
        tensor = blocks(tensor, filters[-1], "center")
        for level in reversed(range(self.depth)):
            label = f"decoder{level}"
            tensor = layers.Conv2DTranspose(filters[level], 2, strides=2, name=f"{label}_enlarged")(tensor)
            tensor = layers.Concatenate(name=f"{label}_joined")([skipped[level], tensor])
            tensor = layers.Conv2D(filters[level], 1, name=f"{label}_mixed")(tensor)
            tensor = blocks(tensor, filters[level], label)
        tensor = normalised(tensor, "decoder")
        outputs = layers.Conv2D(1, 1, activation=self.output, name="transformed_radiance")(tensor)
        model = keras.Model(inputs, outputs, name=name.replace("-", "_"))
        draw_kernels(model, np.random.default_rng(seed))
        return model


def _block_parameters(filters: int) -> int:
    depthwise = _KERNEL**2 * filters + filters
    expanded = _EXPANSION * filters
    return depthwise + 2 * filters + (filters * expanded + expanded) + (expanded * filters + filters)
