"""``nightlights models``: the models that ship."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlights.commands.options import JsonOption, OverwriteOption, WorkspaceOption, writable_workspace
from nightlights.commands.output import print_facts, print_json, say
from nightlights.wording import counted

if TYPE_CHECKING:
    from nightlights.shipped import ShippedModel
    from nightlights.uncertainty.records import Calibration

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
    """List the models that ship: what each is for and how good it is. Its name is used wherever a run is."""
    from nightlights.shipped import shipped_models

    models = shipped_models(folder.expanduser() if folder else None)
    if json:
        print_json([_described(model) for model in models])
        return
    if not models:
        say("No model ships yet. Make one: nightlights models promote RUN")
        return
    # A list below each other: a table with as many columns cannot be read in a narrow terminal.
    for model in models:
        print_facts(model.run.name, _rows(model))


def _described(model: "ShippedModel") -> dict[str, Any]:
    """A model for programs."""
    intervals = _intervals(model)
    return {
        "name": model.name,
        "run": model.run.name,
        "purpose": _purpose(model),
        "network": model.config.network,
        "weights": model.run.parameters,
        "bands": [band.name for band in model.config.bands],
        "viirs_input": model.config.viirs_input,
        "simulated": model.config.simulated,
        "held_out_rmse": model.run.evaluation_rmse,
        "unit": model.config.radiance_unit,
        "held_out_regions": model.run.evaluate_regions,
        "interval_level": intervals.level if intervals else None,
        "interval_coverage": intervals.coverage if intervals else None,
    }


def _rows(model: "ShippedModel") -> list[tuple[str, str]]:
    """A model for people: what each figure is, and the figure."""
    run, config, intervals = model.run, model.config, _intervals(model)
    simulated = " Simulated imagery: it says nothing about the Earth." if config.simulated else ""
    quality = "not known"
    if run.evaluation_rmse is not None:
        before = " before sharpening" if config.viirs_input else ""
        places = counted(len(run.evaluate_regions), "region")
        figure = f"{run.evaluation_rmse:.3f} {config.radiance_unit}"
        quality = f"{figure} at the VIIRS grid{before}, in {places} that it was not trained on.{simulated}"
    calibrated = "none: not calibrated"
    if intervals:
        kind = " of simulated imagery" if intervals.simulated else ""
        calibrated = (
            f"calibrated: the {100 * intervals.level:g} % intervals held {100 * intervals.coverage:.0f} % of "
            f"the VIIRS pixels{kind} that were left out"
        )
    members = f", the mean of {counted(len(run.members), 'network')}" if run.members else ""
    return [
        ("for", _purpose(model)),
        ("held-out RMSE", quality),
        ("intervals", calibrated),
        ("inputs", f"{counted(len(config.bands), 'band')}{' and VIIRS' if config.viirs_input else ''}"),
        ("network", f"{config.network}, {run.parameters:,} weights{members}"),
        ("loss", run.settings.loss),
        ("trained on", "the simulated planet" if config.simulated else run.source.label),
    ]


def _purpose(model: "ShippedModel") -> str:
    if model.config.viirs_input:
        return "sharpening VIIRS: reads the VIIRS image beside the daytime bands"
    return "predicting from the daytime bands alone"


def _intervals(model: "ShippedModel") -> "Calibration | None":
    """How its intervals were calibrated; None where they were not, or cannot be used."""
    from nightlights.errors import ModelError
    from nightlights.uncertainty import load_calibration

    try:
        return load_calibration(model.folder)
    except ModelError as error:
        say(str(error))
        return None


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
            f"There is a run {name} already.", "Choose another name, or overwrite it with --overwrite."
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
