"""Where the simulated planet looks lit and is dark: bare sand, unlit settlements, water.

A trap is a pixel of the analysis grid whose true radiance is below :data:`~nightlights.metrics.LIT_FROM`
(0.5 nW/cm²/sr) and which is, by what the planet put there (:mod:`nightlights.planet.built`,
:mod:`nightlights.planet.surface`),

- **bare sand**: at least 0.9 of it is covered by sand, and nothing is settled, paved or roofed in it;
- **unlit settlement**: at least half of it is settled (roofs, streets, yards, gardens): villages without
  electricity, unlit informal districts, the dim rims of towns;
- **water**: at least 0.99 of it is water, and no highway crosses it.

No pixel is two of them. What a method predicts there is added up over pixels.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nightlights.grid import Window
from nightlights.metrics import LIT_FROM
from nightlights.planet.built import built
from nightlights.planet.lattice import Block, Floats
from nightlights.planet.radiance import radiance
from nightlights.planet.spectra import CLASSES
from nightlights.planet.surface import surface
from nightlights.records import Record
from nightlights.sources.simulated import fill_blocks
from standard.cities import City, Split

Trap = Literal["bare sand", "unlit settlements", "water"]
TRAPS: Final[tuple[Trap, ...]] = get_args(Trap)

SAND_SHARE: Final = 0.9
SETTLED_SHARE: Final = 0.5
WATER_SHARE: Final = 0.99

_PLACES: Final[dict[Split, tuple[City, ...]]] = {
    "test": (
        City("atar", "Africa", -13.05, 20.52),
        City("walvis-bay", "Africa", 14.50, -22.95),
        City("mbamou", "Africa", 15.43, -4.21),
        City("mwanza", "Africa", 32.90, -2.52),
        City("bangui", "Africa", 18.56, 4.39),
    ),
    "validation": (
        City("port-sudan", "Africa", 37.22, 19.62),
        City("ndjamena", "Africa", 15.05, 12.11),
        City("goma", "Africa", 29.23, -1.67),
    ),
    "training": (),
}
"""Squares chosen by the trap pixels that they hold on both planets, before anything was predicted there.

Of each square on planet 1: Atar 30 % bare sand; Walvis Bay 51 % bare sand and 34 % water; Mbamou, the island
in the Congo, 36 % water beside two bright capitals; Mwanza 42 % water and 4 % unlit settlements; Bangui 9 %
unlit settlements.
"""


def trap_places(split: Split) -> tuple[City, ...]:
    """The squares that are looked at for traps besides the cities of ``split``."""
    return _PLACES[split]


class TrapSum(Record):
    """Predicted radiance in the traps of one kind, added up over analysis pixels.

    ``predicted`` and ``truth`` are sums of radiance in nW/cm2/sr.
    """

    trap: Trap
    pixels: int
    predicted: float
    truth: float


def trap_masks(window: Window, seed: int) -> dict[Trap, NDArray[np.bool_]]:
    """The traps of ``window`` on the planet ``seed``, each of shape (16 height, 16 width)."""
    kinds = np.zeros(window.fine_shape, np.float32)
    fill_blocks(kinds, window, seed, _kinds)
    return {trap: kinds == number for number, trap in enumerate(TRAPS, start=1)}


def trap_sums(
    predicted: NDArray[np.floating[Any]],
    truth: NDArray[np.floating[Any]],
    masks: dict[Trap, NDArray[np.bool_]],
) -> Iterator[TrapSum]:
    """Sums over the pixels of each kind of trap where the prediction is known.

    Parameters
    ----------
    predicted, truth:
        Radiance in nW/cm2/sr, shape (16 height, 16 width); NaN where missing.
    """
    known = np.isfinite(predicted)
    for trap, mask in masks.items():
        chosen = mask & known
        yield TrapSum(
            trap=trap,
            pixels=int(chosen.sum()),
            predicted=float(predicted[chosen].sum(dtype=np.float64)),
            truth=float(truth[chosen].sum(dtype=np.float64)),
        )


def _kinds(block: Block) -> Floats:
    """1, 2, 3 in the traps in their order, 0 elsewhere; shape (SIDE, SIDE)."""
    place = built(block)
    ground = surface(block, place)
    share = dict(zip(CLASSES, ground.shares, strict=True))
    untouched = (place.urban == 0) & (place.highway == 0) & (place.main_street == 0)
    dark = radiance(block, place) < LIT_FROM
    sand = dark & untouched & (share["sand"] >= SAND_SHARE)
    settled = dark & (place.urban >= SETTLED_SHARE)
    wet = dark & (place.highway == 0) & (place.water.share >= WATER_SHARE)
    return np.select([sand, settled, wet], [1, 2, 3], 0).astype(np.float32)
