"""Patterns in an image of light that no city has: scan lines, checkerboards, frames and holes.

Scores do not see them, the eye sees nothing else. Each figure is meant to be held beside that of the true
light or, where that is unknown, of interpolated VIIRS.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_FAINT: Final = 0.05
"""nW/cm2/sr: darker light counts as this, so that what no one can see weighs nothing."""
OUTER, INNER = 8, 32
"""Widths in pixels of the frame at the edge of an image, and of the one within it."""
HOLE: Final = 0.1
"""Share of the true light below which a pixel is a hole."""
LIT_FROM: Final = 1.0
"""nW/cm2/sr above which true light can have a hole."""

Image = NDArray[np.floating[Any]]


def scan_lines(light: Image) -> float:
    """How much rows, or columns, differ from their two neighbours as a whole.

    The second difference of the logarithm of light across a row, averaged along the row, is squared and
    averaged over all rows; likewise for columns, and both are added. What differs from place to place along a
    row averages out; what all of the row shares does not.

    Parameters
    ----------
    light:
        Shape (height, width), nW/cm2/sr, NaN where missing. At least 3 x 3.

    Returns
    -------
    float
        No unit; NaN where no pixel has its neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.where(np.arange(8) % 2, 1.0, np.e)
    >>> round(scan_lines(np.tile(rows[:, None], (1, 8))), 6)
    4.0
    """
    logarithm = _logarithm(light)
    total = 0.0
    for image in (logarithm, logarithm.T):
        second = image[:-2] - 2 * image[1:-1] + image[2:]
        means = _row_means(second)
        total += float(np.mean(means**2)) if means.size else float("nan")
    return total


def phase_spread(light: Image) -> float:
    """How much the four pixels of 2 x 2 blocks differ in the mean: the checkerboard of upsampling.

    Parameters
    ----------
    light:
        Shape (height, width), nW/cm2/sr, NaN where missing.

    Returns
    -------
    float
        Largest less smallest mean logarithm of light; NaN where one of the four is not known anywhere.

    Examples
    --------
    >>> import numpy as np
    >>> round(phase_spread(np.tile([[2.0, 1.0], [1.0, 1.0]], (4, 4))), 6)
    0.693147
    """
    logarithm = _logarithm(light)
    means = [_mean(logarithm[row::2, column::2]) for row in (0, 1) for column in (0, 1)]
    return float(np.max(means) - np.min(means))


def edge_ratio(light: Image) -> float:
    """Brightness of the outermost 8 pixels over that of the next 32: 1 where there is no frame.

    A city has a ratio of its own, so compare with that of the true light.

    Parameters
    ----------
    light:
        Shape (height, width), nW/cm2/sr, NaN where missing.

    Returns
    -------
    float
        No unit; NaN where nothing is known in one of the two, or the inner one is dark.

    Examples
    --------
    >>> import numpy as np
    >>> light = np.ones((100, 100))
    >>> light[:8] = 3.0
    >>> edge_ratio(np.full((100, 100), 3.0)), edge_ratio(light) > 1.2
    (1.0, True)
    """
    height, width = light.shape
    rows, columns = (np.minimum(np.arange(side), np.arange(side)[::-1]) for side in (height, width))
    depth = np.minimum(rows[:, None], columns[None])
    outer = _mean(light[depth < OUTER])
    inner = _mean(light[(depth >= OUTER) & (depth < OUTER + INNER)])
    return outer / inner if inner > 0 else float("nan")


def dark_holes(light: Image, truth: Image) -> float:
    """Fraction of the lit pixels, true light above 1 nW/cm2/sr, that hold less than a tenth of it.

    Parameters
    ----------
    light, truth:
        Shape (height, width), nW/cm2/sr, NaN where missing; such pixels do not count.

    Returns
    -------
    float
        From 0 to 1; NaN where no pixel is lit.

    Examples
    --------
    >>> import numpy as np
    >>> dark_holes(np.array([[0.1, 3.0, 0.1]]), np.array([[4.0, 4.0, 0.5]]))
    0.5
    """
    lit = np.isfinite(light) & (truth > LIT_FROM)
    return float(np.mean(light[lit] < HOLE * truth[lit])) if lit.any() else float("nan")


def _logarithm(light: Image) -> NDArray[np.float64]:
    values = np.asarray(light, np.float64)
    return np.where(np.isfinite(values), np.log(np.maximum(np.nan_to_num(values), _FAINT)), np.nan)


def _mean(values: Image) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _row_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of the rows of which something is known."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    means: NDArray[np.float64] = np.where(known, values, 0.0).sum(axis=1)[count > 0] / count[count > 0]
    return means
