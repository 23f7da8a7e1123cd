"""Drawing by mouse in a real browser without a network: kept, edited, undone, never lost."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from .visitor import Visitor

pytestmark = pytest.mark.browser

POLYGON = [(300.0, 180.0), (520.0, 200.0), (500.0, 400.0), (310.0, 380.0)]


def saved(visitor: Visitor, workspace: Path, count: int) -> list[dict[str, Any]]:
    """The regions on disk, once the map and Python agree on their number."""
    visitor.expect_shapes(count)
    visitor.settle()
    content = json.loads((workspace / "regions" / "regions.geojson").read_text())
    assert len(content["features"]) == count
    features: list[dict[str, Any]] = content["features"]
    return features


def test_drawing_tour(visitor: Visitor, app: Any) -> None:
    page = visitor.page
    visitor.open("regions")
    visitor.wait_for_map()
    visitor.expect_shapes(0)

    search = page.get_by_label("Find a place")
    search.fill("lagos")
    search.press("Enter")
    expect(visitor.map.get_by_text("Mushin")).to_be_visible()
    visitor.settle()

    visitor.draw_polygon(POLYGON)
    (polygon,) = saved(visitor, app.workspace, 1)
    assert polygon["properties"] == {"name": "lagos", "role": "train"}
    assert len(polygon["geometry"]["coordinates"][0]) == 5

    visitor.choose_role("evaluate")
    visitor.draw_rectangle((640, 250), (800, 420))
    _, rectangle = saved(visitor, app.workspace, 2)
    assert rectangle["properties"]["role"] == "evaluate"
    expect(page.get_by_text("1 to train, 1 to evaluate")).to_be_visible()

    visitor.drag_vertex(0, (-40, -30))
    edited = saved(visitor, app.workspace, 2)
    assert edited != [polygon, rectangle]

    page.reload()
    visitor.wait_for_map()
    assert saved(visitor, app.workspace, 2) == edited

    page.get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", name="Earth at Night in HD")).to_be_visible()
    page.get_by_role("link", name="Regions").first.click()
    visitor.wait_for_map()
    assert saved(visitor, app.workspace, 2) == edited

    visitor.delete_everything_drawn()
    assert saved(visitor, app.workspace, 0) == []
    page.get_by_role("button", name="Undo").click()
    assert saved(visitor, app.workspace, 2) == edited

    assert visitor.outside == []
    assert visitor.errors == []
