"""What every page needs: the workspace, the settings, the jobs, messages, errors, the header."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.settings import Settings
from nightlights.workspace import Workspace

if TYPE_CHECKING:
    from nightlights.jobs import JobStore

Kind = Literal["success", "info", "warning", "error"]

_FLASHES: Final = "nightlights-flashes"


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """The settings that this server was started with."""
    return Settings.from_environment()


@st.cache_resource(show_spinner=False)
def _workspace(root: Path) -> Workspace:
    return Workspace.open(root)


def workspace() -> Workspace:
    """The workspace. A page that cannot open it says why and stops."""
    try:
        return _workspace(settings().workspace)
    except NightlightsError as error:
        show_error(error)
        st.stop()


@st.cache_resource(show_spinner=False)
def _job_store(root: Path) -> "JobStore":
    from nightlights.jobs import JobStore

    return JobStore(Workspace.open(root))


def job_store() -> "JobStore":
    """The background jobs of the workspace."""
    return _job_store(workspace().root)


@st.cache_resource(show_spinner=False)
def device_words() -> str:
    """The device that networks will use, its memory, and why a GPU that is there is not used."""
    from nightlights.devices import describe

    device = describe()
    words = f"{device.kind}: {device.name}, {device.memory_bytes / 2**30:.0f} GiB of memory"
    return f"{words}. {device.note}" if device.note else words


def flash(message: str, kind: Kind = "success") -> None:
    """Show ``message`` at the top of the page after the next rerun, or after a change of page."""
    st.session_state.setdefault(_FLASHES, []).append((kind, message))


def show_flashes() -> None:
    """Show and forget the messages that wait."""
    show = {"success": st.success, "info": st.info, "warning": st.warning, "error": st.error}
    for kind, message in st.session_state.pop(_FLASHES, []):
        show[kind](message)


def show_error(error: NightlightsError) -> None:
    """What went wrong and what to do about it, without a traceback."""
    st.error(f"**{error.message}**  \n{error.remedy}" if error.remedy else f"**{error.message}**")


def page_header(title: str, lead: str, source_simulated: bool, *, messages: bool = True) -> None:
    """The title, one line on what the page is for, SIMULATED where that holds, and waiting messages.

    A page whose map they would push down shows the ``messages`` elsewhere, see :func:`show_flashes`.
    """
    badge = (
        '<span class="nl-badge nl-simulated" title="The imagery comes from the simulated planet: '
        'it shows how the methods work, not the real Earth.">SIMULATED</span>'
        if source_simulated
        else ""
    )
    st.html(f'<div class="nl-header"><h1>{escape(title)}</h1>{badge}<p>{escape(lead)}</p></div>')
    if messages:
        show_flashes()
