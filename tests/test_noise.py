"""The noise of VIIRS: from the product where nothing else is known, from repeated images where there are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlights.composites import NighttimeComposite, composite_noise
from nightlights.noise import MONTH, YEAR, Noise, measured_noise, measured_sigma

SHAPE = (60, 70)


def light() -> np.ndarray:
    generator = np.random.default_rng(1)
    town = np.exp(generator.normal(size=SHAPE) * 0.3 + 1.5)
    return np.where(np.arange(SHAPE[1]) < 25, town, 0.02)


def months(count: int, noise: Noise, seed: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median, scatter of an image and number of images, worked out from simulated months."""
    generator = np.random.default_rng(seed)
    truth = light()
    stack = truth + generator.normal(size=(count, *SHAPE)) * np.hypot(noise.floor, noise.share * truth)
    middle = np.median(stack, axis=0)
    return middle, 1.4826 * np.median(np.abs(stack - middle), axis=0), np.full(SHAPE, float(count))


def test_the_noise_is_that_of_the_light_around_and_not_of_the_pixel_that_noise_has_dimmed() -> None:
    measured = np.full((9, 9), 10.0)
    measured[4, 4] = 1.0
    sigma = Noise(share=0.1, floor=0.3).sigma(measured)
    assert sigma[0, 0] == pytest.approx(np.hypot(0.3, 1.0))
    assert 0.75 < sigma[4, 4] < 1.0
    measured[0, :] = np.nan
    assert np.isfinite(Noise(share=0.1, floor=0.3).sigma(measured)).all()
    nothing = Noise(share=0.1, floor=0.3).sigma(np.full((3, 3), np.nan))
    np.testing.assert_allclose(nothing, 0.3)


@given(st.integers(3, 400))
def test_a_median_of_many_scatters_less_by_the_root_of_their_number(count: int) -> None:
    assert MONTH.of_median(count).share == pytest.approx(MONTH.share * np.sqrt(np.pi / 2 / count))
    assert MONTH.of_median(1) == MONTH
    assert MONTH.of_median(2).floor == pytest.approx(MONTH.floor / np.sqrt(2))


@pytest.mark.parametrize("share", [0.05, 0.35])
def test_the_noise_of_a_median_is_found_from_its_months(share: float) -> None:
    true = Noise(share=share, floor=0.03)
    middle, scatter, images = months(12, true)
    found = measured_noise(middle, scatter, images)
    assert found is not None
    error = np.abs(middle - light())
    assert found.share == pytest.approx(true.of_median(12).share, rel=0.2)
    assert found.floor == pytest.approx(true.of_median(12).floor, rel=0.2)
    sigma = measured_sigma(found, middle, scatter, images)
    assert np.mean((error / sigma) ** 2) == pytest.approx(1, abs=0.25)


def test_a_city_without_dark_ground_has_the_floor_of_its_number_of_months() -> None:
    """What scatters in its dimmer half is a share of the light, no noise of dark ground."""
    generator, town = np.random.default_rng(4), np.full(SHAPE, 20.0)
    images = town * (1 + generator.normal(size=(12, *SHAPE)) * 0.3)
    middle = np.median(images, axis=0)
    found = measured_noise(middle, images.std(axis=0), np.full(SHAPE, 12.0))
    assert found is not None
    assert found.floor == pytest.approx(YEAR.floor)
    assert found.share == pytest.approx(YEAR.share, rel=0.2)


def test_a_pixel_that_flickers_counts_as_less_known_than_its_neighbours() -> None:
    middle, scatter, images = months(12, Noise(share=0.1, floor=0.03))
    scatter[20, 10] = 12 * np.median(scatter[18:23, 8:13])
    found = measured_noise(middle, scatter, images)
    assert found is not None
    sigma = measured_sigma(found, middle, scatter, images)
    assert sigma[20, 10] > 3 * np.median(sigma[18:23, 8:13])
    assert sigma[20, 10] < 12 * np.median(sigma[18:23, 8:13])


def test_too_few_images_or_pixels_say_nothing_and_missing_ones_are_borne() -> None:
    middle, scatter, images = months(2, MONTH)
    assert measured_noise(middle, scatter, images) is None
    middle, scatter, images = months(12, MONTH)
    scatter[:, 10:] = np.nan
    images[:30] = 1
    found = measured_noise(middle, scatter, images)
    assert found is not None
    sigma = measured_sigma(found, middle, scatter, images)
    assert np.isfinite(sigma).all()
    np.testing.assert_allclose(sigma[:30], found.sigma(middle)[:30])
    assert measured_noise(middle[:2, :2], scatter[:2, :2], images[:2, :2]) is None


def test_earth_engine_composites_count_the_months_that_begin_in_the_period() -> None:
    def of(start: str, end: str, product: str = "monthly") -> Noise:
        given = {"start": start, "end": end, "product": product}
        return composite_noise(NighttimeComposite.model_validate(given))

    assert of("2020-01-01", "2020-01-31") == MONTH
    assert of("2020-01-01", "2020-12-31") == YEAR == MONTH.of_median(12)
    assert of("2020-01-02", "2020-12-31") == MONTH.of_median(11)
    assert of("2020-01-01", "2021-12-31", "annual") == YEAR.of_median(2)
