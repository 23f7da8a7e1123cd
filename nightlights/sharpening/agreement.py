"""Second step: the least further change after which the light is observed as it was measured.

Least in the mean square, relative to the brightness around: a convex problem whose unknowns are one
multiplier for each VIIRS pixel, solved by Newton's method on the dual. No multiplier uses more of its
tolerance than it must, because fitting the last percent of a noisy measurement roughens the light.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nightlights.observation import observation_matrix
from nightlights.sharpening.scene import PIXELS, Floats, Light, LitScene, Scene

_SOFTNESS = 1.0
"""Multiplier at which 71 % of a tolerance is used: lower is sharper in theory and slower to solve."""
STIFFNESSES = (30.0, 300.0, 3000.0)
"""Multipliers at which a tolerance is exceeded by as much again, rather than the light bent further.

The stiffest is taken whose multipliers stay within :data:`_EFFORT`, or the softest."""
_EFFORT = 45.0
"""Largest root mean square of the multipliers.

Some 5 to 30 follow the measurement from a wrong prior, some 10 a noise of 2 % at the equator, hundreds the
same noise at 45 degrees, where the light is bent beyond use.
"""
_ROUNDS = 25
_HALVINGS = 20
_CONJUGATE_STEPS = 80


def agreeing_addition(lit: LitScene, measured: Floats, tolerance: Floats, areas: Floats) -> Floats:
    """The addition to ``lit`` that brings every pixel within its tolerance and keeps the total.

    Parameters
    ----------
    measured, tolerance:
        In nW/cm2/sr, shape (height, width); nothing is asked where either is not finite.
    areas:
        Weight of each pixel in the total, shape (height, width).

    Returns
    -------
    numpy.ndarray
        float64, shape (height, width).
    """
    addition = np.zeros(lit.scene.window.shape)
    asked = np.isfinite(measured) & np.isfinite(tolerance) & (lit.scene.inverse > 0)
    if not asked.any():
        return addition
    weights = areas[asked] / areas.mean()
    point: _Point | None = None
    for stiffness in STIFFNESSES:
        dual = _Dual(lit, asked, measured[asked], tolerance[asked], weights, stiffness)
        found = dual.solve(point)
        if point is not None and dual.effort(found) > _EFFORT:
            break
        point, addition = found, dual.field(found.multipliers)
        if np.all(np.abs(found.light.observed[asked] - measured[asked]) <= tolerance[asked]):
            break
    return addition


@dataclass(frozen=True)
class _Point:
    multipliers: Floats
    total: float
    value: float
    light: Light


@dataclass(frozen=True)
class _Dual:
    """Unknowns: ``multipliers``. The part common to all, ``total`` x areas, is free, which keeps the sum."""

    lit: LitScene
    asked: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    measured: Floats
    tolerance: Floats
    areas: Floats
    stiffness: float

    @property
    def _beyond(self) -> Floats:
        """What was measured less what is kept of the estimate."""
        return self.measured - self.lit.kept[self.asked]

    @property
    def scene(self) -> Scene:
        return self.lit.scene

    def solve(self, start: _Point | None) -> _Point:
        multipliers, total = (
            (start.multipliers, start.total) if start else (np.zeros(self.measured.size), 0.0)
        )
        point = self._at(multipliers, total)
        modes = _Modes.of(self.scene)
        for _ in range(_ROUNDS):
            residual = point.light.observed[self.asked] - self.measured
            _, slope, curvature = self._penalty(point.multipliers - point.total * self.areas)
            gradient = residual + slope
            missing_light = abs(float(self.areas @ residual))
            if np.all(np.abs(gradient) <= 0.05 * self.tolerance) and missing_light <= 1e-4 * abs(
                float(self.areas @ self.measured)
            ):
                break
            step = _conjugate_gradients(
                self._hessian(point.light, curvature), -gradient, modes.inverse(self, point.light, curvature)
            )
            following = self._along(point, step, float(step @ gradient))
            if following is None:
                break
            point = following
            if start is not None and self.effort(point) > 2 * _EFFORT:
                break
        return point

    def effort(self, point: _Point) -> float:
        """Root mean square of the multipliers of single pixels."""
        return float(np.sqrt(((point.multipliers - point.total * self.areas) ** 2).mean()))

    def field(self, values: Floats) -> Floats:
        field = np.zeros(self.asked.shape)
        field[self.asked] = values
        return field

    def _at(self, multipliers: Floats, total: float) -> _Point:
        total = self._total(multipliers, total)
        light = self.lit.light(self.field(multipliers))
        penalty = self._penalty(multipliers - total * self.areas)[0].sum()
        value = light.energy / PIXELS - float(multipliers @ self._beyond) + float(penalty)
        return _Point(multipliers, total, value, light)

    def _along(self, point: _Point, step: Floats, descent: float) -> _Point | None:
        length = 1.0
        for _ in range(_HALVINGS):
            tried = self._at(point.multipliers + length * step, point.total)
            if tried.value <= point.value + 1e-4 * length * descent + 1e-12 * abs(point.value):
                return tried
            length /= 2
        return None

    def _total(self, multipliers: Floats, start: float) -> float:
        """The common part that leaves no sum of residuals: a root, by Newton's method within bounds."""
        ratio = multipliers / self.areas
        low, high, total = float(ratio.min()), float(ratio.max()), start
        for _ in range(100):
            _, slope, curvature = self._penalty(multipliers - total * self.areas)
            excess = float(self.areas @ slope)
            low, high = (total, high) if excess > 0 else (low, total)
            following = total + excess / float(self.areas**2 @ curvature)
            following = following if low <= following <= high else (low + high) / 2
            if abs(following - total) <= 1e-13 * (1 + abs(total)):
                break
            total = following
        return total

    def _penalty(self, multipliers: Floats) -> tuple[Floats, Floats, Floats]:
        """Penalty, its slope (the residual that it allows, with its sign turned) and its curvature."""
        root = np.sqrt(multipliers**2 + _SOFTNESS**2)
        return (
            self.tolerance * (root + multipliers**2 / self.stiffness / 2),
            self.tolerance * (multipliers / root + multipliers / self.stiffness),
            self.tolerance * (_SOFTNESS**2 / root**3 + 1 / self.stiffness),
        )

    def _hessian(self, light: Light, curvature: Floats) -> Callable[[Floats], Floats]:
        inverse, cells = self.scene.inverse, self.scene.cells
        common = curvature * self.areas

        def product(step: Floats) -> Floats:
            seen = inverse * cells.curvature(light.freedom, inverse * self.field(step))
            return (
                PIXELS * seen[self.asked]
                + curvature * step
                - common * (common @ step) / (common @ self.areas)
            )

        return product


@dataclass(frozen=True)
class _Modes:
    """The operator times its adjoint, diagonal in these modes wherever light and footprints are even."""

    rows: Floats
    columns: Floats
    strength: Floats
    diagonal: Floats

    @classmethod
    def of(cls, scene: Scene) -> "_Modes":
        window, spread = scene.window, scene.point_spread
        middle = float(window.latitudes[window.height // 2])
        across = observation_matrix(window.height, spread.sigma_rows())
        along = observation_matrix(window.width, spread.sigma_columns(middle))
        side = PIXELS**0.5
        first, rows = np.linalg.eigh(side * across @ across.T)
        second, columns = np.linalg.eigh(side * along @ along.T)
        strength = np.outer(np.maximum(first, 0.0), np.maximum(second, 0.0))
        even = np.full(tuple(4 * size for size in window.shape), PIXELS / 16)
        return cls(rows, columns, strength, np.asarray(scene.cells.squared_forward(even), np.float64))

    def inverse(self, dual: _Dual, light: Light, curvature: Floats) -> Callable[[Floats], Floats]:
        """The preconditioner: these modes between the square roots of the brightness of each pixel."""
        brightness = (dual.scene.cells.squared_forward(light.freedom) / self.diagonal)[dual.asked]
        brightness *= dual.scene.inverse[dual.asked] ** 2
        brightness = np.maximum(brightness, 1e-6 * float(brightness.max()) + 1e-12)
        mean = float(np.exp(np.log(curvature / brightness + 1e-12).mean()))

        def apply(values: Floats) -> Floats:
            field = dual.field(values / np.sqrt(brightness))
            modes = self.rows.T @ field @ self.columns / (self.strength + mean)
            return (self.rows @ modes @ self.columns.T)[dual.asked] / np.sqrt(brightness)

        return apply


def _conjugate_gradients(
    product: Callable[[Floats], Floats], right: Floats, precondition: Callable[[Floats], Floats]
) -> Floats:
    """Solve a symmetric positive system to a tenth: Newton's method asks no more."""
    solution, rest = np.zeros_like(right), right
    direction = precondition(rest)
    energy = first = float(rest @ direction)
    for _ in range(_CONJUGATE_STEPS):
        image = product(direction)
        length = energy / float(direction @ image)
        solution, rest = solution + length * direction, rest - length * image
        preconditioned = precondition(rest)
        following = float(rest @ preconditioned)
        if following <= 1e-2 * first:
            break
        direction = preconditioned + following / energy * direction
        energy = following
    return solution
