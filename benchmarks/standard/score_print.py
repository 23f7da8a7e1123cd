"""The table of a standard evaluation on the terminal."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from nightlights.bands import RADIANCE_UNIT
from nightlights.commands.output import print_table
from nightlights.commands.scores import (
    FIGURES,
    MORE_FIGURES,
    SIMULATED,
    cell,
    figures_of,
    legend,
    more_figures_of,
)

if TYPE_CHECKING:
    from nightlights.scores import Score
    from standard import StandardScores

_Row = tuple[str | None, ...]


def print_standard(scores: "StandardScores", *, every_city: bool = False) -> None:
    """One table: each group of cities, and all; with ``every_city`` each city on each planet too."""
    planets = ", ".join(str(seed) for seed in scores.planet_seeds)
    print_table(
        f"Simulated planet: standard {scores.split} cities, {scores.name}, in {RADIANCE_UNIT}",
        ("group", "city", "method", "mean RMSE", "mean fine RMSE", *FIGURES, *MORE_FIGURES),
        _rows(scores, every_city),
        "Mean RMSE: mean over cities, each counting the same; all other figures pool the pixels. "
        f"{legend(scores.scores)} {_origin(scores, planets)} {_seen(scores)} {SIMULATED}",
    )


def _rows(scores: "StandardScores", every_city: bool) -> Iterator[_Row]:
    for group in dict.fromkeys(score.group for score in scores.scores):
        for method in scores.methods if every_city else ():
            for score in scores.cities(method, group):
                # The last group is all of them, whose cities have been listed with their own.
                if score.group == group:
                    place = f"{score.region}, planet {score.planet_seed}"
                    yield (group, place, method, None, None, *figures_of(score), *more_figures_of(score))
        for method in scores.methods:
            if pooled := scores.pooled(method, group):
                where = "all cities" if every_city else None
                means = (_mean(scores, figure, method, group) for figure in (_rmse, _fine_rmse))
                yield (group, where, method, *means, *figures_of(pooled), *more_figures_of(pooled))


def _rmse(score: "Score") -> float | None:
    return score.rmse


def _fine_rmse(score: "Score") -> float | None:
    return score.fine.rmse if score.fine else None


def _mean(
    scores: "StandardScores", figure: "Callable[[Score], float | None]", method: str, group: str
) -> str | None:
    return cell(scores.mean(figure, method, group))


def _origin(scores: "StandardScores", planets: str) -> str:
    training = "unknown" if scores.training_seed is None else str(scores.training_seed)
    return (
        f"Program {scores.program_version}, standard cities version {scores.standard_version}, planet "
        f"version {scores.planet_version}; seeds: planets {planets}, training {training}, intervals "
        f"{scores.bootstrap_seed}. Baselines fitted to {scores.baselines_fitted_to}."
    )


def _seen(scores: "StandardScores") -> str:
    if scores.seen is None:
        return (
            "What the model was trained on is not in the workspace: whether it has seen a city is not known."
        )
    if not scores.seen:
        return "The model has seen none of these cities in training."
    return f"THE MODEL WAS TRAINED ON SOME OF THESE CITIES: {', '.join(scores.seen)}."
