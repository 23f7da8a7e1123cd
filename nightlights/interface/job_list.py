"""Active jobs of a page, and those that stopped before they were done."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.jobs_view import job_card
from nightlights.interface.state import flash, job_store

if TYPE_CHECKING:
    from nightlights.jobs import Job

_UNFINISHED_SHOWN = 3


def jobs_to_show(jobs: Sequence["Job"]) -> list["Job"]:
    """The newest job of each target, where it is active or stopped before it was done; active ones first.

    A stopped job is shown although an older one completed the same target: replacing the result failed. An
    older failure is not, since a newer job has the same target.

    Parameters
    ----------
    jobs:
        Newest first.
    """
    shown, targets = [], set[str]()
    for job in jobs:
        if job.target not in targets and (job.active or job.resumable):
            shown.append(job)
        targets.add(job.target)
    active = [job for job in shown if job.active]
    return active + [job for job in shown if not job.active][:_UNFINISHED_SHOWN]


def show_job(job: "Job") -> None:
    """The card of ``job``; one that has stopped can be dismissed, which forgets it."""
    job_card(job)
    if job.resumable:
        st.button(
            "Dismiss",
            key=f"dismiss-{job.id}",
            icon=":material/close:",
            type="tertiary",
            on_click=_dismiss,
            args=(job.id,),
            help="Forgets this job. What it made stays; the parts of an unfinished dataset are removed.",
        )


def _dismiss(job_id: str) -> None:
    try:
        job_store().delete(job_id)
    except NightlightsError as error:
        flash(str(error), "error")
