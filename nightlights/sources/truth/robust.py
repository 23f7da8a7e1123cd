"""Robust least squares against VIIRS, whose noise has a floor and a part that grows with the light."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NOISE_FLOOR: Final = 0.2
NOISE_RATIO: Final = 0.1
"""Scatter of VIIRS in nW/cm2/sr and as a fraction of the light, by which its pixels are weighted."""
_HUBER: Final = 1.345
"""Residuals beyond so many standard deviations count linearly (Huber 1964, doi:10.1214/aoms/1177703732)."""
_ROUNDS: Final = 30


def robust_fit(
    design: Floats, radiance: Floats, groups: NDArray[np.intp] | None = None
) -> tuple[Floats, Floats]:
    """Coefficients of ``radiance = design @ coefficients`` by iterated weights, and their covariance.

    Parameters
    ----------
    design:
        Shape (pixels, coefficients), of about unit scale.
    radiance:
        VIIRS in nW/cm2/sr, shape (pixels,).
    groups:
        To which group each pixel belongs, shape (pixels,), from 0 on. Errors within a group may then go
        together (Liang and Zeger 1986, doi:10.1093/biomet/73.1.13); without, pixels err independently.
    """
    weights = 1 / (NOISE_FLOOR + NOISE_RATIO * np.abs(radiance))
    found: Floats = np.zeros(design.shape[1])
    spread = 1.0
    for _ in range(_ROUNDS):
        before = found
        found = np.asarray(
            np.linalg.lstsq(design * weights[:, None], radiance * weights, rcond=None)[0], np.float64
        )
        fitted = design @ found
        # The scatter follows the fitted light: a pixel that happens to be measured dark must not count more.
        sigma = NOISE_FLOOR + NOISE_RATIO * np.maximum(fitted, 0.0)
        residual = np.abs(radiance - fitted) / sigma
        spread = max(1.4826 * float(np.median(residual)), 1e-6)
        weights = np.sqrt(np.minimum(1.0, _HUBER * spread / np.maximum(residual, 1e-9))) / sigma
        if np.allclose(found, before, rtol=1e-9, atol=1e-12):
            break
    inverse = np.linalg.pinv((design * weights[:, None]).T @ (design * weights[:, None]))
    if groups is None:
        return found, np.asarray(spread**2 * inverse, np.float64)
    scores = design * (weights**2 * (radiance - design @ found))[:, None]
    sums = np.zeros((int(groups.max()) + 1, design.shape[1]))
    np.add.at(sums, groups, scores)
    return found, np.asarray(inverse @ (sums.T @ sums) @ inverse, np.float64)
