"""Tasks: what Earth Engine does in its own time, what that costs, and the files that come of it."""

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.connection import connected_or_prompt, is_test_server
from nightlights.interface.navigation import page_link
from nightlights.interface.state import page_header, settings, show_error
from nightlights.interface.task_actions import (
    age_note,
    cancel_buttons,
    fetch_cards,
    fetch_panel,
    known_operations,
)
from nightlights.interface.task_table import summary, task_columns, task_rows

SECONDS_BETWEEN_LOOKS = 5

page_header(
    "Tasks",
    "Batch exports and ingestions that Earth Engine does in its own time.",
    source_simulated=is_test_server(settings()),
)


def show_tasks() -> None:
    """The table and what can be done, as they are now."""
    try:
        known = known_operations(settings())
    except NightlightsError as error:
        show_error(error)
        return
    if known is None:
        return
    operations = known.value
    age_note(known)
    if not operations:
        st.info("There is no task yet. A **batch** export on the Imagery page starts some.")
        page_link("imagery", "Export imagery")
        return
    st.caption(summary(operations))
    st.dataframe(
        task_rows(operations), column_config=task_columns(), hide_index=True, placeholder="–", key="tasks"
    )
    cancel_buttons(operations, settings())
    fetch_panel(operations, settings())


# A container of their own keeps what follows at its place when a card goes; moving, it could be shown twice.
with st.container():
    fetch_cards()
if connected_or_prompt("see its tasks"):
    st.fragment(show_tasks, run_every=SECONDS_BETWEEN_LOOKS)()
