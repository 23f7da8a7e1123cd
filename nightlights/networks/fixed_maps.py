"""Affine maps of channels within a Keras model, which training leaves alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def fixed_map(tensor: Any, kernel: NDArray[Any], bias: NDArray[Any], name: str) -> Any:
    """An affine map of the channels of ``tensor``: ``kernel`` has the shape (channels, outputs)."""
    import keras

    layer = keras.layers.Conv2D(kernel.shape[1], 1, trainable=False, name=name)
    result = layer(tensor)
    layer.set_weights([kernel[None, None].astype(np.float32), bias.astype(np.float32)])
    return result
