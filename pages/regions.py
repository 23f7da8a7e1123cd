"""Regions: draw where to train, where to evaluate and where to predict."""

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface import region_panel, region_work
from nightlights.interface.imagery_layer import imagery_chooser, imagery_is_measured
from nightlights.interface.map_view import Basemap, base_map, last_answer, show_map
from nightlights.interface.planet_tiles import planet_basemap
from nightlights.interface.region_table import region_table, show_problems
from nightlights.interface.state import page_header, settings, show_error, show_flashes, workspace
from nightlights.region_checks import check_regions

MAP_KEY = "regions-map"

space = workspace()
try:
    work = region_work.work_on(space, region_work.chosen_name(space))
except NightlightsError as error:
    page_header("Regions", "", source_simulated=True)
    show_error(error)
    st.stop()

# The map's answer is taken in before anything is drawn, so that the whole page shows the same state.
repairs = work.editor.receive(last_answer(MAP_KEY).get("all_drawings"))
if repairs is not None:
    region_work.tell(repairs)
    work.save()
problems = check_regions(work.editor.regions, settings())

page_header(
    "Regions",
    "Draw where to train, where to evaluate, and where to predict.",
    source_simulated=not imagery_is_measured(),
    messages=False,
)
map_column, panel = st.columns([3.6, 1], gap="medium")
with panel:
    # Beside the map: above it they would push it away from under the pointer.
    show_flashes()
    region_panel.collection_chooser(work)
    region_panel.place_search()
    imagery = imagery_chooser()
    role = region_panel.role_chooser()
    region_panel.history_buttons(work)
    region_panel.add_more(work, settings(), role)
    region_panel.next_step(work, problems, settings())
with map_column:
    show_map(
        base_map(
            (8.0, 12.0),
            3,
            draw=True,
            keep_view="regions",
            basemaps=(planet_basemap(settings().planet_seed), Basemap("Land outline")),
        ),
        MAP_KEY,
        layers=imagery.layers,
        legends=imagery.legends,
        regions=work.editor.drawn(problems, role),
        view=region_work.view(work),
    )
if work.editor.regions:
    region_table(work, problems, settings())
    show_problems([problem for problem in problems if problem.region is None or problem.severity == "error"])
