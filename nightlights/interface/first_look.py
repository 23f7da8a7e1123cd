"""At first start, one button that shows what a prediction is: by the model that ships."""

import contextlib

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.firstlook import REGION, first_look_region, show_ready_made
from nightlights.interface.job_list import jobs_to_show, show_job
from nightlights.interface.prediction_choice import Target, own_runs
from nightlights.interface.state import job_store, show_error, workspace
from nightlights.jobs.kinds import FIRST_LOOK, FirstLookRequest
from nightlights.manifests import PredictionRecord, read_record
from nightlights.shipped import ShippedModel, first_shipped

_AWAITED = "first-look-awaited"


def first_look_model() -> ShippedModel | None:
    """The model that makes the first prediction; None once there is a prediction, or without such a model."""
    return None if workspace().prediction_names() else first_shipped()


def first_look_target() -> Target:
    """The square that it predicts, before anything of it exists."""
    bounds = first_look_region().window.bounds
    return Target(f"{FIRST_LOOK}/{REGION}", FIRST_LOOK, REGION, "predict", bounds, simulated=True)


def choose_first_look() -> None:
    """Once the first prediction is there, make it what the page shows; before its choices are drawn.

    A workspace that holds nothing yet gets the one that ships. Where a network was trained, the page opens
    on that.
    """
    if not st.session_state.get(_AWAITED):
        show_ready_made(workspace())
    held = workspace().prediction_names()
    if _AWAITED in st.session_state and FIRST_LOOK in held:
        _choose(st.session_state.pop(_AWAITED))
    elif (
        held == [FIRST_LOOK]
        and not ({"run", "region"} & {*st.session_state, *st.query_params})
        and not own_runs(workspace())
    ):
        # After a reload too: the first model in the list need not be the one that made it.
        with contextlib.suppress(NightlightsError):
            path = workspace().prediction_folder(FIRST_LOOK) / "prediction.json"
            record = read_record(path, PredictionRecord)
            _choose(record.run)
            if not ({"layer", "swipe"} & {*st.session_state, *st.query_params}):
                # Before and after. The next choice of a layer is the visitor's.
                after = "Sharpened" if "sharpened" in record.layers else "Predicted"
                st.session_state["layer"], st.session_state["swipe"] = "VIIRS", after


def _choose(run: str) -> None:
    st.session_state["run"] = run
    st.session_state["region"] = f"{FIRST_LOOK}/{REGION}"


def offer_first_look(model: ShippedModel) -> None:
    """The button, or the job that it has started."""
    store = job_store()
    jobs = store.list("first-look")
    for job in jobs_to_show(jobs):
        show_job(job)
    if any(job.active for job in jobs):
        return
    st.caption(
        "Half a minute, in the background: a square of 0.1 degrees (11 km) of Kinshasa on the simulated "
        "planet, predicted by a model that ships, beside what VIIRS would measure there."
    )
    if st.button("Show me a prediction", type="primary", width="stretch", icon=":material/auto_awesome:"):
        try:
            request = FirstLookRequest(run=model.run.name)
            store.submit("first-look", request, f"Predict Kinshasa with {model.run.name}")
            st.session_state[_AWAITED] = model.run.name
            st.rerun()
        except NightlightsError as error:
            show_error(error)
