"""The light that a coarse correction makes of a fine prior, strip by strip."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread
from nightlights.sharpening.cells import CellOperator, cell_sums

Floats = NDArray[np.float64]
Read = Callable[[Window], NDArray[np.float32]]
"""Gives the prior of a window, shape (16 height, 16 width), in nW/cm2/sr, NaN where missing."""
PIXELS = FINE_PER_VIIRS**2
_LEAST_COVERAGE = 0.5
"""As in :func:`nightlights.observation.observe`: of a footprint that is less known nothing is asked."""
_LEAST_BRIGHTNESS = 1e-3
KEPT_SHARE = 0.2
"""Share of the estimate below which nothing is taken away: noise must not burn dark holes into a town."""
_STRIP_PIXELS = 1_000_000
"""Analysis pixels that are worked on at once, where a strip as high as a tile would hold more."""
KEPT_BYTES = 512 * 2**20
"""Memory for what was read and estimated; a larger region is read, and estimated, again in every pass.

A region of 6000 x 6000 analysis pixels still fits."""


@dataclass(frozen=True)
class Correction:
    """Two fields on the VIIRS grid, shape (height, width), that make an estimate of the prior.

    The estimate is ``prior x exp(M factor)``; what is added later is ``M brightness x 256 A^T addition``.
    A^T is the adjoint of the observation, which spreads a field over the footprints, and M the same divided
    by what it makes of ones: the mean over the footprints that see a pixel.

    Attributes
    ----------
    factor:
        Logarithm of the factor.
    brightness:
        Weight of additions, in nW/cm2/sr.
    """

    factor: Floats
    brightness: Floats

    @classmethod
    def none(cls, window: Window) -> "Correction":
        """The correction that leaves the prior as it is."""
        return cls(np.zeros(window.shape), np.zeros(window.shape))


@dataclass(frozen=True)
class Light:
    """What an addition makes of an estimate, as far as the solver needs to know.

    Attributes
    ----------
    observed:
        As VIIRS would see it, in nW/cm2/sr, shape (height, width); 0 where too little is known.
    energy:
        Half the sum, over brightness, of the squared light beyond what is kept of the estimate, in nW/cm2/sr
        times analysis pixels.
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
        Side of a tile that is read or given back at once, in VIIRS pixels.
    kept_bytes:
        Memory for what was read.
    """

    read: Read
    window: Window
    point_spread: PointSpread
    tile_size: int = 32
    kept_bytes: int = KEPT_BYTES
    _kept: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    @cached_property
    def cells(self) -> CellOperator:
        """The observation operator on cells."""
        return CellOperator.of(self.window, self.point_spread)

    @cached_property
    def _pixels(self) -> CellOperator:
        return CellOperator.of(self.window, self.point_spread, cell=1)

    @cached_property
    def coverage(self) -> Floats:
        """Known share of every footprint, shape (height, width)."""
        found = self._nothing_seen()
        for rows in self._strips():
            self._observe(np.isfinite(self._prior(rows)).astype(np.float32), rows, found)
        return self._inner(found)

    @cached_property
    def inverse(self) -> Floats:
        """One over the coverage, 0 where too little is known, shape (height, width)."""
        known = self.coverage >= _LEAST_COVERAGE
        return np.where(known, 1 / np.where(known, self.coverage, 1.0), 0.0)

    def observed(self, correction: Correction) -> Floats:
        """The corrected prior as VIIRS would see it; 0 where too little is known."""
        seen = self._nothing_seen()
        for rows in self._strips():
            light = self._estimate(correction, rows)
            self._observe(np.maximum(np.nan_to_num(light, copy=False), 0, out=light), rows, seen)
        return self._inner(seen) * self.inverse

    def lit(self, correction: Correction) -> "LitScene":
        """The scene as the second step knows it: the estimate, to which light is added."""
        return LitScene(self, correction)

    def _strips(self) -> Iterator[slice]:
        """VIIRS rows, a few at a time."""
        size = max(1, min(self.tile_size, _STRIP_PIXELS // (PIXELS * self.window.width)))
        for first in range(0, self.window.height, size):
            yield slice(first, min(first + size, self.window.height))

    def _prior(self, rows: slice) -> NDArray[np.float32]:
        """The prior of a strip; below 0 counts as 0."""
        if rows.start in self._kept:
            return self._kept[rows.start]
        across = replace(self.window, row=self.window.row + rows.start, height=rows.stop - rows.start)
        parts = [self.read(tile) for tile in across.tiles(self.tile_size, self.tile_size)]
        prior = np.maximum(np.concatenate(parts, axis=1), 0).astype(np.float32)
        if self.fits:
            self._kept[rows.start] = prior
        return prior

    @property
    def fits(self) -> bool:
        """Whether prior, estimate and brightness of all pixels fit the memory, float32 each."""
        return 12 * PIXELS * self.window.width * self.window.height <= self.kept_bytes

    def _spread(self, values: Floats, rows: slice) -> NDArray[np.float32]:
        """256 A^T of a field: analysis pixels of a strip."""
        return np.asarray(self._pixels.adjoint(PIXELS * values * self.inverse, rows), np.float32)

    def _mean(self, values: Floats, rows: slice) -> NDArray[np.float32]:
        """M of a field: its mean over the footprints that see a pixel."""
        mean = self._spread(values, rows)
        mean /= np.maximum(self._spread(np.ones(self.window.shape), rows), np.float32(1e-6))
        return mean

    def _estimate(self, correction: Correction, rows: slice) -> NDArray[np.float32]:
        """The prior times its factor."""
        if not correction.factor.any():
            return self._prior(rows).copy()
        factor = self._mean(correction.factor, rows)
        np.exp(factor, out=factor)
        factor *= self._prior(rows)
        return factor

    def _nothing_seen(self) -> Floats:
        return np.zeros((self.window.height + 2 * self._pixels.margin, self.window.width))

    def _observe(self, light: NDArray[np.float32], rows: slice, into: Floats) -> None:
        """Add what VIIRS sees of the ``light`` of a strip to ``into``, which has a margin north and south."""
        into[rows.start : rows.stop + 2 * self._pixels.margin] += self._pixels.forward(light, rows)

    def _inner(self, seen: Floats) -> Floats:
        margin = self._pixels.margin
        return seen[margin : margin + self.window.height]


@dataclass(frozen=True)
class LitScene:
    """An estimate of the light, to which multiples of the brightness around are added.

    Attributes
    ----------
    scene:
        What was estimated.
    correction:
        What makes the estimate, and the brightness.
    """

    scene: Scene
    correction: Correction
    _kept: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict)

    @cached_property
    def kept(self) -> Floats:
        """What VIIRS sees of the part of the estimate that is never taken away, shape (height, width)."""
        return KEPT_SHARE * self.scene.observed(self.correction)

    def light(self, addition: Floats) -> Light:
        """The light with ``addition``, as the solver needs it."""
        scene = self.scene
        seen, energy, freedom = scene._nothing_seen(), 0.0, []
        for rows in scene._strips():
            beyond, _, brightness = self._corrected(addition, rows)
            freedom.append(cell_sums(brightness * (beyond >= 0)))
            light = np.maximum(np.nan_to_num(beyond, copy=False), 0, out=beyond)
            scene._observe(light, rows, seen)
            light *= light
            light /= brightness
            energy += float(light.sum(dtype=np.float64)) / 2
        return Light(scene._inner(seen) * scene.inverse + self.kept, energy, np.concatenate(freedom))

    def blocks(self, addition: Floats) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """The light with ``addition``: (tile, float32 of shape (16 height, 16 width)), NaN where missing."""
        window = self.scene.window
        for rows in self.scene._strips():
            beyond, estimate, _ = self._corrected(addition, rows)
            light = np.maximum(beyond, 0) + np.float32(KEPT_SHARE) * estimate
            across = replace(window, row=window.row + rows.start, height=rows.stop - rows.start)
            for tile in across.tiles(self.scene.tile_size, self.scene.tile_size):
                yield tile, light[tile.fine_slices_in(across)]

    def _corrected(
        self, addition: Floats, rows: slice
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Of a strip: light beyond what is kept, before it is cut off at 0; the estimate; brightness."""
        known = self._kept.get(rows.start)
        if known is None:
            brightness = self.scene._mean(self.correction.brightness, rows) + np.float32(_LEAST_BRIGHTNESS)
            known = self.scene._estimate(self.correction, rows), brightness
            if self.scene.fits:
                self._kept[rows.start] = known
        estimate, brightness = known
        beyond = np.float32(1 - KEPT_SHARE) * estimate
        if addition.any():
            light = self.scene._spread(addition, rows)
            light *= brightness
            beyond += light
        return beyond, estimate, brightness
