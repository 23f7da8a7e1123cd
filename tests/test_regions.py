"""Regions: areas, patches, repairs, and a clear word on everything that is wrong."""

import json
import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from nightlights.errors import RegionError
from nightlights.region_checks import Problem, check_regions, raise_first_error, repaired
from nightlights.regions import (
    Region,
    RegionCollection,
    area_km2,
    export_bytes,
    polygons_of,
    role_of,
)
from nightlights.settings import Settings

SETTINGS = Settings()


def square(name: str = "a", role: str = "train", west: float = 29.0, south: float = -3.0, side: float = 0.2):
    return Region(name, role_of(role), box(west, south, west + side, south + side))


def only_error(*regions: Region, settings: Settings = SETTINGS) -> Problem:
    errors = [problem for problem in check_regions(regions, settings) if problem.severity == "error"]
    assert len(errors) == 1, errors
    assert errors[0].remedy
    return errors[0]


def test_the_area_of_a_rectangle_is_that_of_a_spherical_zone() -> None:
    west, south, east, north = 10.0, 40.0, 13.0, 45.0
    zone = math.radians(east - west) * (math.sin(math.radians(north)) - math.sin(math.radians(south)))
    assert area_km2(box(west, south, east, north)) == pytest.approx(6371.0072**2 * zone, rel=1e-12)


def test_the_area_of_a_triangle_agrees_with_numerical_integration() -> None:
    # Edges straight in degrees: at longitude x the triangle (0,0), (4,0), (4,60) reaches latitude 15 x.
    x = (np.arange(400_000) + 0.5) * 1e-5
    expected = np.sum(np.sin(np.radians(15 * x))) * math.radians(1e-5) * 6371.0072**2
    assert area_km2(Polygon([(0, 0), (4, 0), (4, 60)])) == pytest.approx(expected, rel=1e-8)


def test_holes_and_parts_count_as_they_should() -> None:
    whole, hole = box(0, 0, 1, 1), box(0.2, 0.2, 0.4, 0.4)
    holed = Polygon(whole.exterior.coords, [hole.exterior.coords])
    assert area_km2(holed) == pytest.approx(area_km2(whole) - area_km2(hole))
    far = box(5, 5, 6, 6)
    assert area_km2(MultiPolygon([whole, far])) == pytest.approx(area_km2(whole) + area_km2(far))


@given(
    st.floats(-170, 170),
    st.floats(-60, 70),
    st.floats(0.01, 3),
    st.floats(0.01, 3),
)
def test_a_window_holds_its_polygon_and_little_more(west: float, south: float, w: float, h: float) -> None:
    region = Region("a", "train", box(west, south, west + w, south + h))
    pixel = 1 / 240
    window_west, window_south, window_east, window_north = region.window.bounds
    assert west - pixel < window_west <= west + pixel / 500
    assert south - pixel < window_south <= south + pixel / 500
    assert window_east >= west + w - pixel / 500
    assert window_north >= south + h - pixel / 500
    assert region.window_area_km2 >= region.area_km2 * 0.99


def test_patches_that_fit_are_counted_side_by_side() -> None:
    # 0.2 degrees are 48 VIIRS pixels = 768 analysis pixels, plus the part of a pixel at the edge.
    assert square().patches(256) == 9
    assert square(side=0.3).patches(256) == 16
    assert square().patches(1024) == 0


def test_export_bytes_counts_both_rasters_and_the_truth() -> None:
    region = square()
    height, width = region.window.shape
    pixels = height * width
    assert export_bytes([region], 9) == pixels * 256 * 9 * 2 + pixels * 4
    assert export_bytes([region] * 2, 9, truth=True) == 2 * (pixels * 256 * (9 * 2 + 4) + pixels * 4)


@pytest.mark.parametrize(
    ("text", "role"),
    [("Train", "train"), (" EVALUATION ", "evaluate"), ("test", "evaluate"), ("Prediction", "predict")],
)
def test_usual_words_for_roles_are_understood(text: str, role: str) -> None:
    assert role_of(text) == role


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(RegionError, match=r"'holdout' is not a role. Use train, evaluate or predict"):
        role_of("holdout")


@pytest.mark.parametrize("name", ["", "a b", "../a", "é"])
def test_a_name_that_cannot_be_a_file_name_is_refused(name: str) -> None:
    with pytest.raises(RegionError, match="cannot be a region name"):
        Region(name, "train", box(0, 0, 1, 1))


def test_an_empty_geometry_is_no_region() -> None:
    with pytest.raises(RegionError, match="holds no polygon"):
        Region("a", "train", Polygon())


def test_a_sound_collection_has_no_problems() -> None:
    regions = [square("a"), square("b", "evaluate", west=30), square("c", "predict", west=31)]
    assert check_regions(regions, SETTINGS) == []


def test_no_regions_is_a_problem() -> None:
    assert "There are no regions" in only_error().message


def test_a_self_crossing_polygon_is_repaired_and_said_so() -> None:
    bow_tie = Region("bow", "train", Polygon([(29, -3), (29.4, -2.6), (29.4, -3), (29, -2.6)]))
    region, problems = repaired(bow_tie)
    assert [problem.severity for problem in problems] == ["repaired"]
    assert "crossed itself" in problems[0].message
    assert region.geometry.is_valid
    assert region.geometry.area == pytest.approx(0.08)
    assert check_regions([region], SETTINGS) == []
    assert check_regions([bow_tie], SETTINGS) == problems


@pytest.mark.parametrize("turns", [-2, -1, 1])
def test_a_polygon_on_another_copy_of_the_map_is_moved_back(turns: int) -> None:
    region, problems = repaired(square(west=29 + 360 * turns))
    assert region.geometry.bounds == pytest.approx((29, -3, 29.2, -2.8))
    assert [problem.severity for problem in problems] == ["repaired"]
    assert str(-360 * turns) in problems[0].message


def test_a_region_smaller_than_a_patch_says_both_sizes() -> None:
    for role in ("train", "evaluate"):
        problem = only_error(square(role=role, side=0.02))
        assert "smaller than one patch" in problem.message
        assert "128 pixels is 3.7 km x 3.7 km" in problem.message
        assert "the role predict, or lower NIGHTLIGHTS_PATCH_SIZE. The patch size of the" in problem.remedy
        assert check_regions([square(role=role, side=0.02)], Settings(patch_size=64)) == []


def test_a_region_of_one_patch_is_large_enough_and_one_that_is_only_predicted_may_be_smaller() -> None:
    # What the README names as the smallest side, and 6 km.
    for side in (0.034, 6 / 111.32):
        assert check_regions([square(side=side)], SETTINGS) == []
    assert check_regions([square(role="predict", side=0.001)], SETTINGS) == []


def test_one_small_region_among_others_is_told_by_its_name() -> None:
    regions = [square("a"), square("b", west=35, side=0.01), square("c", "evaluate", west=40)]
    (problem,) = check_regions(regions, SETTINGS)
    assert (problem.region, problem.severity) == ("b", "error")


def test_a_region_beyond_the_limit_names_the_setting() -> None:
    problem = only_error(square(side=2.5))
    assert "the limit is 50,000 km²" in problem.message
    assert "NIGHTLIGHTS_MAXIMUM_REGION_KM2" in problem.remedy
    assert check_regions([square(side=2.5)], Settings(maximum_region_km2=1e5)) == []


def test_parts_far_apart_are_measured_by_the_window_and_should_be_split() -> None:
    parts = MultiPolygon([box(20, -3, 20.2, -2.8), box(29, 3, 29.2, 3.2)])
    assert "Split its parts" in only_error(Region("parts", "train", parts)).remedy


@pytest.mark.parametrize(("south", "side"), [(74.9, "75° N"), (-65.1, "65° S")])
def test_regions_beyond_the_composites_are_refused(south: float, side: str) -> None:
    assert side in only_error(square(west=120, south=south)).message


@pytest.mark.parametrize("south", [74.8, -65.0])
def test_regions_up_to_the_limits_are_fine(south: float) -> None:
    assert check_regions([square(west=120, south=south)], SETTINGS) == []


@pytest.mark.parametrize(
    "geometry",
    [
        box(179.9, 0, 180.1, 0.2),
        Polygon([(179.9, 0), (-179.9, 0), (-179.9, 0.2), (179.9, 0.2)]),
        MultiPolygon([box(179.8, 0, 180, 0.2), box(-180, 0, -179.8, 0.2)]),
        box(-180.1, 0, -179.9, 0.2),
    ],
)
def test_regions_across_the_antimeridian_should_be_split(geometry: Polygon) -> None:
    problem = only_error(Region("fiji", "train", geometry))
    assert "antimeridian" in problem.message
    assert "Split it into two" in problem.remedy


def test_regions_up_to_the_antimeridian_are_fine() -> None:
    regions = [square("east", west=179.8, south=-17), square("west", west=-180, south=-17)]
    assert check_regions(regions, SETTINGS) == []


def test_swapped_coordinates_are_recognised_where_the_latitude_is_impossible() -> None:
    problem = only_error(Region("la", "train", box(34.0, -118.3, 34.2, -118.1)))
    assert "look swapped" in problem.message
    assert "longitude first" in problem.remedy


def test_swapped_coordinates_are_suggested_where_the_latitude_is_too_far() -> None:
    problem = only_error(Region("delhi", "train", box(28.5, 77.1, 28.7, 77.3)))
    assert "beyond 75° N" in problem.message
    assert "28.5° N, 77.1° E" in problem.remedy or "28.7° N, 77.1° E" in problem.remedy
    assert "swapped" in problem.remedy


def test_metres_are_not_degrees() -> None:
    problem = only_error(Region("utm", "train", box(500_000, 9_600_000, 510_000, 9_610_000)))
    assert "not in degrees" in problem.message


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_coordinates_that_are_not_finite_are_refused(bad: float) -> None:
    region = Region("a", "train", Polygon([(29, -3), (30, -3), (bad, -2)]))
    assert "not finite" in only_error(region).message


def test_a_polygon_without_area_is_refused() -> None:
    assert "no area" in only_error(Region("flat", "train", Polygon([(29, -3), (30, -3), (29, -3)]))).message


def test_two_regions_of_one_name_are_refused_in_any_case() -> None:
    problem = only_error(square("South"), square("south", west=30))
    assert "2 regions are named south" in problem.message


def test_too_many_regions_name_the_setting() -> None:
    regions = [square(f"r{number}", west=number) for number in range(4)]
    problem = only_error(*regions, settings=Settings(maximum_regions=3))
    assert "4 regions; the limit is 3" in problem.message
    assert "NIGHTLIGHTS_MAXIMUM_REGIONS" in problem.remedy


def test_train_and_evaluate_windows_that_share_a_pixel_are_leakage() -> None:
    # The polygons are two triangles that do not meet; the rectangles around them do.
    lower = Region("lower", "train", Polygon([(29, -3), (29.3, -3), (29, -2.7)]))
    upper = Region("upper", "evaluate", Polygon([(29.31, -2.69), (29.31, -2.98), (29.02, -2.69)]))
    assert not lower.geometry.intersects(upper.geometry)
    problem = only_error(lower, upper)
    assert "lower (train) and upper (evaluate) overlap" in problem.message


@pytest.mark.parametrize(("gap", "severities"), [(0, ["warning"]), (2, ["warning"]), (3, [])])
def test_neighbours_within_a_footprint_are_warned_of(gap: int, severities: list[str]) -> None:
    # Four standard deviations of a 742 m footprint reach 1.26 km: into the third pixel of 463 m.
    pixel = 1 / 240
    corner = -180 - pixel / 2
    west, south = corner + 50_000 * pixel, 75 + pixel / 2 - 20_000 * pixel
    first = Region("a", "train", box(west, south, west + 50 * pixel, south + 50 * pixel))
    start = west + (50 + gap) * pixel
    second = Region("b", "evaluate", box(start, south, start + 50 * pixel, south + 50 * pixel))
    problems = check_regions([first, second], SETTINGS)
    assert [problem.severity for problem in problems] == severities


def test_predicting_where_the_network_trained_is_a_warning() -> None:
    problems = check_regions([square("a"), square("b", "predict")], SETTINGS)
    assert [problem.severity for problem in problems] == ["warning"]
    assert "better than they are" in problems[0].message


def test_the_first_error_is_raised_with_a_word_on_the_others() -> None:
    with pytest.raises(RegionError, match=r"smaller than one patch.*\(1 more"):
        raise_first_error(check_regions([square("a", side=0.01), square("b", west=40, side=0.01)], SETTINGS))
    raise_first_error([Problem("a", "warning", "Careful.")])


def test_heights_are_dropped_and_only_polygons_kept() -> None:
    high = Polygon([(0, 0, 5), (1, 0, 5), (1, 1, 5)])
    mixed = GeometryCollection([Point(3, 3), LineString([(0, 0), (1, 1)]), high, box(0.5, 0, 2, 1)])
    found = polygons_of(mixed)
    assert found is not None
    assert not found.has_z
    assert found.equals(shapely.union(Polygon([(0, 0), (1, 0), (1, 1)]), box(0.5, 0, 2, 1)))
    nested = polygons_of(GeometryCollection([GeometryCollection([box(0, 0, 1, 1)])]))
    assert nested is not None
    assert nested.equals(box(0, 0, 1, 1))
    assert polygons_of(GeometryCollection([Point(0, 0)])) is None
    assert polygons_of(Polygon()) is None


def test_a_collection_becomes_geojson_and_finds_its_regions() -> None:
    collection = RegionCollection("c", (square("a"), square("b", "evaluate", west=30)))
    value = collection.to_geojson()
    assert json.loads(json.dumps(value)) == value
    assert [feature["properties"] for feature in value["features"]] == [
        {"name": "a", "role": "train"},
        {"name": "b", "role": "evaluate"},
    ]
    assert collection.get("b") is collection.with_role("evaluate")[0]
    with pytest.raises(RegionError, match=r"has no region 'south'. Its regions: a, b"):
        collection.get("south")
