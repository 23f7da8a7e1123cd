"""What to ask Earth Engine for: sensor, period, how scenes become one image, VIIRS, and how it comes here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeVar, get_args

import streamlit as st

from nightlights.composites import (
    LANDSAT_MASKS,
    AnnualBand,
    DaytimeComposite,
    Destination,
    EarthEngineRequest,
    FileFormat,
    LandsatMask,
    Method,
    NighttimeComposite,
    NighttimeProduct,
    PixelResampling,
    Sensor,
    Statistic,
)
from nightlights.interface.connection import connection, is_set_up
from nightlights.interface.navigation import page_link
from nightlights.manifests import ExportRequest
from nightlights.settings import Settings
from nightlights.sources.earthengine.products import available_bands, daytime_bands

_FIRST_DAY: Final = date(2012, 1, 1)
_LAST_DAY: Final = date(2100, 1, 1)
_PRODUCTS: Final[dict[NighttimeProduct, str]] = {"monthly": "Monthly", "annual": "Annual"}
_METHODS: Final[dict[Method, str]] = {"direct": "Direct", "batch": "Batch"}
_FORMATS: Final[dict[FileFormat, str]] = {"GeoTIFF": "GeoTIFF", "TFRecord": "TFRecord patches"}

Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True, slots=True)
class _Way:
    method: Method = "direct"
    destination: Destination = "Cloud Storage"
    file_format: FileFormat = "GeoTIFF"
    patches_per_region: int = 100
    patch_size: int = 256
    seed: int = 1


def ask_for_composites(settings: Settings) -> ExportRequest | None:
    """Draw the form; None while something is missing, which is then said on the page.

    Raises
    ------
    ValidationError
        When a period ends before it starts.
    """
    if not is_set_up(settings):
        st.info("Earth Engine is not set up yet. Name your Google Cloud project on the Home page first.")
        page_link("home", "Set up Earth Engine")
        return None
    if connection() is None:
        st.caption(
            "Not connected since the app was started; the export connects by itself. "
            "The connection can be checked on the Home page."
        )
        page_link("home", "Check the connection")
    sensor = _select("Sensor", get_args(Sensor), "ee_sensor")
    start, end = _period("", "Imagery from", date(2020, 1, 1), date(2022, 12, 31))
    daytime = _daytime(sensor, start, end)
    nighttime = _nighttime(start, end)
    way = _way()
    if not _has_what_it_needs(way, settings):
        return None
    return ExportRequest(
        dataset="unnamed",
        regions="unnamed",
        source="earthengine",
        period_start=daytime.start.isoformat(),
        period_end=daytime.end.isoformat(),
        earthengine=EarthEngineRequest(
            daytime=daytime,
            nighttime=nighttime,
            method=way.method,
            destination=way.destination,
            file_format=way.file_format,
            patches_per_region=way.patches_per_region,
            patch_size=way.patch_size,
            seed=way.seed,
        ),
    )


def _select(label: str, options: Sequence[Choice], key: str, **more: Any) -> Choice:
    chosen: Choice = st.selectbox(label, options, key=key, persist_state="session", **more)
    return chosen


def _segments(label: str, options: dict[Choice, str], key: str, meaning: str) -> Choice:
    chosen: Choice = st.segmented_control(
        label,
        list(options),
        default=next(iter(options)),
        required=True,
        format_func=lambda option: options[option],
        key=key,
        persist_state="session",
        help=meaning,
    )
    return chosen


def _period(name: str, label: str, first: date, last: date) -> tuple[date, date]:
    left, right = st.columns(2)
    start = left.date_input(
        label, first, _FIRST_DAY, _LAST_DAY, key=f"ee_{name}from", persist_state="session"
    )
    end = right.date_input(
        "to",
        last,
        _FIRST_DAY,
        _LAST_DAY,
        key=f"ee_{name}to",
        persist_state="session",
        help="First and last day, both included.",
    )
    return start, end


def _daytime(sensor: Sensor, start: date, end: date) -> DaytimeComposite:
    with st.expander("Daytime composite"):
        statistic = _select(
            "Statistic",
            get_args(Statistic),
            "ee_statistic",
            help="Of the clear values of each pixel over the period. A low percentile avoids thin clouds.",
        )
        percentile = 25.0
        if statistic == "percentile":
            percentile = st.number_input(
                "Percentile (%)", 0.0, 100.0, percentile, 5.0, key="ee_percentile", persist_state="session"
            )
        resampling = _select(
            "Resampling",
            get_args(PixelResampling),
            "ee_resampling",
            index=1,
            help="How each scene is brought onto the analysis grid, before compositing.",
        )
        masks: tuple[LandsatMask, ...] = LANDSAT_MASKS
        clear_score = 0.6
        if sensor == "Sentinel-2":
            clear_score = st.slider(
                "Smallest clear score",
                0.0,
                1.0,
                clear_score,
                0.05,
                key="ee_clear_score",
                persist_state="session",
                help="Cloud Score+ (cs_cdf): pixels that are less likely to be clear are left out. "
                "From 0, cloudy, to 1, clear.",
            )
        else:
            chosen = st.pills(
                "Leave out pixels with",
                LANDSAT_MASKS,
                selection_mode="multi",
                default=LANDSAT_MASKS,
                key="ee_masks",
                persist_state="session",
                help="Bits of QA_PIXEL and QA_RADSAT. Fill is where a scene has no data.",
                wrap=True,
            )
            masks = tuple(mask for mask in LANDSAT_MASKS if mask in chosen)
        cloud = st.slider(
            "Largest cloud cover of a scene (%)",
            0,
            100,
            100,
            5,
            key="ee_scene_cloud",
            persist_state="session",
            help="Scenes with more are left out as a whole. 100 %: every scene is used, clear pixels of it.",
        )
    return DaytimeComposite(
        start=start,
        end=end,
        sensor=sensor,
        statistic=statistic,
        percentile=percentile,
        resampling=resampling,
        masks=masks,
        maximum_scene_cloud=float(cloud),
        minimum_clear_score=clear_score,
        bands=_bands(sensor),
    )


def _bands(sensor: Sensor) -> tuple[str, ...] | None:
    bands = available_bands(sensor)
    names = [band.name for band in bands]
    usual = [band.name for band in daytime_bands(DaytimeComposite(sensor=sensor))]
    chosen = st.pills(
        "Bands",
        names,
        selection_mode="multi",
        default=usual,
        key=f"ee_bands_{len(names)}",
        persist_state="session",
        help="What the network will see: "
        + ", ".join(f"{band.name} {band.title}".strip() for band in bands)
        + ". Reflectance has unit 1, temperatures K.",
        wrap=True,
    )
    # The order of the sensor, whatever the order of the clicks.
    ordered = [name for name in names if name in chosen]
    return None if ordered in ([], usual) else tuple(ordered)


def _nighttime(start: date, end: date) -> NighttimeComposite:
    with st.expander("VIIRS"):
        product = _segments(
            "Product",
            _PRODUCTS,
            "ee_viirs",
            "Monthly: stray-light corrected composites, the median over the months. "
            "Annual: version 2.2, the median over the years.",
        )
        cloud_free = 1
        band: AnnualBand = "median_masked"
        if product == "monthly":
            cloud_free = st.number_input(
                "Fewest cloud-free observations a month",
                0,
                31,
                cloud_free,
                key="ee_cloud_free",
                persist_state="session",
                help="cf_cvg: pixels that were seen less often in a month are left out of it.",
            )
        else:
            band = _select(
                "Band",
                get_args(AnnualBand),
                "ee_annual_band",
                help="Masked bands have 0 where only background was seen.",
            )
        if not st.checkbox("Same period as by day", True, key="ee_same_period", persist_state="session"):
            start, end = _period("viirs_", "VIIRS from", start, end)
    return NighttimeComposite(
        start=start, end=end, product=product, minimum_cloud_free=int(cloud_free), annual_band=band
    )


def _way() -> _Way:
    method = _segments(
        "Export",
        _METHODS,
        "ee_method",
        "Direct: pixels come here at once, no bucket needed; best up to some thousand km². "
        "Batch: Earth Engine writes files in its own time, then they are fetched.",
    )
    if method == "direct":
        return _Way()
    left, right = st.columns(2)
    with left:
        destination = _select("Destination", get_args(Destination), "ee_destination")
    with right:
        file_format = _select("Format", get_args(FileFormat), "ee_format", format_func=_FORMATS.__getitem__)
    if file_format == "GeoTIFF":
        return _Way(method, destination, file_format)
    patches = left.number_input(
        "Patches a region",
        1,
        5000,
        100,
        key="ee_patches",
        persist_state="session",
        help="Sampled at random places of each region, on whole VIIRS pixels.",
    )
    side = right.number_input(
        "Patch size (pixels)", 64, 512, 256, 16, key="ee_patch_size", persist_state="session"
    )
    return _Way(method, destination, file_format, int(patches), int(side))


def _has_what_it_needs(way: _Way, settings: Settings) -> bool:
    if way.method == "direct":
        st.caption("Needs no bucket.")
        return True
    if way.destination == "Drive":
        st.caption(
            f"Files appear in your Google Drive, folder {settings.bucket_folder}. "
            "Download them yourself, then import them below."
        )
        return True
    if settings.bucket is None:
        st.warning("A batch export to Cloud Storage needs a bucket, and none is set.")
        page_link("home", "Name the bucket")
        return False
    st.caption(
        f"Through your bucket, folder {settings.bucket_folder}; the files stay there until you delete them."
    )
    return True
