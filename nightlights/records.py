"""Base of all records of the workspace, read and written as JSON."""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from nightlights.errors import NewerVersionError, WorkspaceError
from nightlights.files import write_text

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
    """Base of every record: no NaN, and no unknown keys but in files; see :func:`read_record`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _with_unknown_fields(
        self, fields_of: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """All fields, and those of a later version that came with the file."""
        fields: dict[str, Any] = fields_of(self)
        return fields if info.include is not None else fields | (self.__pydantic_extra__ or {})


AnyRecord = TypeVar("AnyRecord", bound=Record)

_BROKEN_REMEDY = "Restore it from a copy. If a newer version of this program wrote it, update the program."


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read and validate the JSON file at ``path``.

    Fields that this version does not know are kept and written back with the record. Within one schema
    version they only add to what the others mean (docs/workspace.md).

    Raises
    ------
    NewerVersionError
        When the file has a newer schema version.
    WorkspaceError
        When the file is missing, is not JSON, or does not hold a valid record.
    """
    try:
        content = path.read_bytes()
        return kind.model_validate_json(content, extra="allow")
    except FileNotFoundError as error:
        raise WorkspaceError(f"{path} is missing.", "Was it deleted? Make it again.") from error
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be read: {error.strerror}.", _BROKEN_REMEDY) from error
    except ValidationError as error:
        version = _schema_version(content)
        if version > SCHEMA_VERSION:
            raise NewerVersionError(
                f"{path} was written by a newer version of this program "
                f"(schema version {version}; this one reads up to {SCHEMA_VERSION}).",
                "Update the program. Nothing is wrong with the file.",
            ) from error
        raise WorkspaceError(f"{path} cannot be read: {error.errors()[0]['msg']}.", _BROKEN_REMEDY) from error


def _schema_version(content: bytes) -> int:
    """The schema version of a record; 0 where it has none."""
    try:
        version = json.loads(content)["schema_version"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return 0
    return version if isinstance(version, int) else 0


def write_record(path: Path, record: Record) -> None:
    """Write ``record`` as JSON to ``path``, whole."""
    write_text(path, record.model_dump_json(indent=2) + "\n")


_LATER_FIELDS: Final = ("glow_share", "glow_fwhm_m", "noise_share", "width_factor")


def request_content(request: Record) -> dict[str, Any]:
    """What a request asks for, as JSON values.

    A field that older requests do not have is left out where it is the default, so that their fingerprints
    stay.
    """
    fields = type(request).model_fields
    usual = {
        name for name in _LATER_FIELDS if name in fields and getattr(request, name) == fields[name].default
    }
    return request.model_dump(mode="json", exclude={"overwrite", *usual})
