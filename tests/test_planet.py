"""The simulated planet through its source: equal however cut, plausible, and with its traps."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightlights.bands import LANDSAT_BANDS
from nightlights.grid import FINE_PER_VIIRS, VIIRS_HEIGHT, VIIRS_WIDTH, Window
from nightlights.observation import PointSpread, observe
from nightlights.places import search
from nightlights.planet import PLANET_VERSION
from nightlights.sources.simulated import SimulatedSource


def around(longitude: float, latitude: float, pixels: int) -> Window:
    """A square of ``pixels`` VIIRS pixels around a place."""
    corner = Window.covering(longitude, latitude, longitude + 1e-4, latitude + 1e-4)
    return Window(corner.column - pixels // 2, corner.row - pixels // 2, pixels, pixels)


KINSHASA = around(15.31, -4.32, 12)
PLACES = st.sampled_from(
    [(15.31, -4.32), (3.39, 6.45), (-87.63, 41.88), (8.0, 20.0), (24.9, 60.2), (-58.4, -34.6), (0.5, 51.5)]
)


@st.composite
def nested_windows(draw: st.DrawFn) -> tuple[Window, Window]:
    """A window and a part of it, somewhere on Earth."""
    longitude, latitude = draw(PLACES)
    outer = around(longitude, latitude, 4)
    outer = Window(
        outer.column + draw(st.integers(-20, 20)),
        outer.row + draw(st.integers(-20, 20)),
        draw(st.integers(1, 18)),
        draw(st.integers(1, 18)),
    )
    column = draw(st.integers(0, outer.width - 1))
    row = draw(st.integers(0, outer.height - 1))
    inner = Window(
        outer.column + column,
        outer.row + row,
        draw(st.integers(1, outer.width - column)),
        draw(st.integers(1, outer.height - row)),
    )
    return outer, inner


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(windows=nested_windows(), seed=st.integers(0, 2**31 - 1))
def test_part_of_a_window_equals_the_window_cut(windows: tuple[Window, Window], seed: int) -> None:
    outer, inner = windows
    part, whole = SimulatedSource(seed), SimulatedSource(seed)
    fine, coarse = inner.fine_slices_in(outer), inner.slices_in(outer)
    np.testing.assert_array_equal(part.daytime(inner), whole.daytime(outer)[:, fine[0], fine[1]])
    np.testing.assert_array_equal(part.truth(inner), whole.truth(outer)[fine])
    np.testing.assert_array_equal(part.nighttime(inner), whole.nighttime(outer)[coarse])


def test_images_have_the_documented_shapes_types_and_units() -> None:
    source = SimulatedSource(3)
    day, truth, night = source.daytime(KINSHASA), source.truth(KINSHASA), source.nighttime(KINSHASA)
    assert (day.shape, day.dtype) == ((9, *KINSHASA.fine_shape), np.float32)
    assert (truth.shape, truth.dtype) == (KINSHASA.fine_shape, np.float32)
    assert (night.shape, night.dtype) == (KINSHASA.shape, np.float32)
    for image, band in zip(day, LANDSAT_BANDS, strict=True):
        low, high = (0, 1) if band.quantity == "reflectance" else (250, 340)
        assert low < image.min()
        assert image.max() < high
    assert truth.min() > 0
    assert truth.max() < 3000


def test_night_is_the_observed_truth_with_a_small_noise() -> None:
    source = SimulatedSource(1)
    wide = KINSHASA.expand(4)
    expected = observe(source.truth(wide), wide)[KINSHASA.slices_in(wide)]
    error = source.nighttime(KINSHASA) - expected
    scale = 0.09 + 0.02 * expected
    assert 0.7 < np.std(error / scale) < 1.3
    assert np.abs(error / scale).max() < 4


def test_point_spread_changes_the_night_alone() -> None:
    sharp, wide = SimulatedSource(1, PointSpread(0)), SimulatedSource(1, PointSpread(1500))
    np.testing.assert_array_equal(sharp.truth(KINSHASA), wide.truth(KINSHASA))
    assert np.std(sharp.nighttime(KINSHASA)) > 1.05 * np.std(wide.nighttime(KINSHASA))


def test_seed_makes_another_planet_and_the_same_seed_the_same() -> None:
    window = around(2.6, 49.4, 8)
    first, again, other = SimulatedSource(1), SimulatedSource(1), SimulatedSource(2)
    np.testing.assert_array_equal(first.daytime(window), again.daytime(window))
    for image in ("daytime", "truth", "nighttime"):
        assert not np.array_equal(getattr(first, image)(window), getattr(other, image)(window))


def test_dark_sea_reads_a_little_below_zero_at_times() -> None:
    night = SimulatedSource(1).nighttime(around(-30.0, 30.0, 32))
    assert 0.01 < (night < 0).mean() < 0.5
    assert night.min() > -0.6
    assert abs(np.mean(night) - 0.1) < 0.1


@pytest.mark.parametrize(
    "corner", [(0, 0), (VIIRS_WIDTH - 2, 0), (0, VIIRS_HEIGHT - 2), (VIIRS_WIDTH - 2, VIIRS_HEIGHT - 2)]
)
def test_corners_of_the_grid_are_finite(corner: tuple[int, int]) -> None:
    window = Window(*corner, 2, 2)
    source = SimulatedSource(1)
    for image in (source.daytime(window), source.truth(window), source.nighttime(window)):
        assert np.isfinite(image).all()


def _mean_light(name: str, pixels: int = 16) -> float:
    place = search(name, 1)[0]
    return float(SimulatedSource(1).nighttime(around(place.longitude, place.latitude, pixels)).mean())


def test_cities_shine_and_countries_differ() -> None:
    kinshasa, chicago = _mean_light("Kinshasa"), _mean_light("Chicago")
    wild = float(SimulatedSource(1).nighttime(around(23.0, 1.0, 16)).mean())
    assert wild < 1 < 4 < kinshasa < 40
    assert 1.5 * kinshasa < chicago < 120


def _is_water(day: np.ndarray) -> np.ndarray:
    return np.asarray(day[5] < 0.04)


def test_coast_follows_the_earth() -> None:
    source = SimulatedSource(1)
    assert _is_water(source.daytime(around(3.4, 6.2, 2))).all()
    assert _is_water(source.daytime(around(-87.2, 42.5, 2))).all()
    assert not _is_water(source.daytime(around(3.35, 6.75, 4))).all()
    shares = [_is_water(source.daytime(around(3.39, 6.43, 20))).mean()]
    assert 0.1 < shares[0] < 0.9


def test_island_in_the_congo_and_desert_sand_are_dark() -> None:
    source = SimulatedSource(1)
    island = around(15.44, -4.2, 8)
    assert not _is_water(source.daytime(island)).all()
    assert source.truth(island).max() < 5
    desert = around(8.0, 22.5, 8)
    day, city = source.daytime(desert), source.daytime(around(15.31, -4.36, 8))
    assert day[3].mean() > city[3].mean()
    assert source.truth(desert).max() < 1


def test_source_says_what_it_is() -> None:
    source = SimulatedSource(7)
    assert (source.kind, source.simulated) == ("simulated", True)
    assert "imulated" in source.label
    assert "7" in source.label
    described = json.loads(json.dumps(source.describe()))
    assert described["planet_seed"] == 7
    assert described["planet_version"] == PLANET_VERSION
    small, large = source.estimate(KINSHASA), source.estimate(KINSHASA.expand(20))
    assert 0 < small.seconds < large.seconds
    assert small.stored_bytes >= 9 * 2 * (12 * FINE_PER_VIIRS) ** 2
    assert small.stored_bytes < large.stored_bytes


def test_flares_outshine_towns_from_a_few_pixels() -> None:
    window = around(47.3, 30.3, 48)
    truth = SimulatedSource(1).truth(window)
    assert truth.max() > 150
    assert (truth > 100).mean() < 1e-3


def test_thermal_bands_are_warmer_over_roofs_than_over_trees() -> None:
    day = SimulatedSource(1).daytime(around(15.31, -4.37, 16))
    greenness = (day[4] - day[3]) / (day[4] + day[3])
    land = ~_is_water(day)
    assert day[7][land & (greenness < 0.25)].mean() > day[7][land & (greenness > 0.6)].mean() + 2
