"""Boosted trees within a Keras model: thresholds, paths and leaves as convolutions of 1 x 1."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from nightlights.footprint_trees import FootprintTrees, Tree
from nightlights.networks.fixed_maps import fixed_map

TREES_AT_ONCE: Final = 6
"""Whose thresholds and leaves a prediction holds in memory: some 90 numbers a pixel."""


def factor_of(scaled: Any, boosting: FootprintTrees, count: int) -> Any:
    """The factor of light, a tensor of shape (n, height, width, 1); see :class:`FootprintTrees`.

    Parameters
    ----------
    scaled:
        Tensor of scaled bands, shape (n, height, width, ``count``).
    """
    import keras
    from keras import ops

    def mean(tensor: Any, width: int) -> Any:
        # One axis after the other; neither counts what lies beyond the image.
        for size in ((width, 1), (1, width)):
            tensor = keras.layers.AveragePooling2D(size, strides=1, padding="same")(tensor)
        return tensor

    features = keras.layers.Concatenate(name="surroundings")([mean(scaled, each) for each in boosting.widths])
    total = fixed_map(scaled, np.zeros((count, 1)), np.ones(1), "boosting")
    for start in range(0, len(boosting.trees), TREES_AT_ONCE):
        group = boosting.trees[start : start + TREES_AT_ONCE]
        total = total + _sum_of(features, group, count * len(boosting.widths), f"boosting{start}")
    limits = np.exp([-boosting.limit, boosting.limit]).tolist()
    return mean(ops.clip(total, *limits), boosting.smoothing)


def _sum_of(features: Any, trees: Sequence[Tree], count: int, name: str) -> Any:
    """What ``trees`` add to the factor."""
    from keras import ops

    splits = {
        (number, node): place
        for place, (number, node) in enumerate(
            (number, node)
            for number, tree in enumerate(trees)
            for node, feature in enumerate(tree.feature)
            if feature >= 0
        )
    }
    leaves = [(number, value, path) for number, tree in enumerate(trees) for value, path in tree.leaves]
    if not splits:
        return sum(value for _, value, _ in leaves)
    kernel, thresholds = np.zeros((count, len(splits))), np.zeros(len(splits))
    for (number, node), place in splits.items():
        kernel[trees[number].feature[node], place] = 1
        thresholds[place] = trees[number].threshold[node]
    above = ops.cast(fixed_map(features, kernel, -thresholds, f"{name}_splits") > 0, "float32")
    # A leaf counts the conditions on its path that hold, less all but one: 1 where all do, else not above 0.
    paths, most = np.zeros((len(splits), len(leaves))), np.zeros(len(leaves))
    for column, (number, _, path) in enumerate(leaves):
        for node, wanted in path:
            paths[splits[number, node], column] = 1 if wanted else -1
        most[column] = sum(not wanted for _, wanted in path) - len(path) + 1
    reached = ops.relu(fixed_map(above, paths, most, f"{name}_paths"))
    values = np.array([[value] for _, value, _ in leaves])
    return fixed_map(reached, values, np.zeros(1), f"{name}_values")
