"""Fine truth of one's own on the analysis grid: aligned by phase correlation, calibrated by VIIRS."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nightlights.common_scale import PIXEL_M, CommonScale
from nightlights.errors import SourceError
from nightlights.fine_truth import (
    LEAST_KNOWN,
    FineTruthRecord,
    TruthCalibration,
    TruthRequest,
    TruthShift,
)
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import PointSpread, observe
from nightlights.progress import Progress
from nightlights.sources.raster_files import RasterFile, mosaic
from nightlights.sources.truth.calibration import LEAST_PIXELS, calibrated, rank_points, robust_line
from nightlights.sources.truth.files import Survey, pixel_m, surveyed
from nightlights.sources.truth.lattice import lattice_of
from nightlights.sources.truth.registration import (
    LEAST_PEAK,
    LEAST_SIDE,
    Floats,
    displacement,
    refined,
    remainder,
)

Nighttime = Callable[[Window], NDArray[np.float32]]
"""Gives VIIRS of a window, shape (height, width), nW/cm2/sr, NaN where missing."""

LEAST_RANK_CORRELATION: Final = 0.5
"""Rank correlation with VIIRS, at the VIIRS grid, below which a raster does not show the same light."""
_VIIRS_M: Final = FINE_PER_VIIRS * PIXEL_M
_TILE: Final = 64
_ROUNDS: Final = 4
_ENOUGH: Final = 0.005
"""Displacement in VIIRS pixels below which the search ends."""
_FARTHEST_POLISHED: Final = 0.15
"""VIIRS pixels by which least squares may differ from phase correlation, which errs by less on the planet.

The most that was seen is 0.09, in half a town."""
_DARK: Final = 1.0
"""Added before logarithms are taken, in nW/cm2/sr, so that noise in the dark counts little."""


@dataclass(frozen=True)
class RegionTruth:
    """The fine truth of one region.

    Attributes
    ----------
    record:
        What was done to it.
    files:
        The rasters, moved to their place.
    """

    record: FineTruthRecord
    files: tuple[RasterFile, ...]

    def read(self, window: Window) -> NDArray[np.float32]:
        """Radiance in nW/cm2/sr, float32 of shape (16 height, 16 width), NaN where missing."""
        return _radiance(_raw(self.files, window), self.record.calibration).astype(np.float32)


@dataclass(frozen=True)
class TruthRasters:
    """Rasters that are given as fine truth.

    Attributes
    ----------
    request:
        What was asked for.
    files:
        The rasters; each pixel is taken from the first that knows it.
    """

    request: TruthRequest
    files: tuple[RasterFile, ...]

    def align(
        self,
        windows: Mapping[str, Window],
        nighttime: Nighttime,
        point_spread: PointSpread,
        progress: Progress,
    ) -> dict[str, RegionTruth | str]:
        """Align and calibrate the rasters in each of ``windows``, by the name of their region.

        Returns
        -------
        dict
            The truth of each region, or a sentence that says why it has none.

        Raises
        ------
        RasterError
            When the values of a raster cannot be those of light.
        SourceError
            When no region has a truth.
        """
        found: dict[str, RegionTruth | str] = {}
        surveys = [surveyed(file) for file in self.files]
        for number, (name, window) in enumerate(windows.items(), start=1):
            # Nothing is exported yet: a progress that went on here would go back afterwards.
            message = f"Aligning the fine truth: {name} ({number} of {len(windows)})"
            progress.update(0, len(windows), unit="regions", message=message)
            found[name] = _Alignment(self.request, surveys, window, nighttime, point_spread).run()
        reasons = [f"{name}: {reason}" for name, reason in found.items() if isinstance(reason, str)]
        if found and len(reasons) == len(found):
            raise SourceError(
                f"The fine truth {self.files[0].path.name} cannot be used in any region. {reasons[0]}",
                "Check the raster and its place, or export without it.",
            )
        return found

    def notes(self) -> tuple[str, ...]:
        """What the user should know about the values of these files, in whole sentences.

        Raises
        ------
        RasterError
            When they cannot be those of light.
        """
        words = []
        for file, survey in map(surveyed, self.files):
            if survey.mostly_zero:
                words.append(
                    f"{file.path.name} is exactly 0 in {100 * survey.zeros / survey.known:.0f} % of its "
                    "pixels, which counts as darkness. If 0 means missing, give it as the missing value."
                )
            if survey.saturated:
                words.append(
                    f"{file.path.name} is saturated at {survey.highest:g}; these pixels are left out."
                )
        return tuple(words)


def _raw(files: tuple[RasterFile, ...], window: Window) -> Floats:
    """Values of the rasters on the analysis grid, in their own unit: means weighted by area."""
    values = mosaic(files, window, fine=True, average=True, least_share=LEAST_KNOWN)[0]
    return np.asarray(values, np.float64)


def _radiance(raw: Floats, calibration: TruthCalibration) -> Floats:
    light: Floats = np.maximum(calibrated(raw, calibration), 0.0)
    return light


def _rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's; 0 where either does not vary."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) - (values.size + 1) / 2 for values in (first, second)]
    length = math.sqrt(float(ranks[0] @ ranks[0]) * float(ranks[1] @ ranks[1]))
    return float(ranks[0] @ ranks[1]) / length if length > 0 else 0.0


class _Alignment:
    """One region: where its truth lies, and what its values mean."""

    def __init__(
        self,
        request: TruthRequest,
        surveys: list[tuple[RasterFile, Survey]],
        window: Window,
        nighttime: Nighttime,
        point_spread: PointSpread,
    ) -> None:
        self._request = request
        self._surveys = [pair for pair in surveys if pair[0].touches(window)]
        self._window = window
        self._nighttime = nighttime
        self._spread = point_spread
        self._latitude = float(window.latitudes[window.height // 2])
        self._longitude = float(window.longitudes[window.width // 2])
        self._sides = (_VIIRS_M, _VIIRS_M * math.cos(math.radians(self._latitude)))

    def run(self) -> RegionTruth | str:
        if not self._surveys:
            return "the rasters do not cover it."
        files = tuple(file for file, _ in self._surveys)
        measured = self._nighttime(self._window).astype(np.float64)
        seen = self._seen(files)
        if self._fitted(seen, measured).sum() < LEAST_PIXELS:
            return f"the rasters cover fewer than {LEAST_PIXELS} of its VIIRS pixels."
        shift = self._shift(files, seen, measured)
        if shift.applied:
            files = self._moved(files, shift.east_m, shift.north_m)
            seen = self._seen(files)
        fitted = self._fitted(seen, measured)
        if fitted.sum() < LEAST_PIXELS:
            return f"moved to their place, the rasters cover fewer than {LEAST_PIXELS} of its VIIRS pixels."
        rank = _rank_correlation(seen[fitted], measured[fitted])
        if rank < LEAST_RANK_CORRELATION:
            return (
                f"the rasters do not show the light of VIIRS: rank correlation {rank:.2f} over "
                f"{int(fitted.sum()):,} VIIRS pixels, {LEAST_RANK_CORRELATION:g} is needed."
            )
        calibration = self._calibration(files, seen, measured, fitted)
        if isinstance(calibration, TruthCalibration) and shift.applied:
            shift, files = self._polished(files, shift, calibration, measured)
            seen = self._seen(files)
            calibration = self._calibration(files, seen, measured, self._fitted(seen, measured))
        if isinstance(calibration, str):
            return calibration
        return self._finished(files, shift, calibration, measured, rank)

    def _tiles(self, files: tuple[RasterFile, ...]) -> Iterator[tuple[Window, Window, Floats]]:
        """Parts of the region, what is around each, and the values there."""
        for tile in self._window.tiles(_TILE, _TILE):
            reach = tile.expand(self._spread.margin(float(np.abs(tile.latitudes).max())))
            yield tile, reach, _raw(files, reach)

    def _seen(self, files: tuple[RasterFile, ...], calibration: TruthCalibration | None = None) -> Floats:
        """The rasters through the footprint, shape (height, width), in their unit or calibrated."""
        image = np.full(self._window.shape, np.nan)
        for tile, reach, raw in self._tiles(files):
            light = raw if calibration is None else _radiance(raw, calibration)
            observed = observe(light, reach, self._spread, minimum_coverage=LEAST_KNOWN)
            image[tile.slices_in(self._window)] = observed[tile.slices_in(reach)]
        return image

    @staticmethod
    def _fitted(seen: Floats, measured: Floats) -> NDArray[np.bool_]:
        return np.isfinite(seen) & np.isfinite(measured)

    def _moved(self, files: tuple[RasterFile, ...], east_m: float, north_m: float) -> tuple[RasterFile, ...]:
        return tuple(file.moved(east_m, north_m, self._longitude, self._latitude) for file in files)

    def _shift(self, files: tuple[RasterFile, ...], seen: Floats, measured: Floats) -> TruthShift:
        limit = self._request.maximum_shift_m
        if limit == 0:
            return TruthShift(applied=False, maximum_m=limit, reason="it was to be left where it is.")
        if min(self._window.shape) < LEAST_SIDE:
            return TruthShift(
                applied=False,
                maximum_m=limit,
                reason=f"the region has fewer than {LEAST_SIDE} x {LEAST_SIDE} VIIRS pixels.",
            )
        target = _logarithm(measured)
        bound = (limit / self._sides[0], limit / self._sides[1])
        first = displacement(target, self._like_viirs(seen, measured), bound)
        east_m, north_m = 0.0, 0.0
        rows, columns = first.rows, first.columns
        before = self._agreement(seen, measured)
        for _ in range(_ROUNDS):
            # Where the truth lies south of VIIRS it is moved north.
            east_m -= columns * self._sides[1]
            north_m += rows * self._sides[0]
            seen = self._seen(self._moved(files, east_m, north_m))
            if self._fitted(seen, measured).sum() < LEAST_PIXELS:
                break
            rows, columns = refined(target, self._like_viirs(seen, measured))
            if max(abs(rows), abs(columns)) < _ENOUGH:
                break
        reason = ""
        if first.peak < LEAST_PEAK:
            reason = (
                f"the peak of the correlation is only {first.peak:.1f} standard deviations high, "
                f"{LEAST_PEAK:g} are needed."
            )
        elif math.hypot(east_m, north_m) > limit:
            reason = f"the peak lies beyond the {limit:.0f} m that were searched."
        elif self._agreement(seen, measured) < before:
            reason = "it would agree less with VIIRS."
        return TruthShift(
            applied=not reason,
            east_m=0.0 if reason else east_m,
            north_m=0.0 if reason else north_m,
            found_east_m=east_m,
            found_north_m=north_m,
            peak=first.peak,
            maximum_m=limit,
            reason=reason,
        )

    def _like_viirs(self, seen: Floats, measured: Floats) -> Floats:
        """Logarithm of the truth on about the scale of VIIRS: median and spread follow no small shift."""
        known = self._fitted(seen, measured)
        middle, high = np.quantile(seen[known], [0.5, 0.95])
        wanted_middle, wanted_high = np.quantile(measured[known], [0.5, 0.95])
        if high > middle:
            slope = (wanted_high - wanted_middle) / (high - middle)
        else:
            slope = float(measured[known].std()) / (float(seen[known].std()) or 1.0)
        return _logarithm(wanted_middle + slope * (seen - middle))

    def _agreement(self, seen: Floats, measured: Floats) -> float:
        known = self._fitted(seen, measured)
        return _rank_correlation(seen[known], measured[known]) if known.sum() >= LEAST_PIXELS else -1.0

    def _polished(
        self,
        files: tuple[RasterFile, ...],
        shift: TruthShift,
        calibration: TruthCalibration,
        measured: Floats,
    ) -> tuple[TruthShift, tuple[RasterFile, ...]]:
        """The shift and the files after least squares; as they were where that does not settle nearby."""
        east_m, north_m, error_m = 0.0, 0.0, 0.0
        moved = files
        for _ in range(_ROUNDS):
            left = remainder(measured, self._seen(moved, calibration))
            if left is None:
                return shift, files
            east_m -= left.columns * self._sides[1]
            north_m += left.rows * self._sides[0]
            error_m = math.hypot(left.error_rows * self._sides[0], left.error_columns * self._sides[1])
            if math.hypot(east_m, north_m) > _FARTHEST_POLISHED * _VIIRS_M:
                return shift, files
            moved = self._moved(files, east_m, north_m)
            if max(abs(left.rows), abs(left.columns)) < _ENOUGH:
                break
        east_m, north_m = shift.east_m + east_m, shift.north_m + north_m
        found = {"east_m": east_m, "north_m": north_m, "found_east_m": east_m, "found_north_m": north_m}
        return shift.model_copy(update={**found, "error_m": error_m}), moved

    def _calibration(
        self, files: tuple[RasterFile, ...], seen: Floats, measured: Floats, fitted: NDArray[np.bool_]
    ) -> TruthCalibration | str:
        method, pixels = self._request.calibration, int(fitted.sum())
        if method == "none":
            return TruthCalibration(method=method)
        if method == "line":
            line = robust_line(seen[fitted], measured[fitted])
            if line.slope <= 0:
                return "the light of the rasters falls where that of VIIRS rises."
            return TruthCalibration(method=method, slope=line.slope, offset=line.offset, pixels=pixels)

        def observed(values: Floats, radiances: Floats) -> Floats:
            trial = TruthCalibration(method="rank", values=values.tolist(), radiances=radiances.tolist())
            light: Floats = self._seen(files, trial)[fitted]
            return light

        inner = (raw[tile.fine_slices_in(reach)] for tile, reach, raw in self._tiles(files))
        sample = np.concatenate([part[np.isfinite(part)] for part in inner])
        points = rank_points(sample, seen[fitted], measured[fitted], observed)
        return TruthCalibration(method=method, values=points[0], radiances=points[1], pixels=pixels)

    def _finished(
        self,
        files: tuple[RasterFile, ...],
        shift: TruthShift,
        calibration: TruthCalibration,
        measured: Floats,
        rank: float,
    ) -> RegionTruth:
        known, clipped = 0, 0
        error = np.full(self._window.shape, np.nan)
        for tile, reach, raw in self._tiles(files):
            place = tile.slices_in(reach)
            light = calibrated(raw, calibration)
            inner = light[tile.fine_slices_in(reach)]
            known += int(np.isfinite(inner).sum())
            clipped += int((inner < 0).sum())
            seen = observe(np.maximum(light, 0.0), reach, self._spread, minimum_coverage=LEAST_KNOWN)[place]
            part = tile.slices_in(self._window)
            error[part] = seen - measured[part]
        pixels = math.prod(self._window.fine_shape)
        size = max(pixel_m(file) for file in files)
        resolution = max(size, self._request.resolution_m or 0.0)
        scale = CommonScale.of(resolution, self._window)
        saturated = [(file.ceiling, survey) for file, survey in self._surveys if file.ceiling is not None]
        record = FineTruthRecord(
            files=[file.path.name for file in files],
            lattices=[lattice_of(file) for file in files],
            pixel_m=size,
            resolution_m=resolution,
            block_rows=scale.rows,
            block_columns=scale.columns,
            scale_m=max(scale.side_m(self._window), resolution),
            shift=shift,
            calibration=calibration.model_copy(update={"clipped_share": clipped / max(known, 1)}),
            rank_correlation=rank,
            rmse=math.sqrt(float(np.nanmean(error**2))),
            known_share=known / pixels,
            saturated_from=min((ceiling for ceiling, _ in saturated), default=None),
            saturated_share=max((each.at_highest / each.known for _, each in saturated), default=0.0),
        )
        return RegionTruth(record, files)


def _logarithm(radiance: Floats) -> Floats:
    logarithm: Floats = np.log(np.maximum(radiance, 0.0) + _DARK)
    return logarithm
