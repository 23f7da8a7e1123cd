"""The form of an export: regions, source, period, bands, name; and what the export will take."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import streamlit as st

from nightlights.bands import Band
from nightlights.datasets import ExportEstimate, estimate_export
from nightlights.interface.connection import connection, is_test_server
from nightlights.interface.earthengine_form import ask_for_composites
from nightlights.interface.jobs_view import duration
from nightlights.interface.truth_form import ask_for_truth
from nightlights.manifests import ExportRequest
from nightlights.names import unused_name
from nightlights.pipeline import make_source
from nightlights.region_checks import check_regions, raise_first_error
from nightlights.region_files import load_collection
from nightlights.settings import Settings
from nightlights.wording import size
from nightlights.workspace import Workspace

Source = Literal["simulated", "rasters", "earthengine"]
_SOURCES: dict[Source, str] = {
    "simulated": "Simulated planet",
    "rasters": "Your own rasters",
    "earthengine": "Earth Engine",
}
_MINIMUM_FREE_SHARE = 0.02
_CHOSEN = "export-source-chosen"
_INSTRUMENT = ("noise_share", "width_factor", "glow_share", "glow_fwhm_m")
"""What can be varied of VIIRS over the simulated planet: fields of the request."""


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What an export will take.

    ``free_bytes`` is what the disk has left now; ``patches`` is by region; ``notes`` are the source's.
    """

    request: ExportRequest
    stored_bytes: int
    seconds: float
    free_bytes: int
    patches: dict[str, int]
    notes: tuple[str, ...] = ()
    requests: int = 0

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it, with a little to spare."""
        return self.stored_bytes * (1 + _MINIMUM_FREE_SHARE) < self.free_bytes

    @property
    def sentence(self) -> str:
        """Size, time and room in one line."""
        count = len(self.patches)
        return (
            f"{count} region{'s' if count != 1 else ''} · **{size(self.stored_bytes)}** on disk · "
            f"about **{duration(self.seconds)}** · {self._asked}{size(self.free_bytes)} free"
        )

    @property
    def _asked(self) -> str:
        if not self.requests or self.request.earthengine is None:
            return ""
        what = "request" if self.request.earthengine.method == "direct" else "Earth Engine task"
        return f"{self.requests:,} {what}{'s' * (self.requests != 1)} · "


def _choose_source() -> None:
    """Choose Earth Engine once it is connected, unless the visitor has chosen a source already."""
    if connection() is not None and not st.session_state.get(_CHOSEN):
        st.session_state["export_source"] = "earthengine"
    st.session_state.setdefault("export_source", "simulated")


def _keep_choice() -> None:
    st.session_state[_CHOSEN] = True


def export_is_simulated(settings: Settings) -> bool:
    """Whether the form will export simulated imagery: the planet's, or a test server's."""
    _choose_source()
    source: Source = st.session_state["export_source"]
    return source == "simulated" or (source == "earthengine" and is_test_server(settings))


def ask_for_export(workspace: Workspace, settings: Settings, taken: Sequence[str]) -> ExportRequest | None:
    """Draw the form; None while something is missing, which is then said on the page.

    ``taken`` are the names that datasets have already.

    Raises
    ------
    NightlightsError
        When the source cannot be read.
    """
    regions = st.selectbox(
        "Regions",
        workspace.region_names(),
        key="export_regions",
        persist_state="session",
        help="A collection drawn or uploaded on the Regions page.",
    )
    _choose_source()
    picked: Source | None = st.segmented_control(
        "Source",
        list(_SOURCES),
        required=True,
        format_func=lambda kind: _SOURCES[kind],
        key="export_source",
        on_change=_keep_choice,
        persist_state="session",
        wrap=True,
    )
    source = picked or "simulated"
    if source == "earthengine":
        request = ask_for_composites(settings)
    else:
        request = _simulated(settings) if source == "simulated" else _rasters()
    if request is None:
        return None
    # The form of Earth Engine has bands of its own: what is left out is not even computed.
    bands = None if source == "earthengine" else _bands(make_source(request).bands, source)
    suggestion = unused_name(f"{regions}-{source}" if source != "simulated" else regions, taken)
    request = request.model_copy(
        update={
            "regions": regions,
            "fwhm_m": settings.fwhm_m,
            "bands": bands,
            "dataset": st.text_input(
                "Name of the dataset", key="export_name", placeholder=suggestion, persist_state="session"
            )
            or suggestion,
        }
    )
    return ExportRequest.model_validate(request.model_dump())


def plan_export(workspace: Workspace, request: ExportRequest, settings: Settings) -> ExportPlan:
    """Check the regions and estimate size and time.

    Raises
    ------
    NightlightsError
        When a region or the source cannot be used.
    """
    collection = load_collection(workspace, request.regions)
    raise_first_error(check_regions(collection.regions, settings))
    source = make_source(request, settings)
    estimate: ExportEstimate = estimate_export(source, collection.regions, settings.patch_size)
    free = shutil.disk_usage(workspace.root).free
    return ExportPlan(
        request,
        estimate.stored_bytes,
        estimate.seconds,
        free,
        dict(estimate.patches),
        estimate.notes,
        estimate.requests,
    )


def _simulated(settings: Settings) -> ExportRequest:
    seed = st.number_input(
        "Planet seed",
        0,
        2**31 - 1,
        settings.planet_seed,
        key="export_seed",
        persist_state="session",
        help="Coasts and cities stay; another seed gives other fields, roads and lights.",
    )
    st.caption("The simulated planet has no seasons, so there is no period to choose.")
    return ExportRequest(
        dataset="unnamed", regions="unnamed", planet_seed=int(seed), **_instrument(settings.fwhm_m)
    )


def _instrument(fwhm_m: float) -> dict[str, Any]:
    """Ask what VIIRS over the planet is like, by the names of the request's fields."""
    usual = {name: ExportRequest.model_fields[name].default for name in _INSTRUMENT}
    with st.expander("Instrument"):
        noise = st.number_input(
            "Noise of VIIRS (% of the light)",
            0.0,
            100.0,
            100 * usual["noise_share"],
            step=1.0,
            format="%.3g",
            key="export_noise",
            persist_state="session",
            help="Standard deviation of a VIIRS pixel. Real monthly composites scatter by 10 % and more.",
        )
        width = st.number_input(
            "True width of the footprint (x the assumed)",
            0.8,
            1.2,
            usual["width_factor"],
            step=0.05,
            format="%.2f",
            key="export_width_factor",
            persist_state="session",
            help=f"Training and sharpening assume a full width at half maximum of {fwhm_m:g} m. Another true "
            "width shows what a wrong assumption costs.",
        )
        glow = st.number_input(
            "Light in the glow (% of the light)",
            0.0,
            50.0,
            100 * usual["glow_share"],
            step=1.0,
            format="%.3g",
            key="export_glow",
            persist_state="session",
            help="Light of towns that VIIRS sees kilometres around them. Training and sharpening know of it.",
        )
        reach = st.number_input(
            "Width of the glow (m)",
            2_000.0,
            15_000.0,
            usual["glow_fwhm_m"],
            step=500.0,
            format="%.0f",
            key="export_glow_fwhm",
            persist_state="session",
            disabled=glow == 0,
            help="Full width at half maximum.",
        )
    values = (noise / 100, width, glow / 100, reach if glow else usual["glow_fwhm_m"])
    return dict(zip(_INSTRUMENT, values, strict=True))


def _rasters() -> ExportRequest | None:
    daytime = _lines("Daytime GeoTIFFs", "export_daytime", "day/*.tif")
    nighttime = _lines("VIIRS GeoTIFFs", "export_nighttime", "viirs/*.tif")
    composed = st.checkbox(
        "Median of the VIIRS files",
        key="export_median",
        persist_state="session",
        help="For monthly composites of the same place: the offset of each is removed, fires are left out, "
        "and the noise is measured. Otherwise the files are mosaicked, the first on top.",
    )
    start, end = _period()
    truth = ask_for_truth()
    with st.expander("Missing pixels"):
        ignored = st.checkbox(
            "Ignore the files' nodata tag",
            key="export_ignore_tag",
            persist_state="session",
            help="Some VIIRS files are tagged nodata 0, although 0 is a valid radiance.",
        )
        day_value = _number("Daytime value that means missing", "export_day_nodata")
        night_value = _number("VIIRS value that means missing", "export_night_nodata")
    if not daytime or not nighttime:
        st.caption("Name at least one daytime file and one VIIRS file; several of a kind make one image.")
        return None
    return ExportRequest(
        dataset="unnamed",
        regions="unnamed",
        source="rasters",
        daytime_files=daytime,
        nighttime_files=nighttime,
        daytime_nodata=day_value,
        nighttime_nodata=night_value,
        ignore_nodata_tag=ignored,
        nighttime_composite="median" if composed else "mosaic",
        truth=truth,
        period_start=start,
        period_end=end,
    )


def _lines(label: str, key: str, example: str) -> list[str]:
    text = st.text_area(
        label,
        key=key,
        height=68,
        placeholder=example,
        persist_state="session",
        help="Paths or patterns on the machine that runs the app, one a line. "
        "Any coordinate system and resolution.",
    )
    return [line.strip() for line in text.splitlines() if line.strip()]


def _number(label: str, key: str) -> float | None:
    return st.number_input(label, value=None, key=key, placeholder="as tagged", persist_state="session")


def _period() -> tuple[str | None, str | None]:
    dates: tuple[date | None, date | None] = (None, None)
    columns = st.columns(2)
    labels = (("Imagery from", "export_from"), ("to", "export_to"))
    first, last = (
        column.date_input(
            label,
            value=None,
            key=key,
            min_value=date(2012, 1, 1),
            max_value=date(2100, 1, 1),
            persist_state="session",
            help="Kept in the dataset's manifest; it chooses nothing, since the files are what they are.",
        )
        for column, (label, key) in zip(columns, labels, strict=True)
    )
    dates = (first, last)
    start, end = (value.isoformat() if value else None for value in dates)
    return start, end


def _bands(bands: Sequence[Band], source: Source) -> list[str] | None:
    names = [band.name for band in bands]
    chosen = st.pills(
        "Bands",
        names,
        selection_mode="multi",
        default=names,
        key=f"export_bands_{source}_{len(names)}",
        persist_state="session",
        help="What the network will see of the daytime image: "
        + ", ".join(f"{band.name} {band.title}".strip() for band in bands),
        wrap=True,
    )
    # The order of the source, whatever the order of the clicks.
    return None if len(chosen) in (0, len(names)) else [name for name in names if name in chosen]
