"""What a person does to a run: writes notes, deletes it."""

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.experiments import MAXIMUM_NOTES, delete_experiment, set_notes
from nightlights.interface.state import flash, job_store, workspace
from nightlights.manifests import RunRecord


def notes(run: RunRecord) -> None:
    """The notes of a run, kept in its record."""
    text = st.text_area(
        "Notes",
        run.notes,
        max_chars=MAXIMUM_NOTES,
        key=f"notes-{run.name}",
        height=120,
        placeholder="What you wanted to find out, and what you found.",
        label_visibility="collapsed",
    )
    if st.button("Save notes", disabled=text == run.notes, icon=":material/save:"):
        try:
            set_notes(workspace(), run.name, text, job_store())
            flash(f"Saved the notes of {run.name}.")
        except NightlightsError as error:
            flash(str(error), "error")
        st.rerun()


def delete_run(name: str) -> None:
    """A button that asks again, then deletes."""
    with st.popover("Delete this run", icon=":material/delete:"):
        st.write(
            f"This removes **{name}**: its network, its curve and its scores. "
            "Predictions that it made stay; it can make no more."
        )
        if not st.button("Yes, delete it", key=f"delete-{name}"):
            return
        try:
            delete_experiment(workspace(), name, job_store())
            flash(f"Deleted the run {name}.")
        except NightlightsError as error:
            flash(str(error), "error")
    st.rerun()
