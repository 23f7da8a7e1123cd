"""``nightlights jobs``: work in the background."""

from typing import Annotated

import typer

from nightlights.commands.options import (
    JsonOption,
    WorkspaceOption,
    readable_workspace,
    writable_workspace,
)
from nightlights.commands.output import print_json, print_table, say
from nightlights.commands.work import follow_job
from nightlights.wording import local_time

app = typer.Typer(
    help="Background jobs: list, show, cancel, resume, delete.", no_args_is_help=True, add_completion=False
)

JobArgument = Annotated[str, typer.Argument(help="Name of the job.")]


@app.command("list")
def list_jobs(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the jobs of the workspace, the newest first."""
    from nightlights.jobs import JobStore

    jobs = JobStore(readable_workspace(workspace)).list()
    if json:
        print_json([job.model_dump(mode="json") for job in jobs])
    elif jobs:
        rows = ((job.id, job.title, job.state_text, local_time(job.created)) for job in jobs)
        print_table("Jobs", ("job", "title", "state", "created"), rows)
    else:
        say("No jobs yet.")


@app.command("show")
def show(
    job: JobArgument,
    follow: Annotated[bool, typer.Option("--follow", help="Show its progress until it ends.")] = False,
    log: Annotated[bool, typer.Option("--log", help="Also print the end of its log.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show the state of a job."""
    from nightlights.jobs import JobStore

    place = readable_workspace(workspace)
    store = JobStore(place)
    found = store.get(job)
    if follow:
        found = follow_job(place, job)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    progress = found.progress
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:,.0f} s left"
    amount = (
        f" ({progress.done:,.0f} of {progress.total:,.0f} {progress.unit}{left})" if progress.total else ""
    )
    typer.echo(f"{found.title}: {found.state_text}{amount}")
    if found.failure and found.failure.remedy:
        typer.echo(found.failure.remedy)
    if log:
        typer.echo(store.log(job))


@app.command("cancel")
def cancel(
    job: JobArgument,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it has stopped.")] = True,
    workspace: WorkspaceOption = None,
) -> None:
    """Stop a job; it can be resumed, or run again."""
    from nightlights.jobs import JobStore

    store = JobStore(writable_workspace(workspace))
    found = store.cancel(job)
    if wait:
        found = store.wait(job)
    say(f"Job {job}: {found.state_text}.")


@app.command("resume")
def resume(
    job: JobArgument,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once, instead of showing its progress.")
    ] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Go on with a job that failed, was cancelled or interrupted.

    Evaluations, calibrations and predictions keep nothing to go on from: they are run again.
    """
    from nightlights.jobs import JobStore

    place = writable_workspace(workspace)
    found = JobStore(place).resume(job)
    if not detach:
        found = follow_job(place, job)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        say(f"Job {job}: {found.state_text}.")


@app.command("delete")
def delete(job: JobArgument, workspace: WorkspaceOption = None) -> None:
    """Forget a job that has ended; what it made stays, the parts of an unfinished dataset go."""
    from nightlights.jobs import JobStore

    JobStore(writable_workspace(workspace)).delete(job)
    say(f"Deleted job {job}.")
