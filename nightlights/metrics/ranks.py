"""Rank correlation of more pixels than fit into memory, from a joint histogram."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_EDGES: Final = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 700)])
"""Edges in nW/cm2/sr: 0, then steps of 2.3 %. Radiances between two neighbours count as equal."""
_BINS: Final = len(_EDGES) + 1


@dataclass(frozen=True)
class RankSums:
    """Numbers of pixels by predicted and true radiance.

    Attributes
    ----------
    counts:
        int64, shape (bins, bins): prediction along rows, truth along columns.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((_BINS, _BINS), np.int64))

    def add(self, predicted: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]]) -> "RankSums":
        """These numbers and those of two arrays of one shape, in nW/cm2/sr, without pixels with a NaN."""
        known = np.isfinite(predicted) & np.isfinite(truth)
        row, column = (np.searchsorted(_EDGES, image[known], side="left") for image in (predicted, truth))
        counts = np.bincount(row * _BINS + column, minlength=_BINS**2).reshape(_BINS, _BINS)
        return RankSums(self.counts + counts)

    @property
    def spearman(self) -> float | None:
        """Spearman's rank correlation, ties with their mean rank; None where either does not vary."""
        ranks = []
        for axis in (1, 0):
            numbers = self.counts.sum(axis=axis)
            ranks.append(np.cumsum(numbers) - (numbers - 1) / 2)
        total = int(self.counts.sum())
        if not total:
            return None
        one, two = (rank - (total + 1) / 2 for rank in ranks)
        lengths = float(self.counts.sum(axis=1) @ one**2), float(self.counts.sum(axis=0) @ two**2)
        if min(lengths) == 0:
            return None
        return float(np.clip(one @ self.counts @ two / np.sqrt(lengths[0] * lengths[1]), -1, 1))
