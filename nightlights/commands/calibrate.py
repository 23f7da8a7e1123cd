"""``nightlights calibrate``: intervals for what VIIRS would measure."""

import contextlib
from typing import Annotated

import typer

from nightlights.commands.options import JsonOption, WorkspaceOption, writable_workspace
from nightlights.commands.output import print_json, print_table
from nightlights.errors import SettingsError

app = typer.Typer(add_completion=False)


@app.command()
def calibrate(
    run: Annotated[str, typer.Option(help="Name of the run whose model is calibrated.")],
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Datasets with regions that it was not trained on, separated by commas. Default: its own."
        ),
    ] = None,
    regions: Annotated[
        str | None, typer.Option(help="Names, separated by commas. Default: those of role evaluate.")
    ] = None,
    orientations: Annotated[
        int,
        typer.Option(help="1, 2, 4 or 8: how often every later prediction is made, turned and mirrored."),
    ] = 8,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Learn how far a model errs in regions that it was not trained on, without training it again.

    Later predictions of the model get the layers lower and upper, between which VIIRS should measure in 90 %
    of the pixels, and uncertainty, their distance in nW/cm²/sr.
    """
    from nightlights.commands.train import names
    from nightlights.commands.work import TerminalProgress, check_unused
    from nightlights.datasets import Dataset
    from nightlights.errors import DatasetError, WorkspaceError
    from nightlights.pipeline import read_run
    from nightlights.uncertainty.calibration import calibrate as learn
    from nightlights.uncertainty.calibration import calibration_sources

    if orientations not in (1, 2, 4, 8):
        raise SettingsError(f"--orientations cannot be {orientations}.", "Choose 1, 2, 4 or 8.")
    place = writable_workspace(workspace)
    record = read_run(place, run)
    check_unused(place, f"runs/{run}")
    trained = None
    with contextlib.suppress(DatasetError, WorkspaceError):
        trained = Dataset.open(place, record.dataset)
    chosen = [Dataset.open(place, name) for name in dict.fromkeys(names(dataset) or [record.dataset])]
    wanted = calibration_sources(chosen, trained, record, names(regions) or None)
    with TerminalProgress() as progress:
        made = learn(
            wanted,
            record,
            place.run_folder(run),
            progress,
            orientations=orientations,  # type: ignore[arg-type]
        )
    if json:
        print_json(made.model_dump(mode="json"))
        return
    simulated = ", simulated imagery" if made.simulated else ""
    print_table(
        f"{made.level:.0%} intervals of {run}, each region calibrated without "
        f"{'itself' if made.held_out == 'regions' else 'the block that is scored'}{simulated}",
        ("region", "dataset", "VIIRS pixels", "inside (%)"),
        [
            *((each.name, each.dataset, f"{each.pixels:,}", f"{each.coverage:.1%}") for each in made.regions),
            ("mean over regions", None, f"{made.pixels:,}", f"{made.coverage:.1%}"),
        ],
    )
    typer.echo(made.remark)
