"""What a sweep is asked to do, and what it found."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from nightlights.bands import RADIANCE_UNIT
from nightlights.manifests import Name, SourceRecord, TrainingSettings
from nightlights.records import SCHEMA_VERSION, Record

MAXIMUM_TRIALS: Final = 200
"""Most runs of a sweep: more would fill a disk with models that nobody looks at."""

# Runs are named NAME-001; a name has 64 characters at most. The pattern is that of all names.
SweepName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")]

SWEEP_FILE: Final = "sweep.json"


class Variation(Record):
    """One training setting and what it may be: some values, or a range to draw from.

    Attributes
    ----------
    field:
        Name of a field of the training settings.
    values:
        To choose from; with a range there are none.
    low, high:
        Ends of the range.
    scale:
        Whether all values of the range are equally likely, or all their orders of magnitude.
    """

    field: str
    values: list[Any] = Field(default_factory=list)
    low: float | None = None
    high: float | None = None
    scale: Literal["linear", "logarithmic"] = "linear"

    @property
    def is_range(self) -> bool:
        """Whether it is a range rather than a list."""
        return self.low is not None and self.high is not None

    @model_validator(mode="after")
    def _values_or_range(self) -> Self:
        if bool(self.values) == self.is_range:
            raise ValueError(f"{self.field} needs values, or both ends of a range")
        if self.is_range and not (self.low or 0) < (self.high or 0):
            raise ValueError(f"the range of {self.field} ends before it begins")
        if self.is_range and self.scale == "logarithmic" and (self.low or 0) <= 0:
            raise ValueError(f"a logarithmic range of {self.field} must begin above 0")
        return self


class SweepRequest(Record):
    """The arguments of a sweep job.

    Attributes
    ----------
    search:
        Every combination of the values, or ``trials`` combinations that are drawn with ``seed``.
    settings:
        Those of every run, but for what is varied.
    vary:
        What is varied, each setting once.
    """

    name: SweepName
    dataset: Name
    search: Literal["grid", "random"]
    settings: TrainingSettings = TrainingSettings()
    vary: list[Variation] = Field(min_length=1)
    trials: int | None = Field(default=None, ge=1, description="runs of a random search")
    seed: int = Field(default=1, ge=0, description="of a random search")
    overwrite: bool = False


class Trial(Record):
    """One run of a sweep. RMSE in nW/cm2/sr at the VIIRS grid: of evaluation over whole regions, of training
    on the fixed patches of its curve.

    ``values`` are the settings that were varied. ``failure`` says why it has no score: its settings could
    not be used, or its training diverged. Neither score nor failure: it waits.
    """

    run: Name
    values: dict[str, Any]
    evaluation_rmse: float | None = None
    train_rmse: float | None = None
    seconds: float = 0.0
    failure: str = ""


class SweepRecord(Record):
    """``sweeps/NAME/sweep.json``: the runs best first by evaluation RMSE, then those without one.

    Written again after every run, so that what is found so far can be seen; ``finished`` when all are done.
    ``source.simulated`` says whether the figures come from the simulated planet.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: SweepName
    created: datetime
    finished: datetime | None = None
    dataset: Name
    source: SourceRecord
    search: Literal["grid", "random"]
    seed: int | None = Field(description="of a random search")
    settings: TrainingSettings
    vary: list[Variation]
    unit: str = RADIANCE_UNIT
    trials: list[Trial]

    @property
    def best(self) -> Trial | None:
        """The run with the smallest evaluation RMSE, if one is scored."""
        scored = [trial for trial in self.trials if trial.evaluation_rmse is not None]
        return min(scored, key=lambda trial: trial.evaluation_rmse or 0.0, default=None)

    @property
    def done(self) -> int:
        """Runs that are scored or have failed."""
        return sum(trial.evaluation_rmse is not None or bool(trial.failure) for trial in self.trials)
