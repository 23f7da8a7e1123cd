"""Place names on the map can be read over dark and over bright imagery, in both themes."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser
from scipy.ndimage import binary_dilation

from .server import ROOT

pytestmark = pytest.mark.browser

STYLE = (ROOT / "nightlights" / "interface" / "static" / "map.css").read_text()
SCALE = 4
"""Screen pixels of a pixel of the style sheet: strokes of letters are wider than their smoothed edges."""
LEAST_CONTRAST = 4.5
"""Of text, by WCAG 2.2, 1.4.3."""


def luminance(colour: NDArray[np.floating]) -> NDArray[np.float64]:
    """Relative luminance of sRGB from 0 to 255, shape (..., 3), by WCAG 2.2."""
    part = np.asarray(colour, np.float64) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def contrast_of_a_name(browser: Browser, theme: str, ground: str) -> float:
    """Contrast of the letters with what lies within a pixel around them."""
    context = browser.new_context(device_scale_factor=SCALE)
    page = context.new_page()
    page.set_content(
        f"<style>{STYLE} body {{ background: {ground} }} .nl-place {{ position: absolute; left: 80px }}"
        f"</style><body data-theme='{theme}'><div class='nl-place'><span>Ilorin HIT</span></div>"
    )
    name = page.locator(".nl-place span")
    said = name.evaluate("name => getComputedStyle(name).color.match(/[0-9]+/g).slice(0, 3).map(Number)")
    box = name.bounding_box()
    assert box is not None
    clip = {"x": box["x"] - 4, "y": box["y"], "width": box["width"] + 8, "height": box["height"] + 4}
    image = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"), np.float64)
    context.close()
    letters = np.abs(image - said).max(axis=-1) < 8
    assert letters.sum() > 100
    square = np.ones((3, 3), bool)
    around = binary_dilation(letters, square, SCALE) & ~binary_dilation(letters, square, SCALE // 2)
    light, dark = sorted((luminance(np.array(said)), luminance(image[around]).mean()), reverse=True)
    return float((light + 0.05) / (dark + 0.05))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["#000", "#123018", "#808080", "#fff"])
def test_names_are_read_on_any_ground(browser: Browser, theme: str, ground: str) -> None:
    assert contrast_of_a_name(browser, theme, ground) > LEAST_CONTRAST
