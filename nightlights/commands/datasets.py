"""``nightlights datasets``: what has been exported or imported."""

from typing import Annotated, Any

import typer

from nightlights.commands.datasets_import import import_files
from nightlights.commands.export import describe
from nightlights.commands.options import (
    JsonOption,
    WorkspaceOption,
    YesOption,
    readable_workspace,
    writable_workspace,
)
from nightlights.commands.output import confirm, print_json, print_table, say

app = typer.Typer(help="Datasets: list, show, import, delete.", no_args_is_help=True, add_completion=False)
app.command("import")(import_files)


@app.command("list")
def list_datasets(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the datasets of the workspace."""
    from nightlights.errors import NightlightsError
    from nightlights.manifests import DatasetManifest, read_record

    place = readable_workspace(workspace)
    rows: list[dict[str, Any]] = []
    for name in place.dataset_names():
        folder = place.dataset_folder(name)
        try:
            manifest = read_record(folder / "dataset.json", DatasetManifest)
        except NightlightsError as error:
            rows.append({"name": name, "problem": str(error)})
            continue
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        rows.append(
            {
                "name": name,
                "source": manifest.source.label,
                "simulated": manifest.source.simulated,
                "regions": len(manifest.regions),
                "bands": len(manifest.bands),
                "created": manifest.created.isoformat(),
                "bytes": size,
            }
        )
    if json:
        print_json(rows)
    elif rows:
        table = [{**row, "MB": f"{row['bytes'] / 1e6:,.0f}" if "bytes" in row else None} for row in rows]
        columns = ("name", "source", "regions", "bands", "created", "MB", "problem")
        print_table("Datasets", columns, ([row.get(column) for column in columns] for row in table))
    else:
        say("No datasets yet. Make one: nightlights export --regions NAME --dataset NAME")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of the dataset.")],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show the regions of a dataset: size, radiance, missing share."""
    from nightlights.datasets import Dataset

    describe(Dataset.open(readable_workspace(workspace), name).manifest, json)


@app.command("delete")
def delete(
    name: Annotated[str, typer.Argument(help="Name of the dataset.")],
    yes: YesOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Delete a dataset; runs trained on it stay, but cannot be resumed or evaluated."""
    from nightlights.commands.work import check_unused
    from nightlights.errors import DatasetError

    place = writable_workspace(workspace)
    folder = place.dataset_folder(name)
    if not folder.is_dir():
        known = ", ".join(place.dataset_names()) or "none yet"
        raise DatasetError(f"There is no dataset {name}.", f"Datasets: {known}.")
    check_unused(place, f"datasets/{name}")
    confirm(f"Delete the dataset {name}?", yes)
    place.delete(folder)
    say(f"Deleted the dataset {name}.")
