"""Earth Engine's operations on the Tasks page: list, cancel, fetch the files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.background import RETRY_S, Answer, background, dated_answer
from nightlights.interface.connection import page_deadline
from nightlights.interface.job_list import jobs_to_show, show_job
from nightlights.interface.state import job_store, show_error, workspace
from nightlights.settings import Settings
from nightlights.task_files import fetch_request, fetch_title, fetched_files
from nightlights.wording import counted, size

if TYPE_CHECKING:
    from nightlights.sources.earthengine.operations import Operation

_MAXIMUM_AGE_S: Final = 4.0
_OLD_S: Final = 30.0
"""A list this old shows its time."""
_HOURS_OF_A_TIME: Final = 12
"""Older than this, the time needs its day."""
_CANCELLABLE_SHOWN: Final = 8
_CLOUD_STORAGE: Final = "Cloud Storage: "


def known_operations(settings: Settings) -> "Answer[list[Operation]] | None":
    """The operations of the project, the newest first; None while they are being asked for the first time.

    They stay as they are while Earth Engine cannot be asked; :func:`age_note` shows since when.

    Raises
    ------
    NightlightsError
        When Earth Engine cannot be asked, and could not be before.
    """
    return dated_answer(
        ("operations", settings),
        lambda: _list(settings),
        "Asking Earth Engine for its tasks …",
        maximum_age_s=_MAXIMUM_AGE_S,
    )


def age_note(answer: "Answer[list[Operation]]") -> None:
    """When the list is from, where it is old, and why."""
    day = "%H:%M UTC" if answer.age_s < _HOURS_OF_A_TIME * 3600 else "%Y-%m-%d %H:%M UTC"
    as_of = f"{answer.as_of:{day}}"
    failure = answer.refresh_failure
    if failure is not None:
        st.warning(
            f"**The tasks could not be refreshed; shown as of {as_of}.**  \n{failure}  \n"
            f"Tried again every {RETRY_S:.0f} s."
        )
    elif answer.age_s > _OLD_S:
        st.caption(f"As of {as_of}. Asking Earth Engine again …")


def _list(settings: Settings) -> "list[Operation]":
    from nightlights.sources.earthengine.operations import list_operations

    with page_deadline(settings):
        return list_operations(settings)


def cancel_buttons(operations: Sequence["Operation"], settings: Settings) -> None:
    """For each task that has not ended, a button that asks again, then cancels."""
    active = [each for each in operations if each.active and each.state != "cancelling"]
    if not active:
        return
    st.markdown("#### Cancel")
    with st.container(horizontal=True):
        for operation in active[:_CANCELLABLE_SHOWN]:
            name = operation.description or operation.id
            with st.popover(name, icon=":material/stop:"):
                st.write(
                    f"This stops **{name}**. What it has computed so far is lost; an export that waits for "
                    "it stops, and can be resumed."
                )
                if st.button("Yes, cancel it", key=f"cancel-{operation.id}"):
                    _cancel(operation, settings)


def _cancel(operation: "Operation", settings: Settings) -> None:
    from nightlights.sources.earthengine.operations import cancel_operation

    try:
        with st.spinner("Cancelling …"), page_deadline(settings):
            cancel_operation(operation.name, settings)
    except NightlightsError as error:
        show_error(error)
        return
    background().forget(("operations", settings))
    st.rerun(scope="fragment")


def fetchable(operations: Sequence["Operation"]) -> "list[Operation]":
    """Those that have written files to Cloud Storage."""
    return [
        each for each in operations if each.state == "done" and each.destination.startswith(_CLOUD_STORAGE)
    ]


def fetch_cards() -> None:
    """The fetches at work, and those that stopped before they were done; they need no connection."""
    for job in jobs_to_show(job_store().list("fetch")):
        show_job(job)


def fetch_panel(operations: Sequence["Operation"], settings: Settings) -> None:
    """Ask whose files to fetch, and start the job that fetches them."""
    finished = {each.id: each for each in fetchable(operations)}
    if not finished:
        return
    st.markdown("#### Fetch files", help="An export on the Imagery page fetches its own files by itself.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Finished task",
            list(finished),
            format_func=lambda identity: finished[identity].description or identity,
            key="task-to-fetch",
        )
        active = any(job.active and job.target == chosen for job in job_store().list("fetch"))
        clicked = st.button("Fetch", icon=":material/download:", disabled=settings.bucket is None or active)
    if settings.bucket is None:
        st.caption("The bucket is not set: name it on the Home page.")
        return
    if clicked:
        _start_fetch(finished[chosen])
    record = fetched_files(workspace(), chosen)
    if active:
        st.caption("The files are being fetched. Progress is shown at the top of this page.")
    elif record is not None:
        files = counted(len(record.files), "file")
        st.success(f"Fetched {files}, {size(record.size_bytes)}, into {workspace().root / record.folder}.")
    else:
        st.caption(f"Into {fetch_request(workspace(), finished[chosen]).folder} of the workspace.")


def _start_fetch(operation: "Operation") -> None:
    try:
        job_store().submit("fetch", fetch_request(workspace(), operation), fetch_title(operation))
    except NightlightsError as error:
        show_error(error)
        return
    st.rerun()
