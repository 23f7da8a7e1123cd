"""The user's own rasters: daytime GeoTIFFs in any projection, and a VIIRS GeoTIFF for the night."""

import glob
import math
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import LANDSAT_BANDS, Band, Quantity
from nightlights.encodings import encodings_of
from nightlights.errors import RasterError, SourceError
from nightlights.fine_truth import TruthRequest
from nightlights.grid import Window
from nightlights.noise import Noise
from nightlights.observation import PointSpread
from nightlights.progress import Progress
from nightlights.sources import night_composites
from nightlights.sources.base import Estimate
from nightlights.sources.raster_files import NodataRule, RasterFile, mosaic
from nightlights.sources.truth import RegionTruth, TruthRasters
from nightlights.sources.truth.files import truth_file
from nightlights.wording import counted

_STORED_SHARE: Final = 0.8
"""Compressed size with overviews over raw size, typical of daytime imagery."""
_VALUES_PER_SECOND: Final = 3_000_000
"""Warped and compressed on one core."""
_SAMPLE_SIDE: Final = 256
_SAMPLED_FILES: Final = 4
_FEWEST_AGAINST_FIRES: Final = 3
_NO_FIRES: Final = "A median of one or two images cannot leave out fires: give three months or more."
_LANDSAT: Final = {band.name: band for band in LANDSAT_BANDS}
_PLAUSIBLE: dict[Quantity, tuple[float, float]] = {
    "reflectance": (-0.2, 1.6),
    "brightness temperature": (150.0, 400.0),
}


class RastersSource:
    """Imagery from raster files (implements :class:`~nightlights.sources.base.RepeatedSource`).

    Files of a kind are mosaicked, the first given on top; night-time files may be composed by a robust median
    instead, see :mod:`~nightlights.sources.night_composites`. Each is warped onto the grid: averaged where it
    is finer, interpolated where it is coarser, taken bit by bit where it lies on the grid. Scale and
    offset tags of the bands are applied.

    A value tagged as nodata is missing unless the caller says otherwise. Some VIIRS rasters are tagged
    nodata 0 although 0 is a valid radiance; they are usually cut along a border with 0 filled in beyond
    it, so by default the tag is believed: taking the filling for darkness would teach a network that
    lit places are dark, and losing single dark pixels does not. :attr:`notes` says so.

    Parameters
    ----------
    daytime_files, nighttime_files:
        Paths, folders, or patterns with ``*``, ``?`` and ``**``. Night-time rasters have one band, radiance
        in nW/cm2/sr.
    daytime_nodata, nighttime_nodata:
        The value that means missing, in the place of the files' tags.
    ignore_nodata_tag:
        Take tagged values as measurements where no value is given; see
        :class:`~nightlights.sources.raster_files.NodataRule`.
    nighttime_composite:
        "mosaic", or "median" where the night-time files are monthly composites of the same place.
    truth:
        Night-time rasters finer than VIIRS, for scores at their scale; see :mod:`nightlights.sources.truth`.

    Raises
    ------
    SourceError
        When no file matches.
    RasterError
        When a file is no georeferenced raster, is truncated, has other bands than the first of its kind,
        or a night-time raster has more than one band.
    """

    kind: Final = "rasters"
    simulated: Final = False

    def __init__(
        self,
        daytime_files: Sequence[str],
        nighttime_files: Sequence[str],
        daytime_nodata: float | None = None,
        nighttime_nodata: float | None = None,
        ignore_nodata_tag: bool = False,
        nighttime_composite: Literal["mosaic", "median"] = "mosaic",
        truth: TruthRequest | Mapping[str, Any] | None = None,
    ) -> None:
        self._rules = {
            "daytime": NodataRule(daytime_nodata, ignore_nodata_tag),
            "night-time": NodataRule(nighttime_nodata, ignore_nodata_tag),
        }
        self._composed = nighttime_composite == "median"
        self._day = self._open("daytime", daytime_files)
        self._night = self._open("night-time", nighttime_files)
        for file in self._night:
            if len(file.indexes) != 1:
                raise RasterError(
                    f"{file.path} has {len(file.indexes)} bands; a night-time raster has one, the radiance.",
                    "Extract that band, for example with gdal_translate -b 1.",
                )
        first = self._day[0]
        for file in self._day:
            if len(file.indexes) != len(first.indexes):
                raise RasterError(
                    f"{file.path} has {len(file.indexes)} bands, and {first.path} has {len(first.indexes)}.",
                    "Give daytime rasters with the same bands in the same order.",
                )
            if file.names != first.names and any(file.names) and any(first.names):
                raise RasterError(
                    f"{file.path} and {first.path} name their bands differently.",
                    "Give daytime rasters with the same bands in the same order.",
                )

        self._truth: TruthRasters | None = None
        if truth is not None:
            request = TruthRequest.model_validate(truth)
            paths = matching_files("truth", request.files)
            files = tuple(truth_file(path, request) for path in paths)
            resolved = request.model_copy(update={"files": [str(path) for path in paths]})
            self._truth = TruthRasters(resolved, files)

    def _open(self, what: str, patterns: Sequence[str]) -> tuple[RasterFile, ...]:
        return tuple(RasterFile.open(path, self._rules[what]) for path in matching_files(what, patterns))

    @property
    def label(self) -> str:
        """For example "Rasters: population.tif and 3 more; viirs.tif"."""
        how = "median of " if self._composed else ""
        return f"Rasters: {_summary(self._day)}; {how}{_summary(self._night)}"

    @cached_property
    def bands(self) -> tuple[Band, ...]:
        """The daytime bands, named as the files describe them, else ``band_1`` and so on.

        Bands named and valued like Landsat's are Landsat's. The display range of others is where 96 of
        100 sampled pixels lie.

        Raises
        ------
        RasterError
            When a file is truncated.
        """
        samples = np.concatenate([_sample(file) for file in self._day[:_SAMPLED_FILES]], axis=1)
        names = _unique_names(self._day[0].names)
        units = self._day[0].units
        return tuple(_band(*each) for each in zip(names, units, samples, strict=True))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how these files are read, in whole sentences."""
        return (*self._composite_notes, *self._nodata_notes)

    @property
    def _composite_notes(self) -> tuple[str, ...]:
        if self._composed:
            images = counted(len(self._night), "image")
            median = (
                f"The night-time image is the median of {images}, each without its own offset. "
                "Pixels with the same value in all of three or more are left out as filling."
            )
            return (median, _NO_FIRES) if len(self._night) < _FEWEST_AGAINST_FIRES else (median,)
        if night_composites.repeated(self._night):
            return (
                "Several night-time files cover the same place, of which the first one counts. "
                "Monthly composites are better composed by their median.",
            )
        return ()

    @property
    def _nodata_notes(self) -> tuple[str, ...]:
        tagged = tuple(
            f"{file.path.name} marks 0 nW/cm²/sr as missing, so pixels of exactly 0 are left out. "
            "If 0 was measured there, say that the nodata tag is to be ignored."
            for file in self._night
            if file.nodata[0] == 0 and self._rules["night-time"].value is None
        )
        return tagged + (self._truth.notes() if self._truth else ())

    @property
    def usual_noise(self) -> Noise | None:
        """Unknown: a raster does not say how many nights or months are in it."""
        return None

    def describe(self) -> dict[str, Any]:
        """The arguments that make this source again, with size and time of each file."""
        state = {}
        truth = self._truth
        for file in (*self._day, *self._night, *(truth.files if truth else ())):
            status = file.path.stat()
            state[str(file.path)] = {"bytes": status.st_size, "modified_ns": status.st_mtime_ns}
        # A mosaic is described as by earlier versions, so that exports that they began go on.
        composite: dict[str, Any] = {}
        if self._composed:
            offsets = {str(path): offset for path, offset in self._offsets.items()}
            composite = {"nighttime_composite": "median", "nighttime_offsets": offsets}
        return {
            "daytime_files": [str(file.path) for file in self._day],
            "nighttime_files": [str(file.path) for file in self._night],
            "daytime_nodata": self._rules["daytime"].value,
            "nighttime_nodata": self._rules["night-time"].value,
            "ignore_nodata_tag": self._rules["daytime"].ignore_tag,
            "files": state,
            **composite,
            **({"truth": truth.request.model_dump(mode="json")} if truth else {}),
        }

    def estimate(self, window: Window) -> Estimate:
        """What fetching ``window`` will take.

        Raises
        ------
        SourceError
            When ``window`` lies outside the daytime or the night-time rasters.
        """
        _check_cover("daytime", self._day, window)
        _check_cover("night-time", self._night, window)
        values = math.prod(window.fine_shape) * len(self.bands)
        item = 4 if encodings_of(self.bands) is None else 2
        return Estimate(int(values * item * _STORED_SHARE), values / _VALUES_PER_SECOND)

    def daytime(self, window: Window) -> NDArray[np.float32]:
        """The daytime image, shape (bands, 16 height, 16 width), NaN where missing or outside."""
        return mosaic(self._day, window, fine=True)

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        """Radiance in nW/cm2/sr, shape (height, width), NaN where missing or outside."""
        if self._composed:
            return night_composites.compose(self._night, window, self._offsets).radiance
        radiance: NDArray[np.float32] = mosaic(self._night, window, fine=False)[0]
        return radiance

    def noise(self, window: Window) -> NDArray[np.float32] | None:
        """Scatter of a single image in nW/cm2/sr and number of images; None for a mosaic."""
        if not self._composed:
            return None
        composite = night_composites.compose(self._night, window, self._offsets)
        return np.stack([composite.scatter, composite.images])

    @cached_property
    def _offsets(self) -> dict[Path, float]:
        return night_composites.image_offsets(self._night)

    def truth(self, window: Window) -> None:
        """None: one that was given must be aligned with a region first, see :meth:`align_truth`."""
        return

    def align_truth(
        self, windows: Mapping[str, Window], point_spread: PointSpread, progress: Progress
    ) -> dict[str, RegionTruth | str]:
        """The fine truth of each region, or why it has none; empty where none was given.

        Raises
        ------
        RasterError
            When its values cannot be those of light.
        SourceError
            When it can be used in no region.
        """
        if self._truth is None:
            return {}
        return self._truth.align(windows, self.nighttime, point_spread, progress)


def matching_files(what: str, patterns: Sequence[str]) -> tuple[Path, ...]:
    """Absolute paths of the files that ``patterns`` name, each once; sorted within a pattern.

    Raises
    ------
    SourceError
        When there are no patterns, or one matches no file.
    """
    if not patterns:
        raise SourceError(f"No {what} rasters were given.", "Give one or more files or patterns.")
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_file():
            matches = [path]
        elif path.is_dir():
            matches = sorted(file for file in path.iterdir() if file.suffix.lower() in {".tif", ".tiff"})
        else:
            # Path.glob takes no absolute pattern.
            matches = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
        matches = [match for match in matches if match.is_file()]
        if not matches:
            raise SourceError(
                f"No {what} raster matches {pattern!r}.",
                f"Check the path; it is looked for from {Path.cwd()}.",
            )
        found.update(dict.fromkeys(match.resolve() for match in matches))
    return tuple(found)


def _summary(files: tuple[RasterFile, ...]) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return files[0].path.name + more


def _check_cover(what: str, files: tuple[RasterFile, ...], window: Window) -> None:
    if any(file.touches(window) for file in files):
        return
    west, south, east, north = zip(*(file.cover for file in files), strict=True)
    cover = (min(west), min(south), max(east), max(north))
    raise SourceError(
        f"The {what} rasters do not cover the region at {_box(window.bounds)}; they cover {_box(cover)}.",
        "Move the region, or give rasters that cover it.",
    )


def _box(bounds: tuple[float, float, float, float]) -> str:
    west, south, east, north = bounds
    return f"longitude {west:.3f} to {east:.3f}, latitude {south:.3f} to {north:.3f}"


def _unique_names(descriptions: Sequence[str]) -> list[str]:
    """Names of letters, digits, ``_``, ``-`` and ``.``, at most 64 long, all different."""
    names: list[str] = []
    for number, text in enumerate(descriptions, start=1):
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.-")[:56] or f"band_{number}"
        name, copy = plain, 2
        while name in names:
            name, copy = f"{plain}_{copy}", copy + 1
        names.append(name)
    return names


def _sample(file: RasterFile) -> NDArray[np.float32]:
    """Some pixels of a file, shape (bands, pixels)."""
    thinned = min(file.height, _SAMPLE_SIDE), min(file.width, _SAMPLE_SIDE)
    return file.read(thinned_to=thinned).reshape(len(file.indexes), -1)


def _band(name: str, unit: str, sample: NDArray[np.float32]) -> Band:
    known = sample[~np.isnan(sample)]
    low, high = (float(value) for value in np.percentile(known, [2, 98])) if known.size else (0.0, 1.0)
    landsat = _LANDSAT.get(name)
    if landsat is not None and known.size:
        lowest, highest = _PLAUSIBLE[landsat.quantity]
        if lowest <= low and high <= highest:
            return landsat
    return Band(name=name, unit=unit, display_low=low, display_high=high if high > low else low + 1)
