"""Sentinel-2 composites: harmonized surface reflectance, clouds and shadows left out by Cloud Score+.

Numbers are those of :mod:`nightlights.sources.earthengine.products`, which names their source. Each band
keeps its own pixels (10, 20 or 60 m) until it is brought onto the grid asked for.
"""

from functools import partial

import ee

from nightlights.composites import DaytimeComposite
from nightlights.grid import Window
from nightlights.sources.earthengine import compositing
from nightlights.sources.earthengine.products import (
    CLOUD_SCORE,
    CLOUD_SCORE_BAND,
    SENTINEL2,
    SENTINEL2_CLOUD_PROPERTY,
    SENTINEL2_SCALE,
    band_names,
    daytime_bands,
)


def sentinel2_image(composite: DaytimeComposite, within: Window | None) -> ee.Image:
    """The composite: bands as in ``daytime_bands(composite)``, reflectance (1)."""
    names = band_names(daytime_bands(composite))
    scores = compositing.collection(CLOUD_SCORE, composite, within)
    images = compositing.scenes(SENTINEL2, composite, within, SENTINEL2_CLOUD_PROPERTY)
    linked = images.linkCollection(scores, linkedBands=[CLOUD_SCORE_BAND])
    return compositing.reduced(linked.map(partial(_clear, composite, names)), composite, names)


def _clear(composite: DaytimeComposite, names: list[str], scene: ee.Image) -> ee.Image:
    """One scene in reflectance, masked, with its resampling; one without a score is masked as a whole."""
    clear = scene.select(CLOUD_SCORE_BAND).gte(composite.minimum_clear_score)
    image = scene.select(names).multiply(SENTINEL2_SCALE).updateMask(clear)
    return compositing.resampled(image, composite.resampling)
