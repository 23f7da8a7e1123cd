"""The models of the table of targets: how each is trained, and on which cities.

Everything that a person may change stands in the constants at the top. Choose them by the validation cities
(``./run bench standard train --split validation``), never by the test cities.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from nightlights.manifests import TrainingSettings
from nightlights.uncertainty.records import Orientations
from standard.cities import Group, cities_of

SEED: Final = 1
"""Of the weights, the patches and their rotation: the same for every model."""

PATCHES: Final[dict[str, Any]] = {
    "epochs": 10,
    "patch_size": 128,
    "patches_per_region": 30,
    "seed": SEED,
    "evaluation_patches": 16,
}
"""What a model of one continent sees, the study's and ours: the same patches of its cities, as often."""

MORE_PATCHES: Final[dict[str, Any]] = {**PATCHES, "epochs": 5, "patches_per_region": 25}
"""What each network for sharpening sees, which is held against no recipe of the study."""

STUDY: Final[dict[str, Any]] = {
    **PATCHES,
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
    **PATCHES,
    "network": "unet-small",
    "guide": "footprint regression",
    "light_cap": 5.0,
    "compress_tails": True,
    "texture_networks": 3,
    "loss": "footprint squared error",
    "optimizer": "AdamW",
    "learning_rate": 3e-3,
    "batch_size": 8,
}
"""Ours from the daytime bands alone: the default of training, see docs/science.md, "Level and texture"."""

BOTH_CONTINENTS: Final[dict[str, Any]] = {**DAYTIME, "patches_per_region": 15}
"""Of twice as many cities, half as many patches of each."""

SHARPENING: Final[dict[str, Any]] = {
    **MORE_PATCHES,
    "network": "pixel",
    "loss": "footprint squared error",
    "optimizer": "AdamW",
    "learning_rate": 3e-3,
    "batch_size": 8,
}
"""Ours from VIIRS and the daytime bands, whose prediction is sharpened.

Chosen on validation cities by ``benchmarks/losses.py``; see docs/science.md, "Which loss serves what".
"""

MEMBERS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"seed": SEED + 3},
    {"seed": SEED + 4},
    {"viirs_input": True, "seed": SEED + 2},
    {"viirs_input": True, "seed": SEED + 5},
    {"viirs_input": True, "seed": SEED + 6},
)
"""How the members of the ensemble for sharpening differ."""

ORACLE: Final[dict[str, Any]] = {**SHARPENING, "label": "truth", "loss": "pixel squared error"}
"""As :data:`SHARPENING`, trained on the hidden truth: what sharpening could reach at best."""

ORACLE_MEMBERS: Final = tuple(
    {name: value for name, value in member.items() if name not in ("loss", "footprint_share")}
    for member in MEMBERS
)

ORIENTATIONS: Final[Orientations] = 1
"""In how many orientations a network sees the imagery to tell how sure it is."""

RecipeKey = Literal[
    "study-africa",
    "study-united-states",
    "daytime-africa",
    "daytime-united-states",
    "daytime",
    "sharpening",
    "oracle",
    "oracle-unet",
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
    members:
        For an ensemble, what its members have otherwise.
    sharpened, traps:
        Whether its sharpened light and its light in traps are scored too.
    ships:
        Whether it may lie in the folder of shipped models.
    usual:
        Whether it is trained unless others are asked for, and the table is kept only with it. Those that are
        held against the study's recipe need many times its steps to mean anything, for which a GPU is wanted.
    """

    key: RecipeKey
    title: str
    groups: tuple[Group, ...]
    given: dict[str, Any]
    members: tuple[dict[str, Any], ...] = ()
    sharpened: bool = False
    traps: bool = False
    ships: bool = True
    usual: bool = True

    def settings(self, scale: float = 1.0) -> list[TrainingSettings]:
        """The settings of the training of each member, with ``scale`` times the patches of an epoch.

        One, where it is no ensemble. Curves and early stopping look at validation cities of the same
        groups; a model of one continent knows nothing of the other.
        """
        return [self._settings(member, scale) for member in self.members or ({},)]

    def _settings(self, member: dict[str, Any], scale: float) -> TrainingSettings:
        values = {**self.given, **member}
        values["patches_per_region"] = max(round(scale * values["patches_per_region"]), 1)
        return TrainingSettings(
            **values,
            train_regions=[city.name for city in cities_of("training") if city.group in self.groups],
            evaluate_regions=[city.name for city in cities_of("validation") if city.group in self.groups],
        )


def _recipes() -> tuple[Recipe, ...]:
    africa, america = CONTINENTS
    return (
        Recipe("daytime-africa", "ours, daytime, Africa", (africa,), DAYTIME, traps=True, usual=False),
        Recipe(
            "daytime-united-states",
            "ours, daytime, United States",
            (america,),
            DAYTIME,
            traps=True,
            usual=False,
        ),
        Recipe("daytime", "ours, daytime", CONTINENTS, BOTH_CONTINENTS, sharpened=True, traps=True),
        Recipe("sharpening", "ours, VIIRS and daytime", CONTINENTS, SHARPENING, MEMBERS, sharpened=True),
        Recipe(
            "oracle",
            "oracle, trained on the truth",
            CONTINENTS,
            ORACLE,
            ORACLE_MEMBERS,
            sharpened=True,
            ships=False,
        ),
        Recipe(
            "oracle-unet",
            "oracle of a larger network",
            CONTINENTS,
            {**ORACLE, "network": "unet-small", "viirs_input": True},
            sharpened=True,
            ships=False,
            usual=False,
        ),
        Recipe(
            "study-africa", "study's recipe, Africa", (africa,), STUDY, traps=True, ships=False, usual=False
        ),
        Recipe(
            "study-united-states",
            "study's recipe, United States",
            (america,),
            STUDY,
            traps=True,
            ships=False,
            usual=False,
        ),
    )


RECIPES: Final[dict[str, Recipe]] = {recipe.key: recipe for recipe in _recipes()}
"""Every model of the table by its key."""
