"""A region seen turned and mirrored, as a network would see another place.

A network that has learned what lights look like predicts the same light whichever way the image lies; where
its eight predictions differ, it does not know.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.datasets import Dataset
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.manifests import DatasetRegion, WindowRecord
from nightlights.progress import Progress
from nightlights.uncertainty.records import Orientations

if TYPE_CHECKING:
    from nightlights.prediction import Predictor


@dataclass(frozen=True, slots=True)
class Turn:
    """Transpose, then reverse rows, then reverse columns, each or none."""

    transpose: bool = False
    rows: bool = False
    columns: bool = False

    def apply(self, image: NDArray[Any]) -> NDArray[Any]:
        """Turn ``image``, shape (..., height, width)."""
        turned = np.swapaxes(image, -1, -2) if self.transpose else image
        turned = turned[..., ::-1, :] if self.rows else turned
        return turned[..., ::-1] if self.columns else turned

    def undo(self, image: NDArray[Any]) -> NDArray[Any]:
        """The image of which ``image`` is the turned one."""
        upright = image[..., ::-1] if self.columns else image
        upright = upright[..., ::-1, :] if self.rows else upright
        return np.swapaxes(upright, -1, -2) if self.transpose else upright

    def window(self, outer: Window) -> Window:
        """The window of the turned image of ``outer``, somewhere on Earth."""
        height, width = outer.shape[::-1] if self.transpose else outer.shape
        return Window(0, 0, width, height)

    def source(self, part: Window, outer: Window) -> Window:
        """The part of ``outer`` that the turned image shows in ``part`` of :meth:`window`."""
        turned = self.window(outer)
        row = turned.height - part.row - part.height if self.rows else part.row
        column = turned.width - part.column - part.width if self.columns else part.column
        height, width = part.shape
        if self.transpose:
            row, column, height, width = column, row, width, height
        return Window(outer.column + column, outer.row + row, width, height)


_TURNS: Final = (
    Turn(),
    Turn(rows=True, columns=True),
    Turn(rows=True),
    Turn(columns=True),
    Turn(transpose=True),
    Turn(transpose=True, rows=True, columns=True),
    Turn(transpose=True, rows=True),
    Turn(transpose=True, columns=True),
)


def turns(count: Orientations) -> tuple[Turn, ...]:
    """The first ``count`` orientations, the image as it is first."""
    return _TURNS[:count]


@dataclass(frozen=True)
class TurnedDataset(Dataset):
    """A dataset whose regions are seen turned; latitudes are lost."""

    turn: Turn = field(default_factory=Turn)

    def region(self, name: str) -> DatasetRegion:
        """See :meth:`Dataset.region`; the window is that of the turned image."""
        upright = super().region(name)
        window = self.turn.window(upright.window.window)
        return upright.model_copy(update={"window": WindowRecord.of(window)})

    def read_daytime(self, region: str, window: Window | None = None) -> NDArray[np.float32]:
        """See :meth:`Dataset.read_daytime`."""
        turned: NDArray[np.float32] = self.turn.apply(
            super().read_daytime(region, self._source(region, window))
        )
        return np.ascontiguousarray(turned)

    def read_nighttime(self, region: str, window: Window | None = None) -> NDArray[np.float32]:
        """See :meth:`Dataset.read_nighttime`."""
        turned: NDArray[np.float32] = self.turn.apply(
            super().read_nighttime(region, self._source(region, window))
        )
        return np.ascontiguousarray(turned)

    def _source(self, region: str, window: Window | None) -> Window | None:
        return window and self.turn.source(window, super().region(region).window.window)


def block_means(fine: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Means over VIIRS pixels of what is known of ``fine``, NaN where nothing is.

    Shape (16 height, 16 width) to (height, width).
    """
    height, width = (side // FINE_PER_VIIRS for side in fine.shape)
    blocks = fine.reshape(height, FINE_PER_VIIRS, width, FINE_PER_VIIRS).astype(np.float64)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0.0).sum(axis=(1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def turned_means(
    predictor: "Predictor", dataset: Dataset, region: str, turn: Turn, progress: Progress
) -> NDArray[np.float64]:
    """What the network predicts of the turned region, turned back: means over VIIRS pixels in nW/cm2/sr.

    Returns
    -------
    numpy.ndarray
        float64, shape (height, width) of the upright region.
    """
    view = TurnedDataset(dataset.folder, dataset.manifest, turn)
    window = view.region(region).window.window
    means = np.full(window.shape, np.nan)
    for tile, radiance in predictor.blocks(view, region, progress):
        means[tile.slices_in(window)] = block_means(radiance)
    return np.ascontiguousarray(turn.undo(means))
