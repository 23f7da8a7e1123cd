"""Figures in a row that wraps: title with unit, value, meaning on hover."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

_STYLE = """<style>
[class*="st-key-figures-"] { gap: 0.2rem 1.6rem; }
[class*="st-key-figures-"] [data-testid="stMetricValue"] { font-size: 1.3rem; line-height: 1.5; }
[class*="st-key-figures-"] [data-testid="stMetricLabel"] p { font-size: 0.78rem; }
</style>"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: ``title`` carries the unit, ``meaning`` appears when the pointer rests on it."""

    title: str
    value: str
    meaning: str


def figure_row(figures: Sequence[Figure], key: str) -> None:
    """Draw the figures side by side, as many as fit into a line."""
    with st.container(horizontal=True, key=f"figures-{key}"):
        st.html(_STYLE)
        for figure in figures:
            st.metric(figure.title, figure.value, help=figure.meaning, width="content")
