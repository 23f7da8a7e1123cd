"""Plotly charts in the colours of the house, readable when 400 pixels wide."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from nightlights.bands import RADIANCE_UNIT
from nightlights.interface.theme import theme_name
from nightlights.manifests import EpochRecord
from nightlights.palettes import DIFFERENCE_STOPS, ON_LIGHT, RADIANCE_STOPS, role_colour

LINES: Final = ("#ffb23e", "#4aa8ff", "#ff5fc0", "#7ed5b0", "#b99cff", "#f2919a", "#c9d1e0")
"""Colours of runs, in order."""

_INK: Final = {"dark": ("#e8ecf4", "#25304a"), "light": ("#1d2433", "#d8d4c8")}


def template(theme: str = "dark") -> go.layout.Template:
    """The chart template of the night or the light theme."""
    ink, grid = _INK["light" if theme == "light" else "dark"]
    axis = {
        "gridcolor": grid,
        "zerolinecolor": grid,
        "linecolor": grid,
        "automargin": True,
        "title_standoff": 8,
    }
    return go.layout.Template(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": ink, "size": 13},
            "colorway": [ON_LIGHT[colour] for colour in LINES] if theme == "light" else list(LINES),
            "colorscale": {"sequential": RADIANCE_STOPS, "diverging": DIFFERENCE_STOPS},
            "margin": {"l": 8, "r": 8, "t": 12, "b": 8},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"font": {"size": 13}},
        }
    )


def _darken(trace: Any) -> None:
    """Draw a line of the night theme in the colour of the same hue that can be seen on the light one."""
    line = getattr(trace, "line", None)
    if line is not None and line.color in ON_LIGHT:
        line.color = ON_LIGHT[line.color]


def show_chart(figure: go.Figure, key: str, *, height: int = 340) -> None:
    """Draw ``figure`` over the whole width, in the visitor's theme."""
    theme = theme_name()
    if theme == "light":
        figure.for_each_trace(_darken)
    figure.update_layout(template=template(theme), height=height)
    st.plotly_chart(figure, key=key, theme=None, config={"displayModeBar": False, "responsive": True})


_WIDE: Final = 20.0
"""Ratio of the largest to the smallest RMSE from which a chart has a logarithmic axis."""

_DECADES_ALONE: Final = 1000.0
"""The same from which there is room for powers of ten alone beside that axis."""

_FEW_EPOCHS: Final = 10


def rmse_chart(histories: Mapping[str, Sequence[EpochRecord]]) -> go.Figure:
    """RMSE against epoch of one or several runs: training dotted, evaluation solid, a colour for each run.

    Parameters
    ----------
    histories:
        Name of the run to its epochs; RMSE in nW/cm2/sr at the VIIRS grid.
    """
    figure = go.Figure()
    for index, (name, epochs) in enumerate(histories.items()):
        colour = LINES[index % len(LINES)]
        for field, said, dash in (
            ("train_rmse", "training", "dot"),
            ("evaluation_rmse", "evaluation", "solid"),
        ):
            values = [getattr(epoch, field) for epoch in epochs]
            if all(value is None for value in values):
                continue
            # Without a line, training and evaluation are told apart by their points.
            alone = len(epochs) == 1
            symbol = "circle-open" if alone and field == "train_rmse" else "circle"
            figure.add_scatter(
                x=[epoch.epoch for epoch in epochs],
                y=values,
                mode="markers+text" if alone else "lines+markers" if len(epochs) < 40 else "lines",
                name=f"{name}, {said}",
                line={"color": colour, "dash": dash, "width": 2},
                marker={"size": 12 if alone else 5, "symbol": symbol, "line": {"width": 2 if alone else 0}},
                text=[f"{value:.3f}" for value in values] if alone else None,
                textposition="middle left" if field == "train_rmse" else "middle right",
                hovertemplate=f"{name}, {said}<br>epoch %{{x}}: %{{y:.3f}} {RADIANCE_UNIT}<extra></extra>",
            )
    figure.update_xaxes(title="Epoch", rangemode="tozero", tickformat="d")
    # Between few epochs there would be ticks at halves, written as whole numbers.
    if max((len(epochs) for epochs in histories.values()), default=0) <= _FEW_EPOCHS:
        figure.update_xaxes(dtick=1)
    figure.update_yaxes(title=f"RMSE ({RADIANCE_UNIT})", rangemode="tozero", tickformat=",~r")
    # After a first epoch that was far off, the later ones could not be told from each other.
    shown = [value for trace in figure.data for value in trace.y if value and np.isfinite(value)]
    if shown and max(shown) > _WIDE * min(shown):
        steps = "D2" if max(shown) < _DECADES_ALONE * min(shown) else 1
        figure.update_yaxes(type="log", dtick=steps, rangemode="normal")
    return figure


def _filled(edges: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[float, float]:
    """From the lowest to the highest bin that holds a pixel, as powers of ten; at least a decade."""
    first, last = np.flatnonzero(counts)[[0, -1]]
    lowest = max(float(edges[first]), float(edges[edges > 0][0]))
    highest = max(float(edges[last + 1]), 10 * lowest)
    return float(np.log10(lowest)), float(np.log10(highest))


def radiance_histogram(
    edges: Sequence[float], counts: Mapping[str, Sequence[int]], *, logarithmic: bool = True
) -> go.Figure:
    """Share of VIIRS pixels by radiance, one line for each role, in the colours of the roles.

    Parameters
    ----------
    edges:
        Edges of the bins in nW/cm2/sr, one more than there are bins.
    counts:
        Role to the number of VIIRS pixels in every bin.
    logarithmic:
        Whether the radiance axis is logarithmic; bins that begin at 0 or below are then drawn at their
        upper edge.
    """
    figure = go.Figure()
    bounds = np.asarray(edges, dtype=np.float64)
    for role, numbers in counts.items():
        share = np.asarray(numbers, dtype=np.float64)
        share = 100 * share / max(share.sum(), 1.0)
        at = bounds[1:] if logarithmic else (bounds[:-1] + bounds[1:]) / 2
        figure.add_scatter(
            x=at,
            y=share,
            customdata=np.stack([bounds[:-1], bounds[1:]], axis=-1),
            name=role,
            mode="lines",
            line={"color": role_colour(role), "shape": "vh" if logarithmic else "hvh", "width": 2},
            fill="tozeroy",
            fillcolor="rgba(0,0,0,0)",
            hovertemplate=f"{role}: %{{y:.1f}} % of pixels from %{{customdata[0]:.3g}} to "
            f"%{{customdata[1]:.3g}} {RADIANCE_UNIT}<extra></extra>",
        )
    figure.update_xaxes(title=f"Radiance ({RADIANCE_UNIT})", type="log" if logarithmic else "linear")
    if logarithmic and any(any(numbers) for numbers in counts.values()):
        figure.update_xaxes(range=_filled(bounds, np.sum([list(n) for n in counts.values()], axis=0)))
    figure.update_yaxes(title="Share of pixels (%)", rangemode="tozero")
    return figure
