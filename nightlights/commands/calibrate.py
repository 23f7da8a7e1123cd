"""``nightlights calibrate``: intervals for what VIIRS would measure."""

from typing import Annotated

import typer

from nightlights.commands.options import BackgroundOption, JsonOption, WorkspaceOption, writable_workspace
from nightlights.commands.output import print_json, print_table
from nightlights.errors import SettingsError

app = typer.Typer(add_completion=False)


@app.command()
def calibrate(
    run: Annotated[str, typer.Option(help="Name of a finished run; not of a model that ships.")],
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Datasets to take the regions from, separated by commas. Default: that of the run."
        ),
    ] = None,
    regions: Annotated[
        str | None,
        typer.Option(
            help="Regions that the run was not trained on, separated by commas; three or more are best. "
            "Default: those of role evaluate."
        ),
    ] = None,
    orientations: Annotated[
        int,
        typer.Option(
            help="1, 2, 4 or 8: how often each region is predicted, turned and mirrored, now and later. More "
            "say better where the network is unsure, and take longer."
        ),
    ] = 8,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Measure how far a run errs where it was not trained, so that its predictions come with error bounds.

    It predicts regions that the network has not seen, compares them with what
    VIIRS measured there, and writes what it learned to uncertainty.json in the
    folder of the run. The network itself is not changed.

    Predictions made from then on get three more layers, in nW/cm²/sr: lower and
    upper, between which VIIRS should measure in 90 % of the pixels, and
    uncertainty, the distance between the two. Earlier predictions stay as they
    are: make them again.

    How long it takes: each region is predicted 8 times, upright, turned and
    mirrored. That is minutes for a few cities, longer without a GPU. Later
    predictions of the run take 8 times as long, too. With --orientations 1
    each region is predicted once.

    For example:

    nightlights calibrate --run first

    nightlights calibrate --run first --regions abuja,nairobi --orientations 1
    """
    from nightlights.calibrating import read_calibration
    from nightlights.commands.train import names
    from nightlights.commands.work import record_of, run_job, start_job
    from nightlights.jobs.kinds import CalibrationRequest
    from nightlights.pipeline import read_run

    if orientations not in (1, 2, 4, 8):
        raise SettingsError(f"--orientations cannot be {orientations}.", "Choose 1, 2, 4 or 8.")
    place = writable_workspace(workspace)
    read_run(place, run)
    request = record_of(
        CalibrationRequest,
        run=run,
        datasets=names(dataset) or None,
        regions=names(regions) or None,
        orientations=orientations,
    )
    if background:
        start_job(place, "calibrate", request, json=json)
        return
    run_job(place, "calibrate", request)
    made = read_calibration(place, run)
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
    typer.echo(
        f"To hold {made.level:.0%} of a region that was left out, the bounds lie where {made.share:.1%} of "
        "the errors end."
    )
    typer.echo(made.remark)
    typer.echo(
        f"Next: nightlights predict --run {run} --region NAME --overwrite; its layer uncertainty shows where "
        "not to trust it."
    )
