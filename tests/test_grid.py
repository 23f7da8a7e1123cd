"""The nested grid: exact to the last pixel, wherever a window is cut."""

from fractions import Fraction

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from nightlights.errors import GridError
from nightlights.grid import VIIRS_HEIGHT, VIIRS_WIDTH, Window


@st.composite
def windows(draw: st.DrawFn, largest: int = 40) -> Window:
    width, height = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    return Window(
        draw(st.integers(0, VIIRS_WIDTH - width)),
        draw(st.integers(0, VIIRS_HEIGHT - height)),
        width,
        height,
    )


def test_the_global_grid_spans_what_the_composites_span() -> None:
    whole = Window(0, 0, VIIRS_WIDTH, VIIRS_HEIGHT)
    west, south, east, north = whole.bounds
    assert west == pytest.approx(-180.0020833333, abs=1e-10)
    assert north == pytest.approx(75.0020833333, abs=1e-10)
    assert east == pytest.approx(180.0020833333, abs=1e-10)
    assert south == pytest.approx(-65.0020833333, abs=1e-10)


def test_the_centre_of_a_pixel_equals_exact_arithmetic() -> None:
    window = Window(46_805, 18_970, 3, 2)
    fine_pixel = Fraction(1, 3840)
    west = Fraction(-180) - Fraction(1, 480) + Fraction(46_805, 240)
    north = Fraction(75) + Fraction(1, 480) - Fraction(18_970, 240)
    assert window.fine_longitudes[17] == float(west + fine_pixel * Fraction(35, 2))
    assert window.fine_latitudes[5] == float(north - fine_pixel * Fraction(11, 2))
    assert window.longitudes[1] == float(west + Fraction(3, 480))
    assert window.latitudes[1] == float(north - Fraction(3, 480))


@given(windows(largest=300))
def test_a_window_is_found_again_from_its_bounds_and_its_transforms(window: Window) -> None:
    assert Window.covering(*window.bounds) == window
    assert Window.from_transform(window.transform, *window.shape, fine=False) == window
    assert Window.from_transform(window.fine_transform, *window.fine_shape, fine=True) == window


@given(windows(), st.data())
def test_a_window_cut_from_a_larger_one_has_the_same_coordinates(outer: Window, data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, outer.width)), data.draw(st.integers(1, outer.height))
    inner = Window(
        outer.column + data.draw(st.integers(0, outer.width - width)),
        outer.row + data.draw(st.integers(0, outer.height - height)),
        width,
        height,
    )
    rows, columns = inner.fine_slices_in(outer)
    assert np.array_equal(outer.fine_latitudes[rows], inner.fine_latitudes)
    assert np.array_equal(outer.fine_longitudes[columns], inner.fine_longitudes)
    rows, columns = inner.slices_in(outer)
    assert np.array_equal(outer.latitudes[rows], inner.latitudes)
    assert np.array_equal(outer.longitudes[columns], inner.longitudes)
    assert outer.intersection(inner) == inner


@given(windows(largest=30), st.integers(1, 9), st.integers(1, 9))
def test_tiles_cover_every_pixel_once(window: Window, height: int, width: int) -> None:
    count = np.zeros(window.shape, int)
    for tile in window.tiles(height, width):
        count[tile.slices_in(window)] += 1
    assert (count == 1).all()


@given(
    st.floats(-179.9, 179, allow_nan=False),
    st.floats(-64.9, 74, allow_nan=False),
    st.floats(0.001, 0.9),
    st.floats(0.001, 0.9),
)
def test_a_covering_window_covers_and_is_the_smallest(
    west: float, south: float, width: float, height: float
) -> None:
    east, north = west + width, south + height
    window = Window.covering(west, south, east, north)
    pixel, slack = 1 / 240, 2e-3 / 240
    left, bottom, right, top = window.bounds
    assert left <= west + slack and right >= east - slack
    assert bottom <= south + slack and top >= north - slack
    assert left > west - pixel and right < east + pixel
    assert bottom > south - pixel and top < north + pixel


@given(windows(), windows())
def test_intersection_is_symmetric_and_within_both(first: Window, second: Window) -> None:
    both = first.intersection(second)
    assert both == second.intersection(first)
    if both is not None:
        assert first.contains(both) and second.contains(both)


def test_windows_beside_each_other_do_not_intersect() -> None:
    assert Window(10, 10, 5, 5).intersection(Window(15, 10, 5, 5)) is None
    assert Window(10, 10, 5, 5).intersection(Window(14, 10, 5, 5)) == Window(14, 10, 1, 5)


@given(windows(largest=20), st.integers(0, 8))
def test_expanding_reaches_the_same_distance_on_all_sides_within_the_grid(
    window: Window, pixels: int
) -> None:
    larger = window.expand(pixels)
    assert larger.contains(window)
    assert larger.column == max(0, window.column - pixels)
    assert larger.row + larger.height == min(VIIRS_HEIGHT, window.row + window.height + pixels)


@pytest.mark.parametrize(
    "bad", [(0, 0, 0, 1), (-1, 0, 1, 1), (VIIRS_WIDTH, 0, 1, 1), (0, VIIRS_HEIGHT - 1, 1, 2)]
)
def test_a_window_beyond_the_grid_is_refused(bad: tuple[int, int, int, int]) -> None:
    with pytest.raises(GridError):
        Window(*bad)


def test_a_raster_off_the_grid_is_refused() -> None:
    window = Window(1000, 1000, 4, 4)
    shifted = window.transform @ Affine.translation(0.3, 0)
    with pytest.raises(GridError, match="does not lie"):
        Window.from_transform(shifted, 4, 4, fine=False)
    with pytest.raises(GridError, match="does not lie"):
        Window.from_transform(window.transform, 4, 4, fine=True)
    with pytest.raises(GridError, match="does not lie"):
        Window.from_transform(window.fine_transform, 63, 64, fine=True)


def test_the_area_of_the_global_grid_is_that_of_the_zone_on_the_sphere() -> None:
    whole = Window(0, 0, VIIRS_WIDTH, VIIRS_HEIGHT)
    zone_km2 = (
        2
        * np.pi
        * 6371.0072**2
        * (np.sin(np.radians(75 + 1 / 480)) + np.sin(np.radians(65 + 1 / 480)))
        * (360 + 1 / 240)
        / 360
    )
    assert whole.pixel_area_km2.sum() * VIIRS_WIDTH == pytest.approx(zone_km2, rel=1e-6)
