"""The whole loop with Earth Engine as the source, against the local test server, in a real browser.

The app, its jobs and the unmodified client talk HTTP with the server; nothing is mocked. The names and keys
that must stay secret are planted, and looked for on every page and in every file at the end.
"""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from playwright.sync_api import Browser, expect

from .conftest import SCREENSHOTS
from .server import ROOT, RunningApp, running_app
from .test_tour import LONG_MS, choose, colours, enter, go_to, train, wait_for_layers
from .visitor import Visitor

pytestmark = pytest.mark.browser

BUCKET = "planted-bucket-7f3a"
KEY = "planted-private-key-93c1"
START, END = "20210101", "20211231"
"""The server's planet has three scenes of each place in a year, which see every pixel clear together."""
PAGES = ("", "regions", "imagery", "train", "compare", "experiments", "tasks")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A process that is Earth Engine and Cloud Storage; what it said when it was ready."""
    command = [sys.executable, "-m", "tests.earthengine_server", "--bucket", BUCKET]
    command += ["--state", str(tmp_path / "earthengine")]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture
def app(tmp_path: Path, server: dict[str, Any]) -> Iterator[RunningApp]:
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "service_account", "private_key": KEY}))
    variables = {**server["environment"], "NIGHTLIGHTS_SERVICE_ACCOUNT_KEY": str(key)}
    with running_app(tmp_path / "workspace", tmp_path / "app.log", variables=variables) as started:
        yield started


@pytest.fixture
def visitor(app: RunningApp, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme="dark")
    somebody = Visitor(context.new_page(), app.url)
    yield somebody
    print("Errors of the page:", somebody.errors or "none")
    print("Log of the app:", app.log.read_text()[-3000:])
    SCREENSHOTS.mkdir(exist_ok=True)
    somebody.page.screenshot(path=SCREENSHOTS / f"{request.node.name}-end.png")
    context.close()


@pytest.fixture
def picture(visitor: Visitor) -> Callable[[str], None]:
    began = time.monotonic()

    def take(name: str) -> None:
        print(f"{time.monotonic() - began:.0f} s until {name}")
        visitor.screenshot(SCREENSHOTS / f"earthengine-{name}.png")

    return take


def enter_date(visitor: Visitor, label: str, digits: str) -> None:
    """Type a date such as 20210131 into the date field ``label``."""
    visitor.page.get_by_role("spinbutton", name=f"year, {label}", exact=True).focus()
    visitor.page.keyboard.type(digits)
    visitor.page.keyboard.press("Enter")
    # The calendar would lie over the page.
    visitor.page.keyboard.press("Escape")
    visitor.settle()


def connect(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open()
    expect(page.get_by_text("Not connected yet")).to_be_visible()
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_text("to the local test server, project local-test")).to_be_visible()
    expect(page.get_by_text("Simulated", exact=True).first).to_be_visible()


def drawn_colours(visitor: Visitor, server: dict[str, Any]) -> int:
    """How many colours a tile of Earth Engine's has where it is not transparent."""
    tiles = visitor.map.locator("#map_div [class*='leaflet-raster-'] img.leaflet-tile-loaded")
    addresses = tiles.evaluate_all("images => images.map(image => image.src)")
    theirs = [address for address in addresses if address.startswith(server["earthengine_url"])]
    with urllib.request.urlopen(theirs[0]) as response:  # noqa: S310 - the address is the server's
        image = Image.open(BytesIO(response.read())).convert("RGBA")
    return sum(colour[3] > 0 for _, colour in image.getcolors(256 * 256) or [])


def see_imagery(visitor: Visitor, server: dict[str, Any]) -> None:
    """Look at the place before anything is exported: Landsat in colour, then VIIRS."""
    page = visitor.page
    enter(visitor, "Find a place", "Accra")
    visitor.map.get_by_text("Accra").first.wait_for()
    visitor.set_view(5.6, -0.2, 13)
    page.get_by_text("Show imagery").click()
    page.get_by_role("combobox", name=re.compile("Imagery")).wait_for()
    enter_date(visitor, "From", START)
    enter_date(visitor, "To", END)
    choose(visitor, "Imagery", "True colour")
    wait_for_layers(visitor, "True colour", LONG_MS)
    assert drawn_colours(visitor, server) > 100
    assert visitor.map.get_by_text("Local test server: simulated imagery").count()
    choose(visitor, "Imagery", "VIIRS")
    wait_for_layers(visitor, "VIIRS", LONG_MS)
    assert drawn_colours(visitor, server) > 20
    expect(visitor.map.locator(".nl-legend")).to_contain_text("nW/cm²/sr")


def draw(visitor: Visitor) -> None:
    visitor.draw_polygon([(110, 150), (340, 140), (350, 370), (120, 360)])
    visitor.expect_shapes(1)
    visitor.choose_role("evaluate")
    visitor.draw_rectangle((450, 130), (680, 360))
    visitor.expect_shapes(2)
    visitor.settle()


def ask_earth_engine(visitor: Visitor) -> None:
    visitor.page.get_by_role("radio", name="Earth Engine").click()
    visitor.settle()
    enter_date(visitor, "Imagery from", START)
    enter_date(visitor, "to", END)


def export(visitor: Visitor, app: RunningApp, name: str) -> dict[str, Any]:
    """Give the dataset a name, click, wait until it is there; its manifest."""
    page = visitor.page
    enter(visitor, "Name of the dataset", name)
    page.get_by_role("button", name="Export", exact=True).click()
    manifest = app.workspace / "datasets" / name / "dataset.json"
    wait_for_job(visitor, f"Export {name}")
    expect(page.get_by_text("Local test server: Landsat 8").first).to_be_visible()
    found: dict[str, Any] = json.loads(manifest.read_text())
    assert found["source"]["simulated"] is True
    return found


def pixels(app: RunningApp, manifest: dict[str, Any], kind: str) -> list[np.ma.MaskedArray[Any, Any]]:
    folder = app.workspace / "datasets" / manifest["name"]
    arrays = []
    for region in manifest["regions"]:
        with rasterio.open(folder / region[kind]) as raster:
            arrays.append(raster.read(masked=True))
    return arrays


def predict(visitor: Visitor) -> None:
    page = visitor.page
    go_to(visitor, "Compare")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.get_by_text("RMSE (nW/cm²/sr)").first).to_be_visible(timeout=LONG_MS)
    wait_for_layers(visitor, "Predicted")
    for layer in ("VIIRS", "Difference", "True colour"):
        page.get_by_test_id("stRadio").get_by_text(layer, exact=True).click()
        wait_for_layers(visitor, layer)
        assert colours(visitor) > 20, layer


def wait_for_job(visitor: Visitor, title: str) -> None:
    """Until the card of a job that was just asked for has come and gone."""
    card = visitor.page.get_by_text(title, exact=True)
    expect(card).to_be_visible()
    expect(card).to_have_count(0, timeout=LONG_MS)
    visitor.settle()


def publish(visitor: Visitor, app: RunningApp) -> str:
    """Publish twice; the asset's name."""
    page = visitor.page
    (folder,) = (app.workspace / "predictions").iterdir()
    page.get_by_text("Publish", exact=True).first.click()
    assets = []
    for button in ("Publish", "Publish again"):
        page.get_by_role("button", name=button, exact=True).click()
        wait_for_job(visitor, f"Publish {folder.name}")
        assets.append(json.loads((folder / "publication.json").read_text())["asset"])
    expect(page.get_by_text(assets[0])).to_be_visible()
    assert assets[0] == assets[1]
    return str(assets[0])


def see_asset(visitor: Visitor, server: dict[str, Any]) -> None:
    for view in ("Asset", "VIIRS", "Difference"):
        choose(visitor, "Drawn by Earth Engine", view)
        wait_for_layers(visitor, f"True colour,{view} (Earth Engine)", LONG_MS)
        assert drawn_colours(visitor, server) > 10, view


def requests_of(server: dict[str, Any], what: str) -> int:
    lines = (Path(server["state"]) / "requests.jsonl").read_text().splitlines()
    return sum(what in json.loads(line)["path"] for line in lines)


def nothing_secret_is_shown(visitor: Visitor, app: RunningApp) -> None:
    for page in PAGES:
        visitor.open(page)
        visitor.settle()
        content = visitor.page.content()
        for frame in visitor.page.frames[1:]:
            content += frame.content()
        assert "Earth at Night" in content
        assert BUCKET not in content, page
        assert KEY not in content, page
    files = [path for path in app.workspace.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in [*files, app.log]:
        content_of_file = path.read_bytes()
        assert BUCKET.encode() not in content_of_file, path
        assert KEY.encode() not in content_of_file, path


def test_the_whole_loop_with_earth_engine(
    visitor: Visitor, app: RunningApp, server: dict[str, Any], picture: Callable[[str], None]
) -> None:
    page = visitor.page
    connect(visitor)
    picture("1-home")

    go_to(visitor, "Regions")
    visitor.wait_for_map()
    see_imagery(visitor, server)
    draw(visitor)
    picture("2-regions")

    go_to(visitor, "Imagery")
    ask_earth_engine(visitor)
    expect(page.get_by_text(re.compile(r"\d+ requests"))).to_be_visible()
    direct = export(visitor, app, "direct")
    picture("3-imagery")

    go_to(visitor, "Train")
    train(visitor)
    predict(visitor)
    asset = publish(visitor, app)
    assert requests_of(server, "image:import") == 1, asset
    see_asset(visitor, server)
    picture("4-compare")

    go_to(visitor, "Imagery")
    page.get_by_role("radio", name="Batch").click()
    visitor.settle()
    expect(page.get_by_text(re.compile(r"4 Earth Engine tasks"))).to_be_visible()
    batch = export(visitor, app, "batch")
    for kind in ("daytime", "nighttime"):
        for one, other in zip(pixels(app, direct, kind), pixels(app, batch, kind), strict=True):
            np.testing.assert_array_equal(one.filled(), other.filled())

    choose(visitor, "Format", "TFRecord patches")
    enter(visitor, "Patches a region", 3)
    enter(visitor, "Patch size (pixels)", 128)
    patches = export(visitor, app, "patches")
    for one, other in zip(pixels(app, direct, "daytime"), pixels(app, patches, "daytime"), strict=True):
        known = ~np.ma.getmaskarray(other)
        assert known.any()
        np.testing.assert_array_equal(one.data[known], other.data[known])

    go_to(visitor, "Tasks")
    expect(page.get_by_text(re.compile(r"7 done"))).to_be_visible()
    picture("5-tasks")
    page.get_by_role("button", name="Fetch").click()
    expect(page.get_by_text(re.compile(r"Fetched 1 file"))).to_be_visible()
    assert list((app.workspace / "downloads").glob("*/*.tfrecord.gz"))
    visitor.page.reload()
    visitor.settle()
    expect(page.get_by_text(re.compile(r"Fetched 1 file"))).to_be_visible()

    nothing_secret_is_shown(visitor, app)
    assert visitor.outside == []
    assert visitor.errors == []
