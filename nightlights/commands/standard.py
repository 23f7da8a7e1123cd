"""``nightlights standard``: the table of targets, from models trained anew."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nightlights.commands.options import BackgroundOption, JsonOption, WorkspaceOption, writable_workspace
from nightlights.commands.output import print_json
from nightlights.commands.work import record_of, run_job, start_job

if TYPE_CHECKING:
    from nightlights.workspace import Workspace

app = typer.Typer(add_completion=False, no_args_is_help=True)

SplitOption = Annotated[
    Literal["test", "validation"],
    typer.Option(help="Cities to score on. Choose settings on validation cities, never on test cities."),
]


@app.command()
def train(
    only: Annotated[
        str | None,
        typer.Option(help="Recipes to train, separated by commas, see: nightlights standard recipes."),
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Times the patches of every recipe: 0.1 for a tenth of the work.")
    ] = 1.0,
    split: SplitOption = "test",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Train again what is finished with the same settings.")
    ] = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Train every model of the table of targets from nothing, score them all, and print the table.

    Imagery, runs and figures lie in the workspace; the same command goes on where it was stopped. All of it
    is simulated. Hours on a CPU: the study's network has 31 million weights.
    """
    from nightlights.commands.train import names
    from nightlights.jobs.kinds import StandardRequest
    from nightlights.standard.work import checked_recipes

    request = record_of(StandardRequest, train=True, only=names(only), scale=scale, split=split, fresh=fresh)
    checked_recipes(request)
    place = writable_workspace(workspace)
    if background:
        start_job(place, "standard", request, json=json)
        return
    run_job(place, "standard", request, title=f"Train the standard models, score {split} cities")
    _print(place, split, scale, json)


@app.command()
def show(
    scale: Annotated[float, typer.Option(help="Of the trainings.")] = 1.0,
    split: SplitOption = "test",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Print the table that the last training in this workspace left."""
    _print(writable_workspace(workspace), split, scale, json)


@app.command()
def record(workspace: WorkspaceOption = None) -> None:
    """Keep this workspace's table of the test cities in the project's models.

    There, evaluate --standard reads the figures of what does not ship: the study's networks and the oracle.
    """
    from nightlights.standard.work import keep_record

    typer.echo(keep_record(writable_workspace(workspace)))


@app.command()
def recipes(json: JsonOption = False) -> None:
    """List the models of the table: network, loss, training cities."""
    from nightlights.commands.output import print_table
    from nightlights.standard.recipes import RECIPES

    rows = [
        (
            recipe.key,
            recipe.title,
            settings.network,
            settings.loss,
            "yes" if settings.viirs_input else "",
            settings.epochs,
            settings.patches_per_region,
            len(settings.train_regions or []),
        )
        for recipe in RECIPES.values()
        for settings in recipe.settings()
    ]
    if json:
        print_json(
            {
                recipe.key: [settings.model_dump(mode="json") for settings in recipe.settings()]
                for recipe in RECIPES.values()
            }
        )
        return
    print_table(
        "Models of the table of targets",
        (
            "recipe",
            "what it is",
            "network",
            "loss",
            "VIIRS as input",
            "epochs",
            "patches a city and epoch",
            "training cities",
        ),
        rows,
        "Several rows of a recipe are members of an ensemble. Trained on the simulated planet alone.",
    )


def _print(place: "Workspace", split: str, scale: float, json: bool) -> None:
    from nightlights.commands.standard_targets import print_targets
    from nightlights.errors import ModelError
    from nightlights.manifests import read_record
    from nightlights.standard.table import TABLE_FILE, StandardTable
    from nightlights.standard.work import table_folder

    path = table_folder(place, split, scale) / TABLE_FILE
    if not path.exists():
        raise ModelError(
            f"This workspace has no table of the {split} cities yet.",
            "Print the one of the models that ship: nightlights evaluate --standard. Train everything anew, "
            "which takes an hour or more: nightlights standard train",
        )
    table = read_record(path, StandardTable)
    if json:
        print_json(table.model_dump(mode="json"))
    else:
        print_targets(table)
