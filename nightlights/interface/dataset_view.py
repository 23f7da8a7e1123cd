"""What came of an export: patches in pictures, the histogram's numbers, a table of regions, deletion."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from nightlights.bands import RADIANCE_UNIT
from nightlights.datasets import Dataset
from nightlights.errors import NightlightsError
from nightlights.grid import FINE_PER_VIIRS
from nightlights.interface.gallery import (
    PatchPictures,
    PatchPlace,
    gallery_style,
    patch_pictures,
    patch_places,
    strip_html,
)
from nightlights.interface.legends import band_legends, legend_html, radiance_legend
from nightlights.interface.plots import radiance_histogram
from nightlights.interface.state import flash, job_store, show_error, workspace
from nightlights.interface.theme import theme_name
from nightlights.manifests import DatasetManifest, read_record
from nightlights.palettes import ON_LIGHT, ROLE_COLOURS
from nightlights.wording import counted

PATCHES_SHOWN = 6
_NOISE_FLOOR = 0.1
"""nW/cm2/sr; the histogram tells nothing of pixels darker than this."""


def manifests(names: Sequence[str]) -> dict[str, DatasetManifest]:
    """The manifests of the datasets ``names``, newest first; one that cannot be read is said and left out."""
    read = {}
    for name in names:
        try:
            read[name] = read_record(workspace().dataset_folder(name) / "dataset.json", DatasetManifest)
        except NightlightsError as error:
            show_error(error)
    return dict(sorted(read.items(), key=lambda item: item[1].created, reverse=True))


@st.cache_data(max_entries=64, show_spinner="Reading a patch")
def _pictures(root: str, name: str, stamp: str, place: PatchPlace) -> PatchPictures:
    """``root`` and ``stamp`` (when the dataset was made) are there to tell one dataset from another."""
    return patch_pictures(Dataset.open(workspace(), name), place)


@st.fragment
def gallery(manifest: DatasetManifest, patch_size: int) -> None:
    """Patches drawn at random with a button for others."""
    key = f"gallery-{manifest.name}"
    title, button = st.columns([4, 1], vertical_alignment="bottom")
    title.markdown("#### Patches")
    if button.button("Show others", icon=":material/casino:", width="stretch"):
        st.session_state[key] = st.session_state.get(key, 0) + 1
    places = patch_places(manifest, PATCHES_SHOWN, patch_size, st.session_state.get(key, 0))
    stamp = manifest.created.isoformat()
    patches = [_pictures(str(workspace().root), manifest.name, stamp, place) for place in places]
    strips = "".join(strip_html(patch) for patch in patches)
    light = theme_name() == "light"
    colours = {str(role): ON_LIGHT[colour] if light else colour for role, colour in ROLE_COLOURS.items()}
    st.html(f'{gallery_style(colours)}<div class="patches">{strips}</div>')
    legend, thermal = st.columns(2, gap="large")
    legend.html(legend_html(radiance_legend("VIIRS radiance")))
    for entry in band_legends(manifest.bands):
        thermal.html(legend_html(entry))


def radiance_counts(manifest: DatasetManifest) -> tuple[list[float], dict[str, list[int]]]:
    """Edges in nW/cm2/sr, and role to numbers of VIIRS pixels between them, over the regions of the role.

    Everything below the noise floor of VIIRS is one bin, and every two finer bins are one.
    """
    edges = manifest.regions[0].radiance.edges if manifest.regions else []
    floor = next((index for index, edge in enumerate(edges) if edge >= _NOISE_FLOOR), 0)
    starts = [0, *range(floor, len(edges) - 1, 2)] if floor else list(range(len(edges) - 1))
    counts: dict[str, list[int]] = {}
    for role in ("train", "evaluate"):
        regions = [
            region.radiance
            for region in manifest.regions
            if region.role == role and region.radiance.edges == edges
        ]
        if regions:
            total = np.sum([region.counts for region in regions], axis=0)
            counts[role] = np.add.reduceat(total, starts).tolist()
    return [*(edges[start] for start in starts), *edges[-1:]], counts


def histogram(manifest: DatasetManifest) -> go.Figure | None:
    """The distribution of radiance in training and evaluation regions; None without either."""
    edges, counts = radiance_counts(manifest)
    if not counts:
        return None
    figure = radiance_histogram(edges, counts)
    # Most pixels are dark: on a linear axis the lights that matter could not be seen.
    figure.update_yaxes(
        type="log", title="Share of VIIRS pixels (%)", rangemode="normal", tickvals=_decades(-3, 2)
    )
    return figure.update_xaxes(tickvals=_decades(-1, 3))


def _decades(first: int, last: int) -> list[float]:
    return [round(step * 10.0**power, 4) for power in range(first, last + 1) for step in (1, 2, 5)]


def region_table(manifest: DatasetManifest) -> None:
    """A row a region: size, radiance, lit share, missing share."""
    rows = [
        {
            "Region": region.name,
            "Role": region.role,
            "Width": region.window.width * FINE_PER_VIIRS,
            "Height": region.window.height * FINE_PER_VIIRS,
            "VIIRS pixels": region.window.width * region.window.height,
            "Mean": region.radiance.mean,
            "Highest": region.radiance.maximum,
            "Lit": 100 * region.radiance.lit_share,
            "Missing": 100 * region.missing_share,
        }
        for region in manifest.regions
    ]
    number = st.column_config.NumberColumn
    columns: dict[str, Any] = {
        "Region": st.column_config.TextColumn(pinned=True),
        "Width": number("Width\n(pixels)", help="In analysis pixels of 29 m."),
        "Height": number("Height\n(pixels)", help="In analysis pixels of 29 m."),
        "VIIRS pixels": number(format="localized"),
        "Mean": number(f"Mean\n({RADIANCE_UNIT})", format="%.2f", help="Mean radiance of VIIRS."),
        "Highest": number(f"Highest\n({RADIANCE_UNIT})", format="%.1f", help="Brightest VIIRS pixel."),
        "Lit": number("Lit\n(%)", format="%.1f", help=f"VIIRS pixels above 0.5 {RADIANCE_UNIT}."),
        "Missing": number(
            "Missing\n(%)",
            format="%.1f",
            help="Analysis pixels that lack a band: clouds, edges of the files.",
        ),
    }
    st.dataframe(pd.DataFrame(rows), column_config=columns, hide_index=True, width="stretch")


def truth_words(manifest: DatasetManifest) -> None:
    """What was done to a fine truth of one's own, region by region; nothing without one."""
    known = [region for region in manifest.regions if region.truth_sentences]
    if known:
        st.markdown("#### Fine truth", help="Your raster: how it was aligned and calibrated in each region.")
        st.markdown("\n".join(f"- **{region.name}**: {' '.join(region.truth_sentences)}" for region in known))


def description(manifest: DatasetManifest) -> str:
    """Source, period, bands and date in one line."""
    parts = [manifest.source.label]
    if manifest.period_start or manifest.period_end:
        parts.append(f"{manifest.period_start or '…'} to {manifest.period_end or '…'}")
    parts.append(counted(len(manifest.bands), "band"))
    parts.append(f"{counted(len(manifest.regions), 'region')} of “{manifest.regions_name}”")
    parts.append(f"exported {manifest.created:%Y-%m-%d %H:%M} UTC")
    return " · ".join(parts)


def delete_dataset(name: str) -> None:
    """A button that asks again, then deletes. Runs that were trained on the dataset stay."""
    with st.popover("Delete this dataset", icon=":material/delete:"):
        st.write(
            f"This removes **{name}** and its rasters from the disk. Runs trained on it stay, but can "
            "neither be evaluated nor predict its regions any more."
        )
        if not st.button("Yes, delete it", key=f"delete-{name}"):
            return
        try:
            with job_store().holding(f"datasets/{name}"):
                workspace().delete(workspace().dataset_folder(name))
            flash(f"Deleted the dataset {name}.")
        except NightlightsError as error:
            flash(str(error), "error")
    st.rerun()
