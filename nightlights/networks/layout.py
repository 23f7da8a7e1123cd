"""What a U-Net is made of, and what follows from it: its size, its receptive field, its memory."""

from dataclasses import dataclass
from typing import Any

from nightlights.networks.base import FLOAT_BYTES, Layout, Output
from nightlights.networks.reach import ITSELF, Chain, Convolution, Enlargement, Parallel, Step
from nightlights.training_settings import Decoder

_KERNEL = 3
_CONVOLUTIONS_PER_BLOCK = 2
_TENSORS_PER_LEVEL = 16
"""Activations of about the level's full size that training keeps for the backward pass."""


@dataclass(frozen=True, slots=True)
class UNetLayout(Layout):
    """A U-Net (Ronneberger et al. 2015, doi:10.1007/978-3-319-24574-4_28) with batch normalisation.

    Attributes
    ----------
    depth:
        Number of halvings between the input and the coarsest level.
    base_filters:
        Filters at full resolution; they double with every halving.
    convolution_bias:
        Whether convolutions that a normalisation follows carry a bias, which the normalisation cancels.
    normalised_concatenation:
        Whether the concatenated tensor is normalised and rectified before the decoder's convolutions.
    momentum:
        Weight of the past in the moving statistics of the normalisation.
    output:
        Function of the last layer.
    decoder:
        How it enlarges: by transposed convolutions of 2 x 2, whose four weights paint a checkerboard that the
        convolutions after them have to undo, or each pixel doubled before a convolution of 3 x 3 (Odena et
        al. 2016, doi:10.23915/distill.00003), which treats all four pixels alike.
    """

    depth: int
    base_filters: int
    convolution_bias: bool
    normalised_concatenation: bool
    momentum: float
    output: Output
    decoder: Decoder = "transposed"

    @property
    def filters(self) -> tuple[int, ...]:
        """Filters of every level, finest first, the coarsest (centre) last."""
        return tuple(self.base_filters * 2**level for level in range(self.depth + 1))

    def steps(self) -> Step:
        """See :meth:`Layout.steps`."""
        block = Chain((Convolution(_KERNEL),) * _CONVOLUTIONS_PER_BLOCK)
        network = block
        for _ in range(self.depth):
            enlarged = (Enlargement(2), Convolution(_KERNEL))[: 1 + (self.decoder == "resize")]
            coarser = Chain.of(Convolution(2, 2), network, *enlarged)
            network = Chain.of(block, Parallel.of(ITSELF, coarser), block)
        return network

    def parameters(self, band_count: int) -> int:
        """See :meth:`Layout.parameters`."""
        total = self._block(band_count, self.filters[0])
        for level in range(self.depth):
            fine, coarse = self.filters[level], self.filters[level + 1]
            total += self._block(fine, coarse)
            total += (_KERNEL**2 if self.decoder == "resize" else 4) * coarse * fine + fine
            total += 2 * 2 * fine if self.normalised_concatenation else 0
            total += self._block(2 * fine, fine)
        return total + self.filters[0] + 1

    def training_bytes(self, pixels: int) -> int:
        """About the memory in bytes that one training step on ``pixels`` input pixels takes.

        Activations in float32; the measured step of the study's network (0.26 GB for a patch of
        256 x 256) lies within a fifth of it.
        """
        per_pixel = sum(filters / 4**level for level, filters in enumerate(self.filters))
        return int(FLOAT_BYTES * _TENSORS_PER_LEVEL * per_pixel * pixels)

    def build(self, band_count: int, name: str, seed: int) -> Any:
        """See :meth:`Layout.build`."""
        from nightlights.networks.unet import build_unet

        return build_unet(self, band_count, name, seed)

    def _block(self, inputs: int, outputs: int) -> int:
        bias = outputs if self.convolution_bias else 0
        normalisation = 2 * outputs
        first = _KERNEL**2 * inputs * outputs + bias + normalisation
        following = _KERNEL**2 * outputs * outputs + bias + normalisation
        return first + (_CONVOLUTIONS_PER_BLOCK - 1) * following
