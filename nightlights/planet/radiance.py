"""The hidden radiance of a block: what lights it, in nW/cm2/sr on the analysis grid."""

import numpy as np

from nightlights.planet.built import Built
from nightlights.planet.lattice import Block, Floats, smoothstep

_STEP = np.float32(0.001)


def radiance(block: Block, place: Built) -> Floats:
    """Radiance in nW/cm2/sr, shape (SIDE, SIDE), in steps of 0.001."""
    land = np.float32(1) - place.water.share
    level = place.brightness * (np.float32(0.2) + np.float32(0.8) * place.size)
    level = level * (np.float32(11.5) + np.float32(33) * place.core)
    kinds = place.kinds
    works = np.maximum(kinds.industry, kinds.trade)
    kind = np.float32(1) + np.float32(0.9) * works
    kind -= np.float32(0.6) * kinds.informal + np.float32(0.75) * kinds.park
    kind *= kinds.own
    kind += (np.float32(0.06) - kind) * kinds.dark
    # Streets are lit one by one, fewer of them where people are poor.
    lit = place.street_lamps - np.float32(0.5) * (np.float32(1) - place.wealth)
    lamps = smoothstep(-0.1, 0.1, lit) * (np.float32(0.7) + place.street_lamps)
    lots = works * np.maximum(place.urban - place.houses - place.street - place.main_street, 0)
    fabric = (
        np.float32(0.6) * place.houses
        + np.float32(1.5) * place.street * lamps
        + np.float32(0.6) * lots
        + np.float32(0.12) * place.urban
    )
    # Lamps along main streets are the town's, whatever stands beside them.
    mains = np.float32(5.5) * place.main_street * place.main_lamps
    near = smoothstep(0.04, 0.35, place.influence)
    roads = place.highway * place.brightness * place.wealth * (np.float32(1) + np.float32(22) * near)
    quays = np.float32(8) + np.float32(22) * place.chance[5] + np.float32(24) * place.houses
    ports = kinds.port * place.urban * np.sqrt(place.brightness) * quays
    glow = np.float32(0.04) * level * place.size * np.minimum(place.influence, 1)
    dim = np.float32(0.1) + land * np.float32(0.12) + np.float32(0.03) * block.noise(1024, 701)
    total = level * (kind * fabric + mains) + roads + ports + glow + place.flare + np.maximum(dim, 0.02)
    return np.asarray(np.rint(total / _STEP) * _STEP, np.float32)
