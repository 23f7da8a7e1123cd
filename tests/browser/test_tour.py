"""The whole loop by mouse in a real browser without a network: draw, export, train, predict, compare."""

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from .conftest import SCREENSHOTS
from .server import RunningApp
from .visitor import TIMEOUT_MS, Visitor

pytestmark = pytest.mark.browser

LONG_MS = 240_000
"""Export, training and prediction of small regions on two busy cores."""


def field(visitor: Visitor, label: str) -> Locator:
    return visitor.page.get_by_label(label, exact=True)


def enter(visitor: Visitor, label: str, value: object) -> None:
    field(visitor, label).fill(str(value))
    field(visitor, label).press("Enter")
    visitor.settle()


def go_to(visitor: Visitor, page: str) -> None:
    visitor.page.get_by_role("link", name=page).first.click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(re.compile(page))
    visitor.settle()


def choose(visitor: Visitor, label: str, option: str) -> None:
    box = visitor.page.get_by_role("combobox", name=re.compile(label))
    wanted = visitor.page.get_by_role("option", name=option, exact=True)
    # A list that opens while the page still moves under it is closed again by the browser.
    for _ in range(8):
        box.click()
        with contextlib.suppress(PlaywrightTimeoutError):
            wanted.click(timeout=3000)
            visitor.settle()
            return
    raise AssertionError(f"There is no {option} to choose as {label}.")


def wait_for_layers(visitor: Visitor, names: str, timeout_ms: float = TIMEOUT_MS) -> None:
    """Until the map holds these layers and every tile of them has arrived."""
    visitor.map.locator(f"#map_div[data-layers='{names}']").wait_for(timeout=timeout_ms)
    panes = "#map_div [class*='leaflet-raster-']"
    expect(visitor.map.locator(f"{panes} img.leaflet-tile-loaded").first).to_be_visible(timeout=timeout_ms)
    missing = visitor.map.locator(f"{panes} img.leaflet-tile:not(.leaflet-tile-loaded)")
    expect(missing).to_have_count(0, timeout=timeout_ms)


def colours(visitor: Visitor) -> int:
    """How many colours the map shows in the middle, to tell imagery from an empty map."""
    from io import BytesIO

    from PIL import Image

    shot = visitor.page.locator("iframe[title*='st_folium']").screenshot()
    image = Image.open(BytesIO(shot)).convert("RGB")
    width, height = image.size
    middle = image.crop((width // 3, height // 3, 2 * width // 3, 2 * height // 3))
    return len(middle.getcolors(width * height) or [])


@pytest.fixture
def picture(visitor: Visitor) -> Callable[[str], Path]:
    def take(name: str) -> Path:
        visitor.settle()
        visitor.screenshot(SCREENSHOTS / f"tour-{name}.png")
        return SCREENSHOTS / f"tour-{name}.png"

    return take


def draw_regions(visitor: Visitor, app: RunningApp) -> None:
    enter(visitor, "Find a place", "Accra")
    visitor.map.get_by_text("Accra").first.wait_for()
    visitor.set_view(5.6, -0.2, 12)
    visitor.draw_polygon([(110, 150), (400, 130), (410, 430), (130, 420)])
    visitor.expect_shapes(1)
    visitor.choose_role("evaluate")
    visitor.draw_rectangle((500, 130), (800, 430))
    visitor.expect_shapes(2)
    visitor.settle()
    saved = json.loads((app.workspace / "regions" / "regions.geojson").read_text())
    assert [feature["properties"]["role"] for feature in saved["features"]] == ["train", "evaluate"]


def train(visitor: Visitor) -> None:
    page = visitor.page
    enter(visitor, "Patch size (pixels)", 128)
    enter(visitor, "Passes over the footprints", 0)
    enter(visitor, "Patches a region", 8)
    enter(visitor, "Batch size", 4)
    enter(visitor, "Epochs", 2)
    enter(visitor, "Texture networks (0 for none)", 1)
    expect(page.get_by_text("2 epochs")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("Evaluation RMSE").first).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_test_id("stProgress")).to_have_count(0, timeout=LONG_MS)
    visitor.settle()


def test_the_whole_loop(visitor: Visitor, app: RunningApp, picture: Callable[[str], Path]) -> None:
    page = visitor.page
    visitor.open()
    expect(page.get_by_text(re.compile("simulated", re.IGNORECASE)).first).to_be_visible()
    picture("1-home")

    go_to(visitor, "Regions")
    visitor.wait_for_map()
    draw_regions(visitor, app)
    picture("2-regions")

    page.get_by_role("button", name="Go on to imagery").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Imagery"))
    visitor.settle()
    expect(page.get_by_text("on disk")).to_be_visible()
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.get_by_text("Radiance, training against evaluation")).to_be_visible(timeout=LONG_MS)
    assert list((app.workspace / "datasets" / "regions").glob("*/daytime.tif"))
    picture("3-imagery")

    go_to(visitor, "Train")
    train(visitor)
    picture("4-train")
    (run,) = (app.workspace / "runs").iterdir()
    history = (run / "history.csv").read_text().splitlines()
    assert len(history) == 3
    last = dict(zip(history[0].split(","), history[-1].split(","), strict=True))
    assert 0 < float(last["evaluation_rmse_nw_cm2_sr"]) < 1000

    page.reload()
    visitor.settle()
    expect(page.get_by_text(f"{float(last['evaluation_rmse_nw_cm2_sr']):.3f}").first).to_be_visible()

    go_to(visitor, "Compare")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.get_by_text("RMSE (nW/cm²/sr)").first).to_be_visible(timeout=LONG_MS)
    wait_for_layers(visitor, "Predicted")
    score = json.loads(next(app.workspace.glob("predictions/*/prediction.json")).read_text())["score"]
    expect(page.get_by_text(f"{score['rmse']:.3f}").first).to_be_visible()
    for layer in ("VIIRS", "Difference", "Truth", "Thermal", "False colour", "True colour"):
        page.get_by_test_id("stRadio").get_by_text(layer, exact=True).click()
        wait_for_layers(visitor, layer)
        assert colours(visitor) > 20, layer
    choose(visitor, "Swipe against", "Predicted")
    wait_for_layers(visitor, "True colour,Predicted")
    visitor.map.get_by_role("slider").wait_for()
    box = page.locator("iframe[title*='st_folium']").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 0.45, box["y"] + box["height"] / 2)
    expect(page.get_by_text("SR_B4").first).to_be_visible()
    picture("5-compare")

    go_to(visitor, "Experiments")
    expect(page.get_by_text("RMSE while training")).to_be_visible()
    picture("6-experiments")

    assert visitor.outside == []
    assert visitor.errors == []
