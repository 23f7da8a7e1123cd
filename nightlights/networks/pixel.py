"""A network that looks at every pixel by itself: convolutions of 1 x 1.

VIIRS says how much light a footprint holds, not where in it. A network that sees around itself can put the
light of a footprint anywhere in it and be as right by the footprint loss; one that knows only a pixel's own
bands must give like pixels like light, and the many footprints with other mixtures of pixels decide how much.
That is spectral unmixing with light in place of abundance (Keshava and Mustard 2002,
doi:10.1109/79.974727). What it cannot know, such as how bright a country is, sharpening brings in.
"""

from dataclasses import dataclass
from typing import Any

from nightlights.networks.base import FLOAT_BYTES, Layout, Output
from nightlights.networks.reach import ITSELF, Step

_TENSORS_PER_LAYER = 5


@dataclass(frozen=True, slots=True)
class PixelLayout(Layout):
    """Layers of 1 x 1 convolutions with batch normalisation.

    Attributes
    ----------
    layers:
        Hidden layers.
    base_filters:
        Filters of each.
    momentum:
        Weight of the past in the moving statistics of the normalisation.
    output:
        Function of the last layer.
    """

    layers: int
    base_filters: int
    momentum: float
    output: Output
    depth: int = 0

    def steps(self) -> Step:
        """See :meth:`Layout.steps`."""
        return ITSELF

    def parameters(self, band_count: int) -> int:
        """See :meth:`Layout.parameters`."""
        filters = self.base_filters
        hidden = band_count * filters + (self.layers - 1) * filters**2
        return hidden + self.layers * 2 * filters + filters + 1

    def training_bytes(self, pixels: int) -> int:
        """See :meth:`Layout.training_bytes`."""
        return FLOAT_BYTES * _TENSORS_PER_LAYER * self.layers * self.base_filters * pixels

    def build(self, band_count: int, name: str, seed: int) -> Any:
        """See :meth:`Layout.build`."""
        import keras
        import numpy as np

        from nightlights.networks.initial_weights import draw_kernels

        inputs = keras.Input((None, None, band_count), name="bands")
        tensor = inputs
        for index in range(self.layers):
            label = f"layer{index}"
            tensor = keras.layers.Conv2D(self.base_filters, 1, use_bias=False, name=label)(tensor)
            tensor = keras.layers.BatchNormalization(momentum=self.momentum, name=f"{label}_normalised")(
                tensor
            )
            tensor = keras.layers.Activation("relu", name=f"{label}_rectified")(tensor)
        outputs = keras.layers.Conv2D(1, 1, activation=self.output, name="transformed_radiance")(tensor)
        model = keras.Model(inputs, outputs, name=name.replace("-", "_"))
        draw_kernels(model, np.random.default_rng(seed))
        return model
