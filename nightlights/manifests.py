"""The records that the workspace keeps beside its rasters and models, validated on the way in and out."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nightlights.bands import RADIANCE_UNIT, Band, RadianceTransform, Scaling
from nightlights.composites import EarthEngineRequest
from nightlights.crossvalidation_records import CrossValidationFold as CrossValidationFold
from nightlights.crossvalidation_records import CrossValidationRecord as CrossValidationRecord
from nightlights.crossvalidation_records import CrossValidationRequest as CrossValidationRequest
from nightlights.fine_truth import FineTruthRecord as FineTruthRecord
from nightlights.fine_truth import TruthRequest as TruthRequest
from nightlights.footprint_terms import FootprintRegression
from nightlights.footprint_trees import FootprintTrees
from nightlights.glow_records import GlowRecord
from nightlights.grid import Window
from nightlights.noise import MONTH, SIMULATED, Noise
from nightlights.publication_records import PublicationRecord as PublicationRecord
from nightlights.publication_records import PublishRequest as PublishRequest
from nightlights.records import SCHEMA_VERSION as SCHEMA_VERSION
from nightlights.records import JobKind as JobKind
from nightlights.records import Name as Name
from nightlights.records import Record as Record
from nightlights.records import Role as Role
from nightlights.records import Share as Share
from nightlights.records import SourceRecord as SourceRecord
from nightlights.records import read_record as read_record
from nightlights.records import write_record as write_record
from nightlights.run_records import EpochRecord as EpochRecord
from nightlights.run_records import PartRecord as PartRecord
from nightlights.scores import LARGEST_EXPONENT
from nightlights.scores import ClassScore as ClassScore
from nightlights.scores import FineScore as FineScore
from nightlights.scores import Interval as Interval
from nightlights.scores import MethodFineScore as MethodFineScore
from nightlights.scores import Score as Score
from nightlights.scores import ScoreIntervals as ScoreIntervals
from nightlights.scores import Scores as Scores
from nightlights.scores import SharpeningRecord as SharpeningRecord
from nightlights.training_settings import READS_VIIRS, TRAINED_ON_TRUTH, VIIRS_SMOOTHING
from nightlights.training_settings import Decoder as Decoder
from nightlights.training_settings import Guide as Guide
from nightlights.training_settings import Loss as Loss
from nightlights.training_settings import Optimizer as Optimizer
from nightlights.training_settings import Resampling as Resampling
from nightlights.training_settings import Schedule as Schedule
from nightlights.training_settings import TrainingSettings as TrainingSettings

ROLES: tuple[Role, ...] = ("train", "evaluate", "predict")
JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
FileScaling = Literal["study", "physical"]


def now() -> datetime:
    """The present moment in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


class WindowRecord(Record):
    """A :class:`~nightlights.grid.Window` as JSON, in VIIRS pixels."""

    column: int
    row: int
    width: int
    height: int

    @classmethod
    def of(cls, window: Window) -> "WindowRecord":
        """The record of ``window``."""
        return cls(column=window.column, row=window.row, width=window.width, height=window.height)

    @property
    def window(self) -> Window:
        """The window itself."""
        return Window(self.column, self.row, self.width, self.height)


class RadianceSummary(Record):
    """Distribution of the VIIRS radiance of a region, in nW/cm2/sr.

    ``counts`` are numbers of VIIRS pixels between neighbouring ``edges``.
    """

    mean: float
    maximum: float
    lit_share: Share = Field(description="share of pixels above 0.5 nW/cm2/sr")
    edges: list[float]
    counts: list[int]


class DatasetRegion(Record):
    """One region of a dataset: a daytime raster on the analysis grid, a VIIRS raster on its own."""

    name: Name
    role: Role
    geometry: dict[str, Any] = Field(description="GeoJSON geometry, EPSG:4326")
    window: WindowRecord
    daytime: str
    nighttime: str
    truth: str | None = None
    noise: str | None = Field(
        default=None, description="scatter of a single night-time image and number of images, where composed"
    )
    months_composed: int | None = Field(
        default=None,
        ge=1,
        description="night-time images that half of the pixels have at least, where composed",
    )
    sha256: dict[str, str] = Field(default_factory=dict, description="file name to digest")
    missing_share: Share = Field(description="share of analysis pixels with a missing band")
    radiance: RadianceSummary
    fine_truth: FineTruthRecord | None = Field(
        default=None, description="what the truth is where it is a raster of one's own, not simulated"
    )
    truth_note: str = Field(default="", description="why a truth that was given is not used in this region")

    @property
    def truth_sentences(self) -> list[str]:
        """What a reader of scores against a truth of one's own must know; empty without one."""
        note = [f"No fine truth: {self.truth_note}"] if self.truth_note else []
        return note + (self.fine_truth.sentences if self.fine_truth else [])


class DatasetManifest(GlowRecord):
    """``datasets/NAME/dataset.json``. File names are relative to the dataset's folder."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: Name
    created: datetime
    source: SourceRecord
    regions_name: str
    period_start: str | None = None
    period_end: str | None = None
    bands: list[Band]
    radiance_unit: str = RADIANCE_UNIT
    point_spread_fwhm_m: float
    radiance_noise: Noise | None = Field(default=None, description="of VIIRS; that of a month unless given")
    regions: list[DatasetRegion]

    @property
    def glow_is_exact(self) -> bool:
        """Whether the glow is the one that the simulated planet was made with."""
        made = {name: self.source.parameters.get(name) for name in self.glow}
        return self.source.simulated and self.glow_share > 0 and made == self.glow

    @property
    def viirs_noise(self) -> Noise:
        """How far VIIRS scatters, as its source says, or as a median of so many months does."""
        usual = SIMULATED if self.source.simulated else MONTH.of_median(self.months_composed or 1)
        return self.radiance_noise or usual

    @property
    def months_composed(self) -> int | None:
        """How many monthly images the night-time image is the median of; of its regions, the fewest.

        None where it is unknown: a mosaic, or a source that composes by itself.
        """
        counts = [region.months_composed for region in self.regions]
        return min((count for count in counts if count is not None), default=None) if all(counts) else None


class ExportRequest(GlowRecord):
    """What to export: the arguments of an export job."""

    dataset: Name
    regions: Name = Field(description="name of a region collection of the workspace")
    source: Literal["simulated", "rasters", "earthengine", "tfrecord"] = "simulated"
    planet_seed: int = 1
    daytime_files: list[str] = Field(default_factory=list, description="rasters source: paths or patterns")
    nighttime_files: list[str] = Field(default_factory=list)
    daytime_nodata: float | None = None
    nighttime_nodata: float | None = None
    ignore_nodata_tag: bool = Field(
        default=False, description="rasters source: treat a tagged nodata value as valid"
    )
    nighttime_composite: Literal["mosaic", "median"] = Field(
        default="mosaic", description="rasters source: median where the files are months of the same place"
    )
    attribution: list[str] = Field(
        default_factory=list, description="source and licence of the imagery, kept in the dataset's record"
    )
    bands: list[str] | None = Field(default=None, description="all bands of the source unless given")
    period_start: str | None = None
    period_end: str | None = None
    fwhm_m: float = 742.0
    noise_share: Share = Field(default=SIMULATED.share, description="simulated source: noise / light")
    width_factor: float = Field(
        default=1.0, ge=0.8, le=1.2, description="simulated source: true width of the footprint / fwhm_m"
    )
    earthengine: EarthEngineRequest | None = Field(default=None, description="earthengine source alone")
    truth: TruthRequest | None = Field(default=None, description="rasters source alone: fine truth")
    overwrite: bool = False

    @model_validator(mode="after")
    def _truth_goes_with_rasters(self) -> Self:
        if self.truth is not None and self.source != "rasters":
            raise ValueError("a fine truth goes with the source rasters")
        return self

    @model_validator(mode="after")
    def _earthengine_has_its_settings(self) -> Self:
        if (self.source == "earthengine") != (self.earthengine is not None):
            raise ValueError("the settings of Earth Engine go with the source earthengine")
        return self

    @model_validator(mode="after")
    def _only_a_planet_is_varied(self) -> Self:
        if self.source != "simulated" and (self.noise_share, self.width_factor) != (SIMULATED.share, 1.0):
            raise ValueError("the noise and the true width are options of the source simulated")
        return self

    @model_validator(mode="after")
    def _period_is_one(self) -> Self:
        days = {}
        for name in ("period_start", "period_end"):
            value = getattr(self, name)
            try:
                days[name] = date.fromisoformat(value) if value else None
            except ValueError:
                raise ValueError(f"{name} {value!r} is not a date like 2023-01-31") from None
        if days["period_start"] and days["period_end"] and days["period_end"] < days["period_start"]:
            raise ValueError(f"the period ends ({self.period_end}) before it starts ({self.period_start})")
        return self


class ImportRequest(Record):
    """What to import: the arguments of an import job.

    Attributes
    ----------
    files:
        TFRecord files and mixers (``mixer.json``): paths, folders or patterns. A file of patches is a region;
        so is a mixer with the files of its image.
    scaling:
        "study": reflectance, temperature mapped to 0 .. 1, radiance divided by 60; "physical": the bands'
        units and nW/cm2/sr.
    roles:
        Beginning of a file's name to the role of its region; the longest that fits counts.
    other_role:
        The role of files whose name begins otherwise; they are refused unless given, images are predicted.
    bands:
        Features to take, in order; the study's nine, or all there are, unless given.
    nighttime_files:
        VIIRS rasters for images that came without radiance.
    kernel_size:
        (x, y) of the image export's ``kernelSize``; follows from the files where x and y are equal.
    simulated:
        Whether the imagery was simulated, which files do not tell.
    """

    dataset: Name
    files: list[str] = Field(min_length=1)
    scaling: FileScaling = "study"
    roles: dict[str, Role] = Field(default={"train": "train", "eval": "evaluate"})
    other_role: Role | None = None
    bands: list[str] | None = None
    radiance_band: str = "avg_rad"
    nighttime_files: list[str] = Field(default_factory=list)
    kernel_size: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] | None = None
    period_start: str | None = None
    period_end: str | None = None
    fwhm_m: float = 742.0
    simulated: bool = False
    overwrite: bool = False


class TrainingRequest(Record):
    """The arguments of a training job."""

    run: Name
    dataset: Name
    settings: TrainingSettings = TrainingSettings()
    notes: str = ""
    series: str = Field(default="", description="what begins it among others: a sweep or a cross-validation")
    overwrite: bool = False


class ModelConfig(GlowRecord):
    """``config.json`` beside ``model.keras``: all that is needed to use the network.

    The glow is that of the dataset that it was trained on.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    network: str
    bands: list[Band]
    scaling: Scaling
    transform: RadianceTransform
    radiance_unit: str = RADIANCE_UNIT
    patch_size: int
    point_spread_fwhm_m: float = Field(description="the learned one where training learned it")
    dataset_sha256: str
    simulated: bool
    viirs_input: bool = Field(default=False, description="smoothed VIIRS follows the bands as an input")
    viirs_smoothing: float = Field(
        default=VIIRS_SMOOTHING, gt=0, le=100, description="of that input: standard deviation in VIIRS pixels"
    )
    sharpening_contrast: float = Field(default=1.0, ge=0.1, le=2)
    trained_on_truth: bool = Field(default=False, description="its labels were the hidden radiance")
    guide: FootprintRegression | None = Field(
        default=None, description="the regression within the model, which its network multiplies"
    )
    boosting: FootprintTrees | None = Field(
        default=None, description="trees within the model, which the guide is multiplied by"
    )
    guide_reach: int = Field(
        default=0, ge=0, le=1000, description="analysis pixels around a pixel that the guide reads"
    )
    residual_limit: float | None = Field(default=None, description="largest logarithm of the factor")
    residual_share: float | None = Field(default=None, description="of that logarithm that is kept")
    decoder: Decoder = Field(default="transposed", description="how the network enlarges, if it is a U-Net")
    largest_radiance: float | None = Field(
        default=None, description="nW/cm2/sr, which no prediction exceeds; None for no such limit"
    )
    mirrored_edges: bool = Field(default=False, description="imagery is mirrored beyond the region's edges")
    texture_networks: int = Field(
        default=0, ge=0, description="whose mean, beside the model, places the light within footprints"
    )
    texture_smoothing: float = Field(
        default=0.0, ge=0, le=8, description="of the logarithm of their light: standard deviation in pixels"
    )


class RunRecord(Record):
    """``runs/ID/run.json``. The RMSE figures are in nW/cm2/sr at the VIIRS grid."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: Name
    created: datetime
    finished: datetime | None = None
    dataset: Name
    source: SourceRecord
    settings: TrainingSettings
    train_regions: list[str]
    evaluate_regions: list[str]
    parameters: int = Field(default=0, description="trainable weights")
    device: str = ""
    epochs_done: int = 0
    train_rmse: float | None = None
    evaluation_rmse: float | None = None
    kept_epoch: int | None = Field(
        default=None, description="the epoch that the model and the RMSE are of, where early stopping chose"
    )
    usual_exponent: float | None = Field(
        default=None,
        description="how far its texture is trusted in regions that tell little by themselves, by those of "
        "its evaluation",
    )
    learned_fwhm_m: float | None = None
    trained_on_truth: bool = False
    patches: int = Field(default=0, description="of an epoch, over all regions; 0 where not recorded")
    at_cap: float | None = Field(
        default=None, description="fraction of analysis pixels of the scored regions at the largest radiance"
    )
    members: list[Name] = Field(default_factory=list, description="of an ensemble: the runs that it averages")
    seconds: float = 0.0
    notes: str = ""
    series: str = Field(default="", description="the sweep, cross-validation or table that it is a run of")
    parts: list[PartRecord] = Field(default_factory=list, description="of a model of level and texture")

    def without_machine(self) -> Self:
        """With GPU or CPU as the device: whose machine it was is nobody's business."""
        return self.model_copy(update={"device": self.device.split(":")[0].split(".")[0]})

    @property
    def caveats(self) -> str:
        """What keeps its scores from being compared with those of others, after a comma; nothing mostly."""
        said = {TRAINED_ON_TRUTH: self.trained_on_truth, READS_VIIRS: self.settings.viirs_input}
        return "".join(f", {words}" for words, true in said.items() if true)


class PredictionRequest(Record):
    """The arguments of a prediction job."""

    run: Name
    region: str = Field(description="name of a region of the run's dataset")
    dataset: Name | None = Field(default=None, description="the run's own dataset unless given")
    prediction: Name
    sharpen: bool = Field(default=True, description="also make the layer sharpened")
    exponent: float | None = Field(
        default=None,
        ge=0,
        le=LARGEST_EXPONENT,
        description="how far sharpening trusts the texture of the prediction; by VIIRS itself unless given",
    )
    overwrite: bool = False


class PredictionRecord(Record):
    """``predictions/NAME/prediction.json``. ``layers`` maps layer to file name.

    Layers: ``daytime``, ``viirs``, ``prediction`` (analysis grid), ``observed`` (the prediction as VIIRS
    would see it), ``difference`` (observed minus VIIRS), ``sharpened`` (where asked for: corrected until
    VIIRS would see what it measured, but for noise), ``truth`` where known; of a calibrated model ``lower``
    and ``upper`` (bounds between which VIIRS should measure) and ``uncertainty`` (upper minus lower).
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: Name
    created: datetime
    run: Name
    dataset: Name
    region: str
    role: Role
    source: SourceRecord
    window: WindowRecord
    bands: list[Band]
    layers: dict[str, str]
    sharpening_contrast: float = Field(default=1.0, description="of the layer sharpened, see the settings")
    sharpening: SharpeningRecord | None = Field(
        default=None, description="None without the layer sharpened, and of layers made to agree within 1 %"
    )
    score: Score | None
    fine_scores: list[MethodFineScore] = Field(
        default_factory=list, description="beside interpolated VIIRS, where the true fine radiance is known"
    )
    fine_truth: FineTruthRecord | None = Field(
        default=None, description="what the truth is where it is a raster of one's own, not simulated"
    )
    total_predicted: float = Field(description="sum over VIIRS pixels of radiance x area, nW/cm2/sr km2")
    total_measured: float
    unit: str = RADIANCE_UNIT


class JobProgress(Record):
    """How far a job is."""

    done: float = 0
    total: float = 0
    unit: str = ""
    message: str = ""
    updated: datetime
    seconds_left: float | None = None

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total > 0 else 0.0


class Failure(Record):
    """Why a job failed, and what to do about it."""

    message: str
    remedy: str = ""
