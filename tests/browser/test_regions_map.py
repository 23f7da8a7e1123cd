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


def names(visitor: Visitor, workspace: Path, count: int) -> list[str]:
    return [feature["properties"]["name"] for feature in saved(visitor, workspace, count)]


def let_python_answer(visitor: Visitor) -> None:
    """Two round trips, longer than the map waits before it reports a click."""
    visitor.choose_role("evaluate")
    visitor.choose_role("train")


SQUARES = [((300, 150), (380, 230)), ((450, 150), (530, 230)), ((600, 150), (680, 230))]


def click_middle(visitor: Visitor, square: int) -> None:
    (left, top), (right, bottom) = SQUARES[square]
    visitor.click_map((left + right) / 2, (top + bottom) / 2)


def test_the_maps_tools_take_many_changes_at_once(visitor: Visitor, app: Any) -> None:
    visitor.open("regions")
    visitor.wait_for_map()
    visitor.set_view(8.0, 12.0, 9)
    for count, (start, end) in enumerate(SQUARES, start=1):
        visitor.draw_rectangle(start, end)
        visitor.expect_shapes(count)
    drawn = saved(visitor, app.workspace, 3)

    # Each square has four corners and a handle in the middle of each side.
    for action in ("Cancel", "Save"):
        before = visitor.revision
        visitor.take_tool("edit")
        for square in (0, 1):
            visitor.move_vertex(8 * square, (-20, -20))
            click_middle(visitor, square)
            let_python_answer(visitor)
        visitor.leave_tool(action)
        if action == "Save":
            visitor.map.locator(f"#map_div:not([data-revision='{before}'])").wait_for()
        let_python_answer(visitor)
        edited = saved(visitor, app.workspace, 3)
        same = [after == first for after, first in zip(edited, drawn, strict=True)]
        assert same == ([True, True, True] if action == "Cancel" else [False, False, True])

    for action, left in (("Cancel", 3), ("Save", 1)):
        visitor.take_tool("remove")
        for square in (0, 1):
            click_middle(visitor, square)
            let_python_answer(visitor)
        visitor.leave_tool(action)
        visitor.expect_shapes(left)
        let_python_answer(visitor)
        assert saved(visitor, app.workspace, left) == edited[-left:]
    visitor.page.get_by_role("button", name="Undo").click()
    assert saved(visitor, app.workspace, 3) == edited
    assert visitor.errors == []


def test_what_the_page_does_meanwhile_undoes_no_change_on_the_map(visitor: Visitor, app: Any) -> None:
    visitor.open("regions")
    visitor.wait_for_map()
    visitor.set_view(8.0, 12.0, 9)
    for count, (start, end) in enumerate(SQUARES, start=1):
        visitor.draw_rectangle(start, end)
        visitor.expect_shapes(count)
    _, second, _ = names(visitor, app.workspace, 3)
    visitor.take_tool("remove")
    click_middle(visitor, 0)
    visitor.page.get_by_role("button", name="Undo").click()
    expect(visitor.page.get_by_text("2 to train")).to_be_visible()
    visitor.leave_tool("Save")
    assert names(visitor, app.workspace, 1) == [second]
