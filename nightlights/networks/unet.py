"""The U-Net in pure Keras 3: layers only, no calls of a backend, so that every backend runs it."""

from itertools import count
from typing import Any

import keras

from nightlights.networks.layout import UNetLayout


def build_unet(layout: UNetLayout, band_count: int, name: str, seed: int) -> Any:
    """Build the network.

    Parameters
    ----------
    layout:
        Depth, filters and details.
    band_count:
        Number of input bands.
    name:
        Name of the Keras model.
    seed:
        Seed of the initial weights.

    Returns
    -------
    keras.Model
        From scaled bands, shape (n, height, width, bands), to transformed radiance, shape
        (n, height, width, 1); height and width are multiples of ``layout.stride``.
    """
    seeds = count(seed * 1000)

    def initialiser() -> Any:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    def normalised(tensor: Any, label: str) -> Any:
        tensor = keras.layers.BatchNormalization(momentum=layout.momentum, name=f"{label}_normalised")(tensor)
        return keras.layers.Activation("relu", name=f"{label}_rectified")(tensor)

    def block(tensor: Any, filters: int, label: str) -> Any:
        for index in (1, 2):
            convolution = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=layout.convolution_bias,
                kernel_initializer=initialiser(),
                name=f"{label}_convolution{index}",
            )
            tensor = normalised(convolution(tensor), f"{label}_{index}")
        return tensor

    inputs = keras.Input((None, None, band_count), name="bands")
    tensor = inputs
    skipped = []
    for level, filters in enumerate(layout.filters[:-1]):
        tensor = block(tensor, filters, f"encoder{level}")
        skipped.append(tensor)
        tensor = keras.layers.MaxPooling2D(2, name=f"encoder{level}_pooled")(tensor)
    tensor = block(tensor, layout.filters[-1], "center")
    for level in reversed(range(layout.depth)):
        label = f"decoder{level}"
        upward = keras.layers.Conv2DTranspose(
            layout.filters[level],
            2,
            strides=2,
            padding="same",
            kernel_initializer=initialiser(),
            name=f"{label}_enlarged",
        )
        tensor = keras.layers.Concatenate(name=f"{label}_joined")([skipped[level], upward(tensor)])
        if layout.normalised_concatenation:
            tensor = normalised(tensor, f"{label}_joined")
        tensor = block(tensor, layout.filters[level], label)
    outputs = keras.layers.Conv2D(
        1, 1, activation=layout.output, kernel_initializer=initialiser(), name="transformed_radiance"
    )(tensor)
    return keras.Model(inputs, outputs, name=name.replace("-", "_"))
