"""What the records of training runs are made of: epochs, and the parts of a model."""

from typing import Literal

from pydantic import Field

from nightlights.records import Record

Part = Literal["level", "texture", "together"]
"""How much light a footprint holds, where in it the light lies, and both joined."""


class EpochRecord(Record):
    """One row of ``runs/ID/history.csv``: both RMSE columns measured the same way, in nW/cm2/sr."""

    epoch: int
    loss: float
    train_rmse: float
    evaluation_rmse: float | None
    learning_rate: float
    seconds: float
    patches_per_second: float


class PartRecord(Record):
    """One part of a model of level and texture, or both together.

    The RMSE figures are in nW/cm2/sr at the VIIRS grid, over all pixels of the run's regions; None before
    they are evaluated.
    """

    part: Part
    network: str = Field(description="key in the registry; of both together, that of the level")
    networks: int = Field(default=1, ge=1, description="how many")
    parameters: int = Field(default=0, description="trainable weights of all of them")
    seconds: float = Field(default=0.0, description="that training took")
    train_rmse: float | None = None
    evaluation_rmse: float | None = None
