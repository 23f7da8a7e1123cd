"""A window as narrow as a telephone: what a person needs first stands where it is found."""

from typing import Any

import pytest
from pages_workspace import add_dataset, add_prediction, add_run

from nightlights.workspace import Workspace

from .visitor import Visitor

pytestmark = pytest.mark.browser


def test_the_choice_of_layers_stands_above_the_map_where_there_is_no_room_beside_it(
    visitor: Visitor, app: Any
) -> None:
    space = Workspace.open(app.workspace)
    add_dataset(space)
    add_run(space)
    add_prediction(space)

    def boxes() -> tuple[dict[str, float], ...]:
        found = [visitor.page.get_by_test_id("stRadio"), visitor.page.get_by_label("Swipe against")]
        return tuple(
            place.bounding_box() for place in [*found, visitor.page.locator("iframe[title*='st_folium']")]
        )

    visitor.page.set_viewport_size({"width": 400, "height": 800})
    visitor.open("compare")
    visitor.wait_for_map()
    layer, swipe, shown = boxes()
    assert layer["y"] + layer["height"] < shown["y"] < 500
    assert shown["y"] + shown["height"] < swipe["y"]
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 400

    visitor.page.set_viewport_size({"width": 1440, "height": 900})
    visitor.settle()
    layer, swipe, shown = boxes()
    assert shown["x"] + shown["width"] < layer["x"] and layer["y"] < swipe["y"]
    assert visitor.errors == []
