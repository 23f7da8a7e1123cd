"""The regions behind the drawing map: nothing drawn is lost, everything deleted is gone."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from shapely import MultiPolygon, Polygon, box

from nightlights.errors import RegionError
from nightlights.interface.drawing import RegionEditor, name_near, unused_name
from nightlights.regions import Region, RegionCollection

LAGOS = (3.38, 6.52)


def square(west: float, south: float, side: float = 0.2) -> Polygon:
    return box(west, south, west + side, south + side)


def feature(geometry: Polygon, uid: str, role: str = "train") -> dict[str, Any]:
    ring = [[round(x, 6), round(y, 6)] for x, y in geometry.exterior.coords]
    return {
        "type": "Feature",
        "properties": {"uid": uid, "role": role},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def stamp(revision: str) -> dict[str, Any]:
    return {"type": "Feature", "geometry": None, "properties": {"revision": revision}}


def editor(*regions: Region) -> RegionEditor:
    numbers = count()
    return RegionEditor(RegionCollection("regions", regions), identify=lambda: f"id{next(numbers)}")


def on_the_map(work: RegionEditor) -> list[dict[str, Any]]:
    """What the map answers when nothing was touched: polygons of one part, rounded."""
    drawn = work.drawn([], "train")
    shapes = {f["properties"]["uid"]: f for f in drawn.features if f["geometry"]["type"] == "Polygon"}
    for shown in shapes.values():
        shown["geometry"]["coordinates"] = [
            [[round(x, 6), round(y, 6)] for x, y in ring] for ring in shown["geometry"]["coordinates"]
        ]
    return [stamp(drawn.revision), *shapes.values()]


def test_a_drawn_polygon_becomes_a_region_named_after_its_city() -> None:
    work = editor()
    drawn = feature(square(LAGOS[0] - 0.1, LAGOS[1] - 0.1), "m1", "evaluate")
    assert work.receive([stamp(work.revision), drawn]) == []
    (region,) = work.regions
    assert (region.name, region.role) == ("lagos", "evaluate")
    assert region.geometry.equals(square(LAGOS[0] - 0.1, LAGOS[1] - 0.1))


@pytest.mark.parametrize("answer", [None, [], [stamp("another-7")], [feature(square(0, 0), "m1")]])
def test_what_a_fresh_map_says_overwrites_nothing(answer: list[dict[str, Any]] | None) -> None:
    work = editor(Region("lagos", "train", square(*LAGOS)))
    before = work.revision
    assert work.receive(answer) is None
    assert [region.name for region in work.regions] == ["lagos"]
    assert work.revision == before


def test_deleting_everything_on_the_map_goes_through_and_can_be_undone() -> None:
    work = editor(Region("a", "train", square(0, 0)), Region("b", "predict", square(1, 1)))
    assert work.receive([stamp(work.revision)]) == []
    assert work.regions == ()
    work.undo()
    assert [region.name for region in work.regions] == ["a", "b"]


def test_an_answer_from_before_an_undo_does_not_bring_the_shape_back() -> None:
    work = editor()
    answer = [stamp(work.revision), feature(square(*LAGOS), "m1")]
    work.receive(answer)
    work.undo()
    assert work.receive(answer) is None
    assert work.regions == ()
    assert work.drawn([], "train").gone == ["m1"]


def test_a_shape_drawn_while_python_was_behind_is_kept() -> None:
    work = editor()
    first, second = feature(square(0, 0), "m1"), feature(square(1, 1), "m2")
    early = work.revision
    work.receive([stamp(early), first])
    assert work.receive([stamp(early), first, second]) is None
    drawn = work.drawn([], "train")
    # m2 is neither sent nor gone: the map keeps it and reports it again on the new revision.
    assert "m2" not in drawn.gone
    assert work.receive([stamp(drawn.revision), *on_the_map(work)[1:], second]) == []
    assert len(work.regions) == 2


def test_editing_keeps_name_and_role() -> None:
    work = editor(Region("harbour", "evaluate", square(0, 0)))
    answer = on_the_map(work)
    answer[1]["geometry"] = feature(square(0, 0, 0.5), "")["geometry"]
    assert work.receive(answer) == []
    (region,) = work.regions
    assert (region.name, region.role) == ("harbour", "evaluate")
    assert region.geometry.bounds == (0, 0, 0.5, 0.5)


def test_rounding_by_the_map_is_no_edit() -> None:
    exact = square(1 / 3, 1 / 7)
    work = editor(Region("exact", "train", exact))
    assert work.receive(on_the_map(work)) is None
    assert work.regions[0].geometry == exact


def test_a_self_crossing_polygon_is_repaired_and_said_so() -> None:
    work = editor()
    bow_tie = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    problems = work.receive([stamp(work.revision), feature(bow_tie, "m1")])
    assert problems is not None
    assert [problem.severity for problem in problems] == ["repaired"]
    assert work.regions[0].name in problems[0].message
    assert work.regions[0].geometry.is_valid
    assert work.regions[0].geometry.area == pytest.approx(0.5)


def test_regions_of_several_parts_survive_because_the_map_cannot_hold_them() -> None:
    parts = MultiPolygon([square(0, 0), square(3, 3)])
    work = editor(Region("islands", "train", parts), Region("single", "train", square(5, 5)))
    work.receive([stamp(work.revision)])
    assert [region.name for region in work.regions] == ["islands"]


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        {"type": "Point", "coordinates": [0, 0]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon"},
        7,
    ],
)
def test_nonsense_from_the_browser_is_left_out(geometry: Any) -> None:
    work = editor()
    nonsense = {"type": "Feature", "properties": {"uid": "m1"}, "geometry": geometry}
    assert work.receive([stamp(work.revision), nonsense]) is None
    assert work.regions == ()


def test_renaming_to_a_taken_name_is_refused() -> None:
    work = editor(Region("a", "train", square(0, 0)), Region("b", "train", square(1, 1)))
    with pytest.raises(RegionError, match="already a region named A"):
        work.revise(1, name="A")
    work.revise(1, name="c", role="predict")
    assert [(region.name, region.role) for region in work.regions] == [("a", "train"), ("c", "predict")]


def test_what_another_program_saved_can_be_undone() -> None:
    work = editor(Region("a", "train", square(0, 0)))
    uid = work.drawn([], "train").features[0]["properties"]["uid"]
    other = RegionCollection(
        "regions", (Region("a", "evaluate", square(0, 0)), Region("b", "train", square(1, 1)))
    )
    work.replace_from_disk(other)
    assert work.regions == other.regions
    assert work.drawn([], "train").features[0]["properties"]["uid"] == uid
    work.undo()
    assert [region.role for region in work.regions] == ["train"]


def test_names_far_from_cities_are_numbered() -> None:
    assert name_near(-30.0, -40.0) == "region"
    assert unused_name("region", []) == "region-1"
    assert unused_name("region", ["region-1"]) == "region-2"


@given(st.lists(st.text("ab", min_size=1, max_size=3), max_size=8), st.text("abAB", min_size=1, max_size=3))
def test_an_unused_name_is_unused(used: list[str], wanted: str) -> None:
    assert unused_name(wanted, used).lower() not in {name.lower() for name in used}


class Drawing(RuleBasedStateMachine):
    """Any order of drawing, deleting, undo and redo equals a plain list of states."""

    def __init__(self) -> None:
        super().__init__()
        self.work = editor()
        self.states: list[list[str]] = [[]]
        self.at = 0
        self.number = 0

    def _remember(self) -> None:
        self.states = [*self.states[: self.at + 1], [region.name for region in self.work.regions]]
        self.at += 1

    @rule()
    def draw(self) -> None:
        self.number += 1
        new = feature(square(-30 + self.number, -40), f"m{self.number}")
        before = len(self.work.regions)
        self.work.receive([*on_the_map(self.work), new])
        assert len(self.work.regions) == before + 1
        self._remember()

    @precondition(lambda self: self.work.regions)
    @rule()
    def delete_first_on_the_map(self) -> None:
        answer = on_the_map(self.work)
        self.work.receive([answer[0], *answer[2:]])
        self._remember()

    @rule()
    def undo(self) -> None:
        self.work.undo()
        self.at = max(0, self.at - 1)

    @rule()
    def redo(self) -> None:
        self.work.redo()
        self.at = min(len(self.states) - 1, self.at + 1)

    @invariant()
    def agrees(self) -> None:
        assert [region.name for region in self.work.regions] == self.states[self.at]
        assert self.work.can_undo == (self.at > 0)
        assert self.work.can_redo == (self.at < len(self.states) - 1)


TestDrawing = Drawing.TestCase
TestDrawing.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
