"""Footprint regressions as records: terms of the bands, their weights, and the radiance that they give."""

from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from nightlights.grid import Window
from nightlights.records import Record

LEAST_RADIANCE: Final = 1e-4
"""Radiance in nW/cm2/sr that a regression gives at least: a network multiplies it and reads its logarithm."""
LOG_OFFSET: Final = 0.02
"""In nW/cm2/sr, added before the logarithm that a network reads: darkness has no finite one."""


class Term(Record):
    """One function of the bands, from 0 to ``limit``.

    With the variable u, a weighted sum of the bands, it is ``min(max((u - low) / (high - low), 0), limit) **
    power``, or 1 less that where it is ``falling``. ``low`` and ``high`` are in the unit of u.
    """

    model_config = ConfigDict(frozen=True)

    variable: int = Field(ge=0)
    low: float
    high: float
    power: float = Field(default=1.0, gt=0)
    limit: float = Field(default=1.0, gt=0)
    falling: bool = False

    @model_validator(mode="after")
    def _has_width(self) -> Self:
        if not self.high > self.low:
            raise ValueError("a term needs high above low")
        if self.falling and self.limit != 1:
            raise ValueError("a falling term ends at 0, so its limit is 1")
        return self

    @property
    def rising(self) -> "Term":
        """The image that is observed: a falling term is 1 less it, observed or not."""
        return self.model_copy(update={"falling": False}) if self.falling else self

    def values(self, variable: NDArray[Any]) -> NDArray[Any]:
        """The term where the variable has the given values; any shape."""
        ratio = np.clip((variable - self.low) * (1 / (self.high - self.low)), 0, self.limit)
        if self.power == 0.5:
            ratio = np.sqrt(ratio)
        elif self.power == 0.25:
            ratio = np.sqrt(np.sqrt(ratio))
        elif self.power != 1:
            ratio = ratio**self.power
        result: NDArray[Any] = 1 - ratio if self.falling else ratio
        return result


class Part(Record):
    """A part of the training regions, and the weights that all other parts gave."""

    region: str
    window: tuple[int, int, int, int] = Field(description="column, row, width, height in VIIRS pixels")
    weights: tuple[float, ...]

    @property
    def place(self) -> Window:
        """The window."""
        return Window(*self.window)


class FootprintRegression(Record):
    """Radiance as a sum of terms of a pixel's bands with weights of at least 0, fitted through footprints.

    Attributes
    ----------
    bands:
        Names, in order.
    variables:
        Weights of the bands, in the bands' units, in each variable.
    terms:
        Those of the chosen set.
    feature_set:
        Name of the set.
    weights:
        Of the constant, then of each term, in nW/cm2/sr.
    parts:
        What each part's weights would be without it: what a network is trained on there.
    errors:
        RMSE of each set in parts left out, in nW/cm2/sr at the VIIRS grid.
    center, spread:
        Mean and standard deviation of log(radiance + :data:`LOG_OFFSET`) over training pixels.
    """

    bands: tuple[str, ...]
    variables: tuple[tuple[float, ...], ...]
    terms: tuple[Term, ...]
    feature_set: str
    weights: tuple[float, ...]
    parts: tuple[Part, ...] = ()
    errors: dict[str, float] = Field(default_factory=dict)
    center: float = 0.0
    spread: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        if any(len(variable) != len(self.bands) for variable in self.variables):
            raise ValueError("a variable has a weight for every band")
        if any(term.variable >= len(self.variables) for term in self.terms):
            raise ValueError("a term names a variable that there is not")
        for weights in (self.weights, *(part.weights for part in self.parts)):
            if len(weights) != len(self.terms) + 1 or min(weights) < 0:
                raise ValueError("weights are a constant and one a term, none below 0")
        return self

    @property
    def size(self) -> int:
        """Weights above 0."""
        return sum(weight > 0 for weight in self.weights)

    def radiance(
        self, values: NDArray[np.floating[Any]], weights: Sequence[float] | None = None
    ) -> NDArray[np.floating[Any]]:
        """Radiance in nW/cm2/sr, at least :data:`LEAST_RADIANCE`.

        Parameters
        ----------
        values:
            Shape (..., bands), in the bands' units.
        weights:
            Those of a part; of all parts unless given.
        """
        constant, *others = self.weights if weights is None else weights
        light = np.full(values.shape[:-1], constant, values.dtype)
        variables: dict[int, NDArray[np.floating[Any]]] = {}
        for term, weight in zip(self.terms, others, strict=True):
            if weight <= 0:
                continue
            if term.variable not in variables:
                variables[term.variable] = variable_of(values, self.variables[term.variable])
            light += weight * term.values(variables[term.variable])
        result: NDArray[np.floating[Any]] = np.maximum(light, LEAST_RADIANCE)
        return result

    def log_radiance(self, values: NDArray[np.floating[Any]], region: str, window: Window) -> NDArray[Any]:
        """Natural logarithm of the radiance in ``window`` of ``region``, as the other parts give it.

        ``values`` has the shape (16 height, 16 width, bands); what no part holds has the weights of all.
        """
        overlaps = [
            (part, place)
            for part in self.parts
            if part.region == region and (place := part.place.intersection(window)) is not None
        ]
        if len(overlaps) == 1 and overlaps[0][1] == window:
            return logarithm(self.radiance(values, overlaps[0][0].weights))
        light = self.radiance(values)
        for part, place in overlaps:
            inside = place.fine_slices_in(window)
            light[inside] = self.radiance(values[inside], part.weights)
        return logarithm(light)


def logarithm(light: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The natural logarithm of radiance in nW/cm2/sr."""
    result: NDArray[np.floating[Any]] = np.log(light)
    return result


def variable_of(values: NDArray[np.floating[Any]], weights: Sequence[float]) -> NDArray[np.floating[Any]]:
    """The weighted sum of the last axis of ``values``."""
    used = [index for index, weight in enumerate(weights) if weight]
    if len(used) == 1 and weights[used[0]] == 1:
        return values[..., used[0]]
    result: NDArray[np.floating[Any]] = values @ np.asarray(weights, values.dtype)
    return result
