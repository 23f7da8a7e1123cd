"""The project's record of the table, reduced to what is printed and compared: a line a city."""

import json
from typing import Any, Final

from standard.table import MethodFigures, PlaceTraps, StandardTable
from standard.traps import TRAPS, TrapSum

DIGITS: Final = 6
"""Significant digits of figures; three are printed."""
EVERYWHERE: Final = "everywhere"
"""In the place of a city's name: traps of all places on all planets, added up."""


def reduced(table: StandardTable) -> str:
    """The text of the record of ``table``: JSON that reads as the same figures.

    Left out are the records of runs (their settings are kept), digests of what was scored, fields that are
    empty, and digits beyond :data:`DIGITS`; traps are added up over all places.
    """
    content = table.model_dump(mode="json", exclude={"methods", "set_aside"}, exclude_defaults=True)
    content |= {"schema_version": table.schema_version, "simulated": table.simulated}
    for name in ("methods", "set_aside"):
        content[name] = [_method(each) for each in getattr(table, name)]
    return _text(content) + "\n"


def _method(figures: MethodFigures) -> dict[str, Any]:
    kept = figures.model_copy(update={"run": None, "identity": "", "traps": _everywhere(figures.traps)})
    # Settings whole: what a default means may change.
    return kept.model_dump(mode="json", exclude_defaults=True) | {
        "versions": figures.versions.model_dump(mode="json"),
        "settings": [each.model_dump(mode="json") for each in figures.settings],
    }


def _everywhere(places: list[PlaceTraps]) -> list[PlaceTraps]:
    if not places:
        return []
    every = [each for place in places for each in place.sums]
    sums = [
        TrapSum(
            trap=trap,
            pixels=sum(each.pixels for each in every if each.trap == trap),
            predicted=sum(each.predicted for each in every if each.trap == trap),
            truth=sum(each.truth for each in every if each.trap == trap),
        )
        for trap in TRAPS
    ]
    return [PlaceTraps(place=EVERYWHERE, planet_seed=0, sums=sums)]


def _text(value: Any, depth: int = 0, lines: int = 3) -> str:
    """``value`` as JSON: the outer levels indented, what is deeper on one line each."""
    if depth > lines or not isinstance(value, dict | list) or not value:
        return json.dumps(_rounded(value), ensure_ascii=False)
    indent = "\n" + "  " * (depth + 1)
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {_text(each, depth + 1)}" for name, each in value.items()]
    else:
        parts = [_text(each, depth + 1) for each in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + indent + f",{indent}".join(parts) + "\n" + "  " * depth + closing


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
