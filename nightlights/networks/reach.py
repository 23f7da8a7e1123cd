"""Which input pixels an output pixel of a network depends on, computed from its layers.

A network is described by what its layers do to places alone: convolutions, enlargements and attention
windows, one after the other or side by side. From the interval of pixels that is wanted of the output,
going backward through the layers gives the interval that is needed of the input (Araujo et al. 2019,
doi:10.23915/distill.00021). Rows and columns are alike, so one axis says all. Plain arithmetic: no deep
learning library is needed.
"""

import functools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

Interval = tuple[int, int]
"""First and last pixel."""


class Step(ABC):
    """Something that takes pixels to pixels, along one axis."""

    __slots__ = ()

    @abstractmethod
    def needed(self, low: int, high: int) -> Interval:
        """The first and last pixel of the input that the output pixels ``low`` to ``high`` depend on."""

    @abstractmethod
    def scale(self, before: int) -> int:
        """Pixels of the image in one pixel of the output, where one pixel of the input has ``before``."""

    @abstractmethod
    def alignment(self, before: int) -> int:
        """Pixels by which the image can be shifted without changing which pixels this step joins.

        A shift by a multiple shifts the output alike. ``before`` is as for :meth:`scale`.
        """


@dataclass(frozen=True, slots=True)
class Convolution(Step):
    """A convolution or pooling that keeps one pixel in ``stride``, padded so that whole strides fit."""

    kernel: int
    stride: int = 1

    def needed(self, low: int, high: int) -> Interval:
        """See :meth:`Step.needed`."""
        before = (self.kernel - self.stride) // 2
        first = low * self.stride - before
        return first, high * self.stride - before + self.kernel - 1

    def scale(self, before: int) -> int:
        """See :meth:`Step.scale`."""
        return before * self.stride

    def alignment(self, before: int) -> int:
        """See :meth:`Step.alignment`."""
        return before * self.stride


@dataclass(frozen=True, slots=True)
class Enlargement(Step):
    """Every pixel becomes ``factor`` pixels."""

    factor: int

    def needed(self, low: int, high: int) -> Interval:
        """See :meth:`Step.needed`."""
        return low // self.factor, high // self.factor

    def scale(self, before: int) -> int:
        """See :meth:`Step.scale`."""
        if before % self.factor:
            raise ValueError(
                f"An enlargement by {self.factor} gives parts of a pixel at a scale of {before}."
            )
        return before // self.factor

    def alignment(self, before: int) -> int:
        """See :meth:`Step.alignment`."""
        return before


@dataclass(frozen=True, slots=True)
class Windows(Step):
    """Every pixel depends on all pixels of its window of ``side`` pixels; windows do not overlap."""

    side: int

    def needed(self, low: int, high: int) -> Interval:
        """See :meth:`Step.needed`."""
        return low // self.side * self.side, (high // self.side + 1) * self.side - 1

    def scale(self, before: int) -> int:
        """See :meth:`Step.scale`."""
        return before

    def alignment(self, before: int) -> int:
        """See :meth:`Step.alignment`."""
        return before * self.side


@dataclass(frozen=True, slots=True)
class Chain(Step):
    """Steps one after the other; of none, what leaves every pixel by itself."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def of(cls, *steps: Step) -> "Chain":
        """The chain of ``steps``, first to last."""
        return cls(steps)

    def needed(self, low: int, high: int) -> Interval:
        """See :meth:`Step.needed`."""
        for step in reversed(self.steps):
            low, high = step.needed(low, high)
        return low, high

    def scale(self, before: int) -> int:
        """See :meth:`Step.scale`."""
        for step in self.steps:
            before = step.scale(before)
        return before

    def alignment(self, before: int) -> int:
        """See :meth:`Step.alignment`."""
        shift = before
        for step in self.steps:
            shift = math.lcm(shift, step.alignment(before))
            before = step.scale(before)
        return shift


@dataclass(frozen=True, slots=True)
class Parallel(Step):
    """Steps side by side, whose outputs are added or joined."""

    branches: tuple[Step, ...]

    @classmethod
    def of(cls, *branches: Step) -> "Parallel":
        """The steps ``branches`` side by side."""
        return cls(branches)

    def needed(self, low: int, high: int) -> Interval:
        """See :meth:`Step.needed`."""
        lows, highs = zip(*(branch.needed(low, high) for branch in self.branches), strict=True)
        return min(lows), max(highs)

    def scale(self, before: int) -> int:
        """See :meth:`Step.scale`."""
        scales = {branch.scale(before) for branch in self.branches}
        if len(scales) != 1:
            raise ValueError(f"Branches of several scales cannot be joined: {sorted(scales)}.")
        return scales.pop()

    def alignment(self, before: int) -> int:
        """See :meth:`Step.alignment`."""
        return math.lcm(*(branch.alignment(before) for branch in self.branches))


ITSELF = Chain()
"""Every pixel by itself: a convolution of 1 x 1, a normalisation, the way around a block."""


def residual(step: Step) -> Parallel:
    """What ``step`` adds to its own input."""
    return Parallel.of(ITSELF, step)


@functools.cache
def stride_of(network: Step) -> int:
    """Sides of images and origins of tiles are multiples of this, in pixels."""
    return network.alignment(1)


@functools.cache
def reach_of(network: Step) -> int:
    """Pixels from an output pixel's cell of :func:`stride_of` pixels to the farthest that it depends on.

    Along one axis; zero where every output pixel depends on its own cell alone.
    """
    stride = stride_of(network)
    intervals = [network.needed(position, position) for position in range(stride)]
    low, high = min(low for low, _ in intervals), max(high for _, high in intervals)
    return max(-low, high - (stride - 1), 0)


def margin_of(network: Step) -> int:
    """Pixels that a tile needs on each side of what is kept to equal the pass over the whole image.

    :func:`reach_of`, rounded up to a multiple of :func:`stride_of`. What is kept must begin and end on
    multiples of the stride, so that cells and windows are those of the whole image.
    """
    stride = stride_of(network)
    return -(-reach_of(network) // stride) * stride
