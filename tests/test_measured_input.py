"""Smoothed VIIRS as an input: the same for any part, blind to what is missing, without the pixel itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlights.bands import RadianceTransform
from nightlights.grid import Window
from nightlights.measured_input import MeasuredInput, measured_input

TRANSFORM = RadianceTransform(kind="inverse hyperbolic sine", scale=5.0)
OUTER = Window(500, 700, 14, 11)


@settings(max_examples=30, deadline=None)
@given(row=st.integers(0, 10), column=st.integers(0, 13), data=st.data(), seed=st.integers(0, 99))
def test_any_part_equals_its_place_in_the_whole(
    row: int, column: int, data: st.DataObject, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    measured = generator.gamma(0.5, 20, OUTER.shape).astype(np.float32)
    measured[generator.uniform(size=OUTER.shape) < 0.1] = np.nan
    height, width = data.draw(st.integers(1, 11 - row)), data.draw(st.integers(1, 14 - column))
    part = Window(OUTER.column + column, OUTER.row + row, width, height)
    whole = measured_input(measured, OUTER, OUTER, TRANSFORM)
    assert np.isfinite(whole).all()
    found = measured_input(measured, OUTER, part, TRANSFORM)
    np.testing.assert_array_equal(found, whole[part.fine_slices_in(OUTER)])


def test_even_light_stays_whatever_is_missing() -> None:
    measured = np.full(OUTER.shape, 7.0)
    measured[3:6, 2:5] = np.nan
    found = measured_input(measured, OUTER, OUTER, TRANSFORM)
    np.testing.assert_allclose(found, np.arcsinh(7 / 5), rtol=1e-5)
    assert not MeasuredInput(np.full(OUTER.shape, np.nan), OUTER, TRANSFORM).part(OUTER).any()


def test_a_pixel_keeps_a_226th_of_its_own_light() -> None:
    outer = Window(0, 9000, 61, 61)
    measured = np.zeros(outer.shape)
    measured[30, 30] = 50.0
    linear = RadianceTransform(kind="linear", scale=1.0)
    found = measured_input(measured, outer, outer, linear)
    assert found.max() == pytest.approx(50 / (2 * np.pi * 6**2), rel=0.02)
    assert found.sum() / 256 == pytest.approx(50, rel=1e-3)
    # Half way between two pixel centres lies the mean of both.
    centres = found.reshape(61, 16, 61, 16)
    between = (centres[30, 7:9, 30, 15].mean() + centres[30, 7:9, 31, 0].mean()) / 2
    kernel = np.exp(-(np.arange(-24, 25) ** 2) / 72)
    kernel /= kernel.sum()
    assert between == pytest.approx(50 * kernel[24] * (kernel[24] + kernel[25]) / 2, rel=0.01)
