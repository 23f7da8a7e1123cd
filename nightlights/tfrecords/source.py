"""TFRecord files as an imagery source: every file a region, at its own place on the grid."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from shapely import box

from nightlights.bands import Band
from nightlights.encodings import encodings_of
from nightlights.errors import DatasetError, SourceError
from nightlights.grid import VIIRS_PER_DEGREE, VIIRS_WIDTH, Window
from nightlights.manifests import ImportRequest, Role
from nightlights.noise import Noise
from nightlights.progress import Progress
from nightlights.regions import Region
from nightlights.sources.base import Estimate
from nightlights.sources.raster_files import NodataRule, RasterFile, mosaic
from nightlights.tfrecords.files import RegionFiles, region_files
from nightlights.tfrecords.images import ImageFiles, scan_image, write_rasters
from nightlights.tfrecords.patches import (
    PatchFile,
    bounding,
    first_example,
    gap_between,
    scan,
    side_by_side,
    unpack,
    windows_of,
)
from nightlights.tfrecords.study import Form, form_of

NOMINAL_LONGITUDE: Final = -170.0
NOMINAL_LATITUDE: Final = 0.0
"""North-west corner of the first region without a place: open ocean, where nobody takes it for a place."""
_BETWEEN_REGIONS: Final = 8
_STORED_SHARE: Final = 0.8
_VALUES_PER_SECOND: Final = 3_000_000


class _Reader(Protocol):
    """The two images of one region; ``folder`` is where it may unpack its files."""

    def daytime(self, window: Window) -> NDArray[np.float32]: ...

    def nighttime(self, window: Window) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class _Placed:
    """A region, its place, and what is known of its files."""

    files: RegionFiles
    window: Window
    content: PatchFile | ImageFiles
    patches: tuple[Window, ...] = ()

    @property
    def role(self) -> Role:
        return self.files.role


class PatchFilesSource:
    """Imagery from TFRecord files (implements :class:`~nightlights.sources.base.ImagerySource`).

    Every file is read once when the source is made, so that a broken one is named before any work begins;
    its patches are unpacked into ``scratch`` when its region is asked for, one region at a time.

    Patches that carry ``viirs_row`` and ``viirs_column`` lie at their true places. The study's carry no
    place: they are laid side by side on the grid at a nominal place on the equator, with missing pixels
    between them, wide enough that no training patch mixes two of them. :attr:`notes` says so.

    Parameters
    ----------
    request:
        Which files, in which scaling.
    scratch:
        Folder for unpacked files; the caller removes it.
    progress:
        Told while the files are read, in files.

    Raises
    ------
    DatasetError
        When no file matches; when a file is truncated, damaged or empty, lacks a band or has other patches;
        when a mixer does not match its files.
    SourceError, RasterError
        When the night-time rasters that images need cannot be used.
    """

    kind: Final = "tfrecord"

    def __init__(self, request: ImportRequest, scratch: Path, progress: Progress) -> None:
        self._request = request
        self._scratch = scratch
        self._files = region_files(request)
        self._progress = progress
        self._nights = self._open_nights()
        self._form = self._find_form()
        self._regions = self._place([self._scan(index) for index in range(len(self._files))])
        self._open: tuple[_Placed, _Reader] | None = None

    @property
    def label(self) -> str:
        """For example "TFRecord files: training_patches_g0.tfrecord.gz and 23 more"."""
        paths = [path for files in self._files for path in files.files]
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        return f"TFRecord files: {paths[0].name}{more}"

    @property
    def simulated(self) -> bool:
        """As the request says; the files do not tell."""
        return self._request.simulated

    @property
    def bands(self) -> tuple[Band, ...]:
        """The daytime bands, in physical units."""
        return tuple(stored.band for stored in self._form.bands)

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions of all files, as an export needs them."""
        return tuple(
            Region(placed.files.name, placed.role, box(*placed.window.bounds)) for placed in self._regions
        )

    @property
    def usual_noise(self) -> Noise | None:
        """Unknown: the files do not say how many months are in them."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how these files are read, in whole sentences."""
        found = []
        patches = [(p.files.name, p.content) for p in self._regions if isinstance(p.content, PatchFile)]
        nominal = [(name, file) for name, file in patches if file.places is None]
        if nominal:
            gap = gap_between(nominal[0][1].viirs_side)
            found.append(
                f"{len(nominal)} of {len(self._regions)} regions do not tell where their patches lie: the "
                "patches are laid side by side at a nominal place in the Pacific, on the equator, "
                f"{gap} missing VIIRS pixels apart, so maps show no true place."
            )
            found.append(
                "Their pixels count as analysis pixels of 29 m (the study's had 30 m), and the mean of "
                "16 x 16 of them as a VIIRS pixel."
            )
        cropped = next((file for _, file in nominal if file.side % 16), None)
        if cropped is not None:
            found.append(
                f"Patches of {cropped.side} x {cropped.side} pixels are cut to {cropped.viirs_side * 16} x "
                f"{cropped.viirs_side * 16}, whole VIIRS pixels."
            )
        return (*found, *self._overlaps())

    def describe(self) -> dict[str, Any]:
        """The arguments that make this source again, with size and time of each file, and the notes."""
        state = {}
        for files in self._files:
            for path in (*files.files, *([files.mixer] if files.mixer else [])):
                status = path.stat()
                state[str(path)] = {"bytes": status.st_size, "modified_ns": status.st_mtime_ns}
        return {
            "scaling": self._request.scaling,
            "stored_bands": [stored.feature for stored in self._form.bands],
            "nighttime_files": list(self._request.nighttime_files),
            "patches": {
                placed.files.name: placed.content.count
                for placed in self._regions
                if isinstance(placed.content, PatchFile)
            },
            "files": state,
            "notes": list(self.notes),
        }

    def estimate(self, window: Window) -> Estimate:
        """What importing ``window`` will take.

        Raises
        ------
        SourceError
            When it lies outside the regions of the files.
        """
        self._find(window)
        values = math.prod(window.fine_shape) * len(self.bands)
        item = 4 if encodings_of(self.bands) is None else 2
        return Estimate(int(values * item * _STORED_SHARE), values / _VALUES_PER_SECOND)

    def daytime(self, window: Window) -> NDArray[np.float32]:
        """The daytime image, shape (bands, 16 height, 16 width), NaN between and beyond patches."""
        return self._reader(window).daytime(window)

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        """Radiance in nW/cm2/sr, shape (height, width), NaN between and beyond patches."""
        return self._reader(window).nighttime(window)

    def truth(self, window: Window) -> None:
        """None: the files do not hold it."""
        return

    def _open_nights(self) -> tuple[RasterFile, ...]:
        from nightlights.sources.rasters import matching_files

        if not self._request.nighttime_files:
            return ()
        paths = matching_files("night-time", self._request.nighttime_files)
        return tuple(RasterFile.open(path, NodataRule()) for path in paths)

    def _find_form(self) -> Form:
        first = next((files for files in self._files if files.files), None)
        if first is None:
            raise DatasetError("There are no TFRecord files beside the mixers.", "Give them too.")
        request = self._request
        return form_of(first_example(first.files[0]), request.scaling, request.bands, request.radiance_band)

    def _scan(self, index: int) -> PatchFile | ImageFiles:
        files = self._files[index]

        def tell() -> None:
            self._progress.update(
                index,
                len(self._files),
                unit="files",
                message=f"Reading {files.name} ({index + 1} of {len(self._files)})",
            )

        tell()
        if files.mixer is None:
            return scan(files.files[0], self._form, tell)
        form = self._form.without_radiance() if self._nights else self._form
        return scan_image(files.mixer, files.files, form, self._request.kernel_size, tell)

    def _place(self, contents: Sequence[PatchFile | ImageFiles]) -> tuple[_Placed, ...]:
        """Give every region its window; those without a place follow each other eastwards."""
        west = column = round((NOMINAL_LONGITUDE + 180) * VIIRS_PER_DEGREE)
        row, deepest = round((75 - NOMINAL_LATITUDE) * VIIRS_PER_DEGREE), 0
        placed = []
        for files, content in zip(self._files, contents, strict=True):
            if isinstance(content, ImageFiles):
                placed.append(_Placed(files, content.window, content))
                continue
            places = content.places
            if places is None:
                local = side_by_side(content.count, content.viirs_side)
                height, width = (max(each) + content.viirs_side for each in zip(*local, strict=True))
                if column + width > VIIRS_WIDTH:
                    column, row, deepest = west, row + deepest + _BETWEEN_REGIONS, 0
                places = tuple((row + down, column + across) for down, across in local)
                column, deepest = column + width + _BETWEEN_REGIONS, max(deepest, height)
            windows = tuple(windows_of(places, content.viirs_side))
            placed.append(_Placed(files, bounding(windows), content, windows))
        return tuple(placed)

    def _overlaps(self) -> tuple[str, ...]:
        found = []
        for index, one in enumerate(self._regions):
            for other in self._regions[index + 1 :]:
                if one.role != other.role and one.window.intersection(other.window) is not None:
                    found.append(
                        f"The regions {one.files.name} ({one.role}) and {other.files.name} ({other.role}) "
                        "overlap, so scores of the one may know the other."
                    )
        return tuple(found)

    def _find(self, window: Window) -> _Placed:
        if self._open is not None and self._open[0].window.contains(window):
            return self._open[0]
        for placed in self._regions:
            if placed.window.contains(window):
                return placed
        raise SourceError("The TFRecord files hold nothing there.", "Import them with their own regions.")

    def _reader(self, window: Window) -> _Reader:
        placed = self._find(window)
        if self._open is None or self._open[0] is not placed:
            # One region at a time: unpacked, the study's files have half a gigabyte each.
            self._open = None
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._open = (placed, self._unpacked(placed))
        return self._open[1]

    def _unpacked(self, placed: _Placed) -> _Reader:
        if isinstance(placed.content, PatchFile):
            return _PatchReader(placed, self._form, self._scratch)
        return _ImageReader(placed.content, self._nights, self._scratch)


class _PatchReader:
    def __init__(self, placed: _Placed, form: Form, scratch: Path) -> None:
        assert isinstance(placed.content, PatchFile)  # noqa: S101 - for the type checker
        self._patches = placed.patches
        self._arrays = unpack(placed.content, form, scratch)
        self._bands = len(form.bands)

    def daytime(self, window: Window) -> NDArray[np.float32]:
        image = np.full((self._bands, *window.fine_shape), np.nan, np.float32)
        for index, patch, part in self._within(window):
            there, here = part.fine_slices_in(window), part.fine_slices_in(patch)
            _fill(image[(slice(None), *there)], self._arrays.daytime[(index, slice(None), *here)])
        return image

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        image = np.full(window.shape, np.nan, np.float32)
        for index, patch, part in self._within(window):
            _fill(image[part.slices_in(window)], self._arrays.nighttime[(index, *part.slices_in(patch))])
        return image

    def _within(self, window: Window) -> "list[tuple[int, Window, Window]]":
        parts = ((index, patch, patch.intersection(window)) for index, patch in enumerate(self._patches))
        return [(index, patch, part) for index, patch, part in parts if part is not None]


def _fill(image: NDArray[np.float32], values: NDArray[np.float32]) -> None:
    """Write known values; where patches overlap, one that is missing hides nothing."""
    np.copyto(image, values, where=~np.isnan(values))


class _ImageReader:
    def __init__(self, image: ImageFiles, nights: tuple[RasterFile, ...], scratch: Path) -> None:
        day, night = write_rasters(image, scratch)
        self._day = (RasterFile.open(day, NodataRule()),)
        self._night = nights if night is None else (RasterFile.open(night, NodataRule()),)

    def daytime(self, window: Window) -> NDArray[np.float32]:
        return mosaic(self._day, window, fine=True)

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        radiance: NDArray[np.float32] = mosaic(self._night, window, fine=False)[0]
        return radiance
