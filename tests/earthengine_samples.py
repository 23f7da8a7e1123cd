"""A tiny Earth Engine for tests of the direct method: random scenes on our grid, and what they make."""

import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import numpy as np
import pytest
from earthengine_server.faults import Faults
from earthengine_server.interpreter import Interpreter
from earthengine_server.rasters import ArrayRaster, scene
from earthengine_server.scenes import SceneStore
from earthengine_server.server import EarthEngineServer
from earthengine_server.values import EarthImage, Projection
from numpy.typing import NDArray

from nightlights.bands import LANDSAT_BANDS
from nightlights.grid import Window
from nightlights.settings import Settings
from nightlights.sources.earthengine.client import disconnect

EXTENT = Window(44_000, 16_430, 16, 12)
"""What the scenes cover; a whole number of VIIRS pixels near Lagos."""
CLOUD = 1 << 3


def _milliseconds(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000


class Samples:
    """Two Landsat scenes and three months of VIIRS, and the images that they make.

    Attributes
    ----------
    daytime:
        Shape (9, 16 height, 16 width) of ``EXTENT``, the median over both scenes of what is clear.
    nighttime:
        Shape (height, width), the median over the months.
    """

    def __init__(self) -> None:
        draw = np.random.default_rng(7)
        shape = EXTENT.fine_shape
        reflectance = draw.integers(7_500, 30_000, (2, 7, *shape)).astype(np.uint16)
        warmth = draw.uniform(280, 320, (2, 2, *shape)).astype(np.float32)
        cloudy = draw.random((2, *shape)) < 0.3
        cloudy[:, :16, :16] = True
        scenes = np.concatenate([reflectance * 0.0000275 - 0.2, warmth.astype(np.float64)], axis=1)
        self.daytime = self._median(np.where(cloudy[:, None], np.nan, scenes))
        months = draw.gamma(1.0, 5.0, (3, *EXTENT.shape)).astype(np.float32)
        seen = draw.integers(0, 3, (3, *EXTENT.shape)).astype(np.int16)
        seen[:, 0, 0] = 0
        self.nighttime = self._median(np.where(seen < 1, np.nan, months))
        self.store = SceneStore()
        fine = Projection("EPSG:4326", tuple(EXTENT.fine_transform)[:6])
        coarse = Projection("EPSG:4326", tuple(EXTENT.transform)[:6])
        surfaces, tops = [], []
        for index, day in enumerate(("2020-03-01", "2022-12-31")):
            marks = {
                "system:index": f"LC08_191055_{day.replace('-', '')}",
                "system:time_start": _milliseconds(day),
                "CLOUD_COVER": 20.0,
            }
            arrays = {f"SR_B{band + 1}": reflectance[index, band] for band in range(7)}
            arrays["QA_PIXEL"] = np.where(cloudy[index], 21_824 | CLOUD, 21_824).astype(np.uint16)
            arrays["QA_RADSAT"] = np.zeros(shape, np.uint16)
            surfaces.append(_scene(arrays, fine, marks))
            tops.append(_scene({"B10": warmth[index, 0], "B11": warmth[index, 1]}, fine, marks))
        nights = [
            _scene(
                {"avg_rad": months[index], "cf_cvg": seen[index]},
                coarse,
                {
                    "system:index": f"2021010{index}",
                    "system:time_start": _milliseconds(f"2021-0{index + 1}-01"),
                },
            )
            for index in range(3)
        ]
        self.store.add("LANDSAT/LC08/C02/T1_L2", surfaces)
        # In another order than the surface, as joins by position would mix them up.
        self.store.add("LANDSAT/LC08/C02/T1_TOA", tops[::-1])
        self.store.add("NOAA/VIIRS/DNB/MONTHLY_V1/VCMSLCFG", nights)

    @staticmethod
    def _median(values: NDArray[np.floating]) -> NDArray[np.float32]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return np.nanmedian(values, axis=0).astype(np.float32)

    def of(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The images of ``window``, by day and by night."""
        rows, columns = window.fine_slices_in(EXTENT)
        assert len(self.daytime) == len(LANDSAT_BANDS)
        return self.daytime[:, rows, columns], self.nighttime[window.slices_in(EXTENT)]


def _scene(
    arrays: Mapping[str, NDArray[np.generic]], projection: Projection, marks: Mapping[str, object]
) -> EarthImage:
    return scene(ArrayRaster(arrays, projection), marks)


@pytest.fixture(scope="module")
def samples() -> Samples:
    return Samples()


@pytest.fixture(scope="module")
def running(samples: Samples) -> Iterator[EarthEngineServer]:
    """A server of these scenes alone."""
    with EarthEngineServer(Interpreter(samples.store)) as server:
        yield server


@pytest.fixture
def server(running: EarthEngineServer) -> Iterator[EarthEngineServer]:
    """The shared server, without requests or faults of earlier tests; the client forgets it afterwards."""
    running.requests.clear()
    yield running
    running.faults.become(Faults())
    disconnect()


def settings_of(server: EarthEngineServer, **changes: object) -> Settings:
    """Settings that connect to ``server``."""
    return Settings.model_validate(
        {"earthengine_url": server.url, "earthengine_project": "local-test", **changes}
    )
