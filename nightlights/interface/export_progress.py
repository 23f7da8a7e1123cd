"""How far each region of an export is."""

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.jobs_view import SECONDS_BETWEEN_LOOKS
from nightlights.interface.state import job_store, workspace
from nightlights.palettes import ROLE_COLOURS
from nightlights.region_files import load_collection
from nightlights.regions import Region

if TYPE_CHECKING:
    from nightlights.jobs import Job

_STYLE = (
    "<style>.export-regions{display:grid;gap:6px 22px;"
    "grid-template-columns:repeat(auto-fill,minmax(150px,1fr));font-size:.82rem}"
    ".export-regions i{display:block;height:4px;border-radius:2px;background:#8883;margin-top:2px}"
    ".export-regions i b{display:block;height:4px;border-radius:2px}</style>"
)


def region_shares(regions: Sequence[Region], share: float) -> list[float]:
    """The finished share of each region when ``share`` of the whole export is, one after the other."""
    sizes = [math.prod(region.window.shape) for region in regions]
    left = share * sum(sizes)
    shares = []
    for size in sizes:
        shares.append(min(max(left / size, 0.0), 1.0))
        left -= size
    return shares


def region_progress(job: "Job") -> None:
    """A bar a region under the card of an export; nothing once it is done."""
    if job.active or job.resumable:
        st.fragment(_bars, run_every=SECONDS_BETWEEN_LOOKS if job.active else None)(job.id)


def _bars(job_id: str) -> None:
    try:
        job = job_store().get(job_id)
        regions = load_collection(workspace(), str(job.request["regions"])).regions
    except NightlightsError:
        # The collection may have been renamed or deleted meanwhile; the card above says how far it is.
        return
    shares = region_shares(regions, job.progress.fraction)
    bars = "".join(
        f'<div title="{region.role}">{escape(region.name)} '
        f'<span style="opacity:.65">{_word(share)}</span>'
        f'<i><b style="width:{share:.0%};background:{ROLE_COLOURS[region.role]}"></b></i></div>'
        for region, share in zip(regions, shares, strict=True)
    )
    st.html(f'{_STYLE}<div class="export-regions">{bars}</div>')


def _word(share: float) -> str:
    # Sums of floating-point shares end a hair beside the whole.
    if share > 0.999:
        return "done"
    return f"{share:.0%}" if share > 0.001 else "waiting"
