"""Scores on the terminal."""

from typing import TYPE_CHECKING

from nightlights.commands.output import print_table

if TYPE_CHECKING:
    from nightlights.manifests import Score, Scores
    from nightlights.workspace import Workspace

METRICS_FILE = "metrics.json"


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
        None if score.r2 is None else f"{score.r2:z.3f}",
        f"{score.pixels:,}",
    )


def print_scores(workspace: "Workspace", run: str) -> None:
    """A table of the scores of a run: one row for each method and region."""
    scores = scores_of(workspace, run)
    unit = scores.scores[0].unit if scores.scores else ""
    print_table(
        f"{'Simulated planet: s' if scores.simulated else 'S'}cores of {run} at the VIIRS grid, in {unit}",
        ("role", "region", "method", "RMSE", "MAE", "bias", "R²", "VIIRS pixels"),
        ((score.role, score.region, score.method, *figures_of(score)) for score in scores.scores),
        "RMSE, MAE and bias are in the unit above; R² has none. "
        + (
            "The imagery is simulated: these figures say nothing about the Earth." if scores.simulated else ""
        ),
    )
