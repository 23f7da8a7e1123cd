"""The table of the functions that this server can compute."""

from collections.abc import Callable
from typing import Any

from .algorithms import ExpressionError, signatures

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""By name; arguments are given by their names, those that are null or left out are not given."""


class UnsupportedFunctionError(ExpressionError):
    """A function that Earth Engine has and this server cannot compute."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(
            f"NOT SUPPORTED BY THE LOCAL TEST SERVER: {name}{detail}. Earth Engine has it; add it to "
            "tests/earthengine_server/functions_*.py before a graph uses it."
        )


def function(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the table by the names that Earth Engine gives it."""

    def enter(computed: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            if name not in signatures():
                raise LookupError(f"Earth Engine has no function {name}")
            if name in FUNCTIONS:
                raise LookupError(f"{name} is in the table already")
            FUNCTIONS[name] = computed
        return computed

    return enter
