"""Regions: where to train, evaluate and predict."""

import streamlit as st

from nightlights.interface.map_view import DrawnRegions, base_map, show_map
from nightlights.interface.state import page_header

page_header("Regions", "Draw where to train, where to evaluate and where to predict.", True)
regions = DrawnRegions("s", "s-1", [])
answer = show_map(base_map((15.0, 15.0), 3, draw=True, keep_view="regions"), "regions", regions=regions)

st.json(answer)
