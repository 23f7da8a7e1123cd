"""Options that several commands share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nightlights.settings import Settings
    from nightlights.workspace import Workspace

WORKSPACE_VARIABLE = "NIGHTLIGHTS_WORKSPACE"


def named_folder(text: str) -> Path:
    """The folder that an option names.

    Raises
    ------
    SettingsError
        When it names none: Python would take an empty path for the current folder.
    """
    from nightlights.errors import SettingsError

    if not text.strip():
        raise SettingsError(
            "--workspace names no folder.", "Name one, such as --workspace workspace, or leave it out."
        )
    return Path(text)


WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        parser=named_folder,
        help=f"Folder of the workspace. Default: {WORKSPACE_VARIABLE}, or ./workspace.",
        metavar="FOLDER",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, and nothing else there.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what has this name already.")]
BackgroundOption = Annotated[
    bool, typer.Option("--background", help="Start it as a job of its own and return at once.")
]


def settings_default(field: str) -> str:
    """The default of an option that a variable of the environment may set, in words."""
    from nightlights.commands.defaults import in_words
    from nightlights.settings import ENVIRONMENT_PREFIX, Settings

    variable = ENVIRONMENT_PREFIX + field.upper()
    return f"Default: {variable}, or {in_words(Settings.model_fields[field].default)}."


def settings(workspace: Path | None) -> "Settings":
    """The settings of the environment, with the workspace that the command line names."""
    from nightlights.settings import Settings

    return Settings.from_environment(workspace=workspace)


def writable_workspace(workspace: Path | None) -> "Workspace":
    """The workspace, made if it is missing.

    Raises
    ------
    WorkspaceError
        When it cannot be written.
    """
    from nightlights.workspace import Workspace

    return Workspace.open(settings(workspace).workspace.expanduser())


def readable_workspace(workspace: Path | None) -> "Workspace":
    """The workspace as it is, without touching it; one that is not there yet is empty."""
    from nightlights.workspace import Workspace

    return Workspace(settings(workspace).workspace.expanduser().resolve())


def absolute_pattern(pattern: str) -> str:
    """A path or pattern of paths that means the same in a process with another current folder."""
    return os.path.abspath(Path(pattern).expanduser())  # noqa: PTH100 - resolve() would follow links
