"""Places within or beside large cities where nobody lives: dark, and next to much light."""

from typing import NamedTuple

import numpy as np

from nightlights.planet.lattice import PIXEL_M, Block, Floats, column_of, row_of, smoothstep


class Wild(NamedTuple):
    """An ellipse without settlement: centre in degrees, half axes in metres."""

    longitude: float
    latitude: float
    east_m: float
    north_m: float


_WILD = (
    Wild(15.445, -4.205, 13_000, 12_000),  # Mbamou, the island in the Congo between two capitals
    Wild(36.87, -1.385, 9_500, 5_500),  # Nairobi National Park
    Wild(-43.27, -22.955, 6_500, 4_500),  # Tijuca Forest, Rio de Janeiro
    Wild(72.905, 19.23, 5_000, 7_500),  # Sanjay Gandhi National Park, Mumbai
    Wild(103.80, 1.365, 3_000, 3_200),  # Central catchment, Singapore
)


def settled_share(block: Block) -> Floats:
    """1 where people may settle, 0 in the wild places; shape (SIDE, SIDE)."""
    share = np.ones((len(block.cosine), len(block.cosine)), np.float32)
    pixels = np.arange(len(share), dtype=np.float32)
    for place in _WILD:
        row = float(row_of(place.latitude)) - block.first_row
        column = float(column_of(place.longitude)) - block.first_column
        reach = 1.3 * max(place.east_m, place.north_m) / PIXEL_M + len(share)
        if abs(row) > reach or abs(column) > 2 * reach:
            continue
        down = (pixels[:, None] - np.float32(row)) * np.float32(PIXEL_M / place.north_m)
        across = (pixels[None] - np.float32(column)) * (np.float32(PIXEL_M / place.east_m) * block.cosine)
        distance = np.sqrt(down * down + across * across) + np.float32(0.05) * block.noise(64, 521)
        share = np.minimum(share, smoothstep(0.98, 1.0, distance))
    return share
