"""Turns and mirrors of square patches on the device, as three switches a patch, and their undoing.

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


def turned(images: Any, switches: Any) -> Any:
    """Orient a tensor of images, shape (n, size, size, ...), by ``switches``, shape (n, 3)."""
    from keras import ops

    images = ops.convert_to_tensor(images)
    others = range(3, len(images.shape))
    images = _where(switches, 0, ops.transpose(images, (0, 2, 1, *others)), images)
    images = _where(switches, 1, ops.flip(images, axis=1), images)
    return _where(switches, 2, ops.flip(images, axis=2), images)


def turned_back(images: Any, switches: Any) -> Any:
    """Undo :func:`turned` on a tensor of shape (n, size, size)."""
    from keras import ops

    images = ops.convert_to_tensor(images)
    images = _where(switches, 2, ops.flip(images, axis=2), images)
    images = _where(switches, 1, ops.flip(images, axis=1), images)
    return _where(switches, 0, ops.transpose(images, (0, 2, 1)), images)


def _where(switches: Any, switch: int, changed: Any, unchanged: Any) -> Any:
    from keras import ops

    shape = (-1,) + (1,) * (len(unchanged.shape) - 1)
    return ops.where(ops.reshape(switches[:, switch], shape), changed, unchanged)
