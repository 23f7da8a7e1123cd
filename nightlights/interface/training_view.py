"""What is known of a run while it trains: figures of the newest epoch, and words for times."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from nightlights.bands import RADIANCE_UNIT
from nightlights.interface.figures import Figure
from nightlights.interface.jobs_view import duration
from nightlights.interface.plots import rmse_chart
from nightlights.manifests import EpochRecord, RunRecord


def curves(histories: Mapping[str, Sequence[EpochRecord]], epochs: int) -> go.Figure:
    """The RMSE of runs; the axis reaches to ``epochs`` from the beginning, so that one sees them grow."""
    figure = rmse_chart(histories)
    last = max([epochs, *(row.epoch for rows in histories.values() for row in rows)])
    # A single epoch stands in the middle: at the edge its point would be cut in half.
    return figure.update_xaxes(range=[0, max(last * 1.02, 2)], tick0=0, dtick=max(1, math.ceil(last / 10)))


STAY_IN_VIEW = """<style>@media (min-width: 641px) {
[data-testid="stColumn"]:has(.st-key-stay) { position: sticky; top: 4rem; align-self: flex-start; }
}</style>"""
"""Keeps the column that holds the container ``stay`` on the screen while a longer one beside it scrolls."""


def run_figures(run: RunRecord, history: Sequence[EpochRecord], seconds_left: float | None) -> list[Figure]:
    """Epoch, both RMSE, speed, time left and device of a run."""
    newest = history[-1] if history else None
    held_out = newest.evaluation_rmse if newest else None
    best = min((row.evaluation_rmse for row in history if row.evaluation_rmse is not None), default=held_out)
    figures = [
        Figure("Epoch", f"{len(history)} of {run.settings.epochs}", "Passes over the patches, finished."),
        Figure(
            f"Evaluation RMSE ({RADIANCE_UNIT})",
            f"{held_out:.3f}" if held_out is not None else "–",
            f"At the VIIRS grid, on regions never trained on. Best so far: {best:.3f}."
            if best is not None
            else "At the VIIRS grid, on regions never trained on.",
        ),
        Figure(
            f"Training RMSE ({RADIANCE_UNIT})",
            f"{newest.train_rmse:.3f}" if newest else "–",
            "Measured the same way as the evaluation RMSE.",
        ),
        Figure(
            "Patches per second",
            f"{newest.patches_per_second:.1f}" if newest else "–",
            "Speed of training in the newest epoch.",
        ),
    ]
    if seconds_left is not None:
        figures.append(Figure("Time left", duration(seconds_left), "At the speed of the last minute."))
    else:
        figures.append(Figure("Time", duration(run.seconds) if run.seconds else "–", "Spent on training."))
    figures.append(Figure("Device", run.device or "–", "What the network trained on."))
    return figures
