"""Scores: at the VIIRS grid against what was measured, and at the analysis grid where the truth is known."""

from nightlights.metrics.bootstrap import BOOTSTRAP, Bootstrap
from nightlights.metrics.classes import BRIGHT_FROM, CLASSES, DIM_FROM, RadianceClass
from nightlights.metrics.fine import LIT_FROM, FineSums, structural_similarity
from nightlights.metrics.patterns import dark_holes, edge_ratio, phase_spread, scan_lines
from nightlights.metrics.pixels import PixelPairs, spearman
from nightlights.metrics.ranks import RankSums
from nightlights.metrics.sums import ALL_REGIONS, ErrorSums, ScoreSums, log_radiance

__all__ = [
    "ALL_REGIONS",
    "BOOTSTRAP",
    "BRIGHT_FROM",
    "CLASSES",
    "DIM_FROM",
    "LIT_FROM",
    "Bootstrap",
    "ErrorSums",
    "FineSums",
    "PixelPairs",
    "RadianceClass",
    "RankSums",
    "ScoreSums",
    "dark_holes",
    "edge_ratio",
    "log_radiance",
    "phase_spread",
    "scan_lines",
    "spearman",
    "structural_similarity",
]
