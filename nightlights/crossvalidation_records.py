"""The records of a cross-validation."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from nightlights.records import SCHEMA_VERSION, Name, Record, SourceRecord
from nightlights.scores import Score
from nightlights.training_settings import TrainingSettings


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
