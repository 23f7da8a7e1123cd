"""The records of a standard evaluation."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import Field

from nightlights.records import SCHEMA_VERSION, Record
from nightlights.scores import Score

ALL_GROUPS = "all"


class StandardScore(Score):
    """The score of a method in one city on one planet, or in all of a group on all planets.

    ``planet_seed`` is None and ``region`` "all regions" where pixels of several cities were pooled.
    """

    group: str
    planet_seed: int | None


class StandardScores(Record):
    """What a method and the baselines scored on the standard cities, and all that it depends on.

    ``seen`` names cities of which the run had seen something in training, with the planet's seed; None
    where what it was trained on is not known.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(description="of the run, or of the folder of the model")
    created: datetime
    split: Literal["test", "validation", "training"]
    program_version: str
    standard_version: int
    planet_version: int
    planet_seeds: list[int]
    training_seed: int | None
    bootstrap_seed: int
    baselines_fitted_to: str
    seen: list[str] | None
    simulated: Literal[True] = True
    methods: list[str]
    scores: list[StandardScore]

    def cities(self, method: str, group: str = ALL_GROUPS) -> list[StandardScore]:
        """The scores of the single cities."""
        return [
            score
            for score in self.scores
            if score.method == method and score.planet_seed is not None and group in (ALL_GROUPS, score.group)
        ]

    def pooled(self, method: str, group: str = ALL_GROUPS) -> StandardScore | None:
        """The score over all pixels of a group."""
        for score in self.scores:
            if (score.method, score.group, score.planet_seed) == (method, group, None):
                return score
        return None

    def mean(
        self, figure: Callable[[Score], float | None], method: str, group: str = ALL_GROUPS
    ) -> float | None:
        """Mean over the cities of a group of a figure, in which every city counts the same.

        This is no score of the pixels: where a large error lies in few cities it is smaller than the pooled
        figure. None unless every city has the figure.
        """
        figures = [figure(score) for score in self.cities(method, group)]
        known = [value for value in figures if value is not None]
        return sum(known) / len(known) if known and len(known) == len(figures) else None
