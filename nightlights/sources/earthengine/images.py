"""The images of an export as graphs: what Earth Engine is to compute. Nothing is asked of it here.

The client must be connected before a graph is built (:func:`nightlights.sources.earthengine.client.connect`),
since it learns from Earth Engine which functions there are.
"""

import ee

from nightlights.composites import DaytimeComposite, NighttimeComposite
from nightlights.grid import Window
from nightlights.sources.earthengine.landsat import landsat_image
from nightlights.sources.earthengine.products import LANDSAT, MISSING
from nightlights.sources.earthengine.sentinel2 import sentinel2_image
from nightlights.sources.earthengine.viirs import viirs_image


def daytime_image(composite: DaytimeComposite, within: Window | None = None) -> ee.Image:
    """The daytime composite.

    Bands are named and ordered as ``daytime_bands(composite)``; 32-bit floats in physical units
    (reflectance 1, K), masked where no clear value is known.

    Parameters
    ----------
    within:
        Scenes far from this window are not looked at. It changes no pixel of the window.

    Raises
    ------
    SourceError
        When the sensor lacks a band that is asked for.
    """
    build = landsat_image if composite.sensor in LANDSAT else sentinel2_image
    return build(composite, within)


def nighttime_image(composite: NighttimeComposite, within: Window | None = None) -> ee.Image:
    """The night-time composite: band ``avg_rad``, nW/cm2/sr, 32-bit floats, masked where not observed.

    Parameters
    ----------
    within:
        Images far from this window are not looked at. It changes no pixel of the window.
    """
    return viirs_image(composite, within)


def filled(image: ee.Image) -> ee.Image:
    """``image`` with :data:`~nightlights.sources.earthengine.products.MISSING` in the place of its mask.

    Also beyond the footprint of its scenes; what a masked pixel is in a file is not relied upon.
    """
    return image.unmask(MISSING, False).toFloat()
