"""The VIIRS pixels themselves, for the scores that sums cannot give: ranks, and blocks drawn anew.

VIIRS pixels are few, 14,400 in a square of half a degree, so keeping them costs little.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightlights.grid import Window
from nightlights.manifests import Role, Score
from nightlights.metrics.bootstrap import BOOTSTRAP, Bootstrap, intervals
from nightlights.metrics.sums import ScoreSums

_KNOWN_TOGETHER = np.dtype(
    [("group", np.int32), ("row", np.int32), ("column", np.int32), ("predicted", "f8"), ("measured", "f8")]
)


@dataclass(frozen=True)
class PixelPairs:
    """Prediction and measurement of VIIRS pixels, each with its place.

    The pixels are ordered by group, row and column, so that no score depends on the order or the size of
    the pieces in which they came.

    Attributes
    ----------
    table:
        Structured array: ``group`` (of regions that were merged), ``row`` and ``column`` in the VIIRS grid,
        ``predicted`` and ``measured`` in nW/cm2/sr.
    """

    table: NDArray[np.void] = field(default_factory=lambda: np.empty(0, _KNOWN_TOGETHER))

    @classmethod
    def of(cls, window: Window, predicted: ArrayLike, measured: ArrayLike) -> "PixelPairs":
        """The pixels of ``window`` where both are known.

        Parameters
        ----------
        predicted, measured:
            In nW/cm2/sr, shape (height, width), NaN where missing.

        Raises
        ------
        ValueError
            When a shape is not the window's.
        """
        first, second = np.asarray(predicted, np.float64), np.asarray(measured, np.float64)
        if first.shape != window.shape or second.shape != window.shape:
            raise ValueError(f"shapes {first.shape} and {second.shape} in a window of shape {window.shape}")
        rows, columns = np.nonzero(np.isfinite(first) & np.isfinite(second))
        table = np.zeros(rows.size, _KNOWN_TOGETHER)
        table["row"], table["column"] = rows + window.row, columns + window.column
        table["predicted"], table["measured"] = first[rows, columns], second[rows, columns]
        return cls(table)

    @classmethod
    def joined(cls, pieces: "list[PixelPairs]") -> "PixelPairs":
        """The pixels of pieces of one region."""
        table = np.concatenate([np.empty(0, _KNOWN_TOGETHER), *(piece.table for piece in pieces)])
        return cls(np.sort(table, order=["group", "row", "column"]))

    @classmethod
    def pooled(cls, regions: "list[PixelPairs]") -> "PixelPairs":
        """The pixels of several regions, each a group of its own; regions may overlap."""
        tables = [region.table.copy() for region in regions]
        for group, table in enumerate(tables):
            table["group"] = group
        return cls(np.concatenate([np.empty(0, _KNOWN_TOGETHER), *tables]))

    def __len__(self) -> int:
        return len(self.table)

    def images(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Prediction and measurement of one region as images, shape (height, width), NaN where not known."""
        predicted, measured = np.full((2, *window.shape), np.nan)
        place = self.table["row"] - window.row, self.table["column"] - window.column
        predicted[place], measured[place] = self.table["predicted"], self.table["measured"]
        return predicted, measured

    @property
    def sums(self) -> ScoreSums:
        """Sums over all pixels."""
        return ScoreSums().add(self.table["predicted"], self.table["measured"])

    @property
    def spearman(self) -> float | None:
        """Correlation of the ranks of prediction and measurement, ties with their mean rank.

        1 where the prediction puts the pixels in the right order, whatever its scale (Spearman 1904,
        doi:10.2307/1412159). None where either does not vary.
        """
        return spearman(self.table["predicted"], self.table["measured"])

    @property
    def rmse_level_known(self) -> float | None:
        """RMSE in nW/cm2/sr once one factor for each group has given the prediction the mean of VIIRS.

        How bright a country is cannot be seen by day: light per person differs by a factor of 57 between four
        African countries. Where its mean is known, one number mends that. None where a group has no
        predicted light.
        """
        groups = np.unique(self.table["group"])
        errors = []
        for group in groups:
            pixels = self.table[self.table["group"] == group]
            total, wanted = float(pixels["predicted"].sum()), float(pixels["measured"].sum())
            if total <= 0:
                return None
            errors.append(pixels["predicted"] * (max(wanted, 0.0) / total) - pixels["measured"])
        return float(np.sqrt(np.mean(np.concatenate(errors) ** 2))) if errors else None

    def score(
        self, method: str, region: str, role: Role | None = None, bootstrap: Bootstrap = BOOTSTRAP
    ) -> Score:
        """The score of ``method`` in ``region``, with rank correlation and confidence intervals.

        Raises
        ------
        DatasetError
            When there is no pixel to score.
        """
        plain = self.sums.score(method, region, role)
        return plain.model_copy(
            update={
                "spearman": self.spearman,
                "rmse_level_known": self.rmse_level_known,
                "intervals": intervals(self.table, bootstrap),
            }
        )


def spearman(first: ArrayLike, second: ArrayLike) -> float | None:
    """Rank correlation of two arrays of one length; None where one of them does not vary."""
    from scipy.stats import rankdata

    ranks = [rankdata(np.asarray(values, np.float64)) for values in (first, second)]
    apart = [each - each.mean() if each.size else each for each in ranks]
    lengths = [float(each @ each) for each in apart]
    if min(lengths) == 0:
        return None
    return float(np.clip(apart[0] @ apart[1] / np.sqrt(lengths[0] * lengths[1]), -1, 1))
