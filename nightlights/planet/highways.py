"""Highways: every city is joined to its nearest larger ones."""

import functools

import numpy as np

from nightlights.grid import FINE_PER_DEGREE
from nightlights.planet.lattice import Block, Floats
from nightlights.planet.lines import Segments, distance_to
from nightlights.planet.settlements import gazetteer

_LONGEST_M = 350_000
_NEIGHBOURS = 12
_JOINS = 2


@functools.cache
def _network() -> Segments:
    """The segments of the highway network, built once from the table of cities."""
    known = gazetteer()
    cities = known.settlements
    points = np.asarray(known.tree.data)
    chord, near = known.tree.query(points, k=_NEIGHBOURS)
    number = np.arange(len(points))[:, None]
    # The table is ordered by population, so a smaller position is a larger city. Parts of one city,
    # within three kilometres, need no highway between them.
    metres = chord * 6_371_007.2
    good = (near < number) & (metres > 3_000) & (metres < _LONGEST_M)
    good &= np.abs(cities.column[near] - cities.column[number]) < 20 * FINE_PER_DEGREE
    good &= np.cumsum(good, axis=1) <= _JOINS
    start, which = np.nonzero(good)
    end = near[start, which]
    half_width = 9 + 9 * cities.size[end] * (0.4 + 0.6 * cities.wealth[end])
    return Segments(cities.row[start], cities.column[start], cities.row[end], cities.column[end], half_width)


def highway_m(block: Block) -> Floats:
    """Distance in metres to the edge of the nearest highway, negative on it; shape (SIDE, SIDE)."""
    return distance_to(block, _network(), wander=(512, 128, 64), pixels=12, salt=401)
