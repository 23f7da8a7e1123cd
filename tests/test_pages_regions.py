"""The Regions page: drawings kept on disk, roles, presets, uploads, collections, problems."""

import json
from pathlib import Path
from typing import Any

import pytest
from pages_workspace import add_regions, app
from shapely import box

from nightlights.region_files import load_collection, save_collection
from nightlights.regions import Region, RegionCollection
from nightlights.workspace import Workspace

__all__ = ["app"]

MAP = "regions-map"


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


def work(page: Any, name: str = "regions") -> Any:
    return page.session_state["regions-work"][name]


def answer(page: Any, shapes: list[dict[str, Any]], name: str = "regions") -> None:
    """Let the map say that it holds ``shapes``, and run the page again."""
    stamp = {
        "type": "Feature",
        "geometry": None,
        "properties": {"revision": work(page, name).editor.revision},
    }
    page.session_state[MAP] = {"all_drawings": [stamp, *shapes]}
    page.run()
    assert not page.exception


def shape(
    west: float, south: float, side: float = 0.3, uid: str = "m1", role: str = "train"
) -> dict[str, Any]:
    geometry = box(west, south, west + side, south + side).__geo_interface__
    return {
        "type": "Feature",
        "properties": {"uid": uid, "role": role},
        "geometry": json.loads(json.dumps(geometry)),
    }


def said(page: Any) -> str:
    kinds = (page.error, page.warning, page.info, page.success, page.caption)
    return "\n".join(element.value for kind in kinds for element in kind)


def button(page: Any, label: str) -> Any:
    return next(button for button in page.button if button.label == label)


def test_a_drawn_shape_is_on_disk_at_once(app: Any, space: Workspace) -> None:
    page = app("regions", space)
    assert space.region_names() == []
    answer(page, [shape(3.2, 6.4)])
    saved = load_collection(space, "regions")
    assert [(region.name, region.role) for region in saved] == [("lagos", "train")]
    assert "1 to train" in said(page)


def test_drawings_survive_a_restart(app: Any, space: Workspace) -> None:
    answer(app("regions", space), [shape(3.2, 6.4)])
    again = app("regions", space)
    assert [region.name for region in work(again).editor.regions] == ["lagos"]


def test_a_remounted_empty_map_wipes_out_nothing_but_delete_all_does(app: Any, space: Workspace) -> None:
    page = app("regions", space)
    answer(page, [shape(3.2, 6.4)])
    for empty in (None, {"all_drawings": None}, {"all_drawings": []}):
        page.session_state[MAP] = empty
        page.run()
        assert len(load_collection(space, "regions")) == 1
    answer(page, [])
    assert len(load_collection(space, "regions")) == 0
    button(page, "Undo").click().run()
    assert len(load_collection(space, "regions")) == 1
    button(page, "Redo").click().run()
    assert len(load_collection(space, "regions")) == 0


def test_bad_regions_get_a_word_and_a_remedy(app: Any, space: Workspace) -> None:
    page = app("regions", space)
    answer(page, [shape(3.2, 6.4, side=0.01)])
    assert "smaller than one patch" in said(page)
    assert button(page, "Go on to imagery").disabled
    answer(page, [shape(10, 74, side=3, uid="m2")])
    assert "75° N" in said(page)


def test_overlapping_train_and_evaluate_regions_stop_the_way_on(app: Any, space: Workspace) -> None:
    page = app("regions", space)
    answer(page, [shape(3.2, 6.4), shape(3.3, 6.5, uid="m2", role="evaluate")])
    assert "overlap" in said(page)
    assert button(page, "Go on to imagery").disabled


def test_a_self_crossing_drawing_is_repaired_and_said_so(app: Any, space: Workspace) -> None:
    page = app("regions", space)
    bow = shape(3.2, 6.4)
    ring = bow["geometry"]["coordinates"][0]
    ring[1], ring[2] = ring[2], ring[1]
    answer(page, [bow])
    assert "crossed itself and was repaired" in said(page)


def test_a_preset_is_added_once(app: Any, space: Workspace) -> None:
    page = app("regions", space)
    for _ in range(2):
        next(box for box in page.selectbox if box.label == "Preset").select("africa").run()
        button(page, "Add preset").click().run()
    regions = load_collection(space, "regions").regions
    assert len(regions) == 10
    assert sum(region.role == "evaluate" for region in regions) == 2


def test_collections_are_made_renamed_and_deleted_with_confirmation(app: Any, space: Workspace) -> None:
    add_regions(space)
    page = app("regions", space)
    next(field for field in page.text_input if field.label == "New collection").input("west-africa")
    button(page, "Create").click().run()
    assert space.region_names() == ["cities", "west-africa"]
    next(field for field in page.text_input if field.label == "Rename to").input("west")
    button(page, "Rename").click().run()
    assert space.region_names() == ["cities", "west"]
    assert button(page, "Delete collection").disabled
    page.checkbox[0].check().run()
    button(page, "Delete collection").click().run()
    assert space.region_names() == ["cities"]
    assert not page.exception


def test_a_name_that_cannot_be_a_file_is_refused(app: Any, space: Workspace) -> None:
    page = app("regions", space)
    next(field for field in page.text_input if field.label == "New collection").input("../secret")
    button(page, "Create").click().run()
    assert "cannot be a name of regions" in said(page)
    assert space.region_names() == []


def test_what_another_program_saves_appears(app: Any, space: Workspace) -> None:
    page = app("regions", space)
    answer(page, [shape(3.2, 6.4)])
    other = Region("accra", "evaluate", box(-0.4, 5.4, 0.0, 5.8))
    save_collection(space, RegionCollection("regions", (other,)))
    page.run()
    assert [region.name for region in work(page).editor.regions] == ["accra"]


def test_a_broken_file_is_a_sentence_not_a_traceback(app: Any, space: Workspace) -> None:
    space.regions_folder.mkdir(parents=True)
    space.regions_file("broken").write_text("{")
    page = app("regions", space)
    assert "broken.geojson" in said(page)


def test_place_search_sends_the_map_there(app: Any, space: Workspace) -> None:
    page = app("regions", space)
    next(field for field in page.text_input if field.label == "Find a place").input("nairobi").run()
    view = page.session_state["regions-view"]
    assert (view.longitude, view.latitude) == pytest.approx((36.8, -1.3), abs=0.1)
    next(field for field in page.text_input if field.label == "Find a place").input("zzzz").run()
    assert "No city" in said(page)


def test_a_collection_is_shown_when_opened_but_drawing_does_not_move_the_map(
    app: Any, space: Workspace
) -> None:
    page = app("regions", space)
    answer(page, [shape(3.2, 6.4)])
    assert page.session_state["regions-view"] is None
    page = app("regions", space)
    assert page.session_state["regions-view"].bounds == pytest.approx((3.2, 6.4, 3.5, 6.7))


def test_messages_stand_beside_the_map_and_do_not_push_it(app: Any, space: Workspace) -> None:
    page = app("regions", space)
    next(box for box in page.selectbox if box.label == "Preset").select("africa").run()
    button(page, "Add preset").click().run()
    map_column, panel = page.columns[0], page.columns[1]
    assert [message.value for message in panel.success] == ["Added 10 regions of Eight cities of Africa."]
    assert not map_column.success
    assert len(page.success) == 1
