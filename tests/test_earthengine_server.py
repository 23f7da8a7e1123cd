"""The local Earth Engine server, asked by the unmodified client: values, pixels, tiles, limits, faults."""

import http.client
import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ee
import numpy as np
import pytest
import rasterio
from earthengine_server.faults import DENIALS, Faults
from earthengine_server.rasters import ArrayRaster, scene
from earthengine_server.requests import MAXIMUM_AT_ONCE
from earthengine_server.server import PROJECT, EarthEngineServer
from earthengine_server.values import Band, EarthImage, Projection
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from server_samples import (
    CORNER,
    arrays,
    connect,
    exported,
    finish,
    first_scene,
    grid,
    holes,
    pixels,
    sample_server,
    sample_store,
)

ROOT = Path(__file__).parent.parent
MERCATOR_HALF_M = 20_037_508.342789244


@pytest.fixture(scope="module")
def shared_server() -> Iterator[EarthEngineServer]:
    with sample_server() as server:
        yield server


@pytest.fixture
def server(shared_server: EarthEngineServer) -> Iterator[EarthEngineServer]:
    connect(shared_server)
    shared_server.requests.clear()
    yield shared_server
    shared_server.faults.__init__()  # type: ignore[misc]


def get(address: str) -> tuple[bytes, str]:
    """An address as it is: the content and its type."""
    host, _, path = address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request("GET", "/" + path)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read(), answer.headers["Content-Type"]
    finally:
        connection.close()


def post(server: EarthEngineServer, method: str, body: dict[str, Any]) -> tuple[int, Any]:
    """A request as it is, without the client."""
    host = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request("POST", f"/v1/projects/{PROJECT}/{method}", json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_client_initialises_and_computes_values(server: EarthEngineServer) -> None:
    collection = ee.ImageCollection("TEST/SCENES")
    assert ee.Number(1).add(2).getInfo() == 3
    assert ee.Number(1).divide(4).getInfo() == 0.25
    assert collection.size().getInfo() == 3
    assert ee.List([1, "a", None]).getInfo() == [1, "a", None]
    described = first_scene().getInfo()
    assert [band["id"] for band in described["bands"]] == ["count", "share"]
    assert described["bands"][0]["data_type"] == {
        **{"type": "PixelType", "precision": "int"},
        **{"min": 0, "max": 65_535},
    }
    assert described["properties"]["system:index"] == "scene_0"
    assert ee.data.getProjectConfig()["maxConcurrentExports"] == 2


def test_every_request_is_kept_with_its_expression(server: EarthEngineServer) -> None:
    ee.Number(1).add(2).getInfo()
    (request,) = server.requests.of("value:compute")
    assert (request.method, request.status, request.fault) == ("POST", 200, None)
    assert request.path == f"/v1/projects/{PROJECT}/value:compute"
    assert request.expression == request.body["expression"]
    assert "Number.add" in json.dumps(request.expression)
    assert request.headers["X-Goog-User-Project"] == PROJECT


def test_an_expression_that_earth_engine_would_not_take_is_refused(server: EarthEngineServer) -> None:
    call = {"functionName": "Number.plus", "arguments": {"left": {"constantValue": 1}}}
    expression = {"result": "0", "values": {"0": {"functionInvocationValue": call}}}
    status, answer = post(server, "value:compute", {"expression": expression})
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert "Number.plus" in answer["error"]["message"]
    with pytest.raises(ee.EEException, match=r"Image asset 'TEST/SCENES/none' not found"):
        ee.Image("TEST/SCENES/none").getInfo()
    status, answer = post(server, "value:compute", {"expresion": expression})
    assert (status, "Unknown name" in answer["error"]["message"]) == (400, True)


def test_pixels_arrive_as_they_are_and_masked_ones_as_zero(server: EarthEngineServer) -> None:
    got = pixels(first_scene(), grid=grid(column=3, row=5))
    window = slice(5, 11), slice(3, 11)
    assert got.dtype == np.dtype([("count", "<u2"), ("share", "<f4")])
    for name, array in arrays(0).items():
        np.testing.assert_array_equal(got[name], np.where(holes(), array, 0)[window])
    chosen = pixels(first_scene(), bandIds=["share"])
    assert chosen.dtype.names == ("share",)
    with pytest.raises(ee.EEException, match="Band pattern 'none' did not match"):
        pixels(first_scene(), bandIds=["none"])


def test_pixels_arrive_as_geotiff_on_the_grid_that_was_asked_for(server: EarthEngineServer) -> None:
    image = ee.ImageCollection("TEST/SCENES").max().toFloat()
    with rasterio.open(io.BytesIO(pixels(image, "GEO_TIFF"))) as file:
        assert file.crs.to_epsg() == 4326
        assert tuple(file.transform)[:6] == pytest.approx((1 / 240, 0, 10, 0, -1 / 240, 5))
        assert file.descriptions == ("count", "share")
        got = file.read()
    expected = pixels(image)
    np.testing.assert_array_equal(got, np.stack([expected["count"], expected["share"]]))


def test_pixels_beyond_every_scene_are_masked(server: EarthEngineServer) -> None:
    far = grid()
    far["affineTransform"]["translateX"] = 50.0
    assert not pixels(first_scene(), grid=far)["count"].any()
    unmasked = first_scene().unmask(ee.Image(7), sameFootprint=False)
    assert (pixels(unmasked, grid=far)["count"] == 7).all()


def test_a_shear_that_is_not_stated_is_none(server: EarthEngineServer) -> None:
    asked = grid()
    del asked["affineTransform"]["shearX"], asked["affineTransform"]["shearY"]
    np.testing.assert_array_equal(pixels(first_scene(), grid=asked), pixels(first_scene()))


@pytest.mark.parametrize(
    "missing", ["grid", "crsCode", "affineTransform", "dimensions", "scaleX", "translateY"]
)
def test_a_request_that_does_not_state_its_grid_is_refused(server: EarthEngineServer, missing: str) -> None:
    given = grid()
    for part in (given, given["affineTransform"]):
        part.pop(missing, None)
    with pytest.raises(ee.EEException, match=rf"strict: 'grid.*{missing}' is missing|'grid' is missing"):
        pixels(first_scene(), grid=None if missing == "grid" else given)


@pytest.mark.parametrize(
    ("width", "height", "bands", "words"),
    [
        (32_769, 1, 1, r"dimensions \(32769x1\) must be less than or equal to 32768"),
        (1, 40_000, 1, r"dimensions \(1x40000\)"),
        (4096, 4096, 1, None),
        (2048, 4096, 2, r"Total request size \(100663296 bytes\) must be less"),
        (0, 5, 1, "Invalid pixel grid dimensions"),
    ],
)
def test_the_documented_limits_hold(
    server: EarthEngineServer, width: int, height: int, bands: int, words: str | None
) -> None:
    image = ee.Image(0).toByte() if words is None else ee.Image([0] * bands).toDouble()
    if bands == 2:
        image = ee.Image([0, 0]).toFloat().addBands(ee.Image(0).toFloat())
    asked = grid(width=width, height=height)
    if words is None:
        assert pixels(image, grid=asked).shape == (height, width)
    else:
        with pytest.raises(ee.EEException, match=words):
            pixels(image, grid=asked)


def test_a_request_brings_at_most_1024_bands() -> None:
    store = sample_store()
    many = {f"b{index}": np.full((1, 1), index, np.float32) for index in range(1025)}
    store.put_asset("many", scene(ArrayRaster(many, Projection("EPSG:4326", CORNER))))
    with sample_server(store):
        with pytest.raises(ee.EEException, match=r"Too many bands \(1025\)"):
            pixels(ee.Image("many"))
        within = pixels(ee.Image("many"), "GEO_TIFF", bandIds=list(many)[1:])
        with rasterio.open(io.BytesIO(within)) as file:
            assert file.count == 1024


def test_more_than_forty_requests_at_once_are_too_many() -> None:
    entered, leave = threading.Semaphore(0), threading.Event()

    def slow(grid: Any) -> Any:
        entered.release()
        assert leave.wait(20)
        shape = grid.height, grid.width
        return np.ones(shape, np.uint8), np.ones(shape, bool)

    store = sample_store()
    store.put_asset("slow", EarthImage((Band("one", np.uint8, slow),)))
    with sample_server(store), ThreadPoolExecutor(MAXIMUM_AT_ONCE) as pool:
        answers = [pool.submit(pixels, ee.Image("slow")) for _ in range(MAXIMUM_AT_ONCE)]
        for _ in answers:
            assert entered.acquire(timeout=20)
        with pytest.raises(ee.EEException, match="Too Many Requests"):
            pixels(ee.Image("slow"))
        leave.set()
        assert all(answer.result()["one"].all() for answer in answers)
        assert pixels(ee.Image("slow"))["one"].all()


def test_features_come_in_pages(server: EarthEngineServer) -> None:
    points = [ee.Feature(ee.Geometry.Point([10 + i, 4]), {"number": i}) for i in range(5)]
    table = ee.FeatureCollection(points)
    first = ee.data.computeFeatures({"expression": table, "pageSize": 3})
    rest = ee.data.computeFeatures({"expression": table, "pageSize": 3, "pageToken": first["nextPageToken"]})
    assert [one["properties"]["number"] for one in first["features"] + rest["features"]] == [0, 1, 2, 3, 4]
    assert rest["features"][-1]["geometry"] == {"type": "Point", "coordinates": [14, 4]}
    assert "nextPageToken" not in rest


def test_a_tile_shows_the_pixels_where_they_are() -> None:
    zoom, column, row = 10, 540, 497
    metres = 2 * MERCATOR_HALF_M / 2**zoom
    step = metres / 256
    corner = (step, 0.0, column * metres - MERCATOR_HALF_M, 0.0, -step, MERCATOR_HALF_M - row * metres)
    values = np.arange(256 * 256, dtype=np.uint32).reshape(256, 256) % 256
    known = values > 10
    store = sample_store()
    raster = ArrayRaster({"value": values.astype(np.uint8)}, Projection("EPSG:3857", corner), known)
    store.put_asset("picture", scene(raster))
    with sample_server(store) as server:
        drawn = ee.Image("picture").getMapId({"min": 0, "max": 255, "palette": ["000000", "ffffff"]})
        assert drawn["tile_fetcher"].url_format.startswith(f"{server.url}/v1/projects/{PROJECT}/maps/")
        tile = np.asarray(Image.open(io.BytesIO(drawn["tile_fetcher"].fetch_tile(column, row, zoom))))
        np.testing.assert_array_equal(tile[..., 3], np.where(known, 255, 0))
        for channel in range(3):
            assert np.abs(tile[..., channel].astype(int) - values)[known].max() <= 1
        beyond = np.asarray(Image.open(io.BytesIO(drawn["tile_fetcher"].fetch_tile(column + 2, row, zoom))))
        assert not beyond[..., 3].any()
        with pytest.raises(ee.EEException, match="There is no tile"):
            drawn["tile_fetcher"].fetch_tile(2**zoom, row, zoom)
        options = {"ranges": [{"min": 0, "max": 255}], "paletteColors": ["000000", "ffffff"]}
        body = {"expression": ee.serializer.encode(ee.Image("picture")), "visualizationOptions": options}
        _, made = post(server, "maps", body)
        picture, kind = get(f"{server.url}/v1/{made['name']}/tiles/{zoom}/{column}/{row}")
        assert kind == "image/png"
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture))), tile)


@pytest.mark.parametrize("denied", DENIALS)
def test_refused_access_has_the_words_of_the_service(server: EarthEngineServer, denied: str) -> None:
    words = {
        "expired_credentials": (401, "invalid authentication credentials"),
        "not_registered": (403, f"Project 'projects/{PROJECT}' is not registered"),
        "api_not_enabled": (403, "API has not been used in project 123456789012 before or it is disabled"),
        "no_permission": (403, "Caller does not have required permission to use project"),
        "quota": (429, "Quota exceeded for quota metric"),
    }
    server.faults.denied = denied
    status, answer = post(server, "value:compute", {})
    assert (status, answer["error"]["code"]) == (words[denied][0], words[denied][0])
    assert words[denied][1] in answer["error"]["message"]
    if status != 401:
        with pytest.raises(ee.EEException, match=words[denied][1].replace("(", r"\(")):
            ee.Number(1).getInfo()


def test_a_third_of_the_requests_fail_and_all_succeed_when_repeated(server: EarthEngineServer) -> None:
    server.faults.too_many = server.faults.unavailable = server.faults.cut = 1.0
    connect(server)
    assert [request.fault for request in server.requests] == [None] * 3
    server.faults.too_many = server.faults.unavailable = 0.15
    server.faults.cut = 0.1
    image = ee.ImageCollection("TEST/SCENES").max().toFloat()

    def patiently(index: int) -> Any:
        for _ in range(server.faults.at_most + 1):
            try:
                return pixels(image, grid=grid(column=index % 8, row=index // 8))
            except (ee.EEException, OSError):
                continue
        raise AssertionError("It failed more often in a row than was allowed.")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(patiently, range(64)))
    whole = pixels_without_faults(server, image)
    for index, answer in enumerate(answers):
        window = whole[index // 8 : index // 8 + 6, index % 8 : index % 8 + 8]
        np.testing.assert_array_equal(answer, window)
    played = [request.fault for request in server.requests.of("image:computePixels")]
    assert {"too_many", "unavailable", "cut"} <= set(played)
    assert 0.2 < sum(fault is not None for fault in played) / len(played) < 0.6


def pixels_without_faults(server: EarthEngineServer, image: Any) -> Any:
    server.faults.too_many = server.faults.unavailable = server.faults.cut = 0
    return pixels(image, grid=grid(width=24, height=24))


@settings(deadline=None)
@given(seed=st.integers(0, 1000), order=st.permutations(range(12)))
def test_faults_depend_on_the_request_and_never_on_the_order(seed: int, order: list[int]) -> None:
    def drawn(sequence: list[int]) -> dict[int, str | None]:
        faults = Faults(seed=seed, too_many=0.2, unavailable=0.2, cut=0.2)
        return {i: faults.of_request("POST", f"/v1/projects/p/{i}", b"{}") for i in sequence}

    assert drawn(order) == drawn(list(range(12)))


def test_the_same_request_fails_a_bounded_number_of_times_in_a_row() -> None:
    faults = Faults(too_many=1.0, at_most=3)
    drawn = [faults.of_request("GET", "/v1/projects/p/operations", b"") for _ in range(8)]
    assert drawn == ["too_many"] * 3 + [None] + ["too_many"] * 3 + [None]
    assert faults.of_request("GET", "/v1/projects/p/algorithms", b"") is None
    faults.initialize = True
    assert faults.of_request("GET", "/v1/projects/p/algorithms", b"") == "too_many"


def test_faults_are_read_from_a_line() -> None:
    faults = Faults.parse("too_many=0.15, cut=0.05,seed=3,denied=quota,initialize=yes,failed_operations=2")
    assert (faults.too_many, faults.cut, faults.seed) == (0.15, 0.05, 3)
    assert (faults.denied, faults.initialize, faults.failed_operations) == ("quota", True, 2)
    for wrong in ("nonsense=1", "denied=nonsense", "cut=much"):
        with pytest.raises(ValueError, match=wrong.split("=")[1] if "=m" in wrong else "one of|no fault"):
            Faults.parse(wrong)


def test_a_cut_connection_leaves_an_export_that_is_not_started_twice(server: EarthEngineServer) -> None:
    task = exported(first_scene(), server, fileFormat="GeoTIFF")
    server.faults.cut, server.faults.at_most = 1.0, 1
    before = server.operations.started
    with pytest.raises(OSError, match=r"."):
        task.start()
    assert server.operations.started == before + 1
    task.start()
    assert server.operations.started == before + 1
    server.faults.cut = 0
    assert finish(server, task.name)["metadata"]["state"] == "SUCCEEDED"


def test_the_server_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-m", "tests.earthengine_server", "--state", str(state), "--bucket", "mine-1"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = json.loads(process.stdout.readline())
        assert ready["environment"]["NIGHTLIGHTS_BUCKET"] == ready["bucket"] == "mine-1"
        assert ready["environment"]["STORAGE_EMULATOR_HOST"] == ready["storage_url"]
        assert get(f"{ready['storage_url']}/storage/v1/b/mine-1/o")
        config, _ = get(f"{ready['earthengine_url']}/v1/projects/p/config")
        assert json.loads(config)["maxConcurrentExports"] == 2
        process.send_signal(signal.SIGTERM)
        welcome = process.stderr.read()
        assert process.wait(20) == 0
    assert f"export NIGHTLIGHTS_EARTHENGINE_URL={ready['earthengine_url']}" in welcome
    (line,) = (state / "requests.jsonl").read_text().splitlines()
    assert json.loads(line)["path"] == "/v1/projects/p/config"


def test_faults_that_do_not_exist_are_refused_at_the_start() -> None:
    command = [sys.executable, "-m", "tests.earthengine_server", "--faults", "nonsense=1"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "'nonsense' is no fault" in ended.stderr
