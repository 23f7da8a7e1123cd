"""VIIRS Day/Night Band composites: the median radiance over the months or years of a period.

Names are those of :mod:`nightlights.sources.earthengine.products`, which names their source. Nothing is
resampled: the products lie on our VIIRS grid, so the nearest pixel of every request is the pixel itself.
"""

from functools import partial

import ee

from nightlights.composites import NighttimeComposite
from nightlights.grid import Window
from nightlights.sources.earthengine import compositing
from nightlights.sources.earthengine.products import (
    CLOUD_FREE_BAND,
    MONTHLY_BAND,
    NIGHTTIME,
    RADIANCE_BAND,
)


def viirs_image(composite: NighttimeComposite, within: Window | None) -> ee.Image:
    """The composite: one band ``avg_rad`` in nW/cm2/sr, which may be slightly negative.

    A month or year counts when it begins within the period.
    """
    images = compositing.collection(NIGHTTIME[composite.product], composite, within)
    if composite.product == "annual":
        chosen = images.select([composite.annual_band], [RADIANCE_BAND])
    elif composite.minimum_cloud_free:
        chosen = images.map(partial(_observed, composite.minimum_cloud_free))
    else:
        chosen = images.select([MONTHLY_BAND])
    return chosen.median().toFloat()


def _observed(minimum: int, month: ee.Image) -> ee.Image:
    """One month's radiance where it was seen without clouds at least ``minimum`` times."""
    return month.select([MONTHLY_BAND]).updateMask(month.select([CLOUD_FREE_BAND]).gte(minimum))
