"""The first thing that a newcomer sees: the prediction that ships, as three small pictures.

They are plain files at an address of their own. Nothing is decoded, and no library of images, maps or plots
is imported before they are on the screen.
"""

from html import escape
from typing import Final

import streamlit as st
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from nightlights.firstlook import pictures_of, ready_made
from nightlights.interface.legends import legend_html, radiance_legend
from nightlights.interface.scripts import base_path
from nightlights.shipped import FIRST_LOOK
from nightlights.workspace import Workspace

_WORDS: Final = {
    "day": ("Landsat by day", "30 m pixels"),
    "night": ("VIIRS at night", "500 m pixels"),
    "sharpened": ("The same light, sharpened", "30 m pixels"),
}
"""Title and pixel size of each picture."""
_EXPLAINED: Final = (
    "Kinshasa on the <b>simulated</b> planet, 11 km across: coasts and rivers are real, surfaces and lights "
    "are invented. A network that ships with the app knows from daylight where light is likely to lie; "
    "the sharpened picture places the light that VIIRS measured accordingly."
)


def first_picture(workspace: Workspace) -> bool:
    """Show the prediction that ships while the workspace holds nothing of its own.

    Returns
    -------
    bool
        Whether there was one to show.
    """
    held = set(workspace.prediction_names()) - {FIRST_LOOK} or workspace.run_names()
    folder = None if held else ready_made()
    pictures = pictures_of(folder) if folder else None
    if pictures is None:
        return False
    panels = []
    for shown, (title, pixels) in _WORDS.items():
        address = f"{base_path()}/first-look/{shown}?v={pictures[shown].stat().st_mtime_ns:x}"
        panels.append(
            f'<figure class="nl-{shown}"><img src="{address}" alt="{escape(title)}, simulated" '
            'width="400" height="400" fetchpriority="high">'
            f"<figcaption><b>{escape(title)}</b> <span>{escape(pixels)}</span></figcaption></figure>"
        )
    st.html(
        f'<div class="nl-first">{"".join(panels)}</div>'
        f'<div class="nl-first-words"><p>{_EXPLAINED}</p>{legend_html(radiance_legend("Light"))}</div>'
    )
    return True


def _picture(request: Request) -> Response:
    folder = ready_made()
    pictures = pictures_of(folder) if folder else None
    path = pictures.get(request.path_params["shown"]) if pictures else None
    if path is None:
        raise HTTPException(404, "No such picture.")
    return FileResponse(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})


def picture_routes() -> list[Route]:
    """The route of the three pictures."""
    return [Route(f"{base_path()}/first-look/{{shown}}", _picture)]
