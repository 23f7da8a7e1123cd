"""The simulated planet: daytime bands and hidden night-time radiance for any place, from a seed.

See docs/planet.md for what it contains, its traps and what makes it difficult.
"""

PLANET_VERSION = 2
"""Counts changes of the planet's pixels: the same seed and version give the same planet."""
