"""Filters of collections and conditions of joins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import shapely

from .algorithms import ExpressionError
from .functions_image import shape_of
from .registry import UnsupportedFunctionError, function
from .values import Bounds, meeting

# The arguments keep the names that Earth Engine gives them.
# ruff: noqa: N803

WHOLE_ELEMENT = (".all", ".geo")


@dataclass(frozen=True)
class Filter:
    """Compares an element with a value or, in a join, with another element.

    ``bounds``, in degrees: every element that it keeps has something within them.
    """

    matches: Callable[[Any, Any], bool]
    bounds: Bounds | None = None

    def keeps(self, element: Any) -> bool:
        """Whether the filter keeps ``element``."""
        return self.matches(element, None)


Compare = Callable[[Any, Any], bool]


def _known(compare: Compare) -> Compare:
    """Elements without the property are left out, as Earth Engine leaves them out."""
    return lambda left, right: left is not None and right is not None and bool(compare(left, right))


COMPARISONS: dict[str, Compare] = {
    "equals": lambda left, right: left == right,
    "notEquals": lambda left, right: left != right,
    "lessThan": lambda left, right: left < right,
    "lessThanOrEquals": lambda left, right: left <= right,
    "greaterThan": lambda left, right: left > right,
    "greaterThanOrEquals": lambda left, right: left >= right,
    "inList": lambda left, right: left in right,
    "listContains": lambda left, right: right in left,
    "stringContains": lambda left, right: right in left,
    "stringStartsWith": lambda left, right: left.startswith(right),
    "stringEndsWith": lambda left, right: left.endswith(right),
    "rangeContains": lambda left, right: left[0] <= right <= left[1],
    "dateRangeContains": lambda left, right: left[0] <= right < left[1],
}


def _comparison(name: str, compare: Compare) -> Callable[..., Filter]:
    known = _known(compare)

    def call(
        leftField: str | None = None,
        rightValue: Any = None,
        rightField: str | None = None,
        leftValue: Any = None,
    ) -> Filter:
        if (leftField is None) == (leftValue is None) or (rightField is None) == (rightValue is None):
            raise ExpressionError(f"Filter.{name}: give a field or a value for each side, and only one.")

        def matches(element: Any, other: Any) -> bool:
            left = leftValue if leftField is None else element.get(leftField)
            right_side = element if other is None else other
            right = rightValue if rightField is None else right_side.get(rightField)
            return known(left, right)

        return Filter(matches)

    return call


for _name, _compare in COMPARISONS.items():
    function(f"Filter.{_name}")(_comparison(_name, _compare))


@function("Filter.notNull")
def not_null(properties: Sequence[str]) -> Filter:
    names = properties if isinstance(properties, list) else [properties]
    return Filter(lambda element, other: all(element.get(name) is not None for name in names))


@function("Filter.intersects")
def intersects(
    leftField: str | None = None,
    rightValue: Any = None,
    rightField: str | None = None,
    leftValue: Any = None,
    maxError: Any = None,
) -> Filter:
    if leftField in WHOLE_ELEMENT and rightField in WHOLE_ELEMENT:
        return Filter(lambda one, two: shapely.intersects(shape_of(one), shape_of(two)))
    if leftField not in WHOLE_ELEMENT or rightValue is None:
        raise UnsupportedFunctionError("Filter.intersects", " of other fields than the geometry")
    shape = shape_of(rightValue)
    shapely.prepare(shape)

    def matches(element: Any, other: Any) -> bool:
        return element.geometry is None or bool(shapely.intersects(shape, element.geometry.shape))

    return Filter(matches, shape.bounds)


@function("Filter.and")
def all_of(filters: Sequence[Filter]) -> Filter:
    bounds: Bounds | None = None
    for part in filters:
        bounds = meeting(bounds, part.bounds)
    return Filter(lambda element, other: all(part.matches(element, other) for part in filters), bounds)


@function("Filter.or")
def any_of(filters: Sequence[Filter]) -> Filter:
    return Filter(lambda element, other: any(part.matches(element, other) for part in filters))


@function("Filter.not")
def none_of(filter: Filter) -> Filter:
    return Filter(lambda element, other: not filter.matches(element, other))


@function("Filter.always")
def always() -> Filter:
    return Filter(lambda element, other: True)


@function("Filter.calendarRange")
def calendar_range(start: int, end: int | None = None, field: str = "day_of_year") -> Filter:
    last = start if end is None else end
    fields: dict[str, Callable[[datetime], int]] = {
        "year": lambda day: day.year,
        "month": lambda day: day.month,
        "day_of_month": lambda day: day.day,
        "day_of_year": lambda day: day.timetuple().tm_yday,
    }
    if field not in fields:
        raise UnsupportedFunctionError("Filter.calendarRange", f" by {field}")

    def matches(element: Any, other: Any) -> bool:
        started = element.get("system:time_start")
        if started is None:
            return False
        number = fields[field](datetime.fromtimestamp(started / 1000, UTC))
        return start <= number <= last if start <= last else number >= start or number <= last

    return Filter(matches)
