"""Tests of graphs: the unmodified client connected to a local server whose scenes a test gives."""

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ee
import numpy as np
from earthengine_server.interpreter import Interpreter
from earthengine_server.rasters import ArrayRaster, scene
from earthengine_server.scenes import SceneStore
from earthengine_server.server import EarthEngineServer
from earthengine_server.values import EarthImage, Projection
from numpy.typing import NDArray

from nightlights.grid import Window
from nightlights.settings import Settings
from nightlights.sources.earthengine import client
from nightlights.sources.earthengine.grids import PixelGrid


@contextmanager
def connected() -> Iterator[EarthEngineServer]:
    """A server without scenes, and the client connected to it."""
    with EarthEngineServer(Interpreter(SceneStore())) as server:
        client.disconnect()
        client.connect(Settings(earthengine_url=server.url, earthengine_project="local-test"))
        try:
            yield server
        finally:
            client.disconnect()


def milliseconds(day: str, time: str = "10:00") -> int:
    """Milliseconds since 1970."""
    moment = datetime.datetime.fromisoformat(f"{day}T{time}+00:00")
    return round(moment.timestamp() * 1000)


def image_of(
    bands: Mapping[str, NDArray[Any]],
    projection: Projection,
    index: str,
    day: str,
    *,
    time: str = "10:00",
    mask: NDArray[np.bool_] | None = None,
    **properties: Any,
) -> EarthImage:
    """A scene of these arrays, shape (height, width) each."""
    return scene(
        ArrayRaster(bands, projection, mask),
        {"system:index": index, "system:time_start": milliseconds(day, time), **properties},
    )


def pixels_of(image: "ee.Image", window: Window, *, fine: bool = True) -> dict[str, NDArray[Any]]:
    """Every band of ``image`` on our grid, by name, in order: asked for over HTTP by the real client."""
    answer = ee.data.computePixels(
        {
            "expression": image,
            "fileFormat": "NUMPY_NDARRAY",
            "grid": PixelGrid.of(window, fine=fine).as_request(),
        }
    )
    return {name: answer[name] for name in answer.dtype.names}
