"""The table of regions: names and roles to edit, figures and problems to read."""

import math
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import pandas as pd
import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.region_work import RegionWork
from nightlights.interface.state import flash
from nightlights.manifests import ROLES
from nightlights.palettes import role_colour
from nightlights.region_checks import Problem
from nightlights.regions import Region, export_bytes
from nightlights.settings import Settings
from nightlights.wording import rounded_area

BAND_COUNT: Final = 9


def size_words(count: float) -> str:
    """Bytes in words: ``820 kB``, ``12.4 MB``, ``1.3 GB``."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit != "MB" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _swatch(role: str) -> str:
    colour = quote(role_colour(role))
    return (
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='18' height='18'>"
        f"<rect x='2' y='2' width='14' height='14' rx='3' fill='{colour}'/></svg>"
    )


def _figures(region: Region, settings: Settings) -> tuple[int | None, float]:
    """Patches that fit, and megabytes of the export; None and NaN off the grid."""
    try:
        return region.patches(settings.patch_size), export_bytes([region], BAND_COUNT, truth=True) / 1e6
    except NightlightsError:
        return None, math.nan


def region_rows(regions: Sequence[Region], problems: Sequence[Problem], settings: Settings) -> pd.DataFrame:
    """A row a region: colour, name, role, area, patches, size, problems with their remedies."""
    rows: list[dict[str, Any]] = []
    for region in regions:
        patches, megabytes = _figures(region, settings)
        said = [
            f"{problem.message} {problem.remedy}".strip()
            for problem in problems
            if problem.region == region.name
        ]
        rows.append(
            {
                "colour": _swatch(region.role),
                "name": region.name,
                "role": region.role,
                "area": rounded_area(region.area_km2),
                "patches": patches,
                "size": megabytes,
                "problem": " ".join(said),
            }
        )
    return pd.DataFrame(rows, columns=["colour", "name", "role", "area", "patches", "size", "problem"])


def region_table(work: RegionWork, problems: Sequence[Problem], settings: Settings) -> None:
    """Show the table; what is changed in it is saved at once."""
    rows = region_rows(work.editor.regions, problems, settings)
    size = settings.patch_size
    key = f"region-table-{work.editor.revision}"
    st.data_editor(
        rows,
        key=key,
        on_change=_changed,
        args=(work, key),
        num_rows="delete",
        hide_index=True,
        disabled=("colour", "area", "patches", "size", "problem"),
        width="stretch",
        column_config={
            "colour": st.column_config.ImageColumn("", width=36),
            "name": st.column_config.TextColumn(
                "Name", required=True, max_chars=64, help="Letters, digits, - and _: it becomes a file name."
            ),
            "role": st.column_config.SelectboxColumn(
                "Role",
                options=list(ROLES),
                required=True,
                help="train: its pixels fit the network. evaluate: its pixels judge it. "
                "predict: only to look at.",
            ),
            "area": st.column_config.NumberColumn("Area (km²)", format="localized"),
            "patches": st.column_config.NumberColumn(
                "Patches", help=f"Patches of {size} x {size} pixels that fit side by side."
            ),
            "size": st.column_config.NumberColumn(
                "Export (MB)", format="%.3g", help="Nine bands, VIIRS and the truth, before compression."
            ),
            "problem": st.column_config.TextColumn("Problem and remedy", width="large"),
        },
    )


def _changed(work: RegionWork, key: str) -> None:
    changes = st.session_state.get(key) or {}
    try:
        for index, values in (changes.get("edited_rows") or {}).items():
            work.editor.revise(int(index), name=values.get("name"), role=values.get("role"))
        if changes.get("deleted_rows"):
            work.editor.delete(int(index) for index in changes["deleted_rows"])
    except NightlightsError as error:
        flash(str(error), "error")
    work.save()


def show_problems(problems: Sequence[Problem]) -> None:
    """Say what is wrong with the regions, the worst first, each once."""
    for severity, show in (("error", st.error), ("warning", st.warning), ("repaired", st.info)):
        for problem in dict.fromkeys(problem for problem in problems if problem.severity == severity):
            show(f"**{problem.message}** {problem.remedy}")
