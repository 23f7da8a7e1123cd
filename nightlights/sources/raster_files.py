"""One of the user's raster files, warped onto the grid with missing pixels kept missing."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import rasterio.crs
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.transform import array_bounds
from rasterio.warp import reproject, transform, transform_bounds
from rasterio.windows import Window as PixelWindow

from nightlights import cog
from nightlights.errors import GridError, RasterError
from nightlights.grid import CRS, FINE_PER_DEGREE, METRES_PER_DEGREE, VIIRS_PER_DEGREE, Window

_GRID_CRS: Final = rasterio.crs.CRS.from_epsg(4326)
_AVERAGE_ABOVE: Final = 1.5
"""Average where this many of the source's pixels fit along a grid pixel's side; else interpolate."""
_LARGEST_READ: Final = 32_000_000
"""Numbers of the source read at a time: 128 MB as float32."""
_PLACEHOLDER_SIZE: Final = 1e30
"""Numbers beyond this are placeholders in any unit, tagged or not."""
_PLACEHOLDER_TAG: Final = -999.0
"""A tag from here down is a placeholder: no radiance, reflectance or temperature is as low."""


@dataclass(frozen=True)
class NodataRule:
    """Which value means missing.

    Attributes
    ----------
    value:
        Given by the user; it takes the place of the file's tag.
    ignore_tag:
        Take a tagged value as a measurement. Tags that no measurement can have (-999 and below, beyond
        1e30) still mean missing.
    """

    value: float | None = None
    ignore_tag: bool = False

    def applied(self, tag: float | None) -> float | None:
        """The value that means missing in a file with this tag."""
        if self.value is not None:
            return self.value
        return None if self.ignore_tag and tag is not None and tag > _PLACEHOLDER_TAG else tag


@dataclass(frozen=True)
class RasterFile:
    """What is known of a raster file before it is read.

    ``ceiling`` is the value, in the unit of the bands, from which on pixels are saturated and count as
    missing.
    """

    path: Path
    crs: rasterio.crs.CRS
    transform: Affine
    width: int
    height: int
    indexes: tuple[int, ...]
    names: tuple[str, ...]
    units: tuple[str, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    nodata: tuple[float | None, ...]
    tags: tuple[float | None, ...]
    masked: bool
    ceiling: float | None = None

    @classmethod
    def open(cls, path: Path, rule: NodataRule) -> "RasterFile":
        """Look at the file at ``path``; an alpha band is taken as a mask.

        Raises
        ------
        RasterError
            When it is no georeferenced raster of real numbers.
        """
        with cog.opened(path) as dataset:
            indexes = tuple(
                index
                for index, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True)
                if meaning != ColorInterp.alpha
            )
            if not indexes or any("complex" in dataset.dtypes[index - 1] for index in indexes):
                raise RasterError(f"{path} holds no band of real numbers.", "Give a raster of measurements.")
            tags = tuple(dataset.nodatavals[index - 1] for index in indexes)
            return cls(
                path=path,
                crs=dataset.crs,
                transform=dataset.transform,
                width=dataset.width,
                height=dataset.height,
                indexes=indexes,
                names=tuple(dataset.descriptions[index - 1] or "" for index in indexes),
                units=tuple(dataset.units[index - 1] or "" for index in indexes),
                scales=tuple(dataset.scales[index - 1] for index in indexes),
                offsets=tuple(dataset.offsets[index - 1] for index in indexes),
                nodata=tuple(rule.applied(tag) for tag in tags),
                tags=tags,
                masked=MaskFlags.per_dataset in dataset.mask_flag_enums[indexes[0] - 1],
            )

    @cached_property
    def cover(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in degrees of a box around the raster."""
        bounds = array_bounds(self.height, self.width, self.transform)
        west, south, east, north = transform_bounds(self.crs, _GRID_CRS, *bounds)
        # A raster across the antimeridian, or around a pole, may lie at any longitude.
        if not (math.isfinite(west) and math.isfinite(east) and west < east):
            west, east = -180.0, 180.0
        return (
            west,
            south if math.isfinite(south) else -90.0,
            east,
            north if math.isfinite(north) else 90.0,
        )

    def touches(self, window: Window) -> bool:
        """Whether the raster's cover and ``window`` overlap."""
        west, south, east, north = self.cover
        window_west, window_south, window_east, window_north = window.bounds
        return west < window_east and window_west < east and south < window_north and window_south < north

    @cached_property
    def _in_degrees(self) -> bool:
        # Looking up the code of a projection takes half a second, so it is asked for only where it may fit.
        return bool(self.crs.is_geographic) and self.crs.to_epsg() == _GRID_CRS.to_epsg()

    def on_grid(self, fine: bool) -> Window | None:
        """The raster's window where its pixels are pixels of the grid, or None."""
        if not self._in_degrees:
            return None
        try:
            return Window.from_transform(self.transform, self.height, self.width, fine=fine)
        except GridError:
            return None

    def read(
        self, pixels: PixelWindow | None = None, thinned_to: tuple[int, int] | None = None
    ) -> NDArray[np.float32]:
        """The bands of a part in their units, shape (bands, rows, columns), NaN where missing.

        ``thinned_to`` takes only so many rows and columns of it.

        Raises
        ------
        RasterError
            When the file is truncated or damaged.
        """
        with cog.opened(self.path) as dataset:
            shape = None if thinned_to is None else (len(self.indexes), *thinned_to)
            raw = dataset.read(self.indexes, window=pixels, out_shape=shape)
            mask = None
            if self.masked:
                mask = dataset.read_masks(self.indexes[0], window=pixels, out_shape=thinned_to)
        values = np.empty(raw.shape, np.float32)
        for band, (scale, offset) in enumerate(zip(self.scales, self.offsets, strict=True)):
            nodata = self.nodata[band]
            missing = np.zeros(raw[band].shape, bool) if mask is None else mask == 0
            if nodata is not None and not math.isnan(nodata):
                missing |= raw[band] == nodata
            if raw.dtype.kind == "f":
                missing |= ~(np.abs(raw[band]) < _PLACEHOLDER_SIZE)
            with np.errstate(over="ignore", invalid="ignore"):
                values[band] = raw[band] if (scale, offset) == (1, 0) else raw[band] * scale + offset
            values[band][missing] = np.nan
        if self.ceiling is not None:
            values[values >= self.ceiling] = np.nan
        return values

    def moved(self, east_m: float, north_m: float, longitude: float, latitude: float) -> "RasterFile":
        """The same raster, moved by so many metres; ``longitude`` and ``latitude`` in degrees say where."""
        away_latitude = latitude + north_m / METRES_PER_DEGREE
        away_longitude = longitude + east_m / (METRES_PER_DEGREE * math.cos(math.radians(latitude)))
        xs, ys = transform(_GRID_CRS, self.crs, [longitude, away_longitude], [latitude, away_latitude])
        offset = Affine.translation(xs[1] - xs[0], ys[1] - ys[0])
        return replace(self, transform=offset @ self.transform)

    def pixels_per_grid_pixel(self, fine: bool) -> float:
        """How many of the raster's pixels lie along the side of a grid pixel, at the raster's centre."""
        x, y = self.transform @ (self.width / 2, self.height / 2)
        (longitude,), (latitude,) = transform(self.crs, _GRID_CRS, [x], [y])
        step = 1 / (FINE_PER_DEGREE if fine else VIIRS_PER_DEGREE)
        xs, ys = transform(
            _GRID_CRS,
            self.crs,
            [longitude, longitude + step, longitude],
            [latitude, latitude, latitude + step],
        )
        corners = [~self.transform @ point for point in zip(xs, ys, strict=True)]
        (column, row), east, north = corners
        area = (east[0] - column) * (north[1] - row) - (east[1] - row) * (north[0] - column)
        return math.sqrt(abs(area))

    def on(
        self, window: Window, fine: bool, average: bool | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The raster on the pixels of ``window``.

        Where it is finer than the grid, a grid pixel is the mean of what is known in it; where it is
        coarser, it is interpolated, and missing where the nearest pixel is missing. A raster on the grid
        itself is taken as it is. ``average`` chooses means (weighted by area) or interpolation whatever its
        pixels are.

        Returns
        -------
        values, known:
            float32, shape (bands, rows, columns): values in the bands' units, NaN where nothing is known;
            and the share, 0 to 1, of each pixel that is known.
        """
        shape = window.fine_shape if fine else window.shape
        values = np.full((len(self.indexes), *shape), np.nan, np.float32)
        aligned = self.on_grid(fine)
        if aligned is not None:
            if common := aligned.intersection(window):
                inside = common.fine_slices_in if fine else common.slices_in
                values[(slice(None), *inside(window))] = self.read(PixelWindow.from_slices(*inside(aligned)))
            return values, (~np.isnan(values)).astype(np.float32)
        known = np.zeros_like(values)
        ratio = self.pixels_per_grid_pixel(fine)
        for part, pixels in self._parts(window, fine, math.ceil(2 * ratio) + 2):
            place = (slice(None), *(part.fine_slices_in(window) if fine else part.slices_in(window)))
            values[place], known[place] = self._warped(
                part, pixels, fine, ratio > _AVERAGE_ABOVE if average is None else average
            )
        return values, known

    def _parts(self, window: Window, fine: bool, margin: int) -> Iterator[tuple[Window, PixelWindow]]:
        """Parts of ``window`` with the pixels to read for each, few enough for memory.

        The pixels reach ``margin`` beyond the part, and at most as far beyond the raster.
        """
        west, south, east, north = transform_bounds(_GRID_CRS, self.crs, *window.bounds)
        if not all(map(math.isfinite, (west, south, east, north))):
            return
        corners = [~self.transform @ (x, y) for x in (west, east) for y in (south, north)]
        (left, right), (top, bottom) = (
            (
                max(math.floor(min(along)) - margin, -margin),
                min(math.ceil(max(along)) + margin, length + margin),
            )
            for along, length in zip(zip(*corners, strict=True), (self.width, self.height), strict=True)
        )
        if right <= left or bottom <= top:
            return
        if (right - left) * (bottom - top) * len(self.indexes) > _LARGEST_READ and window.shape != (1, 1):
            for tile in window.tiles(math.ceil(window.height / 2), math.ceil(window.width / 2)):
                yield from self._parts(tile, fine, margin)
        else:
            yield window, PixelWindow(left, top, right - left, bottom - top)

    def _warped(
        self, window: Window, pixels: PixelWindow, fine: bool, average: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        source = self._padded(pixels)
        lacking = np.isnan(source)
        shared = bool((lacking == lacking[:1]).all())
        known = (~(lacking[:1] if shared else lacking)).astype(np.float32)
        shape = window.fine_shape if fine else window.shape
        options = {
            "src_transform": self.transform @ Affine.translation(pixels.col_off, pixels.row_off),
            "src_crs": self.crs,
            "dst_transform": window.fine_transform if fine else window.transform,
            "dst_crs": CRS,
            "src_nodata": np.nan,
            "dst_nodata": np.nan,
            # GDAL would guess these from the part, and the result would depend on how a window is cut.
            "XSCALE": 1,
            "YSCALE": 1,
        }
        with cog.clear_read_errors(self.path):
            values: NDArray[np.float32]
            values, _ = reproject(
                source,
                np.full((len(source), *shape), np.nan, np.float32),
                resampling=Resampling.average if average else Resampling.bilinear,
                **options,
            )
            if not lacking.any():
                return values, (~np.isnan(values)).astype(np.float32)
            share, _ = reproject(
                known,
                np.zeros((len(known), *shape), np.float32),
                resampling=Resampling.average if average else Resampling.nearest,
                **options,
            )
        share = np.where(np.isnan(values), 0, np.nan_to_num(share))
        values[share == 0] = np.nan
        return values, share

    def _padded(self, pixels: PixelWindow) -> NDArray[np.float32]:
        """The raster's part ``pixels``, NaN beyond its edge."""
        source = np.full((len(self.indexes), pixels.height, pixels.width), np.nan, np.float32)
        left, top = max(pixels.col_off, 0), max(pixels.row_off, 0)
        right = min(pixels.col_off + pixels.width, self.width)
        bottom = min(pixels.row_off + pixels.height, self.height)
        if left < right and top < bottom:
            rows = slice(top - pixels.row_off, bottom - pixels.row_off)
            columns = slice(left - pixels.col_off, right - pixels.col_off)
            source[:, rows, columns] = self.read(PixelWindow(left, top, right - left, bottom - top))
        return source


def mosaic(
    files: tuple[RasterFile, ...],
    window: Window,
    fine: bool,
    average: bool | None = None,
    least_share: float = 0.5,
) -> NDArray[np.float32]:
    """Several files as one image: each pixel from the first file that knows ``least_share`` of it.

    Where none does, what several know together counts, weighted by area, so that no seam is left between
    files that meet within a pixel. ``average`` is that of :meth:`RasterFile.on`.

    Returns
    -------
    numpy.ndarray
        float32, shape (bands, rows, columns), NaN where less than ``least_share`` is known.
    """
    half = least_share - 1e-4
    shape = window.fine_shape if fine else window.shape
    total = np.full((len(files[0].indexes), *shape), np.nan, np.float32)
    weight = np.zeros_like(total)
    for file in files:
        if not file.touches(window):
            continue
        values, known = file.on(window, fine, average)
        alone = weight == 0
        mixed = ~alone & (weight < half) & (known > 0)
        parts = total[mixed] * weight[mixed] + values[mixed] * known[mixed]
        # Alone in its pixel, a file's value stays exact to the last bit.
        total[alone], weight[alone] = values[alone], known[alone]
        weight[mixed] += known[mixed]
        total[mixed] = parts / weight[mixed]
        if (weight >= half).all():
            break
    total[weight < half] = np.nan
    return total
