"""What the server offers besides the pages, on the same port, and what it does when it starts."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from starlette.routing import Route

from nightlights.interface.place_names import place_routes
from nightlights.interface.planet_tiles import planet_routes
from nightlights.interface.scripts import script_routes
from nightlights.interface.tiles import tile_routes

MAIN_SCRIPT: Final = Path(__file__).resolve().parent / "main.py"


def routes() -> list[Route]:
    """Scripts and styles of the map, tiles, names of places."""
    return [*script_routes(), *tile_routes(), *place_routes(), *planet_routes()]


def _warm() -> None:
    from nightlights.interface.base_map import warm

    warm()


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Import geemap (seconds) beside the first page, so that the first map need not wait for it."""
    threading.Thread(target=_warm, name="warm-geemap", daemon=True).start()
    yield
