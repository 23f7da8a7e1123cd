"""Assets: folders, and images that were ingested or exported."""

import threading
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import shapely

from .failures import ServiceError, invalid, not_found
from .rasters import ArrayRaster, scene
from .records import timestamp
from .requests import known_fields

_EDITABLE = ("type", "name", "id", "properties", "startTime", "endTime", "bands", "title", "description")
_PRECISION = {"f": "FLOAT", "d": "DOUBLE"}


class Assets:
    """What lies under ``projects/PROJECT/assets``; the pixels are kept by the scenes."""

    def __init__(self, scenes: Any) -> None:
        self._scenes = scenes
        self._lock = threading.RLock()
        self._assets: dict[str, dict[str, Any]] = {}

    def names(self) -> list[str]:
        """Every asset's name."""
        with self._lock:
            return sorted(self._assets)

    def clear(self) -> None:
        """Forget every asset and its pixels."""
        with self._lock:
            for name, asset in self._assets.items():
                if asset["type"] == "IMAGE":
                    self._scenes.delete_asset(name)
            self._assets.clear()

    def method(self, method: str, path: str) -> Callable[[Any], Any] | None:
        """The method for a path under ``/assets``."""
        if ":" in path:
            return {
                "listAssets": self.list_children,
                "listImages": self.list_children,
            }.get(path.rsplit(":", 1)[1])
        return {
            "GET": lambda call: self.get(call.name),
            "DELETE": self.delete,
            "PATCH": self.patch,
        }.get(method)

    def get(self, name: str) -> dict[str, Any]:
        """An asset as the service describes it."""
        with self._lock:
            if _is_root(name):
                return {"type": "FOLDER", "name": name, "id": name, "quota": {"maxSizeBytes": "268435456000"}}
            if name not in self._assets:
                public = name.removeprefix("projects/earthengine-public/assets/")
                if public != name and self._scenes.has_collection(public):
                    return {"type": "IMAGE_COLLECTION", "name": name, "id": public}
                raise _missing(name)
            return dict(self._assets[name])

    def list_children(self, call: Any) -> dict[str, Any]:
        """Those directly within a folder."""
        parent = call.name if call.name.count("/") > 1 else f"{call.name}/assets"
        self.get(parent)
        with self._lock:
            found = [
                one for name, one in sorted(self._assets.items()) if str(PurePosixPath(name).parent) == parent
            ]
        first, size = int(call.query.get("pageToken") or 0), int(call.query.get("pageSize") or 1000)
        answer: dict[str, Any] = {"assets": found[first : first + size]}
        if first + size < len(found):
            answer["nextPageToken"] = str(first + size)
        return answer

    def create(self, call: Any) -> dict[str, Any]:
        """Make a folder or an empty collection."""
        known_fields(call.body, _EDITABLE, "asset")
        asset_id = call.query.get("assetId")
        if not asset_id:
            raise invalid("Invalid value at 'asset_id': it is missing.")
        name = f"{call.project}/assets/{urllib.parse.unquote(asset_id)}"
        kind = call.body.get("type")
        if kind not in ("FOLDER", "IMAGE_COLLECTION"):
            raise invalid(f"Asset of type {kind} cannot be created empty.")
        with self._lock:
            self.check_free(name)
            made = {**call.body, "type": kind, "name": name, "id": name, "updateTime": timestamp()}
            self._assets[name] = made
            return made

    def check_free(self, name: str, *, overwrite: bool = False) -> None:
        """Refuse a name that is taken or whose folder is not there.

        Raises
        ------
        ServiceError
            In the service's words.
        """
        with self._lock:
            if name in self._assets and not overwrite:
                raise invalid(f"Cannot overwrite asset '{name}'.")
            parent = str(PurePosixPath(name).parent)
            if not _is_root(parent) and parent not in self._assets:
                raise _missing(parent)

    def put_image(
        self, name: str, raster: ArrayRaster, asset: Mapping[str, Any], *, overwrite: bool = False
    ) -> None:
        """Keep an image under ``name``; ``asset`` holds its properties, startTime and endTime."""
        properties = dict(asset.get("properties") or {})
        with self._lock:
            self.check_free(name, overwrite=overwrite)
            height, width = raster.size
            a, b, c, d, e, f = raster.projection.transform
            grid = {
                "crsCode": raster.projection.crs,
                "dimensions": {"width": width, "height": height},
                "affineTransform": {
                    **{"scaleX": a, "shearX": b, "translateX": c},
                    **{"shearY": d, "scaleY": e, "translateY": f},
                },
            }
            image = scene(raster, {**properties, "id": name})
            assert image.geometry is not None
            self._assets[name] = {
                "type": "IMAGE",
                "name": name,
                "id": name,
                "updateTime": timestamp(),
                "sizeBytes": str(sum(array.nbytes for array in raster.arrays.values())),
                "geometry": shapely.geometry.mapping(image.geometry.shape),
                "bands": [
                    {"id": band, "dataType": {"precision": _precision(dtype)}, "grid": grid}
                    for band, dtype in raster.dtypes.items()
                ],
                "properties": properties,
                **{key: asset[key] for key in ("startTime", "endTime") if asset.get(key)},
            }
            self._scenes.put_asset(name, image, image.properties)

    def delete(self, call: Any) -> dict[str, Any]:
        """Delete an image or an empty folder."""
        name = call.name
        with self._lock:
            self.get(name)
            if any(other.startswith(name + "/") for other in self._assets):
                raise invalid(f"Asset '{name}' has children and cannot be deleted.")
            if self._assets.pop(name)["type"] == "IMAGE":
                self._scenes.delete_asset(name)
        return {}

    def patch(self, call: Any) -> dict[str, Any]:
        """Change properties or times, those that the update mask names."""
        known_fields(call.body, ("asset", "updateMask"), "request")
        given = call.body.get("asset") or {}
        known_fields(given, _EDITABLE, "asset")
        mask = call.body.get("updateMask") or {}
        paths = mask.split(",") if isinstance(mask, str) else mask.get("paths") or []
        with self._lock:
            self.get(call.name)
            asset = self._assets[call.name]
            for path in paths or [key for key in given if key in ("properties", "startTime", "endTime")]:
                field, _, key = path.partition(".")
                field = {"start_time": "startTime", "end_time": "endTime"}.get(field, field)
                if field not in ("properties", "startTime", "endTime"):
                    raise invalid(f"Field '{path}' cannot be updated.")
                if key:
                    name = key.strip('"')
                    value = (given.get(field) or {}).get(name)
                    properties = asset.setdefault(field, {})
                    properties.pop(name, None) if value is None else properties.update({name: value})
                elif given.get(field) is None:
                    asset.pop(field, None)
                else:
                    asset[field] = given[field]
            return dict(asset)


def _is_root(name: str) -> bool:
    return name.count("/") == 2 and name.endswith("/assets")


def _missing(name: str) -> ServiceError:
    return not_found(f"Asset '{name}' not found (does not exist or caller does not have access).")


def _precision(dtype: Any) -> str:
    return _PRECISION.get(np.dtype(dtype).char, "INT")
