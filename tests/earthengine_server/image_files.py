"""The files of an exported image: GeoTIFF, or TFRecord patches with their mixer."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import tfrecords
from .failures import invalid
from .pixels import geotiff
from .requests import known_fields, number
from .values import EarthImage, Grid, render

Report = Callable[[float], None]
DEFAULT_FILE_BYTES = 1024**3
"""Size, in bytes, after which a TFRecord export goes on in the next file."""


@dataclass(frozen=True)
class GeoTiffFiles:
    """Options of a GeoTIFF export; ``tile`` is the (width, height) of a file in pixels."""

    cloud_optimized: bool
    nodata: float | None
    tile: tuple[int, int] | None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "GeoTiffFiles":
        known_fields(
            options,
            ("cloudOptimized", "noData", "tileDimensions", "skipEmptyFiles", "tileSize"),
            "geo_tiff_options",
        )
        nodata = (options.get("noData") or {}).get("floatValue")
        tile = _dimensions(options, "tileDimensions")
        shard = int((options.get("tileSize") or {}).get("value", 256))
        if tile and any(side % shard for side in tile):
            raise invalid(f"fileDimensions must be a multiple of shardSize ({shard}).")
        return cls(bool(options.get("cloudOptimized")), None if nodata is None else float(nodata), tile)

    def make(self, image: EarthImage, grid: Grid, report: Report) -> Iterator[tuple[str, bytes]]:
        """One file, or one for each part where the image is larger than a file may be."""
        width, height = self.tile or (grid.width, grid.height)
        parts = [
            (row, column) for row in range(0, grid.height, height) for column in range(0, grid.width, width)
        ]
        for index, (row, column) in enumerate(parts):
            part = grid.part(column, row, min(width, grid.width - column), min(height, grid.height - row))
            content = geotiff(
                render(image, part), part, nodata=self.nodata, cloud_optimized=self.cloud_optimized
            )
            yield (f"-{row:010d}-{column:010d}.tif" if len(parts) > 1 else ".tif"), content
            report((index + 1) / len(parts))


@dataclass(frozen=True)
class PatchFiles:
    """Options of a TFRecord export.

    Attributes
    ----------
    patch:
        (width, height) in pixels of the patches that tile the image.
    margin:
        Pixels (left and right, above and below) that a patch holds beyond: half of ``kernelSize``.
    default:
        Value of masked pixels.
    """

    patch: tuple[int, int]
    margin: tuple[int, int]
    compressed: bool
    file_bytes: int
    default: float

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "PatchFiles":
        known_fields(
            options,
            ("tileDimensions", "marginDimensions", "compress", "maxSizeBytes", "defaultValue"),
            "tf_record_options",
        )
        kernel = _dimensions(options, "marginDimensions") or (1, 1)
        size = number((options.get("maxSizeBytes") or {}).get("value", DEFAULT_FILE_BYTES), "maxSizeBytes")
        return cls(
            _dimensions(options, "tileDimensions") or (256, 256),
            (kernel[0] // 2, kernel[1] // 2),
            bool(options.get("compress")),
            int(size),
            float(number(options.get("defaultValue", 0), "defaultValue")),
        )

    def make(self, image: EarthImage, grid: Grid, report: Report) -> Iterator[tuple[str, bytes]]:
        """The patches row by row, then the mixer; what fills no whole patch is left out."""
        columns, rows = grid.width // self.patch[0], grid.height // self.patch[1]
        if not columns or not rows:
            raise invalid("The region is smaller than one patch.")
        waiting: list[bytes] = []
        count = files = size = 0
        for row in range(rows):
            for column in range(columns):
                record = tfrecords.example(self._patch(image, grid, column, row))
                if waiting and size + len(record) > self.file_bytes:
                    yield self._file(files, waiting)
                    waiting, files, size = [], files + 1, 0
                waiting.append(record)
                size += len(record)
                count += 1
                report(count / (rows * columns))
        yield self._file(files, waiting)
        mixer = {
            "projection": {"crs": grid.crs, "affine": {"doubleMatrix": list(grid.transform)}},
            "patchDimensions": list(self.patch),
            "patchesPerRow": columns,
            "totalPatches": rows * columns,
        }
        yield "mixer.json", json.dumps(mixer).encode()

    def _patch(self, image: EarthImage, grid: Grid, column: int, row: int) -> dict[str, NDArray[Any]]:
        (width, height), (across, down) = self.patch, self.margin
        part = grid.part(column * width - across, row * height - down, width + 2 * across, height + 2 * down)
        return {
            name: np.where(mask, values, self.default) for name, (values, mask) in render(image, part).items()
        }

    def _file(self, index: int, records: list[bytes]) -> tuple[str, bytes]:
        ending = ".tfrecord.gz" if self.compressed else ".tfrecord"
        return f"{index:05d}{ending}", tfrecords.write(records, compressed=self.compressed)


def _dimensions(options: Mapping[str, Any], name: str) -> tuple[int, int] | None:
    given = options.get(name)
    if not given:
        return None
    width, height = int(number(given.get("width"), name)), int(number(given.get("height"), name))
    if width < 1 or height < 1:
        raise invalid(f"Invalid value at '{name}'.")
    return width, height
