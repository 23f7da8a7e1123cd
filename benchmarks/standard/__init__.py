"""The standard test set: fixed cities on the simulated planet, on which every method is compared."""

from standard.cities import GROUPS, PLANET_SEEDS, STANDARD_VERSION, City, Split, cities_of
from standard.evaluation import evaluate_standard, scores_file, standard_dataset
from standard.records import StandardScore, StandardScores

__all__ = [
    "GROUPS",
    "PLANET_SEEDS",
    "STANDARD_VERSION",
    "City",
    "Split",
    "StandardScore",
    "StandardScores",
    "cities_of",
    "evaluate_standard",
    "scores_file",
    "standard_dataset",
]
