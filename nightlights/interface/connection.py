"""The connection with Earth Engine as the pages see it: made when somebody asks, beside the page."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.background import background, failure_of, is_done, wait_for
from nightlights.interface.navigation import page_link
from nightlights.interface.state import settings
from nightlights.settings import CONNECTION_FIELDS, ENVIRONMENT_PREFIX, Settings, keep_connection

if TYPE_CHECKING:
    from concurrent.futures import Future

    from nightlights.sources.earthengine.client import Connection

PAGE_DEADLINE_S: Final = 30.0
"""Longest time for one request that a page waits for, retries included."""

_QUESTION: Final = "connection"


@contextlib.contextmanager
def page_deadline(wanted: Settings) -> Iterator[None]:
    """Within the block, a request to Earth Engine fails after 30 s; only jobs may wait for minutes.

    The pages share four threads for their questions; an unreachable service must not hold them all.
    """
    from nightlights.sources.earthengine.transport import patience

    with patience(deadline_s=min(wanted.request_deadline_s, PAGE_DEADLINE_S)):
        yield


def is_set_up(wanted: Settings) -> bool:
    """Whether it is known which project Earth Engine shall work for; a key file names one too."""
    known = (wanted.earthengine_project, wanted.earthengine_url, wanted.service_account_key)
    return any(each is not None for each in known)


def is_test_server(wanted: Settings) -> bool:
    """Whether a local test server with simulated scenes stands in the place of Earth Engine."""
    return wanted.earthengine_url is not None


def fixed_by_environment() -> frozenset[str]:
    """The connection's settings that a variable of the environment decides."""
    return frozenset(name for name in CONNECTION_FIELDS if os.environ.get(ENVIRONMENT_PREFIX + name.upper()))


def save(wanted: Settings, **values: str | None) -> None:
    """Keep what was typed in; a connection with other settings is given up.

    Raises
    ------
    SettingsError
        When a value cannot be used; nothing changes then.
    WorkspaceError
        When the workspace cannot be written.
    """
    keep_connection(wanted.workspace, **values)
    background().forget((_QUESTION, wanted))
    settings.clear()


def start_connecting() -> None:
    """Begin to connect with the present settings; :func:`connection` knows when it is done."""
    wanted = settings()
    background().forget((_QUESTION, wanted))
    background().ask((_QUESTION, wanted), lambda: _connect(wanted), float("inf"))


def _connect(wanted: Settings) -> "Connection":
    from nightlights.sources.earthengine.client import connect, disconnect

    # An earlier answer would be given again, whatever has happened to the sign-in since.
    disconnect()
    return connect(wanted)


def _asked() -> "Future[Connection] | None":
    return background().peek((_QUESTION, settings()))


def connection() -> "Connection | None":
    """The connection that was made in this process with the present settings, or None."""
    future = _asked()
    if future is None or not future.done() or future.exception():
        return None
    return future.result()


def connection_failure() -> NightlightsError | None:
    """Why the last attempt failed, or None."""
    future = _asked()
    return failure_of(future) if future else None


def is_connecting() -> bool:
    """Whether an attempt is under way; the page then runs again by itself when it ends."""
    future = _asked()
    if future is None or is_done(future):
        return False
    wait_for(future)
    return True


def connected_or_prompt(what: str) -> "Connection | None":
    """The connection, or None after saying how to get one.

    Parameters
    ----------
    what:
        What it is needed for, as the end of the sentence "Connect with Earth Engine to ...".
    """
    if not is_set_up(settings()):
        st.info(f"Connect with Earth Engine to {what}: it is set up on the Home page.")
        page_link("home", "Set up Earth Engine")
        return None
    if is_connecting():
        st.caption("Connecting with Earth Engine …")
        return None
    made = connection()
    if made is not None:
        return made
    error = connection_failure()
    if error is not None:
        st.error(f"**{error.message}**  \n{error.remedy}")
        page_link("home", "Look at the connection")
    else:
        st.caption(f"Connect with Earth Engine to {what}.")
    st.button(
        "Try again" if error else "Connect",
        key="connect-here",
        icon=":material/link:",
        on_click=start_connecting,
        width="stretch",
    )
    return None
