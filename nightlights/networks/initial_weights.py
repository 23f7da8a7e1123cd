"""First weights, drawn by numpy, so that every backend of Keras begins alike."""

import math
from typing import Any

import numpy as np


def draw_kernels(model: Any, generator: np.random.Generator) -> None:
    """Draw every kernel of ``model`` anew, uniform with the variance of Glorot and Bengio (2010).

    Biases and normalisations stay as they are.
    """
    for weight in model.trainable_weights:
        if weight.path.endswith("/kernel"):
            joined, given = _fans(weight.path, weight.shape)
            limit = math.sqrt(6 / (joined + given))
            weight.assign(generator.uniform(-limit, limit, weight.shape).astype(np.float32))


def _fans(path: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """How many numbers enter one output, and how many outputs one input enters."""
    if "depthwise" in path:
        return shape[0] * shape[1], shape[0] * shape[1] * shape[3]
    if "attention_output" in path:
        # Heads and numbers of a head together are what enters.
        return shape[0] * shape[1], shape[2]
    if len(shape) == 3:
        return shape[0], shape[1] * shape[2]
    area = math.prod(shape[:-2])
    return area * shape[-2], area * shape[-1]
