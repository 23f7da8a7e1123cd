"""Ingestion of images: files of a bucket become an asset."""

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import tfrecords
from .assets import Assets
from .failures import ServiceError, invalid
from .faults import Faults
from .operations import Operation, Operations
from .rasters import ArrayRaster
from .requests import check_name, known_fields
from .storage import StorageEmulator
from .values import Projection

_MANIFEST = (
    "name",
    "tilesets",
    "bands",
    "maskBands",
    "footprint",
    "missingData",
    "pyramidingPolicy",
    "uriPrefix",
    "startTime",
    "endTime",
    "properties",
    "memo",
)
_GS = re.compile(r"gs://([^/]+)/(.+)")


class Imports:
    """Starts ingestions."""

    def __init__(
        self, operations: Operations, assets: Assets, storage: StorageEmulator, faults: Faults
    ) -> None:
        self._operations = operations
        self._assets = assets
        self._storage = storage
        self._faults = faults

    def image(self, call: Any) -> dict[str, Any]:
        """``image:import``: one tileset, of one GeoTIFF or of TFRecord files with their mixer."""
        body = call.body
        known_fields(
            body, ("imageManifest", "requestId", "description", "overwrite", "workloadTag", "mode"), "request"
        )
        manifest = body.get("imageManifest") or {}
        known_fields(manifest, _MANIFEST, "image_manifest")
        name, overwrite = check_name(manifest.get("name")), bool(body.get("overwrite"))
        self._assets.check_free(name, overwrite=overwrite)
        files = _files(manifest)

        def work(operation: Operation) -> list[str]:
            if self._faults.full:
                raise ServiceError(400, "Asset storage quota exceeded.")
            contents = []
            for index, (bucket, path) in enumerate(files):
                contents.append(self._storage.get(bucket, path))
                operation.report((index + 1) / (len(files) + 2))
            raster = _renamed(_read(contents), manifest)
            operation.report(0.9)
            self._assets.put_image(name, raster, manifest, overwrite=overwrite)
            return [f"https://code.earthengine.google.com/?asset={name}"]

        described = {**body, "description": body.get("description") or f'Ingest image: "{name}"'}
        return self._operations.start(call.project, "INGEST_IMAGE", described, work).to_json()


def _files(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    tilesets = manifest.get("tilesets") or []
    if len(tilesets) != 1:
        raise invalid("This server ingests exactly one tileset.")
    known_fields(tilesets[0], ("id", "sources", "dataType", "crs", "subdatasetPrefix"), "tileset")
    sources = tilesets[0].get("sources") or []
    if len(sources) != 1 or not sources[0].get("uris"):
        raise invalid("This server ingests exactly one source with its 'uris'.")
    prefix = manifest.get("uriPrefix") or ""
    files = []
    for uri in sources[0]["uris"]:
        matched = _GS.fullmatch(prefix + uri)
        if not matched:
            raise invalid(f"Invalid Cloud Storage URI: '{prefix + uri}'.")
        files.append((matched.group(1), matched.group(2)))
    return files


def _read(contents: list[bytes]) -> ArrayRaster:
    if contents[0][:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _geotiff(contents[0])
    mixers = [content for content in contents if content.lstrip().startswith(b"{")]
    if len(mixers) != 1:
        raise invalid("TFRecord files need one mixer file, a JSON sidecar, beside them.")
    return _patches([content for content in contents if content is not mixers[0]], json.loads(mixers[0]))


def _geotiff(content: bytes) -> ArrayRaster:
    from rasterio.io import MemoryFile

    with MemoryFile(content) as memory, memory.open() as file:
        if file.crs is None:
            raise invalid("Could not determine the coordinate reference system of the file.")
        names = [text or f"b{index}" for index, text in enumerate(file.descriptions, 1)]
        arrays = {name: file.read(index) for index, name in enumerate(names, 1)}
        masks = {name: file.read_masks(index) > 0 for index, name in enumerate(names, 1)}
        transform = tuple(float(one) for one in tuple(file.transform)[:6])
        return ArrayRaster(arrays, Projection(f"EPSG:{file.crs.to_epsg()}", transform), masks)  # type: ignore[arg-type]


def _patches(contents: list[bytes], mixer: Mapping[str, Any]) -> ArrayRaster:
    width, height = mixer["patchDimensions"]
    across = int(mixer["patchesPerRow"])
    try:
        patches = [tfrecords.floats(record) for content in contents for record in tfrecords.read(content)]
    except ValueError as error:
        raise invalid(str(error)) from None
    if len(patches) != int(mixer["totalPatches"]):
        raise invalid(f"The mixer says {mixer['totalPatches']} patches, the files hold {len(patches)}.")
    down = -(-len(patches) // across)
    arrays = {name: np.zeros((down * height, across * width), np.float32) for name in sorted(patches[0])}
    for index, patch in enumerate(patches):
        row, column = divmod(index, across)
        for name, array in arrays.items():
            if name not in patch or patch[name].size != width * height:
                raise invalid(f"Patch {index} does not hold {width * height} values of band '{name}'.")
            array[row * height : (row + 1) * height, column * width : (column + 1) * width] = patch[
                name
            ].reshape(height, width)
    projection = mixer["projection"]
    return ArrayRaster(arrays, Projection(projection["crs"], tuple(projection["affine"]["doubleMatrix"])))


def _renamed(raster: ArrayRaster, manifest: Mapping[str, Any]) -> ArrayRaster:
    """The bands that the manifest names, in its order, and its missing data masked."""
    names = list(raster.arrays)
    masks = dict(raster.mask) if isinstance(raster.mask, Mapping) else {}
    arrays, valid = {}, {}
    bands = manifest.get("bands") or [{"id": name, "tilesetBandIndex": i} for i, name in enumerate(names)]
    for band in bands:
        known_fields(band, ("id", "tilesetId", "tilesetBandIndex", "missingData", "pyramidingPolicy"), "band")
        index = int(band.get("tilesetBandIndex", 0))
        if index >= len(names):
            raise invalid(f"Band '{band['id']}': the file has no band with index {index}.")
        source = names[index]
        array = raster.arrays[source]
        mask = masks.get(source, np.ones(array.shape, bool))
        missing = (band.get("missingData") or manifest.get("missingData") or {}).get("values") or []
        for value in missing:
            mask = mask & ~(np.isnan(array) if np.isnan(float(value)) else array == float(value))
        arrays[band["id"]], valid[band["id"]] = array, mask
    return ArrayRaster(arrays, raster.projection, valid)
