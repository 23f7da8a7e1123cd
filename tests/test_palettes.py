"""The palettes are even, in order and centred; checked with a CIELAB of our own."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nightlights import palettes
from nightlights.errors import SettingsError
from nightlights.interface.plots import LINES


def lab(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIELAB (D65) of sRGB, by the forward formulas of IEC 61966-2-1 and CIE 15:2004."""
    encoded = colours / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array(
        [
            [0.4124564, 0.2126729, 0.0193339],
            [0.3575761, 0.7151522, 0.1191920],
            [0.1804375, 0.0721750, 0.9503041],
        ]
    )
    ratio = xyz / [0.95047, 1.0, 1.08883]
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def test_radiance_goes_from_black_through_amber_to_white() -> None:
    assert palettes.RADIANCE.shape == (256, 3)
    assert tuple(palettes.RADIANCE[0]) == (0, 0, 0)
    assert palettes.RADIANCE[-1].min() > 240
    red, green, blue = (int(value) for value in palettes.RADIANCE[150])
    assert red > 240 and 150 < green < 200 and blue < 90


def test_radiance_is_perceptually_even_and_ever_lighter() -> None:
    colours = lab(palettes.RADIANCE)
    assert (np.diff(colours[:, 0]) > -0.25).all()
    # Steps of 16, so that rounding to 8 bits does not hide in single steps.
    steps = np.linalg.norm(colours[16::16] - colours[:-16:16], axis=1)
    assert steps.min() > 0.75 * steps.mean()
    assert steps.max() < 1.25 * steps.mean()


def test_difference_is_darkest_at_zero_and_equally_light_on_both_sides() -> None:
    lightness = lab(palettes.DIFFERENCE)[:, 0]
    assert lightness[127:129].max() < 12
    np.testing.assert_allclose(lightness, lightness[::-1], atol=3.0)
    blue_side, orange_side = palettes.DIFFERENCE[40].astype(int), palettes.DIFFERENCE[-40].astype(int)
    assert blue_side[2] > blue_side[0] and orange_side[0] > orange_side[2]


def test_logarithmic_position_by_hand() -> None:
    unit = palettes.radiance_to_unit([0.1, 0.2, np.sqrt(0.2 * 100), 100.0, 400.0, -1.0], 0.2, 100.0)
    np.testing.assert_allclose(unit, [0, 0, 0.5, 1, 1, 0], atol=1e-12)


def test_linear_position_by_hand() -> None:
    unit = palettes.radiance_to_unit([-1.0, 0.0, 15.0, 60.0], 0.0, 60.0, logarithmic=False)
    np.testing.assert_allclose(unit, [0, 0, 0.25, 1])


def test_missing_stays_missing() -> None:
    assert np.isnan(palettes.radiance_to_unit([np.nan])).all()
    assert np.isnan(palettes.difference_to_unit([np.nan], 3.0)).all()


@given(st.lists(st.floats(-5, 1e4), min_size=2, max_size=30), st.booleans())
def test_brighter_is_never_lower_in_the_palette(values: list[float], logarithmic: bool) -> None:
    unit = palettes.radiance_to_unit(sorted(values), 0.5, 200.0, logarithmic)
    assert (np.diff(unit) >= 0).all()
    assert unit.min() >= 0 and unit.max() <= 1


@given(st.floats(0.01, 1e4), st.floats(-1e4, 1e4))
def test_opposite_differences_lie_opposite(limit: float, difference: float) -> None:
    unit = palettes.difference_to_unit([difference, -difference, 0.0], limit)
    assert unit[0] + unit[1] == pytest.approx(1.0)
    assert unit[2] == 0.5


@pytest.mark.parametrize(
    ("low", "high", "logarithmic"), [(1, 1, False), (5, 2, True), (0, 9, True), (np.nan, 1, False)]
)
def test_ends_that_make_no_palette(low: float, high: float, logarithmic: bool) -> None:
    with pytest.raises(SettingsError, match="lower end"):
        palettes.radiance_to_unit([1.0], low, high, logarithmic)


def test_plotly_scale_spans_the_palette() -> None:
    assert palettes.RADIANCE_STOPS[0] == [0.0, "rgb(0,0,0)"]
    assert palettes.RADIANCE_STOPS[-1][0] == 1.0
    assert palettes.role_colour("train") == palettes.ROLE_COLOURS["train"]
    assert palettes.role_colour("none of them") not in palettes.ROLE_COLOURS.values()


def _luminance(colour: str) -> float:
    """Relative luminance after WCAG 2."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_lines_and_roles_can_be_read_on_the_light_theme() -> None:
    theme = tomllib.loads((Path(__file__).parent.parent / ".streamlit" / "config.toml").read_text())["theme"]
    paper = _luminance(theme["light"]["backgroundColor"])
    assert {*LINES, *palettes.ROLE_COLOURS.values(), palettes.NO_ROLE_COLOUR} <= set(palettes.ON_LIGHT)
    for colour in palettes.ON_LIGHT.values():
        assert (paper + 0.05) / (_luminance(colour) + 0.05) >= 4.5, colour
