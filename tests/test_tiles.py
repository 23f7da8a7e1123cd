"""The tile routes: only what a manifest names, only styles that can be drawn, versions in addresses."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from pages_workspace import full_workspace
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from nightlights.files import write_text
from nightlights.interface import scripts, tiles
from nightlights.interface.place_names import names_in_view
from nightlights.interface.routes import routes
from nightlights.interface.tiles import tile_url, version_of
from nightlights.manifests import DatasetManifest, PredictionRecord, read_record
from nightlights.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return full_workspace(tmp_path_factory.mktemp("tiles"))


@pytest.fixture
def browser(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("NIGHTLIGHTS_WORKSPACE", str(workspace.root))
    tiles._workspace.cache_clear()
    with TestClient(Starlette(routes=routes())) as client:
        yield client
    tiles._workspace.cache_clear()


def tile_over(west: float, south: float, east: float, north: float, zoom: int = 11) -> tuple[int, int, int]:
    """The web map tile of the middle of bounds in degrees."""
    latitude = np.radians((south + north) / 2)
    x = int(((west + east) / 2 + 180) / 360 * 2**zoom)
    y = int((1 - np.log(np.tan(latitude) + 1 / np.cos(latitude)) / np.pi) / 2 * 2**zoom)
    return zoom, x, y


def filled(url: str, tile: tuple[int, int, int]) -> str:
    return url.format(z=tile[0], x=tile[1], y=tile[2])


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(content)))


@pytest.fixture
def dataset(workspace: Workspace) -> DatasetManifest:
    name = workspace.dataset_names()[0]
    return read_record(workspace.dataset_folder(name) / "dataset.json", DatasetManifest)


@pytest.fixture
def prediction(workspace: Workspace) -> PredictionRecord:
    name = workspace.prediction_names()[0]
    return read_record(workspace.prediction_folder(name) / "prediction.json", PredictionRecord)


@pytest.mark.parametrize("layer", ["true-colour", "false-colour", "thermal", "viirs"])
def test_every_layer_of_a_dataset_is_drawn(browser: TestClient, dataset: DatasetManifest, layer: str) -> None:
    region = dataset.regions[0]
    url = tile_url("dataset", dataset.name, layer, region=region.name, version=version_of(dataset))
    answer = browser.get(filled(url, tile_over(*region.window.window.bounds)))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    colours = picture(answer.content)
    assert (colours[..., 3] == 255).any()
    assert len(np.unique(colours[colours[..., 3] == 255][:, :3], axis=0)) > 3


def test_layers_of_a_prediction_are_drawn_and_styles_change_them(
    browser: TestClient, prediction: PredictionRecord
) -> None:
    tile = tile_over(*prediction.window.window.bounds)
    for layer in prediction.layers:
        name = "true-colour" if layer == "daytime" else layer
        url = tile_url("prediction", prediction.name, name, version=version_of(prediction))
        assert browser.get(filled(url, tile)).status_code == 200, layer
    usual, bright = (
        tile_url("prediction", prediction.name, "prediction", version="1", **style)
        for style in ({}, {"low": 0.01, "high": 0.1, "scale": "log"})
    )
    assert (
        picture(browser.get(filled(bright, tile)).content)[..., :3].mean()
        > picture(browser.get(filled(usual, tile)).content)[..., :3].mean()
    )


def test_a_tile_beyond_the_raster_is_empty(browser: TestClient, dataset: DatasetManifest) -> None:
    url = tile_url("dataset", dataset.name, "viirs", region=dataset.regions[0].name, version="1")
    assert browser.get(filled(url, (11, 0, 0))).status_code == 204


@pytest.mark.parametrize(
    "path",
    [
        "/tiles/dataset/nothing/lagos/viirs/3/1/1.png",
        "/tiles/dataset/cities/nowhere/viirs/3/1/1.png",
        "/tiles/dataset/cities/lagos/dataset.json/3/1/1.png",
        "/tiles/dataset/..%2F..%2Fetc/lagos/viirs/3/1/1.png",
        "/tiles/dataset/%2e%2e/lagos/viirs/3/1/1.png",
        "/tiles/prediction/..%5C..%5Cetc/viirs/3/1/1.png",
        "/tiles/dataset/cities/lagos/viirs/40/1/1.png",
        "/tiles/dataset/cities/lagos/viirs/3/99/1.png",
        "/assets/leaflet/../../../leaflet/apps.py",
        "/assets/leaflet/%2e%2e/%2e%2e/apps.py",
        "/assets/own/..%2f..%2fstate.py",
        "/assets/own/missing.js",
        f"/tiles/dataset/cities/lagos/viirs/{'9' * 5000}/1/1.png",
        f"/tiles/prediction/first-abuja/viirs/3/1/{'9' * 5000}.png",
        f"/tiles/planet/{'9' * 5000}/12/1/1.png",
        f"/tiles/planet/1/12/{'9' * 5000}/1.png",
        "/tiles/dataset/cities/lagos/viirs/3/-1/1.png",
        "/tiles/dataset/cities/lagos/viirs/3/%D9%A1/1.png",
        "/tiles/dataset/%00/lagos/viirs/3/1/1.png",
        "/tiles/dataset/cities/lago%00s/viirs/3/1/1.png",
        "/tiles/prediction/first-abuja/%00/3/1/1.png",
        "/tiles/planet/1/12/1/%00.png",
        "/assets/own/map%00.js",
        "/assets/leaflet/%00",
        f"/assets/own/{'x' * 5000}.js",
    ],
)
def test_nothing_else_is_served(browser: TestClient, path: str) -> None:
    assert browser.get(path).status_code == 404


def test_a_manifest_cannot_name_a_file_outside_its_folder(
    browser: TestClient, workspace: Workspace, dataset: DatasetManifest
) -> None:
    region = dataset.regions[0]
    outside = workspace.dataset_folder(dataset.name) / region.nighttime
    copied = workspace.dataset_folder("crafted")
    (copied.parent / "outside.tif").write_bytes(outside.read_bytes())
    crafted = dataset.model_copy(
        update={"name": "crafted", "regions": [region.model_copy(update={"nighttime": "../outside.tif"})]}
    )
    write_text(copied / "dataset.json", crafted.model_dump_json())
    tile = tile_over(*region.window.window.bounds)
    url = tile_url("dataset", "crafted", "viirs", region=region.name, version="1")
    assert browser.get(filled(url, tile)).status_code == 404


@pytest.mark.parametrize("query", ["low=5&high=1", "scale=cubic", "limit=-1", "low=nan", "high=word"])
def test_bad_styles_are_refused(browser: TestClient, dataset: DatasetManifest, query: str) -> None:
    region = dataset.regions[0].name
    assert browser.get(f"/tiles/dataset/{dataset.name}/{region}/viirs/3/1/1.png?{query}").status_code == 400


def test_a_dataset_made_anew_has_new_addresses(dataset: DatasetManifest) -> None:
    later = dataset.model_copy(update={"created": dataset.created.replace(year=2031)})
    assert version_of(later) != version_of(dataset)
    url = tile_url("dataset", "cities", "viirs", region="lagos", version=version_of(later), low=1.5)
    assert parse_qs(urlsplit(url).query) == {"low": ["1.5"], "v": [version_of(later)]}
    assert "{z}/{x}/{y}" in url


def test_the_base_path_goes_before_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit import config

    plain: Callable[[str], object] = config.get_option
    monkeypatch.setattr(
        config, "get_option", lambda key: "/lights/" if key == "server.baseUrlPath" else plain(key)
    )
    assert tile_url("prediction", "first", "viirs", version="1").startswith("/lights/tiles/")
    assert all(route.path.startswith("/lights/") for route in routes())
    assert all(url.startswith("/lights/") for _, url in scripts.own_links(scripts.OWN_SCRIPTS))


def test_the_scripts_of_a_map_are_served_here_and_nowhere_else(browser: TestClient) -> None:
    from nightlights.interface.map_view import base_map

    element = base_map((0.0, 0.0), 3, draw=True)
    links = [
        url
        for part in scripts._elements(element)
        for kind in ("default_js", "default_css")
        for _, url in getattr(part, kind, [])
    ]
    names = {Path(urlsplit(url).path).name for url in links}
    assert {"leaflet.js", "leaflet.draw.js", "leaflet.css", "leaflet.draw.css", *scripts.OWN_SCRIPTS} <= names
    for url in links:
        assert url.startswith("/assets/")
        assert browser.get(url).status_code == 200
    assert browser.get("/assets/land_outline.geojson").json()["type"]


def test_django_is_never_imported() -> None:
    import sys

    scripts.leaflet_folder()
    assert "leaflet" not in sys.modules
    assert "django" not in sys.modules


def test_places_in_view_are_large_and_apart(browser: TestClient) -> None:
    box = "west=2&south=4&east=10&north=12&width=900&height=640"
    names = [place["name"] for place in browser.get(f"/places?{box}").json()]
    assert names[0] == "Lagos" and "Abuja" in names
    assert browser.get("/places?west=2").status_code == 400
    assert browser.get("/places?west=9&south=4&east=2&north=12&width=9&height=9").status_code == 400


def test_places_are_found_on_every_copy_of_the_world() -> None:
    here, copy = names_in_view(2, 4, 10, 12, 900, 640), names_in_view(362, 4, 370, 12, 900, 640)
    assert [place.name for place in here] == [place.name for place in copy]
    assert copy[0].longitude == pytest.approx(here[0].longitude + 360)
    across = {place.name for place in names_in_view(170, -25, 200, -10, 900, 640)}
    assert "Suva" in across or "Apia" in across


def test_no_edge_of_the_land_runs_around_the_world(browser: TestClient) -> None:
    (land,) = browser.get("/assets/land_outline.geojson").json()["features"]
    for polygon in land["geometry"]["coordinates"]:
        for ring in polygon:
            points = np.array(ring)
            assert points[:, 0].min() >= -180 and points[:, 0].max() <= 180
            inhabited = np.abs(points[:-1, 1]) < 75
            assert np.abs(np.diff(points[:, 0]))[inhabited].max(initial=0) < 5
