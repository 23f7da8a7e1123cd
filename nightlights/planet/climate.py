"""Climate on a lattice of some 30 km: aridity and warmth."""

from dataclasses import dataclass

import numpy as np

from nightlights.planet.lattice import Block, Floats, latitude, longitude

_CELL = 1024

# Centre in degrees, radii in degrees, and how much drier (+) or wetter (-) than the latitude tells.
_ANOMALIES = (
    (5, 23, 22, 7, 0.45), (27, 24, 10, 8, 0.45), (47, 23, 10, 9, 0.45), (65, 28, 9, 5, 0.3),
    (72, 27, 4, 4, 0.2), (85, 40, 10, 4, 0.55), (105, 43, 10, 4, 0.4), (60, 42, 10, 5, 0.4),
    (20, -24, 6, 5, 0.25), (14, -22, 2.5, 8, 0.35), (-70, -24, 2.5, 7, 0.5), (-113, 35, 7, 5, 0.4),
    (-104, 28, 5, 5, 0.2), (-68, -44, 4, 7, 0.35), (132, -25, 13, 7, 0.35), (45, 6, 6, 6, 0.4),
    (38, 15, 5, 4, 0.25), (-62, -5, 14, 9, -0.2), (22, 0, 11, 6, -0.15), (105, 15, 12, 10, -0.45),
    (84, 24, 8, 4, -0.25), (76, 12, 5, 6, -0.2), (113, 27, 10, 6, -0.5), (-84, 33, 11, 6, -0.5),
    (138, 36, 7, 6, -0.45), (-48, -24, 9, 7, -0.5), (31, -28, 4, 6, -0.25), (150, -31, 4, 7, -0.35),
    (8, 48, 12, 7, -0.12), (90, 25, 6, 4, -0.3), (-90, 17, 6, 5, -0.35), (121, 14, 7, 10, -0.4),
    (40, -18, 8, 6, -0.2), (-60, -33, 6, 4, -0.3), (172, -41, 8, 7, -0.3),
)  # fmt: skip


@dataclass(frozen=True)
class Climate:
    """Climate of a block, arrays of shape (SIDE, SIDE).

    Attributes
    ----------
    aridity:
        0 (rain forest) to 1 (desert).
    warmth_k:
        Brightness temperature of moist open land at the time of the daytime image, in kelvin.
    """

    aridity: Floats
    warmth_k: Floats


def climate(block: Block) -> Climate:
    """The climate of a block."""
    rows, columns = block.nodes(_CELL)
    angle = latitude(rows * _CELL)
    turn = longitude(columns * _CELL)
    belt = 0.62 * np.exp(-(((np.abs(angle) - 25) / 11) ** 2))
    aridity = 0.14 + belt + 0.2 * np.exp(-(((np.abs(angle) - 48) / 16) ** 2)) + 0 * turn
    for east, north, wide, high, change in _ANOMALIES:
        aridity = aridity + change * np.exp(-(((turn - east) / wide) ** 2) - ((angle - north) / high) ** 2)
    rough = block.noise_nodes(_CELL, 101) * np.float32(0.035)
    values: Floats = np.clip(aridity, 0.02, 1).astype(np.float32) + rough
    warmth = 300 - 19 * np.clip((np.abs(angle) - 12) / 55, 0, 1) ** 1.3 + 0 * turn
    warmth_k: Floats = warmth.astype(np.float32) + values * np.float32(5) + block.noise_nodes(_CELL, 103)
    return Climate(np.clip(block.upsampled(values, _CELL), 0, 1), block.upsampled(warmth_k, _CELL))
