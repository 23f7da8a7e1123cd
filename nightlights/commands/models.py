"""``nightlights models``: the models that ship."""

from pathlib import Path
from typing import Annotated

import typer

from nightlights.commands.options import JsonOption, OverwriteOption, WorkspaceOption, writable_workspace
from nightlights.commands.output import print_json, print_table, say

app = typer.Typer(add_completion=False, no_args_is_help=True)

FolderOption = Annotated[
    Path | None, typer.Option("--to", help="Folder of models. Default: the project's.", metavar="FOLDER")
]


@app.command("list")
def list_models(
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="Folder of models. Default: the project's.", metavar="FOLDER"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the models that ship; each is used by its name wherever a run is."""
    from nightlights.shipped import shipped_models

    models = shipped_models(folder.expanduser() if folder else None)
    if json:
        print_json(
            [
                {
                    "name": model.name,
                    "run": model.run.name,
                    "network": model.config.network,
                    "weights": model.run.parameters,
                    "bands": [band.name for band in model.config.bands],
                    "viirs_input": model.config.viirs_input,
                    "simulated": model.config.simulated,
                }
                for model in models
            ]
        )
        return
    if not models:
        say("No model ships yet. Make one: nightlights models promote RUN")
        return
    print_table(
        "Models that ship",
        ("use as", "network", "weights", "inputs", "trained on", "with"),
        (
            (
                model.run.name,
                model.config.network,
                f"{model.run.parameters:,}",
                f"{len(model.config.bands)} bands{' and VIIRS' if model.config.viirs_input else ''}",
                "the simulated planet" if model.config.simulated else model.run.source.label,
                model.run.settings.loss,
            )
            for model in models
        ),
    )


@app.command()
def combine(
    name: Annotated[str, typer.Argument(help="Name of the run to make.")],
    runs: Annotated[list[str], typer.Argument(help="Finished runs of one network on one dataset.")],
    overwrite: OverwriteOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Make a run whose prediction is the mean of several runs: mostly it errs less than each."""
    from nightlights.ensembles import combine as make
    from nightlights.errors import ModelError
    from nightlights.names import checked_name
    from nightlights.pipeline import read_run

    place = writable_workspace(workspace)
    members = [place.run_folder(read_run(place, run).name) for run in runs]
    folder = place.run_folder(checked_name(name, "run"))
    if folder in members:
        raise ModelError(f"{name} is one of the runs to combine.", "Choose another name.")
    if folder.exists() and not overwrite:
        raise ModelError(
            f"There is a run {name} already.", "Choose another name, or allow it to be overwritten."
        )
    record = make(members, folder, name)
    say(f"{name} is the mean of {', '.join(record.members)}. Score it: nightlights evaluate --run {name}")
    typer.echo(folder)


@app.command()
def card(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    overwrite: OverwriteOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Draft the card of a run in its folder: data, settings, scores, limits, licence. Fill in its blanks."""
    from nightlights.promotion import draft_card

    path = draft_card(writable_workspace(workspace), run, overwrite=overwrite)
    say("Drafted. Fill in what is in brackets, then: nightlights models promote " + run)
    typer.echo(path)


@app.command()
def promote(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the model. Default: the run's, without standard- before it.")
    ] = None,
    folder: FolderOption = None,
    overwrite: OverwriteOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make a model that ships of a finished run with a card."""
    from nightlights.promotion import promote as make

    root = folder.expanduser() if folder else None
    model = make(writable_workspace(workspace), run, name, root=root, overwrite=overwrite)
    if json:
        print_json({"name": model.name, "folder": str(model.folder)})
    else:
        typer.echo(f"{model.folder} is the model {model.name}. Use it as the run shipped-{model.name}.")
