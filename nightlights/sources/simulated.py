"""The simulated planet as an imagery source: needs no account, no network and no files."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import LANDSAT_BANDS, Band
from nightlights.grid import FINE_PER_VIIRS, VIIRS_HEIGHT, VIIRS_WIDTH, Window
from nightlights.noise import SIMULATED, Noise
from nightlights.observation import ObservationOperator, PointSpread
from nightlights.planet import PLANET_VERSION
from nightlights.planet.built import built
from nightlights.planet.lattice import BLOCK, RIM, VIIRS_PER_BLOCK, Block, Floats, hashed, unit
from nightlights.planet.radiance import radiance
from nightlights.planet.spectra import bands
from nightlights.planet.surface import surface
from nightlights.sources.base import Estimate

_PIXELS_PER_SECOND = 550_000
"""Analysis pixels a second for the three images together; measured by benchmarks/planet.py."""
_BYTES_PER_PIXEL = 2 * len(LANDSAT_BANDS) + 4
"""Daytime bands as 16-bit integers and the truth as float32, before compression."""
_KEPT_BLOCKS = 128
_STEP = 0.001
"""Of the stored night-time values, in nW/cm2/sr."""


class SimulatedSource:
    """Imagery of the simulated planet, the same for a seed wherever a window is cut.

    Parameters
    ----------
    seed:
        Which planet. Coasts and cities are the Earth's on all of them; the rest differs.
    point_spread:
        Of the night-time instrument, as its data sheet has it and with its glow; 742 m unless given.
    noise:
        Of the night-time instrument: a floor, and a share of the light.
    width_factor:
        What the core of the point spread is wider by in truth, which only :meth:`describe` tells.
    """

    def __init__(
        self,
        seed: int = 1,
        point_spread: PointSpread | None = None,
        *,
        noise: Noise = SIMULATED,
        width_factor: float = 1.0,
    ) -> None:
        self.seed = seed
        nominal = point_spread or PointSpread()
        self.point_spread = replace(nominal, fwhm_m=nominal.fwhm_m * width_factor)
        self._noise_of, self._nominal_m, self._width_factor = noise, nominal.fwhm_m, width_factor
        # The night-time image is made from the truth, which was often asked for just before.
        self._truth_block = functools.lru_cache(maxsize=_KEPT_BLOCKS)(_truth_block)

    @property
    def kind(self) -> str:
        """``simulated``."""
        return "simulated"

    @property
    def label(self) -> str:
        """One line for people."""
        return f"Simulated planet (seed {self.seed})"

    @property
    def simulated(self) -> bool:
        """Always true."""
        return True

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing beyond what its label says."""
        return ()

    @property
    def usual_noise(self) -> Noise | None:
        """That of the simulated instrument."""
        return self._noise_of

    @property
    def bands(self) -> tuple[Band, ...]:
        """The nine bands of :data:`nightlights.bands.LANDSAT_BANDS`."""
        return LANDSAT_BANDS

    def describe(self) -> dict[str, Any]:
        """What makes this source again; what is as usual is left out, as in older datasets."""
        varied: dict[str, Any] = {}
        if self.point_spread.glow_share > 0:
            varied["glow_share"] = self.point_spread.glow_share
            varied["glow_fwhm_m"] = self.point_spread.glow_fwhm_m
        if self._noise_of != SIMULATED:
            varied["noise_share"] = self._noise_of.share
        if self._width_factor != 1:
            varied["width_factor"] = self._width_factor
        return {
            "planet_seed": self.seed,
            "planet_version": PLANET_VERSION,
            "point_spread_fwhm_m": self._nominal_m,
            **varied,
        }

    def estimate(self, window: Window) -> Estimate:
        """Time to compute all three images of ``window``, and their size on disk."""
        pixels = window.fine_shape[0] * window.fine_shape[1]
        return Estimate(
            pixels * _BYTES_PER_PIXEL + 4 * window.width * window.height, pixels / _PIXELS_PER_SECOND
        )

    def daytime(self, window: Window) -> NDArray[np.float32]:
        """The nine daytime bands, shape (9, 16 height, 16 width): reflectance (1) and temperature (K)."""
        image = np.empty((len(LANDSAT_BANDS), *window.fine_shape), np.float32)
        fill_blocks(image, window, self.seed, _daytime_block)
        return image

    def truth(self, window: Window) -> NDArray[np.float32]:
        """The hidden radiance in nW/cm2/sr, shape (16 height, 16 width)."""
        image = np.empty(window.fine_shape, np.float32)
        fill_blocks(image, window, self.seed, self._truth_block)
        return image

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        """What VIIRS would measure, in nW/cm2/sr, shape (height, width), with its noise floor.

        Observed a block at a time, each from the hidden radiance around it, so that a pixel's sum is
        added up in the same order whatever the window.
        """
        blocks = list(_blocks(window))
        margins = {block.row: self._margin(block) for block in blocks}
        outer = _needed(blocks, margins)
        fine = self.truth(outer)
        image = np.empty(window.shape, np.float32)
        for block in blocks:
            own = _viirs_window(block)
            around = own.expand(margins[block.row])
            light = ObservationOperator(around, self.point_spread).forward(fine[around.fine_slices_in(outer)])
            light = light[own.slices_in(around)] + self._noise(own, light[own.slices_in(around)])
            part = window.intersection(own)
            if part is not None:
                rounded = np.rint(light / _STEP) * _STEP
                image[part.slices_in(window)] = rounded[part.slices_in(own)]
        return image

    def _margin(self, block: Block) -> int:
        own = _viirs_window(block)
        return max(self.point_spread.margin(float(latitude)) for latitude in own.latitudes[[0, -1]])

    def _noise(self, own: Window, light: NDArray[np.float64]) -> NDArray[np.float64]:
        """Noise of the instrument: a floor, which takes dark pixels below 0, and a share of the light."""
        rows = np.arange(own.row, own.row + own.height, dtype=np.int64)[:, None]
        columns = np.arange(own.column, own.column + own.width, dtype=np.int64)[None]
        salts = (951, 953, 955, 957)
        draws = [unit(hashed(rows, columns, salt + self.seed * 7919)) for salt in salts]
        # Four uniform numbers add up to nearly a normal one, of variance 4 / 12.
        normal = (sum(draw.astype(np.float64) for draw in draws) - 2.0) * np.sqrt(3.0)
        return np.asarray(normal * (self._noise_of.floor + self._noise_of.share * light))


def _blocks(window: Window, seed: int = 0) -> Iterator[Block]:
    """Blocks that meet ``window``, row by row."""
    size = VIIRS_PER_BLOCK
    for row in range(window.row // size, (window.row + window.height - 1) // size + 1):
        for column in range(window.column // size, (window.column + window.width - 1) // size + 1):
            yield Block(row, column, seed)


def _viirs_window(block: Block) -> Window:
    """The VIIRS pixels of a block, cut off at the edge of the grid."""
    row, column = block.row * VIIRS_PER_BLOCK, block.column * VIIRS_PER_BLOCK
    return Window(
        column, row, min(VIIRS_PER_BLOCK, VIIRS_WIDTH - column), min(VIIRS_PER_BLOCK, VIIRS_HEIGHT - row)
    )


def _needed(blocks: list[Block], margins: dict[int, int]) -> Window:
    """The window that holds every block with its margin."""
    parts = [_viirs_window(block).expand(margins[block.row]) for block in blocks]
    column, row = min(part.column for part in parts), min(part.row for part in parts)
    east = max(part.column + part.width for part in parts)
    south = max(part.row + part.height for part in parts)
    return Window(column, row, east - column, south - row)


def fill_blocks(
    image: NDArray[np.float32], window: Window, seed: int, compute: Callable[[Block], Floats]
) -> None:
    """Fill the last two axes of ``image`` with the blocks that meet ``window``."""
    top, left = window.row * FINE_PER_VIIRS, window.column * FINE_PER_VIIRS
    for block in _blocks(window, seed):
        values = compute(block)
        row, column = block.row * BLOCK, block.column * BLOCK
        first_row, first_column = max(row, top), max(column, left)
        last_row = min(row + BLOCK, top + image.shape[-2])
        last_column = min(column + BLOCK, left + image.shape[-1])
        image[..., first_row - top : last_row - top, first_column - left : last_column - left] = values[
            ...,
            RIM + first_row - row : RIM + last_row - row,
            RIM + first_column - column : RIM + last_column - column,
        ]


def _daytime_block(block: Block) -> Floats:
    place = built(block)
    ground = surface(block, place)
    return bands(block, place, ground.shares, ground.illumination)


def _truth_block(block: Block) -> Floats:
    return radiance(block, built(block))
