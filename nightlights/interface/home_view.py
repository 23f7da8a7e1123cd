"""The Home page below its picture: the next step, what the workspace holds, jobs, source and connection."""

import streamlit as st

from nightlights.interface.connection_panel import connection_panel
from nightlights.interface.jobs_view import job_card
from nightlights.interface.navigation import PAGES, go_to_page, page_link
from nightlights.interface.overview import Overview, next_step
from nightlights.interface.real_light import offer_real_light
from nightlights.interface.state import device_words, job_store, settings
from nightlights.shipped import first_shipped
from nightlights.workspace import Workspace

RECENT_JOBS = 3


def show_story(space: Workspace, overview: Overview, pictured: bool) -> None:
    """The wide column; ``pictured`` says whether a first picture stands above it."""
    jobs = job_store().list()
    step = next_step(overview, jobs)
    st.markdown(
        "The only global measurement of night-time light, VIIRS, has pixels of about 500 m; Landsat's "
        "daytime images have 30 m. Draw regions on a map, train a network that predicts light from daylight, "
        "and compare what it predicts with what VIIRS measured. Every figure of light is in nW/cm²/sr."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(step.label, type="primary", icon=":material/arrow_forward:"):
            go_to_page(step.page)
        st.markdown(step.reason)
    if pictured:
        page_link("compare", "Or look at this prediction first, layer by layer on the map")
    elif not space.prediction_names() and first_shipped() and step.page != "compare":
        page_link("compare", "Or look at a prediction first, by a model that ships")
    offer_real_light(jobs)
    counts = {
        "regions": overview.regions,
        "datasets": overview.datasets,
        "runs": overview.runs,
        "predictions": overview.predictions,
    }
    # On a telephone two stand side by side, see theme.py.
    columns = st.container(key="home-counts").columns(4)
    for column, (kind, count) in zip(columns, counts.items(), strict=True):
        with column, st.container(border=True, height="stretch"):
            st.metric(kind.capitalize(), f"{count:,}")
            st.caption(overview.newest.get(kind, "none yet"))
    for problem in overview.broken:
        st.warning(problem)
    shown = [job for job in jobs if job.active] or jobs[:RECENT_JOBS]
    if shown:
        st.subheader("Jobs" if shown[0].active else "Latest jobs")
    for job in shown:
        job_card(job)


def show_facts(space: Workspace) -> None:
    """The narrow column: the source to begin with, the device, the workspace, Earth Engine, the pages."""
    with st.container(border=True):
        seed = settings().planet_seed
        st.markdown(
            f"**Source to begin with**  \nSimulated planet (seed {seed}): real coasts and cities, invented "
            "surfaces and lights, so that every method can be scored against a known truth. Earth Engine or "
            "your own GeoTIFFs can take its place on the Imagery page."
        )
        st.markdown(f"**Device**  \n{device_words()}")
        st.markdown("**Workspace**")
        st.code(str(space.root), language=None, wrap_lines=True)
    with st.container(border=True):
        connection_panel()
    with st.container(border=True):
        st.markdown("**The way through**")
        for info in PAGES[1:]:
            page_link(info.key, info.title)
