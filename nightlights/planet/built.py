"""What people built in a block: houses, streets, highways, industry, ports and flares.

Both images come from this: the daytime image shows it, the radiance lights it. What decides the light but
not the look (a country's brightness, a village without electricity) is why neither tells the other alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightlights.planet.climate import Climate, climate
from nightlights.planet.districts import Districts, districts
from nightlights.planet.highways import highway_m
from nightlights.planet.lattice import PIXEL_M, SIDE, Block, Floats, hashed, smoothstep, unit
from nightlights.planet.settlements import Pattern, around, gazetteer, pattern
from nightlights.planet.water import Water, water
from nightlights.planet.wilderness import settled_share

_PATTERN_CELL = 4
_CENTRE = np.float64(_PATTERN_CELL)
_FLARE_CELL = 512
_FLARE_REACH = 24


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
    highway = np.clip(np.float32(0.5) - highway_m(block) * np.float32(1 / PIXEL_M), 0, 1)
    # Highways cross rivers and straits of a kilometre, not the sea.
    highway = highway * tame * np.maximum(land, smoothstep(-250, -150, wet.shore_m))
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
        _flares(block),
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


def _flares(block: Block) -> Floats:
    """Radiance of gas flares in nW/cm2/sr."""
    light = np.zeros((SIDE, SIDE), np.float32)
    rows, columns = block.cells(_FLARE_CELL, rim=1)

    def chance(number: int) -> NDArray[np.float64]:
        return unit(hashed(rows, columns, 601 + number + block.seed * 7919)).astype(np.float64).ravel()

    grid_rows, grid_columns = np.broadcast_arrays(rows, columns)
    row = (grid_rows.ravel() + chance(0)) * _FLARE_CELL
    column = (grid_columns.ravel() + chance(1)) * _FLARE_CELL
    # Oil fields: squares of some 120 km of which a few hold many flares.
    fields = unit(
        hashed(np.floor(row / 4096).astype(np.int64), np.floor(column / 4096).astype(np.int64), 607)
    )
    likely = np.where(fields > 0.8, 0.35, 0.015)
    distance, nearest = gazetteer().nearest(row, column)
    index = np.flatnonzero(
        (chance(2) < likely) & gazetteer().flaring[nearest] & (distance > 8_000) & (distance < 250_000)
    )
    strength = 150 * 10 ** (0.9 * chance(3))
    pixels = np.arange(SIDE, dtype=np.float32)
    for number in index.tolist():
        down = pixels[:, None] - np.float32(row[number] - block.first_row)
        across = (pixels[None] - np.float32(column[number] - block.first_column)) * block.cosine
        squared = down * down + across * across
        if float(squared.min()) < _FLARE_REACH**2:
            squared = np.minimum(squared, np.float32(_FLARE_REACH**2))
            light += np.float32(strength[number]) * (
                np.exp(squared * np.float32(-1 / 4.5))
                + np.float32(0.03) * np.exp(squared * np.float32(-1 / 70))
            )
    return light
