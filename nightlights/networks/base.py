"""What an architecture has to say about itself; a new one is one class in a file of its own.

Plain arithmetic, so that listing networks needs no deep learning library: only ``build`` imports one.
"""

from abc import ABC, abstractmethod
from typing import Any, Literal

from nightlights.networks.reach import Step, margin_of, reach_of, stride_of

Output = Literal["sigmoid", "softplus", "linear"]
"""Function of the last layer."""

FLOAT_BYTES = 4


class Layout(ABC):
    """An architecture and its sizes.

    Attributes
    ----------
    depth:
        Number of halvings between the input and the coarsest level.
    base_filters:
        Filters at full resolution, on which the memory of a prediction depends.
    """

    __slots__ = ()

    depth: int
    base_filters: int

    @abstractmethod
    def steps(self) -> Step:
        """What the layers do to places, from which the stride, the reach and the margin follow."""

    @abstractmethod
    def parameters(self, band_count: int) -> int:
        """Trainable weights of the network for ``band_count`` bands."""

    @abstractmethod
    def training_bytes(self, pixels: int) -> int:
        """About the bytes that the activations of a training step on ``pixels`` input pixels take."""

    @abstractmethod
    def build(self, band_count: int, name: str, seed: int) -> Any:
        """The Keras model called ``name``, its first weights drawn from ``seed``.

        Returns
        -------
        keras.Model
            From scaled bands, shape (n, height, width, ``band_count``), to transformed radiance, shape
            (n, height, width, 1); height and width are multiples of :attr:`stride`. Of Keras's own layers
            alone, so that it can be loaded in safe mode.
        """

    @property
    def stride(self) -> int:
        """Sides of images and origins of tiles are multiples of this, in pixels."""
        return stride_of(self.steps())

    def receptive_reach(self) -> int:
        """Pixels from an output pixel's cell of :attr:`stride` pixels to the farthest that it depends on."""
        return reach_of(self.steps())

    @property
    def margin(self) -> int:
        """Pixels that a tile needs on each side of what is kept to equal the pass over the whole image."""
        return margin_of(self.steps())
