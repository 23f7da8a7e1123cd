"""Earth Engine as an imagery source: all is fetched first, directly or by its tasks, then read from disk."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Band
from nightlights.composites import EarthEngineRequest, composite_noise
from nightlights.errors import SourceError
from nightlights.grid import Window
from nightlights.noise import SIMULATED, Noise
from nightlights.progress import Progress
from nightlights.settings import Settings
from nightlights.sources.base import Estimate
from nightlights.sources.earthengine.products import (
    CLOUD_SCORE,
    LANDSAT,
    NIGHTTIME,
    RADIANCE_BAND,
    SENTINEL2,
    band_names,
    daytime_bands,
)

if TYPE_CHECKING:
    from nightlights.sources.earthengine.tiles import Layer, Tile, TileReader

_SECONDS_PER_TILE: Final = 20.0
"""A guess, not a measurement: how long Earth Engine computes a tile of a median over three years."""
_SECONDS_PER_TASK: Final = 600.0
"""Likewise for a task that writes files, its time in the queue included."""
_STORED_BYTES_PER_VALUE: Final = 2
"""Landsat's and Sentinel-2's quantities are kept as 16-bit numbers."""


class _Reader(Protocol):
    def daytime(self, window: Window) -> NDArray[np.float32]: ...

    def nighttime(self, window: Window) -> NDArray[np.float32]: ...


class EarthEngineSource:
    """Composites of Earth Engine on our grid.

    Nothing is asked of Earth Engine before :meth:`fetch`.

    Parameters
    ----------
    request:
        Which composites, and how they come.
    settings:
        The connection.

    Raises
    ------
    SourceError
        When the sensor lacks a band that is asked for.
    """

    def __init__(self, request: EarthEngineRequest, settings: Settings) -> None:
        self.request = request
        self._settings = settings
        self._bands = daytime_bands(request.daytime)
        self._reader: _Reader | None = None

    @property
    def kind(self) -> str:
        """``earthengine``."""
        return "earthengine"

    @property
    def label(self) -> str:
        """One line for people; says when it is a local test server."""
        daytime = self.request.daytime
        place = "Local test server" if self.simulated else "Earth Engine"
        return f"{place}: {daytime.sensor}, {daytime.start} to {daytime.end}"

    @property
    def simulated(self) -> bool:
        """Whether a local test server, which serves the simulated planet, stands in for Earth Engine."""
        return self._settings.earthengine_url is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """How scenes are brought onto the grid, which years count, and what a test server means."""
        daytime, nighttime = self.request.daytime, self.request.nighttime
        how = {
            "nearest": "by taking the nearest pixel",
            "bilinear": "by bilinear interpolation",
            "bicubic": "by bicubic interpolation",
        }[daytime.resampling]
        notes = [f"Each scene is masked and brought onto the grid {how} before the {daytime.statistic}."]
        unit = "month" if nighttime.product == "monthly" else "year"
        notes.append(f"A {unit} of VIIRS counts when it begins from {nighttime.start} to {nighttime.end}.")
        if nighttime.product == "annual" and nighttime.start.year < 2022:
            notes.append("Annual V2.2 may begin with 2022 in Earth Engine: earlier years may be missing.")
        if self.simulated:
            notes.append("This is a local test server: the imagery is simulated.")
        return tuple(notes)

    @property
    def usual_noise(self) -> Noise:
        """Of the median of all months, or years, that begin in the period."""
        return SIMULATED if self.simulated else composite_noise(self.request.nighttime)

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands of the daytime composite, in order."""
        return self._bands

    def describe(self) -> dict[str, Any]:
        """The request and the collections behind it; neither project nor bucket."""
        daytime, nighttime = self.request.daytime, self.request.nighttime
        surface = [product.surface for product in LANDSAT.get(daytime.sensor, ())]
        warmth = [product.top_of_atmosphere for product in LANDSAT.get(daytime.sensor, ())]
        return {
            "request": self.request.model_dump(mode="json"),
            "collections": [*(surface + warmth or [SENTINEL2, CLOUD_SCORE]), NIGHTTIME[nighttime.product]],
            "local_test_server": self.simulated,
        }

    def estimate(self, window: Window) -> Estimate:
        """A guess at the time, and the size of the rasters on disk; without asking Earth Engine."""
        height, width = window.fine_shape
        stored = (
            height * width * len(self._bands) * _STORED_BYTES_PER_VALUE + 4 * window.height * window.width
        )
        if self.request.method == "batch":
            tasks = 2 if self.request.file_format == "GeoTIFF" else 1
            return Estimate(stored, _SECONDS_PER_TASK, tasks)
        requests = len(self._tiles("", window))
        rounds = -(-requests // self._settings.requests_at_once)
        return Estimate(stored, rounds * _SECONDS_PER_TILE, requests)

    def fetch(self, windows: Mapping[str, Window], folder: Path, progress: Progress) -> None:
        """Bring the imagery of ``windows``, by the name of their region, into ``folder``.

        Whatever an earlier call left there is not asked for again.

        Raises
        ------
        EarthEngineError
            When Earth Engine cannot be reached, refuses, or does not answer in time.
        WorkspaceError
            When the disk is full.
        Cancelled
            When ``progress`` says so.
        """
        if self.request.method == "batch":
            from nightlights.sources.earthengine.batch import fetch_batch

            self._reader = fetch_batch(self.request, self._settings, windows, folder, progress)
            return
        self._fetch_directly(windows, folder, progress)

    def daytime(self, window: Window) -> NDArray[np.float32]:
        """The daytime composite, shape (bands, 16 height, 16 width): reflectance (1) and temperature (K).

        Raises
        ------
        SourceError
            When ``window`` was not fetched.
        """
        return self._fetched().daytime(window)

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        """VIIRS radiance in nW/cm2/sr, shape (height, width).

        Raises
        ------
        SourceError
            When ``window`` was not fetched.
        """
        return self._fetched().nighttime(window)

    def truth(self, window: Window) -> None:
        """Nobody has measured it."""
        return

    def _fetched(self) -> _Reader:
        if self._reader is None:
            raise SourceError("Nothing was fetched from Earth Engine yet.", "Export a dataset.")
        return self._reader

    def _tiles(self, region: str, window: Window) -> "list[Tile]":
        """Night first: a region without VIIRS is found before the long work."""
        from nightlights.sources.earthengine.tiles import tiles_of

        night = tiles_of(region, "nighttime", window, 1)
        return night + tiles_of(region, "daytime", window, len(self._bands))

    def _images(self, windows: Mapping[str, Window]) -> "dict[tuple[str, Layer], tuple[Any, list[str]]]":
        """Graph and bands of each image: one for all its tiles, which Earth Engine can then share work of."""
        from nightlights.sources.earthengine.images import daytime_image, nighttime_image

        images: dict[tuple[str, Layer], tuple[Any, list[str]]] = {}
        for region, window in windows.items():
            day = daytime_image(self.request.daytime, window)
            night = nighttime_image(self.request.nighttime, window)
            images[region, "daytime"] = day, band_names(self._bands)
            images[region, "nighttime"] = night, [RADIANCE_BAND]
        return images

    def _fetch_directly(self, windows: Mapping[str, Window], folder: Path, progress: Progress) -> None:
        from nightlights.sources.earthengine.client import connect
        from nightlights.sources.earthengine.download import fetch_tiles
        from nightlights.sources.earthengine.tiles import TileReader

        by_region = {region: self._tiles(region, window) for region, window in windows.items()}
        tiles = [tile for some in by_region.values() for tile in some]
        images: dict[tuple[str, Layer], tuple[Any, list[str]]] = {}
        if not all(tile.is_there(folder) for tile in tiles):
            connect(self._settings)
            images = self._images(windows)
        fetch = partial(_fetch_tile, images, self._settings)
        fetch_tiles(tiles, fetch, folder, self._settings.requests_at_once, progress)
        readers = [TileReader(folder, window, by_region[region]) for region, window in windows.items()]
        self._reader = _Regions(readers)


def _fetch_tile(
    images: "Mapping[tuple[str, Layer], tuple[Any, list[str]]]", settings: Settings, tile: "Tile"
) -> NDArray[np.float32]:
    from nightlights.sources.earthengine.pixels import fetch_pixels

    image, bands = images[tile.region, tile.layer]
    pixels: NDArray[np.float32] = fetch_pixels(image, bands, tile.grid, settings)
    return pixels


class _Regions:
    """The images of several regions; a window is read from one that holds it."""

    def __init__(self, readers: "list[TileReader]") -> None:
        self._readers = readers

    def daytime(self, window: Window) -> NDArray[np.float32]:
        return self._of(window).read("daytime", window)

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        only: NDArray[np.float32] = self._of(window).read("nighttime", window)[0]
        return only

    def _of(self, window: Window) -> "TileReader":
        for reader in self._readers:
            if reader.window.contains(window):
                return reader
        raise SourceError("This window was not fetched from Earth Engine.", "Export the region anew.")
