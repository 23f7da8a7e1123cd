"""Fine light beside the truth of a region, both at the scale at which they are compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.common_scale import ANALYSIS_SCALE, CommonScale
from nightlights.datasets import Dataset
from nightlights.grid import Window
from nightlights.metrics.fine import SIMILARITY_RADIUS
from nightlights.prediction.tiling import expanded
from nightlights.sources.truth import through_pixels

_RASTER_BLOCKS = 3
"""Blocks around a tile that the pixels of a raster reach beyond it."""


@dataclass(frozen=True)
class FinePairs:
    """The truth of one region, the simulated planet's or a raster of one's own.

    Attributes
    ----------
    dataset, region:
        Where it lies.
    """

    dataset: Dataset
    region: str

    @property
    def scale(self) -> CommonScale:
        """What is compared: single analysis pixels, or the blocks of a raster of one's own."""
        own = self.dataset.region(self.region).fine_truth
        return ANALYSIS_SCALE if own is None else own.scale

    @property
    def scale_m(self) -> float | None:
        """Side in metres of what is compared; None for single analysis pixels."""
        own = self.dataset.region(self.region).fine_truth
        return None if own is None else own.scale_m

    def tiles(self, side: int) -> Iterator[Window]:
        """Parts of the region of about ``side`` VIIRS pixels, on which no score depends."""
        yield from self.scale.tiles(self.dataset.region(self.region).window.window, side)

    def reach(self, tile: Window, pixels: int = 1) -> Window:
        """``tile`` with what :meth:`pair` needs around it, and ``pixels`` VIIRS pixels at least."""
        own = self.dataset.region(self.region).fine_truth
        blocks = SIMILARITY_RADIUS + (0 if own is None else _RASTER_BLOCKS)
        margin = self.scale.reach(max(pixels, 1), blocks)
        return expanded(tile, margin, self.dataset.region(self.region).window.window)

    def pair(
        self, light: NDArray[np.floating[Any]], reach: Window, tile: Window
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[slice, slice]] | None:
        """Light and truth of ``reach`` at the common scale, and the part of them that is ``tile``.

        Against a raster of one's own, the light goes the same way: averaged over its pixels, and back.

        Parameters
        ----------
        light:
            Of the analysis pixels of ``reach``, in nW/cm2/sr, NaN where missing.

        Returns
        -------
        tuple or None
            Two images in nW/cm2/sr, NaN where missing, and (rows, columns); None where there is no truth.
        """
        truth = self.dataset.read_truth(self.region, reach)
        if truth is None:
            return None
        own = self.dataset.region(self.region).fine_truth
        shown = light if own is None else through_pixels(light, reach, own.lattices)
        one, two = self.scale.averaged(shown, truth)
        return one, two, self.scale.slices(tile.fine_slices_in(reach))
