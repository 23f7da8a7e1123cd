"""Which settings each run of a sweep has: decided by the request alone, so that resuming repeats them."""

import math
from collections.abc import Mapping
from itertools import product
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from nightlights.errors import SettingsError
from nightlights.manifests import TrainingSettings
from nightlights.sweeps.records import SweepRequest, Variation
from nightlights.training_settings import counted_patches

_DRAWS_A_TRIAL: Final = 100
"""How often a random search draws until it finds settings that it does not have yet."""

_SIGNIFICANT_DIGITS: Final = 3


def run_names(name: str, count: int) -> list[str]:
    """``NAME-001``, ``NAME-002`` and so on."""
    return [f"{name}-{number:03d}" for number in range(1, count + 1)]


def trial_count(request: SweepRequest) -> int:
    """Number of runs that are asked for, without making their settings.

    Raises
    ------
    SettingsError
        When a grid has a range, or a random search does not say how many runs.
    """
    if request.search == "random":
        if request.trials is None:
            raise SettingsError("How many runs? A random search has no number of its own.", "Say: --trials.")
        return request.trials
    for variation in request.vary:
        if variation.is_range:
            raise SettingsError(
                f"A grid needs values of {variation.field}, not a range.",
                "List the values, or use a random search.",
            )
    return math.prod(len(variation.values) for variation in request.vary)


def trials_of(request: SweepRequest) -> list[dict[str, Any]]:
    """The varied settings of each run, valid ones.

    Raises
    ------
    SettingsError
        When a setting is unknown or varied twice, a value cannot be used, or a random search cannot find so
        many different combinations.
    """
    fields = [variation.field for variation in request.vary]
    for variation in request.vary:
        _field(variation.field)
        if fields.count(variation.field) > 1:
            raise SettingsError(f"{variation.field} is varied twice.", "Name each setting once.")
    count = trial_count(request)
    trials = _grid(request.vary) if request.search == "grid" else _drawn(request, count)
    return [checked_values(request.settings, trial) for trial in trials]


def checked_values(settings: TrainingSettings, values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` as the training settings understand them: "0.01" becomes 0.01.

    Raises
    ------
    SettingsError
        Naming the setting and the value that cannot be used.
    """
    for name in values:
        _field(name)
    try:
        made = settings_with(settings, values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ", ".join(values)
        reason = first["msg"][:1].lower() + first["msg"][1:]
        raise SettingsError(
            f"{field} cannot be {values.get(field, '')!r}: {reason}.", "Choose another value."
        ) from error
    if "network" in values:
        from nightlights.networks.registry import network_info

        network_info(made.network)
    return {name: getattr(made, name) for name in values}


def settings_with(settings: TrainingSettings, values: Mapping[str, Any]) -> TrainingSettings:
    """``settings`` with some of them replaced, validated; what another network cannot have goes with them."""
    from nightlights.networks.registry import NETWORKS

    info = NETWORKS.get(str(values.get("network", "")))
    fixed = info.fixed if info else {}
    return TrainingSettings.model_validate({**settings.model_dump(), **fixed, **counted_patches(values)})


def _field(name: str) -> FieldInfo:
    fields = TrainingSettings.model_fields
    if name not in fields:
        raise SettingsError(
            f"There is no training setting {name[:80]!r}.", f"Choose from {', '.join(fields)}."
        )
    return fields[name]


def _grid(vary: list[Variation]) -> list[dict[str, Any]]:
    names = [variation.field for variation in vary]
    combinations = product(*(variation.values for variation in vary))
    return [dict(zip(names, values, strict=True)) for values in combinations]


def _drawn(request: SweepRequest, count: int) -> list[dict[str, Any]]:
    import numpy as np

    generator = np.random.default_rng(request.seed)
    found: list[dict[str, Any]] = []
    for _ in range(count * _DRAWS_A_TRIAL):
        trial = {each.field: _draw(each, generator) for each in request.vary}
        if trial not in found:
            found.append(trial)
        if len(found) == count:
            return found
    raise SettingsError(
        f"There are only {len(found)} different combinations, and {count} runs are wanted.",
        "Ask for fewer runs, or give more values.",
    )


def _draw(variation: Variation, generator: Any) -> Any:
    if variation.low is None or variation.high is None:
        return variation.values[int(generator.integers(len(variation.values)))]
    share = float(generator.random())
    if variation.scale == "logarithmic":
        value = math.exp(math.log(variation.low) * (1 - share) + math.log(variation.high) * share)
    else:
        value = variation.low * (1 - share) + variation.high * share
    field = _field(variation.field)
    if int in (field.annotation, *get_args(field.annotation)):
        step = next((each.multiple_of for each in field.metadata if hasattr(each, "multiple_of")), 1)
        return round(value / step) * step
    # Three digits, so that a person can type the value again; never beyond the ends of the range.
    rounded = float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
    return min(max(rounded, variation.low), variation.high)
