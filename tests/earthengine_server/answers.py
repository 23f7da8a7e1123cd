"""Values as the JSON that ``value:compute`` and ``table:computeFeatures`` answer with."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import shapely

from .failures import invalid
from .values import Collection, EarthImage, Feature, Geometry, Projection

_PRECISION = {"f4": "float", "f8": "double"}
MAXIMUM_ELEMENTS = 5_000
"""Elements of a collection that one answer may hold, as in the service."""


def to_json(value: Any) -> Any:
    """What the client gets from ``getInfo``."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): to_json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(one) for one in value]
    if isinstance(value, Geometry):
        return {**shapely.geometry.mapping(value.shape), "geodesic": value.geodesic}
    if isinstance(value, Projection):
        return _projection(value)
    if isinstance(value, EarthImage):
        return _image(value)
    if isinstance(value, Feature):
        return feature(value)
    if isinstance(value, Collection):
        members = value.all()
        if len(members) > MAXIMUM_ELEMENTS:
            raise invalid(f"Collection query aborted after accumulating over {MAXIMUM_ELEMENTS} elements.")
        if value.images:
            return {"type": "ImageCollection", "bands": [], "features": [_image(one) for one in members]}
        return {"type": "FeatureCollection", "columns": {}, "features": [feature(one) for one in members]}
    raise invalid(f"This server cannot send a {type(value).__name__}.")


def feature(value: Feature) -> dict[str, Any]:
    """A GeoJSON feature; its ``system:index`` is its id."""
    properties = {key: to_json(one) for key, one in value.properties.items() if key != "system:index"}
    return {
        "type": "Feature",
        "geometry": None if value.geometry is None else shapely.geometry.mapping(value.geometry.shape),
        "id": str(value.properties.get("system:index", "0")),
        "properties": properties,
    }


def _image(image: EarthImage) -> dict[str, Any]:
    bands = []
    for band in image.bands:
        entry: dict[str, Any] = {"id": band.name, "data_type": _data_type(band.dtype)}
        if image.grid is not None:
            entry["dimensions"] = [image.grid.width, image.grid.height]
            entry.update(_projection(image.grid.projection))
        else:
            entry.update(_projection(band.projection))
        entry.pop("type")
        bands.append(entry)
    properties = {key: to_json(one) for key, one in image.properties.items() if key != "id"}
    answer: dict[str, Any] = {"type": "Image", "bands": bands}
    if image.properties.get("id"):
        answer["id"] = image.properties["id"]
    if properties:
        answer["properties"] = properties
    return answer


def _projection(projection: Projection) -> dict[str, Any]:
    return {
        "type": "Projection",
        "crs": projection.crs,
        "crs_transform": [to_json(one) for one in projection.transform],
    }


def _data_type(dtype: np.dtype[Any]) -> dict[str, Any]:
    if dtype.kind == "f":
        return {"type": "PixelType", "precision": _PRECISION[dtype.str[1:]]}
    limits = np.iinfo(np.uint8 if dtype.kind == "b" else dtype)
    return {"type": "PixelType", "precision": "int", "min": int(limits.min), "max": int(limits.max)}
