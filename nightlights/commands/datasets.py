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

app = typer.Typer(
    help="Datasets: list, show, import, glow, delete.", no_args_is_help=True, add_completion=False
)
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


@app.command("glow")
def glow(
    name: Annotated[str, typer.Argument(help="Name of the dataset.")],
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Use it from now on: training, observing and sharpening take it along."
        ),
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Use no glow from now on.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Estimate the glow of VIIRS from dark ground around bright places: coasts, lakes, lone towns.

    Runs trained before it was recorded cannot be resumed, as the dataset is another one then.
    """
    from nightlights.commands.work import check_unused
    from nightlights.datasets import Dataset
    from nightlights.errors import SettingsError
    from nightlights.glow import glow_of_dataset, record_glow
    from nightlights.glow_records import GlowEstimate
    from nightlights.wording import EXACT_GLOW, glow_words

    if record and remove:
        raise SettingsError("--record and --remove exclude each other.", "Give one of them.")
    place = writable_workspace(workspace) if record or remove else readable_workspace(workspace)
    dataset = Dataset.open(place, name)
    if record and dataset.manifest.glow_is_exact:
        raise SettingsError(f"The dataset {name} has its glow recorded. {EXACT_GLOW}", "Leave it as it is.")
    found = GlowEstimate() if remove else glow_of_dataset(dataset)
    record = record and (found.supported or found.absent)
    if record or remove:
        check_unused(place, f"datasets/{name}")
        record_glow(dataset, found)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    if not remove:
        say(glow_words(found))
    if record or remove:
        say(f"The dataset {name} has {'a' if found.supported else 'no'} glow from now on.")
    elif found.supported:
        say(f"To use it: nightlights datasets glow {name} --record")


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
