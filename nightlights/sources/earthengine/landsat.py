"""Landsat 8 and 9 composites: surface reflectance, with brightness temperature joined scene by scene.

Numbers and bits are those of :mod:`nightlights.sources.earthengine.products`, which names their source. In
each scene pixels are masked first, then scaled, then interpolated, so that no cloudy value is ever
interpolated into its neighbours.
"""

from functools import partial

import ee

from nightlights.composites import DaytimeComposite, LandsatMask
from nightlights.grid import Window
from nightlights.sources.earthengine import compositing
from nightlights.sources.earthengine.products import (
    LANDSAT,
    LANDSAT_CLOUD_PROPERTY,
    QA_PIXEL_BITS,
    QA_RADSAT_BITS,
    REFLECTANCE_OFFSET,
    REFLECTANCE_SCALE,
    SURFACE_TEMPERATURE_BAND,
    TEMPERATURE_OFFSET,
    TEMPERATURE_SCALE,
    LandsatProduct,
    band_names,
    daytime_bands,
)


def landsat_image(composite: DaytimeComposite, within: Window | None) -> ee.Image:
    """The composite: bands as in ``daytime_bands(composite)``, reflectance (1) and temperature (K)."""
    names = band_names(daytime_bands(composite))
    thermal = [band.name for band in daytime_bands(composite) if band.quantity == "brightness temperature"]
    first, *others = (
        _scenes(product, composite, within, thermal).map(partial(_clear, composite, names, thermal))
        for product in LANDSAT[composite.sensor]
    )
    for other in others:
        first = first.merge(other)
    return compositing.reduced(first, composite, names)


def _scenes(
    product: LandsatProduct, composite: DaytimeComposite, within: Window | None, thermal: list[str]
) -> ee.ImageCollection:
    """Scenes with all their bands; joined before satellites are merged, which changes ``system:index``."""
    surface = compositing.scenes(product.surface, composite, within, LANDSAT_CLOUD_PROPERTY)
    if not thermal:
        return surface
    warmth = compositing.collection(product.top_of_atmosphere, composite, within)
    return surface.linkCollection(warmth, linkedBands=thermal)


def _clear(composite: DaytimeComposite, names: list[str], thermal: list[str], scene: ee.Image) -> ee.Image:
    """One scene in physical units, masked, with its resampling."""
    parts = []
    reflective = [name for name in names if name.startswith("SR_")]
    if reflective:
        parts.append(scene.select(reflective).multiply(REFLECTANCE_SCALE).add(REFLECTANCE_OFFSET))
    if SURFACE_TEMPERATURE_BAND.name in names:
        stored = scene.select(SURFACE_TEMPERATURE_BAND.name)
        parts.append(stored.multiply(TEMPERATURE_SCALE).add(TEMPERATURE_OFFSET))
    if thermal:
        parts.append(scene.select(thermal))
    image, *others = parts
    for other in others:
        image = image.addBands(other)
    masked = compositing.without(image, _mask(scene, composite.masks))
    return compositing.resampled(masked, composite.resampling)


def _mask(scene: ee.Image, masks: tuple[LandsatMask, ...]) -> ee.Image | None:
    """1 where none of ``masks`` applies, 0 elsewhere; None where there is none to apply."""
    bits = sum(1 << QA_PIXEL_BITS[name] for name in set(masks) if name in QA_PIXEL_BITS)
    mask = scene.select("QA_PIXEL").bitwiseAnd(bits).eq(0) if bits else None
    if "saturation" not in masks:
        return mask
    unsaturated = scene.select("QA_RADSAT").bitwiseAnd(QA_RADSAT_BITS).eq(0)
    return unsaturated if mask is None else mask.And(unsaturated)
