"""The connection with Earth Engine on the Home page: its state in words, its settings, one button."""

from typing import TYPE_CHECKING, Final

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.connection import (
    connection,
    connection_failure,
    fixed_by_environment,
    is_connecting,
    is_set_up,
    is_test_server,
    save,
    start_connecting,
)
from nightlights.interface.state import flash, settings, show_error
from nightlights.settings import Settings

if TYPE_CHECKING:
    from nightlights.sources.earthengine.client import Connection

_FORM: Final = "connection-form"
_SIMULATED_BADGE: Final = ":orange-badge[Simulated]"
_FROM_ENVIRONMENT: Final = "from the environment"


def state_words(
    wanted: Settings, made: "Connection | None", failure: NightlightsError | None, connecting: bool
) -> str:
    """The state of the connection in one sentence, as Markdown."""
    if connecting:
        return "Connecting …"
    if failure is not None:
        return ":red-badge[Not connected]"
    if made is not None and made.local:
        return f":green-badge[Connected] to the **local test server**, project **{made.project}**."
    if made is not None:
        return f":green-badge[Connected] as **{made.account}** ({made.method}) to **{made.project}**."
    if not is_set_up(wanted):
        return ":gray-badge[Not set up] Name a Google Cloud project below; all else works without one."
    if is_test_server(wanted):
        return ":gray-badge[Not connected yet] The **local test server** is set up."
    project = wanted.earthengine_project or "the project of the key file"
    return f":gray-badge[Not connected yet] Set up for **{project}**."


def connection_panel() -> None:
    """State, settings and button, for one column of the Home page."""
    wanted = settings()
    connecting = is_connecting()
    made, failure = connection(), connection_failure()
    badge = f" {_SIMULATED_BADGE}" if is_test_server(wanted) else ""
    st.markdown(f"**Earth Engine**{badge}  \n{state_words(wanted, made, failure, connecting)}")
    if failure is not None:
        show_error(failure)
    if is_test_server(wanted):
        st.caption(
            f"A server at `{wanted.earthengine_url}` stands in the place of Google's: its scenes are cut "
            "from the simulated planet."
        )
    st.button(
        "Check again" if made else "Connect",
        key="connect",
        icon=":material/link:",
        disabled=connecting or not is_set_up(wanted),
        on_click=start_connecting,
        help="Asks Earth Engine for one tiny answer. It is never asked before you click.",
    )
    with st.expander("Settings of the connection"):
        _settings_form(wanted)


def _settings_form(wanted: Settings) -> None:
    fixed = fixed_by_environment()
    # New widgets after each save: a bucket's name that was typed in is gone from the page with the old ones.
    version = st.session_state.get(f"{_FORM}-version", 0)
    with st.form(f"{_FORM}-{version}", border=False):
        project = _text(
            "Google Cloud project",
            "earthengine_project",
            wanted.earthengine_project,
            version,
            fixed,
            "my-project",
            "Its ID. The project must be registered for Earth Engine.",
        )
        key_file = _text(
            "Key file of a service account",
            "service_account_key",
            str(wanted.service_account_key) if wanted.service_account_key else None,
            version,
            fixed,
            "your own sign-in",
            "Path of a JSON file on the machine that runs the app. Empty: the sign-in made by "
            "`earthengine authenticate`, or application default credentials.",
        )
        bucket = _bucket(wanted, version, fixed)
        remove = (
            wanted.bucket is not None
            and "bucket" not in fixed
            and st.checkbox("Forget the bucket", key=f"connection-forget-{version}")
        )
        folder = _text(
            "Folder",
            "bucket_folder",
            wanted.bucket_folder,
            version,
            fixed,
            "nightlights",
            "In the bucket or in Drive, and for assets.",
        )
        if st.form_submit_button("Save", icon=":material/save:", disabled=len(fixed) == 4):
            values = {
                "earthengine_project": project,
                "service_account_key": key_file,
                "bucket_folder": folder,
                # An empty field keeps the bucket: the page does not know its name.
                "bucket": None if remove else bucket or _secret(wanted),
            }
            _save(wanted, {name: value for name, value in values.items() if name not in fixed}, version)


def _text(
    label: str, name: str, value: str | None, version: int, fixed: frozenset[str], example: str, meaning: str
) -> str:
    if name in fixed:
        st.text_input(f"{label} ({_FROM_ENVIRONMENT})", value or "", disabled=True, key=f"fixed-{name}")
        return ""
    text = st.text_input(
        label, value or "", placeholder=example, help=meaning, key=f"connection-{name}-{version}"
    )
    return text.strip()


def _bucket(wanted: Settings, version: int, fixed: frozenset[str]) -> str:
    meaning = "For batch exports and publishing; direct exports need none. Never shown again once saved."
    if "bucket" in fixed:
        st.text_input(
            f"Cloud Storage bucket ({_FROM_ENVIRONMENT})", "", placeholder="set", disabled=True, help=meaning
        )
        return ""
    text = st.text_input(
        "Cloud Storage bucket",
        type="password",
        placeholder="set" if wanted.bucket else "not set",
        help=meaning,
        autocomplete="off",
        key=f"connection-bucket-{version}",
    )
    return text.strip()


def _secret(wanted: Settings) -> str | None:
    return wanted.bucket.get_secret_value() if wanted.bucket else None


def _save(wanted: Settings, values: dict[str, str | None], version: int) -> None:
    try:
        save(wanted, **values)
    except NightlightsError as error:
        show_error(error)
        return
    st.session_state[f"{_FORM}-version"] = version + 1
    flash("Saved the settings of the connection.")
    st.rerun()
