"""The hidden radiance of a block: what lights it, in nW/cm2/sr on the analysis grid."""

import numpy as np

from nightlights.planet.built import Built
from nightlights.planet.lattice import Block, Floats, smoothstep

_STEP = np.float32(0.001)


def radiance(block: Block, place: Built) -> Floats:
    """Radiance in nW/cm2/sr, shape (SIDE, SIDE), in steps of 0.001."""
    land = np.float32(1) - place.water.share
    level = place.brightness * (np.float32(0.2) + np.float32(0.8) * place.size)
    level = level * (np.float32(11) + np.float32(30) * place.core)
    # Of two districts that look alike one is brighter, and nothing by day tells which.
    own = np.exp(np.float32(1.1) * (place.chance[3] - np.float32(0.5)))
    kind = (
        np.float32(1)
        + np.float32(0.9) * place.industry
        - np.float32(0.6) * place.informal
        - np.float32(0.75) * place.park
    )
    dark = (place.informal > 0) & (place.chance[2] < np.float32(0.55) - np.float32(0.6) * place.wealth)
    kind = np.where(dark, np.float32(0.06), kind)
    fabric = (
        np.float32(0.6) * place.houses
        + np.float32(1.5) * place.street
        + np.float32(5.5) * place.main_street
        + np.float32(0.12) * place.urban
    )
    near = smoothstep(0.04, 0.35, place.influence)
    roads = place.highway * place.brightness * place.wealth * (np.float32(1) + np.float32(22) * near)
    ports = place.port * place.urban * np.sqrt(place.brightness) * np.float32(32)
    glow = np.float32(0.04) * level * place.size * np.minimum(place.influence, 1)
    dim = np.float32(0.1) + land * np.float32(0.12) + np.float32(0.03) * block.noise(1024, 701)
    total = level * own * kind * fabric + roads + ports + glow + place.flare + np.maximum(dim, 0.02)
    return np.asarray(np.rint(total / _STEP) * _STEP, np.float32)
