"""Recorded figures that no longer belong into a table: what made them was changed since.

That is their recipe, their network, the sharpening, or how intervals are made.
"""

from collections.abc import Iterable
from typing import Final

from nightlights.networks import NETWORKS_VERSION
from nightlights.training_settings import TrainingSettings
from nightlights.uncertainty.records import METHOD
from standard.recipes import RECIPES
from standard.table import MethodFigures, Versions

_SHOWN: Final = 3
"""So many differing settings are named."""
_UNSAID_METHOD: Final = 2
"""Taken for the method of records from before they named it."""


def belonging(
    methods: Iterable[MethodFigures], scale: float = 1.0
) -> tuple[list[MethodFigures], dict[str, str]]:
    """The figures that may stand in one table with those made now, and why the others may not, by method.

    Parameters
    ----------
    scale:
        Of the patches of the trainings.
    """
    kept, reasons = [], {}
    for figures in methods:
        reason = why_outdated(figures, scale)
        if reason:
            reasons[figures.method] = reason
        else:
            kept.append(figures)
    return kept, reasons


def why_outdated(figures: MethodFigures, scale: float = 1.0) -> str:
    """What was changed since these figures were made; nothing where they are still those of the program."""
    if any(city.sharpened for city in figures.cities):
        now, then = Versions.current().sharpening, figures.versions.sharpening
        if then != now:
            return f"sharpened with other constants ({then or 'not recorded'}; now {now})"
    if figures.settings and figures.versions.networks != NETWORKS_VERSION:
        return f"made by version {figures.versions.networks} of the networks; now it is {NETWORKS_VERSION}"
    return interval_change(figures) or recipe_change(figures, scale)


def interval_change(figures: MethodFigures) -> str:
    """How the intervals of the figures were made otherwise than now; nothing for what has none."""
    if not any(city.interval_pixels for city in figures.cities):
        return ""
    said = figures.interval_method
    if (said or _UNSAID_METHOD) == METHOD:
        return ""
    return f"its intervals were made by method {said or _UNSAID_METHOD} of calibration; now it is {METHOD}"


def recipe_change(figures: MethodFigures, scale: float = 1.0) -> str:
    """How the settings of the figures' trainings differ from the recipe; nothing for what is no recipe."""
    recipe = RECIPES.get(figures.method)
    if recipe is None:
        return ""
    wanted = recipe.settings(scale)
    if not figures.settings:
        return "the settings of its training were not recorded"
    if len(figures.settings) != len(wanted):
        return f"trained as {len(figures.settings)} networks; the recipe now has {len(wanted)}"
    changes = [
        change for own, now in zip(figures.settings, wanted, strict=True) for change in _changes(own, now)
    ]
    if not changes:
        return ""
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return f"the recipe was changed since: {', '.join(changes[:_SHOWN])}{more}"


def _changes(then: TrainingSettings, now: TrainingSettings) -> Iterable[str]:
    before, after = then.model_dump(), now.model_dump()
    for name, value in after.items():
        if before[name] != value:
            words = name.replace("_", " ")
            yield words if isinstance(value, list) else f"{words} {before[name]} then, {value} now"


def told(reasons: dict[str, str], scale: float | None) -> list[str]:
    """A line for every method that was left out, and what to run."""
    if not reasons:
        return []
    given = "" if scale in (None, 1) else f" --scale {scale:g}"
    again = [key for key in reasons if key in RECIPES]
    lines = [f"Left out {method}: {reason}." for method, reason in reasons.items()]
    if again:
        lines.append(f"Make them anew: ./run bench standard train --only {','.join(again)}{given}")
    return lines
