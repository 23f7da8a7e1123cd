"""The footprint regression in the place of a network: nothing of it is trained step by step."""

from dataclasses import dataclass
from typing import Any

from nightlights.networks.base import Layout
from nightlights.networks.reach import ITSELF, Step


@dataclass(frozen=True, slots=True)
class RegressionLayout(Layout):
    """Terms of each pixel's bands with weights from a fit; see :mod:`nightlights.regressions`.

    Attributes
    ----------
    base_filters:
        Terms that a prediction holds in memory at once, at most about.
    boosted:
        Whether trees multiply it; see :mod:`nightlights.regressions.boosting`.
    """

    base_filters: int = 64
    depth: int = 0
    boosted: bool = False

    def steps(self) -> Step:
        """See :meth:`Layout.steps`."""
        return ITSELF

    def parameters(self, band_count: int) -> int:
        """None is trained: the fit gives them all, and how many depends on the data."""
        return 0

    def training_bytes(self, pixels: int) -> int:
        """Of scoring alone."""
        return 4 * self.base_filters * pixels

    def build(self, band_count: int, name: str, seed: int) -> Any:
        """A model that predicts no light; :func:`nightlights.networks.guided.assemble` makes a fitted one."""
        import keras

        inputs = keras.Input((None, None, band_count), name="bands")
        dark = keras.layers.Conv2D(
            1, 1, kernel_initializer="zeros", trainable=False, name="transformed_radiance"
        )
        return keras.Model(inputs, dark(inputs), name=name.replace("-", "_"))
