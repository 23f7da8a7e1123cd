"""What people built in a block: houses, streets, highways, industry, ports and flares.

Both images come from this: the daytime image shows it, the radiance lights it. What decides the light but
not the look (a country's brightness, a village without electricity) is why neither tells the other alone.
"""

from dataclasses import dataclass

import numpy as np

from nightlights.planet.climate import Climate, climate
from nightlights.planet.fabric import Fabric, fabric
from nightlights.planet.flares import flares
from nightlights.planet.highways import highway_m
from nightlights.planet.lattice import NODE, PIXEL_M, SIDE, Block, Floats, smoothstep, unit
from nightlights.planet.settlements import Pattern, around, pattern
from nightlights.planet.water import Water, water
from nightlights.planet.wilderness import settled_share

_ONE = np.float32(1)
_EMPTY = 0.05
"""Influence below which nothing is built, whatever the roughness of edges."""


@dataclass(frozen=True)
class Kinds:
    """What city blocks are; arrays of shape (SIDE, SIDE), 0 or 1 unless said.

    Attributes
    ----------
    park, industry, trade, informal, port:
        Their kind; trade is shops, markets, schools and offices with a hall and a parking lot.
    hall:
        1 where the large roof lies, were the block one of industry or trade.
    dark:
        Informal housing without street lamps or mains.
    leafy:
        0 to 1: quarters with gardens and fewer houses.
    own:
        Brightness that nothing by day tells, 1 in the mean.
    """

    park: Floats
    industry: Floats
    trade: Floats
    informal: Floats
    port: Floats
    hall: Floats
    dark: Floats
    leafy: Floats
    own: Floats


@dataclass(frozen=True)
class Built:
    """What is built in a block; arrays of shape (SIDE, SIDE), shares from 0 to 1.

    Attributes
    ----------
    houses:
        Share of each pixel under roofs.
    street, main_street, highway:
        Share of each pixel under lesser streets, main streets and highways.
    urban:
        Share of each pixel that is settled at all: roofs, streets, yards and gardens.
    core, wealth, size, brightness:
        Of the settlement; see :class:`~nightlights.planet.settlements.Pattern`.
    influence:
        Sum of the influences of settlements, before roughening: smooth, beyond the edge of towns too.
    kinds:
        What each city block is.
    chance:
        Numbers from 0 to 1 of the city blocks, shape (8, SIDE, SIDE).
    across:
        Position within the city block from one side to the other, -1 to 1.
    street_lamps, main_lamps:
        How well the nearest lesser street is lit, 0 to 1, and main streets, about 1.
    flare:
        Light of gas flares in nW/cm2/sr.
    """

    climate: Climate
    water: Water
    houses: Floats
    street: Floats
    main_street: Floats
    highway: Floats
    urban: Floats
    core: Floats
    wealth: Floats
    size: Floats
    brightness: Floats
    influence: Floats
    kinds: Kinds
    chance: Floats
    across: Floats
    street_lamps: Floats
    main_lamps: Floats
    flare: Floats


def built(block: Block) -> Built:
    """What is built in a block."""
    weather = climate(block)
    wet = water(block, weather.aridity)
    people = around(block)
    node_rows, node_columns = block.nodes(NODE)
    nodes = pattern(people, np.float64(NODE) * node_rows, np.float64(NODE) * node_columns)
    found = Pattern(
        *(
            block.upsampled(values, NODE)
            for values in (nodes.density, nodes.core, nodes.brightness, nodes.wealth, nodes.grid, nodes.size)
        )
    )
    if float(nodes.density.max()) < _EMPTY:
        return _empty(block, weather, wet, found)
    tame = settled_share(block)
    land = (_ONE - wet.share) * tame
    ripple = block.noise(16, 507)
    town = fabric(block, found.grid, ripple)
    chance = town.chance
    urban = _urban(block, town, nodes, found) * land
    kinds = _kinds(block, town, nodes, wet)
    # Houses stand closer towards the centre, and closer where people are poor.
    core, wealth = found.core, found.wealth
    close = np.float32(0.34) + np.float32(0.42) * core + np.float32(0.2) * kinds.informal
    close -= np.float32(0.12) * wealth * (_ONE - core)
    close -= np.float32(0.1) * kinds.leafy
    lots = unit(block.hashes(505))
    fill = close * (np.float32(0.45) + np.float32(0.6) * chance[0] + np.float32(0.5) * lots)
    # Wide blocks have courtyards, or gardens in their middle.
    inner = smoothstep(18, 50, np.minimum(town.street_m, town.arterial_m)) * (_ONE - kinds.informal)
    fill *= _ONE - np.float32(0.7) * inner * chance[5]
    fill += (np.float32(0.03) + np.float32(0.9) * kinds.hall - fill) * np.maximum(
        np.maximum(kinds.industry, kinds.trade), kinds.port
    )
    open_space = _ONE - np.float32(0.94) * kinds.park
    # Arterials are wide here and narrow there, and end where the town does.
    importance = smoothstep(-1.0, 1.0, block.noise(64, 509))
    width = np.float32(8) + np.float32(10) * wealth + np.float32(8) * core
    width *= town.rank * (np.float32(0.25) + importance) * smoothstep(0.42, 0.7, found.density)
    main_street = _cover(town.arterial_m, width) * land
    street = _cover(town.street_m, np.float32(4) + np.float32(3) * wealth) * urban * open_space
    street *= _ONE - main_street
    highway = _highway(block, wet, tame)
    roads = np.maximum(np.maximum(main_street, street), highway)
    houses = np.clip(fill, 0, 0.95) * urban * open_space * (_ONE - roads)
    lamps = (np.float32(0.3) + np.float32(0.7) * importance + np.float32(0.4) * town.rank) * (
        (_ONE + np.float32(0.2) * ripple) * (_ONE - np.float32(0.7) * kinds.dark)
    )
    return Built(
        weather,
        wet,
        houses,
        street,
        main_street,
        highway,
        urban,
        core,
        wealth,
        found.size,
        found.brightness,
        found.density,
        kinds,
        chance,
        town.across,
        town.lamps,
        lamps,
        flares(block),
    )


def _empty(block: Block, weather: Climate, wet: Water, found: Pattern) -> Built:
    """A block without settlement: at most a highway and flares."""
    none = np.zeros((SIDE, SIDE), np.float32)
    return Built(
        climate=weather,
        water=wet,
        houses=none,
        street=none,
        main_street=none,
        highway=_highway(block, wet, settled_share(block)),
        urban=none,
        core=none,
        wealth=found.wealth,
        size=found.size,
        brightness=found.brightness,
        influence=found.density,
        kinds=Kinds(*(none,) * 9),
        chance=np.zeros((8, SIDE, SIDE), np.float32),
        across=none,
        street_lamps=none,
        main_lamps=none,
        flare=flares(block),
    )


def _highway(block: Block, wet: Water, tame: Floats) -> Floats:
    """Share of each pixel under highways."""
    share = np.clip(np.float32(0.5) - highway_m(block) * np.float32(1 / PIXEL_M), 0, 1)
    # Highways cross rivers and straits of half a kilometre, not the sea.
    return np.asarray(
        share * tame * np.maximum(np.float32(1) - wet.share, smoothstep(-250, -150, wet.shore_m))
    )


def _cover(distance_m: Floats, half_width_m: Floats) -> Floats:
    """Share of a pixel under a road whose middle is ``distance_m`` away."""
    half_pixel = np.float32(PIXEL_M / 2)
    share = (half_width_m + half_pixel - distance_m) * np.float32(1 / PIXEL_M)
    return np.asarray(np.clip(share, 0, np.minimum(half_width_m * np.float32(2 / PIXEL_M), 1)))


def _urban(block: Block, town: Fabric, nodes: Pattern, found: Pattern) -> Floats:
    """How much of each pixel is settled: towns end in fingers and patches, along city blocks."""
    rough = np.float32(0.13) * block.fractal_nodes((256, 128, 64), 501, 0.5, NODE)
    rough += np.float32(0.1) * block.fractal_nodes((32, 16, 8), 502, 0.7, NODE)
    near = np.minimum(nodes.density * np.float32(2.5), 1)
    level = town.sampled(nodes.density + rough * near)
    level += (town.chance[4] - np.float32(0.5)) * np.minimum(found.density, np.float32(0.25))
    fringe = smoothstep(0.2, 0.42, level) * np.float32(0.35) * (town.chance[6] > np.float32(0.5))
    return np.asarray(np.maximum(smoothstep(0.42, 0.56, level), fringe))


def _uniform(block: Block, cells: tuple[int, ...], salt: int) -> Floats:
    """A smooth random field at the nodes whose values spread about evenly from 0 to 1."""
    values: Floats = block.fractal_nodes(cells, salt, 0.6, NODE)
    return np.asarray(_ONE / (_ONE + np.exp(np.float32(-1.7) * values)))


def _kinds(block: Block, town: Fabric, nodes: Pattern, wet: Water) -> Kinds:
    """What city blocks are: smooth fields at their centres, and a number of their own."""
    chance, wealth = town.chance, nodes.wealth
    no_town = (nodes.size <= 0.4) * np.float32(2)
    works = _uniform(block, (64, 32, 16), 511)
    ashore = np.abs(wet.shore_m) < 560
    harbour = works - np.float32(0.72) - (nodes.size <= 0.55) - (nodes.density <= 0.4)
    port = ashore & (town.sampled(np.asarray(harbour, np.float32)) > 0)
    green = np.float32(0.02) + np.float32(0.05) * wealth - _uniform(block, (64, 32, 16), 513) - no_town
    park = town.sampled(green) + np.float32(0.04) * (chance[1] - np.float32(0.5)) > 0
    park = (park | (chance[1] > 0.99)) & ~port
    yards = (
        town.sampled(works - np.float32(0.95) - np.float32(0.3) * nodes.core - no_town)
        + np.float32(0.2) * town.coarse
    )
    industry = (yards + np.float32(0.08) * (chance[2] - np.float32(0.5)) > 0) & ~port & ~park
    # One field leads from the quarters of the poor to those with gardens.
    comfort = _uniform(block, (128, 64, 32), 515)
    slum = np.float32(0.75) * (_ONE - wealth) ** 1.5 - comfort
    poor = town.sampled(slum) + np.float32(0.16) * (chance[1] - np.float32(0.5)) > 0
    informal = poor & ~port & ~park & ~industry
    fronts = (town.arterial_m < 130) & (town.rank > 0.7)
    shops = chance[2] + np.float32(0.245) * fronts > np.float32(0.965)
    trade = shops & (town.sampled(no_town) == 0) & ~port & ~park & ~industry & ~informal
    hall = np.abs(town.across + np.float32(0.5) * (chance[6] - np.float32(0.5))) < np.float32(0.78)
    hall &= np.abs(town.along) < np.float32(0.3) + np.float32(0.55) * chance[7]
    # Which of two places that look alike is brighter, nothing by day tells.
    fortune = town.sampled(block.fractal_nodes((64, 32, 16), 519, 0.5, NODE))
    mains = fortune + np.float32(0.4) * (chance[5] - np.float32(0.5))
    dark = informal & (mains < town.sampled(np.float32(0.15) - np.float32(1.8) * wealth))
    leafy = town.sampled(smoothstep(0.45, 0.95, comfort)) * ~(informal | industry | trade | port)
    own = np.float32(0.25) * fortune + np.float32(0.8) * (chance[3] - np.float32(0.5))
    shares = [
        np.asarray(kind, np.float32)
        for kind in (park, industry, trade, informal, port, hall, dark, leafy, np.exp(own))
    ]
    return Kinds(*shares)
