"""The models of the table of targets: how each is trained, and on which cities.

Everything that a person may change stands in the constants at the top. Choose them by the validation cities
(``nightlights standard train --split validation``), never by the test cities.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from nightlights.manifests import TrainingSettings
from nightlights.standard.cities import Group, cities_of
from nightlights.uncertainty.records import Orientations

SEED: Final = 1
"""Of the weights, the patches and their rotation: the same for every model."""

PATCHES: Final[dict[str, Any]] = {
    "epochs": 20,
    "patch_size": 128,
    "patches_per_region": 64,
    "seed": SEED,
    "evaluation_patches": 32,
}
"""What every model sees: the same patches of its cities, as often. The places of patches follow from this."""

STUDY: Final[dict[str, Any]] = {
    "network": "study-unet",
    "loss": "pixel squared error",
    "label_resampling": "nearest",
    "optimizer": "SGD",
    "learning_rate": 0.01,
    "batch_size": 16,
    "rotate": False,
    "mirror": False,
}
"""The study's network and recipe."""

DAYTIME: Final[dict[str, Any]] = {
    "network": "unet-small",
    "loss": "footprint squared error",
    "optimizer": "AdamW",
    "learning_rate": 3e-3,
    "batch_size": 8,
}
"""Ours from the daytime bands alone."""

SHARPENING: Final[dict[str, Any]] = {
    "network": "unet-small",
    "loss": "footprint squared error",
    "optimizer": "AdamW",
    "learning_rate": 3e-3,
    "batch_size": 8,
    "viirs_input": True,
}
"""Ours from VIIRS and the daytime bands, whose prediction is sharpened."""

ORACLE: Final[dict[str, Any]] = {**SHARPENING, "label": "truth", "loss": "pixel squared error"}
"""As :data:`SHARPENING`, trained on the hidden truth: what sharpening could reach at best.

The truth is known for every analysis pixel, so its loss is one of pixels.
"""

ORIENTATIONS: Final[Orientations] = 8
"""In how many orientations a network sees the imagery to tell how sure it is."""

RecipeKey = Literal[
    "study-africa",
    "study-united-states",
    "daytime-africa",
    "daytime-united-states",
    "daytime",
    "sharpening",
    "oracle",
]
CONTINENTS: Final[tuple[Group, ...]] = ("Africa", "United States")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model of the table of targets.

    Attributes
    ----------
    key:
        Names it in records, its run and its folder among the shipped models.
    title:
        In tables.
    groups:
        On whose training cities it is trained.
    given:
        Its settings but for the regions.
    sharpened, traps:
        Whether its sharpened light and its light in traps are scored too.
    ships:
        Whether it may lie in the folder of shipped models.
    """

    key: RecipeKey
    title: str
    groups: tuple[Group, ...]
    given: dict[str, Any]
    sharpened: bool = False
    traps: bool = False
    ships: bool = True

    def settings(self, scale: float = 1.0) -> TrainingSettings:
        """The settings of its training, with ``scale`` times the patches of every region and epoch.

        Curves and early stopping look at validation cities of the same groups; a model of one continent
        knows nothing of the other.
        """
        values = {**PATCHES, **self.given}
        values["patches_per_region"] = max(round(scale * values["patches_per_region"]), 1)
        return TrainingSettings(
            **values,
            train_regions=[city.name for city in cities_of("training") if city.group in self.groups],
            evaluate_regions=[city.name for city in cities_of("validation") if city.group in self.groups],
        )


def _recipes() -> tuple[Recipe, ...]:
    africa, america = CONTINENTS
    return (
        Recipe("daytime-africa", "ours, daytime, Africa", (africa,), DAYTIME, traps=True),
        Recipe("daytime-united-states", "ours, daytime, United States", (america,), DAYTIME, traps=True),
        Recipe("daytime", "ours, daytime", CONTINENTS, DAYTIME, sharpened=True, traps=True),
        Recipe("sharpening", "ours, VIIRS and daytime", CONTINENTS, SHARPENING, sharpened=True),
        Recipe("oracle", "oracle, trained on the truth", CONTINENTS, ORACLE, sharpened=True, ships=False),
        Recipe("study-africa", "study's recipe, Africa", (africa,), STUDY, traps=True, ships=False),
        Recipe(
            "study-united-states", "study's recipe, United States", (america,), STUDY, traps=True, ships=False
        ),
    )


RECIPES: Final[dict[str, Recipe]] = {recipe.key: recipe for recipe in _recipes()}
"""Every model of the table by its key."""
