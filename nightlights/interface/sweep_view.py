"""Sweeps on the page: which settings gave which error, the curves of the best runs, a table best first."""

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, Final

import plotly.graph_objects as go
import streamlit as st

from nightlights.errors import NightlightsError, WorkspaceError
from nightlights.experiments import read_history
from nightlights.interface.choices import chosen
from nightlights.interface.job_list import jobs_to_show, show_job
from nightlights.interface.plots import LINES, rmse_chart, show_chart
from nightlights.interface.state import flash, job_store, show_error, workspace
from nightlights.sweeps.records import SweepRecord, Trial
from nightlights.sweeps.search import delete_sweep, read_sweep
from nightlights.sweeps.variations import setting_title, words_of
from nightlights.wording import counted

CURVES: Final = len(LINES)
"""Most curves in one chart: as many as there are colours."""

_FEW: Final = 6
"""Most values of an axis that are written beside it one by one."""

_WIDE: Final = 20.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""

_APART: Final = 0.06
"""Share of an axis that two values beside it need between them, or one is written over the other."""

_LETTER, _LINE = 6, 14
"""Width and height of a letter beside an axis, in pixels."""


def show_sweep_jobs() -> None:
    """The sweeps at work with their time left, and those that stopped before their end."""
    for job in jobs_to_show(job_store().list("sweep")):
        show_job(job)


def show_sweeps(names: Sequence[str]) -> None:
    """The chosen sweep: parallel coordinates, curves, table."""
    if not names:
        st.info("There is no sweep yet. One trains runs with different settings, and tells which did best.")
        return
    name = chosen("Sweep", names, key="sweep")
    try:
        record = read_sweep(workspace(), name)
    except WorkspaceError as error:
        show_error(error)
        return
    st.caption(_words(record))
    scored = [trial for trial in record.trials if trial.evaluation_rmse is not None]
    if len(scored) > 1:
        left, right = st.columns(2, gap="large")
        with left:
            st.markdown("##### Settings and RMSE", help="A line is a run, the best in amber.")
            show_chart(parallel_coordinates(record), key=f"parallel-{name}", height=360)
        with right:
            st.markdown("##### Evaluation RMSE while training", help=f"Of the best {CURVES} runs.")
            show_chart(evaluation_curves(scored[:CURVES]), key=f"curves-{name}", height=360)
    st.dataframe(sweep_rows(record), hide_index=True, placeholder="–", key=f"trials-{name}")
    _delete(record)


def parallel_coordinates(record: SweepRecord) -> go.Figure:
    """An axis for each setting that differs and one for the evaluation RMSE; a line for each scored run."""
    scored = [trial for trial in record.trials if trial.evaluation_rmse is not None]
    errors = [trial.evaluation_rmse or 0.0 for trial in scored]
    settings = {each.field: [trial.values[each.field] for trial in scored] for each in record.vary}
    axes = [
        _axis(setting_title(field), values)
        for field, values in settings.items()
        if len(set(map(words_of, values))) > 1
    ]
    axes.append(_axis(f"RMSE ({record.unit})", errors))
    beside = max(len(str(tick)) for tick in axes[0].get("ticktext", [""]))
    lines = max(axis["label"].count("<br>") for axis in axes) + 1
    return go.Figure(
        go.Parcoords(
            dimensions=axes,
            line={"color": errors, "colorscale": [[0.0, LINES[0]], [1.0, LINES[1]]]},
            # The ends of the axes would be written over their titles.
            rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
        )
    ).update_layout(margin={"l": max(72, 16 + _LETTER * beside), "r": 56, "t": 28 + _LINE * lines, "b": 24})


def evaluation_curves(trials: Sequence[Trial]) -> go.Figure:
    """Evaluation RMSE against epoch of several runs."""
    histories = {trial.run: read_history(workspace().run_folder(trial.run)) for trial in trials}
    figure = rmse_chart({run: rows for run, rows in histories.items() if rows})
    figure.data = tuple(trace for trace in figure.data if trace.name.endswith(", evaluation"))
    return figure.for_each_trace(lambda trace: trace.update(name=trace.name.removesuffix(", evaluation")))


def sweep_rows(record: SweepRecord) -> list[dict[str, Any]]:
    """A row a run, best first."""
    failed = any(trial.failure for trial in record.trials)
    return [
        {
            "Run": trial.run,
            **{setting_title(each.field): words_of(trial.values[each.field]) for each in record.vary},
            f"Evaluation RMSE ({record.unit})": _rounded(trial.evaluation_rmse),
            f"Training RMSE ({record.unit})": _rounded(trial.train_rmse),
            "Training time (s)": round(trial.seconds) if trial.seconds else None,
            **({"Failure": trial.failure or None} if failed else {}),
        }
        for trial in record.trials
    ]


def _axis(label: str, values: Sequence[Any]) -> dict[str, Any]:
    """An axis of numbers, logarithmic where they span much, or one of words."""
    label = "<br>".join(textwrap.wrap(label, 12))
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        smallest, largest = min(values), max(values)
        if smallest > 0 and largest >= _WIDE * smallest:
            ticks = sorted({*values} if len({*values}) <= _FEW else _decades(smallest, largest))
            ticks = _legible(ticks, math.log10)
            return {
                "label": label,
                "values": [math.log10(value) for value in values],
                "tickvals": [math.log10(tick) for tick in ticks],
                "ticktext": [f"{tick:g}" for tick in ticks],
            }
        return {"label": label, "values": list(values), **_named_ticks(values)}
    words = [words_of(value) for value in values]
    known = sorted(dict.fromkeys(words))
    return {
        "label": label,
        "values": [known.index(word) for word in words],
        "tickvals": list(range(len(known))),
        "ticktext": known,
        "range": [-0.3, len(known) - 0.7],
    }


def _named_ticks(values: Sequence[float]) -> dict[str, Any]:
    """A tick at each value where they are few."""
    different = sorted({*values})
    if len(different) > _FEW:
        return {}
    ticks = _legible(different, float)
    return {"tickvals": ticks, "ticktext": [f"{tick:.4g}" for tick in ticks]}


def _legible(ticks: Sequence[float], scale: Callable[[float], float]) -> list[float]:
    """Those of ``ticks``, in order, that can be written beside an axis: both ends, and what lies apart."""
    if len(ticks) < 2:
        return list(ticks)
    first, last = ticks[0], ticks[-1]
    least = _APART * (scale(last) - scale(first))
    kept = [first]
    for tick in ticks[1:-1]:
        if min(scale(tick) - scale(kept[-1]), scale(last) - scale(tick)) >= least:
            kept.append(tick)
    return [*kept, last]


def _decades(smallest: float, largest: float) -> list[float]:
    first, last = math.floor(math.log10(smallest)), math.ceil(math.log10(largest))
    within = [10.0**power for power in range(first, last + 1) if 1.5 * smallest < 10.0**power < largest / 1.5]
    return [float(f"{smallest:.2g}"), *within, float(f"{largest:.2g}")]


def _words(record: SweepRecord) -> str:
    simulated = "Simulated imagery. " if record.source.simulated else ""
    search = "every combination" if record.search == "grid" else f"drawn at random, seed {record.seed}"
    state = "" if record.finished else f" {record.done} done so far."
    return (
        f"{simulated}{counted(len(record.trials), 'run')} on {record.dataset}, {search}.{state} "
        "Evaluation is over whole evaluation regions at the VIIRS grid. They have chosen the best run, "
        "so its score there flatters it."
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _delete(record: SweepRecord) -> None:
    with st.popover("Delete this sweep", icon=":material/delete:"):
        st.write(f"This removes **{record.name}** and its {counted(len(record.trials), 'run')}.")
        if not st.button("Yes, delete it", key=f"delete-sweep-{record.name}"):
            return
        try:
            delete_sweep(workspace(), record.name, job_store())
            flash(f"Deleted the sweep {record.name}.")
        except NightlightsError as error:
            flash(str(error), "error")
    st.rerun()
