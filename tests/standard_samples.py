"""Standard cities, recipes, baselines and a network so small that the whole table takes seconds."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from learning_samples import TINY_NETWORK
from standard import candidates, cities, evaluation, measuring, recipes, traps, work
from standard.table import CityFigures, MethodFigures, StandardTable, Versions

from nightlights.networks import NETWORKS

SMALL = {
    "test": tuple(city for city in cities.cities_of("test") if city.name in ("kano", "new-orleans")),
    "validation": tuple(
        city for city in cities.cities_of("validation") if city.name in ("abuja", "nairobi", "saint-louis")
    ),
    "training": tuple(city for city in cities.cities_of("training") if city.name in ("accra", "houston")),
}
TINY = {"epochs": 1, "patches_per_region": 2, "patch_size": 96, "evaluation_patches": 1, "seed": 3}
WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Put them in the place of the real ones; nothing is sharpened, which takes long."""
    patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    patch.setattr(cities, "_CITIES", SMALL)
    patch.setattr(cities, "SIDE_DEGREES", 0.035)
    for module in (evaluation, work):
        patch.setattr(module, "PLANET_SEEDS", (1,))
    patch.setattr(traps, "_PLACES", {split: places[:1] for split, places in traps._PLACES.items()})
    patch.setattr(recipes, "ORIENTATIONS", 1)
    for key, recipe in recipes.RECIPES.items():
        small = replace(recipe, given={**recipe.given, **TINY, "network": "tiny", "batch_size": 2})
        patch.setitem(recipes.RECIPES, key, small)
    bicubic = {"bicubic VIIRS": candidates.INTERPOLATIONS["bicubic VIIRS"]}
    patch.setattr(candidates, "INTERPOLATIONS", bicubic)
    patch.setattr(work, "fitted_candidates", lambda training: [next(candidates.fitted_candidates(training))])
    patch.setattr(measuring, "sharpen", lambda light, *_, **__: np.asarray(light, np.float32))


def apart(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Shipped models and the record of the table in ``folder``, where there are none yet."""
    patch.setenv("NIGHTLIGHTS_MODELS", str(folder / "models"))
    patch.setattr(work, "RECORD", folder / "record.json")


def figures(city: str = "kano", group: str = "Africa", **given: float) -> CityFigures:
    """Figures of a city, perfect unless given."""
    perfect = {
        "sharpened": False,
        "rmse": 0.0,
        "fine_rmse": 0.0,
        "chi_square": 1.0,
        "within_two_sigma": 0.95,
        "total_error": 0.0,
    }
    return CityFigures(**{"city": city, "group": group, "planet_seed": 1, **perfect, **given})


def method(key: str, *cities_of_it: CityFigures, recorded: bool = False) -> MethodFigures:
    """A method with these figures."""
    return MethodFigures(
        method=key,
        title=key,
        identity="0",
        created=WHEN,
        recorded=recorded,
        versions=Versions.current(),
        cities=list(cities_of_it),
        settings=recipes.RECIPES[key].settings() if key in recipes.RECIPES else [],
    )


def table(*methods: MethodFigures) -> StandardTable:
    """A table of these methods."""
    return StandardTable(
        created=WHEN,
        split="test",
        scale=None,
        planet_seeds=[1],
        training_planet=1,
        baselines_fitted_to="sample",
        versions=Versions.current(),
        methods=list(methods),
    )
