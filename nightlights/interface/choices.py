"""What a page shows: the thing that the visitor chose, kept in the address, and the jobs worth a look."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from nightlights.jobs import Job

_UNFINISHED_SHOWN = 3


def chosen(
    label: str,
    options: Sequence[str],
    key: str,
    *,
    words: Callable[[str], str] = str,
    meaning: str | None = None,
) -> str:
    """A select box whose choice is part of the page's address, so that a reload or a link keeps it.

    Parameters
    ----------
    options:
        At least one; the first is chosen at the beginning.
    key:
        Name in the address, for example ``run``.
    words:
        How an option is shown.
    meaning:
        Shown when the pointer rests on the label.
    """
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)
    return st.selectbox(label, options, key=key, format_func=words, help=meaning, bind="query-params")


def chosen_before(key: str, options: Sequence[str]) -> str | None:
    """What :func:`chosen` will return further down the page, or None without any option."""
    wanted = st.session_state.get(key, st.query_params.get(key))
    return wanted if wanted in options else next(iter(options), None)


def jobs_to_show(jobs: Sequence["Job"], made: Collection[str]) -> list["Job"]:
    """Those that are at work, and the newest that stopped before they were done, for each target once.

    Parameters
    ----------
    jobs:
        Newest first.
    made:
        Names of what is complete: an older failure to make it is of no interest any more.
    """
    shown, targets = [], set[str]()
    for job in jobs:
        if job.target not in targets and (job.active or (job.resumable and job.target not in made)):
            shown.append(job)
        targets.add(job.target)
    active = [job for job in shown if job.active]
    return active + [job for job in shown if not job.active][:_UNFINISHED_SHOWN]
