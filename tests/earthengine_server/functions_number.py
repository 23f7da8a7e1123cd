"""Numbers, strings, lists, dictionaries and dates."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from .algorithms import ExpressionError
from .registry import UnsupportedFunctionError, function

# The arguments keep the names that Earth Engine gives them.
# ruff: noqa: N803


def milliseconds(value: Any) -> float:
    """Milliseconds since 1970 of a date given as a number or in the form of ISO 8601."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, Date):
        return value.milliseconds
    if not isinstance(value, str):
        raise ExpressionError(f"Date: {value!r} is not a date.")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ExpressionError(f"Date: Bad date/time '{value}'.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000


class Date:
    """A moment, in milliseconds since 1970."""

    def __init__(self, milliseconds: float) -> None:
        self.milliseconds = milliseconds

    @property
    def moment(self) -> datetime:
        """In universal time."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.milliseconds)


class DateRange(tuple[float, float]):
    """Start, and end that is no longer part of it, in milliseconds since 1970."""


@function("Date")
def date(value: Any, timeZone: str | None = None) -> Date:
    if timeZone not in (None, "UTC"):
        raise UnsupportedFunctionError("Date", f" in the time zone {timeZone}")
    return Date(milliseconds(value))


@function("DateRange")
def date_range(start: Any, end: Any = None, timeZone: str | None = None) -> DateRange:
    first = milliseconds(start)
    last = first + 1 if end is None else milliseconds(end)
    if last < first:
        raise ExpressionError("DateRange: the range is empty: its end is before its start.")
    return DateRange((first, last))


@function("Date.millis")
def millis(date: Any) -> float:
    return milliseconds(date)


@function("Date.advance")
def advance(date: Any, delta: float, unit: str, timeZone: str | None = None) -> Date:
    moment = Date(milliseconds(date)).moment
    if unit in ("day", "week", "hour", "minute", "second"):
        return Date((moment + timedelta(**{unit + "s": delta})).timestamp() * 1000)
    months = moment.year * 12 + moment.month - 1 + int(delta) * (12 if unit == "year" else 1)
    if unit not in ("month", "year"):
        raise ExpressionError(f"Date.advance: Unknown unit '{unit}'.")
    return Date(moment.replace(year=months // 12, month=months % 12 + 1).timestamp() * 1000)


@function("Date.format")
def format_date(date: Any, format: str | None = None, timeZone: str | None = None) -> str:
    patterns = {"YYYY-MM-dd": "%Y-%m-%d", "YYYYMMdd": "%Y%m%d", "YYYY-MM": "%Y-%m", "YYYY": "%Y"}
    moment = Date(milliseconds(date)).moment
    if format is None:
        return moment.strftime("%Y-%m-%dT%H:%M:%S")
    if format not in patterns:
        raise UnsupportedFunctionError("Date.format", f" as {format}")
    return moment.strftime(patterns[format])


@function("Date.get")
def date_part(date: Any, unit: str, inUnit: str | None = None, timeZone: str | None = None) -> int:
    moment = Date(milliseconds(date)).moment
    if unit not in ("year", "month", "day", "hour", "minute", "second") or inUnit is not None:
        raise UnsupportedFunctionError("Date.get", f" of {unit}")
    return int(getattr(moment, unit))


@function("Image.date")
def image_date(image: Any) -> Date:
    return Date(milliseconds(image.get("system:time_start")))


Binary = Callable[[Any, Any], Any]
for _name, _compute in {
    "add": lambda left, right: left + right,
    "subtract": lambda left, right: left - right,
    "multiply": lambda left, right: left * right,
    "divide": lambda left, right: left / right if right else 0,
    "mod": lambda left, right: math.fmod(left, right),
    "pow": lambda left, right: left**right,
    "max": max,
    "min": min,
    "eq": lambda left, right: int(left == right),
    "neq": lambda left, right: int(left != right),
    "gt": lambda left, right: int(left > right),
    "gte": lambda left, right: int(left >= right),
    "lt": lambda left, right: int(left < right),
    "lte": lambda left, right: int(left <= right),
}.items():

    def _number(left: Any, right: Any, compute: Binary = _compute) -> Any:
        return compute(left, right)

    function(f"Number.{_name}")(_number)

for _name, _change in {
    "round": lambda number: math.floor(number + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
    "abs": abs,
    "int": int,
    "toInt": int,
    "float": float,
    "toFloat": float,
    "sqrt": math.sqrt,
}.items():

    def _changed(input: Any, change: Callable[[Any], Any] = _change) -> Any:
        return change(input)

    function(f"Number.{_name}")(_changed)


@function("Number.format")
def format_number(number: float, pattern: str = "%s") -> str:
    return pattern % (int(number) if pattern.endswith("d") else number)


@function("String")
def string(input: Any) -> str:
    return str(input)


@function("String.cat")
def join_strings(string1: str, string2: str) -> str:
    return string1 + string2


@function("String.split")
def split(string: str, regex: str, flags: str = "") -> list[str]:
    return re.split(regex, string)


@function("String.slice")
def slice_string(string: str, start: int, end: int | None = None) -> str:
    return string[int(start) : None if end is None else int(end)]


@function("List.repeat")
def repeat(value: Any, count: int) -> list[Any]:
    return [value] * int(count)


@function("List.sequence")
def sequence(
    start: float, end: float | None = None, step: float = 1.0, count: int | None = None
) -> list[float]:
    if count is not None:
        stride = step if end is None else (end - start) / max(count - 1, 1)
        return [start + stride * index for index in range(int(count))]
    if end is None:
        raise ExpressionError("List.sequence: give an end or a count.")
    return [start + step * index for index in range(math.floor((end - start) / step + 1e-9) + 1)]


@function("List.get")
def item(list: Sequence[Any], index: int) -> Any:
    return list[int(index)]


@function("List.size", "List.length")
def length(list: Sequence[Any]) -> int:
    return len(list)


@function("List.map")
def map_list(
    list: Sequence[Any], baseAlgorithm: Callable[[Any], Any], dropNulls: bool = False
) -> Sequence[Any]:
    changed = [baseAlgorithm(entry) for entry in list]
    return [entry for entry in changed if entry is not None] if dropNulls else changed


@function("List.cat")
def concatenated(list: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
    return [*list, *other]


@function("List.add")
def appended(list: Sequence[Any], element: Any) -> Sequence[Any]:
    return [*list, element]


@function("List.contains")
def contains(list: Sequence[Any], element: Any) -> bool:
    return element in list


@function("Dictionary")
def dictionary(input: Any = None) -> Mapping[str, Any]:
    if isinstance(input, Mapping) or input is None:
        return dict(input or {})
    return dict(zip(input[::2], input[1::2], strict=True))


@function("Dictionary.get")
def entry(dictionary: Mapping[str, Any], key: str, defaultValue: Any = None) -> Any:
    if key not in dictionary and defaultValue is None:
        raise ExpressionError(f"Dictionary.get: Dictionary does not contain key: '{key}'.")
    return dictionary.get(key, defaultValue)


@function("If")
def choose(condition: Any, trueCase: Any = None, falseCase: Any = None) -> Any:
    return trueCase if condition else falseCase


@function("ErrorMargin")
def error_margin(value: float | None = None, unit: str = "meters") -> Any:
    return value
