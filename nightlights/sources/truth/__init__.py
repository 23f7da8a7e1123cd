"""Fine truth of one's own: night-time rasters finer than VIIRS, checked, aligned and calibrated."""

from nightlights.sources.truth.alignment import RegionTruth, TruthRasters
from nightlights.sources.truth.lattice import through_pixels

__all__ = ["RegionTruth", "TruthRasters", "through_pixels"]
