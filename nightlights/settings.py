"""Settings of the house: limits and defaults, from environment variables named NIGHTLIGHTS_*."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nightlights.errors import SettingsError
from nightlights.observation import DEFAULT_FWHM_M

ENVIRONMENT_PREFIX = "NIGHTLIGHTS_"


class Settings(BaseModel):
    """Limits and defaults that a user may change.

    Each is read from the environment variable ``NIGHTLIGHTS_`` + its name in capitals, for example
    ``NIGHTLIGHTS_MAXIMUM_REGION_KM2``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workspace: Path = Path("workspace")
    maximum_region_km2: float = Field(default=50_000.0, gt=0, description="largest region, in km²")
    maximum_regions: int = Field(default=200, gt=0, description="most regions in one collection")
    patch_size: int = Field(default=256, ge=32, multiple_of=16, description="side of a patch, in pixels")
    fwhm_m: float = Field(
        default=DEFAULT_FWHM_M, ge=0, le=10_000, description="full width at half maximum, in metres"
    )
    maximum_missing_share: float = Field(
        default=0.2, ge=0, lt=1, description="largest missing share of a training patch"
    )
    planet_seed: int = Field(default=1, ge=0, lt=2**31, description="seed of the simulated planet")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from ``environment``, the process's own unless given.

        Raises
        ------
        SettingsError
            When a value cannot be used; the sentence names the variable.
        """
        values = os.environ if environment is None else environment
        given = {
            name: values[ENVIRONMENT_PREFIX + name.upper()]
            for name in cls.model_fields
            if values.get(ENVIRONMENT_PREFIX + name.upper())
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            variable = ENVIRONMENT_PREFIX + str(first["loc"][0]).upper()
            raise SettingsError(
                f"{variable} cannot be {first['input']!r}: {first['msg']}.", f"Change or remove {variable}."
            ) from error
