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
_STRIP: Final = 64
"""Rows whose memberships in all classes are held at once."""
LOG_OFFSET: Final = 0.02
"""In nW/cm2/sr, added before the logarithm that a network reads: darkness has no finite one."""


class Term(Record):
    """One function of the bands, from 0 to ``limit``.

    With the variable u, a weighted sum of the bands, it is ``min(max((u - low) / (high - low), 0), limit) **
    power``, or 1 less that where it is ``falling``. ``low`` and ``high`` are in the unit of u. With a
    ``context`` of so many analysis pixels, an odd number, it is the square root of that and its mean over the
    square of that side: what stands in a town counts for more than the same in the open.

    With a ``member`` it is the membership, from 0 to 1, in that class of the class map ``variable``.
    """

    model_config = ConfigDict(frozen=True)

    variable: int = Field(ge=0)
    low: float = 0.0
    high: float = 1.0
    power: float = Field(default=1.0, gt=0)
    limit: float = Field(default=1.0, gt=0)
    falling: bool = False
    context: int = Field(default=0, ge=0, le=1001)
    member: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _has_width(self) -> Self:
        if not self.high > self.low:
            raise ValueError("a term needs high above low")
        if self.falling and self.limit != 1:
            raise ValueError("a falling term ends at 0, so its limit is 1")
        if self.context and self.context % 2 == 0:
            raise ValueError("a context is an odd number of pixels wide")
        return self

    @property
    def complement(self) -> bool:
        """Whether it is 1 less another term, observed or not."""
        return self.falling and not self.context

    @property
    def image(self) -> "Term":
        """The term that is observed in its place."""
        return self.model_copy(update={"falling": False}) if self.complement else self

    def values(self, variable: NDArray[Any]) -> NDArray[Any]:
        """The term of an image of the variable, shape (height, width); of any shape without a context."""
        ratio = np.clip((variable - self.low) * (1 / (self.high - self.low)), 0, self.limit)
        if self.power == 0.5:
            ratio = np.sqrt(ratio)
        elif self.power == 0.25:
            ratio = np.sqrt(np.sqrt(ratio))
        elif self.power != 1:
            ratio = ratio**self.power
        result: NDArray[Any] = 1 - ratio if self.falling else ratio
        return np.sqrt(result * box_mean(result, self.context)) if self.context else result


def box_mean(image: NDArray[Any], width: int) -> NDArray[Any]:
    """Mean over the square of ``width`` pixels around each, as far as it lies within the image."""
    # Every record imports this module, and scipy takes a quarter of a second.
    from scipy.ndimage import uniform_filter1d

    result = image
    for axis, side in enumerate(image.shape):
        places = np.arange(side)
        count = np.minimum(places + width // 2, side - 1) - np.maximum(places - width // 2, 0) + 1
        shape = [1, 1]
        shape[axis] = side
        mean = uniform_filter1d(result, width, axis=axis, mode="constant")
        result = mean * (width / count).reshape(shape).astype(image.dtype)
    return result


class ClassMap(Record):
    """Soft classes of pixels: memberships are the softmax of ``bands @ slopes.T + offsets``.

    Attributes
    ----------
    slopes:
        Of each class, one a band, per unit of the band.
    offsets:
        Of each class.
    """

    model_config = ConfigDict(frozen=True)

    slopes: tuple[tuple[float, ...], ...]
    offsets: tuple[float, ...]

    def logits(self, values: NDArray[Any], chosen: slice | int = slice(None)) -> NDArray[Any]:
        """Before the softmax, of bands in their units, shape (..., bands)."""
        slopes = np.asarray(self.slopes, values.dtype)[chosen]
        result: NDArray[Any] = values @ slopes.T + np.asarray(self.offsets, values.dtype)[chosen]
        return result

    def normaliser(self, values: NDArray[Any]) -> NDArray[Any]:
        """Logarithm of the sum of exponentials over the classes, shape (...)."""
        logits = self.logits(values)
        largest = logits.max(axis=-1)
        result: NDArray[Any] = largest + np.log(np.exp(logits - largest[..., None]).sum(axis=-1))
        return result

    def membership(self, values: NDArray[Any], member: int, normaliser: NDArray[Any]) -> NDArray[Any]:
        """From 0 to 1, shape (...)."""
        result: NDArray[Any] = np.exp(self.logits(values, member) - normaliser)
        return result

    def weighted(self, values: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
        """Mean of ``weights``, one a class, by the memberships; an image at most by a strip at a time."""
        light = np.empty(values.shape[:-1], values.dtype)
        for start in range(0, len(values), _STRIP):
            logits = self.logits(values[start : start + _STRIP])
            shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
            light[start : start + _STRIP] = (shares @ weights) / shares.sum(axis=-1)
        return light


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
    maps:
        Class maps that terms name.
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
    maps: tuple[ClassMap, ...] = ()
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
        for term in self.terms:
            if term.variable >= len(self.variables if term.member is None else self.maps):
                raise ValueError("a term names a variable that there is not")
            if term.member is not None and term.member >= len(self.maps[term.variable].offsets):
                raise ValueError("a term names a class that there is not")
        for each in self.maps:
            if len(each.slopes) != len(each.offsets) or any(
                len(slope) != len(self.bands) for slope in each.slopes
            ):
                raise ValueError("a class has an offset and a slope for every band")
        for weights in (self.weights, *(part.weights for part in self.parts)):
            if len(weights) != len(self.terms) + 1 or min(weights) < 0:
                raise ValueError("weights are a constant and one a term, none below 0")
        return self

    @property
    def size(self) -> int:
        """Weights above 0."""
        return sum(weight > 0 for weight in self.weights)

    @property
    def reach(self) -> int:
        """Analysis pixels around a pixel that its radiance depends on."""
        return max((term.context // 2 for term in self.terms), default=0)

    def radiance(
        self, values: NDArray[np.floating[Any]], weights: Sequence[float] | None = None
    ) -> NDArray[np.floating[Any]]:
        """Radiance in nW/cm2/sr, at least :data:`LEAST_RADIANCE`.

        Parameters
        ----------
        values:
            Shape (height, width, bands), in the bands' units; within :attr:`reach` of the edge, what lies
            beyond is not known.
        weights:
            Those of a part; of all parts unless given.
        """
        constant, *others = self.weights if weights is None else weights
        light = np.full(values.shape[:-1], constant, values.dtype)
        variables: dict[int, NDArray[np.floating[Any]]] = {}
        classes = {index: np.zeros(len(each.offsets), values.dtype) for index, each in enumerate(self.maps)}
        for term, weight in zip(self.terms, others, strict=True):
            if weight <= 0:
                continue
            if term.member is not None:
                classes[term.variable][term.member] = weight
                continue
            if term.variable not in variables:
                variables[term.variable] = variable_of(values, self.variables[term.variable])
            light += weight * term.values(variables[term.variable])
        for index, own in classes.items():
            if own.any():
                light += self.maps[index].weighted(values, own)
        result: NDArray[np.floating[Any]] = np.maximum(light, LEAST_RADIANCE)
        return result

    def log_radiance(self, values: NDArray[np.floating[Any]], region: str, window: Window) -> NDArray[Any]:
        """Natural logarithm of the radiance in ``window`` of ``region``, as the other parts give it.

        ``values`` has the shape (16 height, 16 width, bands); what no part holds has the weights of all.
        Within :attr:`reach` of the edge, what lies beyond is not known.
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
            light[inside] = self.radiance(values, part.weights)[inside]
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
