"""What is known of a run while it trains: figures of the newest epoch, and words for times."""

from collections.abc import Sequence

from nightlights.bands import RADIANCE_UNIT
from nightlights.interface.figures import Figure
from nightlights.interface.jobs_view import duration
from nightlights.manifests import EpochRecord, RunRecord


def size(count: float) -> str:
    """Bytes in the unit that a person would choose: "820 kB", "1.4 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


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
