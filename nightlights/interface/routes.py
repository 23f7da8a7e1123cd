"""What the server offers besides the pages, on the same port."""

from pathlib import Path
from typing import Final

from starlette.routing import Route

from nightlights.interface.first_picture import picture_routes
from nightlights.interface.place_names import place_routes
from nightlights.interface.planet_tiles import planet_routes
from nightlights.interface.scripts import script_routes
from nightlights.interface.tiles import tile_routes

MAIN_SCRIPT: Final = Path(__file__).resolve().parent / "main.py"


def routes() -> list[Route]:
    """Scripts and styles of the map, the first pictures, tiles, names of places."""
    return [*script_routes(), *picture_routes(), *tile_routes(), *place_routes(), *planet_routes()]
