"""The options of an Earth Engine export, and the request that they make."""

from datetime import date
from typing import Annotated, Any, get_args

import typer

from nightlights.composites import DaytimeComposite, EarthEngineRequest, LandsatMask, NighttimeComposite
from nightlights.errors import SettingsError

_PANEL = "Earth Engine"
_REQUEST = EarthEngineRequest()
_DAY, _NIGHT = _REQUEST.daytime, _REQUEST.nighttime


def _option(text: str, **attributes: Any) -> Any:
    return typer.Option(help=text, rich_help_panel=_PANEL, **attributes)


SensorOption = Annotated[
    str | None,
    _option(f"Landsat 8, Landsat 9, 'Landsat 8 and 9' or Sentinel-2. Default: {_DAY.sensor}."),
]
StatisticOption = Annotated[
    str | None,
    _option(f"What is taken of a pixel's clear values: median or percentile. Default: {_DAY.statistic}."),
]
PercentileOption = Annotated[
    float | None, _option("Which percentile, 0 to 100; asks for --statistic percentile.", min=0, max=100)
]
ResamplingOption = Annotated[
    str | None,
    _option(
        "How scenes come onto the grid before compositing: nearest, bilinear, bicubic. "
        f"Default: {_DAY.resampling}."
    ),
]
MasksOption = Annotated[
    str | None,
    _option(
        f"Landsat pixels to leave out, separated by commas: {', '.join(get_args(LandsatMask))}. Default: "
        f"{'all' if set(_DAY.masks) == set(get_args(LandsatMask)) else ', '.join(_DAY.masks)}."
    ),
]
SceneCloudOption = Annotated[
    float | None,
    _option(
        f"Leave out scenes with more cloud than this, in percent. Default: {_DAY.maximum_scene_cloud:g}.",
        min=0,
        max=100,
    ),
]
ClearScoreOption = Annotated[
    float | None,
    _option(
        f"Sentinel-2: least Cloud Score+ of a pixel, 0 to 1. Default: {_DAY.minimum_clear_score:g}.",
        min=0,
        max=1,
    ),
]
ProductOption = Annotated[
    str | None,
    _option(
        f"VIIRS: monthly (stray-light corrected) or annual (V2.2) composites. Default: {_NIGHT.product}."
    ),
]
CloudFreeOption = Annotated[
    int | None,
    _option(
        "Monthly VIIRS: least cloud-free observations of a pixel in a month. "
        f"Default: {_NIGHT.minimum_cloud_free}.",
        min=0,
        max=31,
    ),
]
AnnualBandOption = Annotated[
    str | None,
    _option(
        f"Annual VIIRS: median_masked, average_masked, median or average. Default: {_NIGHT.annual_band}."
    ),
]
MethodOption = Annotated[
    str | None,
    _option(
        "direct: pixels come at once. batch: Earth Engine writes files to the bucket. "
        f"Default: {_REQUEST.method}."
    ),
]
DestinationOption = Annotated[
    str | None, _option(f"Batch: 'Cloud Storage' or Drive. Default: {_REQUEST.destination}.")
]
FormatOption = Annotated[
    str | None,
    _option(
        f"Batch: GeoTIFF, or TFRecord for sampled patches. Default: {_REQUEST.file_format}.", metavar="TEXT"
    ),
]
PatchesOption = Annotated[
    int | None,
    _option(
        f"TFRecord: patches sampled in each region. Default: {_REQUEST.patches_per_region}.", min=1, max=5000
    ),
]
PatchSizeOption = Annotated[
    int | None,
    _option(
        f"TFRecord: side of a patch in pixels, a multiple of 16. Default: {_REQUEST.patch_size}.",
        min=64,
        max=512,
    ),
]
PERIOD_START_DEFAULT = f"Earth Engine: {_DAY.start}"
PERIOD_END_DEFAULT = f"Earth Engine: {_DAY.end}"


def earthengine_request(
    source: str, *, start: str | None, end: str | None, bands: str | None, **given: Any
) -> EarthEngineRequest | None:
    """The request that the options make; None for another source.

    ``given`` maps the options' names to their values, None where they were not given.

    Raises
    ------
    SettingsError
        When an option of Earth Engine is given for another source, or a value cannot be used.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if source != "earthengine":
        if given:
            option = "--" + min(given).replace("_", "-")
            raise SettingsError(f"{option} is for Earth Engine.", "Add --source earthengine.")
        return None
    from nightlights.commands.work import record_of

    period = {
        name: _day(f"--period-{name}", value) for name, value in (("start", start), ("end", end)) if value
    }
    if "percentile" in given and given.setdefault("statistic", "percentile") != "percentile":
        raise SettingsError("--percentile goes with --statistic percentile.", "Leave one of them out.")
    if "masks" in given:
        given["masks"] = _listed(given["masks"])
    if bands is not None:
        given["bands"] = _listed(bands)
    day = {name: given.pop(name) for name in DaytimeComposite.model_fields if name in given}
    night = {name: given.pop(name) for name in NighttimeComposite.model_fields if name in given}
    return record_of(
        EarthEngineRequest,
        daytime=record_of(DaytimeComposite, **period, **day),
        nighttime=record_of(NighttimeComposite, **period, **night),
        **given,
    )


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{option} cannot be {text!r}.", "Write a date like 2023-01-31.") from None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
