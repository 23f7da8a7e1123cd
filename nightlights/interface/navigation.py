"""The pages: titles, addresses, and links between them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.navigation.page import Page

PAGES_FOLDER: Final = Path(__file__).resolve().parents[2] / "pages"


@dataclass(frozen=True, slots=True)
class PageInfo:
    """One page: its key is the file's name and the last part of its address."""

    key: str
    title: str
    icon: str


PAGES: Final = (
    PageInfo("home", "Home", ":material/home:"),
    PageInfo("regions", "Regions", ":material/polyline:"),
    PageInfo("imagery", "Imagery", ":material/satellite_alt:"),
    PageInfo("train", "Train", ":material/model_training:"),
    PageInfo("compare", "Compare", ":material/compare:"),
    PageInfo("experiments", "Experiments", ":material/science:"),
    PageInfo("tasks", "Tasks", ":material/checklist:"),
)
"""In the order in which a person works."""


def page(info: PageInfo) -> Page:
    """The Streamlit page of ``info``; home is the default and has no address of its own."""
    return st.Page(
        PAGES_FOLDER / f"{info.key}.py",
        title=info.title,
        icon=info.icon,
        url_path=None if info.key == "home" else info.key,
        default=info.key == "home",
    )


def pages() -> list[Page]:
    """Those pages whose file is there."""
    return [page(info) for info in PAGES if (PAGES_FOLDER / f"{info.key}.py").is_file()]


def page_link(key: str, label: str, **choices: str) -> None:
    """A plain link to the page ``key``; ``choices`` become part of its address, as ``run="first"``."""
    info = next(info for info in PAGES if info.key == key)
    st.page_link(page(info), label=label, icon=info.icon, query_params=choices or None)


def go_to_page(key: str) -> None:
    """Leave this page for the page ``key``."""
    st.switch_page(page(next(info for info in PAGES if info.key == key)))
