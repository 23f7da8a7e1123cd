"""The table of targets on the terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nightlights.bands import RADIANCE_UNIT
from nightlights.commands.output import print_table, say
from nightlights.wording import local_time

if TYPE_CHECKING:
    from standard.table import MethodFigures, StandardTable
    from standard.targets import TargetRow

_SIMULATED = "All of it is simulated: these figures say nothing about the Earth."


def print_targets(table: "StandardTable") -> None:
    """Every target with what was measured, then the mean figures of every method."""
    from standard.targets import target_rows

    for line in table.left_out:
        say(line)
    rows = target_rows(table)
    print_table(
        f"Simulated planet: targets on the standard {table.split} cities",
        ("task", "figure", "target", "measured", "reached", "scored", "from"),
        (_cells(row, table) for row in rows),
        "Means over cities, each city on each planet counting the same; coverage and agreement are said "
        f"where they are not. x: ratio of two means. {_origin(table)} {_SIMULATED}",
    )
    print_table(
        f"Simulated planet: means over the standard {table.split} cities, in {RADIANCE_UNIT}",
        (
            "method",
            "RMSE",
            "fine RMSE",
            "fine RMSE, sharpened",
            "largest chi-square",
            "least within 2 sigma %",
            "total %",
            "scored",
        ),
        (_means(method) for method in table.methods),
        "RMSE: at the VIIRS grid. Fine RMSE: at the analysis grid against the true radiance. Chi-square: "
        "a pixel, of the sharpened light as VIIRS would see it, in the measure of the noise of VIIRS; total: "
        f"error of total light. {_SIMULATED}",
    )


def _cells(row: "TargetRow", table: "StandardTable") -> tuple[str | None, ...]:
    reached = {True: "yes", False: "NO", None: None}[row.reached]
    if row.reached and row.doubtful:
        reached = "proves little"
    if row.measured is None and (row.lowest, row.highest) != (None, None):
        reached = "cannot be said" if row.detail else "not measured"
    return (
        row.task,
        row.figure,
        _target(row),
        None if row.measured is None else _figure(row.measured, row.unit),
        reached,
        _scored(row, table) if row.measured is not None else None,
        row.detail or None,
    )


def _target(row: "TargetRow") -> str | None:
    low, high = (None if bound is None else _figure(bound, row.unit) for bound in (row.lowest, row.highest))
    if low and high:
        return f"{low} to {high}"
    if low or high:
        return f"at least {low}" if low else f"at most {high}"
    return None


def _figure(value: float, unit: str) -> str:
    return f"{100 * value:.3g} %" if unit == "%" else f"{value:.3g} {unit}".rstrip()


def _scored(row: "TargetRow", table: "StandardTable") -> str:
    recorded = [
        method for key in row.methods if (method := table.method(key)) is not None and method.recorded
    ]
    if not recorded:
        return "now"
    date = local_time(min(method.created for method in recorded))
    if len(recorded) == len(row.methods):
        return f"recorded {date}"
    return f"now; recorded {date}: {', '.join(method.method for method in recorded)}"


def _means(method: "MethodFigures") -> tuple[str | None, ...]:
    sharpened = [city for city in method.cities if city.sharpened]
    return (
        method.title,
        _cell(method.mean(lambda city: city.rmse)),
        _cell(method.mean(lambda city: city.fine_rmse)),
        _cell(method.mean(lambda city: city.fine_rmse, sharpened=True)),
        _cell(max((city.chi_square for city in sharpened if city.chi_square is not None), default=None)),
        _cell(
            min(
                (100 * city.within_two_sigma for city in sharpened if city.within_two_sigma is not None),
                default=None,
            )
        ),
        _cell(max((100 * city.total_error for city in sharpened), default=None)),
        f"recorded {local_time(method.created)}" if method.recorded else "now",
    )


def _cell(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _origin(table: "StandardTable") -> str:
    return " ".join((*_seeds(table), *_versions(table)))


def _seeds(table: "StandardTable") -> Iterator[str]:
    seeds = sorted({settings.seed for method in table.methods for settings in method.settings})
    trained = ", ".join(str(seed) for seed in seeds) or "none"
    planets = ", ".join(str(seed) for seed in table.planet_seeds)
    yield f"Seeds: planets {planets}, training {trained} on planet {table.training_planet}."
    if table.scale not in (None, 1):
        yield f"MODELS TRAINED WITH {table.scale:g} TIMES THE PATCHES OF THE RECIPES."
    yield f"Regressions fitted to {table.baselines_fitted_to}."


def _versions(table: "StandardTable") -> Iterator[str]:
    groups = {"Scored now with": False, "Recorded with": True}
    for words, recorded in groups.items():
        found = {
            f"program {each.program}, standard cities version {each.standard}, planet version {each.planet}, "
            f"python {each.python}, " + ", ".join(f"{name} {value}" for name, value in each.packages.items())
            for method in table.methods
            if method.recorded == recorded
            for each in [method.versions]
        }
        if found:
            yield f"{words} {'; '.join(sorted(found))}."
