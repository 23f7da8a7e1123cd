"""Earth Engine's images as layers of a map: the composites, VIIRS, published predictions, differences.

Earth Engine draws the tiles that the map looks at; a layer is an address that lives for some hours.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nightlights.bands import composites_of
from nightlights.composites import DaytimeComposite, NighttimeComposite
from nightlights.errors import EarthEngineError, SettingsError
from nightlights.palettes import DIFFERENCE, RADIANCE, RADIANCE_HIGH, RADIANCE_LOW, radiance_to_unit
from nightlights.settings import Settings
from nightlights.sources.earthengine.client import Connection, connect
from nightlights.sources.earthengine.failures import clear_earthengine_errors
from nightlights.sources.earthengine.products import (
    LANDSAT,
    RADIANCE_BAND,
    available_bands,
    band_names,
)

if TYPE_CHECKING:
    import ee
    import numpy as np
    from numpy.typing import NDArray

LANDSAT_CREDIT: Final = "Landsat imagery courtesy of the U.S. Geological Survey"
SENTINEL2_CREDIT: Final = "Contains modified Copernicus Sentinel data"
VIIRS_CREDIT: Final = (
    "VIIRS Day/Night Band: Earth Observation Group, Payne Institute, Colorado School of Mines"
)


@dataclass(frozen=True, slots=True)
class Visualisation:
    """How values become colours.

    Attributes
    ----------
    bands:
        Shown as red, green and blue, or one band.
    low, high:
        Values shown as the first and the last colour, for each band, in its unit.
    palette:
        Colours as "#rrggbb" for one band, black to white unless given.
    """

    bands: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    palette: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TileLayer:
    """A layer of a map.

    Attributes
    ----------
    title:
        For the list of layers.
    url:
        With {z}, {x} and {y}, web Mercator.
    attribution:
        Whose imagery it is, plain text.
    """

    title: str
    url: str
    attribution: str


def styles_of(composite: DaytimeComposite) -> tuple[str, ...]:
    """The titles under which a daytime composite can be shown, for example "True colour"."""
    return tuple(composites_of(band_names(available_bands(composite.sensor))))


def style(composite: DaytimeComposite, title: str) -> Visualisation:
    """How the daytime composite is shown under ``title``, between the display values of its bands.

    Raises
    ------
    SettingsError
        When the sensor cannot be shown so.
    """
    bands = {band.name: band for band in available_bands(composite.sensor)}
    known = composites_of(bands)
    if title not in known:
        raise SettingsError(
            f"{composite.sensor} cannot be shown as {title}.", f"Choose of {', '.join(known)}."
        )
    chosen = [bands[name] for name in known[title]]
    return Visualisation(
        known[title],
        tuple(band.display_low for band in chosen),
        tuple(band.display_high for band in chosen),
    )


def tile_layer(
    image: "ee.Image", visualisation: Visualisation, settings: Settings, *, title: str, attribution: str
) -> TileLayer:
    """Ask Earth Engine to draw ``image``; it computes nothing before a tile is looked at.

    Raises
    ------
    EarthEngineError
        When Earth Engine cannot be reached or refuses the image.
    """
    connection = connect(settings)
    parameters = {
        "bands": list(visualisation.bands),
        "min": list(visualisation.low),
        "max": list(visualisation.high),
        "format": "png",
    }
    if visualisation.palette:
        parameters["palette"] = [colour.removeprefix("#") for colour in visualisation.palette]
    with clear_earthengine_errors(settings):
        fetcher = image.getMapId(parameters)["tile_fetcher"]
    return TileLayer(title, str(fetcher.url_format), _credited(attribution, connection))


def daytime_layer(composite: DaytimeComposite, title: str, settings: Settings) -> TileLayer:
    """The daytime composite, anywhere on Earth, shown as ``title`` (one of :func:`styles_of`)."""
    visualisation = style(composite, title)
    connect(settings)
    from nightlights.sources.earthengine.images import daytime_image

    # Only the bands that are shown are computed: thermal bands would cost a join of every scene.
    image = daytime_image(composite.model_copy(update={"bands": visualisation.bands}))
    return tile_layer(
        image,
        visualisation,
        settings,
        title=f"{composite.sensor}, {title.lower()}, {composite.start} to {composite.end}",
        attribution=LANDSAT_CREDIT if composite.sensor in LANDSAT else SENTINEL2_CREDIT,
    )


def nighttime_layer(
    composite: NighttimeComposite,
    settings: Settings,
    *,
    low: float = RADIANCE_LOW,
    high: float = RADIANCE_HIGH,
) -> TileLayer:
    """VIIRS, anywhere on Earth, in the radiance palette, logarithmic from ``low`` to ``high`` nW/cm2/sr."""
    connect(settings)
    from nightlights.sources.earthengine.images import nighttime_image

    image = _logarithmic(nighttime_image(composite), low, high)
    title = f"VIIRS {composite.product}, {composite.start} to {composite.end}"
    return tile_layer(image, _RADIANCE_STYLE, settings, title=title, attribution=VIIRS_CREDIT)


def prediction_layer(
    asset: str,
    settings: Settings,
    *,
    title: str,
    low: float = RADIANCE_LOW,
    high: float = RADIANCE_HIGH,
) -> TileLayer:
    """A published prediction, in the radiance palette like VIIRS.

    Parameters
    ----------
    asset:
        Name of an image of one band, in nW/cm2/sr.
    """
    connect(settings)
    image = _logarithmic(_asset(asset), low, high)
    return tile_layer(image, _RADIANCE_STYLE, settings, title=title, attribution="Predicted radiance")


def difference_layer(
    asset: str, composite: NighttimeComposite, settings: Settings, *, title: str, limit: float
) -> TileLayer:
    """A published prediction minus VIIRS, in the difference palette.

    Pixel by pixel as the map draws them: zoomed out, where a pixel of the map is as large as one of VIIRS,
    the asset gives means; zoomed in, fine structure that VIIRS cannot see shows as difference.

    Parameters
    ----------
    limit:
        Largest difference shown apart, in nW/cm2/sr.
    """
    if not (math.isfinite(limit) and limit > 0):
        raise SettingsError(f"A difference palette cannot end at {limit:g} nW/cm²/sr.", "Choose more than 0.")
    connect(settings)
    from nightlights.sources.earthengine.images import nighttime_image

    image = _asset(asset).subtract(nighttime_image(composite))
    shown = Visualisation((RADIANCE_BAND,), (-limit,), (limit,), _hexadecimal(DIFFERENCE))
    return tile_layer(image, shown, settings, title=title, attribution=VIIRS_CREDIT)


def _hexadecimal(palette: "NDArray[np.uint8]") -> tuple[str, ...]:
    return tuple("#{:02x}{:02x}{:02x}".format(*colour) for colour in palette)


_RADIANCE_STYLE: Final = Visualisation((RADIANCE_BAND,), (0.0,), (1.0,), _hexadecimal(RADIANCE))


def _logarithmic(image: "ee.Image", low: float, high: float) -> "ee.Image":
    """What :func:`nightlights.palettes.radiance_to_unit` does, as a graph."""
    radiance_to_unit(0.0, low, high)
    return image.max(low).divide(low).log().divide(math.log(high / low))


def _asset(name: str) -> "ee.Image":
    import ee

    if not name.startswith("projects/"):
        raise EarthEngineError(f"{name[:80]!r} is no name of an asset.", "Publish the prediction first.")
    return ee.Image(name).select([0], [RADIANCE_BAND])


def _credited(attribution: str, connection: Connection) -> str:
    place = "Local test server: simulated imagery" if connection.local else "Google Earth Engine"
    return place if connection.local else f"{place}; {attribution}"
