"""Every page with the results of the demo, wide and narrow: the pictures of the README, to be looked at.

Off by default, since the demo takes minutes: ``./run pictures`` writes docs/images and screenshots.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from .conftest import SCREENSHOTS
from .server import ROOT, RunningApp, running_app
from .test_tour import wait_for_layers
from .visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

IMAGES = ROOT / "docs" / "images"
SIZES = {"wide": (1440, 900), "narrow": (400, 800)}
PAGES = {
    "home": "",
    "regions": "regions?regions=demo",
    "imagery": "imagery",
    "train": "train",
    "compare": "compare?region=kinshasa&layer=True+colour&swipe=Predicted",
    "experiments": "experiments",
}


@pytest.fixture(scope="module")
def demo_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """The app on the demo's workspace: one that exists (PICTURES_WORKSPACE), or a new one."""
    folder = tmp_path_factory.mktemp("pictures")
    workspace = Path(os.environ.get("PICTURES_WORKSPACE", folder / "workspace"))
    if not (workspace / "predictions").is_dir():
        command = [sys.executable, "-m", "nightlights", "demo", "--workspace", str(workspace)]
        subprocess.run(command, check=True, cwd=ROOT)
    with running_app(workspace, folder / "app.log") as started:
        yield started


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", PAGES)
def test_picture(demo_app: RunningApp, browser: Browser, page: str, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    visitor = Visitor(context.new_page(), demo_app.url)
    visitor.open(PAGES[page])
    expect(visitor.page.get_by_text("simulated").first).to_be_visible()
    if page in ("regions", "compare"):
        visitor.wait_for_map()
    if page == "regions":
        visitor.set_view(6.5, 3.38, 11)
        tiles = visitor.map.locator("img.leaflet-tile")
        expect(visitor.map.locator("img.leaflet-tile-loaded").first).to_be_visible()
        expect(tiles.and_(visitor.map.locator(":not(.leaflet-tile-loaded)"))).to_have_count(0)
    if page == "compare":
        wait_for_layers(visitor, "True colour,Predicted")
    visitor.screenshot(SCREENSHOTS / f"{page}-{size}-{scheme}.png")
    if (size, scheme) == ("wide", "dark"):
        visitor.screenshot(IMAGES / f"{page}.png")
    assert visitor.outside == []
    assert visitor.errors == []
    context.close()
