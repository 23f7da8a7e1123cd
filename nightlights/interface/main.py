"""The script that Streamlit runs for every visitor: navigation, then the chosen page."""

import streamlit as st

from nightlights.interface.navigation import pages
from nightlights.interface.theme import ICON, style
from nightlights.interface.warming import warming

warming.page_begins()
st.set_page_config(page_title="Earth at Night in HD", page_icon=ICON, layout="wide")
current = st.navigation(pages(), position="top")
style()
current.run()
