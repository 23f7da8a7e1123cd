"""The map's scripts and styles, served by the app itself, so that maps need no network.

geemap's HTML loads Leaflet and Leaflet.draw from five hosts on the internet; one that does not answer leaves
the map blank. The Python package django-leaflet carries the same Leaflet (1.9.3) and Leaflet.draw (1.0.4) as
plain files. They are found by the package's place on disk; neither it nor Django is ever imported. No other
package among the requirements carries both as plain files (ipyleaflet, streamlit-folium and folium bundle
or link them), and copying third-party scripts into this project would leave nobody to update them.
"""

import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from nightlights.errors import SettingsError

OWN_FOLDER: Final = Path(__file__).resolve().parent / "static"
DATA_FOLDER: Final = Path(__file__).resolve().parents[1] / "data"
OWN_SCRIPTS: Final = ("map.js", "drawing.js", "layers.js")
OWN_STYLES: Final = ("map.css",)

_SUFFIXES: Final = {".js", ".css", ".png", ".svg", ".geojson"}
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_A_DAY: Final = {"Cache-Control": "public, max-age=86400"}

_REPLACED: Final = {
    "leaflet.js": "leaflet/leaflet.js",
    "leaflet.css": "leaflet/leaflet.css",
    "leaflet.draw.js": "leaflet/draw/leaflet.draw.js",
    "leaflet.draw.css": "leaflet/draw/leaflet.draw.css",
}
"""The end of an address in geemap's map, and the file that takes its place."""


def base_path() -> str:
    """What the server puts before every address: "" or for example "/lights"."""
    from streamlit import config

    path = str(config.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


@cache
def leaflet_folder() -> Path:
    """Folder of Leaflet's files in the installed package.

    Raises
    ------
    SettingsError
        When the package is not installed.
    """
    found = importlib.util.find_spec("leaflet")
    for place in (found.submodule_search_locations or []) if found else []:
        folder = Path(place) / "static" / "leaflet"
        if (folder / "leaflet.js").is_file() and (folder / "draw" / "leaflet.draw.js").is_file():
            return folder.resolve()
    raise SettingsError("The map's scripts are missing.", "Install the requirements again: ./run app does.")


@cache
def _own_version() -> str:
    digest = hashlib.sha256()
    for name in (*OWN_SCRIPTS, *OWN_STYLES):
        digest.update((OWN_FOLDER / name).read_bytes())
    return digest.hexdigest()[:12]


def own_links(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """(name, address) of this project's own scripts or styles, new after every change of them."""
    return [(name, f"{base_path()}/assets/own/{name}?v={_own_version()}") for name in names]


def _elements(element: Any) -> Iterator[Any]:
    yield element
    for child in getattr(element, "_children", {}).values():
        yield from _elements(child)


def make_offline(folium_map: Any) -> None:
    """Point every script and style of a folium map at files of this server, and drop those not needed."""
    for element in _elements(folium_map):
        for kind in ("default_js", "default_css"):
            links = getattr(element, kind, None)
            if links:
                setattr(element, kind, [link for name, url in links for link in _local(name, url)])


def _local(name: str, url: str) -> list[tuple[str, str]]:
    if not url.startswith(("http:", "https:", "//")):
        return [(name, url)]
    target = _REPLACED.get(url.split("?")[0].rsplit("/", 1)[-1])
    return [(name, f"{base_path()}/assets/{target}")] if target else []


def _file(folder: Path, path: str, headers: dict[str, str]) -> Response:
    try:
        file = (folder / path).resolve()
        found = file.is_relative_to(folder.resolve()) and file.suffix in _SUFFIXES and file.is_file()
    except (OSError, ValueError):
        # Names that no file system takes: too long, or with a null character.
        found = False
    if not found:
        raise HTTPException(404, "No such file.")
    return FileResponse(file, headers=headers)


async def _leaflet(request: Request) -> Response:
    return _file(leaflet_folder(), request.path_params["path"], _A_DAY)


async def _own(request: Request) -> Response:
    return _file(OWN_FOLDER, request.path_params["path"], _FOREVER)


async def _outline(request: Request) -> Response:
    return _file(DATA_FOLDER, "land_outline.geojson", _A_DAY)


def script_routes() -> list[Route]:
    """Routes of the map's scripts, styles and land outline."""
    prefix = f"{base_path()}/assets"
    return [
        Route(f"{prefix}/leaflet/{{path:path}}", _leaflet),
        Route(f"{prefix}/own/{{path:path}}", _own),
        Route(f"{prefix}/land_outline.geojson", _outline),
    ]
