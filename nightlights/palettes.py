"""The colours of the house: radiance, differences, and the roles of regions.

The palettes are drawn in CIELAB (CIE 15:2004, D65), where equal distances look about equal, and then
stepped at equal distances along the path, so that equal steps of the value look equally large
(Kovesi 2015, arXiv:1509.03700).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightlights.errors import SettingsError
from nightlights.manifests import Role

STEPS: Final = 256
"""Colours in a palette."""

AMBER: Final = "#ffb23e"
"""The one accent of the interface."""

ROLE_COLOURS: Final[dict[Role, str]] = {"train": "#f2b632", "evaluate": "#4aa8ff", "predict": "#ff5fc0"}
"""Gold, blue and magenta: the same wherever a region is shown."""

NO_ROLE_COLOUR: Final = "#c9d1e0"

ON_LIGHT: Final = {
    "#f2b632": "#8a6100",
    "#ffb23e": "#955a00",
    "#4aa8ff": "#1f6fc4",
    "#ff5fc0": "#c2267f",
    "#7ed5b0": "#23784f",
    "#b99cff": "#6f4fd0",
    "#f2919a": "#b0404c",
    "#c9d1e0": "#5b6577",
}
"""Colours of lines and words on the night theme to those of the same hue for the light one."""

RADIANCE_LOW: Final = 0.2
"""Radiance in nW/cm2/sr drawn black on the logarithmic scale: about the noise floor of VIIRS."""
RADIANCE_HIGH: Final = 100.0
"""Radiance in nW/cm2/sr drawn white unless chosen otherwise."""

_XYZ_TO_LINEAR = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
_WHITE_D65 = np.array([0.95047, 1.0, 1.08883])


def _lab_to_linear(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB, shape (n, 3), to linear sRGB, which may leave 0 .. 1 outside the gamut."""
    middle = (lab[:, 0] + 16) / 116
    relative = np.stack([middle + lab[:, 1] / 500, middle, middle - lab[:, 2] / 200], axis=1)
    xyz = np.where(relative > 6 / 29, relative**3, 3 * (6 / 29) ** 2 * (relative - 4 / 29)) * _WHITE_D65
    linear: NDArray[np.float64] = xyz @ _XYZ_TO_LINEAR.T
    return linear


def _in_gamut(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """The most colourful CIELAB of the same lightness and hue that sRGB can show, at most as given."""
    low, high = np.zeros(len(lab)), np.full(len(lab), 2.0)
    for _ in range(24):
        share = (low + high) / 2
        linear = _lab_to_linear(lab * np.stack([np.ones_like(share), share, share], axis=1))
        fits = (linear.min(axis=1) >= -1e-4) & (linear.max(axis=1) <= 1 + 1e-4)
        low, high = np.where(fits, share, low), np.where(fits, high, share)
    share = np.minimum(low, 1.0)
    limited: NDArray[np.float64] = lab * np.stack([np.ones_like(share), share, share], axis=1)
    return limited


def _palette(anchors: list[tuple[float, float, float]], steps: int = STEPS) -> NDArray[np.uint8]:
    """Even steps along a smooth path through ``anchors``: lightness, chroma, hue in degrees."""
    position = np.linspace(0, 1, len(anchors))
    fine = np.linspace(0, 1, 1001)
    lightness, chroma, hue = (
        np.interp(fine, position, [anchor[index] for anchor in anchors]) for index in range(3)
    )
    angle = np.radians(hue)
    path = _in_gamut(np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1))
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    even = np.interp(np.linspace(0, travelled[-1], steps), travelled, fine)
    linear = _lab_to_linear(np.stack([np.interp(even, fine, path[:, axis]) for axis in range(3)], axis=1))
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: NDArray[np.uint8] = np.rint(encoded * 255).astype(np.uint8)
    return colours


def _diverging() -> NDArray[np.uint8]:
    """Blue below, orange above, and the colour of night between, as dark on both sides."""
    half = STEPS // 2
    below = _palette([(88, 22, 245), (66, 52, 265), (36, 46, 280), (9, 6, 280)], half)
    above = _palette([(9, 6, 40), (36, 46, 42), (66, 60, 58), (88, 38, 80)], half)
    return np.concatenate([below, above])


RADIANCE: Final[NDArray[np.uint8]] = _palette(
    [
        (0, 0, 40),
        (14, 24, 42),
        (30, 46, 46),
        (48, 62, 54),
        (66, 72, 66),
        (82, 70, 78),
        (92, 44, 90),
        (99, 4, 98),
    ]
)
"""Black through amber to white, shape (256, 3), sRGB."""

DIFFERENCE: Final[NDArray[np.uint8]] = _diverging()
"""Blue where too little light was predicted, dark where right, orange where too much; shape (256, 3)."""


def _stops(palette: NDArray[np.uint8]) -> list[list[Any]]:
    chosen = np.rint(np.linspace(0, STEPS - 1, 33)).astype(int)
    return [[float(index / (STEPS - 1)), "rgb({},{},{})".format(*palette[index])] for index in chosen]


RADIANCE_STOPS: Final = _stops(RADIANCE)
"""The radiance palette as a Plotly colour scale."""

DIFFERENCE_STOPS: Final = _stops(DIFFERENCE)
"""The difference palette as a Plotly colour scale."""


def role_colour(role: str) -> str:
    """The colour of a role, or a plain grey for anything else."""
    return next((colour for name, colour in ROLE_COLOURS.items() if name == role), NO_ROLE_COLOUR)


def css_gradient(palette: NDArray[np.uint8]) -> str:
    """The palette as a CSS gradient from left to right, for legends."""
    colours = (palette[index] for index in np.rint(np.linspace(0, STEPS - 1, 17)).astype(int))
    return f"linear-gradient(90deg,{','.join('#{:02x}{:02x}{:02x}'.format(*colour) for colour in colours)})"


def radiance_to_unit(
    radiance: ArrayLike, low: float = RADIANCE_LOW, high: float = RADIANCE_HIGH, logarithmic: bool = True
) -> NDArray[np.float64]:
    """Position of radiance in the palette: 0 at ``low`` and below, 1 at ``high`` and above.

    Parameters
    ----------
    radiance:
        In nW/cm2/sr, any shape; NaN stays NaN.
    low, high:
        Ends of the palette in nW/cm2/sr.
    logarithmic:
        Equal ratios, not equal differences, look equal: light spans four decades.

    Raises
    ------
    SettingsError
        When ``low`` is not below ``high``, or not above 0 on a logarithmic scale.
    """
    if not (np.isfinite(low) and np.isfinite(high) and low < high) or (logarithmic and low <= 0):
        raise SettingsError(
            f"A palette cannot reach from {low:g} to {high:g} nW/cm²/sr.",
            "Choose a lower end below the upper end, above 0 on the logarithmic scale.",
        )
    values = np.asarray(radiance, dtype=np.float64)
    if logarithmic:
        unit = np.log(np.maximum(values, low) / low) / np.log(high / low)
    else:
        unit = (values - low) / (high - low)
    limited: NDArray[np.float64] = np.clip(unit, 0.0, 1.0)
    return limited


def difference_to_unit(difference: ArrayLike, limit: float) -> NDArray[np.float64]:
    """Position of a difference in the palette: 0.5 at zero, 0 and 1 at ``limit`` on either side.

    Parameters
    ----------
    difference:
        In nW/cm2/sr, any shape; NaN stays NaN.
    limit:
        Largest difference shown apart, in nW/cm2/sr, above 0.
    """
    if not (np.isfinite(limit) and limit > 0):
        raise SettingsError(f"A difference palette cannot end at {limit:g} nW/cm²/sr.", "Choose more than 0.")
    unit: NDArray[np.float64] = np.clip(np.asarray(difference, np.float64) / (2 * limit) + 0.5, 0.0, 1.0)
    return unit
