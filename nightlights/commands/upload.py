"""``nightlights upload``: a prediction goes to the bucket, and becomes an Earth Engine asset."""

from typing import Annotated

import typer

from nightlights.commands.options import (
    BackgroundOption,
    JsonOption,
    OverwriteOption,
    WorkspaceOption,
    writable_workspace,
)
from nightlights.commands.output import print_json
from nightlights.commands.work import record_of, run_job, start_job

app = typer.Typer(add_completion=False)


@app.command()
def upload(
    prediction: Annotated[str, typer.Argument(help="Name of the prediction.")],
    form: Annotated[
        str,
        typer.Option(help="COG (the GeoTIFF as it is) or TFRecord (patches and mixer, as in the study)."),
    ] = "COG",
    no_asset: Annotated[bool, typer.Option("--no-asset", help="To the bucket alone.")] = False,
    asset: Annotated[
        str | None, typer.Option(help="Name of the asset. Default: the prediction's.", metavar="NAME")
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence that the asset names.")] = "CC-BY-4.0",
    overwrite: OverwriteOption = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Publish a prediction. Doing it again finds what is there: nothing is sent or made twice."""
    from nightlights.manifests import PublishRequest
    from nightlights.publishing import read_publication

    request = record_of(
        PublishRequest,
        prediction=prediction,
        form=form,
        ingest=not no_asset,
        asset=asset,
        licence=licence,
        overwrite=overwrite,
    )
    place = writable_workspace(workspace)
    title = f"Publish {prediction}"
    if background:
        start_job(place, "publish", request, json=json, title=title)
        return
    run_job(place, "publish", request, title=title)
    record = read_publication(place, prediction)
    if json:
        print_json(record.model_dump(mode="json"))
        return
    note = " Simulated imagery." if record.simulated else ""
    typer.echo(f"Cloud Storage: {', '.join(record.files)}.{note}")
    if record.asset is not None and request.ingest:
        spent = f" ({record.eecu_seconds:,.1f} EECU-seconds)" if record.eecu_seconds is not None else ""
        typer.echo(f"Asset: {record.asset}{spent}")
