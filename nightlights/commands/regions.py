"""``nightlights regions``: where to train, evaluate and predict."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlights.commands.options import (
    JsonOption,
    OverwriteOption,
    WorkspaceOption,
    YesOption,
    readable_workspace,
    settings,
    writable_workspace,
)
from nightlights.commands.output import confirm, print_json, print_table, say
from nightlights.wording import area_words, counted

if TYPE_CHECKING:
    from nightlights.region_checks import Problem
    from nightlights.regions import RegionCollection
    from nightlights.settings import Settings
    from nightlights.workspace import Workspace

app = typer.Typer(help="Regions: import, list, check, presets.", no_args_is_help=True, add_completion=False)

_BANDS = 9
_MEGABYTE = 1e6


@app.command("list")
def list_regions(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the region collections of the workspace."""
    from nightlights.errors import NightlightsError
    from nightlights.manifests import ROLES
    from nightlights.region_files import load_collection

    place = readable_workspace(workspace)
    rows: list[dict[str, Any]] = []
    for name in place.region_names():
        try:
            collection = load_collection(place, name)
        except NightlightsError as error:
            rows.append({"name": name, "problem": str(error)})
            continue
        counts: dict[str, int] = {role: len(collection.with_role(role)) for role in ROLES}
        rows.append({"name": name, "title": collection.title, "regions": len(collection), **counts})
    if json:
        print_json(rows)
    elif rows:
        columns = ("name", "regions", *ROLES, "title", "problem")
        print_table("Regions", columns, ([row.get(column) for column in columns] for row in rows))
    else:
        say("No regions yet. Import some, or begin with: nightlights regions preset demo")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of the regions.")],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show each region: role, area, patches that fit, size of the export."""
    from nightlights.region_checks import check_regions
    from nightlights.region_files import load_collection

    collection = load_collection(readable_workspace(workspace), name)
    found = settings(workspace)
    problems = check_regions(collection.regions, found)
    rows = _rows(collection, found)
    if json:
        print_json({"name": name, "regions": rows, "problems": [_problem(problem) for problem in problems]})
        return
    print_table(
        f"Regions {name}",
        ("name", "role", "area km²", f"patches of {found.patch_size} px", f"export MB ({_BANDS} bands)"),
        (
            (
                row["name"],
                row["role"],
                area_words(row["area_km2"]).removesuffix(" km²"),
                row["patches"],
                None if row["export_bytes"] is None else f"{row['export_bytes'] / _MEGABYTE:,.0f}",
            )
            for row in rows
        ),
    )
    _say_problems(problems)


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="Name of the regions.")],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Say everything that is wrong with the regions; exit code 2 when they cannot be exported."""
    from nightlights.region_checks import check_regions, raise_first_error
    from nightlights.region_files import load_collection

    collection = load_collection(readable_workspace(workspace), name)
    problems = check_regions(collection.regions, settings(workspace))
    if json:
        print_json([_problem(problem) for problem in problems])
    else:
        for problem in problems:
            typer.echo(f"{problem.severity}: {problem}")
        if not problems:
            typer.echo(f"The regions {name} are fine.")
    raise_first_error(problems)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="GeoJSON, GeoPackage, zipped Shapefile or .shp.")],
    name: Annotated[str | None, typer.Option(help="Name in the workspace. Default: the file's.")] = None,
    role: Annotated[
        str, typer.Option(help="Role of the features without one: train, evaluate or predict.")
    ] = "train",
    overwrite: OverwriteOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Import regions from a file, in any coordinate reference system.

    The columns name and role of the features are honoured.
    """
    from nightlights.names import suggested_name
    from nightlights.region_checks import raise_first_error
    from nightlights.region_files import import_regions
    from nightlights.regions import RegionCollection, role_of

    found = settings(workspace)
    imported = import_regions(file.expanduser(), found, default_role=role_of(role))
    raise_first_error(imported.problems)
    _say_problems(imported.problems)
    collection = RegionCollection(name or suggested_name(file.stem, "regions"), imported.regions)
    _save(writable_workspace(workspace), collection, overwrite)
    _tell(collection, found, json)


@app.command("export")
def export(
    name: Annotated[str, typer.Argument(help="Name of the regions.")],
    output: Annotated[
        Path | None, typer.Option(help="File to write. Default: standard output.", metavar="FILE")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Give the regions as GeoJSON."""
    from nightlights.files import write_json
    from nightlights.region_files import load_collection

    content = load_collection(readable_workspace(workspace), name).to_geojson()
    if output is None:
        print_json(content)
    else:
        write_json(output.expanduser(), content)
        say(f"Wrote {output}.")


@app.command("preset")
def preset(
    presets: Annotated[
        list[str] | None, typer.Argument(help="One or more presets; without any, they are listed.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name in the workspace. Default: the preset's.")] = None,
    overwrite: OverwriteOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Take regions that come with the app into the workspace."""
    from nightlights.presets import PRESETS, combined

    if presets:
        collection = combined(presets, name or "-".join(presets))
        _save(writable_workspace(workspace), collection, overwrite)
        _tell(collection, settings(workspace), json)
        return
    rows = [
        {"name": key, "title": value.title, "regions": len(value), "description": value.description}
        for key, value in PRESETS.items()
    ]
    if json:
        print_json(rows)
    else:
        columns = ("name", "regions", "title")
        print_table("Presets", columns, ([row[column] for column in columns] for row in rows))


@app.command("delete")
def delete(
    name: Annotated[str, typer.Argument(help="Name of the regions.")],
    yes: YesOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Delete regions; datasets made from them stay."""
    from nightlights.region_files import delete_collection, load_collection

    place = writable_workspace(workspace)
    if not place.regions_file(name).is_file():
        load_collection(place, name)
    confirm(f"Delete the regions {name}?", yes)
    delete_collection(place, name)
    say(f"Deleted the regions {name}.")


def _save(workspace: "Workspace", collection: "RegionCollection", overwrite: bool) -> None:
    from nightlights.errors import RegionError
    from nightlights.region_files import save_collection

    if workspace.regions_file(collection.name).is_file() and not overwrite:
        raise RegionError(
            f"There are regions named {collection.name} already.",
            "Choose another --name, or say --overwrite.",
        )
    save_collection(workspace, collection)


def _tell(collection: "RegionCollection", found: "Settings", json: bool) -> None:
    if json:
        print_json({"name": collection.name, "regions": _rows(collection, found)})
    else:
        names = ", ".join(f"{region.name} ({region.role})" for region in collection)
        typer.echo(f"Saved {counted(len(collection), 'region')} as {collection.name}: {names}.")


def _rows(collection: "RegionCollection", found: "Settings") -> list[dict[str, Any]]:
    from nightlights.errors import GridError
    from nightlights.regions import export_bytes

    rows = []
    for region in collection:
        row: dict[str, Any] = {
            "name": region.name,
            "role": region.role,
            "area_km2": round(region.area_km2, 3),
            "patches": None,
            "export_bytes": None,
        }
        # A region beyond the grid has neither; the list of problems says why.
        with contextlib.suppress(GridError):
            row["patches"] = region.patches(found.patch_size)
            row["export_bytes"] = export_bytes([region], _BANDS, truth=True)
        rows.append(row)
    return rows


def _problem(problem: "Problem") -> dict[str, Any]:
    return {
        "region": problem.region,
        "severity": problem.severity,
        "message": problem.message,
        "remedy": problem.remedy,
    }


def _say_problems(problems: "tuple[Problem, ...] | list[Problem]") -> None:
    for problem in problems:
        say(f"{problem.severity}: {problem}")
