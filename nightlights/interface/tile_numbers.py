"""The numbers in the address of a tile."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

_MOST_DIGITS: Final = 10
"""More than any zoom, column, row or seed has; a long enough number takes seconds to read, or cannot be."""


def tile_number(request: Request, key: str) -> int:
    """The whole number that the address gives as ``key``.

    Taken from the text of the address, since Starlette's own numbers end in a server error when they are
    too long.

    Raises
    ------
    HTTPException
        404 when it is no such number.
    """
    text = str(request.path_params[key])
    if len(text) > _MOST_DIGITS or not (text.isascii() and text.isdigit()):
        raise HTTPException(404, "There is no such tile.")
    return int(text)
