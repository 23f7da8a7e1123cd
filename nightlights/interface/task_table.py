"""Earth Engine's operations as a table: state in words, time, cost, where the files go, what went wrong."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from nightlights.interface.jobs_view import duration

if TYPE_CHECKING:
    from nightlights.sources.earthengine.operations import Operation


def state_words(operation: "Operation") -> str:
    """The state in words: "running 40 %", "done", "failed"."""
    if operation.state == "running" and operation.progress:
        return f"running {operation.progress:.0%}".replace("%", " %")
    return operation.state


def task_rows(operations: Sequence["Operation"]) -> list[dict[str, Any]]:
    """A row for each operation, the columns as in :func:`task_columns`."""
    return [
        {
            "Task": operation.description or operation.id,
            "State": state_words(operation),
            "Runtime": duration(operation.runtime_s) if operation.runtime_s is not None else None,
            "EECU": operation.eecu_seconds,
            "Destination": operation.destination or None,
            "Error": " ".join(part for part in (operation.error, operation.remedy) if part) or None,
            "Kind": operation.kind,
            "Begun": operation.started or operation.created,
            "Attempt": operation.attempt,
        }
        for operation in operations
    ]


def task_columns() -> dict[str, Any]:
    """Titles with units, and what they mean."""
    config = st.column_config
    return {
        # An asset's whole name would push the state off a small screen.
        "Task": config.TextColumn(width="medium"),
        "Runtime": config.TextColumn(help="Since it began, or that it took."),
        "EECU": config.NumberColumn(
            "Cost (EECU s)",
            format="%.1f",
            help="Seconds of Earth Engine compute units: what counts against the project's quota.",
        ),
        "Destination": config.TextColumn(
            width="medium", help="Where it writes. The bucket's name is not shown."
        ),
        "Error": config.TextColumn(width="medium"),
        "Begun": config.DatetimeColumn("Begun (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC"),
        "Attempt": config.NumberColumn(help="Earth Engine tries some failed tasks again by itself."),
    }


def summary(operations: Sequence["Operation"]) -> str:
    """How many in which state, and what they have cost together."""
    counts = Counter(operation.state for operation in operations)
    parts = [f"{count} {state}" for state, count in counts.items()]
    cost = sum(operation.eecu_seconds or 0.0 for operation in operations)
    return f"{', '.join(parts)} · {cost:,.1f} EECU s together"
