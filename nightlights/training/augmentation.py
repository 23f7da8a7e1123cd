"""Turns and mirrors of square patches, as three switches a patch, and their undoing.

A prediction is turned back before it is compared with VIIRS, so VIIRS, labels and the point spread (which
is wider along rows than across them) keep their true orientation, and every turn is handled exactly.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_TURNS = np.array([[0, 0, 0], [1, 0, 1], [0, 1, 1], [1, 1, 0]], dtype=bool)
_MIRRORS = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=bool)
_ALL = np.array([[t, r, c] for t in (0, 1) for r in (0, 1) for c in (0, 1)], dtype=bool)
_CHOICES = {
    (False, False): _ALL[:1],
    (True, False): _TURNS,
    (False, True): _MIRRORS,
    (True, True): _ALL,
}


def draw_switches(
    count: int, generator: np.random.Generator, *, rotate: bool, mirror: bool
) -> NDArray[np.bool_]:
    """Draw an orientation for each of ``count`` patches.

    Parameters
    ----------
    rotate:
        Allow turns by 0, 90, 180 and 270 degrees.
    mirror:
        Allow mirroring east-west and north-south.

    Returns
    -------
    numpy.ndarray
        bool, shape (count, 3): transpose, then reverse rows, then reverse columns.
    """
    choices = _CHOICES[rotate, mirror]
    return choices[generator.integers(len(choices), size=count)]


def turned(images: NDArray[Any], switches: NDArray[np.bool_]) -> NDArray[Any]:
    """Orient ``images``, shape (n, size, size, ...), by ``switches``, shape (n, 3)."""
    result = np.empty_like(images)
    for index, (transpose, rows, columns) in enumerate(switches):
        image = images[index]
        if transpose:
            image = image.swapaxes(0, 1)
        if rows:
            image = image[::-1]
        if columns:
            image = image[:, ::-1]
        result[index] = image
    return result


def turned_back(images: Any, switches: Any) -> Any:
    """Undo :func:`turned` on a tensor of shape (n, size, size), in any Keras backend."""
    from keras import ops

    def where(switch: int, changed: Any, unchanged: Any) -> Any:
        return ops.where(ops.reshape(switches[:, switch], (-1, 1, 1)), changed, unchanged)

    images = where(2, ops.flip(images, axis=2), images)
    images = where(1, ops.flip(images, axis=1), images)
    return where(0, ops.transpose(images, (0, 2, 1)), images)
