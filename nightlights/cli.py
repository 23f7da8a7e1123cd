"""The command line. Each command is imported only when it is called for, so that ``--help`` is quick."""

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from nightlights import __version__
from nightlights.environment import load_environment
from nightlights.errors import Cancelled, NightlightsError

PROGRAM = "nightlights"
BAD_INPUT = 2
INTERRUPTED = 130

_COMMANDS = {
    "app": "Open the app in the browser.",
    "demo": "Run the whole loop on the simulated planet and print a table.",
    "example": "Real light: fetch public rasters of a country and make a dataset of them.",
    "regions": "Regions: import, list, check, presets.",
    "places": "Search world cities.",
    "earthengine": "Earth Engine: status, set.",
    "export": "Export imagery of regions as a dataset.",
    "datasets": "Datasets: list, show, import, delete.",
    "networks": "List the networks that can be trained.",
    "train": "Train a network on a dataset, and evaluate it.",
    "evaluate": "Score a run and its baselines in its regions.",
    "calibrate": "Learn intervals for the predictions of a run: where not to trust them.",
    "crossvalidate": "Hold each region out of training once, and score it.",
    "sweep": "Search training settings: grid, random, list, show, delete.",
    "experiments": "Training runs: list, show, note, delete.",
    "models": "Shipped models: list, promote a run, draft a card.",
    "predict": "Predict the light of a region.",
    "predictions": "Predictions: list, show, delete.",
    "upload": "Publish a prediction: to the bucket, and as an Earth Engine asset.",
    "tasks": "Earth Engine tasks: list, cancel, fetch their files.",
    "jobs": "Background jobs: list, show, cancel, resume, delete.",
}


class _LazyGroup(TyperGroup):
    """Knows its commands by name and help alone until one of them runs."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=text) for name, text in _COMMANDS.items()}

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            command = get_command(import_module(f"nightlights.commands.{name}").app)
            command.name = name
        return name, command, rest


app = typer.Typer(
    cls=_LazyGroup, no_args_is_help=True, add_completion=False, context_settings={"max_content_width": 110}
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    workspace: Annotated[
        str | None,
        typer.Option(
            help="Folder of the workspace. Default: NIGHTLIGHTS_WORKSPACE, or ./workspace.", metavar="FOLDER"
        ),
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Earth at Night in HD: night-time radiance at 30 m from daytime satellite imagery."""
    if workspace is not None:
        from nightlights.commands.options import named_folder

        os.environ["NIGHTLIGHTS_WORKSPACE"] = str(named_folder(workspace))


def _fail(message: str, code: int) -> int:
    print(" ".join(message.split()), file=sys.stderr)
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code.

    0 when all is well, 1 when something else than the input is at fault, 2 for bad input and everything
    that a person can mend, with one line on standard error, 130 after Ctrl-C. ``NIGHTLIGHTS_DEBUG=1``
    shows the traceback of errors that are not expected.
    """
    return run(app, PROGRAM, arguments)


def run(commands: typer.Typer, program: str, arguments: Sequence[str] | None = None) -> int:
    """Run ``commands`` as the command line called ``program``; see :func:`main`."""
    try:
        load_environment()
        result = get_command(commands).main(
            args=None if arguments is None else list(arguments), prog_name=program, standalone_mode=False
        )
    except Cancelled as error:
        return _fail(str(error), INTERRUPTED)
    except NightlightsError as error:
        return _fail(str(error), BAD_INPUT)
    except TyperException as error:
        return _usage_error(error)
    except (typer.Abort, KeyboardInterrupt):
        return _fail("Interrupted.", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone, as in "nightlights ... | head".
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("NIGHTLIGHTS_DEBUG"):
            print(_without_secrets(traceback.format_exc()), file=sys.stderr)
            return 1
        reason = _without_secrets(f"{type(error).__name__}: {error}")[:300]
        return _fail(f"Unexpected error, {reason}. NIGHTLIGHTS_DEBUG=1 shows where.", 1)
    return result if isinstance(result, int) else 0


def _without_secrets(text: str) -> str:
    from nightlights.redaction import redact
    from nightlights.settings import Settings

    secrets: tuple[str, ...] = ()
    with contextlib.suppress(NightlightsError):
        secrets = Settings.from_environment().secrets
    return redact(text, secrets)


def _usage_error(error: TyperException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        if error.message:
            print(error.message, file=sys.stderr)
        return BAD_INPUT
    context = getattr(error, "ctx", None)
    remedy = f" See {context.command_path} --help." if context is not None else ""
    message = error.format_message()
    return _fail(message + ("" if message.endswith((".", "?")) else ".") + remedy, BAD_INPUT)
