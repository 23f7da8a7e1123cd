"""Area-to-point regression kriging with the point spread: the closest published competitor of sharpening.

A regression through the footprints of VIIRS gives the trend, and what VIIRS measures beyond the observed
trend is kriged from footprints to pixels (Tziokas et al. 2024, doi:10.1109/JSTARS.2024.3429244). The trend is
fitted to the scene that is sharpened.
"""

import numpy as np

from nightlights.datasets import Dataset
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread, observe
from nightlights.regressions import fit_footprint_baseline
from nightlights.regressions.samples import TILE
from nightlights.sharpening.interpolation import Floats, kriged_deviation


def area_to_point_regression_kriging(
    trend: Floats, measured: Floats, window: Window, point_spread: PointSpread
) -> Floats:
    """``trend`` and the kriged residual of the measurement, with the total light of the measurement.

    Below 0 counts as 0; the light that this adds is taken back by one factor for all pixels. As in
    :func:`nightlights.sharpening.interpolation.area_to_point_kriging`, the residual's covariance is an
    exponential along each axis, and a glow is left out of it.

    Parameters
    ----------
    trend:
        Radiance in nW/cm2/sr of the analysis pixels, shape (16 height, 16 width), NaN where unknown.
    measured:
        VIIRS in nW/cm2/sr, shape (height, width), NaN where missing.

    Returns
    -------
    numpy.ndarray
        float64, shape (16 height, 16 width), nW/cm2/sr, NaN where the trend is.
    """
    residual = measured - observe(trend, window, point_spread)
    known = np.isfinite(residual)
    light: Floats = trend
    if known.any():
        light = trend + kriged_deviation(np.where(known, residual, 0.0), window, point_spread)
    light = np.maximum(light, 0.0)
    area = np.broadcast_to(window.pixel_area_km2[:, None], known.shape)[known]
    seen = float((observe(light, window, point_spread)[known] * area).sum())
    total = float((measured[known] * area).sum())
    return light * (total / seen) if seen > 0 and total > 0 else light


def regression_kriged(dataset: Dataset, region: str) -> Floats:
    """:func:`area_to_point_regression_kriging` of a region, its trend a footprint regression of the region.

    Returns
    -------
    numpy.ndarray
        float64, shape (16 height, 16 width), nW/cm2/sr, NaN where a band is missing.

    Raises
    ------
    DatasetError
        When no footprint is known both by day and by night.
    """
    window = dataset.region(region).window.window
    regression = fit_footprint_baseline(dataset, [region])
    margin = -(-regression.reach // FINE_PER_VIIRS)
    trend = np.empty(window.fine_shape)
    for tile in window.tiles(TILE, TILE):
        reach = tile.expand(margin).intersection(window) or tile
        light = regression.predict(dataset.read_daytime(region, reach))
        trend[tile.fine_slices_in(window)] = light[tile.fine_slices_in(reach)]
    measured = dataset.read_nighttime(region).astype(np.float64)
    return area_to_point_regression_kriging(trend, measured, window, PointSpread.of(dataset.manifest))
