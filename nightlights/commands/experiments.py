"""``nightlights experiments``: training runs, their settings and figures."""

from typing import Annotated, Any

import typer

from nightlights.commands.options import (
    JsonOption,
    WorkspaceOption,
    YesOption,
    readable_workspace,
    writable_workspace,
)
from nightlights.commands.output import confirm, print_json, print_table, say

app = typer.Typer(help="Training runs: list, show, note, delete.", no_args_is_help=True, add_completion=False)

RunArgument = Annotated[str, typer.Argument(help="Name of the run.")]

_NEWER = "footprint regression RMSE (nW/cm²/sr)"
"""Which runs of an older version were not compared with."""
_COLUMNS = (
    "run",
    "state",
    "dataset",
    "network",
    "evaluation RMSE (nW/cm²/sr)",
    "training RMSE (nW/cm²/sr)",
    "evaluation R²",
    "constant mean RMSE (nW/cm²/sr)",
    "linear regression RMSE (nW/cm²/sr)",
    _NEWER,
    "epochs done",
    "notes",
)


@app.command("list")
def list_runs(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the runs of the workspace with their figures, the newest first."""
    from nightlights.experiments import list_experiments

    rows = [experiment.row() for experiment in list_experiments(readable_workspace(workspace))]
    if json:
        print_json(rows)
    elif rows:
        note = "Runs on simulated imagery are: " + ", ".join(row["run"] for row in rows if row["simulated"])
        columns = [name for name in _COLUMNS if name != _NEWER or any(row[name] is not None for row in rows)]
        print_table(
            "Runs",
            columns,
            ([_cell(row[column]) for column in columns] for row in rows),
            note if any(row["simulated"] for row in rows) else "",
        )
    else:
        say("No runs yet. Make one: nightlights train --dataset NAME --run NAME")


@app.command("show")
def show(run: RunArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Show the settings, the curves and the scores of a run."""
    from nightlights.commands.scores import print_scores
    from nightlights.experiments import get_experiment
    from nightlights.training.history import read_history

    place = readable_workspace(workspace)
    found = get_experiment(place, run)
    epochs = read_history(place.run_folder(run))
    if json:
        print_json(
            {
                "run": found.record.model_dump(mode="json"),
                "state": found.state,
                "epochs": [epoch.model_dump(mode="json") for epoch in epochs],
                "scores": [score.model_dump(mode="json") for score in found.scores],
            }
        )
        return
    shown = found.row().items()
    rows = ((name, _cell(value)) for name, value in shown if name != _NEWER or value is not None)
    print_table(f"Run {run}", ("", "value"), rows)
    if epochs:
        print_table(
            "RMSE at the VIIRS grid in nW/cm²/sr",
            ("epoch", "train RMSE", "evaluation RMSE", "loss", "patches/s"),
            (
                (
                    epoch.epoch,
                    f"{epoch.train_rmse:.3f}",
                    None if epoch.evaluation_rmse is None else f"{epoch.evaluation_rmse:.3f}",
                    f"{epoch.loss:.4g}",
                    f"{epoch.patches_per_second:.1f}",
                )
                for epoch in epochs
            ),
        )
    if found.scores:
        print_scores(place, run)


@app.command("note")
def note(
    run: RunArgument,
    text: Annotated[str, typer.Argument(help="The note; it takes the place of the one before.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Keep a note with a run."""
    from nightlights.experiments import set_notes

    set_notes(writable_workspace(workspace), run, text)
    say(f"Noted with {run}.")


@app.command("delete")
def delete(run: RunArgument, yes: YesOption = False, workspace: WorkspaceOption = None) -> None:
    """Delete a run with its model; predictions made with it stay."""
    from nightlights.experiments import delete_experiment
    from nightlights.pipeline import read_run

    place = writable_workspace(workspace)
    read_run(place, run)
    confirm(f"Delete the run {run} and its model?", yes)
    delete_experiment(place, run)
    say(f"Deleted the run {run}.")


def _cell(value: Any) -> object:
    return f"{value:z.3f}" if isinstance(value, float) else value
