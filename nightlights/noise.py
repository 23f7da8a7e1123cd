"""How far a VIIRS composite scatters about the light that it measures.

The scatter is mostly not that of the instrument: lamps differ from night to night, clouds and the angle of
view change what gets through. Twelve monthly composites of Burundi (2016), each month's own offset removed,
scatter by 0.02 nW/cm2/sr where it is dark and by 30 to 40 % where it is lit (median absolute deviation); 131
months of Mumbai by 9 to 13 %. The simulated planet has 2 %.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nightlights.records import Record

_SMOOTHING: Final = 0.8
"""Standard deviation in VIIRS pixels over which the light is averaged that the scatter is a share of.

A pixel that noise has made dimmer would else count as better known. Footprints are wider than this.
"""
_MEDIAN: Final = math.sqrt(math.pi / 2)
"""Standard deviation of the median of many normal values over that of their mean."""


_FEWEST_IMAGES: Final = 3
_FEWEST_PIXELS: Final = 30
_PRIOR_IMAGES: Final = 6.0
_LEAST_FLOOR: Final = 0.005
_LEAST_SHARE: Final = 0.01
_DARK: Final = 0.2
"""nW/cm2/sr below which all counts as dark, and the least noise that is believed."""
_LIT: Final = 1.0
"""nW/cm2/sr: where half of the dimmer half is brighter, all is lit."""
_LIT_OVER_FLOOR: Final = 5.0


class Noise(Record):
    """Standard deviation of a measured pixel: root of ``floor`` squared plus (``share`` times light) squared.

    Attributes
    ----------
    share:
        Of the light, from 0 to 1.
    floor:
        In nW/cm2/sr, above 0: what is left in the dark.

    Examples
    --------
    >>> import numpy as np
    >>> Noise(share=0.1, floor=0.3).sigma(np.full((2, 2), 4.0)).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """

    share: float = Field(ge=0, le=1)
    floor: float = Field(gt=0, description="nW/cm2/sr")

    def sigma(self, measured: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The standard deviation of every pixel.

        Parameters
        ----------
        measured:
            VIIRS radiance in nW/cm2/sr, shape (height, width), NaN where missing.

        Returns
        -------
        numpy.ndarray
            float64, same shape, nW/cm2/sr, without gaps.
        """
        # scipy takes a quarter of a second, and every record imports this module.
        from scipy.ndimage import gaussian_filter

        known = np.isfinite(measured)
        light = np.where(known, np.maximum(measured, 0), 0.0).astype(np.float64)
        weight = gaussian_filter(known.astype(np.float64), _SMOOTHING, mode="constant")
        near = gaussian_filter(light, _SMOOTHING, mode="constant") / np.maximum(weight, 1e-9)
        return np.hypot(self.floor, self.share * np.where(weight > 1e-9, near, 0.0))

    def of_median(self, count: int) -> "Noise":
        """That of the median of ``count`` images whose noise is this one."""
        if count < 2:
            return self
        # Of two, the median is the mean; the factor of the median is that of many.
        less = (_MEDIAN if count > 2 else 1.0) / math.sqrt(count)
        return Noise(share=self.share * less, floor=self.floor * less)


def measured_noise(
    radiance: NDArray[np.floating[Any]],
    scatter: NDArray[np.floating[Any]],
    images: NDArray[np.floating[Any]],
) -> Noise | None:
    """How far a median of repeated images scatters, by how far the images do; None where too little is known.

    Parameters
    ----------
    radiance, scatter:
        The median, and the robust standard deviation of a single image, in nW/cm2/sr, shape (height, width),
        NaN where missing.
    images:
        How many there are, same shape.
    """
    known = np.isfinite(radiance) & np.isfinite(scatter) & (images >= _FEWEST_IMAGES)
    if known.sum() < _FEWEST_PIXELS:
        return None
    error = scatter[known] * _error_of(images[known])
    light = np.maximum(radiance[known], 0)
    dark = light <= max(float(np.median(light)), _DARK)
    floor = max(float(np.median(error[dark])), _LEAST_FLOOR)
    if float(np.median(light[dark])) > _LIT:
        # There is no dark ground: what scatters is a share of the light, of which a floor would be counted.
        floor = MONTH.floor * float(_error_of(np.median(images[known])))
    lit = light > _LIT_OVER_FLOOR * floor
    if lit.sum() < _FEWEST_PIXELS:
        return Noise(share=MONTH.share * float(_error_of(np.median(images[known]))), floor=floor)
    share = float(np.median(np.sqrt(np.maximum(error[lit] ** 2 - floor**2, 0)) / light[lit]))
    return Noise(share=min(max(share, _LEAST_SHARE), 1.0), floor=floor)


def measured_sigma(
    noise: Noise,
    radiance: NDArray[np.floating[Any]],
    scatter: NDArray[np.floating[Any]],
    images: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """The standard deviation of every pixel of a median: its own, drawn to that of all by so many images.

    Parameters as in :func:`measured_noise`, whose result ``noise`` is. The variance of a pixel is a weighted
    mean: its own counts with the images less one, what its light lets one expect with 6.

    Returns
    -------
    numpy.ndarray
        float64, shape (height, width), nW/cm2/sr, without gaps.
    """
    usual = noise.sigma(radiance)
    known = np.isfinite(scatter) & (images >= _FEWEST_IMAGES)
    counts = np.where(known, images, 1.0)
    own = np.where(known, scatter, 0.0) * _error_of(counts)
    weight = np.where(known, counts - 1, 0.0)
    variance = (weight * own**2 + _PRIOR_IMAGES * usual**2) / (weight + _PRIOR_IMAGES)
    sigma: NDArray[np.float64] = np.sqrt(variance)
    return sigma


def _error_of(images: Any) -> Any:
    """Standard error of a median over the standard deviation of an image."""
    return np.where(images > 2, _MEDIAN, 1.0) / np.sqrt(np.maximum(images, 1))


MONTH: Final = Noise(share=0.3, floor=0.05)
"""Of a single monthly composite, unless it is known better."""
YEAR: Final = MONTH.of_median(12)
"""Of an annual composite, unless it is known better."""
SIMULATED: Final = Noise(share=0.02, floor=0.09)
"""Of the simulated planet."""
