"""Names of the largest cities in view, so that the map can be read without a basemap.

``/places?west=..&south=..&east=..&north=..&width=..&height=..`` answers with at most one city for
every part of the view that a label needs.
"""

import math
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nightlights.interface.scripts import base_path
from nightlights.places import Place, cities

LABEL_WIDTH: Final = 130
LABEL_HEIGHT: Final = 46
"""Room that a label gets, in screen pixels."""
MAXIMUM_NAMES: Final = 60


def names_in_view(
    west: float, south: float, east: float, north: float, width: float, height: float
) -> list[Place]:
    """The most populous cities within bounds in degrees, none so near to a larger one that labels meet.

    Parameters
    ----------
    width, height:
        Size of the view in screen pixels.
    """
    taken: set[tuple[int, int]] = set()
    chosen: list[Place] = []
    for place in cities():
        # The view may reach over the antimeridian or lie on another copy of the world.
        longitude = place.longitude + 360 * math.ceil((west - place.longitude) / 360)
        if not (south <= place.latitude <= north and longitude <= east):
            continue
        column = int((longitude - west) / (east - west) * width / LABEL_WIDTH)
        row = int((north - place.latitude) / (north - south) * height / LABEL_HEIGHT)
        if any((column + right, row + down) in taken for right in (-1, 0, 1) for down in (-1, 0, 1)):
            continue
        taken.add((column, row))
        chosen.append(Place(place.name, place.country, longitude, place.latitude, place.population))
        if len(chosen) == MAXIMUM_NAMES:
            break
    return chosen


async def _places(request: Request) -> Response:
    try:
        west, south, east, north, width, height = (
            float(request.query_params[key]) for key in ("west", "south", "east", "north", "width", "height")
        )
    except (KeyError, ValueError) as error:
        raise HTTPException(400, "Bounds and size are needed.") from error
    if not (
        all(map(math.isfinite, (west, south, east, north, width, height)))
        and -1000 < west < east < 1000
        and south < north
        and 0 < width < 20_000
        and 0 < height < 20_000
    ):
        raise HTTPException(400, "The bounds are empty.")
    found = await run_in_threadpool(names_in_view, west, south, east, north, width, height)
    return JSONResponse(
        [{"name": place.name, "longitude": place.longitude, "latitude": place.latitude} for place in found]
    )


def place_routes() -> list[Route]:
    """The route of the names."""
    return [Route(f"{base_path()}/places", _places)]
