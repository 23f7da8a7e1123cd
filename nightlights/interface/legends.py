"""Legends: which colour means which value, for the map and for pictures outside it."""

from collections.abc import Sequence
from html import escape

import numpy as np

from nightlights.bands import COMPOSITES, RADIANCE_UNIT, Band
from nightlights.interface.map_parts import Legend
from nightlights.palettes import (
    DIFFERENCE,
    RADIANCE,
    RADIANCE_HIGH,
    RADIANCE_LOW,
    css_gradient,
    difference_to_unit,
    radiance_to_unit,
)

_RADIANCE_TICKS = (1.0, 5.0, 20.0)
_NICE_STEPS = (1.0, 2.0, 5.0)


def nice_limit(largest: float) -> float:
    """The smallest of ..., 0.1, 0.2, 0.5, 1, 2, 5, ... that is not below ``largest``; 1 where none is."""
    if not (np.isfinite(largest) and largest > 0):
        return 1.0
    decade = float(10.0 ** np.floor(np.log10(largest)))
    return next((step * decade for step in _NICE_STEPS if step * decade >= largest * 0.999), 10 * decade)


def radiance_legend(title: str) -> Legend:
    """The legend of every layer that shows radiance."""
    ticks = [(float(radiance_to_unit(value)), f"{value:g}") for value in _RADIANCE_TICKS]
    return Legend(
        title,
        RADIANCE_UNIT,
        css_gradient(RADIANCE),
        ((0.0, f"≤{RADIANCE_LOW:g}"), *ticks, (1.0, f"≥{RADIANCE_HIGH:g}")),
        "Logarithmic: equal ratios of radiance look equally far apart.",
    )


def difference_legend(limit: float) -> Legend:
    """The legend of the difference layer, which ends at ``limit`` nW/cm2/sr on either side."""
    values = (-limit, -limit / 2, 0.0, limit / 2, limit)
    ticks = [(float(difference_to_unit(value, limit)), f"{value:+g}" if value else "0") for value in values]
    return Legend(
        "Predicted, as VIIRS would see it, minus VIIRS",
        RADIANCE_UNIT,
        css_gradient(DIFFERENCE),
        tuple(ticks),
        "Blue: too little light was predicted. Orange: too much.",
    )


def band_legends(bands: Sequence[Band], titles: Sequence[str] = tuple(COMPOSITES)) -> list[Legend]:
    """A legend for each composite of ``titles`` that is one band in grey."""
    by_name = {band.name: band for band in bands}
    legends = []
    for title in titles:
        names = COMPOSITES.get(title, ())
        if len(names) == 1 and names[0] in by_name:
            band = by_name[names[0]]
            low, high = band.display_low, band.display_high
            ticks = ((0.0, f"{low:g}"), (0.5, f"{(low + high) / 2:g}"), (1.0, f"{high:g}"))
            gradient = "linear-gradient(90deg,#000,#fff)"
            legends.append(Legend(f"{title}, band {band.name}", band.unit, gradient, ticks, band.title))
    return legends


def legend_html(legend: Legend) -> str:
    """The legend as HTML, for pictures outside a map."""
    marks = "".join(
        f'<span style="position:absolute;left:{position:.1%};transform:translateX(-{position:.0%})">'
        f"{escape(label)}</span>"
        for position, label in legend.ticks
    )
    unit = f" ({escape(legend.unit)})" if legend.unit else ""
    return (
        f'<div title="{escape(legend.help)}" style="font-size:.8rem;line-height:1.4">'
        f'<div style="opacity:.85">{escape(legend.title)}{unit}</div>'
        f'<div style="height:9px;border-radius:2px;outline:1px solid #8885;background:{legend.gradient}">'
        '</div><div style="position:relative;height:1.4em;font-variant-numeric:tabular-nums">'
        f"{marks}</div></div>"
    )
