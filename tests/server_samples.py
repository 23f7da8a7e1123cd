"""A tiny collection of random scenes behind a server, and the unmodified client connected to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ee
import numpy as np
from earthengine_server.faults import Faults
from earthengine_server.interpreter import Interpreter
from earthengine_server.rasters import ArrayRaster, scene
from earthengine_server.scenes import SceneStore
from earthengine_server.server import PROJECT, EarthEngineServer
from earthengine_server.values import Projection
from google.auth.credentials import AnonymousCredentials

STEP = 1 / 240
CORNER = (STEP, 0.0, 10.0, 0.0, -STEP, 5.0)
SIZE = 40
ASSETS = f"projects/{PROJECT}/assets"


def arrays(index: int) -> dict[str, Any]:
    """The pixels of one of the scenes: whole numbers, and fractions of them."""
    random = np.random.default_rng(index)
    return {
        "count": random.integers(0, 100, (SIZE, SIZE)).astype(np.uint16),
        "share": random.random((SIZE, SIZE)).astype(np.float32),
    }


def holes() -> Any:
    """Which pixels of the first scene are valid."""
    return np.random.default_rng(9).random((SIZE, SIZE)) > 0.2


def sample_store() -> SceneStore:
    """``TEST/SCENES`` with three scenes, of which the first has holes."""
    store = SceneStore()
    store.add(
        "TEST/SCENES",
        [
            scene(
                ArrayRaster(arrays(index), Projection("EPSG:4326", CORNER), holes() if index == 0 else None),
                {"system:index": f"scene_{index}", "system:time_start": 1_600_000_000_000 + index},
            )
            for index in range(3)
        ],
    )
    return store


@contextmanager
def sample_server(store: SceneStore | None = None, **options: Any) -> Iterator[EarthEngineServer]:
    """A server over the sample scenes; the client is connected, and retries nothing by itself."""
    interpreter = Interpreter(sample_store() if store is None else store)
    with EarthEngineServer(interpreter, **{"faults": Faults(), **options}) as server:
        connect(server)
        try:
            yield server
        finally:
            ee.Reset()


def connect(server: EarthEngineServer) -> None:
    """Initialise the client, and let it retry nothing by itself: its waits are long."""
    ee.Reset()
    ee.deprecation.deprecated_assets = {"_": None}
    ee.Initialize(credentials=AnonymousCredentials(), project=PROJECT, url=server.url)
    ee.data.setMaxRetries(0)


def first_scene() -> Any:
    """The scene with holes."""
    return ee.Image("TEST/SCENES/scene_0")


def grid(column: int = 0, row: int = 0, width: int = 8, height: int = 6) -> dict[str, Any]:
    """Some of the scenes' own pixels, as a request states them."""
    return {
        "dimensions": {"width": width, "height": height},
        "affineTransform": {
            **{"scaleX": STEP, "shearX": 0, "translateX": 10.0 + column * STEP},
            **{"shearY": 0, "scaleY": -STEP, "translateY": 5.0 - row * STEP},
        },
        "crsCode": "EPSG:4326",
    }


def pixels(image: Any, file_format: str = "NUMPY_NDARRAY", **options: Any) -> Any:
    """``computePixels`` on some pixels."""
    return ee.data.computePixels({"expression": image, "fileFormat": file_format, "grid": grid(), **options})


def exported(image: Any, server: EarthEngineServer, name: str = "folder/image", **options: Any) -> Any:
    """An export of the first 32 x 24 pixels, to the bucket; not started yet."""
    return ee.batch.Export.image.toCloudStorage(
        image=image,
        fileNamePrefix=name,
        **{
            "bucket": server.bucket,
            "description": "sample",
            "crs": "EPSG:4326",
            "crsTransform": list(CORNER),
            "dimensions": "32x24",
            **options,
        },
    )


def finish(server: EarthEngineServer, name: str) -> dict[str, Any]:
    """Wait until an operation has ended; as the client sees it then."""
    assert server.operations.get(name).finished.wait(20)
    operation: dict[str, Any] = ee.data.getOperation(name)
    return operation


def run(server: EarthEngineServer, task: Any) -> dict[str, Any]:
    """Start a task and wait until it has ended."""
    task.start()
    return finish(server, task.name)


def content(server: EarthEngineServer, name: str) -> bytes:
    """An object of the bucket, read by the real storage client."""
    return bytes(server.storage.client.bucket(server.bucket).blob(name).download_as_bytes())
