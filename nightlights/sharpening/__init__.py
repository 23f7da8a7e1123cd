"""Sharpening: fine light with a prediction's texture that agrees with VIIRS as closely as VIIRS is good.

The unknowns lie on the VIIRS grid (a region of 2000 x 2000 analysis pixels has 125 x 125 of them), so the
whole region is solved at once and applied tile by tile: tiles cannot disagree, and memory stays bounded.
"""

from nightlights.sharpening.agreement import Agreement
from nightlights.sharpening.sharpen import Sharpening, sharpen

__all__ = ["Agreement", "Sharpening", "sharpen"]
