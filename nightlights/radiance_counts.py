"""The distribution of VIIRS radiance in a region, counted tile by tile."""

import numpy as np
from numpy.typing import NDArray

from nightlights.manifests import RadianceSummary

LIT_RADIANCE = 0.5
"""Radiance in nW/cm2/sr above which a pixel counts as lit."""

_NEGATIVE_EDGES = (-1.0, -0.5, -0.2, -0.1, -0.05, -0.02, -0.01, 0.0, 0.01, 0.02)
RADIANCE_EDGES: tuple[float, ...] = (
    *_NEGATIVE_EDGES,
    *(round(0.05 * 10 ** (step / 10), 6) for step in range(51)),
)
"""Edges of every radiance histogram in nW/cm2/sr: ten a decade from 0.05 to 5000, finer around zero.

They are the same for every region, so histograms add up. The first and the last count also hold whatever
lies beyond them.
"""


class RadianceCounts:
    """Counts the known VIIRS pixels of a region.

    Attributes
    ----------
    known:
        How many so far.
    """

    def __init__(self) -> None:
        self.known = 0
        self._counts = np.zeros(len(RADIANCE_EDGES) - 1, np.int64)
        self._lit = 0
        self._sum = 0.0
        self._maximum = -np.inf

    def add(self, known: NDArray[np.float64]) -> None:
        """Count these radiances in nW/cm2/sr, none of them missing."""
        if known.size:
            limited = np.clip(known, RADIANCE_EDGES[0], RADIANCE_EDGES[-1])
            self._counts += np.histogram(limited, RADIANCE_EDGES)[0]
            self.known += known.size
            self._lit += int((known > LIT_RADIANCE).sum())
            self._sum += float(known.sum())
            self._maximum = max(self._maximum, float(known.max()))

    def summary(self) -> RadianceSummary:
        """The record of what was counted; one pixel at least."""
        return RadianceSummary(
            mean=self._sum / self.known,
            maximum=self._maximum,
            lit_share=self._lit / self.known,
            edges=list(RADIANCE_EDGES),
            counts=self._counts.tolist(),
        )
