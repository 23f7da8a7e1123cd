"""``nightlights example``: real light from public rasters."""

from typing import Annotated

import typer

from nightlights.commands.export import describe
from nightlights.commands.options import BackgroundOption, JsonOption, WorkspaceOption, writable_workspace
from nightlights.commands.output import print_json, say
from nightlights.commands.work import record_of, run_job, start_job

app = typer.Typer(add_completion=False)


@app.command()
def example(
    name: Annotated[
        str,
        typer.Argument(
            help="burundi: seven towns; population by day, the twelve VIIRS months of 2016 by night."
        ),
    ],
    dataset: Annotated[
        str | None, typer.Option(help="Name of the dataset and of its regions. Default: that of the example.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Export it again where it is there already.")
    ] = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Fetch public rasters of a country, and make regions and a dataset of them.

    The rasters (14 MB for Burundi) are fetched once, checked by their SHA-256
    and kept in examples/NAME in the workspace, with their sources and licences
    in SOURCES.md. What was broken off goes on where it stopped.
    """
    from nightlights.examples import find_example
    from nightlights.jobs.kinds import ExampleRequest

    chosen = find_example(name)
    request = record_of(
        ExampleRequest, example=chosen.name, dataset=dataset or chosen.name, overwrite=overwrite
    )
    place = writable_workspace(workspace)
    say(f"{chosen.title}: {chosen.description}")
    for sentence in chosen.attribution:
        say(sentence)
    say(f"{chosen.size_bytes / 1e6:.0f} MB, kept in {chosen.folder(place)}")
    if background:
        start_job(place, "example", request, json=json, title=chosen.job_title)
        return
    run_job(place, "example", request, title=chosen.job_title)

    from nightlights.datasets import Dataset
    from nightlights.examples import next_commands

    manifest = Dataset.open(place, request.dataset).manifest
    commands = next_commands(chosen, request.dataset)
    if json:
        folder = str(chosen.folder(place))
        print_json({"dataset": manifest.model_dump(mode="json"), "folder": folder, "next": list(commands)})
        return
    describe(manifest, json)
    say("Next:")
    for command in commands:
        say(f"  {command}")
