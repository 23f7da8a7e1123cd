"""Settings of the house: limits, defaults and the connection, from variables named NIGHTLIGHTS_*.

They come from the process's environment; what is not there, from ``.env`` in the current folder (see
:mod:`nightlights.environment`); the connection's, from the workspace, where the Home page keeps what was
typed in.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from nightlights.environment import read_variables
from nightlights.errors import SettingsError
from nightlights.files import replacing
from nightlights.observation import DEFAULT_FWHM_M
from nightlights.training_settings import SMALLEST_DEFAULT_PATCH, SMALLEST_PATCH

ENVIRONMENT_PREFIX = "NIGHTLIGHTS_"
CONNECTION_FILE: Final = "connection.env"
"""Within the workspace, readable by its owner alone: what was typed in on the Home page."""
CONNECTION_FIELDS: Final = ("earthengine_project", "service_account_key", "bucket", "bucket_folder")
"""The settings that the Home page may keep there."""
_NEVER_SHOWN: Final = ("bucket", "service_account_key")
"""Settings whose value no error repeats: a key could have been pasted in the place of its path."""
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


class Settings(BaseModel):
    """Limits and defaults that a user may change.

    Each is read from the environment variable ``NIGHTLIGHTS_`` + its name in capitals, for example
    ``NIGHTLIGHTS_MAXIMUM_REGION_KM2``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workspace: Path = Path("workspace")
    maximum_region_km2: float = Field(default=50_000.0, gt=0, description="largest region, in km²")
    maximum_regions: int = Field(default=200, gt=0, description="most regions in one collection")
    patch_size: int = Field(
        default=SMALLEST_DEFAULT_PATCH,
        ge=SMALLEST_PATCH,
        multiple_of=16,
        description="side in pixels of the patches that are counted, and of the smallest region to train or "
        "evaluate on",
    )
    fwhm_m: float = Field(
        default=DEFAULT_FWHM_M, ge=0, le=10_000, description="full width at half maximum, in metres"
    )
    planet_seed: int = Field(default=1, ge=0, lt=2**31, description="seed of the simulated planet")
    earthengine_project: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9:.-]{4,60}[a-z0-9]$",
        description="Google Cloud project that Earth Engine works for",
    )
    service_account_key: Path | None = Field(
        default=None, description="JSON key file of a service account; your own sign-in unless given"
    )
    bucket: SecretStr | None = Field(default=None, description="Cloud Storage bucket for batch exports")
    bucket_folder: str = Field(
        default="nightlights",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$",
        description="folder in the bucket or in Drive, and of the assets",
    )
    earthengine_url: str | None = Field(
        default=None, pattern=r"^https?://", description="a local test server in the place of Earth Engine"
    )
    requests_at_once: int = Field(default=8, ge=1, le=40, description="Earth Engine requests at a time")
    request_deadline_s: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="longest time for one Earth Engine request, retries included",
    )

    example_mirror: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="scheme and host that hold copies of the files of nightlights example",
    )

    @field_validator("bucket")
    @classmethod
    def _is_name_of_bucket(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _BUCKET.fullmatch(value.get_secret_value()):
            raise ValueError("a bucket's name has 3 to 222 small letters, digits, -, _ and ., without gs://")
        return value

    @field_validator("service_account_key")
    @classmethod
    def _is_no_key(cls, value: Path | None) -> Path | None:
        if value is not None and ("PRIVATE KEY" in str(value) or str(value).lstrip().startswith("{")):
            raise ValueError("it is the key itself instead of the path of its file")
        return value

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be written or shown; see :func:`nightlights.redaction.redact`."""
        return () if self.bucket is None else (self.bucket.get_secret_value(),)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, workspace: Path | None = None
    ) -> "Settings":
        """Read the settings from ``environment``, the process's own unless given.

        ``workspace`` goes before the environment's: whoever works on a workspace reads its connection.

        Raises
        ------
        SettingsError
            When a value cannot be used; the sentence names the variable.
        """
        values = os.environ if environment is None else environment
        if workspace is not None:
            values = {**values, ENVIRONMENT_PREFIX + "WORKSPACE": str(workspace)}
        kept = Path(values.get(ENVIRONMENT_PREFIX + "WORKSPACE") or "workspace") / CONNECTION_FILE
        allowed = {ENVIRONMENT_PREFIX + name.upper() for name in CONNECTION_FIELDS}
        values = {**{key: value for key, value in read_variables(kept).items() if key in allowed}, **values}
        given = {
            name: values[ENVIRONMENT_PREFIX + name.upper()]
            for name in cls.model_fields
            if values.get(ENVIRONMENT_PREFIX + name.upper())
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            variable = ENVIRONMENT_PREFIX + name.upper()
            refused = "used" if name in _NEVER_SHOWN else f"{first['input']!r}"
            reason = first["msg"].removeprefix("Value error, ")
            raise SettingsError(
                f"{variable} cannot be {refused}: {reason}.", f"Change or remove {variable}."
            ) from None


def keep_connection(workspace: Path, **values: str | None) -> None:
    """Keep the connection's settings in the workspace; None or an empty string removes one.

    Raises
    ------
    SettingsError
        When a value cannot be used; nothing is written then.
    WorkspaceError
        When the file cannot be written.
    """
    unknown = set(values) - set(CONNECTION_FIELDS)
    if unknown:
        raise SettingsError(f"{min(unknown)} is no setting of the connection.")
    names = {ENVIRONMENT_PREFIX + name.upper(): value for name, value in values.items()}
    if any(value and any(mark in value for mark in "\n\r\0'") for value in names.values()):
        raise SettingsError("A setting holds a line break or a quotation mark.", "Remove it.")
    path = workspace / CONNECTION_FILE
    kept = {key: value for key, value in {**read_variables(path), **names}.items() if value}
    checked = Settings.from_environment({**kept, ENVIRONMENT_PREFIX + "WORKSPACE": os.devnull})
    key = checked.service_account_key if values.get("service_account_key") else None
    if key is not None and not key.expanduser().is_file():
        raise SettingsError(f"There is no file {key}.", "Correct the path of the key file.")
    lines = (f"{name}='{_escaped(value)}'\n" for name, value in kept.items())
    with replacing(path) as partial:
        partial.touch(mode=0o600)
        partial.write_text("".join(lines), encoding="utf-8")


def _escaped(value: str) -> str:
    """``value`` for single quotation marks: a backslash before the last one would take it away."""
    return value.replace("\\", "\\\\")
