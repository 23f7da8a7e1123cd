"""One button that brings real light: public rasters of a country as a dataset."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface.state import job_store, show_error, workspace
from nightlights.wording import size

if TYPE_CHECKING:
    from nightlights.jobs import Job

EXAMPLE: Final = "burundi"


def offer_real_light(jobs: Sequence["Job"]) -> None:
    """The button with what it does; nothing once the dataset is there or being made."""
    from nightlights.examples import EXAMPLES
    from nightlights.jobs.kinds import ExampleRequest

    example = EXAMPLES[EXAMPLE]
    active = any(job.active and job.kind == "example" for job in jobs)
    if active or example.name in workspace().dataset_names():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        clicked = st.button(
            example.job_title, icon=":material/public:", help="  \n".join(example.attribution)
        )
        sources = dict.fromkeys(file.source for file in example.files)
        terms = "; ".join(f"{source.holder} ({source.licence})" for source in sources)
        st.caption(
            f"Fetches {size(example.size_bytes)} of public rasters once, in the background, and makes a "
            f"dataset of them. {example.description} Sources: {terms}."
        )
    if clicked:
        try:
            request = ExampleRequest(example=example.name, dataset=example.name)
            job_store().submit("example", request, example.job_title)
        except NightlightsError as error:
            show_error(error)
            return
        st.rerun()
