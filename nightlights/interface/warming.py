"""Import what later pages need while a visitor looks at the first one."""

import threading
from functools import cache
from typing import Final

DELAY_S: Final = 3.0
"""How long after the first page: the browser has drawn it by then, pictures included."""


def _import_maps() -> None:
    from nightlights.interface.base_map import warm

    warm()


@cache
def warm_maps() -> threading.Timer:
    """Import geemap (4 s of work) a moment after the first page, once for the life of the server.

    Beside the first page it would take half of the processor from it; after it, the first map need not wait.
    """
    timer = threading.Timer(DELAY_S, _import_maps)
    timer.daemon = True
    timer.start()
    return timer
