"""What people built in a block: houses, streets, highways, industry, ports and flares.

Both images come from this: the daytime image shows it, the radiance lights it. What decides the light but
not the look (a country's brightness, a village without electricity) is why neither tells the other alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightlights.planet.climate import Climate, climate
from nightlights.planet.districts import Districts, districts
from nightlights.planet.flares import flares
from nightlights.planet.highways import highway_m
from nightlights.planet.lattice import PIXEL_M, SIDE, Block, Floats, smoothstep, unit
from nightlights.planet.settlements import Pattern, around, pattern
from nightlights.planet.water import Water, water
from nightlights.planet.wilderness import settled_share

_EMPTY = 0.05
"""Influence below which nothing is built, whatever the roughness of edges."""
_PATTERN_CELL = 4
_CENTRE = np.float64(_PATTERN_CELL)


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
    park, industry, informal, port:
        1 in districts of that kind.
    chance:
        Numbers from 0 to 1 of the districts, shape (4, SIDE, SIDE).
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
    park: Floats
    industry: Floats
    informal: Floats
    port: Floats
    chance: NDArray[np.float32]
    flare: Floats


def built(block: Block) -> Built:
    """What is built in a block."""
    weather = climate(block)
    wet = water(block, weather.aridity)
    people = around(block)
    node_rows, node_columns = block.nodes(_PATTERN_CELL)
    nodes = pattern(people, _CENTRE * node_rows, _CENTRE * node_columns)
    found = Pattern(
        *(
            block.upsampled(values, _PATTERN_CELL)
            for values in (nodes.density, nodes.core, nodes.brightness, nodes.wealth, nodes.grid, nodes.size)
        )
    )
    if float(nodes.density.max()) < _EMPTY:
        return _empty(block, weather, wet, found)
    parts = districts(block, people)
    tame = settled_share(block)
    land = (np.float32(1) - wet.share) * tame
    # Towns end in fingers and patches, not in circles.
    rough = np.float32(0.13) * block.fractal((256, 128, 64), 501)
    rough += np.float32(0.1) * block.fractal((32, 16, 8), 502, 0.7)
    rough += np.float32(0.3) * (parts.chance[0] - np.float32(0.5))
    level = found.density + rough * np.minimum(found.density * np.float32(2.5), np.float32(1))
    settled = smoothstep(0.4, 0.58, level)
    scattered = smoothstep(0.3, 1.0, block.noise(16, 503))
    fringe = smoothstep(0.2, 0.42, level) * np.float32(0.35) * scattered
    urban = np.maximum(settled, fringe) * land
    park, industry, informal, port = _kinds(parts, wet)
    # Houses stand closer towards the centre, and closer where people are poor.
    close = np.float32(0.34) + np.float32(0.42) * found.core + np.float32(0.2) * informal
    close = (
        close - np.float32(0.12) * found.wealth * (np.float32(1) - found.core) + np.float32(0.22) * industry
    )
    lots = unit(block.hashes(505))
    fill = close * (np.float32(0.55) + np.float32(0.9) * lots)
    open_space = np.float32(1) - np.float32(0.94) * park
    # Main streets are wide here and narrow there, and some boundaries of districts have none.
    importance = smoothstep(-0.9, 0.9, block.noise(64, 509))
    main_width = np.float32(9) + np.float32(10) * found.wealth + np.float32(8) * found.core
    main_street = _cover(parts.edge_m, main_width * (np.float32(0.25) + importance))
    main_street *= smoothstep(0.1, 0.5, urban)
    street = _cover(parts.street_m, np.float32(4) + np.float32(3) * found.wealth) * urban * open_space
    street = street * (np.float32(1) - main_street)
    highway = _highway(block, wet, tame)
    roads = np.maximum(np.maximum(main_street, street), highway)
    houses = np.clip(fill, 0, 0.95) * urban * open_space * (np.float32(1) - roads)
    return Built(
        weather,
        wet,
        houses,
        street,
        main_street,
        highway,
        urban,
        found.core,
        found.wealth,
        found.size,
        found.brightness,
        found.density,
        park,
        industry,
        informal,
        port,
        parts.chance,
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
        park=none,
        industry=none,
        informal=none,
        port=none,
        chance=np.zeros((4, SIDE, SIDE), np.float32),
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


def _kinds(parts: Districts, wet: Water) -> tuple[Floats, Floats, Floats, Floats]:
    """Which districts are parks, industry, informal housing and ports; 0 or 1."""
    chance = parts.chance[1]
    town = parts.size > 0.4
    coast = (np.abs(wet.shore_m) < 560) & (parts.size > 0.55) & (parts.density > 0.4)
    port = coast & (chance > 0.84)
    park = (chance < np.float32(0.03) + np.float32(0.06) * parts.wealth) & town & ~port
    industry = (chance > 0.1) & (chance < np.float32(0.2)) & town & ~port
    slum = np.float32(0.75) * (np.float32(1) - parts.wealth) ** 1.5
    informal = (chance > 0.2) & (chance < np.float32(0.2) + slum) & ~port
    return (
        park.astype(np.float32),
        industry.astype(np.float32),
        informal.astype(np.float32),
        port.astype(np.float32),
    )
