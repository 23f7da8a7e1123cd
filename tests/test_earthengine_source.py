"""Earth Engine as a source, by the unmodified client against the local server."""

import errno
import json
import resource
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import shapely
from earthengine_samples import EXTENT, Samples, running, samples, server, settings_of
from earthengine_server.server import EarthEngineServer
from earthengine_server.values import Grid

from nightlights.composites import DaytimeComposite, EarthEngineRequest, NighttimeComposite
from nightlights.datasets import Dataset
from nightlights.errors import Cancelled, EarthEngineError, SourceError
from nightlights.grid import Window
from nightlights.manifests import ExportRequest
from nightlights.pipeline import export, make_source
from nightlights.progress import NoProgress
from nightlights.region_files import save_collection
from nightlights.regions import Region, RegionCollection
from nightlights.sources.base import FetchingSource
from nightlights.sources.earthengine import tiles
from nightlights.sources.earthengine.client import connect, disconnect
from nightlights.sources.earthengine.download import THREAD_NAME
from nightlights.sources.earthengine.grids import PixelGrid
from nightlights.sources.earthengine.images import nighttime_image
from nightlights.sources.earthengine.pixels import fetch_pixels
from nightlights.sources.earthengine.source import EarthEngineSource
from nightlights.sources.simulated import SimulatedSource
from nightlights.workspace import Workspace

__all__ = ["running", "samples", "server"]

REGION = Window(EXTENT.column + 2, EXTENT.row + 1, 11, 9)
PIXELS = "image:computePixels"


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve daytime and twelve night-time tiles in the region."""
    monkeypatch.setattr(tiles, "_DAYTIME_SIDE", 3)
    monkeypatch.setattr(tiles, "_NIGHTTIME_SIDE", 3)


class Stopping:
    """Progress that asks to stop once ``after`` megabytes are there."""

    def __init__(self, after: float) -> None:
        self.after = after

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        if done >= self.after:
            raise Cancelled


def left_behind_end() -> None:
    """Wait for requests that a cancelled download left behind: they still reach the server."""
    for thread in threading.enumerate():
        if thread.name == THREAD_NAME:
            thread.join(60)


def fetched(server: EarthEngineServer, folder: Path, **changes: object) -> EarthEngineSource:
    source = EarthEngineSource(EarthEngineRequest(), settings_of(server, **changes))
    source.fetch({"here": REGION}, folder, NoProgress())
    return source


def assert_right(source: EarthEngineSource, samples: Samples, window: Window = REGION) -> None:
    day, night = samples.of(window)
    np.testing.assert_allclose(source.daytime(window), day, rtol=0, atol=3e-5)
    np.testing.assert_allclose(source.daytime(window)[:7], day[:7], rtol=0, atol=1e-7)
    np.testing.assert_array_equal(source.nighttime(window), night)


def test_direct_pixels_are_the_composite_of_the_scenes_to_the_pixel(
    server: EarthEngineServer, samples: Samples, tmp_path: Path
) -> None:
    source = fetched(server, tmp_path)
    assert isinstance(source, FetchingSource)
    assert_right(source, samples)
    assert_right(source, samples, Window(REGION.column + 4, REGION.row + 3, 5, 4))
    everywhere = EarthEngineSource(EarthEngineRequest(), settings_of(server))
    everywhere.fetch({"all": EXTENT}, tmp_path / "all", NoProgress())
    day, night = everywhere.daytime(EXTENT), everywhere.nighttime(EXTENT)
    assert np.isnan(day[:, :16, :16]).all() and 0 < np.isnan(day).mean() < 0.2
    assert np.isnan(night[0, 0])


def test_the_planet_comes_through_the_server_as_the_simulated_source_gives_it(tmp_path: Path) -> None:
    window = Window.covering(3.35, 6.50, 3.37, 6.52)
    request = EarthEngineRequest(
        daytime=DaytimeComposite.model_validate({"start": "2021-01-01", "end": "2021-12-31"}),
        nighttime=NighttimeComposite.model_validate({"start": "2021-01-01", "end": "2021-05-31"}),
    )
    with EarthEngineServer() as server:
        source = EarthEngineSource(request, settings_of(server))
        source.fetch({"Lagos": window}, tmp_path, NoProgress())
    planet = SimulatedSource(1)
    day, night = source.daytime(window) - planet.daytime(window), planet.nighttime(window)
    assert not np.isnan(day).any()
    assert np.abs(day[:7]).max() < 0.01 and np.abs(day[7:]).max() < 1
    assert np.abs(source.nighttime(window) - night).max() < 0.1 * night.max()


def test_tiles_agree_whichever_way_they_are_cut(
    server: EarthEngineServer, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fetched(server, tmp_path / "whole")
    assert len(server.requests.of(PIXELS)) == 2
    for side in (1, 4):
        monkeypatch.setattr(tiles, "_DAYTIME_SIDE", 2 * side)
        monkeypatch.setattr(tiles, "_NIGHTTIME_SIDE", side + 2)
        cut = fetched(server, tmp_path / str(side))
        np.testing.assert_array_equal(cut.daytime(REGION), whole.daytime(REGION))
        np.testing.assert_array_equal(cut.nighttime(REGION), whole.nighttime(REGION))
        inner = Window(REGION.column + 3, REGION.row + 2, 6, 5)
        rows, columns = inner.fine_slices_in(REGION)
        np.testing.assert_array_equal(cut.daytime(inner), whole.daytime(REGION)[:, rows, columns])


def test_every_pixel_request_names_our_grid(
    server: EarthEngineServer, small_tiles: None, tmp_path: Path
) -> None:
    fetched(server, tmp_path)
    source = EarthEngineSource(EarthEngineRequest(), settings_of(server))
    wanted = [json.dumps(tile.grid.as_request()) for tile in source._tiles("here", REGION)]
    asked = [json.dumps(request.body["grid"]) for request in server.requests.of(PIXELS)]
    assert sorted(asked) == sorted(wanted) and len(asked) == 24
    for request in server.requests.of(PIXELS):
        grid = request.body["grid"]
        assert grid["crsCode"] == "EPSG:4326"
        assert 1 / grid["affineTransform"]["scaleX"] in (3840, 240)
        assert request.body["fileFormat"] == "NPY"


def test_refusals_and_cut_connections_leave_every_pixel_right(
    server: EarthEngineServer, samples: Samples, small_tiles: None, tmp_path: Path
) -> None:
    connect(settings_of(server))
    server.faults.too_many = server.faults.unavailable = 0.15
    server.faults.cut = 0.2
    assert_right(fetched(server, tmp_path, requests_at_once=4), samples)
    faults = [request.fault for request in server.requests.of(PIXELS)]
    assert {"too_many", "unavailable", "cut"} <= set(faults)
    assert len(faults) - sum(fault is not None for fault in faults) == 24


def test_a_deadline_ends_in_one_sentence_and_what_was_fetched_is_kept(
    server: EarthEngineServer, samples: Samples, small_tiles: None, tmp_path: Path
) -> None:
    first = EarthEngineSource(EarthEngineRequest(), settings_of(server, requests_at_once=1))
    with pytest.raises(Cancelled):
        first.fetch({"here": REGION}, tmp_path, Stopping(0.3))
    left_behind_end()
    settings = settings_of(server, request_deadline_s=3)
    connect(settings)
    server.faults.unavailable, server.faults.at_most = 1.0, 1000
    began = time.monotonic()
    with pytest.raises(EarthEngineError) as told:
        EarthEngineSource(EarthEngineRequest(), settings).fetch({"here": REGION}, tmp_path, NoProgress())
    assert time.monotonic() - began < 10
    assert told.value.message == "Earth Engine was not available within 3 s."
    assert told.value.remedy == "Resume later: what was fetched is kept."
    server.faults.unavailable = 0.0
    left_behind_end()
    server.requests.clear()
    kept = len(list(tmp_path.rglob("*.npy")))
    assert_right(fetched(server, tmp_path), samples)
    assert kept > 0 and len(server.requests.of(PIXELS)) == 24 - kept


def test_cancelling_does_not_wait_for_requests_under_way(
    server: EarthEngineServer, small_tiles: None, tmp_path: Path
) -> None:
    settings = settings_of(server)
    connect(settings)
    server.faults.slow, server.faults.delay_s = 1.0, 3.0
    began = time.monotonic()

    class Clicked(Stopping):
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            if time.monotonic() - began > 0.1:
                raise Cancelled

    with pytest.raises(Cancelled):
        EarthEngineSource(EarthEngineRequest(), settings).fetch({"here": REGION}, tmp_path, Clicked(0))
    took_s = time.monotonic() - began
    left_behind_end()
    assert took_s < 2.5 and not list(tmp_path.rglob("*.npy"))


def test_a_tile_that_cannot_be_written_whole_keeps_the_systems_reason(tmp_path: Path) -> None:
    tile = tiles.Tile("here", "daytime", Window(40_000, 20_000, 8, 8), 9)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))
    try:
        with pytest.raises(OSError) as told:
            tile.write(tmp_path, np.zeros((9, 128, 128), np.float32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    # Of a full disk it is ENOSPC, which is told in a sentence of its own.
    assert told.value.errno == errno.EFBIG
    assert not list(tmp_path.rglob("*.npy"))


def test_resuming_asks_only_for_what_is_missing(
    server: EarthEngineServer, samples: Samples, small_tiles: None, tmp_path: Path
) -> None:
    settings = settings_of(server, requests_at_once=1)
    source = EarthEngineSource(EarthEngineRequest(), settings)
    with pytest.raises(Cancelled):
        source.fetch({"here": REGION}, tmp_path, Stopping(0.35))
    left_behind_end()
    kept = {path.name for path in tmp_path.rglob("*.npy")}
    assert 13 < len(kept) < 24
    short, other, *_ = sorted(tmp_path.rglob("daytime-*.npy"))
    short.write_bytes(short.read_bytes()[:-100])
    np.save(other, np.zeros((9, 1, 1), np.float32))
    server.requests.clear()
    assert_right(fetched(server, tmp_path), samples)
    assert len(server.requests.of(PIXELS)) == 24 - len(kept) + 2
    server.requests.clear()
    disconnect()
    assert_right(fetched(server, tmp_path), samples)
    assert len(server.requests) == 0


def test_too_much_for_one_request_is_asked_for_in_quarters(
    server: EarthEngineServer, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nightlights.sources.earthengine.pixels.LARGEST_REQUEST_BYTES", 5 * 9 * 16 * 16 * 20)
    assert_right(fetched(server, tmp_path), samples)
    asked = [request.body["grid"]["dimensions"] for request in server.requests.of(PIXELS)]
    assert max(size["width"] * size["height"] for size in asked) <= 16 * 16 * 20 and len(asked) > 5


def test_an_export_goes_through_and_says_where_it_comes_from(
    server: EarthEngineServer, samples: Samples, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    west, south, east, north = REGION.bounds
    region = Region("Lagos", "train", shapely.box(west, south, east, north))
    save_collection(workspace, RegionCollection("one", (region,)))
    request = ExportRequest(
        dataset="first", regions="one", source="earthengine", earthengine=EarthEngineRequest()
    )
    settings = settings_of(server, bucket="planted-bucket-name", patch_size=64)
    manifest = export(workspace, request, NoProgress(), settings)
    assert manifest.source.simulated and manifest.source.label.startswith("Local test server: Landsat 8")
    assert "LANDSAT/LC08/C02/T1_TOA" in manifest.source.parameters["collections"]
    data = Dataset.open(workspace, "first")
    day, night = samples.of(REGION)
    np.testing.assert_allclose(data.read_daytime("Lagos")[:7], day[:7], atol=0.0000275 / 2 + 1e-7)
    np.testing.assert_array_equal(data.read_nighttime("Lagos"), night)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if b"planted-bucket-name" in path.read_bytes()]


def test_what_was_not_fetched_is_not_made_up(server: EarthEngineServer, tmp_path: Path) -> None:
    source = EarthEngineSource(EarthEngineRequest(), settings_of(server))
    with pytest.raises(SourceError, match="Nothing was fetched"):
        source.daytime(REGION)
    source.fetch({"here": REGION}, tmp_path, NoProgress())
    with pytest.raises(SourceError, match="not fetched"):
        source.daytime(REGION.expand(1))
    assert source.truth(REGION) is None


def test_an_estimate_and_the_words_for_a_source_ask_nothing(server: EarthEngineServer) -> None:
    request = ExportRequest(
        dataset="d",
        regions="r",
        source="earthengine",
        earthengine=EarthEngineRequest(
            daytime=DaytimeComposite(sensor="Sentinel-2", resampling="bicubic", bands=("B12", "B2"))
        ),
    )
    source = make_source(request, settings_of(server))
    assert [band.name for band in source.bands] == ["B12", "B2"]
    assert source.estimate(REGION).stored_bytes == 11 * 9 * (256 * 2 * 2 + 4)
    assert any("bicubic" in note for note in source.notes)
    assert any("simulated" in note for note in source.notes)
    real = make_source(request, settings_of(server, earthengine_url=None))
    assert not real.simulated and real.label == "Earth Engine: Sentinel-2, 2020-01-01 to 2022-12-31"
    assert len(server.requests) == 0


def test_a_band_that_the_sensor_lacks_is_named(server: EarthEngineServer) -> None:
    request = EarthEngineRequest(daytime=DaytimeComposite(bands=("SR_B4", "B8A")))
    with pytest.raises(SourceError, match=r"Landsat 8 has no band 'B8A'\. Its bands: SR_B1, .*ST_B10"):
        EarthEngineSource(request, settings_of(server))


def test_a_period_without_images_is_said_so(server: EarthEngineServer, tmp_path: Path) -> None:
    late = EarthEngineRequest(
        nighttime=NighttimeComposite.model_validate({"start": "2023-01-01", "end": "2023-12-31"})
    )
    with pytest.raises(EarthEngineError, match="no image of the chosen product in this period"):
        EarthEngineSource(late, settings_of(server)).fetch({"here": REGION}, tmp_path, NoProgress())


def test_a_period_ends_with_its_last_day(server: EarthEngineServer, samples: Samples) -> None:
    settings = settings_of(server)
    connect(settings)
    grid = PixelGrid.of(REGION, fine=False)
    only_march = NighttimeComposite.model_validate(
        {"start": "2021-02-02", "end": "2021-03-01", "minimum_cloud_free": 0}
    )
    march = fetch_pixels(nighttime_image(only_march, REGION), ["avg_rad"], grid, settings)[0]
    month = list(samples.store.collection("NOAA/VIIRS/DNB/MONTHLY_V1/VCMSLCFG").all())[2]
    expected = month.bands[0].pull(Grid("EPSG:4326", tuple(REGION.transform)[:6], 11, 9))[0]
    np.testing.assert_array_equal(march, expected)
