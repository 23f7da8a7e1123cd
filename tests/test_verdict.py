"""The verdict trusts a texture that is right, not one that is wrong, and is careful where it cannot tell."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from nightlights.grid import Window
from nightlights.noise import Noise
from nightlights.observation import PointSpread, observe
from nightlights.scores import Verdict
from nightlights.sharpening.verdict import USUAL, usual_exponent, verdict

Floats = NDArray[np.float64]
WINDOW = Window(44_000, 18_000, 64, 56)
NOISE = Noise(share=0.05, floor=0.05)
SPREAD = PointSpread()


def country(seed: int) -> Floats:
    """VIIRS of a land of many towns, shape (56, 64): light on the scale of a few pixels, nW/cm2/sr."""
    generator = np.random.default_rng(seed)
    field = gaussian_filter(generator.normal(size=WINDOW.shape), 0.8)
    regions = gaussian_filter(generator.normal(size=WINDOW.shape), 6)
    return np.exp(1.5 * field / field.std() + 0.8 * regions / regions.std())


def noisy(light: Floats, seed: int, noise: Noise = NOISE) -> Floats:
    generator = np.random.default_rng(seed)
    return light + generator.normal(size=light.shape) * np.hypot(noise.floor, noise.share * light)


def of(predicted: Floats, seed: int = 1, window: Window = WINDOW) -> Verdict:
    return verdict(noisy(country(1), seed)[: window.height, : window.width], predicted, window, SPREAD, NOISE)


def test_a_right_texture_is_trusted_whatever_its_level_and_a_wrong_one_is_not() -> None:
    right, dim, wrong = of(country(1)), of(0.01 * country(1)), of(country(2))
    assert right.exponent > 0.8 and dim.exponent == pytest.approx(right.exponent, abs=0.1)
    assert wrong.exponent < 0.2
    assert [scale.factor for scale in right.scales] == [2, 4, 8]
    for scale in right.scales[:2]:
        assert scale.gain > 0.3
        assert scale.lower is not None and scale.upper is not None
        assert scale.lower <= scale.gain <= scale.upper
    # Whatever it says, it does not do much worse than interpolation where it was measured.
    assert all(scale.gain > -0.05 for scale in wrong.scales)


def test_a_texture_that_is_half_right_is_trusted_in_part() -> None:
    half = np.exp(np.log(country(1)) * 0.7 + np.log(country(2)) * 0.7)
    assert of(country(2)).exponent < of(half).exponent < of(country(1)).exponent


def test_a_region_that_is_too_small_takes_the_usual_exponent() -> None:
    small = Window(44_000, 18_000, 8, 8)
    found = of(country(1)[:8, :8], window=small)
    assert (found.exponent, found.found, found.weight, found.scales) == (USUAL, None, 0.0, [])


def test_one_bright_town_tells_less_than_many() -> None:
    """Nearly all of the error is that of one place: its evidence is that of one place."""
    light = np.full(WINDOW.shape, 0.3)
    light[20:24, 30:33] = 80.0
    one = verdict(noisy(light, 3), light, WINDOW, SPREAD, NOISE)
    many = of(country(1))
    assert one.weight < 0.6 * many.weight
    assert abs(one.exponent - USUAL) < abs(many.exponent - USUAL)


def test_missing_pixels_and_negative_radiance_are_borne() -> None:
    measured, predicted = noisy(country(1), 4) - 0.5, country(1)
    measured[10:30, 20:40] = np.nan
    predicted[40:, :10] = np.nan
    found = verdict(measured, predicted, WINDOW, SPREAD, NOISE)
    assert found.exponent > 0.6
    assert all(scale.pixels < 56 * 64 - 400 for scale in found.scales)
    for nothing in (np.full(WINDOW.shape, np.nan), np.zeros(WINDOW.shape), -np.ones(WINDOW.shape)):
        assert verdict(nothing, predicted, WINDOW, SPREAD, NOISE).exponent == USUAL


def test_a_texture_without_contrasts_gains_nothing() -> None:
    even = np.ones(WINDOW.shape)
    found = of(even)
    assert found.found == 0.0
    assert [scale.gain for scale in found.scales] == [0.0] * len(found.scales) and found.scales
    # Where VIIRS is even itself, nothing can be told.
    assert verdict(3 * even, even, WINDOW, SPREAD, NOISE).scales == []


def test_the_exponent_serves_at_30_m_where_the_texture_goes_on_as_it_does_at_500_m() -> None:
    window = Window(44_000, 18_000, 32, 32)
    generator = np.random.default_rng(7)
    fields = [gaussian_filter(generator.normal(size=window.fine_shape), width) for width in (3, 12, 48)]
    truth = np.exp(sum(field / field.std() for field in fields)).astype(np.float64)
    measured = noisy(observe(truth, window), 8)
    from nightlights.sharpening import sharpen

    def error(exponent: float) -> float:
        found = sharpen(truth**0.8, measured, window, noise=NOISE, exponent=exponent)
        return float(np.sqrt(np.mean((found - truth) ** 2)))

    found = verdict(measured, observe(truth**0.8, window), window, SPREAD, NOISE)
    assert error(found.exponent) < 0.6 * error(0.0)


def test_the_same_region_gives_the_same_verdict() -> None:
    assert of(country(1)) == of(country(1))


def test_regions_of_a_dataset_lend_each_other_their_exponent() -> None:
    sure = of(country(1))
    small = verdict(country(1)[:8, :8], country(1)[:8, :8], Window(44_000, 18_000, 8, 8), SPREAD, NOISE)
    assert usual_exponent([]) == usual_exponent([small]) == USUAL
    assert sure.found is not None
    one, many = usual_exponent([sure]), usual_exponent([sure] * 40)
    assert one == pytest.approx((USUAL + sure.weight * sure.found) / (1 + sure.weight), abs=0.005)
    assert USUAL < one < many < sure.found + 0.005
    tiny = Window(44_000, 18_000, 8, 8)
    lent = verdict(country(1)[:8, :8], country(1)[:8, :8], tiny, SPREAD, NOISE, usual=many)
    assert (lent.exponent, lent.usual) == (many, many)
    drawn = verdict(noisy(country(1), 1), country(2), WINDOW, SPREAD, NOISE, usual=many)
    assert drawn.exponent > of(country(2)).exponent
    assert drawn.found == of(country(2)).found
