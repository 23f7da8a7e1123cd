"""Earth at Night in HD: start it with ``streamlit run app.py``.

The pages and the map tiles come from one server on one port: :mod:`nightlights.interface.routes` adds the
tiles and the map's scripts to Streamlit's own routes.
"""

import streamlit as st

from nightlights.environment import load_environment
from nightlights.interface.routes import MAIN_SCRIPT, routes
from nightlights.interface.warming import lifespan

load_environment()
app = st.App(MAIN_SCRIPT, routes=routes(), lifespan=lifespan)
