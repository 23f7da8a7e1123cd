"""What to vary, from words: ``learning_rate=0.001,0.003`` or ``learning_rate=log:1e-4:1e-2``."""

from typing import Any, Final, Literal, get_args, get_origin

from pydantic import ValidationError

from nightlights.errors import SettingsError
from nightlights.manifests import TrainingSettings
from nightlights.sweeps.records import Variation
from nightlights.sweeps.trials import checked_values

FORMS: Final = "NAME=VALUE,VALUE or NAME=log:LOW:HIGH or NAME=linear:LOW:HIGH"
_SCALES: Final[dict[str, Literal["linear", "logarithmic"]]] = {"log": "logarithmic", "linear": "linear"}
_NOTHING: Final = "none"
_TITLES: Final = {
    "maximum_missing_share": "largest missing share",
    "patch_size": "patch size (pixels)",
    "viirs_input": "VIIRS input",
}


def parse_variation(text: str, settings: TrainingSettings) -> Variation:
    """The variation that ``text`` means, each of its values checked with the other ``settings``.

    Hyphens may stand for the spaces of a choice, ``none`` for no value; regions of one list are joined by
    ``+``.

    Raises
    ------
    SettingsError
        When it has none of the forms, the setting is unknown, or a value cannot be used.
    """
    name, sign, words = text.partition("=")
    field = name.strip().replace("-", "_")
    if not sign or not words.strip():
        raise SettingsError(f"{text[:80]!r} does not say what to vary.", f"Write {FORMS}.")
    if field not in TrainingSettings.model_fields:
        # Named by the same sentence as everywhere.
        checked_values(settings, {field: None})
    parts = words.split(":")
    try:
        if parts[0].strip() in _SCALES:
            variation = _range(field, parts)
            for end in (variation.low, variation.high):
                checked_values(settings, {field: _rounded(field, end)})
            return variation
        values = [value_of(field, word) for word in words.split(",") if word.strip()]
        checked = [checked_values(settings, {field: value})[field] for value in values]
        return Variation(
            field=field, values=[each for i, each in enumerate(checked) if each not in checked[:i]]
        )
    except ValidationError as error:
        raise SettingsError(
            f"{error.errors()[0]['msg'].removeprefix('Value error, ')}.", f"Write {FORMS}."
        ) from error


def value_of(field: str, word: str) -> Any:
    """A value of ``field`` as a person writes it."""
    word = word.strip()
    annotation = TrainingSettings.model_fields[field].annotation
    kinds = (annotation, *get_args(annotation))
    if word.lower() == _NOTHING and type(None) in kinds:
        return None
    if any(get_origin(kind) is list for kind in kinds):
        return [each.strip() for each in word.split("+")]
    plain = word.replace("-", " ").casefold()
    return next((each for each in choices(field) if str(each).casefold() == plain), word)


def choices(field: str) -> list[Any]:
    """All values of a setting that has a list of them: a choice of words, or yes and no."""
    annotation = TrainingSettings.model_fields[field].annotation
    if annotation is bool:
        return [True, False]
    literal = next(
        (kind for kind in (annotation, *get_args(annotation)) if get_origin(kind) is Literal), None
    )
    return [*get_args(literal)] if literal is not None else []


def setting_title(field: str) -> str:
    """What a training setting is called in forms, tables and beside axes."""
    return _TITLES.get(field, field.replace("_", " "))


def words_of(value: Any) -> str:
    """A value as :func:`parse_variation` reads it, for tables and axes."""
    if value is None:
        return _NOTHING
    if isinstance(value, list):
        return "+".join(str(each) for each in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _range(field: str, parts: list[str]) -> Variation:
    try:
        scale, low, high = parts
        return Variation(field=field, low=float(low), high=float(high), scale=_SCALES[scale.strip()])
    except ValidationError:
        raise
    except ValueError as error:
        raise SettingsError(
            f"{':'.join(parts)[:80]!r} is not a range of {field}.", f"Write {FORMS}."
        ) from error


def _rounded(field: str, value: float | None) -> float | int | None:
    annotation = TrainingSettings.model_fields[field].annotation
    return round(value) if value is not None and int in (annotation, *get_args(annotation)) else value
