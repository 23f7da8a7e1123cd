"""Where not to trust a prediction: intervals for what VIIRS would measure, checked in regions left out.

Locally scaled conformal intervals (Lei et al. 2018, doi:10.1080/01621459.2017.1307116): a small linear model
says how large the error of a pixel tends to be, and the errors of regions that neither the network nor that
model has seen say how many times as large it may become. Regions count, not pixels: see
:mod:`nightlights.uncertainty.intervals`.
"""

from nightlights.uncertainty.records import UNCERTAINTY_FILE, Calibration, load_calibration

__all__ = ["UNCERTAINTY_FILE", "Calibration", "load_calibration"]
