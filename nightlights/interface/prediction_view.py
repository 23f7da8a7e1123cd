"""A prediction in numbers: the figures of its region, the values at a point, its files."""

from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import streamlit as st

from nightlights.bands import RADIANCE_UNIT
from nightlights.interface.compare_map import RADIANCE_LAYERS
from nightlights.interface.figures import Figure, figure_row
from nightlights.interface.gallery import position
from nightlights.interface.scores_table import fine_columns, fine_rows, meaning_of, more_figures, titled
from nightlights.manifests import PredictionRecord
from nightlights.maps import values_at
from nightlights.scores import BICUBIC, CONSTANT
from nightlights.wording import sharpening_words, size

_MEANINGS: dict[str, str] = {
    "viirs": "Measured: the mean over footprints of about 742 m, pixels of about 460 m",
    "prediction": "The network's radiance, pixels of about 29 m",
    "sharpened": "Corrected until VIIRS would see what it measured, but for noise; pixels of about 29 m",
    "observed": "The prediction through the footprint of VIIRS",
    "difference": "Predicted as VIIRS sees it, minus VIIRS",
    "uncertainty": "Width of the 90 % interval for what VIIRS would measure: where it is wide, do not trust",
    "lower": "VIIRS should measure more than this in 95 % of the pixels",
    "upper": "VIIRS should measure less than this in 95 % of the pixels",
    "truth": "Hidden radiance of the simulated planet, pixels of about 29 m",
    "daytime": "Daytime image",
}
_DOWNLOAD_ORDER = (
    "prediction",
    "sharpened",
    "observed",
    "difference",
    "uncertainty",
    "lower",
    "upper",
    "viirs",
    "truth",
    "daytime",
)
_FILE_TITLES = {"daytime": "Daytime bands", **{layer: title for layer, (title, _) in RADIANCE_LAYERS.items()}}


def values_at_point(
    record: PredictionRecord, folder: Path, longitude: float, latitude: float
) -> tuple[list[Figure], list[Figure]]:
    """All layers at one point: radiance, then the daytime bands; both empty where no layer reaches.

    Raises
    ------
    RasterError
        When a layer's file cannot be read.
    """
    files = {
        layer: folder / record.layers[layer]
        for layer in (*RADIANCE_LAYERS, "daytime")
        if layer in record.layers
    }
    found = values_at(files, longitude, latitude)
    bands = found.pop("daytime", ())
    radiance = [
        Figure(f"{RADIANCE_LAYERS[layer][0]} ({record.unit})", _digits(values[0]), _meaning(record, layer))
        for layer, values in found.items()
    ]
    daytime = []
    for band, value in zip(record.bands, bands, strict=False):
        unit = f" ({band.unit})" if band.unit not in ("", "1") else ""
        daytime.append(Figure(f"{band.name}{unit}", _digits(value), f"{band.title}: {band.quantity}."))
    return radiance, daytime


def _digits(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "missing"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:z.3f}"


_MORE = ("RMSE 95 %", "Spearman", "RMSE, fine", "SSIM")


def figures(record: PredictionRecord) -> list[tuple[str, str, str]]:
    """Title with unit, value and meaning of the figures of the region."""
    found: list[tuple[str, str, str]] = []
    score = record.score
    if score:
        found += [
            (f"RMSE ({score.unit})", f"{score.rmse:.3f}", "Root mean squared error at the VIIRS grid."),
            (f"MAE ({score.unit})", f"{score.mae:.3f}", "Mean absolute error at the VIIRS grid."),
            (
                f"Bias ({score.unit})",
                f"{score.bias:+z.3f}",
                "Mean of prediction minus VIIRS: above 0, too much light was predicted.",
            ),
            (
                "R²",
                f"{score.r2:z.3f}" if score.r2 is not None else "–",
                f"Share of the variance of VIIRS explained, over {score.pixels:,} VIIRS pixels.",
            ),
            (
                f"Mean, predicted ({score.unit})",
                f"{score.mean_predicted:.2f}",
                "Mean predicted radiance, as VIIRS would see it.",
            ),
            (f"Mean, VIIRS ({score.unit})", f"{score.mean_measured:.2f}", "Mean measured radiance."),
        ]
        for title, value in more_figures(score).items():
            if title in _MORE and value is not None:
                text = value if isinstance(value, str) else f"{value:z.3f}"
                found.append((titled(title), text, meaning_of(title)))
    sums = f"Sum over VIIRS pixels of radiance times area, in {RADIANCE_UNIT} · km²."
    found += [
        (f"Sum, predicted ({RADIANCE_UNIT} · km²)", f"{record.total_predicted:,.0f}", sums),
        (f"Sum, VIIRS ({RADIANCE_UNIT} · km²)", f"{record.total_measured:,.0f}", sums),
    ]
    return found


def show_downloads(record: PredictionRecord, folder: Path) -> None:
    """A button a layer; the file is read only when it is clicked."""
    st.markdown("#### Download", help="Cloud Optimized GeoTIFFs, EPSG:4326, with unit and model in the tags.")
    layers = [layer for layer in _DOWNLOAD_ORDER if layer in record.layers]
    with st.container(horizontal=True):
        for layer in layers:
            path = folder / record.layers[layer]
            st.download_button(
                f"{_FILE_TITLES[layer]} ({_size(path)})",
                data=partial(_opened, path),
                file_name=f"{record.name}-{layer}.tif",
                mime="image/tiff",
                key=f"download-{record.name}-{layer}",
                help=_meaning(record, layer),
                on_click="ignore",
                icon=":material/download:",
            )


def show_figures(record: PredictionRecord) -> None:
    """The figures of the region in a row that wraps."""
    st.markdown(f"#### {record.region} by {record.run}", help="At the VIIRS grid, over the whole region.")
    figure_row([Figure(*entry) for entry in figures(record)], key="region")


def show_fine_scores(record: PredictionRecord) -> None:
    """Prediction, sharpened prediction and what VIIRS alone gives against the truth, where it is known."""
    if "truth" not in record.layers:
        return
    own = record.fine_truth
    if own is None:
        st.markdown(
            "#### Against the simulated truth",
            help="Pixel by pixel at 29 m, over the whole region. Simulated: it says nothing about the Earth.",
        )
    else:
        st.markdown(
            f"#### Against your fine truth, at {own.scale_m:.0f} m",
            help="Prediction and raster are averaged to the coarser of the two scales.",
        )
        st.caption(" ".join(own.sentences))
    if not record.fine_scores:
        st.info(
            "This prediction was made before scores at 29 m were kept. Predict again to score it and its "
            "sharpened form beside interpolated VIIRS and its mean."
            if own is None
            else "The raster and the prediction have no known pixel in common."
        )
        return
    st.dataframe(
        fine_rows(record.fine_scores, BICUBIC),
        column_config=fine_columns(BICUBIC, own.scale_m if own else None),
        hide_index=True,
        height="content",
        placeholder="–",
    )
    words = "Sharpening and interpolation use the VIIRS image of this very region."
    if record.source.simulated:
        words = f"Simulated imagery. {words}"
    if any(each.method == CONSTANT for each in record.fine_scores):
        words += (
            f" The row **{CONSTANT}** gives every pixel the mean radiance of that image: a method with a "
            "larger RMSE is worse than one value everywhere."
        )
    else:
        words += f" Predict again to have the {CONSTANT} beside them."
    if not any(each.sharpened for each in record.fine_scores):
        words += " Tick **Sharpen too** and predict again to score the sharpened prediction."
    st.caption(words)


def show_verdict(record: PredictionRecord) -> None:
    """How well the sharpened layer agrees with VIIRS, and how far its texture is to be trusted."""
    if "sharpened" not in record.layers:
        return
    st.markdown("#### Sharpened", help="By the VIIRS of this very region; see the science for how.")
    if record.sharpening is None:
        st.info(
            "This prediction was sharpened by an earlier recipe, to agree with VIIRS within 1 %, noise and "
            "all. Predict again to sharpen it to the level of the noise."
        )
        return
    st.markdown("\n".join(f"- {line}" for line in sharpening_words(record.sharpening, record.fine_scores)))


def _meaning(record: PredictionRecord, layer: str) -> str:
    """What a layer shows."""
    if layer == "truth" and record.fine_truth is not None:
        own = record.fine_truth
        return f"Your raster {own.files[0]}, calibrated to VIIRS; it resolves {own.resolution_m:.3g} m"
    return _MEANINGS[layer]


def show_values(record: PredictionRecord, folder: Path, point: tuple[float, float] | None) -> None:
    """All layers at the clicked ``point`` (longitude, latitude), or a word on how to get there."""
    if point is None:
        st.caption("Click on the map to read every layer at that point.")
        return
    radiance, daytime = values_at_point(record, folder, *point)
    place = position(point[1], point[0], digits=4)
    if not radiance and not daytime:
        st.caption(f"{place} lies outside of {record.region}: click inside its outline.")
        return
    st.markdown(f"#### At {place}")
    figure_row(radiance, key="radiance")
    figure_row(daytime, key="daytime")


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _size(path: Path) -> str:
    try:
        return size(path.stat().st_size)
    except OSError:
        return "missing"
