"""The button that predicts a region, and the prediction that is under way."""

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.job_list import jobs_to_show, show_job
from nightlights.interface.layer_choice import choose_sharpening
from nightlights.interface.prediction_choice import Target, request_for
from nightlights.interface.state import job_store, show_error, workspace
from nightlights.manifests import RunRecord


def predict_panel(run: RunRecord, target: Target, *, primary: bool) -> None:
    """Start a prediction, or follow the one that is under way.

    ``primary`` draws the button as the page's next step.
    """
    request = request_for(workspace(), run.name, run.dataset, target)
    mine = [job for job in job_store().list("predict") if job.target == request.prediction]
    for job in jobs_to_show(mine):
        show_job(job)
    if any(job.active for job in mine):
        until = "Until it is done, the map shows the earlier one." if target.prediction else ""
        begun = any(job.state == "running" for job in mine)
        said = "The prediction has begun; the bar above shows how far it is." if begun else "It begins soon."
        st.caption(f"{said} {until}")
        return
    if not target.prediction:
        st.caption(
            f"Tile by tile, written as Cloud Optimized GeoTIFFs under the name `{request.prediction}`: "
            "seconds to a few minutes."
        )
    sharpen = choose_sharpening()
    label = "Predict again" if target.prediction else "Predict"
    if st.button(label, type="primary" if primary else "secondary", width="stretch"):
        try:
            request = request.model_copy(update={"sharpen": sharpen})
            job_store().submit("predict", request, f"Predict {target.region} with {run.name}")
            st.rerun()
        except NightlightsError as error:
            show_error(error)
