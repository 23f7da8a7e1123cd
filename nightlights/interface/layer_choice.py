"""Which layers of a prediction to make and to look at."""

from typing import Final

import streamlit as st

from nightlights.interface import compare_map
from nightlights.manifests import PredictionRecord

_SHOWN: Final = "layer-shown"
"""The layer of the last run of the page."""


def choose_layer(record: PredictionRecord) -> compare_map.LayerChoice:
    """Ask which layer to look at."""
    choices = compare_map.layer_choices(record)
    titles = list(choices)
    first = titles.index("Predicted") if "Predicted" in titles else 0
    title = st.radio("Layer", titles, index=first, key="layer", bind="query-params", on_change=_swap)
    st.session_state[_SHOWN] = title
    return choices[title]


def _swap() -> None:
    """Where the other side of the swipe is chosen as the layer, the sides change places."""
    before = st.session_state.get(_SHOWN)
    if before and st.session_state.get("swipe") == st.session_state["layer"] != before:
        st.session_state["swipe"] = before


def compare_layer(
    record: PredictionRecord, layer: compare_map.LayerChoice
) -> tuple[list[compare_map.LayerChoice], float]:
    """Ask for another layer to swipe against, and the opacity: ``layer``, the other if any, 0 to 1."""
    choices = compare_map.layer_choices(record)
    others = [title for title in choices if title != layer.title]
    other = st.selectbox(
        "Swipe against", others, index=None, placeholder="Nothing", key="swipe", bind="query-params"
    )
    opacity = st.slider("Opacity (%)", 0, 100, 100, 5, key="opacity", persist_state="session")
    return [layer, choices[other]] if other else [layer], opacity / 100


def choose_sharpening() -> bool:
    """Ask whether to make the layer that VIIRS agrees with, as is usual."""
    return st.checkbox(
        "Sharpen too",
        value=True,
        key="sharpen",
        persist_state="session",
        help="Also corrects the prediction until VIIRS agrees with it, but for its noise; takes less time "
        "than predicting. How far the texture of the prediction is trusted, the region's own VIIRS decides.",
    )
