"""The collections of Earth Engine that the composites are made of, and what their numbers mean.

Facts without Earth Engine's client, so that pages can list bands at once. Sources, also named beside each
number:

- Landsat 8-9 Collection 2 Level 2 Science Product Guide, USGS LSDS-1619: scale factors of surface
  reflectance and surface temperature (its section 6), bits of QA_PIXEL and QA_RADSAT (its tables 6-2 and
  6-3); Earth Engine's catalogue pages ``LANDSAT_LC08_C02_T1_L2`` and ``LANDSAT_LC08_C02_T1_TOA``.
- Sentinel-2 Level 2A, catalogue page ``COPERNICUS_S2_SR_HARMONIZED`` (scenes of processing baseline 04.00
  and later are shifted back by 1000, so one scale holds for all); Cloud Score+, catalogue page
  ``GOOGLE_CLOUD_SCORE_PLUS_V1_S2_HARMONIZED``, and Pasquarella et al. 2023,
  doi:10.1109/CVPRW59228.2023.00206.
- VIIRS monthly: Elvidge et al. 2017, doi:10.1080/01431161.2017.1342050, catalogue page
  ``NOAA_VIIRS_DNB_MONTHLY_V1_VCMSLCFG``; annual: Elvidge et al. 2021, doi:10.3390/rs13050922, catalogue
  page ``NOAA_VIIRS_DNB_ANNUAL_V22``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from nightlights.bands import LANDSAT_BANDS, SENTINEL2_BANDS, Band
from nightlights.composites import DaytimeComposite, LandsatMask, NighttimeComposite, NighttimeProduct, Sensor
from nightlights.errors import SourceError

MISSING: Final = -9999.0
"""Sent in the place of a masked pixel, far outside every physical value; NaN once it is here.

What a masked pixel is otherwise depends on the file format: 0 in NPY, 0 or nodata in GeoTIFF.
"""

RADIANCE_BAND: Final = "avg_rad"
"""The one band of every night-time image, in nW/cm2/sr."""


@dataclass(frozen=True, slots=True)
class LandsatProduct:
    """The two collections of a Landsat satellite; scenes of both share their ``system:index``.

    Attributes
    ----------
    surface:
        Collection 2 Level 2, tier 1: surface reflectance, surface temperature, quality.
    top_of_atmosphere:
        Collection 2 Level 1, tier 1: brightness temperature of both thermal bands in K. Level 2 has no B11.
    """

    surface: str
    top_of_atmosphere: str


_LANDSAT_8 = LandsatProduct("LANDSAT/LC08/C02/T1_L2", "LANDSAT/LC08/C02/T1_TOA")
_LANDSAT_9 = LandsatProduct("LANDSAT/LC09/C02/T1_L2", "LANDSAT/LC09/C02/T1_TOA")
LANDSAT: Final[dict[Sensor, tuple[LandsatProduct, ...]]] = {
    "Landsat 8": (_LANDSAT_8,),
    "Landsat 9": (_LANDSAT_9,),
    "Landsat 8 and 9": (_LANDSAT_8, _LANDSAT_9),
}
"""The satellites of each choice; what is not here is Sentinel-2."""

REFLECTANCE_SCALE: Final = 0.0000275
REFLECTANCE_OFFSET: Final = -0.2
"""Stored number to surface reflectance, LSDS-1619 section 6."""
TEMPERATURE_SCALE: Final = 0.00341802
TEMPERATURE_OFFSET: Final = 149.0
"""Stored number to surface temperature in K, LSDS-1619 section 6."""

SURFACE_TEMPERATURE_BAND: Final = Band(
    name="ST_B10",
    title="Surface temperature",
    unit="K",
    wavelength_um=10.9,
    display_low=285.0,
    display_high=320.0,
)
"""Offered besides the nine bands of the study."""

QA_PIXEL_BITS: Final[dict[LandsatMask, int]] = {
    "fill": 0,
    "dilated cloud": 1,
    "cirrus": 2,
    "cloud": 3,
    "cloud shadow": 4,
    "snow": 5,
}
"""Bits of QA_PIXEL; cirrus is set where the confidence is high. LSDS-1619 table 6-2."""

QA_RADSAT_BITS: Final = 0b111_1111
"""Bits 0 to 6 of QA_RADSAT: bands 1 to 7 saturated. LSDS-1619 table 6-3; bit 8 is band 9, which Level 2
lacks, and bit 11 terrain occlusion, which is no saturation."""

LANDSAT_CLOUD_PROPERTY: Final = "CLOUD_COVER"
SENTINEL2_CLOUD_PROPERTY: Final = "CLOUDY_PIXEL_PERCENTAGE"
"""Cloud cover of a scene in percent."""

SENTINEL2: Final = "COPERNICUS/S2_SR_HARMONIZED"
SENTINEL2_SCALE: Final = 0.0001
"""Stored number to surface reflectance."""
CLOUD_SCORE: Final = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
CLOUD_SCORE_BAND: Final = "cs_cdf"
"""Likelihood, 0 to 1, that a pixel is clear; the catalogue suggests 0.50 to 0.65, its example 0.60."""

NIGHTTIME: Final[dict[NighttimeProduct, str]] = {
    "monthly": "NOAA/VIIRS/DNB/MONTHLY_V1/VCMSLCFG",
    "annual": "NOAA/VIIRS/DNB/ANNUAL_V22",
}
MONTHLY_BAND: Final = "avg_rad"
CLOUD_FREE_BAND: Final = "cf_cvg"
"""Monthly: radiance in nW/cm2/sr, and how many cloud-free observations it is the mean of."""


def available_bands(sensor: Sensor) -> tuple[Band, ...]:
    """Every band that a composite of ``sensor`` can have, the usual ones first."""
    return (*LANDSAT_BANDS, SURFACE_TEMPERATURE_BAND) if sensor in LANDSAT else SENTINEL2_BANDS


def daytime_bands(composite: DaytimeComposite) -> tuple[Band, ...]:
    """The bands of a daytime composite, in order.

    Raises
    ------
    SourceError
        When the sensor has no such band, or one is named twice.
    """
    known = {band.name: band for band in available_bands(composite.sensor)}
    usual = LANDSAT_BANDS if composite.sensor in LANDSAT else SENTINEL2_BANDS
    names = composite.bands if composite.bands is not None else tuple(band.name for band in usual)
    lacking = [name for name in names if name not in known]
    if lacking or not names or len(set(names)) < len(names):
        what = f"has no band {lacking[0]!r}" if lacking else "needs one or more bands, each once"
        raise SourceError(f"{composite.sensor} {what}.", f"Its bands: {', '.join(known)}.")
    return tuple(known[name] for name in names)


def band_names(bands: Sequence[Band]) -> list[str]:
    """The names of ``bands``, in order."""
    return [band.name for band in bands]


def dates(composite: DaytimeComposite | NighttimeComposite) -> tuple[str, str]:
    """First day of the period and the day after its last, as Earth Engine counts: the end is left out."""
    return composite.start.isoformat(), (composite.end + timedelta(days=1)).isoformat()
