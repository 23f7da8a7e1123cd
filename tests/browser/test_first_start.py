"""The first minute: a fresh workspace has pictures on Home and on Compare, without a job or a click."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from .server import ROOT, running_app
from .test_tour import wait_for_layers
from .visitor import Visitor

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("width", "height"), [(1440, 900), pytest.param(400, 800, marks=pytest.mark.slow)])
def test_a_fresh_workspace_has_its_pictures_at_once(
    browser: Browser, tmp_path: Path, width: int, height: int
) -> None:
    models = {"NIGHTLIGHTS_MODELS": str(ROOT / "models")}
    with running_app(tmp_path / "workspace", tmp_path / "app.log", variables=models) as app:
        context = browser.new_context(viewport={"width": width, "height": height})
        visitor = Visitor(context.new_page(), app.url)
        visitor.open()
        pictures = visitor.page.locator(".nl-first img")
        expect(pictures).to_have_count(3)
        for picture in pictures.all():
            picture.evaluate("image => image.decode()")
            box = picture.bounding_box()
            assert box is not None and box["y"] + box["height"] < height
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
        visitor.page.get_by_text("layer by layer").click()
        wait_for_layers(visitor, "VIIRS,Sharpened")
        # A reload comes back to the same, whatever model is first in the list.
        visitor.open("compare")
        wait_for_layers(visitor, "VIIRS,Sharpened")
        assert visitor.outside == visitor.errors == []
        context.close()
