"""Which validation cities the intervals of a model of the table are made of."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nightlights.datasets import Dataset
from nightlights.errors import ModelError
from nightlights.uncertainty import load_calibration
from nightlights.uncertainty.calibration import Source
from nightlights.uncertainty.records import METHOD
from standard import recipes
from standard.cities import City, cities_of
from standard.recipes import Recipe

ENOUGH_CITIES: Final = 5
"""With fewer, how cities differ cannot be told: cities of other continents are taken, too."""


def calibration_cities(recipe: Recipe) -> tuple[list[City], str]:
    """The validation cities that the model of a recipe is calibrated with, and why these, for the record.

    Those of its own continent, if they are enough; else all. A model of both continents is to be used
    anywhere, so it is calibrated on cities of continents that it has not seen, too.
    """
    every = list(cities_of("validation"))
    if len(recipe.groups) > 1:
        return every, ""
    own = [city for city in every if city.group in recipe.groups]
    where = " and ".join(recipe.groups)
    if len(own) >= ENOUGH_CITIES:
        return own, f"Calibrated on the validation cities of its own continent alone ({where})."
    return every, (
        f"The model was trained in one continent ({where}), which has {len(own)} validation cities: too few, "
        "so it was calibrated on those of all continents; its intervals may be wider than its own needs."
    )


def calibration_sources(recipe: Recipe, validation: Sequence[Dataset]) -> tuple[list[Source], str]:
    """The same cities on every planet of ``validation``, and why these."""
    cities, note = calibration_cities(recipe)
    return [(dataset, [city.name for city in cities]) for dataset in validation], note


def is_calibrated(folder: Path, sources: Sequence[Source]) -> bool:
    """Whether the model in ``folder`` has intervals, its own, made of these cities as they are made now."""
    with contextlib.suppress(ModelError):
        known = load_calibration(folder)
        wanted = [(name, dataset.sha256) for dataset, names in sources for name in names]
        return (
            known is not None
            and (known.method, known.orientations) == (METHOD, recipes.ORIENTATIONS)
            and [(region.name, region.dataset_sha256) for region in known.regions] == wanted
        )
    return False
