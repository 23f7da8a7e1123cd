"""Sharpening: the fine light that keeps a prediction's texture and is observed as VIIRS measured.

The unknowns lie on the VIIRS grid (a region of 2000 x 2000 analysis pixels has 125 x 125 of them), so the
whole region is solved at once and applied tile by tile: tiles cannot disagree, and memory stays bounded.
"""

from nightlights.sharpening.sharpen import NOISE_FLOOR, TOLERANCE, sharpen, sharpened_blocks

__all__ = ["NOISE_FLOOR", "TOLERANCE", "sharpen", "sharpened_blocks"]
