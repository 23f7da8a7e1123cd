"""The records from which the table of targets is computed: every figure of every method, city by city."""

import platform
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from pydantic import Field

from nightlights import __version__
from nightlights.manifests import RunRecord
from nightlights.networks import NETWORKS_VERSION
from nightlights.planet import PLANET_VERSION
from nightlights.records import SCHEMA_VERSION, Record
from nightlights.training_settings import TrainingSettings
from standard.cities import STANDARD_VERSION
from standard.identity import sharpening_digest
from standard.traps import TrapSum

TABLE_FILE = "standard-table.json"
_PACKAGES = ("tensorflow", "keras", "numpy")


class Versions(Record):
    """What figures depend on besides the seeds. Only figures of one planet and standard can be compared."""

    program: str
    standard: int
    planet: int
    python: str
    packages: dict[str, str] = Field(description="tensorflow, keras, numpy")
    sharpening: str = Field(default="", description="digest of the constants of sharpening")
    networks: int = Field(default=1, description="version of the networks and of how they predict")

    @classmethod
    def current(cls) -> "Versions":
        """Those of this program on this machine."""
        packages = {}
        for name in _PACKAGES:
            try:
                packages[name] = version(name)
            except PackageNotFoundError:
                packages[name] = "absent"
        return cls(
            program=__version__,
            standard=STANDARD_VERSION,
            planet=PLANET_VERSION,
            python=platform.python_version(),
            packages=packages,
            sharpening=sharpening_digest(),
            networks=NETWORKS_VERSION,
        )


class CityFigures(Record):
    """One method in one city on one planet. Radiance in nW/cm2/sr; errors of total light are shares.

    Attributes
    ----------
    rmse:
        At the VIIRS grid, of the observed light against what was measured.
    fine_rmse:
        At the analysis grid, against the truth.
    chi_square, within_two_sigma:
        Of ``observe(light)`` against the measurement, in the measure of its noise, see
        :class:`nightlights.sharpening.Agreement`. None in older records.
    worst_error, mean_error:
        Of older records alone: relative to the measurement, over VIIRS pixels above 3 nW/cm2/sr.
    total_error:
        Of radiance times area of ``observe(light)``, relative to what was measured, over VIIRS pixels.
    fine_total_error, truth_total_error:
        Of radiance times area of the fine light itself, and of the hidden truth, over the analysis pixels of
        the same VIIRS pixels, relative to what was measured. Light that VIIRS sees across the edge of a
        region, and noise, keep even the truth from 0. None in older records.
    covered, interval_pixels:
        VIIRS pixels whose measurement lies within the 90 % interval, of so many that have one.
    """

    city: str
    group: str
    planet_seed: int
    sharpened: bool
    rmse: float
    fine_rmse: float
    chi_square: float | None = None
    within_two_sigma: float | None = None
    worst_error: float | None = None
    mean_error: float | None = None
    total_error: float
    fine_total_error: float | None = None
    truth_total_error: float | None = None
    covered: int = 0
    interval_pixels: int = 0


class PlaceTraps(Record):
    """What a method predicts in the traps of one place on one planet."""

    place: str
    planet_seed: int
    sums: list[TrapSum]


class MethodFigures(Record):
    """Everything that is known of one method.

    Attributes
    ----------
    method:
        Key of a recipe, or name of a baseline.
    identity:
        Digest of what was scored: the same method scored again has the same. Not in the project's record.
    recorded:
        Read from a record instead of scored now.
    run:
        Of a trained model. Not in the project's record.
    settings:
        With which it was trained; of an ensemble, those of each member.
    interval_method:
        Version of the procedure that made its intervals, see :data:`nightlights.uncertainty.records.METHOD`.
        None where it has none, and in older records, which did not say.
    """

    method: str
    title: str
    identity: str = ""
    created: datetime
    recorded: bool = False
    versions: Versions
    cities: list[CityFigures]
    traps: list[PlaceTraps] = Field(default_factory=list)
    run: RunRecord | None = None
    settings: list[TrainingSettings] = Field(default_factory=list)
    interval_method: int | None = None

    def mean(
        self,
        figure: Callable[[CityFigures], float],
        *,
        sharpened: bool = False,
        group: str | None = None,
    ) -> float | None:
        """Mean over the cities, each counting the same; None where there is none."""
        values = [
            figure(each)
            for each in self.cities
            if each.sharpened == sharpened and group in (None, each.group)
        ]
        return sum(values) / len(values) if values else None


class StandardTable(Record):
    """``standard-table.json``: the figures of every method on the standard cities. All of it is simulated.

    ``scale`` is that of the patches of the trainings, 1 for the recipes as they are; None where nothing was
    trained for it. ``left_out`` says which recorded figures no longer belong to it, and why; they are kept
    in ``set_aside`` until their method is scored again.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    created: datetime
    split: Literal["test", "validation"]
    scale: float | None
    planet_seeds: list[int]
    training_planet: int
    baselines_fitted_to: str
    versions: Versions
    simulated: Literal[True] = True
    methods: list[MethodFigures]
    left_out: list[str] = Field(default_factory=list)
    set_aside: list[MethodFigures] = Field(default_factory=list)

    @property
    def known(self) -> list[MethodFigures]:
        """All figures, those that are set aside too."""
        return [*self.methods, *self.set_aside]

    def method(self, key: str) -> MethodFigures | None:
        """The figures of a method; None where they are unknown."""
        return next((each for each in self.methods if each.method == key), None)
