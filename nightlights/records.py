"""What all records of the workspace share."""

from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)

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
    "fetch",
]

Share = Annotated[float, Field(ge=0, le=1)]


class Record(BaseModel):
    """Base of every record: no NaN, and no unknown keys but in files; see ``manifests.read_record``."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _with_unknown_fields(
        self, fields_of: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """All fields, and those of a later version that came with the file."""
        fields: dict[str, Any] = fields_of(self)
        return fields if info.include is not None else fields | (self.__pydantic_extra__ or {})
