"""A table of figures with their targets, and the arithmetic that its rows share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCK, DRAWS = 64, 1000
"""Side in pixels of the blocks of VIIRS that are drawn anew, and how often."""


@dataclass(frozen=True)
class Row:
    """One line of the table; ``reached`` is None where nothing was measured or asked for."""

    figure: str
    target: str
    measured: str
    reached: bool | None
    detail: str = ""

    @classmethod
    def at_most(cls, figure: str, target: float, measured: float, detail: str = "") -> "Row":
        """A figure that is to be no larger than ``target``."""
        return cls(figure, f"at most {target:g}", f"{measured:.3f}", bool(measured <= target), detail)

    @classmethod
    def of_seeds(
        cls, figure: str, target: float, values: Sequence[float], detail: str = "", worst: float | None = None
    ) -> "Row":
        """The median of several seeds, and the worst, which has a target of its own where one is given."""
        middle, last = float(np.median(values)), max(values)
        asked = f"at most {target:g}" + ("" if worst is None else f", worst {worst:g}")
        reached = middle <= target and (worst is None or last <= worst)
        return cls(figure, asked, f"{middle:.3f}, worst {last:.3f}", reached, detail)

    @property
    def cells(self) -> tuple[str, ...]:
        """As printed."""
        word = {True: "yes", False: "NO", None: "–"}[self.reached]
        return self.figure, self.target, self.measured, word, self.detail


def blocks(values: Floats) -> Floats:
    """Sums over blocks of pixels."""
    ends = [np.arange(0, side, BLOCK) for side in values.shape]
    sums: Floats = np.add.reduceat(np.add.reduceat(values, ends[0], axis=0), ends[1], axis=1)
    return sums.ravel()


def paired(ours: Floats, theirs: Floats) -> tuple[float, float, float]:
    """Ratio of two RMSE and its 95 % interval, the same blocks drawn for both."""
    picked = np.random.default_rng(1).integers(0, len(ours), (DRAWS, len(ours)))
    ratios = np.sqrt(ours[picked].sum(axis=1) / theirs[picked].sum(axis=1))
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(np.sqrt(ours.sum() / theirs.sum())), float(low), float(high)


def rmse(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Over what is known."""
    return float(np.sqrt(np.nanmean((np.asarray(first, np.float64) - second) ** 2)))


def coverage_row(what: str, shares: Iterable[tuple[str, float]]) -> Row:
    """The shares of VIIRS pixels within 90 % intervals, of several places."""
    named = sorted(shares, key=lambda each: each[1])
    mean, (place, least) = float(np.mean([share for _, share in named])), named[0]
    return Row(
        f"90 % intervals, {what}: VIIRS pixels within them",
        "87 to 93 %, none below 70 %",
        f"{100 * mean:.1f} %, least {100 * least:.1f} %",
        0.87 <= mean <= 0.93 and least >= 0.7,
        f"{len(named)} places; least in {place}",
    )
