"""The U-Net in pure Keras 3: layers only, no calls of a backend, so that every backend runs it."""

from typing import Any

import keras
import numpy as np

from nightlights.networks.initial_weights import draw_kernels
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
                kernel_initializer="zeros",
                name=f"{label}_convolution{index}",
            )
            tensor = normalised(convolution(tensor), f"{label}_{index}")
        return tensor

    def enlarged(tensor: Any, filters: int, label: str) -> Any:
        common = {"padding": "same", "kernel_initializer": "zeros", "name": f"{label}_enlarged"}
        if layout.decoder == "transposed":
            return keras.layers.Conv2DTranspose(filters, 2, strides=2, **common)(tensor)
        doubled = keras.layers.UpSampling2D(2, interpolation="nearest", name=f"{label}_doubled")(tensor)
        return keras.layers.Conv2D(filters, 3, **common)(doubled)

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
        upward = enlarged(tensor, layout.filters[level], label)
        tensor = keras.layers.Concatenate(name=f"{label}_joined")([skipped[level], upward])
        if layout.normalised_concatenation:
            tensor = normalised(tensor, f"{label}_joined")
        tensor = block(tensor, layout.filters[level], label)
    outputs = keras.layers.Conv2D(
        1, 1, activation=layout.output, kernel_initializer="zeros", name="transformed_radiance"
    )(tensor)
    model = keras.Model(inputs, outputs, name=name.replace("-", "_"))
    draw_kernels(model, np.random.default_rng(seed))
    return model
