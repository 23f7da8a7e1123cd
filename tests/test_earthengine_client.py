"""Connecting, the ways in which it fails, and the transport under the client."""

import io
import json
import math
import threading
import time
import traceback
import urllib.request
from pathlib import Path

import ee
import google.auth.exceptions
import httplib2
import numpy as np
import pytest
from earthengine_samples import EXTENT, Samples, running, samples, server, settings_of
from earthengine_server.faults import Faults
from earthengine_server.server import EarthEngineServer
from googleapiclient.errors import HttpError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from nightlights.composites import DaytimeComposite, NighttimeComposite
from nightlights.errors import Cancelled, EarthEngineError, SettingsError
from nightlights.grid import Window
from nightlights.palettes import RADIANCE, radiance_to_unit
from nightlights.settings import Settings
from nightlights.sources.earthengine import transport
from nightlights.sources.earthengine.client import connect
from nightlights.sources.earthengine.failures import TooMuchError, clear_earthengine_errors
from nightlights.sources.earthengine.layers import (
    daytime_layer,
    nighttime_layer,
    prediction_layer,
    styles_of,
)
from nightlights.sources.earthengine.transport import Transport, TroubleError, Waits, patience

__all__ = ["running", "samples", "server"]

BUCKET = "planted-bucket-name"
TOKEN = "ya29.planted-access-token"  # noqa: S105 - planted, opens nothing


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without any sign-in; where the sign-in would be."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    return tmp_path / ".config" / "earthengine" / "credentials"


def test_the_local_server_is_told_for_what_it_is(server: EarthEngineServer) -> None:
    connection = connect(settings_of(server))
    assert (connection.project, connection.method, connection.local) == (
        "local-test",
        "local test server",
        True,
    )


def test_the_client_is_initialised_once_for_the_same_settings(server: EarthEngineServer) -> None:
    settings = settings_of(server)
    threads = [threading.Thread(target=connect, args=(settings,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connect(settings) == connect(settings_of(server))
    assert len(server.requests.of("/algorithms")) == 1
    connect(settings_of(server, earthengine_project="another-project"))
    assert server.requests.of("value:compute")[-1].path.startswith("/v1/projects/another-project/")


@pytest.mark.parametrize(
    ("denied", "message", "remedy"),
    [
        ("not_registered", "project local-test is not registered", "https://code.earthengine.google.com/reg"),
        ("api_not_enabled", "API is not enabled in the Cloud project local-test", "Enable it at https://"),
        ("no_permission", "may not use the Cloud project local-test", "Service Usage Consumer"),
        ("expired_credentials", "has expired or was withdrawn", "earthengine authenticate --force"),
        ("quota", "quota of the Cloud project for Earth Engine is used up", "Wait and resume"),
    ],
)
def test_a_refused_connection_has_its_own_sentence_and_remedy(
    server: EarthEngineServer, denied: str, message: str, remedy: str
) -> None:
    server.faults.denied = denied
    began = time.monotonic()
    with pytest.raises(EarthEngineError) as told:
        connect(settings_of(server))
    assert message in told.value.message and remedy in told.value.remedy
    assert time.monotonic() - began < 15
    assert not ee.data.is_initialized()
    assert told.value.message.count(".") == 1 and told.value.message.endswith(".")
    server.faults.denied = None
    assert connect(settings_of(server)).local


def test_a_local_server_that_is_gone_is_told_within_the_deadline(server: EarthEngineServer) -> None:
    settings = settings_of(server, earthengine_url="http://127.0.0.1:9", request_deadline_s=0.3)
    with pytest.raises(EarthEngineError) as told:
        connect(settings)
    assert "The server at http://127.0.0.1:9, " in told.value.message
    assert "./run earthengine-server" in told.value.remedy and "network" not in told.value.remedy


def test_no_network_is_told() -> None:
    def unreachable() -> None:
        raise transport.trouble_error("unreachable", 1)

    with pytest.raises(EarthEngineError) as told, clear_earthengine_errors(Settings()):
        unreachable()
    assert told.value.message == "Earth Engine cannot be reached over the network."
    assert "network connection" in told.value.remedy


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999", "http://[::"])
def test_an_address_that_nothing_can_be_sent_to_is_told_at_once(
    server: EarthEngineServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport.Waits, "before", lambda *_: pytest.fail("it waits to send it again"))
    with pytest.raises(EarthEngineError) as told:
        connect(settings_of(server, earthengine_url=url, request_deadline_s=20))
    assert told.value.message == "The address of Earth Engine is none that a request could be sent to."
    assert "NIGHTLIGHTS_EARTHENGINE_URL" in told.value.remedy


def test_something_that_is_not_earth_engine_is_told(server: EarthEngineServer) -> None:
    with pytest.raises(EarthEngineError):
        connect(settings_of(server, earthengine_url=server.storage_url, request_deadline_s=0.3))


def test_nobody_signed_in_is_told(nobody: Path) -> None:
    with pytest.raises(EarthEngineError) as told:
        connect(Settings(earthengine_project="some-project"))
    assert told.value.message == "Nobody is signed in to Earth Engine on this machine."
    assert "earthengine authenticate" in told.value.remedy


def test_a_sign_in_without_a_project_is_told(nobody: Path) -> None:
    nobody.parent.mkdir(parents=True)
    nobody.write_text(json.dumps({"refresh_token": "1//planted-refresh-token-000000"}))
    with pytest.raises(EarthEngineError, match="No Google Cloud project is named"):
        connect(Settings())


def test_a_withdrawn_sign_in_is_told_without_its_token(
    nobody: Path, server: EarthEngineServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody.parent.mkdir(parents=True)
    nobody.write_text(json.dumps({"refresh_token": "1//planted-refresh-token-000000"}))
    monkeypatch.setattr(ee.oauth, "TOKEN_URI", f"{server.url}/token")
    with pytest.raises(EarthEngineError) as told:
        connect(Settings(earthengine_project="some-project"))
    assert "has expired or was withdrawn" in told.value.message
    assert "planted" not in "".join(traceback.format_exception(told.value))


@pytest.mark.parametrize("content", ["{", '{"private_key": "planted-private-key"}', None])
def test_an_unreadable_key_file_is_told_without_its_content(tmp_path: Path, content: str | None) -> None:
    key = tmp_path / "key.json"
    if content is not None:
        key.write_text(content)
    with pytest.raises(EarthEngineError) as told:
        connect(Settings(service_account_key=key, earthengine_project="some-project"))
    assert "cannot be read as the key of a service account" in told.value.message
    assert "planted" not in "".join(traceback.format_exception(told.value))


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("User memory limit exceeded.", TooMuchError, "limits of memory, time or size"),
        ("Computation timed out.", TooMuchError, "limits of memory, time or size"),
        (
            "Total request size (56623104 bytes) must be less than or equal to 50331648 bytes.",
            TooMuchError,
            "limits of memory, time or size",
        ),
        ("Too many concurrent aggregations.", EarthEngineError, "quota"),
        (
            "Image.load: Image asset 'projects/a/assets/b' not found (does not exist or caller does not have "
            "access).",
            EarthEngineError,
            "no asset projects/a/assets/b",
        ),
        ("Project 'projects/nowhere-12' not found or deleted.", EarthEngineError, "no Cloud project"),
        ("Permission denied on resource project nowhere-12.", EarthEngineError, "no Cloud project"),
        (
            "Image.select: Band pattern 'avg_rad' did not match any bands. Available bands: []",
            EarthEngineError,
            "no image of the chosen product",
        ),
        (
            "Image.rename: The number of names (3) must match the number of bands (0).",
            EarthEngineError,
            "no image of the chosen product",
        ),
        (f"Cannot write to gs://{BUCKET}/x with Bearer {TOKEN}", EarthEngineError, "Earth Engine refused"),
    ],
)
def test_failures_in_words_become_clear_and_lose_their_secrets(
    text: str, kind: type[EarthEngineError], part: str
) -> None:
    settings = Settings.model_validate({"bucket": BUCKET, "earthengine_project": "some-project"})
    with pytest.raises(EarthEngineError) as told, clear_earthengine_errors(settings):
        raise ee.EEException(text)
    assert type(told.value) is kind and part in told.value.message
    shown = "".join(traceback.format_exception(told.value))
    assert BUCKET not in shown.replace("raise ee.EEException(text)", "") and TOKEN not in shown


@pytest.mark.parametrize(("status", "part"), [(401, "has expired"), (500, "was not available")])
def test_a_status_tells_where_words_do_not(status: int, part: str) -> None:
    answer = httplib2.Response({"status": status, "reason": "Riddle"})
    with pytest.raises(EarthEngineError, match=part), clear_earthengine_errors(Settings()):
        try:
            raise HttpError(answer, b"riddle")
        except HttpError:
            raise ee.EEException("riddle")  # noqa: B904 - as the client does


def test_our_own_errors_and_bugs_pass_as_they_are() -> None:
    own = SettingsError("A sentence.")
    with pytest.raises(SettingsError) as told, clear_earthengine_errors(Settings()):
        raise own
    assert told.value is own
    with pytest.raises(ZeroDivisionError), clear_earthengine_errors(Settings()):
        _ = 1 / 0
    with pytest.raises(EarthEngineError, match="Nobody is signed in"), clear_earthengine_errors(Settings()):
        raise google.auth.exceptions.DefaultCredentialsError("no")


@given(st.integers(0, 1000), st.floats(0, 1), st.floats(0.001, 10), st.floats(10, 100))
def test_waits_grow_to_a_limit_and_never_vanish(
    attempt: int, drawn: float, first_s: float, longest_s: float
) -> None:
    waits = Waits(first_s, longest_s, lambda: drawn)
    assert first_s / 2 <= waits.before(attempt) <= longest_s
    assert waits.before(attempt) <= waits.before(attempt + 1)
    if attempt < 3:
        doubled = min(first_s * 2**attempt, longest_s)
        assert math.isclose(waits.before(attempt), doubled * (1 + drawn) / 2)


def test_every_kind_of_request_is_sent_again_after_a_refusal(server: EarthEngineServer) -> None:
    connect(settings_of(server))
    server.faults.too_many, server.faults.at_most = 1.0, 3
    assert ee.Number(20).add(22).getInfo() == 42
    assert [request.status for request in server.requests.of("value:compute")][-4:] == [429, 429, 429, 200]


def test_an_ingestion_that_may_have_begun_is_not_started_again(server: EarthEngineServer) -> None:
    settings = settings_of(server)
    connect(settings)
    manifest = {
        "name": "projects/local-test/assets/a",
        "tilesets": [{"sources": [{"uris": ["gs://b/c.tif"]}]}],
    }
    for fault in ("cut", "unavailable"):
        server.requests.clear()
        setattr(server.faults, fault, 1.0)
        with pytest.raises(TroubleError), clear_earthengine_errors(settings):
            ee.data.startIngestion("id", manifest)
        assert len(server.requests.of("image:import")) == 1
        setattr(server.faults, fault, 0.0)
    server.requests.clear()
    server.faults.become(Faults(too_many=1.0, at_most=2))
    with clear_earthengine_errors(settings):
        ee.data.startIngestion("id", manifest)
    assert [request.status for request in server.requests.of("image:import")] == [429, 429, 200]


def test_a_waiting_request_ends_when_told_to_stop(server: EarthEngineServer) -> None:
    server.faults.unavailable, server.faults.at_most = 1.0, 1000
    transport = Transport(60.0, Waits(first_s=10.0))
    stop = threading.Event()
    threading.Timer(0.15, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled), patience(stop=stop):
        transport.request(f"{server.url}/v1/projects/local-test/config")
    transport.close()
    assert 0.1 < time.monotonic() - began < 2


ZOOM = 14


def tile_at(longitude: float, latitude: float) -> tuple[int, int]:
    """Column and row of the tile that holds a place."""
    size = 2**ZOOM
    angle = math.asinh(math.tan(math.radians(latitude)))
    return int((longitude + 180) / 360 * size), int((1 - angle / math.pi) / 2 * size)


def picture(url: str) -> NDArray[np.uint8]:
    """The tile in the middle of the scenes, shape (256, 256, 4)."""
    x, y = tile_at(*place())
    with urllib.request.urlopen(url.format(z=ZOOM, x=x, y=y)) as answer:  # noqa: S310 - our own server
        return np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGBA"))


def viirs_pixels() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns within the scenes of the tile's pixels, shape (256,) each."""
    x, y = tile_at(*place())
    across, down = (x + (np.arange(256) + 0.5) / 256) / 2**ZOOM, (y + (np.arange(256) + 0.5) / 256) / 2**ZOOM
    latitudes = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * down))))
    west, _, _, north = EXTENT.bounds
    rows, columns = (north - latitudes) * 240, (across * 360 - 180 - west) * 240
    return np.floor(rows).astype(np.intp), np.floor(columns).astype(np.intp)


def place() -> tuple[float, float]:
    west, south, east, north = EXTENT.bounds
    return (west + east) / 2, (south + north) / 2


def test_viirs_is_drawn_in_the_palette_of_the_house(server: EarthEngineServer, samples: Samples) -> None:
    layer = nighttime_layer(NighttimeComposite(), settings_of(server))
    assert layer.attribution == "Local test server: simulated imagery"
    drawn = picture(layer.url)
    rows, columns = viirs_pixels()
    inside = ((rows >= 0) & (rows < EXTENT.height))[:, None] & (columns >= 0) & (columns < EXTENT.width)
    light = samples.nighttime[
        np.clip(rows, 0, EXTENT.height - 1)[:, None], np.clip(columns, 0, EXTENT.width - 1)
    ]
    known = inside & np.isfinite(light)
    assert known.sum() > 20_000
    np.testing.assert_array_equal(drawn[..., 3] == 255, known)
    expected = RADIANCE[np.rint(radiance_to_unit(light[known]) * 255).astype(int)].astype(int)
    assert np.abs(drawn[known][:, :3].astype(int) - expected).max() <= 4


def test_landsat_is_drawn_in_its_colours(server: EarthEngineServer, samples: Samples) -> None:
    composite = DaytimeComposite(resampling="nearest")
    assert styles_of(composite) == ("True colour", "False colour", "Thermal")
    layer = daytime_layer(composite, "True colour", settings_of(server))
    drawn = picture(layer.url).astype(float)
    visible = drawn[drawn[..., 3] == 255]
    highs = np.array([0.35, 0.3, 0.25])
    shown = np.clip(samples.daytime[[3, 2, 1]] / highs[:, None, None], 0, 1)
    np.testing.assert_allclose(visible[:, :3].mean(axis=0) / 255, np.nanmean(shown, axis=(1, 2)), atol=0.03)
    # Brightness temperature is not joined for colours that do not show it.
    assert "T1_TOA" not in json.dumps(server.requests.of("/maps")[-1].body)
    thermal = daytime_layer(composite, "Thermal", settings_of(server))
    assert "T1_TOA" in json.dumps(server.requests.of("/maps")[-1].body) and thermal.url != layer.url


def test_what_cannot_be_drawn_is_told(server: EarthEngineServer) -> None:
    settings = settings_of(server)
    with pytest.raises(SettingsError, match="Sentinel-2 cannot be shown as Thermal"):
        daytime_layer(DaytimeComposite(sensor="Sentinel-2"), "Thermal", settings)
    with pytest.raises(SettingsError, match="palette cannot reach"):
        nighttime_layer(NighttimeComposite(), settings, low=0, high=10)
    with pytest.raises(EarthEngineError, match="no name of an asset"):
        prediction_layer("somewhere", settings, title="Prediction")


@hypothesis_settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 6),
    st.integers(1, 4),
    st.sampled_from(["daytime", "nighttime"]),
)
def test_tiles_that_are_too_much_are_put_together_from_smaller_ones(
    height: int, width: int, limit: int, at_once: int, layer: str
) -> None:
    import tempfile

    from nightlights.grid import FINE_PER_VIIRS
    from nightlights.progress import NoProgress
    from nightlights.sources.earthengine.download import fetch_tiles
    from nightlights.sources.earthengine.tiles import Tile, TileReader

    window = Window(100, 200, width, height)
    scale = FINE_PER_VIIRS if layer == "daytime" else 1

    def values(part: Window) -> NDArray[np.float32]:
        rows = np.arange(part.row * scale, (part.row + part.height) * scale)[:, None]
        columns = np.arange(part.column * scale, (part.column + part.width) * scale)[None]
        return np.stack([rows + 0 * columns, columns + 0 * rows]).astype(np.float32)

    refused = []

    def fetch(tile: Tile) -> NDArray[np.float32]:
        if max(tile.window.height, tile.window.width) > limit:
            refused.append(tile)
            raise TooMuchError("Too much.")
        return values(tile.window)

    whole = [Tile("r", layer, window, 2)]  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        fetch_tiles(whole, fetch, Path(folder), at_once, NoProgress())
        read = TileReader(Path(folder), window, whole).read(layer, window)  # type: ignore[arg-type]
    np.testing.assert_array_equal(read, values(window))
    # What was too much once is not tried again.
    assert len(refused) <= math.ceil(math.log2(max(height, width)))


@pytest.mark.parametrize("trouble", ["unreachable", "broken"])
def test_a_custom_address_is_named_where_its_server_is_gone(trouble: transport.Trouble) -> None:
    address = "http://127.0.0.1:9"
    with (
        pytest.raises(EarthEngineError) as told,
        clear_earthengine_errors(Settings(earthengine_url=address)),
    ):
        raise transport.trouble_error(trouble, 1)
    assert address in told.value.message and "network" not in told.value.remedy
