"""A card that follows one background job: state in words and a colour, progress, time left, buttons."""

from typing import TYPE_CHECKING, Final

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.state import flash, job_store, show_error
from nightlights.jobs.kinds import KINDS

if TYPE_CHECKING:
    from nightlights.jobs import Job

COLOURS: Final = {
    "queued": "gray",
    "running": "orange",
    "done": "green",
    "failed": "red",
    "cancelled": "gray",
    "interrupted": "red",
}
"""State of a job to its colour, by Streamlit's names."""

SECONDS_BETWEEN_LOOKS: Final = 1


def duration(seconds: float) -> str:
    """Seconds in words: ``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def state_badge(job: "Job") -> str:
    """The state in a word and a colour, as Markdown."""
    said = job.state_text.split(":")[0]
    return f":{COLOURS[job.state]}-badge[{said}]"


def time_words(job: "Job") -> str:
    """How long it will take, or took."""
    if job.state == "running" and job.progress.seconds_left is not None:
        return f"about {duration(job.progress.seconds_left)} left"
    if job.started and job.finished and job.state == "done":
        return f"took {duration((job.finished - job.started).total_seconds())}"
    return ""


def job_card(job: "Job") -> None:
    """Show ``job`` and keep it up to date while it is active; the page reruns when it ends.

    The buttons cancel and resume it; the log is one click away.
    """
    interval = SECONDS_BETWEEN_LOOKS if job.active else None
    st.fragment(_card, run_every=interval)(job.id, job.state)


def _card(job_id: str, seen_state: str) -> None:
    try:
        job = job_store().get(job_id)
    except NightlightsError as error:
        show_error(error)
        return
    if job.state != seen_state:
        # The rest of the page shows what the job made, and the interval must change with the state.
        st.rerun()
    with st.container(border=True, key=f"job-{job.id}"):
        st.markdown(f"**{job.title}** {state_badge(job)}  \n{_words(job)}")
        if job.active:
            st.progress(job.progress.fraction)
        if job.failure and job.state in ("failed", "interrupted"):
            show_error(NightlightsError(job.failure.message, job.failure.remedy))
        _buttons(job)


def _words(job: "Job") -> str:
    if job.state == "queued":
        return "Waiting to start"
    progress = job.progress
    # "0 of 1" without a unit tells nobody anything.
    tells = progress.total and (progress.total > 1 or progress.unit)
    counted = f"{progress.done:,.4g} of {progress.total:,.4g} {progress.unit}" if tells else ""
    # The last step of what is done says less than that it is done.
    message = "" if job.state == "done" else progress.message
    parts = (message, counted if job.active else "", time_words(job))
    return " · ".join(part for part in parts if part)


def _buttons(job: "Job") -> None:
    with st.container(horizontal=True):
        if job.active:
            st.button(
                "Cancel", key=f"cancel-{job.id}", icon=":material/stop:", on_click=_cancel, args=(job.id,)
            )
        elif job.resumable and job.kind in KINDS:
            goes_on = KINDS[job.kind].resumes
            st.button(
                "Resume" if goes_on else "Run again",
                key=f"resume-{job.id}",
                icon=":material/play_arrow:" if goes_on else ":material/replay:",
                help="Goes on where it stopped." if goes_on else "Begins anew, with the same settings.",
                on_click=_resume,
                args=(job.id,),
            )
        with st.popover("Log", icon=":material/notes:"):
            st.code(job_store().log(job.id) or "Nothing was printed yet.", language=None, height=300)


def _cancel(job_id: str) -> None:
    try:
        job_store().cancel(job_id)
    except NightlightsError as error:
        flash(str(error), "error")


def _resume(job_id: str) -> None:
    try:
        job_store().resume(job_id)
    except NightlightsError as error:
        flash(str(error), "error")
