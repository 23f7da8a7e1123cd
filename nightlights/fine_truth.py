"""Records of a fine truth of one's own: what is asked for, and what was found in a region."""

from typing import Annotated, Final, Literal

from pydantic import Field

from nightlights.common_scale import CommonScale
from nightlights.records import Record, Share

Calibration = Literal["line", "rank", "none"]
CALIBRATIONS: Final[dict[Calibration, str]] = {
    "line": "line: radiance = slope x value + offset",
    "rank": "rank: equal ranks, for values that are not proportional to light",
    "none": "none: values are nW/cm²/sr already",
}
"""Each calibration in words."""
LEAST_KNOWN: Final = 0.95
"""Part of a pixel that must be known for its mean to count: what is saturated is bright."""
MAXIMUM_SHIFT_M: Final = 2000.0
"""How far a raster is searched for by default, in metres."""


class TruthRequest(Record):
    """The fine truth that an export is given.

    Attributes
    ----------
    files:
        Paths, folders or patterns of night-time rasters with one band, finer than VIIRS.
    nodata:
        The value that means missing, in the place of the files' tags.
    calibration:
        How values become nW/cm2/sr, with VIIRS as the reference: see :data:`CALIBRATIONS`.
    maximum_shift_m:
        How far the raster may lie off, in metres; 0 leaves it where it is.
    resolution_m:
        Of the image in metres, where it is coarser than its pixels.
    """

    files: list[str] = Field(min_length=1)
    nodata: float | None = None
    calibration: Calibration = "line"
    maximum_shift_m: float = Field(default=MAXIMUM_SHIFT_M, ge=0, le=5000)
    resolution_m: Annotated[float, Field(gt=0, le=1000)] | None = None


class TruthShift(Record):
    """Where phase correlation found a raster, relative to VIIRS.

    ``east_m`` and ``north_m`` are by how much the raster was moved, in metres; both are 0 where ``applied``
    is False. ``found_east_m`` and ``found_north_m`` are what was found, also where it was not applied.
    ``peak`` is the height of the peak of the correlation in standard deviations of the values farther away,
    ``error_m`` the standard error of the least squares that refined it. ``reason`` says why nothing was
    moved.
    """

    applied: bool
    east_m: float = 0.0
    north_m: float = 0.0
    found_east_m: float | None = None
    found_north_m: float | None = None
    peak: float | None = None
    error_m: float | None = None
    maximum_m: float
    reason: str = ""


class TruthCalibration(Record):
    """How values became nW/cm2/sr.

    Attributes
    ----------
    method:
        As asked for.
    slope, offset:
        Of a line, nW/cm2/sr per unit of the raster and nW/cm2/sr.
    values, radiances:
        Of ranks: points of the increasing function from value to nW/cm2/sr, linear between them and beyond.
    pixels:
        VIIRS pixels that it was fitted to.
    clipped_share:
        Share of the analysis pixels whose radiance came out below 0 and was set to 0.
    """

    method: Calibration
    slope: float | None = None
    offset: float | None = None
    values: list[float] = Field(default_factory=list)
    radiances: list[float] = Field(default_factory=list)
    pixels: int = 0
    clipped_share: Share = 0.0


class TruthLattice(Record):
    """The pixels of a raster where it was moved to.

    Attributes
    ----------
    crs:
        Coordinate reference system, as WKT.
    transform:
        Six numbers of the affine transform from pixel corner to coordinates.
    width, height:
        In its own pixels.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]
    width: int
    height: int


class FineTruthRecord(Record):
    """The fine truth of one region: where it comes from, and what was done to it.

    Attributes
    ----------
    files:
        Names of the files.
    lattices:
        Their pixels.
    pixel_m, resolution_m:
        Side of a pixel, and what the image resolves at best, in metres.
    block_rows, block_columns, scale_m:
        What is compared: means of so many analysis pixels, and the side of a square of that size or the
        resolution, whichever is larger, in metres.
    shift, calibration:
        How it was aligned and calibrated.
    rank_correlation:
        Spearman's, of the raster seen through the footprint and VIIRS, at the VIIRS grid; it depends on no
        calibration.
    rmse:
        Of the calibrated raster seen through the footprint against VIIRS, in nW/cm2/sr at the VIIRS grid.
    known_share:
        Share of the region's analysis pixels that are known.
    saturated_from, saturated_share:
        Value from which pixels are saturated and left out, in the unit of the raster, and their share of the
        sampled pixels; None and 0 where there is no plateau.
    """

    files: list[str]
    lattices: list[TruthLattice]
    pixel_m: float
    resolution_m: float
    block_rows: int = Field(ge=1)
    block_columns: int = Field(ge=1)
    scale_m: float
    shift: TruthShift
    calibration: TruthCalibration
    rank_correlation: float | None = None
    rmse: float | None = None
    known_share: Share
    saturated_from: float | None = None
    saturated_share: Share = 0.0

    @property
    def scale(self) -> CommonScale:
        """The blocks in which it is compared."""
        return CommonScale(self.block_rows, self.block_columns)

    @property
    def label(self) -> str:
        """For example "Fine truth sdgsat.tif and 2 more, compared at 58 m"."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"Fine truth {self.files[0]}{more}, compared at {self.scale_m:.0f} m"

    @property
    def sentences(self) -> list[str]:
        """What a reader of its scores must know, in whole sentences."""
        words = [
            f"{self.label} (pixels of {self.pixel_m:.3g} m, resolution {self.resolution_m:.3g} m), known in "
            f"{100 * self.known_share:.0f} % of the region."
        ]
        shift = self.shift
        if shift.applied:
            error = "" if shift.error_m is None else f", least squares, standard error {shift.error_m:.0f} m"
            words.append(
                f"Moved by {_east(shift.east_m)} and {_north(shift.north_m)} to agree with VIIRS (phase "
                f"correlation with a peak {shift.peak or 0:.0f} standard deviations high{error})."
            )
        else:
            found = ""
            if shift.found_east_m is not None and shift.found_north_m is not None:
                found = f" Phase correlation gave {_east(shift.found_east_m)}, {_north(shift.found_north_m)}."
            words.append(f"Not moved: {shift.reason}{found}")
        words.append(self._calibrated)
        if self.saturated_from is not None:
            words.append(
                f"Pixels of {self.saturated_from:g} and above are saturated and left out "
                f"({100 * self.saturated_share:.2g} %)."
            )
        if self.rank_correlation is not None:
            rmse = "" if self.rmse is None else f", RMSE {self.rmse:.3g} nW/cm²/sr"
            words.append(
                f"Through the footprint against VIIRS: rank correlation {self.rank_correlation:.2f}{rmse}."
            )
        return words

    @property
    def _calibrated(self) -> str:
        used = self.calibration
        if used.method == "line":
            words = f"Calibrated to VIIRS by a line: {used.slope:.4g} x value {used.offset:+.3g} nW/cm²/sr"
        elif used.method == "rank":
            words = f"Calibrated to VIIRS by ranks ({len(used.values)} points)"
        else:
            return "Not calibrated: its values are taken as nW/cm²/sr."
        return f"{words}, fitted to {used.pixels:,} VIIRS pixels; scores follow after it."


def _east(metres: float) -> str:
    return f"{abs(metres):.0f} m {'east' if metres >= 0 else 'west'}"


def _north(metres: float) -> str:
    return f"{abs(metres):.0f} m {'north' if metres >= 0 else 'south'}"
