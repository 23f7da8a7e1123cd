"""Home: what this is, what the workspace holds, and the one next step."""

import streamlit as st

from nightlights.interface.first_picture import first_picture
from nightlights.interface.overview import look_at
from nightlights.interface.state import page_header, workspace

space = workspace()
overview = look_at(space)
page_header(
    "Earth at Night in HD", "Night-time light at 30 m from daytime satellite images.", overview.simulated
)
story, facts = st.columns([2.2, 1], gap="large")
with story:
    pictured = first_picture(space)


def below_the_picture() -> None:
    """What else the page holds. Jobs, examples and settings are imported only now: the picture goes first."""
    from nightlights.interface.home_view import show_facts, show_story

    with story:
        show_story(space, overview, pictured)
    with facts:
        show_facts(space)


below_the_picture()
