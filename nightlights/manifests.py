"""The records that the workspace keeps beside its rasters and models, validated on the way in and out."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nightlights.bands import RADIANCE_UNIT, Band, RadianceTransform, Scaling
from nightlights.composites import EarthEngineRequest
from nightlights.glow_records import GlowRecord
from nightlights.grid import Window
from nightlights.noise import MONTH, SIMULATED, Noise
from nightlights.records import SCHEMA_VERSION as SCHEMA_VERSION
from nightlights.records import JobKind as JobKind
from nightlights.records import Record as Record
from nightlights.records import Role as Role
from nightlights.records import Share as Share
from nightlights.records import read_record as read_record
from nightlights.records import write_record as write_record
from nightlights.scores import ClassScore as ClassScore
from nightlights.scores import FineScore as FineScore
from nightlights.scores import Interval as Interval
from nightlights.scores import MethodFineScore as MethodFineScore
from nightlights.scores import Score as Score
from nightlights.scores import ScoreIntervals as ScoreIntervals
from nightlights.scores import Scores as Scores
from nightlights.scores import SharpeningRecord as SharpeningRecord
from nightlights.training_settings import READS_VIIRS, TRAINED_ON_TRUTH, VIIRS_SMOOTHING
from nightlights.training_settings import Loss as Loss
from nightlights.training_settings import Optimizer as Optimizer
from nightlights.training_settings import Resampling as Resampling
from nightlights.training_settings import Schedule as Schedule
from nightlights.training_settings import TrainingSettings as TrainingSettings

ROLES: tuple[Role, ...] = ("train", "evaluate", "predict")
JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
FileScaling = Literal["study", "physical"]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


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


class SourceRecord(Record):
    """Which source the imagery came from, without secrets."""

    kind: Literal["simulated", "rasters", "earthengine", "tfrecord"]
    label: str
    simulated: bool
    parameters: dict[str, Any] = Field(default_factory=dict)


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
    sha256: dict[str, str] = Field(default_factory=dict, description="file name to digest")
    missing_share: Share = Field(description="share of analysis pixels with a missing band")
    radiance: RadianceSummary


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
    noise: Noise | None = Field(default=None, description="of VIIRS; that of a month unless given")
    regions: list[DatasetRegion]

    @property
    def viirs_noise(self) -> Noise:
        """How far VIIRS scatters; older datasets do not say."""
        return self.noise or (SIMULATED if self.source.simulated else MONTH)


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
    bands: list[str] | None = Field(default=None, description="all bands of the source unless given")
    period_start: str | None = None
    period_end: str | None = None
    fwhm_m: float = 742.0
    noise_share: Share = Field(default=SIMULATED.share, description="simulated source: noise / light")
    width_factor: float = Field(
        default=1.0, ge=0.8, le=1.2, description="simulated source: true width of the footprint / fwhm_m"
    )
    earthengine: EarthEngineRequest | None = Field(default=None, description="earthengine source alone")
    overwrite: bool = False

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


class CrossValidationRequest(Record):
    """The arguments of a cross-validation job: each of ``regions`` is held out once, all unless given.

    ``settings`` are those of every fold, which trains on all of its ``train_regions`` but the one held out;
    on all of role train or evaluate unless given.
    """

    name: Name
    dataset: Name
    settings: TrainingSettings = TrainingSettings()
    regions: list[str] | None = None
    bootstrap_seed: int = Field(default=1, ge=0)
    overwrite: bool = False


class CrossValidationFold(Record):
    """One fold: the region that it was scored in, and the run that was trained on all others."""

    region: str
    run: Name


class CrossValidationRecord(Record):
    """``crossvalidations/NAME/crossvalidation.json``: scores in regions that were held out of training.

    ``scores`` has a row a region and method, and "all regions": sums over the pixels of all of them, each
    predicted by the model that has not seen it. What simulated imagery gave says so.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: Name
    created: datetime
    dataset: Name
    source: SourceRecord
    settings: TrainingSettings
    bootstrap_seed: int
    folds: list[CrossValidationFold]
    trained_on: int | None = Field(default=None, description="regions a fold trained on, where all alike")
    scores: list[Score]


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
    learned_fwhm_m: float | None = None
    trained_on_truth: bool = False
    members: list[Name] = Field(default_factory=list, description="of an ensemble: the runs that it averages")
    seconds: float = 0.0
    notes: str = ""
    series: str = Field(default="", description="the sweep, cross-validation or table that it is a run of")

    def without_machine(self) -> Self:
        """With GPU or CPU as the device: whose machine it was is nobody's business."""
        return self.model_copy(update={"device": self.device.split(":")[0].split(".")[0]})

    @property
    def caveats(self) -> str:
        """What keeps its scores from being compared with those of others, after a comma; nothing mostly."""
        said = {TRAINED_ON_TRUTH: self.trained_on_truth, READS_VIIRS: self.settings.viirs_input}
        return "".join(f", {words}" for words, true in said.items() if true)


class EpochRecord(Record):
    """One row of ``runs/ID/history.csv``: both RMSE columns measured the same way, in nW/cm2/sr."""

    epoch: int
    loss: float
    train_rmse: float
    evaluation_rmse: float | None
    learning_rate: float
    seconds: float
    patches_per_second: float


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
        le=1,
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
    total_predicted: float = Field(description="sum over VIIRS pixels of radiance x area, nW/cm2/sr km2")
    total_measured: float
    unit: str = RADIANCE_UNIT


class PublishRequest(Record):
    """The arguments of a publication: a prediction goes to Cloud Storage and becomes an asset.

    ``form`` is how it lies in the bucket: the Cloud Optimized GeoTIFF of the prediction as it is, or
    TFRecord patches with their mixer, the form of the study.
    """

    prediction: Name
    form: Literal["COG", "TFRecord"] = "COG"
    ingest: bool = Field(default=True, description="also make an Earth Engine asset of it")
    asset: Name | None = Field(default=None, description="name of the asset; the prediction's unless given")
    licence: str = Field(default="CC-BY-4.0", min_length=1, max_length=200)
    overwrite: bool = Field(default=False, description="replace an asset of that name with other content")


class PublicationRecord(Record):
    """``predictions/NAME/publication.json``: where a prediction was published, and how far that is.

    ``files`` are paths within the bucket, whose own name is never written down. ``sha256`` is the digest of
    the prediction's GeoTIFF, which the asset carries too.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    prediction: Name
    form: Literal["COG", "TFRecord"]
    sha256: str
    simulated: bool
    started: datetime
    finished: datetime | None = None
    files: list[str] = Field(default_factory=list)
    asset: str | None = Field(default=None, description="projects/PROJECT/assets/FOLDER/NAME")
    operation: str | None = Field(default=None, description="of the ingestion")
    eecu_seconds: float | None = Field(default=None, description="what the ingestion used, in EECU-seconds")
    properties: dict[str, str | float] = Field(default_factory=dict)


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
