"""The dark level of VIIRS: the faint light of open ground and water, which no texture explains.

Sharpening multiplies, so water beside a bright shore, which shares its footprints, was made as black as the
shore was predicted too bright, and noise drew blobs on it. What lies below the darkest of the surroundings is
therefore taken off before sharpening and put back after it, as photometry does with the sky (Bertin and
Arnouts 1996, doi:10.1051/aas:1996164).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, percentile_filter

_SIDE: Final = 9
"""VIIRS pixels: side of the surroundings."""
_PERCENTILE: Final = 5
"""Of them, which counts as dark."""
_BEFORE, _AFTER = 1.0, 2.0
"""VIIRS pixels by which noise is smoothed before, and the level after."""
_KEPT: Final = 0.9
_LARGEST: Final = 4.5
"""In units of the noise of dark ground: a brighter level is the light of a town, which has a texture."""


def background_level(measured: NDArray[np.floating[Any]], floor: float) -> NDArray[np.float64]:
    """What no texture is needed for, in nW/cm2/sr, shape of ``measured``: smooth, without gaps, not below 0.

    Parameters
    ----------
    measured:
        VIIRS radiance in nW/cm2/sr, shape (height, width), NaN where missing.
    floor:
        Standard deviation of its noise where it is dark, same unit.

    Examples
    --------
    >>> level = background_level(np.full((20, 20), 0.2), 0.1)
    >>> bool(np.allclose(level, 0.18))
    True
    """
    known = np.isfinite(measured)
    if not known.any():
        return np.zeros(measured.shape)
    filled = np.asarray(measured, np.float64)
    if not known.all():
        index = distance_transform_edt(~known, return_distances=False, return_indices=True)
        filled = filled[tuple(index)]
    smooth = gaussian_filter(filled, _BEFORE)
    dark = gaussian_filter(percentile_filter(smooth, _PERCENTILE, size=_SIDE), _AFTER)
    level: NDArray[np.float64] = np.clip(_KEPT * np.minimum(dark, smooth), 0, _LARGEST * floor)
    return level
