"""The layers of a prediction as the map draws them, with their legends."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import folium
import numpy as np
import streamlit as st

from nightlights import cog
from nightlights.interface.gallery import composites
from nightlights.interface.legends import band_legends, difference_legend, nice_limit, radiance_legend
from nightlights.interface.map_parts import SIMULATED, Legend, MapLayer
from nightlights.interface.tiles import COMPOSITE_LAYERS, tile_url, version_of
from nightlights.manifests import PredictionRecord
from nightlights.names import suggested_name
from nightlights.palettes import AMBER

Side = Literal["left", "right"]
Kind = Literal["composite", "radiance", "difference"]

RADIANCE_LAYERS: dict[str, tuple[str, Kind]] = {
    "viirs": ("VIIRS", "radiance"),
    "prediction": ("Predicted", "radiance"),
    "sharpened": ("Sharpened", "radiance"),
    "observed": ("Predicted, as VIIRS sees it", "radiance"),
    "difference": ("Difference", "difference"),
    "uncertainty": ("Uncertainty", "radiance"),
    "lower": ("Lower bound", "radiance"),
    "upper": ("Upper bound", "radiance"),
    "truth": ("Truth", "radiance"),
}
"""Key in the prediction's record to title and kind."""


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """Something that the map can show: ``layer`` is the file's key in the prediction's record."""

    title: str
    layer: str
    kind: Kind


def layer_choices(record: PredictionRecord) -> dict[str, LayerChoice]:
    """What the map can show of ``record``, by title: daytime composites first, then radiance."""
    choices = [
        LayerChoice(title, "daytime", "composite")
        for title in (composites(record.bands) if "daytime" in record.layers else {})
    ]
    choices += [
        LayerChoice(title, layer, kind)
        for layer, (title, kind) in RADIANCE_LAYERS.items()
        if layer in record.layers
    ]
    return {choice.title: choice for choice in choices}


@st.cache_data(max_entries=64, show_spinner=False)
def difference_limit(path: str, stamp: str) -> float:
    """Where the palette of differences ends: 98 % of the pixels of the raster lie within, nW/cm2/sr.

    ``stamp`` (when it was made) tells a new raster from an older one at the same path.
    """
    difference = cog.read(Path(path))
    known = np.abs(difference[np.isfinite(difference)])
    return nice_limit(float(np.percentile(known, 98)) if known.size else 1.0)


def map_layer(
    choice: LayerChoice, record: PredictionRecord, limit: float, opacity: float, side: Side | None
) -> MapLayer:
    """The layer as the map draws it; ``side`` is that of the swipe."""
    address = choice.layer
    if choice.kind == "composite":
        # A raster with bands of its own is drawn under the name of the first composite.
        address = slug if (slug := suggested_name(choice.title)) in COMPOSITE_LAYERS else "true-colour"
    url = tile_url(
        "prediction",
        record.name,
        address,
        version=version_of(record),
        limit=limit if choice.kind == "difference" else None,
    )
    bounds = record.window.window.bounds
    smooth = choice.kind == "composite"
    said = SIMULATED if record.source.simulated else ""
    return MapLayer(choice.title, url, bounds, opacity=opacity, side=side, smooth=smooth, attribution=said)


def legend_of(choice: LayerChoice, record: PredictionRecord, limit: float) -> list[Legend]:
    """The legend of one layer; a colour composite needs none."""
    if choice.kind == "composite":
        return band_legends(record.bands, [choice.title])
    if choice.kind == "difference":
        return [difference_legend(limit)]
    width = choice.layer == "uncertainty"
    return [radiance_legend("Width of the 90 % interval" if width else "Radiance")]


def clicked_point(answer: Mapping[str, Any] | None) -> tuple[float, float] | None:
    """(longitude, latitude) in degrees of the last click on the map, or None."""
    click = answer.get("last_clicked") if answer else None
    return (float(click["lng"]), float(click["lat"])) if click else None


def mark(point: tuple[float, float] | None) -> folium.FeatureGroup:
    """A dot at (longitude, latitude), or nothing."""
    group = folium.FeatureGroup(name="point", control=False)
    if point:
        style = {"color": "#ffffff", "weight": 2, "fill_color": AMBER, "fill_opacity": 0.9}
        folium.CircleMarker((point[1], point[0]), radius=6, interactive=False, **style).add_to(group)
    return group


def outline_of(bounds: tuple[float, float, float, float]) -> dict[str, Any]:
    """The rectangle (west, south, east, north) as a GeoJSON geometry."""
    west, south, east, north = bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def viirs_layer(
    dataset: str,
    region: str,
    version: str,
    bounds: tuple[float, float, float, float],
    *,
    simulated: bool,
) -> MapLayer:
    """VIIRS of a region of a dataset, to look at before anything was predicted."""
    url = tile_url("dataset", dataset, "viirs", version=version, region=region)
    return MapLayer("VIIRS", url, bounds, attribution=SIMULATED if simulated else "")
