"""Exports: images and tables to Cloud Storage, to Drive or into assets, as the service does it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import answers, image_files, tfrecords
from .assets import Assets
from .failures import ServiceError, invalid
from .faults import Faults
from .operations import Operation, Operations
from .rasters import ArrayRaster
from .requests import MAXIMUM_EXPORT_PIXELS, check_name, known_fields, number, stated_grid
from .storage import StorageEmulator
from .values import Collection, EarthImage, Feature, Grid, render

Files = Iterator[tuple[str, bytes]]
"""What follows the prefix in the name of a file, and its content."""

_COMMON = ("expression", "description", "requestId", "workloadTag", "priority", "maxWorkers")
_OPTIONS = {
    "GEO_TIFF": "geoTiffOptions",
    "TF_RECORD_IMAGE": "tfRecordOptions",
}


class Exports:
    """Starts exports.

    Parameters
    ----------
    evaluate:
        Gives the value of an expression.
    drive:
        Folder that stands for the user's Drive; nothing can go there where it is None.
    """

    def __init__(
        self,
        evaluate: Callable[[Any], Any],
        operations: Operations,
        assets: Assets,
        storage: StorageEmulator,
        faults: Faults,
        drive: Path | None,
    ) -> None:
        self._evaluate = evaluate
        self._operations = operations
        self._assets = assets
        self._storage = storage
        self._faults = faults
        self._drive = drive

    def image(self, call: Any) -> dict[str, Any]:
        """``image:export``."""
        body = call.body
        known_fields(
            body, (*_COMMON, "fileExportOptions", "assetExportOptions", "maxPixels", "grid"), "request"
        )
        image = self._evaluate(body.get("expression"))
        if not isinstance(image, EarthImage):
            raise invalid("Invalid value at 'expression': an image is expected.")
        grid = stated_grid(body["expression"], image)
        limit = int(number((body.get("maxPixels") or {}).get("value", MAXIMUM_EXPORT_PIXELS), "maxPixels"))
        if grid.width * grid.height > limit:
            raise invalid(
                f"Export too large: specified {grid.width * grid.height} pixels (max: {limit}). Specify "
                "higher maxPixels value if you intend to export a large area."
            )
        if "assetExportOptions" in body:
            return self._to_asset(call, image, grid)
        options = body.get("fileExportOptions") or {}
        known_fields(
            options,
            ("fileFormat", "cloudStorageDestination", "driveDestination", *_OPTIONS.values()),
            "file_export_options",
        )
        kind = options.get("fileFormat")
        if kind not in _OPTIONS:
            raise invalid(f"This server exports images as {', '.join(_OPTIONS)}, not {kind}.")
        made: Callable[[Operation], Files]
        if kind == "GEO_TIFF":
            files = image_files.GeoTiffFiles.from_options(options.get("geoTiffOptions") or {})
            made = lambda operation: files.make(image, grid, operation.report)  # noqa: E731
        else:
            patches = image_files.PatchFiles.from_options(options.get("tfRecordOptions") or {})
            made = lambda operation: patches.make(image, grid, operation.report)  # noqa: E731
        return self._to_files(call, "EXPORT_IMAGE", options, made)

    def table(self, call: Any) -> dict[str, Any]:
        """``table:export``."""
        body = call.body
        known_fields(body, (*_COMMON, "fileExportOptions", "selectors", "maxVertices"), "request")
        options = body.get("fileExportOptions") or {}
        known_fields(
            options, ("fileFormat", "cloudStorageDestination", "driveDestination"), "file_export_options"
        )
        if options.get("fileFormat") != "TF_RECORD_TABLE":
            raise invalid(f"This server exports tables as TF_RECORD_TABLE, not {options.get('fileFormat')}.")
        table = self._evaluate(body.get("expression"))
        if not isinstance(table, Collection) or table.images:
            raise invalid("Invalid value at 'expression': a FeatureCollection is expected.")
        selectors = body.get("selectors")

        def made(operation: Operation) -> Files:
            yield ".tfrecord.gz", table_records(table.all(), selectors, operation.report)

        return self._to_files(call, "EXPORT_FEATURES", options, made)

    def _to_asset(self, call: Any, image: EarthImage, grid: Grid) -> dict[str, Any]:
        options = call.body["assetExportOptions"]
        known_fields(
            options,
            ("earthEngineDestination", "pyramidingPolicy", "pyramidingPolicyOverrides", "tileSize"),
            "asset_export_options",
        )
        destination = options.get("earthEngineDestination") or {}
        name, overwrite = check_name(destination.get("name")), bool(destination.get("overwrite"))
        self._assets.check_free(name, overwrite=overwrite)

        def work(operation: Operation) -> list[str]:
            self._refuse_if_full()
            pixels = render(image, grid)
            operation.report(0.5)
            arrays = {band: values for band, (values, _) in pixels.items()}
            masks = {band: mask for band, (_, mask) in pixels.items()}
            properties = {
                key: answers.to_json(one)
                for key, one in image.properties.items()
                if not key.startswith("system:") and key != "id"
            }
            raster = ArrayRaster(arrays, grid.projection, masks)
            self._assets.put_image(name, raster, {"properties": properties}, overwrite=overwrite)
            return [f"https://code.earthengine.google.com/?asset={name}"]

        return self._operations.start(call.project, "EXPORT_IMAGE", call.body, work).to_json()

    def _to_files(
        self, call: Any, kind: str, options: Mapping[str, Any], made: Callable[[Operation], Files]
    ) -> dict[str, Any]:
        put, uri = self._destination(options)

        def work(operation: Operation) -> list[str]:
            self._refuse_if_full()
            for ending, content in made(operation):
                put(ending, content)
            return [uri]

        return self._operations.start(call.project, kind, call.body, work).to_json()

    def _destination(self, options: Mapping[str, Any]) -> tuple[Callable[[str, bytes], None], str]:
        if "cloudStorageDestination" in options:
            cloud = options["cloudStorageDestination"]
            known_fields(
                cloud,
                ("bucket", "filenamePrefix", "permissions", "bucketCorsUris"),
                "cloud_storage_destination",
            )
            bucket, prefix = cloud.get("bucket"), cloud.get("filenamePrefix")
            if not bucket or not prefix:
                raise invalid("A bucket and a filenamePrefix are needed.")
            folder = prefix.rpartition("/")[0]
            return (
                lambda ending, content: self._storage.put(bucket, prefix + ending, content),
                f"https://console.developers.google.com/storage/browser/{bucket}/{folder}",
            )
        if "driveDestination" in options:
            drive = options["driveDestination"]
            known_fields(drive, ("folder", "filenamePrefix"), "drive_destination")
            if self._drive is None:
                raise invalid("This server has no Drive: start it with a folder for its state.")
            folder = self._drive / Path(drive.get("folder") or "").name
            prefix = Path(drive.get("filenamePrefix") or "export").name

            def put(ending: str, content: bytes) -> None:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / (prefix + ending)).write_bytes(content)

            return put, f"https://drive.google.com/#folders/{folder.name}"
        raise invalid("A destination is needed: cloudStorageDestination or driveDestination.")

    def _refuse_if_full(self) -> None:
        if self._faults.full:
            raise ServiceError(400, "Quota exceeded: there is no space left to write the files.")


def table_records(
    features: list[Feature], selectors: list[str] | None, report: Callable[[float], None]
) -> bytes:
    """One ``Example`` a feature, its properties as lists of floats; what is null is left out."""

    def records() -> Iterator[bytes]:
        for index, feature in enumerate(features):
            report(index / len(features))
            chosen = selectors or [name for name in feature.properties if name != "system:index"]
            values = {name: feature.properties.get(name) for name in chosen if name not in (".geo",)}
            yield tfrecords.example(
                {name: value for name, value in values.items() if value is not None and np.size(value)}
            )

    return tfrecords.write(records(), compressed=True)
