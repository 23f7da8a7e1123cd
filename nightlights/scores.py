"""The records of scores: how well a method reproduces what was measured, and the truth where it is known."""

from typing import Final, Literal

from pydantic import Field

from nightlights.bands import RADIANCE_UNIT
from nightlights.noise import Noise
from nightlights.records import SCHEMA_VERSION, Record, Role, Share

BICUBIC: Final = "bicubic VIIRS"
KRIGING: Final = "area-to-point kriging"
REGRESSION_KRIGING: Final = "area-to-point regression kriging"
"""Names in tables of what makes fine light of VIIRS: interpolations, and the last with daytime bands."""
CONSTANT: Final = "constant mean of VIIRS"
"""Name of the mean radiance that VIIRS measured in a region, given to each of its pixels."""


class ClassScore(Record):
    """How well a method does where the measured radiance lies from ``lower`` to below ``upper``.

    All in nW/cm2/sr, errors too; a bound of None is open. ``pixels`` counts VIIRS pixels, or what a fine
    score compares.
    """

    name: str
    lower: float | None
    upper: float | None
    pixels: int
    rmse: float
    mae: float
    bias: float


class Interval(Record):
    """From ``lower`` to ``upper``, in the unit of the score that it belongs to."""

    lower: float
    upper: float


class ScoreIntervals(Record):
    """Confidence intervals of a score by spatial block bootstrap: how it was drawn, and what came out.

    ``block_size`` is the side of a block in VIIRS pixels, ``blocks`` how many there were.
    """

    level: Share
    block_size: int
    blocks: int
    draws: int
    seed: int
    rmse: Interval
    mae: Interval
    bias: Interval
    log_rmse: Interval
    r2: Interval | None = None


class FineScore(Record):
    """How well a method reproduces a fine truth: the simulated planet's, or a raster of one's own.

    ``scale_m`` is the side in metres of what is compared, means over both; None for single analysis pixels
    of about 29 m. ``pixels`` counts what is compared. ``rmse``, ``mae``, ``bias`` are in nW/cm2/sr. ``ssim``
    is structural similarity, 1 is perfect. A pixel is lit from ``lit_from`` on; precision is the share of
    what is predicted lit that is, recall the share of what is lit that is predicted so, F1 their harmonic
    mean; None where nothing is lit.
    """

    rmse: float
    mae: float
    bias: float
    ssim: float | None
    lit_f1: float | None
    lit_precision: float | None
    lit_recall: float | None
    lit_from: float
    pixels: int
    scale_m: float | None = None


class MethodFineScore(Record):
    """The score of one method against the fine truth of a region.

    ``sharpened`` says that its light was corrected with the VIIRS image of the region. ``classes`` are by the
    radiance of the truth, their pixels those of ``fine``; ``spearman`` is the rank correlation, which no
    calibration of the truth changes. Both are None in older records.
    """

    method: str
    sharpened: bool = False
    fine: FineScore
    classes: list[ClassScore] | None = None
    spearman: float | None = None

    @property
    def title(self) -> str:
        """The method in tables."""
        return f"{self.method}, sharpened" if self.sharpened else self.method


class Score(Record):
    """How well a method reproduces VIIRS in one region, or in all ("all regions": sums over pixels).

    ``rmse``, ``mae``, ``bias`` (prediction minus measurement) and the means are in ``unit``; ``pixels``
    counts VIIRS pixels. ``log_rmse`` is that of the natural logarithm of 1 + radiance, ``spearman`` the rank
    correlation; what an older version did not compute is None.
    """

    method: str
    region: str
    role: Role | None = None
    rmse: float
    mae: float
    bias: float
    r2: float | None = Field(description="None where the measurement does not vary")
    pixels: int
    mean_predicted: float
    mean_measured: float
    unit: str = RADIANCE_UNIT
    log_rmse: float | None = None
    spearman: float | None = Field(default=None, description="None too where prediction or VIIRS is even")
    rmse_level_known: float | None = Field(
        default=None,
        description="RMSE once one factor for each region has given the prediction the mean of VIIRS: what "
        "is left of the error where a country's level is known. None too where no light is predicted.",
    )
    classes: list[ClassScore] | None = Field(default=None, description="classes without pixels are left out")
    intervals: ScoreIntervals | None = Field(default=None, description="None too with less than 4 blocks")
    fine: FineScore | None = Field(default=None, description="where the true fine radiance is known")


class Scores(Record):
    """``metrics.json``: scores at the VIIRS grid."""

    schema_version: Literal[1] = SCHEMA_VERSION
    simulated: bool
    grid: str = "VIIRS, 15 arc-seconds"
    scores: list[Score]


USUAL_EXPONENT: Final = 0.3
"""To which power a texture is trusted where nothing is known of it."""

LARGEST_EXPONENT: Final = 1.2
"""A prediction that is a mean of what it cannot tell apart is flatter than light is."""


class ScaleVerdict(Record):
    """What the texture of a prediction was worth on VIIRS that was moved up in scale.

    Attributes
    ----------
    factor:
        VIIRS plays the fine image, and the mean over footprints ``factor`` times as large the measurement.
    gain:
        Share by which the texture, at the exponent of the verdict, lowers the RMSE of interpolation alone,
        both sharpened; below 0 where it raises it.
    lower, upper:
        Between which the gain lies with a probability of 95 %, by the bootstrap over blocks; None where there
        are too few of them.
    pixels:
        VIIRS pixels that were compared.
    """

    factor: int
    gain: float
    lower: float | None
    upper: float | None
    pixels: int


class Verdict(Record):
    """To which power the texture of a prediction is to be trusted in a region, by the region's own VIIRS.

    Attributes
    ----------
    exponent:
        Which is used.
    found:
        Which served best at the scales that were tested; None where the region is too small or too
        dark for any.
    weight:
        Of ``found`` in ``exponent``, from 0 to 1; the rest is the exponent that is usual.
    usual:
        That exponent: 0.3, or what the regions of the dataset that a run was evaluated in ask for.
    scales:
        What it was worth, from the finest scale on.
    """

    exponent: float
    found: float | None
    weight: Share
    usual: float = USUAL_EXPONENT
    scales: list[ScaleVerdict]


class SharpeningRecord(Record):
    """How well the layer ``sharpened`` agrees with VIIRS, in the measure of the noise.

    Attributes
    ----------
    noise:
        Standard deviation of VIIRS that was taken for it.
    chi_square:
        Mean over the measured pixels of (observed minus measured) squared, over the variance of the noise: 1
        for the true light. None where nothing was measured.
    within_two_sigma:
        Share of these pixels within two standard deviations; 0.954 for the true light.
    pixels:
        How many were measured.
    exponent:
        To which power the texture is that of the prediction: of 0 it is interpolated VIIRS, sharpened. 1 in
        records from before it was measured.
    verdict:
        Why; None where it was given, or in records from before it was measured.
    """

    noise: Noise
    chi_square: float | None
    within_two_sigma: float | None
    pixels: int
    exponent: float = 1.0
    verdict: Verdict | None = None
