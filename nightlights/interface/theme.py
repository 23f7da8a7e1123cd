"""What Streamlit's own theme cannot say: spacing, role colours, the word SIMULATED."""

from typing import Final, Literal

import streamlit as st

from nightlights.palettes import role_colour

ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<circle cx="16" cy="16" r="15" fill="#0a1226"/><g fill="#ffb23e">'
    '<circle cx="14" cy="13" r="3"/><circle cx="21" cy="17" r="2"/><circle cx="11" cy="20" r="1.6"/>'
    '<circle cx="19" cy="23" r="1.2"/><circle cx="22" cy="9" r="1.2"/></g></svg>'
)
"""Of the browser's tab. Streamlit looks an emoji up in a list that takes a tenth of a second to import."""

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
.nl-first { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0.6rem; }
.nl-first figure { margin: 0; }
.nl-first img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 0.3rem; }
.nl-first .nl-night img { image-rendering: pixelated; }
.nl-first figcaption { margin-top: 0.35rem; font-size: 0.9rem; line-height: 1.3; }
.nl-first figcaption span { opacity: 0.72; white-space: nowrap; }
.nl-first-words {
  display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); gap: 0.6rem 1.2rem; margin-top: 0.7rem;
}
.nl-first-words p { margin: 0; font-size: 0.9rem; opacity: 0.85; }
@media (max-width: 640px) {
  /* Before and after side by side, the day below them at full width would be a screen of its own. */
  .nl-first { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .nl-first .nl-day { grid-column: 1 / -1; order: 1; }
  .nl-first .nl-day img { aspect-ratio: 2; object-fit: cover; }
  .nl-first-words { grid-template-columns: minmax(0, 1fr); }
  .block-container, [data-testid="stMainBlockContainer"] { padding-left: 0.8rem; padding-right: 0.8rem; }
  .st-key-home-counts [data-testid="stHorizontalBlock"] {
    display: grid; grid-template-columns: repeat(2, minmax(0, 1fr));
  }
  .st-key-home-counts [data-testid="stColumn"] { min-width: 0; width: auto; }
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
