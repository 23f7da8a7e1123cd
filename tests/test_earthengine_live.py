"""The real Earth Engine, off by default: ``pytest -m earthengine_live`` with a project that is registered.

Needs NIGHTLIGHTS_EARTHENGINE_PROJECT and a sign-in, see README; some fifty tiny requests. The same cases go
to the local server in every run of the tests, so that what is asked is known to be well formed.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from earthengine_cases import Case, cases
from earthengine_server.interpreter import Interpreter
from earthengine_server.scenes import SceneStore
from earthengine_server.server import EarthEngineServer

from nightlights.composites import DaytimeComposite, NighttimeComposite
from nightlights.grid import Window
from nightlights.settings import Settings
from nightlights.sources.earthengine.client import connect, disconnect
from nightlights.sources.earthengine.grids import PixelGrid
from nightlights.sources.earthengine.images import daytime_image, nighttime_image
from nightlights.sources.earthengine.pixels import fetch_pixels
from nightlights.sources.earthengine.products import RADIANCE_BAND, band_names, daytime_bands

COUNT = 13
"""Of the cases, which cannot be built before the client is connected."""
NAIROBI = Window.covering(36.815, -1.290, 36.823, -1.282)
YEAR = {"start": "2022-01-01", "end": "2022-12-31"}


@pytest.fixture(scope="module")
def local() -> Iterator[Settings]:
    with EarthEngineServer(Interpreter(SceneStore())) as server:
        yield Settings.model_validate({"earthengine_url": server.url})
    disconnect()


@pytest.fixture(scope="module")
def live() -> Iterator[Settings]:
    settings = Settings.from_environment()
    if settings.earthengine_project is None or settings.earthengine_url is not None:
        pytest.skip("name a project in NIGHTLIGHTS_EARTHENGINE_PROJECT, and no local test server")
    assert not connect(settings).local
    yield settings
    disconnect()


def ask(case: Case, settings: Settings) -> None:
    """Whether the answer of ``case`` is what it says."""
    image = case.build()
    name = "answer"
    pixels = fetch_pixels(image.select([0], [name]), [name], case.grid, settings)[0]
    np.testing.assert_allclose(pixels, case.answer, atol=1e-5, err_msg=case.name)


def test_the_local_server_answers_as_the_cases_say(local: Settings) -> None:
    connect(local)
    assert len(cases()) == COUNT
    for case in cases():
        ask(case, local)


@pytest.mark.earthengine_live
@pytest.mark.parametrize("index", range(COUNT))
def test_earth_engine_answers_as_the_local_server(live: Settings, index: int) -> None:
    ask(cases()[index], live)


@pytest.mark.earthengine_live
@pytest.mark.parametrize("sensor", ["Landsat 8", "Landsat 9", "Landsat 8 and 9", "Sentinel-2"])
def test_real_daytime_pixels_are_within_what_is_known(live: Settings, sensor: str) -> None:
    composite = DaytimeComposite.model_validate({"sensor": sensor, **YEAR})
    bands = daytime_bands(composite)
    grid = PixelGrid.of(NAIROBI, fine=True)
    image = fetch_pixels(daytime_image(composite, NAIROBI), band_names(bands), grid, live)
    assert np.isfinite(image).mean() > 0.9
    for band, values in zip(bands, image, strict=True):
        low, high = (-0.05, 0.9) if band.quantity == "reflectance" else (275.0, 330.0)
        known = values[np.isfinite(values)]
        assert low < known.min() and known.max() < high, band.name


@pytest.mark.earthengine_live
def test_real_tiles_agree_whichever_way_they_are_cut(live: Settings) -> None:
    composite = DaytimeComposite.model_validate({**YEAR, "bands": ("SR_B4", "B10")})
    image = daytime_image(composite, NAIROBI)
    whole = fetch_pixels(image, ["SR_B4", "B10"], PixelGrid.of(NAIROBI, fine=True), live)
    for part in NAIROBI.tiles(1, 2):
        rows, columns = part.fine_slices_in(NAIROBI)
        cut = fetch_pixels(image, ["SR_B4", "B10"], PixelGrid.of(part, fine=True), live)
        np.testing.assert_array_equal(cut, whole[:, rows, columns])


@pytest.mark.earthengine_live
@pytest.mark.parametrize("product", ["monthly", "annual"])
def test_real_radiance_lies_on_our_grid(live: Settings, product: str) -> None:
    composite = NighttimeComposite.model_validate({"product": product, **YEAR})
    image = nighttime_image(composite, NAIROBI)
    coarse = fetch_pixels(image, [RADIANCE_BAND], PixelGrid.of(NAIROBI, fine=False), live)[0]
    assert np.isfinite(coarse).all() and 5 < coarse.mean() < 200
    # Every analysis pixel of a VIIRS pixel has its value: the grids are nested as we say.
    fine = fetch_pixels(image, [RADIANCE_BAND], PixelGrid.of(NAIROBI, fine=True), live)[0]
    np.testing.assert_array_equal(fine, coarse.repeat(16, axis=0).repeat(16, axis=1))
