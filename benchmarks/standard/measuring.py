"""The figures of one method for the table of targets, in every city on every planet."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.datasets import Dataset
from nightlights.errors import ModelError
from nightlights.evaluation import Share
from nightlights.manifests import RunRecord
from nightlights.observation import PointSpread, observe
from nightlights.progress import Progress
from nightlights.sharpening import Agreement, sharpen
from nightlights.sharpening.verdict import USUAL, verdict
from nightlights.training_settings import TrainingSettings
from nightlights.uncertainty.orientations import block_means
from standard.cities import City, Split, cities_of
from standard.table import CityFigures, MethodFigures, PlaceTraps, Versions
from standard.traps import Trap, trap_masks, trap_places, trap_sums

Light = NDArray[np.floating[Any]]
Predict = Callable[[Dataset, str, Progress], Light]
"""From a dataset and its region to radiance in nW/cm2/sr, shape (16 height, 16 width), NaN where missing."""
Interval = Callable[[Dataset, str, Light], tuple[Light, Light]]
"""From a dataset, its region and the light there to the bounds of the 90 % interval, each (height, width)."""


@dataclass(frozen=True)
class Ground:
    """The imagery that methods are scored on.

    Attributes
    ----------
    split:
        Which cities.
    cities, traps:
        Planet's seed to the imagery of the cities, and of the squares chosen for their traps.
    """

    split: Split
    cities: dict[int, Dataset]
    traps: dict[int, Dataset]

    @cached_property
    def identity(self) -> list[str]:
        """Digests of all imagery."""
        return [dataset.sha256 for each in (self.cities, self.traps) for dataset in each.values()]

    @cached_property
    def places(self) -> list[tuple[City, int, Dataset, bool]]:
        """Where to score: the place, the planet, its imagery, and whether it is a city of the split."""
        found = [
            (city, seed, data, True) for seed, data in self.cities.items() for city in cities_of(self.split)
        ]
        chosen = trap_places(self.split)
        return found + [(city, seed, data, False) for seed, data in self.traps.items() for city in chosen]

    @cached_property
    def _masks(self) -> dict[tuple[str, int], dict[Trap, NDArray[np.bool_]]]:
        return {}

    def masks(self, dataset: Dataset, place: str, seed: int) -> dict[Trap, NDArray[np.bool_]]:
        """The traps of a place; computed once."""
        if (place, seed) not in self._masks:
            self._masks[place, seed] = trap_masks(dataset.region(place).window.window, seed)
        return self._masks[place, seed]


@dataclass(frozen=True)
class Candidate:
    """A method to be scored.

    Attributes
    ----------
    key, title:
        Its name in records and in tables.
    source:
        What it depends on besides its key: the digest of a model, of the imagery that it was fitted to.
    predict:
        Its light.
    sharpened, traps:
        Whether its sharpened light and its light in traps are scored too.
    interval:
        Where it says how sure it is.
    run:
        Of a trained model.
    settings:
        Of its training; of an ensemble, those of each member.
    contrast:
        Power of its light from which sharpening takes its texture.
    interval_method:
        Version of the procedure that made its intervals; None where it has none.
    """

    key: str
    title: str
    source: str
    predict: Predict
    sharpened: bool = True
    traps: bool = False
    interval: Interval | None = None
    run: RunRecord | None = None
    settings: tuple[TrainingSettings, ...] = ()
    contrast: float = 1.0
    interval_method: int | None = None

    def identity(self, ground: Ground) -> str:
        """Digest of all that its figures depend on; the versions hold that of the constants of sharpening."""
        parts = [
            self.key,
            self.source,
            self.contrast,
            ground.split,
            ground.identity,
            Versions.current().model_dump(),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def measure(
    candidate: Candidate, ground: Ground, progress: Progress, clock: Callable[[], datetime]
) -> MethodFigures:
    """Score a method everywhere.

    Raises
    ------
    ModelError
        When it predicts nothing in a city.
    """
    cities: list[CityFigures] = []
    traps: list[PlaceTraps] = []
    places = [each for each in ground.places if each[3] or candidate.traps]
    for index, (city, seed, dataset, scored) in enumerate(places):
        share = Share(
            progress, index, len(places), f"Scoring {candidate.title} in {city.name}, planet {seed}"
        )
        light = candidate.predict(dataset, city.name, share)
        if scored:
            cities.extend(_figures(candidate, light, city, seed, dataset))
        if candidate.traps:
            truth = _truth(dataset, city.name)
            sums = list(trap_sums(light, truth, ground.masks(dataset, city.name, seed)))
            traps.append(PlaceTraps(place=city.name, planet_seed=seed, sums=sums))
    return MethodFigures(
        method=candidate.key,
        title=candidate.title,
        identity=candidate.identity(ground),
        created=clock(),
        versions=Versions.current(),
        cities=cities,
        traps=traps,
        run=candidate.run,
        settings=list(candidate.settings),
        interval_method=candidate.interval_method,
    )


def _figures(
    candidate: Candidate, light: Light, city: City, seed: int, dataset: Dataset
) -> list[CityFigures]:
    scene = _Scene(dataset, city, seed)
    if not np.isfinite(light).any():
        raise ModelError(f"{candidate.title} predicts nothing in {city.name}.", "See whether it is broken.")
    plain = scene.figures(light)
    if candidate.interval is not None:
        lower, upper = candidate.interval(dataset, city.name, light)
        known = np.isfinite(lower) & np.isfinite(upper) & np.isfinite(scene.measured)
        inside = known & (scene.measured >= lower) & (scene.measured <= upper)
        counts = {"covered": int(inside.sum()), "interval_pixels": int(known.sum())}
        plain = plain.model_copy(update=counts)
    if not candidate.sharpened:
        return [plain]
    noise, contrast = dataset.manifest.viirs_noise, candidate.contrast
    texture = observe(np.maximum(light, 0) ** contrast, scene.window, scene.spread)
    usual = candidate.run.usual_exponent if candidate.run else None
    found = verdict(
        scene.measured,
        texture,
        scene.window,
        scene.spread,
        noise,
        usual=USUAL if usual is None else usual,
    )
    corrected = sharpen(
        light,
        scene.measured,
        scene.window,
        scene.spread,
        noise=noise,
        contrast=contrast,
        exponent=found.exponent,
    )
    return [plain, scene.figures(corrected, sharpened=True)]


class _Scene:
    """What is known of one city on one planet."""

    def __init__(self, dataset: Dataset, city: City, seed: int) -> None:
        self.city, self.seed = city, seed
        self.spread = PointSpread.of(dataset.manifest)
        self.window = dataset.region(city.name).window.window
        self.measured = dataset.read_nighttime(city.name).astype(np.float64)
        self.sigma = dataset.manifest.viirs_noise.sigma(self.measured)
        self.truth = _truth(dataset, city.name).astype(np.float64)

    def figures(self, light: Light, *, sharpened: bool = False) -> CityFigures:
        """How near ``light`` comes to the measurement and to the truth."""
        seen = observe(light, self.window, self.spread)
        known = np.isfinite(seen) & np.isfinite(self.measured)
        areas = np.broadcast_to(self.window.pixel_area_km2[:, None], self.window.shape)
        found = Agreement.of(seen, self.measured, self.sigma)
        total, wanted = ((values * areas)[known].sum() for values in (seen, self.measured))
        fine, true = ((block_means(values) * areas)[known].sum() for values in (light, self.truth))

        def error(found: float) -> float:
            return float(abs(found - wanted) / max(abs(wanted), np.finfo(np.float64).tiny))

        return CityFigures(
            city=self.city.name,
            group=self.city.group,
            planet_seed=self.seed,
            sharpened=sharpened,
            rmse=_rmse(seen, self.measured),
            fine_rmse=_rmse(light, self.truth),
            chi_square=found.chi_square,
            within_two_sigma=found.within_two_sigma,
            total_error=error(total),
            fine_total_error=error(fine) if np.isfinite(fine) else None,
            truth_total_error=error(true) if np.isfinite(true) else None,
        )


def _rmse(first: Light, second: Light) -> float:
    known = np.isfinite(first) & np.isfinite(second)
    return float(np.sqrt(np.mean((first[known].astype(np.float64) - second[known]) ** 2)))


def _truth(dataset: Dataset, region: str) -> Light:
    truth = dataset.read_truth(region)
    if truth is None:
        raise ModelError(f"The truth of {region} is unknown.", "Delete its dataset: it is made anew.")
    return truth
