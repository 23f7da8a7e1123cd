"""The direct method: tiles computed by Earth Engine, several at a time, kept one by one."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nightlights.errors import Cancelled
from nightlights.grid import FINE_PER_VIIRS
from nightlights.progress import Progress
from nightlights.sources.earthengine.failures import TooMuchError
from nightlights.sources.earthengine.tiles import Tile
from nightlights.sources.earthengine.transport import patience

Fetch = Callable[[Tile], NDArray[np.float32]]
"""The values of one tile, shape (bands, height, width); called from several threads at once."""

THREAD_NAME: Final = "fetch tiles"
"""Of every worker, to tell them from other threads."""
_LOOK_S: Final = 0.2
"""How often the progress is told, and thereby asked whether to stop, while nothing arrives."""


def fetch_tiles(tiles: Sequence[Tile], fetch: Fetch, folder: Path, at_once: int, progress: Progress) -> None:
    """Fetch every tile that is not in ``folder``, ``at_once`` at a time.

    Those that are too much for one request are fetched in quarters.

    Parameters
    ----------
    progress:
        Told in megabytes of imagery; when it says so, nothing further is asked for, and requests under way
        are left behind.

    Raises
    ------
    EarthEngineError
        The first failure of a tile; the others that were fetched stay.
    Cancelled
        When ``progress`` says so.
    """
    waiting = [tile for tile in tiles if not tile.is_there(folder)]
    total = sum(tile.stored_bytes for tile in tiles) / 1e6
    kept = total - sum(tile.stored_bytes for tile in waiting) / 1e6
    progress.update(kept, total, unit="MB", message="Fetching from Earth Engine")
    if waiting:
        _Download(fetch, folder, progress, total, kept).run(waiting, min(at_once, len(waiting)))


@dataclass
class _Download:
    """Workers that fetch, and one thread that listens to them and tells the progress."""

    fetch: Fetch
    folder: Path
    progress: Progress
    total: float
    done: float
    _stop: threading.Event = field(default_factory=threading.Event)
    _results: "queue.SimpleQueue[Tile | BaseException]" = field(default_factory=queue.SimpleQueue)
    _sizes: "_Sizes" = field(default_factory=lambda: _Sizes())

    def run(self, waiting: Sequence[Tile], at_once: int) -> None:
        left: queue.SimpleQueue[Tile] = queue.SimpleQueue()
        for tile in waiting:
            left.put(tile)
        # Not a pool of the standard library: its threads hold up the end of the process, and a request
        # that is under way cannot be broken off.
        for _ in range(at_once):
            threading.Thread(target=self._work, args=(left,), daemon=True, name=THREAD_NAME).start()
        try:
            self._listen(len(waiting))
        finally:
            self._stop.set()

    def _listen(self, expected: int) -> None:
        message = "Fetching from Earth Engine"
        while expected:
            self.progress.update(self.done, self.total, unit="MB", message=message)
            try:
                result = self._results.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            if isinstance(result, BaseException):
                raise result
            expected -= 1
            self.done += result.stored_bytes / 1e6
            rest = f"{expected} part{'s' * (expected != 1)} to come"
            message = f"{result.region}: {result.layer} image, {rest}"
        self.progress.update(self.total, self.total, unit="MB", message="Fetched from Earth Engine")

    def _work(self, left: "queue.SimpleQueue[Tile]") -> None:
        with patience(stop=self._stop):
            while not self._stop.is_set():
                try:
                    tile = left.get_nowait()
                except queue.Empty:
                    return
                try:
                    values = self._values(tile)
                    if self._stop.is_set():
                        return
                    tile.write(self.folder, values)
                # Whatever it is, it is raised by the thread that listens.
                except BaseException as error:
                    self._results.put(error)
                    return
                self._results.put(tile)

    def _values(self, tile: Tile) -> NDArray[np.float32]:
        """The tile in one request, or in quarters where that is too much."""
        window = tile.window
        side = self._sizes.side(tile)
        if max(window.height, window.width) <= side:
            try:
                return self.fetch(tile)
            except TooMuchError:
                if max(window.height, window.width) == 1:
                    raise
                side = -(-max(window.height, window.width) // 2)
                self._sizes.shrink(tile, side)
        scale = FINE_PER_VIIRS if tile.fine else 1
        image = np.empty((tile.bands, window.height * scale, window.width * scale), np.float32)
        for part in window.tiles(side, side):
            if self._stop.is_set():
                raise Cancelled
            rows, columns = part.fine_slices_in(window) if tile.fine else part.slices_in(window)
            image[:, rows, columns] = self._values(Tile(tile.region, tile.layer, part, tile.bands))
        return image


@dataclass
class _Sizes:
    """The side, in VIIRS pixels, that was not too much so far, for each region and layer."""

    _sides: dict[tuple[str, str], int] = field(default_factory=dict)

    def side(self, tile: Tile) -> int:
        return self._sides.get((tile.region, tile.layer), 1 << 30)

    def shrink(self, tile: Tile, side: int) -> None:
        self._sides[tile.region, tile.layer] = min(side, self.side(tile))
