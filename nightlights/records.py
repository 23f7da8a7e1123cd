"""What all records of the workspace share."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Final = 1

Role = Literal["train", "evaluate", "predict"]

JobKind = Literal[
    "export",
    "import",
    "train",
    "evaluate",
    "calibrate",
    "cross-validate",
    "sweep",
    "standard",
    "first-look",
    "predict",
    "publish",
]

Share = Annotated[float, Field(ge=0, le=1)]


class Record(BaseModel):
    """Base of every record: no unknown keys, no NaN."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
