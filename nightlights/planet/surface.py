"""What covers the ground of a block, as shares of spectral classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightlights.planet.built import Built
from nightlights.planet.lattice import SIDE, Block, Floats, hashed, smoothstep, unit
from nightlights.planet.spectra import CLASSES

_ONE = np.float32(1)


@dataclass(frozen=True)
class Surface:
    """The ground of a block.

    Attributes
    ----------
    shares:
        Share of each class of :data:`~nightlights.planet.spectra.CLASSES`, shape (classes, SIDE, SIDE);
        they add up to 1.
    illumination:
        Factor on reflectance from relief and roofs, shape (SIDE, SIDE).
    """

    shares: NDArray[np.float32]
    illumination: Floats


def surface(block: Block, place: Built) -> Surface:
    """The ground of a block."""
    shares = np.zeros((len(CLASSES), SIDE, SIDE), np.float32)
    share = dict(zip(CLASSES, shares, strict=True))
    if float(place.water.share.min()) < 1:
        _nature(block, place, share)
        _settlement(block, place, share)
    beach = smoothstep(70, 25, place.water.shore_m) * smoothstep(-0.3, 0.5, block.noise(64, 801))
    sandy = np.maximum(beach * (_ONE - place.urban), place.water.sandy)
    wet = place.water.share * (_ONE - place.highway)
    dry = (_ONE - wet) * (_ONE - sandy)
    shares *= dry
    share["sand"] += sandy * (_ONE - wet)
    share["clear water"] += wet * (_ONE - place.water.turbid)
    share["turbid water"] += wet * place.water.turbid
    return Surface(shares, _illumination(block, place))


def _nature(block: Block, place: Built, share: dict[str, Floats]) -> None:
    """Vegetation, fields and bare ground, where nothing is built."""
    aridity = place.climate.aridity
    dryness: Floats = np.float32(1.3) * aridity
    lush = np.float32(1.12) - dryness
    lush = lush + np.float32(0.1) * block.fractal((512, 256, 128), 811)
    # Wet ground along rivers stays green in a desert.
    lush += np.float32(0.45) * smoothstep(900, 60, place.water.bank_m)
    fine = block.fractal((64, 32, 16, 8, 4), 813, 0.75)
    trees = smoothstep(0.45, 1.0, lush + np.float32(0.15) * fine)
    cover = smoothstep(0.0, 0.6, lush - np.float32(0.06) * fine + np.float32(0.07) * block.noise(32, 815))
    people: Floats = np.minimum(place.influence, _ONE)
    tended = smoothstep(-0.3, 0.5, block.fractal((256, 128), 817) + np.float32(1.6) * people)
    farmed = smoothstep(0.12, 0.35, lush) * tended
    farmed *= np.float32(0.9) * smoothstep(0.97, 0.75, trees)
    state = _parcels(block, place)
    planted = smoothstep(0.6, 0.35, state) * smoothstep(0.1, 0.5, lush)
    fallow = smoothstep(0.65, 0.9, state)
    wild = _ONE - farmed
    grass = (cover - trees * cover) * wild
    green = smoothstep(0.3, 0.8, lush + np.float32(0.06) * fine)
    share["forest"] += trees * cover * wild
    share["green grass"] += grass * green
    share["dry grass"] += grass * (_ONE - green) + farmed * (_ONE - planted) * (_ONE - fallow)
    share["crops"] += farmed * planted
    bare = (_ONE - cover) * wild + farmed * (_ONE - planted) * fallow
    dunes = smoothstep(0.55, 0.85, aridity + np.float32(0.12) * block.fractal((512, 256, 64), 819))
    stony = smoothstep(0.5, 1.2, block.fractal((256, 128, 64, 32, 16), 821, 0.7)) * smoothstep(
        0.3, 0.6, aridity
    )
    tropics = smoothstep(30, 5, _latitudes(block)) - np.float32(0.4)
    reddish = smoothstep(-0.8, 0.8, block.noise(1024, 823) + tropics)
    rocky = bare * stony
    bare = bare - rocky
    loose = bare * dunes
    bare = bare - loose
    share["rock"] += rocky
    share["sand"] += loose
    share["red soil"] += bare * reddish
    share["brown soil"] += bare * (_ONE - reddish)


def _latitudes(block: Block) -> Floats:
    """Absolute latitude of each row in degrees, shape (SIDE, 1)."""
    return np.asarray(np.degrees(np.arccos(block.cosine)), np.float32)


def _parcels(block: Block, place: Built) -> Floats:
    """A number from 0 to 1 for each field: oblique rectangles, larger where farms are rich."""
    rows = np.arange(SIDE, dtype=np.float32)[:, None] + np.float32(block.first_row % 4096)
    columns = np.arange(SIDE, dtype=np.float32)[None] + np.float32(block.first_column % 4096)
    bend = block.fractal((256, 128), 831) * np.float32(14)
    size = 9.0
    along = np.floor((rows + np.float32(0.35) * columns + bend) * np.float32(1 / size))
    across = np.floor((columns - np.float32(0.35) * rows - bend) * np.float32(0.6 / size))
    return unit(hashed(along.astype(np.int64), across.astype(np.int64), 833 + block.seed * 7919))


def _settlement(block: Block, place: Built, share: dict[str, Floats]) -> None:
    """Roofs, streets and yards over the natural ground."""
    if not place.urban.any() and not place.highway.any():
        return
    kinds = place.kinds
    works = np.maximum(kinds.industry, kinds.trade)
    roads = np.minimum(np.maximum(place.main_street, place.street) + place.highway, 1)
    paved_share = np.clip(np.float32(0.25) + np.float32(1.1) * place.wealth, 0, 1)
    lesser = place.street * (_ONE - place.main_street)
    unpaved = lesser * (_ONE - paved_share)
    ground = np.clip(place.urban - place.houses - roads, 0, 1)
    kept = np.clip(_ONE - np.maximum(place.urban, roads), 0, 1)
    # Gardens follow wealth and climate: their share of the open ground between houses.
    moist = smoothstep(0.75, 0.2, place.climate.aridity)
    tended = np.float32(0.3) + np.float32(0.6) * place.chance[1] + np.float32(1.2) * kinds.leafy
    gardens = ground * np.clip(
        tended * moist * (np.float32(0.3) + np.float32(0.55) * place.wealth - np.float32(0.45) * place.core)
        + kinds.park * (np.float32(0.3) + moist) * (np.float32(0.65) - np.float32(0.3) * place.chance[5])
        - np.float32(0.35) * works
        - np.float32(0.2) * kinds.informal,
        0,
        1,
    )
    yards = ground - gardens
    for values in share.values():
        values *= kept
    wooded = place.chance[4] * (_ONE - np.float32(0.7) * kinds.park)
    wooded += np.float32(0.3) * kinds.leafy * kinds.park
    trees = gardens * (np.float32(0.15) + np.float32(0.55) * wooded)
    lawns = gardens - trees
    share["forest"] += trees
    share["green grass"] += lawns * moist
    share["dry grass"] += lawns * (_ONE - moist)
    hard = np.clip(np.float32(0.15) + place.core + np.float32(0.7) * works, 0, 1) * yards
    soil = yards - hard
    share["concrete"] += np.float32(0.5) * hard
    share["asphalt"] += np.float32(0.5) * hard + roads - unpaved
    dusty = smoothstep(0.4, 0.7, place.climate.aridity)
    share["red soil"] += (soil + unpaved) * np.float32(0.5) * (_ONE - dusty)
    share["brown soil"] += (soil + unpaved) * np.float32(0.5)
    share["sand"] += (soil + unpaved) * np.float32(0.5) * dusty
    halls = np.maximum(works, kinds.port)
    shiny = np.float32(0.15) + np.float32(0.55) * place.chance[5]
    rusty = kinds.informal * np.float32(0.85) * (_ONE - halls)
    tall = np.clip(place.core * np.float32(1.3) + np.float32(0.5) * place.chance[2] ** 2, 0, 1)
    tall = tall * (_ONE - halls) * (_ONE - rusty)
    share["metal roofs"] += place.houses * halls * shiny
    share["concrete"] += place.houses * (tall + (_ONE - shiny) * halls)
    share["rusty roofs"] += place.houses * rusty
    share["tiled roofs"] += place.houses * np.clip(_ONE - halls - rusty - tall, 0, 1)


def _illumination(block: Block, place: Built) -> Floats:
    """Factor on reflectance: slopes towards or away from the sun, and the hues of single roofs."""
    light: Floats = np.ones((SIDE, SIDE), np.float32)
    for cell, weight in ((256, 3.0), (64, 1.2), (16, 0.5)):
        down, across = block.slopes(block.noise_nodes(cell, 841), cell)
        light += (across - down) * np.float32(weight * 1.6)
    hilly = np.float32(1.2) * smoothstep(-0.2, 1.4, block.noise(1024, 843))
    light = _ONE + (light - _ONE) * (np.float32(0.12) + hilly)
    light = _ONE + (light - _ONE) * (_ONE - place.water.share) * (_ONE - np.float32(0.7) * place.urban)
    roofs = unit(block.hashes(845)) - np.float32(0.5)
    tone = np.float32(0.4) * (place.chance[6] - np.float32(0.5))
    tone += (np.float32(0.22) + np.float32(0.2) * place.kinds.informal) * roofs
    # High houses of a city's centre throw their shadows on one side of the block.
    shade = np.float32(0.3) * place.core * place.chance[7] * place.across
    light += (np.float32(0.05) * roofs + (tone - shade) * place.houses) * (_ONE - place.water.share)
    return np.asarray(np.clip(light, 0.45, 1.6))
