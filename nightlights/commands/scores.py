"""Scores on the terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nightlights.commands.output import print_table

if TYPE_CHECKING:
    from nightlights.manifests import Score, Scores
    from nightlights.workspace import Workspace

METRICS_FILE = "metrics.json"

FIGURES = ("RMSE", "MAE", "bias", "R²", "VIIRS pixels")
"""Headings of :func:`figures_of`."""

MORE_FIGURES = (
    "RMSE interval",
    "log-RMSE",
    "Spearman",
    "RMSE, level known",
    "RMSE dark",
    "RMSE dim",
    "RMSE bright",
    "fine RMSE",
    "SSIM",
    "lit-area F1",
)
"""Headings of :func:`more_figures_of`."""


def scores_of(workspace: "Workspace", run: str) -> "Scores":
    """The scores of a run.

    Raises
    ------
    WorkspaceError
        When it has none yet.
    """
    from nightlights.manifests import Scores, read_record

    return read_record(workspace.run_folder(run) / METRICS_FILE, Scores)


def figures_of(score: "Score") -> tuple[str | None, ...]:
    """RMSE, MAE, bias, R² and the number of VIIRS pixels, as cells of a table."""
    return (
        f"{score.rmse:.3f}",
        f"{score.mae:.3f}",
        f"{score.bias:+z.3f}",
        cell(score.r2),
        f"{score.pixels:,}",
    )


def more_figures_of(score: "Score") -> tuple[str | None, ...]:
    """What :data:`MORE_FIGURES` names, as cells of a table; None where it is not known."""
    interval = score.intervals.rmse if score.intervals else None
    classes = {each.name: each.rmse for each in score.classes or []}
    fine = score.fine
    return (
        f"{interval.lower:.3g} to {interval.upper:.3g}" if interval else None,
        cell(score.log_rmse),
        cell(score.spearman),
        cell(score.rmse_level_known),
        *(cell(classes.get(name)) for name in ("dark", "dim", "bright")),
        cell(fine.rmse if fine else None),
        cell(fine.ssim if fine else None),
        cell(fine.lit_f1 if fine else None),
    )


def cell(value: float | None) -> str | None:
    """Three digits after the point."""
    return None if value is None else f"{value:z.3f}"


def legend(scores: "Iterable[Score]") -> str:
    """What the figures mean, as far as they are there."""
    from nightlights.metrics import BRIGHT_FROM, DIM_FROM, LIT_FROM

    known = list(scores)
    words = ["RMSE, MAE and bias are in the unit above; R² has none."]
    intervals = next((score.intervals for score in known if score.intervals), None)
    if intervals:
        words.append(
            f"Intervals: {100 * intervals.level:.0f} % confidence for these regions, spatial bootstrap of "
            f"{intervals.draws:,} draws of blocks of {intervals.block_size} x {intervals.block_size} VIIRS "
            f"pixels, seed {intervals.seed}."
        )
    if any(score.log_rmse is not None for score in known):
        words.append("log-RMSE: of ln(1 + radiance). Spearman: correlation of ranks.")
    if any(score.rmse_level_known is not None for score in known):
        words.append(
            "Level known: once one factor for each region has given the prediction the mean of VIIRS; how "
            "bright a country is cannot be seen by day."
        )
    if any(score.classes for score in known):
        words.append(
            f"Classes by measured radiance: dark below {DIM_FROM:g}, dim, bright from {BRIGHT_FROM:g} on."
        )
    if any(score.fine for score in known):
        words.append(
            "Fine RMSE, SSIM (of ln(1 + radiance)) and lit-area F1 (lit from "
            f"{LIT_FROM:g} on): against the true radiance{_scale_of(known)}."
        )
    return " ".join(words)


def _scale_of(scores: "Iterable[Score]") -> str:
    """At which scale the fine scores are, where it is one."""
    sides = {score.fine.scale_m for score in scores if score.fine}
    if sides == {None}:
        return " at the analysis grid"
    known = sorted(side for side in sides if side is not None)
    span = f"{known[0]:.0f}" + (f" to {known[-1]:.0f}" if known[-1] > 1.02 * known[0] else "")
    return f" of your own raster, both averaged to {span} m"


SIMULATED = "The imagery is simulated: these figures say nothing about the Earth."


def print_scores(workspace: "Workspace", run: str) -> None:
    """A table of the scores of a run: one row for each method and region."""
    scores = scores_of(workspace, run)
    unit = scores.scores[0].unit if scores.scores else ""
    print_table(
        f"{'Simulated planet: s' if scores.simulated else 'S'}cores of {run} at the VIIRS grid, in {unit}",
        ("role", "region", "method", *FIGURES, *MORE_FIGURES),
        (
            (score.role, score.region, score.method, *figures_of(score), *more_figures_of(score))
            for score in scores.scores
        ),
        legend(scores.scores) + (f" {SIMULATED}" if scores.simulated else ""),
    )
