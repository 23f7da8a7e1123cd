"""Steps that the composites of all sensors share. Pure graph builders: nothing is asked of Earth Engine."""

from typing import Any

import ee

from nightlights.composites import DaytimeComposite, NighttimeComposite, PixelResampling
from nightlights.grid import CRS, Window
from nightlights.sources.earthengine.products import dates

_MARGIN = 2
"""VIIRS pixels around a window within which a scene still counts: interpolation looks beyond a pixel."""


def collection(
    name: str, composite: DaytimeComposite | NighttimeComposite, within: Window | None
) -> ee.ImageCollection:
    """The images of the collection ``name`` in the composite's period, and where given, near ``within``."""
    images = ee.ImageCollection(name).filterDate(*dates(composite))
    return images if within is None else images.filterBounds(rectangle(within.expand(_MARGIN)))


def rectangle(window: Window) -> ee.Geometry:
    """The outline of ``window``: straight edges in longitude and latitude."""
    return ee.Geometry.Rectangle(list(window.bounds), CRS, False)


def scenes(
    name: str, composite: DaytimeComposite, within: Window | None, cloud_property: str
) -> ee.ImageCollection:
    """Like :func:`collection`, without scenes that are cloudier than the composite allows."""
    images = collection(name, composite, within)
    if composite.maximum_scene_cloud >= 100:
        return images
    return images.filter(ee.Filter.lte(cloud_property, composite.maximum_scene_cloud))


def resampled(image: ee.Image, resampling: PixelResampling) -> ee.Image:
    """``image`` with how its pixels are brought onto another grid; Earth Engine's default is nearest.

    Said of every scene before compositing: a composite has no grid that it could be resampled from.
    """
    return image if resampling == "nearest" else image.resample(resampling)


def reduced(images: ee.ImageCollection, composite: DaytimeComposite, names: list[str]) -> ee.Image:
    """The composite's statistic of the unmasked values of each pixel; bands ``names``, 32-bit floats."""
    chosen = images.select(names)
    if composite.statistic == "median":
        image = chosen.median()
    else:
        # The reducer adds its percentile to the names of the bands, whose order stays.
        image = chosen.reduce(ee.Reducer.percentile([composite.percentile])).rename(names)
    return image.toFloat()


def without(image: ee.Image, mask: Any) -> ee.Image:
    """``image`` masked where ``mask`` is 0, or as it is where there is no mask."""
    return image if mask is None else image.updateMask(mask)
