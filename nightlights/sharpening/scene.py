"""The light that a coarse correction makes of a fine prior, tile by tile."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import ObservationOperator, PointSpread
from nightlights.sharpening.cells import CellOperator, cell_sums

Floats = NDArray[np.float64]
Read = Callable[[Window], NDArray[np.float32]]
"""Gives the prior of a window, shape (16 height, 16 width), in nW/cm2/sr, NaN where missing."""
PIXELS = FINE_PER_VIIRS**2
_LEAST_COVERAGE = 0.5
"""As in :func:`nightlights.observation.observe`: of a footprint that is less known nothing is asked."""


@dataclass(frozen=True)
class Correction:
    """Three fields on the VIIRS grid that say, with the prior, what every analysis pixel becomes.

    The light is ``max(0, prior x exp(M factor) + M brightness x 256 A^T addition)``, where A^T is the adjoint
    of the observation, which spreads a field over the footprints, and M the same divided by what it makes of
    ones: the mean over the footprints that see a pixel. All have the shape (height, width).

    Attributes
    ----------
    factor:
        Logarithm of the factor.
    brightness:
        Weight of additions, in nW/cm2/sr.
    addition:
        In units of ``brightness``: the multipliers of the constraints.
    """

    factor: Floats
    brightness: Floats
    addition: Floats

    @classmethod
    def none(cls, window: Window) -> "Correction":
        """The correction that leaves the prior as it is."""
        return cls(*(np.zeros(window.shape) for _ in range(3)))

    def with_addition(self, addition: Floats) -> "Correction":
        """This correction with another addition."""
        return replace(self, addition=addition)


@dataclass(frozen=True)
class Light:
    """What a correction makes of the prior, as far as the solver needs to know.

    Attributes
    ----------
    observed:
        As VIIRS would see it, in nW/cm2/sr, shape (height, width); 0 where too little is known.
    energy:
        Half the sum of light squared over brightness, in nW/cm2/sr times analysis pixels.
    freedom:
        Brightness of the pixels that are free to change, summed over cells, shape (4 height, 4 width).
    """

    observed: Floats
    energy: float
    freedom: Floats


@dataclass(frozen=True)
class Scene:
    """A prior and the window that it lies in.

    Attributes
    ----------
    read:
        Gives the prior.
    window:
        All of it; light from beyond is unknown.
    point_spread:
        Of the night-time instrument.
    tile_size:
        Side of a tile in VIIRS pixels.
    """

    read: Read
    window: Window
    point_spread: PointSpread
    tile_size: int = 32

    @cached_property
    def cells(self) -> CellOperator:
        """The observation operator on cells."""
        return CellOperator.of(self.window, self.point_spread)

    @cached_property
    def coverage(self) -> Floats:
        """Known share of every footprint, shape (height, width)."""
        found = np.zeros(self.window.shape)
        for tile, reach in self._tiles():
            self._observe(np.isfinite(self.read(tile)).astype(np.float64), tile, reach, found)
        return found

    @cached_property
    def inverse(self) -> Floats:
        """One over the coverage, 0 where too little is known, shape (height, width)."""
        known = self.coverage >= _LEAST_COVERAGE
        return np.where(known, 1 / np.where(known, self.coverage, 1.0), 0.0)

    def observed(self, correction: Correction) -> Floats:
        """The corrected prior as VIIRS would see it; 0 where too little is known."""
        seen = np.zeros(self.window.shape)
        for tile, reach in self._tiles():
            light, _ = self._corrected(correction, tile, reach)
            self._observe(np.maximum(np.nan_to_num(light), 0.0), tile, reach, seen)
        return seen * self.inverse

    def light(self, correction: Correction) -> Light:
        """The corrected prior as the solver needs it."""
        seen, energy = np.zeros(self.window.shape), 0.0
        freedom = np.zeros(tuple(4 * side for side in self.window.shape))
        for tile, reach in self._tiles():
            radiance, brightness = self._corrected(correction, tile, reach)
            light = np.maximum(np.nan_to_num(radiance), 0.0)
            self._observe(light, tile, reach, seen)
            energy += float((light**2 / brightness).sum()) / 2
            rows, columns = tile.slices_in(self.window)
            freedom[4 * rows.start : 4 * rows.stop, 4 * columns.start : 4 * columns.stop] = cell_sums(
                np.where(radiance >= 0, brightness, 0.0)
            )
        return Light(seen * self.inverse, energy, freedom)

    def blocks(self, correction: Correction) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """The corrected prior: (tile, float32 of shape (16 height, 16 width)), NaN where missing."""
        for tile, reach in self._tiles():
            light, _ = self._corrected(correction, tile, reach)
            yield tile, np.maximum(light, 0.0).astype(np.float32)

    def _tiles(self) -> Iterator[tuple[Window, Window]]:
        """Tiles, and the VIIRS pixels that share light with each."""
        margin = self.point_spread.margin(float(np.abs(self.window.latitudes).max()))
        for tile in self.window.tiles(self.tile_size, self.tile_size):
            yield tile, tile.expand(margin).intersection(self.window) or tile

    def _corrected(self, correction: Correction, tile: Window, reach: Window) -> tuple[Floats, Floats]:
        """Light of ``tile`` before what is below 0 is cut off, and brightness."""
        operator = ObservationOperator(reach, self.point_spread)
        part, inside = reach.slices_in(self.window), tile.fine_slices_in(reach)

        def adjoint(field: Floats) -> Floats:
            return PIXELS * operator.adjoint((field * self.inverse)[part])[inside]

        total = np.maximum(adjoint(np.ones(self.window.shape)), 1e-6)
        brightness = adjoint(correction.brightness) / total + _LEAST_BRIGHTNESS
        light = np.maximum(self.read(tile).astype(np.float64), 0.0)
        if correction.factor.any():
            light = light * np.exp(adjoint(correction.factor) / total)
        if correction.addition.any():
            light = light + brightness * adjoint(correction.addition)
        return light, brightness

    def _observe(self, light: Floats, tile: Window, reach: Window, into: Floats) -> None:
        """Add what VIIRS sees of ``light``, that of ``tile``, to ``into``, shape (height, width)."""
        around = np.zeros(reach.fine_shape)
        around[tile.fine_slices_in(reach)] = light
        into[reach.slices_in(self.window)] += ObservationOperator(reach, self.point_spread).forward(around)


_LEAST_BRIGHTNESS = 1e-3
