"""``nightlights tasks``: what Earth Engine computes for the project."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlights.commands.options import (
    BackgroundOption,
    JsonOption,
    WorkspaceOption,
    settings,
    writable_workspace,
)
from nightlights.commands.output import print_json, print_table, say
from nightlights.commands.work import run_job, start_job

if TYPE_CHECKING:
    from nightlights.sources.earthengine.operations import Operation

app = typer.Typer(
    help="Earth Engine tasks: list, cancel, fetch their files.", no_args_is_help=True, add_completion=False
)

TaskArgument = Annotated[str, typer.Argument(help="Id of the task, as the list shows it.")]


@app.command("list")
def list_tasks(
    everything: Annotated[bool, typer.Option("--all", help="Not only the newest 30.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List the tasks of the project, the newest first."""
    from nightlights.sources.earthengine.operations import list_operations

    found = list_operations(settings(workspace))
    rows = [_row(operation) for operation in (found if everything else found[:30])]
    if json:
        print_json(rows)
    elif rows:
        columns = {
            "id": "id",
            "kind": "kind",
            "description": "description",
            "state": "state",
            "runtime_s": "runtime, s",
            "eecu_seconds": "EECU-seconds",
            "destination": "destination",
            "error": "error",
        }
        table = [[row[key] if row[key] != "" else None for key in columns] for row in rows]
        print_table("Earth Engine tasks", tuple(columns.values()), table)
        if len(found) > len(rows):
            say(f"{len(found) - len(rows)} older ones are not shown; --all shows them.")
    else:
        say("Earth Engine has no task of this project.")


@app.command("cancel")
def cancel(task: TaskArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Ask Earth Engine to stop a task."""
    from nightlights.sources.earthengine.operations import cancel_operation

    operation = cancel_operation(task, settings(workspace))
    if json:
        print_json(_row(operation))
    else:
        typer.echo(f"Task {operation.id} is {operation.state}.")


@app.command("fetch")
def fetch(
    task: TaskArgument,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Folder to fetch into. Default: one for the task in the workspace's downloads.",
            metavar="FOLDER",
        ),
    ] = None,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Fetch the files of a finished task from the bucket: several at a time, resumed, checked."""
    from nightlights.sources.earthengine.fetching import check_fetchable
    from nightlights.sources.earthengine.operations import get_operation
    from nightlights.task_files import fetch_request, fetch_title, fetched_files

    operation = get_operation(task, settings(workspace))
    check_fetchable(operation)
    place = writable_workspace(workspace)
    request = fetch_request(place, operation, folder)
    if background:
        start_job(place, "fetch", request, json=json)
        return
    run_job(place, "fetch", request, title=fetch_title(operation))
    record = fetched_files(place, operation.id)
    paths = record.paths(place) if record else []
    if json:
        print_json([str(path) for path in paths])
    else:
        for path in paths:
            typer.echo(path)


def _row(operation: "Operation") -> dict[str, Any]:
    runtime, eecu = operation.runtime_s, operation.eecu_seconds
    return {
        "id": operation.id,
        "kind": operation.kind,
        "description": operation.description,
        "state": operation.state,
        "created": None if operation.created is None else operation.created.isoformat(),
        "runtime_s": None if runtime is None else round(runtime, 1),
        "eecu_seconds": None if eecu is None else round(eecu, 1),
        "attempt": operation.attempt,
        "progress": operation.progress,
        "destination": operation.destination,
        "error": operation.error,
        "remedy": operation.remedy,
    }
