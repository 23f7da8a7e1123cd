"""Regressions of measured VIIRS on functions of the bands, fitted through the footprints of VIIRS."""

from nightlights.regressions.fitting import (
    FOOTPRINT_REGRESSION,
    FootprintBaseline,
    fit_footprint_baseline,
    fit_regression,
)
from nightlights.regressions.samples import training_sample

__all__ = [
    "FOOTPRINT_REGRESSION",
    "FootprintBaseline",
    "fit_footprint_baseline",
    "fit_regression",
    "training_sample",
]
