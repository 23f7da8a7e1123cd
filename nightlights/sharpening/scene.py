"""The light that a coarse factor makes of a fine prior, strip by strip."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread
from nightlights.sharpening.interpolation import between
from nightlights.sharpening.strips import StripOperator

Floats = NDArray[np.float64]
Read = Callable[[Window], NDArray[np.float32]]
"""Gives the prior of a window, shape (16 height, 16 width), in nW/cm2/sr, NaN where missing."""
PIXELS = FINE_PER_VIIRS**2
_LEAST_COVERAGE = 0.5
"""As in :func:`nightlights.observation.observe`: where less of a footprint's core is known, it is unknown."""
_DARKEST = 1e-3
"""Share of the mean of the prior below which nothing counts as darker: no factor makes light of none."""
_LEVEL_REACH = 2.0
"""VIIRS pixels: standard deviation of the surroundings in which a prior is brought to the level of VIIRS."""
_STRIP_PIXELS = 1_000_000
"""Analysis pixels that are worked on at once, where a strip as high as a tile would hold more."""
KEPT_BYTES = 512 * 2**20
"""Memory for what was read; a larger region is read again in every pass.

A region of 11,000 x 11,000 analysis pixels still fits; a third of them where an exponent is given."""


@dataclass(frozen=True)
class Scene:
    """A prior and the window that it lies in.

    Its light is ``prior x exp(M factor)``, where ``factor`` lies on the VIIRS grid, shape (height, width),
    and M takes the mean over the footprints that see a pixel, weighted as they see it.

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
    limit:
        A dark level in nW/cm2/sr, and what brings the prior to the level of VIIRS, each of shape (height,
        width): no factor makes light darker than both. None without such a limit.
    """

    read: Read
    window: Window
    point_spread: PointSpread
    tile_size: int = 32
    kept_bytes: int = KEPT_BYTES
    limit: tuple[Floats, Floats] | None = None
    _kept: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    @cached_property
    def _operator(self) -> StripOperator:
        return StripOperator.of(self.window, self.point_spread)

    @cached_property
    def _core(self) -> StripOperator:
        return StripOperator.of(self.window, self.point_spread.core)

    @cached_property
    def _first_pass(self) -> tuple[Floats, Floats, float]:
        """Known share of every footprint, of its core, and the mean of the prior."""
        found, total, count = self._nothing_seen(), 0.0, 0
        glows = self.point_spread.glow_share > 0
        core = np.zeros_like(found) if glows else found
        side = self._operator.margin - self._core.margin if glows else 0
        for rows in self._strips():
            prior = self._prior(rows)
            known = np.isfinite(prior)
            total += float(prior.sum(where=known, dtype=np.float64))
            count += int(known.sum())
            light = known.astype(np.float32)
            self._observe(light, rows, found)
            if glows:
                part = core[rows.start + side : rows.stop + side + 2 * self._core.margin]
                part += self._core.forward(light, rows)
        return self._inner(found), self._inner(core), total / max(count, 1)

    @property
    def coverage(self) -> Floats:
        """Known share of every footprint, shape (height, width)."""
        return self._first_pass[0]

    @property
    def darkest(self) -> np.float32:
        """Radiance as which darker pixels of the prior count, in its unit."""
        return np.float32(_DARKEST * self._first_pass[2] or 1.0)

    @cached_property
    def inverse(self) -> Floats:
        """One over the coverage, 0 where too little is known, shape (height, width)."""
        known = self._first_pass[1] >= _LEAST_COVERAGE
        return np.where(known, 1 / np.where(known, self.coverage, 1.0), 0.0)

    def observed(self, factor: Floats) -> Floats:
        """The light as VIIRS would see it, in nW/cm2/sr; 0 where too little is known."""
        seen = self._nothing_seen()
        for rows in self._strips():
            light = self._light(factor, rows)
            self._observe(np.nan_to_num(light, copy=False), rows, seen)
        return self._inner(seen) * self.inverse

    def seen(self) -> Floats:
        """The prior as VIIRS would see it, in its unit; NaN where too little is known."""
        return np.where(self.inverse > 0, self.observed(np.zeros(self.window.shape)), np.nan)

    def not_darker(self, dark: Floats, measured: Floats) -> "Scene":
        """The same, with a limit to darkness; ``measured`` tells the level that the prior should have."""
        seen = self.seen()
        both = np.isfinite(seen) & np.isfinite(measured)
        light, level = (
            gaussian_filter(np.where(both, each, 0.0), _LEVEL_REACH, mode="constant")
            for each in (measured, seen)
        )
        ratio = np.maximum(light, 0) / np.maximum(level, 1e-9 * float(level.max()) or 1.0)
        return replace(self, limit=(dark, ratio))

    def rows(self, factor: Floats, row: int, height: int) -> NDArray[np.float32]:
        """The light of whole rows of a strip: ``height`` VIIRS rows from the global row ``row`` on."""
        first = row - self.window.row
        return self._light(factor, slice(first, first + height))

    def blocks(self, factor: Floats) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """The light itself: (tile, float32 of shape (16 height, 16 width)), NaN where the prior is."""
        for rows in self._strips():
            light = self._light(factor, rows) if factor.any() else self._prior(rows)
            across = self._across(rows)
            for tile in across.tiles(self.tile_size, self.tile_size):
                yield tile, light[tile.fine_slices_in(across)]

    def _strips(self) -> Iterator[slice]:
        """VIIRS rows, a few at a time."""
        size = max(1, min(self.tile_size, _STRIP_PIXELS // (PIXELS * self.window.width)))
        for first in range(0, self.window.height, size):
            yield slice(first, min(first + size, self.window.height))

    def _across(self, rows: slice) -> Window:
        return replace(self.window, row=self.window.row + rows.start, height=rows.stop - rows.start)

    def _prior(self, rows: slice) -> NDArray[np.float32]:
        """The prior of a strip; below 0 counts as 0."""
        if rows.start in self._kept:
            return self._kept[rows.start]
        parts = [self.read(tile) for tile in self._across(rows).tiles(self.tile_size, self.tile_size)]
        prior = np.maximum(np.concatenate(parts, axis=1), 0).astype(np.float32)
        if self.fits:
            self._kept[rows.start] = prior
        return prior

    @property
    def fits(self) -> bool:
        """Whether the prior of all pixels fits the memory, as float32."""
        return 4 * PIXELS * self.window.width * self.window.height <= self.kept_bytes

    def _spread(self, values: Floats, rows: slice) -> NDArray[np.float32]:
        return np.asarray(self._operator.adjoint(PIXELS * values * self.inverse, rows), np.float32)

    def _light(self, factor: Floats, rows: slice) -> NDArray[np.float32]:
        """The prior of a strip times its factor."""
        prior = np.maximum(self._prior(rows), self.darkest)
        if not factor.any():
            return prior
        mean = self._spread(factor, rows)
        mean /= np.maximum(self._spread(np.ones(self.window.shape), rows), np.float32(1e-6))
        np.exp(mean, out=mean)
        mean *= prior
        if self.limit is not None:
            np.maximum(mean, self.least(prior, self._across(rows)), out=mean)
        return mean

    def least(self, prior: NDArray[np.float32], part: Window) -> NDArray[np.float32]:
        """Below which no factor brings a prior in ``part`` of the window."""
        if self.limit is None:
            return np.zeros_like(prior)
        dark, level = (between(each, self.window, part) for each in self.limit)
        found: NDArray[np.float32] = np.minimum(dark, level * prior)
        return found

    def _nothing_seen(self) -> Floats:
        return np.zeros((self.window.height + 2 * self._operator.margin, self.window.width))

    def _observe(self, light: NDArray[np.float32], rows: slice, into: Floats) -> None:
        """Add what VIIRS sees of the ``light`` of a strip to ``into``, which has a margin north and south."""
        into[rows.start : rows.stop + 2 * self._operator.margin] += self._operator.forward(light, rows)

    def _inner(self, seen: Floats) -> Floats:
        margin = self._operator.margin
        return seen[margin : margin + self.window.height]
