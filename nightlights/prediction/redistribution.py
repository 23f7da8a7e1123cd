"""Light with the level of one network and the texture of others.

How much light a footprint of VIIRS holds, and where within it the light lies, are two questions. A network
that sees around itself answers the first; trained on footprints it may put the light anywhere within.
Networks of single pixels answer the second, see :mod:`nightlights.networks.pixel`. So the light of the
second is multiplied by a smooth factor, as :mod:`nightlights.sharpening` does with VIIRS, until VIIRS would
see in it what it would see in the light of the first.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from nightlights import cog
from nightlights.datasets import Dataset
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.noise import Noise
from nightlights.observation import ObservationOperator, PointSpread
from nightlights.prediction.comparison import scratch_array
from nightlights.progress import Progress
from nightlights.sharpening import Sharpening

if TYPE_CHECKING:
    from nightlights.prediction.tiling import Predictor

FOLLOWED: Final = Noise(share=0.02, floor=0.01)
"""How closely the level is followed: far closer than any network knows it."""
_KEPT_BYTES: Final = 512 * 2**20
"""Memory for the light of the texture networks; that of a larger region lies in a temporary file."""
_LEAST_COVERAGE: Final = 0.5
"""As in :func:`nightlights.observation.observe`."""
_FAINT: Final = 0.02
"""nW/cm2/sr: darker light counts as this where logarithms are taken."""
_REACH: Final = 4.0
"""Standard deviations to which smoothing reaches."""
_TILE: Final = 32
"""Side of a tile of the texture in VIIRS pixels."""
_STAGES: Final = {"level": 0.6, "texture": 0.3, "joined": 0.1}
"""Rough shares of the time."""

Read = Callable[[Window], NDArray[np.float32]]


class ObservedLight:
    """What VIIRS would see of light that is given tile by tile; only that is kept.

    Parameters
    ----------
    window:
        All of the region: light from beyond it is unknown.
    """

    def __init__(self, window: Window, point_spread: PointSpread) -> None:
        self._window, self._spread = window, point_spread
        self._light, self._coverage = np.zeros(window.shape), np.zeros(window.shape)

    def add(self, tile: Window, radiance: NDArray[np.floating[Any]]) -> None:
        """Take in the light of ``tile``, shape (16 height, 16 width), in nW/cm2/sr, NaN where missing."""
        margin = self._spread.margin(float(np.abs(tile.latitudes).max()))
        reach = tile.expand(margin).intersection(self._window) or tile
        operator, into = ObservationOperator(reach, self._spread), reach.slices_in(self._window)
        known = np.isfinite(radiance)
        for values, total in ((np.where(known, radiance, 0.0), self._light), (known, self._coverage)):
            placed = np.zeros(reach.fine_shape)
            placed[tile.fine_slices_in(reach)] = values
            total[into] += operator.forward(placed)

    @property
    def radiance(self) -> NDArray[np.float64]:
        """The mean over the known part of every footprint.

        As :func:`nightlights.observation.observe`, but that a glow counts in what is known.

        Shape (height, width), nW/cm2/sr, NaN where less than half of a footprint is known.
        """
        known = self._coverage >= _LEAST_COVERAGE
        return np.where(known, self._light / np.where(known, self._coverage, 1.0), np.nan)


def smoothed(radiance: NDArray[np.floating[Any]], sigma: float) -> NDArray[np.float32]:
    """Light whose logarithm is averaged over neighbours, against the noise of single pixels in the dark.

    Parameters
    ----------
    radiance:
        Shape (height, width), nW/cm2/sr, NaN where missing; missing neighbours do not count.
    sigma:
        Standard deviation of the Gaussian in pixels; 0 leaves the light as it is.
    """
    light = np.asarray(radiance, np.float32)
    if sigma == 0:
        return light
    known = np.isfinite(light)
    logarithm = np.where(known, np.log(np.maximum(np.where(known, light, 1.0), _FAINT)), 0.0)
    weight, total = (
        gaussian_filter(values.astype(np.float64), sigma, mode="constant", truncate=_REACH)
        for values in (known, logarithm)
    )
    mean = np.exp(total / np.where(known, weight, 1.0))
    return np.where(known, mean, np.nan).astype(np.float32)


def redistributed(
    level: "Predictor", texture: "Predictor", dataset: Dataset, region: str, progress: Progress
) -> Iterator[cog.Block]:
    """The light of ``texture`` times a smooth factor, so that VIIRS would see what it sees of ``level``.

    Memory does not grow with the region but for a few numbers a VIIRS pixel and, up to half a gigabyte, the
    light of the texture; beyond, that lies in a temporary file.

    Parameters
    ----------
    level, texture:
        What predicts the one and the other; the configuration of the level says how the texture is smoothed.

    Yields
    ------
    window, radiance:
        Where, and float32 of shape (16 height, 16 width) in nW/cm2/sr, NaN where a band is missing.
    """
    window = dataset.region(region).window.window
    spread = PointSpread.of(level.config)
    seen = ObservedLight(window, spread)
    for tile, radiance in level.blocks(dataset, region, _Stage(progress, "level", region)):
        seen.add(tile, radiance)
    with _kept(texture, level.config.texture_smoothing, dataset, region, progress) as read:
        joined = Sharpening.of(
            read, seen.radiance, window, spread, noise=FOLLOWED, tile_size=_TILE, kept_bytes=0
        )
        stage, done, whole = _Stage(progress, "joined", region), 0, window.width * window.height
        for tile, light in joined.blocks():
            yield tile, light
            done += tile.width * tile.height
            stage.update(done, whole)


@contextmanager
def _kept(
    texture: "Predictor", sigma: float, dataset: Dataset, region: str, progress: Progress
) -> Iterator[Read]:
    """Reads the light of the texture networks, which is predicted once: from memory, or from a file."""
    window = dataset.region(region).window.window
    stage, done = _Stage(progress, "texture", region), 0
    reach = -(-int(_REACH * sigma + 0.5) // FINE_PER_VIIRS)
    with _array(window.fine_shape) as fine:
        for tile in window.tiles(_TILE, _TILE):
            wide = _around(tile, reach, window)
            light = smoothed(texture.light(dataset, region, wide), sigma)
            fine[tile.fine_slices_in(window)] = light[tile.fine_slices_in(wide)]
            done += tile.width * tile.height
            stage.update(done, window.width * window.height)
        yield lambda part: np.asarray(fine[part.fine_slices_in(window)], np.float32)


@contextmanager
def _array(shape: tuple[int, int]) -> Iterator[NDArray[np.float32]]:
    """A float32 array in memory, or in a file that is removed at the end."""
    if 4 * shape[0] * shape[1] <= _KEPT_BYTES:
        yield np.empty(shape, np.float32)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield scratch_array(Path(folder) / "texture", shape)


def _around(tile: Window, reach: int, outer: Window) -> Window:
    """``tile`` with ``reach`` VIIRS pixels around it as far as ``outer`` goes, of one size wherever it lies.

    Every other size would be compiled anew.
    """
    height, width = (min(_TILE + 2 * reach, side) for side in outer.shape)
    row = min(max(tile.row - reach, outer.row), outer.row + outer.height - height)
    column = min(max(tile.column - reach, outer.column), outer.column + outer.width - width)
    return Window(column, row, width, height)


@dataclass(frozen=True)
class _Stage:
    """Progress of one stage within the prediction of a region."""

    progress: Progress
    name: str
    region: str

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """See :meth:`nightlights.progress.Progress.update`."""
        names = list(_STAGES)
        before = sum(_STAGES[name] for name in names[: names.index(self.name)])
        part = min(done / total, 1.0) if total > 0 else 0.0
        percent = min(100 * (before + _STAGES[self.name] * part), 100.0)
        self.progress.update(
            percent, 100.0, unit="%", message=f"Predicting {self.region}: {_DOING[self.name]}"
        )


_DOING: Final = {"level": "level", "texture": "texture", "joined": "level and texture joined"}
