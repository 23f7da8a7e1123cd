"""``uncertainty.json`` beside ``model.keras``: all that turns a prediction into an interval."""

import contextlib
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from nightlights.bands import RADIANCE_UNIT, RadianceTransform
from nightlights.errors import ModelError, WorkspaceError
from nightlights.manifests import Name, read_record
from nightlights.models import model_sha256
from nightlights.records import SCHEMA_VERSION, Record, Share

UNCERTAINTY_FILE: Final = "uncertainty.json"

METHOD: Final = 2
"""Counts changes of how intervals are made. The first had a quantile for each side, and pixels counted."""

Orientations = Literal[1, 2, 4, 8]
"""In how many orientations a network sees the imagery, for the spread of its predictions."""

FEATURES: Final = ("level", "level squared", "contrast", "distance")
"""What the size of an error is told from, without VIIRS; see :mod:`nightlights.uncertainty.features`."""

ORIENTATION_SPREAD: Final = "orientation spread"
"""The feature that needs more than one orientation."""


def feature_names(orientations: Orientations) -> tuple[str, ...]:
    """The features of a calibration with so many orientations, in order."""
    return FEATURES if orientations == 1 else (*FEATURES, ORIENTATION_SPREAD)


class Weight(Record):
    """What one feature says about the logarithm of an error: ``weight x (feature - center) / spread``."""

    feature: str
    center: float
    spread: float = Field(gt=0)
    weight: float


class CalibratedRegion(Record):
    """A region whose errors were used, of a dataset with its digest.

    ``coverage`` is the share of its VIIRS pixels inside of intervals that were made without its ground.
    """

    name: str
    dataset: str = ""
    dataset_sha256: str = ""
    pixels: int = Field(ge=1)
    coverage: Share


class Calibration(Record):
    """How wide the intervals of a model are, and what that was learned from.

    The interval of a VIIRS pixel is ``transform(predicted) - below x size`` to ``transform(predicted) +
    above x size``, undone by the transform, where ``size`` is exp(``intercept`` + the sum of the weights).

    Attributes
    ----------
    method:
        Which version of the procedure made it, see :data:`METHOD`.
    level:
        Share of the VIIRS pixels of a new region that the intervals are to hold, in the mean over regions.
    share:
        At which the quantile of the pooled errors was taken to that end; as the level in older records.
    model_sha256:
        Of the model whose errors were used, see :func:`nightlights.models.model_sha256`.
    held_out:
        Errors were scaled by a model fitted without their whole region, or, where there are too few regions,
        without their block.
    coverage:
        Share of pixels inside of intervals that were made without their region or block, in the mean over
        regions that share no ground.
    remark:
        For which imagery the intervals can be expected to hold.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    method: int = 1
    created: datetime
    run: Name
    datasets: list[Name]
    level: float = Field(gt=0, lt=1)
    share: Share
    model_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    transform: RadianceTransform
    orientations: Orientations
    intercept: float
    weights: list[Weight]
    below: float
    above: float
    held_out: Literal["regions", "blocks"]
    regions: list[CalibratedRegion] = Field(min_length=1)
    coverage: Share
    simulated: bool
    remark: str
    unit: str = RADIANCE_UNIT

    @model_validator(mode="before")
    @classmethod
    def _was_of_one_dataset(cls, values: Any) -> Any:
        """Records of the first method knew one dataset, and took the quantile at the level."""
        if isinstance(values, dict) and "dataset" in values:
            values = {**values, "datasets": [values["dataset"]], "share": values.get("level")}
            del values["dataset"]
        return values

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        named = tuple(weight.feature for weight in self.weights)
        if named != feature_names(self.orientations):
            raise ValueError(f"the features are {', '.join(named)}, not those of the program")
        if self.below + self.above <= 0:
            raise ValueError("the interval is empty")
        return self

    @property
    def pixels(self) -> int:
        """VIIRS pixels whose errors were used."""
        return sum(region.pixels for region in self.regions)


def load_calibration(folder: Path) -> Calibration | None:
    """The calibration of the model in ``folder``; None where it was never calibrated.

    Raises
    ------
    ModelError
        When it is broken, or belongs to another model than the one that lies there.
    """
    path = folder / UNCERTAINTY_FILE
    if not path.is_file():
        return None
    remedy = f"Calibrate again: nightlights calibrate --run {folder.name}; or delete {UNCERTAINTY_FILE}."
    try:
        calibration = read_record(path, Calibration)
    except WorkspaceError as error:
        raise ModelError(f"The intervals of {folder.name} cannot be used: {error.message}", remedy) from error
    found = ""
    # Of a part that is missing there is no digest.
    with contextlib.suppress(OSError, WorkspaceError):
        found = model_sha256(folder)
    if found != calibration.model_sha256:
        raise ModelError(f"The intervals of {folder.name} belong to another model.", remedy)
    return calibration
