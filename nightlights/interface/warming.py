"""Import what later pages need while nobody waits for a page."""

import importlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

QUIET_S: Final = 3.0
"""How long no page has begun before the next piece is imported: by then the browser has drawn the last."""

LIBRARIES: Final = (
    *("pandas", "folium", "folium.plugins", "rasterio.vrt"),
    *("IPython", "matplotlib.figure", "plotly.express", "ee", "ipyleaflet"),
)
"""What maps are made of, in pieces of less than a second; what Compare needs goes first, geemap's own last.

Never ``streamlit_folium``: imported beside the pages, its component is not known to them.
"""


class Warming:
    """Work in pieces, each of which waits until pages have been quiet for a while.

    Importing geemap at once takes 4 s of a processor from whoever opens a page meanwhile.

    Parameters
    ----------
    quiet_s:
        See :data:`QUIET_S`.
    clock:
        Seconds that only grow.
    wait:
        Called with the seconds to wait.
    """

    def __init__(
        self,
        quiet_s: float = QUIET_S,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._quiet_s, self._clock, self._wait = quiet_s, clock, wait
        self._last = clock()

    def page_begins(self) -> None:
        """Let the next piece wait."""
        self._last = self._clock()

    def run(self, pieces: Sequence[Callable[[], object]]) -> None:
        """Do the pieces in order, each when it is quiet."""
        for piece in pieces:
            while (left := self._last + self._quiet_s - self._clock()) > 0:
                self._wait(left)
            piece()


warming: Final = Warming()
"""Of this process."""


def _import(name: str) -> Callable[[], object]:
    return lambda: importlib.import_module(name)


def _import_geemap() -> None:
    from nightlights.interface.base_map import warm

    warm()


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Begin when the server starts; the thread ends with the server."""
    pieces = [*map(_import, LIBRARIES), _import_geemap]
    threading.Thread(target=warming.run, args=(pieces,), name="warm-maps", daemon=True).start()
    yield
