"""A sample of the pixels of regions, from which the terms of a regression and scalings are made."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nightlights.datasets import Dataset
from nightlights.errors import DatasetError

MOST_PIXELS: Final = 200_000
"""Of a sample; every n-th row and column where there are more."""
TILE: Final = 48
"""Side in VIIRS pixels of what is read at once."""


def training_sample(dataset: Dataset, regions: Sequence[str]) -> NDArray[np.float32]:
    """Evenly spaced pixels of ``regions`` with every band known.

    Returns
    -------
    numpy.ndarray
        float32, shape (at most about :data:`MOST_PIXELS`, bands), in the bands' units; it depends on nothing
        but the dataset and the regions.

    Raises
    ------
    DatasetError
        When no pixel has all its bands.
    """
    windows = {name: dataset.region(name).window.window for name in regions}
    pixels = sum(math.prod(window.fine_shape) for window in windows.values())
    step = max(1, math.ceil(math.sqrt(pixels / MOST_PIXELS)))
    pieces = []
    for name, window in windows.items():
        for tile in window.tiles(TILE, TILE):
            image = dataset.read_daytime(name, tile)[:, step // 2 :: step, step // 2 :: step]
            values = image.reshape(len(image), -1).T
            pieces.append(values[np.isfinite(values).all(axis=1)])
    sample = np.concatenate(pieces)
    if not len(sample):
        raise DatasetError("The training regions have no pixel with every band.", "Choose other regions.")
    return sample
