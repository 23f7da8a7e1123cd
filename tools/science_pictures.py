"""The pictures of docs/science.md: ``python tools/science_pictures.py [docs/images]``.

Every picture is drawn from the code that it explains: grid, operator, transforms and sharpening.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.ensemble import HistGradientBoostingRegressor

from nightlights import palettes
from nightlights.bands import RadianceTransform
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.noise import SIMULATED, Noise
from nightlights.observation import ObservationOperator, PointSpread, footprint_weights
from nightlights.sharpening import sharpen
from nightlights.sharpening.interpolation import bicubic, bilinear
from nightlights.sources.simulated import SimulatedSource

INK, GREY, PAPER = "#1b2233", "#9aa4b8", "#ffffff"
LINES = ("#d17a00", "#1f77d0", "#c2308f", "#2a9d5c")
SCALE = 2
"""Drawn at twice the size and brought down, for smooth lines."""

TOWN = Window(52_028, 18_293, 18, 18)
"""A part of Nairobi, a validation city."""
TAUGHT = Window(44_976, 15_812, 30, 30)
"""A part of Abuja, another one, that the prior of the picture is fitted to."""
PLANET = 1

Points = NDArray[np.float64]


class Sheet:
    """A white sheet of paper; places and sizes in pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.image = Image.new("RGB", (SCALE * width, SCALE * height), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def text(self, x: float, y: float, words: str, anchor: str = "lm", size: int = 13) -> None:
        """Words beside a point; ``anchor`` as in Pillow."""
        font = ImageFont.load_default(SCALE * size)
        self.draw.text((SCALE * x, SCALE * y), words, fill=INK, font=font, anchor=anchor)

    def line(self, points: Sequence[tuple[float, float]], colour: str = INK, width: float = 1) -> None:
        """A line through points."""
        places = [(SCALE * x, SCALE * y) for x, y in points]
        self.draw.line(places, fill=colour, width=round(SCALE * width))

    def paste(self, colours: NDArray[np.uint8], x: int, y: int, side: int) -> None:
        """An image of shape (rows, columns, 3) in a square."""
        tile = Image.fromarray(colours).resize((SCALE * side, SCALE * side), Image.Resampling.NEAREST)
        self.image.paste(tile, (SCALE * x, SCALE * y))

    def bar(self, x: int, y: int, width: int, labels: Sequence[str], title: str) -> None:
        """The radiance palette from left to right."""
        strip = palettes.RADIANCE[np.linspace(0, len(palettes.RADIANCE) - 1, SCALE * width).astype(int)]
        band = Image.fromarray(np.repeat(strip[None], SCALE * 12, axis=0))
        self.image.paste(band, (SCALE * x, SCALE * y))
        for index, label in enumerate(labels):
            self.text(x + width * index / (len(labels) - 1), y + 22, label, "mm", 12)
        self.text(x + width / 2, y - 10, title, "mm", 12)

    def save(self, path: Path) -> None:
        """Write the picture, few colours and small."""
        picture = self.image.resize(self.size, Image.Resampling.LANCZOS)
        picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def chart(
    curves: Sequence[tuple[str, Points, Points]],
    across: tuple[str, Sequence[tuple[float, str]]],
    up: tuple[str, Sequence[tuple[float, str]]],
    title: str,
) -> Sheet:
    """Curves (name, x, y) over axes (title, marks (value, label)); the marks set the range."""
    sheet, left, right, top, bottom = Sheet(720, 380), 80, 520, 40, 320
    low_x, high_x = across[1][0][0], across[1][-1][0]
    low_y, high_y = up[1][0][0], up[1][-1][0]

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (right - left) * (x - low_x) / (high_x - low_x),
            bottom - (bottom - top) * (y - low_y) / (high_y - low_y),
        )

    sheet.text(left, 18, title, size=14)
    for value, label in across[1]:
        sheet.line([place(value, low_y), place(value, high_y)], "#e3e7ee")
        sheet.text(place(value, low_y)[0], bottom + 14, label, "mm", 12)
    for value, label in up[1]:
        sheet.line([place(low_x, value), place(high_x, value)], "#e3e7ee")
        sheet.text(left - 8, place(low_x, value)[1], label, "rm", 12)
    sheet.text((left + right) / 2, bottom + 38, across[0], "mm")
    sheet.text(12, 36, up[0], size=12)
    for index, (name, x, y) in enumerate(curves):
        colour = LINES[index]
        sheet.line([place(a, b) for a, b in zip(x, y, strict=True)], colour, 2)
        sheet.line([(540, 70 + 26 * index), (566, 70 + 26 * index)], colour, 3)
        sheet.text(574, 70 + 26 * index, name, size=12)
    return sheet


def grid_picture() -> Sheet:
    """Seven by seven VIIRS pixels, the analysis pixels of the middle one, and its footprint."""
    window = Window(TOWN.column, TOWN.row, 7, 7)
    one = np.zeros(window.shape)
    one[3, 3] = 1
    weights = ObservationOperator(window).adjoint(one)
    sheet, side, x, y = Sheet(720, 500), 448, 20, 36
    shade = palettes.RADIANCE[(255 * weights / weights.max()).astype(int)]
    sheet.text(x, 18, "One footprint on the nested grid, at the equator", size=14)
    sheet.paste(shade, x, y, side)
    for index in range(8):
        place = index * side / 7
        sheet.line([(x + place, y), (x + place, y + side)], GREY)
        sheet.line([(x, y + place), (x + side, y + place)], GREY)
    middle, step = 3 * side / 7, side / 7 / FINE_PER_VIIRS
    for index in range(FINE_PER_VIIRS + 1):
        place = middle + index * step
        sheet.line([(x + place, y + middle), (x + place, y + middle + side / 7)], "#5a6478", 0.5)
        sheet.line([(x + middle, y + place), (x + middle + side / 7, y + place)], "#5a6478", 0.5)
    for index, words in enumerate(
        (
            "grey squares: VIIRS pixels,",
            "15 arc-seconds (464 m)",
            "fine lines: the 16 x 16 analysis",
            "pixels of the middle one (29 m)",
            "colour: the share of the footprint",
            "of the middle pixel that each",
            "analysis pixel has",
        )
    ):
        sheet.text(490, 60 + 24 * index, words)
    top = 100 * float(weights.max())
    sheet.bar(500, 290, 190, ["0", f"{top / 2:.3f}", f"{top:.3f}"], "share of the footprint, %")
    return sheet


def operator_picture() -> Sheet:
    """Weights east-west at several latitudes."""
    curves = []
    for latitude in (0, 30, 45, 60):
        weights = footprint_weights(PointSpread().sigma_columns(latitude))
        x = (np.arange(len(weights)) - (len(weights) - 1) / 2) / FINE_PER_VIIRS
        kept = np.abs(x) <= 4
        curves.append((f"latitude {latitude}°", x[kept], 100 * weights[kept]))
    marks = [(float(value), str(value)) for value in range(-4, 5)]
    steps = [(0.0, "0"), (1.0, "1"), (2.0, "2"), (3.0, "3"), (4.0, "4")]
    across = ("distance east-west from the pixel's centre, VIIRS pixels", marks)
    return chart(curves, across, ("weight, %", steps), "Weights of analysis pixels along a row, PSF 742 m")


def transform_picture() -> Sheet:
    """The three radiance transforms."""
    radiance = np.logspace(-1, 2, 200)
    kinds: list[tuple[str, RadianceTransform]] = [
        ("linear, scale 60", RadianceTransform(kind="linear", scale=60)),
        ("square root, scale 10", RadianceTransform(kind="square root", scale=10)),
        ("inv. hyperb. sine, 5", RadianceTransform(scale=5)),
    ]
    curves = [(name, np.log10(radiance), np.asarray(kind.forward(radiance))) for name, kind in kinds]
    marks = [(-1.0, "0.1"), (0.0, "1"), (1.0, "10"), (2.0, "100")]
    steps = [(float(value), str(value)) for value in range(5)]
    across = ("radiance, nW/cm2/sr (logarithmic)", marks)
    return chart(curves, across, ("", steps), "Transformed radiance (no unit)")


def sharpening_picture() -> Sheet:
    """A prior sharpened with the noise fitted, as before, and not fitted, on the simulated planet."""
    source, spread = SimulatedSource(PLANET), PointSpread()
    taught = source.daytime(TAUGHT).reshape(9, -1).T
    label = bilinear(source.nighttime(TAUGHT).astype(np.float64), TAUGHT, spread).ravel()
    trees = HistGradientBoostingRegressor(random_state=1, max_iter=60).fit(taught[::5], label[::5])
    prior = np.maximum(trees.predict(source.daytime(TOWN).reshape(9, -1).T).reshape(TOWN.fine_shape), 0)
    truth, seen = source.truth(TOWN), source.nighttime(TOWN).astype(np.float64)
    noise = Noise(share=0.1, floor=SIMULATED.floor)
    measured = seen * (1 + noise.share * np.random.default_rng(1).normal(size=seen.shape))
    believed = Noise(share=noise.share / 20, floor=noise.floor / 20)
    cubic = bicubic(measured, TOWN, spread)
    images = {
        "truth": truth,
        "VIIRS, 10 % of noise": np.kron(measured, np.ones((FINE_PER_VIIRS,) * 2)),
        "bicubic VIIRS": cubic,
        "prior: boosting on bands": prior,
        "noise fitted": sharpen(prior, measured, TOWN, spread, noise=believed),
        "noise not fitted": sharpen(prior, measured, TOWN, spread, noise=noise),
    }
    sheet, side = Sheet(680, 580), 212
    for index, (name, light) in enumerate(images.items()):
        x, y = 12 + (index % 3) * (side + 10), 52 + (index // 3) * (side + 28)
        rmse = float(np.sqrt(np.mean((np.asarray(light, np.float64) - truth) ** 2)))
        sheet.text(x, y - 10, name if index < 2 else f"{name}, RMSE {rmse:.1f}", size=12)
        shade = palettes.radiance_to_unit(light)
        sheet.paste(palettes.RADIANCE[(shade * 255).astype(int)], x, y, side)
    sheet.text(12, 18, "Simulated planet, 8.3 km of Nairobi; RMSE against the truth in nW/cm2/sr", size=14)
    sheet.bar(30, 528, 170, ["0.2", "4.5", "100"], "radiance, nW/cm2/sr (logarithmic)")
    sheet.text(250, 540, "simulated, not measured", size=12)
    return sheet


PICTURES: dict[str, Callable[[], Sheet]] = {
    "science-grid": grid_picture,
    "science-operator": operator_picture,
    "science-transforms": transform_picture,
    "science-sharpening": sharpening_picture,
}


def main(arguments: list[str]) -> int:
    """Draw all."""
    folder = Path(arguments[0] if arguments else "docs/images")
    for name, draw in PICTURES.items():
        draw().save(folder / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
