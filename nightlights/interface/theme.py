"""What Streamlit's own theme cannot say: spacing, role colours, the word SIMULATED."""

from typing import Final, Literal

import streamlit as st

from nightlights.palettes import role_colour

_CSS: Final = """
<style>
.block-container, [data-testid="stMainBlockContainer"] {
  padding-top: 4.2rem; padding-bottom: 2rem; max-width: 1800px;
}
.nl-header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.1rem 0.7rem; }
.nl-header h1 { font-size: 1.55rem; padding: 0; margin: 0; letter-spacing: -0.01em; }
.nl-header p { margin: 0; opacity: 0.72; }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; }
[data-testid="stBaseButton-primary"]:not(:disabled) { font-weight: 600; color: var(--nl-on-accent); }
[data-testid="stMultiSelectTagsContainer"] [data-tag] * { color: var(--nl-on-accent); }
.nl-badge {
  display: inline-block; border-radius: 0.25rem; padding: 0.05rem 0.45rem; font-size: 0.72rem;
  font-weight: 650; letter-spacing: 0.06em;
  border: 1px solid currentColor; white-space: nowrap;
}
.nl-simulated { color: var(--nl-simulated); }
.nl-role { display: inline-block; width: 0.7em; height: 0.7em; border-radius: 2px; margin-right: 0.4em; }
@media (max-width: 640px) {
  .block-container, [data-testid="stMainBlockContainer"] { padding-left: 0.8rem; padding-right: 0.8rem; }
  /* Compare: run, region and layer stand above the map, everything else below it. */
  .st-key-compare-sides [data-testid="stColumn"]:has(.st-key-compare-choice),
  [data-testid="stColumn"] > [data-testid="stVerticalBlock"]:has(> * > .st-key-compare-choice) {
    display: contents;
  }
  .st-key-compare-sides [data-testid="stHorizontalBlock"] { gap: 1rem; }
  .st-key-compare-sides [data-testid="stLayoutWrapper"]:has(> .st-key-compare-choice) { order: -1; }
  .st-key-compare-choice { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
  .st-key-compare-choice > * { grid-column: 1 / -1; }
  .st-key-compare-choice > .st-key-run, .st-key-compare-choice > .st-key-region { grid-column: auto; }
  .st-key-compare-choice [role="radiogroup"] { flex-flow: row wrap; column-gap: 1rem; }
}
</style>
"""


def style() -> None:
    """Lay the style sheet over the page; once a run."""
    # Streamlit writes white on the accent, which cannot be read on the amber of the night theme.
    on_accent = {"dark": "#14110b", "light": "#ffffff"}[theme_name()]
    simulated = {"dark": "#ff8f5a", "light": "#b3430f"}[theme_name()]
    colours = f"--nl-on-accent: {on_accent}; --nl-simulated: {simulated};"
    st.html(_CSS.replace("<style>", f"<style>:root {{ {colours} }}", 1))


def theme_name() -> Literal["light", "dark"]:
    """The theme that the visitor has chosen; dark unless known."""
    return "light" if st.context.theme.type == "light" else "dark"


def role_swatch(role: str) -> str:
    """A small square in the colour of ``role``, as HTML."""
    return f'<span class="nl-role" style="background:{role_colour(role)}"></span>'
