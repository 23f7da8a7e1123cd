"""Boosted trees as records: a factor of light that follows what lies around a pixel."""

from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from nightlights.footprint_terms import box_mean
from nightlights.records import Record

WIDTHS: Final = (33, 97)
"""Sides in analysis pixels, 1 and 2.8 km, of the squares whose mean bands the trees read.

What a footprint holds and what a square of its size holds lie in the same range. Single pixels lie far beyond
it, where trees that are fitted to footprints know nothing.
"""
SMOOTHING: Final = 33
"""Side in analysis pixels of the square over which the factor is averaged: trees go in steps."""


class Tree(Record):
    """A decision tree: from node ``i`` to ``left[i]`` where the feature is at most the threshold.

    Leaves have -1 for ``feature``, ``left`` and ``right``; ``value`` is the part of the factor that they add.
    """

    model_config = ConfigDict(frozen=True)

    feature: tuple[int, ...] = Field(min_length=1, max_length=1023)
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    @model_validator(mode="after")
    def _is_a_tree(self) -> Self:
        count = len(self.feature)
        if {len(self.threshold), len(self.left), len(self.right), len(self.value)} != {count}:
            raise ValueError("a tree has a threshold, two branches and a value for every node")
        for node, (feature, left, right) in enumerate(zip(self.feature, self.left, self.right, strict=True)):
            branches = {-1} if feature == -1 else {left, right}
            if feature < -1 or (feature == -1) != ({left, right} == {-1}):
                raise ValueError("a leaf has neither feature nor branches, any other node has both")
            # Branches come after their node, so that no path is endless.
            if feature >= 0 and not all(node < branch < count for branch in branches):
                raise ValueError("a branch leads to a later node")
        return self

    @property
    def leaves(self) -> list[tuple[float, list[tuple[int, bool]]]]:
        """Value of every leaf, and the path to it: nodes, and whether their feature exceeds the threshold."""
        paths: dict[int, list[tuple[int, bool]]] = {0: []}
        found = []
        for node, feature in enumerate(self.feature):
            if node not in paths:
                continue
            path = paths[node]
            if feature == -1:
                found.append((self.value[node], path))
            else:
                paths[self.left[node]] = [*path, (node, False)]
                paths[self.right[node]] = [*path, (node, True)]
        return found


class FootprintTrees(Record):
    """What a footprint regression is multiplied by: 1 and the sum of trees, within limits.

    Attributes
    ----------
    widths:
        Sides in analysis pixels, odd, of the squares whose mean scaled bands are the features: all bands of
        the first, then of the next.
    trees:
        Those that were kept.
    limit:
        Largest natural logarithm of the factor, either way.
    smoothing:
        Side in analysis pixels, odd, of the square over which the factor is averaged.
    errors:
        RMSE in nW/cm2/sr at the VIIRS grid in parts left out, without trees and with those that were kept.
    """

    widths: tuple[int, ...] = Field(min_length=1, max_length=8)
    trees: tuple[Tree, ...] = Field(max_length=1000)
    limit: float = Field(gt=0, le=5)
    smoothing: int = Field(ge=1, le=1001)
    errors: tuple[float, float]

    @model_validator(mode="after")
    def _widths_are_odd(self) -> Self:
        if any(width % 2 == 0 or not 1 <= width <= 1001 for width in (*self.widths, self.smoothing)):
            raise ValueError("squares are an odd number of pixels wide, from 1 to 1001")
        return self

    @property
    def reach(self) -> int:
        """Analysis pixels around a pixel that its factor depends on."""
        return max(self.widths) // 2 + self.smoothing // 2

    @property
    def size(self) -> int:
        """Leaves of all trees."""
        return sum(tree.feature.count(-1) for tree in self.trees)

    def factor(self, scaled: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Of light, shape (height, width), of scaled bands, shape (height, width, bands)."""
        features = square_means(scaled, self.widths)
        total = np.ones(scaled.shape[:2])
        for tree in self.trees:
            for value, path in tree.leaves:
                inside = np.ones(total.shape, bool)
                for node, above in path:
                    inside &= (features[..., tree.feature[node]] > tree.threshold[node]) == above
                total += value * inside
        return box_mean(limited(total, self.limit), self.smoothing)


def limited(factor: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """``factor`` within exp(-limit) and exp(limit)."""
    result: NDArray[np.float64] = np.clip(factor, np.exp(-limit), np.exp(limit))
    return result


def square_means(scaled: NDArray[np.floating[Any]], widths: tuple[int, ...]) -> NDArray[np.float64]:
    """Means of bands over squares, shape (height, width, bands x widths), of shape (height, width, bands)."""
    bands = np.moveaxis(np.asarray(scaled, np.float64), -1, 0)
    return np.stack([box_mean(band, width) for width in widths for band in bands], axis=-1)
