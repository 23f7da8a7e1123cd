"""``nightlights earthengine``: the connection to Google Earth Engine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from nightlights.commands.options import JsonOption, WorkspaceOption, settings, writable_workspace
from nightlights.commands.output import print_json

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Earth Engine: status, settings.")


@app.command()
def status(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Connect, and say as whom and to which project."""
    from nightlights.sources.earthengine.client import connect

    found = settings(workspace)
    connection = connect(found)
    if json:
        print_json(
            {
                "project": connection.project,
                "account": connection.account,
                "method": connection.method,
                "local": connection.local,
                "bucket_set": found.bucket is not None,
                "folder": found.bucket_folder,
            }
        )
        return
    typer.echo(f"Connected as {connection.account} ({connection.method}) to project {connection.project}.")
    if connection.local:
        typer.echo("This is a local test server: its imagery is simulated.")
    if found.bucket is None:
        typer.echo(
            "No bucket is set: direct exports work, batch exports to Cloud Storage and uploads do not."
        )
    else:
        typer.echo(f"A bucket is set; files go to its folder {found.bucket_folder}.")


@app.command("set")
def keep(
    project: Annotated[
        str | None, typer.Option(help="Google Cloud project that Earth Engine works for.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="JSON key file of a service account; not needed for your own sign-in.")
    ] = None,
    bucket: Annotated[str | None, typer.Option(help="Cloud Storage bucket for batch exports.")] = None,
    folder: Annotated[
        str | None, typer.Option(help="Folder in the bucket or in Drive, and of the assets.")
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Remove what the workspace keeps first.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Keep project, key file, bucket and folder in the workspace, readable by you alone.

    Environment variables and .env go before what is kept here.
    """
    from nightlights.settings import CONNECTION_FIELDS, ENVIRONMENT_PREFIX, keep_connection

    place = writable_workspace(workspace)
    given = {
        "earthengine_project": project,
        "service_account_key": None if key is None else str(key.expanduser().resolve()),
        "bucket": bucket,
        "bucket_folder": folder,
    }
    values = {name: value for name, value in given.items() if value is not None}
    if forget:
        values = {**dict.fromkeys(CONNECTION_FIELDS), **values}  # type: ignore[dict-item]
    keep_connection(place.root, **values)
    typer.echo("Kept." if values else "Nothing was given, so nothing has changed. See --help.")
    for name in values:
        variable = ENVIRONMENT_PREFIX + name.upper()
        # Its value may be the bucket's name, which is never shown.
        if os.environ.get(variable):
            typer.echo(
                f"{variable} in the environment or .env goes before what was kept; unset it to use this."
            )
