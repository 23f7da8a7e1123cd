"""What an Earth Engine export asks for: which composites, and how they come. Needs no Earth Engine."""

from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nightlights.noise import MONTH, YEAR, Noise

Sensor = Literal["Landsat 8", "Landsat 9", "Landsat 8 and 9", "Sentinel-2"]
LandsatMask = Literal["fill", "dilated cloud", "cirrus", "cloud", "cloud shadow", "snow", "saturation"]
Statistic = Literal["median", "percentile"]
PixelResampling = Literal["nearest", "bilinear", "bicubic"]
NighttimeProduct = Literal["monthly", "annual"]
AnnualBand = Literal["median_masked", "average", "average_masked", "median"]
Method = Literal["direct", "batch"]
Destination = Literal["Cloud Storage", "Drive"]
FileFormat = Literal["GeoTIFF", "TFRecord"]

LANDSAT_MASKS: Final[tuple[LandsatMask, ...]] = (
    "fill",
    "dilated cloud",
    "cirrus",
    "cloud",
    "cloud shadow",
    "snow",
    "saturation",
)
"""Every mask; the first six are bits of QA_PIXEL, the last is QA_RADSAT."""


class _Period(BaseModel):
    """First and last day, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: date = date(2020, 1, 1)
    end: Annotated[date, Field(lt=date.max)] = date(2022, 12, 31)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"the period ends ({self.end}) before it starts ({self.start})")
        return self


class DaytimeComposite(_Period):
    """One daytime image made of many: which scenes, which pixels of them, and how they become one.

    Attributes
    ----------
    sensor:
        Landsat Collection 2 Level 2 surface reflectance (B10 and B11 brightness temperature joined from the
        top-of-atmosphere product), or harmonized Sentinel-2 surface reflectance.
    statistic, percentile:
        What is taken of the clear values of a pixel; ``percentile`` (0 to 100) counts for "percentile" alone.
    resampling:
        How a scene is brought onto the grid, before compositing.
    masks:
        Landsat: which pixels are left out.
    maximum_scene_cloud:
        Scenes with a larger cloud cover, in percent, are left out.
    minimum_clear_score:
        Sentinel-2: pixels whose Cloud Score+ ``cs_cdf`` is lower are left out, 0 to 1.
    bands:
        Names, in order; all nine of the study (Landsat) or all of the sensor unless given.
    """

    sensor: Sensor = "Landsat 8"
    statistic: Statistic = "median"
    percentile: float = Field(default=25.0, ge=0, le=100)
    resampling: PixelResampling = "bilinear"
    masks: tuple[LandsatMask, ...] = LANDSAT_MASKS
    maximum_scene_cloud: float = Field(default=100.0, ge=0, le=100)
    minimum_clear_score: float = Field(default=0.6, ge=0, le=1)
    bands: tuple[str, ...] | None = None


class NighttimeComposite(_Period):
    """The VIIRS image: the median over the months or years of a period.

    Attributes
    ----------
    product:
        "monthly": stray-light corrected monthly composites; "annual": annual V2.2.
    minimum_cloud_free:
        Monthly: pixels with fewer cloud-free observations (``cf_cvg``) in a month are left out of it.
    annual_band:
        Annual: which band is the radiance.
    """

    product: NighttimeProduct = "monthly"
    minimum_cloud_free: int = Field(default=1, ge=0, le=31)
    annual_band: AnnualBand = "median_masked"


def composite_noise(nighttime: NighttimeComposite) -> Noise:
    """How far the median over the months, or years, that begin in the period scatters."""
    first, last = nighttime.start, nighttime.end
    if nighttime.product == "annual":
        years = last.year - first.year + (first == date(first.year, 1, 1))
        return YEAR.of_median(max(years, 1))
    months = 12 * (last.year - first.year) + last.month - first.month + (first.day == 1)
    return MONTH.of_median(max(months, 1))


class EarthEngineRequest(BaseModel):
    """Everything that an Earth Engine export depends on besides regions and account.

    Attributes
    ----------
    method:
        "direct": pixels are computed and sent at once; "batch": Earth Engine writes files, which are fetched.
    destination, file_format:
        Batch alone. Files on Drive are fetched by hand and imported.
    patches_per_region, patch_size, seed:
        TFRecord alone: how many patches are sampled in each region, their side in analysis pixels, and
        which.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    daytime: DaytimeComposite = DaytimeComposite()
    nighttime: NighttimeComposite = NighttimeComposite()
    method: Method = "direct"
    destination: Destination = "Cloud Storage"
    file_format: FileFormat = "GeoTIFF"
    patches_per_region: Annotated[int, Field(ge=1, le=5000)] = 100
    patch_size: Annotated[int, Field(ge=64, le=512, multiple_of=16)] = 256
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
