"""Scores against a fine truth: the simulated planet's at the analysis grid, one's own at a common scale.

Structural similarity follows Wang et al. (2004, doi:10.1109/TIP.2003.819861): a Gaussian window of 11 x 11
pixels and 1.5 pixels standard deviation, K1 = 0.01, K2 = 0.03. It is taken of the logarithm of 1 + radiance,
because light spans decades and the eye follows its logarithm; the range of values is that of 0 to 500
nW/cm2/sr everywhere, so that a dark region is not judged on another scale than a bright one.
"""

import math
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightlights.errors import DatasetError
from nightlights.manifests import FineScore
from nightlights.metrics.classes import DIM_FROM
from nightlights.metrics.sums import log_radiance

LIT_FROM: Final = DIM_FROM
"""From this radiance on, in nW/cm2/sr, an analysis pixel counts as lit."""

BRIGHTEST: Final = 500.0
"""Upper end of the range of structural similarity, in nW/cm2/sr."""

SIMILARITY_RADIUS: Final = 5
"""Pixels around each that its structural similarity depends on."""
_SIGMA: Final = 1.5
_K1, _K2 = 0.01, 0.03


@dataclass(frozen=True, slots=True)
class FineSums:
    """Sums over analysis pixels where both prediction and truth are known.

    Attributes
    ----------
    pixels, error, absolute_error, squared_error:
        As in :class:`~nightlights.metrics.sums.ScoreSums`.
    similarity_pixels, similarity:
        Pixels around which all of the window of structural similarity is known, and its sum over them.
    lit_truth, lit_predicted, lit_both:
        Numbers of pixels that are lit.
    """

    pixels: int = 0
    error: float = 0.0
    absolute_error: float = 0.0
    squared_error: float = 0.0
    similarity_pixels: int = 0
    similarity: float = 0.0
    lit_truth: int = 0
    lit_predicted: int = 0
    lit_both: int = 0

    def add(
        self, predicted: ArrayLike, truth: ArrayLike, inner: tuple[slice, slice] | None = None
    ) -> "FineSums":
        """These sums and those of two arrays of one shape, in nW/cm2/sr, NaN where missing.

        Parameters
        ----------
        inner:
            The part that counts; pixels around it only complete the windows of structural similarity. To
            add a region in tiles, give each with 5 pixels around it as far as the region reaches.

        Raises
        ------
        ValueError
            When the shapes differ.
        """
        first, second = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
        if first.shape != second.shape:
            raise ValueError(f"prediction has shape {first.shape}, truth {second.shape}")
        part = inner or (slice(None), slice(None))
        similar = structural_similarity(first, second)[part]
        first, second = first[part], second[part]
        both = np.isfinite(first) & np.isfinite(second)
        first, second, whole = first[both], second[both], np.isfinite(similar)
        error, lit, lit_truth = first - second, first >= LIT_FROM, second >= LIT_FROM
        piece = FineSums(
            pixels=int(first.size),
            error=float(error.sum()),
            absolute_error=float(np.abs(error).sum()),
            squared_error=float((error**2).sum()),
            similarity_pixels=int(whole.sum()),
            similarity=float(similar[whole].sum()),
            lit_truth=int(lit_truth.sum()),
            lit_predicted=int(lit.sum()),
            lit_both=int((lit & lit_truth).sum()),
        )
        return self.merge(piece)

    def merge(self, other: "FineSums") -> "FineSums":
        """The sums over the pixels of both."""
        return FineSums(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def score(self, scale_m: float | None = None) -> FineScore:
        """The scores; ``scale_m`` is the side in metres of what was added, None for analysis pixels.

        Raises
        ------
        DatasetError
            When there is no pixel to score.
        """
        if self.pixels == 0:
            raise DatasetError(
                "There is no analysis pixel where both prediction and truth are known.",
                "Choose a region with less missing imagery.",
            )
        lit = self.lit_truth + self.lit_predicted
        return FineScore(
            rmse=math.sqrt(self.squared_error / self.pixels),
            mae=self.absolute_error / self.pixels,
            bias=self.error / self.pixels,
            ssim=self.similarity / self.similarity_pixels if self.similarity_pixels else None,
            lit_f1=2 * self.lit_both / lit if lit else None,
            lit_precision=self.lit_both / self.lit_predicted if self.lit_predicted else None,
            lit_recall=self.lit_both / self.lit_truth if self.lit_truth else None,
            lit_from=LIT_FROM,
            pixels=self.pixels,
            scale_m=scale_m,
        )


def structural_similarity(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Structural similarity around each pixel of two radiances in nW/cm2/sr, from -1 to 1, same shape.

    NaN within 5 pixels of the edge or of a missing pixel.
    """
    one, two = log_radiance(first), log_radiance(second)
    mean_one, mean_two = _windowed(one), _windowed(two)
    # Rounding can leave a variance a little below 0.
    variance_one = np.maximum(_windowed(one * one) - mean_one**2, 0)
    variance_two = np.maximum(_windowed(two * two) - mean_two**2, 0)
    covariance = _windowed(one * two) - mean_one * mean_two
    reach = math.log1p(BRIGHTEST)
    steady, contrast = (_K1 * reach) ** 2, (_K2 * reach) ** 2
    similarity: NDArray[np.float64] = (
        (2 * mean_one * mean_two + steady)
        * (2 * covariance + contrast)
        / ((mean_one**2 + mean_two**2 + steady) * (variance_one + variance_two + contrast))
    )
    return similarity


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import correlate1d

    weights = np.exp(-0.5 * (np.arange(-SIMILARITY_RADIUS, SIMILARITY_RADIUS + 1) / _SIGMA) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        values = correlate1d(values, weights, axis=axis, mode="constant", cval=np.nan)
    return values
