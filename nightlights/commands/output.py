"""What commands print: tables for people, JSON for programs, questions before something is deleted."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from nightlights.errors import NightlightsError, SettingsError

_WIDTH_WITHOUT_TERMINAL = 240


def print_json(value: Any) -> None:
    """One JSON document on standard output; NaN is refused, since JSON has none."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def say(text: str) -> None:
    """One line for people on standard error."""
    typer.echo(text, err=True)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> None:
    """A table on standard output; columns of numbers are set to the right.

    None is shown as an empty cell, and a column of nothing else is left out.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    kept = [index for index in range(len(columns)) if any(row[index] is not None for row in cells)]
    rows = [[row[index] for index in kept] for row in cells]
    table = Table(title=title, title_justify="left", caption=note or None, caption_justify="left")
    for index, column in enumerate(columns[index] for index in kept):
        numeric = all(_numeric(row[index]) for row in rows)
        table.add_column(column, justify="right" if rows and numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    # Programs that read the table should not get lines broken for a terminal that is not there.
    Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False).print(table)


def print_facts(title: str, facts: Iterable[tuple[str, str]]) -> None:
    """What each is and its value, one below the other: readable however narrow the terminal is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(value))
    Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False).print(table)


def _numeric(cell: object) -> bool:
    if cell is None or isinstance(cell, int | float):
        return True
    try:
        float(str(cell).replace(",", "").replace("+", "").split(" ")[0])
    except ValueError:
        return False
    return True


def confirm(question: str, yes: bool) -> None:
    """Ask before something is deleted.

    Raises
    ------
    SettingsError
        When nobody is there to answer.
    NightlightsError
        When the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError(f"{question} Nobody is there to answer.", "Say --yes to do it.")
    if not typer.confirm(question, err=True):
        raise NightlightsError("Nothing was deleted.")
