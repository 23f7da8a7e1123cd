"""How many measurements the intervals hold, and how wide they are, from sums over VIIRS pixels."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightlights.metrics.classes import CLASSES, class_of
from nightlights.records import Record, Share


class Coverage(Record):
    """Coverage of a class of radiance, or of all.

    Attributes
    ----------
    name:
        Of the class; "all".
    pixels:
        VIIRS pixels whose interval and measurement are known.
    share:
        Of these that their interval holds.
    mean_width:
        Mean upper minus lower bound, in nW/cm2/sr.
    """

    name: str
    pixels: int
    share: Share
    mean_width: float


@dataclass(frozen=True, slots=True)
class CoverageSums:
    """Sums over VIIRS pixels, of each class and of the unmeasured class of all.

    Attributes
    ----------
    pixels, held:
        Numbers of pixels, and of those whose interval holds the measurement: shape (classes,).
    width:
        Sums of upper minus lower bound, in nW/cm2/sr, shape (classes,).
    """

    pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(CLASSES), np.int64))
    held: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(CLASSES), np.int64))
    width: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(CLASSES)))

    def add(self, lower: ArrayLike, upper: ArrayLike, measured: ArrayLike) -> "CoverageSums":
        """These sums and those of three arrays of one shape, in nW/cm2/sr; pixels with a NaN do not count.

        Raises
        ------
        ValueError
            When the shapes differ.
        """
        arrays = [np.asarray(values, np.float64) for values in (lower, upper, measured)]
        if len({array.shape for array in arrays}) != 1:
            raise ValueError(f"the shapes differ: {', '.join(str(array.shape) for array in arrays)}")
        known = np.isfinite(arrays).all(axis=0)
        low, high, found = (array[known] for array in arrays)
        classes = class_of(found)

        def sums(weights: NDArray[Any]) -> NDArray[np.float64]:
            return np.bincount(classes, weights, minlength=len(CLASSES)).astype(np.float64)

        return self.merge(
            CoverageSums(
                np.bincount(classes, minlength=len(CLASSES)).astype(np.int64),
                sums((low <= found) & (found <= high)).astype(np.int64),
                sums(high - low),
            )
        )

    def merge(self, other: "CoverageSums") -> "CoverageSums":
        """The sums over the pixels of both."""
        return CoverageSums(self.pixels + other.pixels, self.held + other.held, self.width + other.width)

    def table(self) -> list[Coverage]:
        """All pixels, then every class of measured radiance that has one; empty without pixels."""
        rows = [("all", self.pixels.sum(), self.held.sum(), self.width.sum())]
        rows += zip([each.name for each in CLASSES], self.pixels, self.held, self.width, strict=True)
        return [
            Coverage(name=name, pixels=int(pixels), share=held / pixels, mean_width=width / pixels)
            for name, pixels, held, width in rows
            if pixels
        ]


def coverage(pieces: Iterable[tuple[ArrayLike, ArrayLike, ArrayLike]]) -> list[Coverage]:
    """Coverage over all pieces together, of all pixels and by class of measured radiance.

    Parameters
    ----------
    pieces:
        (lower, upper, measured) of tiles or regions, in nW/cm2/sr, NaN where missing. Nothing depends on how
        the pixels are cut into pieces.
    """
    total = CoverageSums()
    for lower, upper, measured in pieces:
        total = total.add(lower, upper, measured)
    return total.table()
