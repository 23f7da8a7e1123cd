"""What the texture of a prediction is worth in a region, by the region's own VIIRS.

Moved up in scale, VIIRS plays the fine image: what footprints 2, 4, 8 or 16 times as large make of it is the
measurement, and the prediction as VIIRS would see it the prior. There the truth is known, so it can be seen
how far the texture is to be trusted: between none of it, which is interpolated VIIRS, sharpened, and all of
it. The exponent that serves there serves at 30 m, as far as the simulated planet tells; the gain does not: of
two models that gained as much at factor 4, one gained 29 % at 30 m and the other 3 %. So a gain is told with
its scale.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, zoom
from scipy.special import erf

from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.noise import Noise
from nightlights.observation import PointSpread
from nightlights.scores import LARGEST_EXPONENT, USUAL_EXPONENT, ScaleVerdict, Verdict
from nightlights.sharpening.estimate import estimated_factor
from nightlights.sharpening.scene import Floats

FACTORS: Final = (2, 4, 8, 16)
EXPONENTS: Final = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, LARGEST_EXPONENT)
USUAL: Final = USUAL_EXPONENT
"""The exponent where nothing is known: full texture was worse than none in three of four countries whose
VIIRS was moved up 16 times, a third of it better in three."""
_USUAL_SPREAD: Final = 0.3
"""How far regions differ from it: standard deviation of the exponents that served best."""
_LEAST_PIXELS: Final = 24
"""Measurements at a scale below which it tells nothing."""
_LARGEST_SIDE: Final = 256
"""VIIRS pixels: of a larger region the part with the most light is looked at."""
_BLOCK: Final = 4
"""Side in measurements of the blocks that are drawn anew."""
_DRAWS: Final = 200
_SPREAD_OF_A_PLACE: Final = 0.45
"""About how far the exponent that serves in one place lies from that of its region: standard deviation.

Where nearly all of the error is that of one bright town, a region tells as little as that town does."""
_LEAST_BLOCKS: Final = 4
_SEED: Final = 1
_ALIKE: Final = 1e-6
"""Difference of the logarithm of errors below which they are the same."""
_FAINT_SHARE: Final = 0.02
"""Share of a texture's mean light below which nothing in it counts as darker."""


def mixed(smooth: Any, texture: Any, within: Any, exponent: Any, faint: float) -> Any:
    """``smooth`` with the contrasts that a texture has within footprints, to the power of ``exponent``.

    How bright a footprint is, VIIRS knows better: a texture's own light there, were it mixed in, would have
    to be taken out again, and where that is within the noise it would stay.

    Parameters
    ----------
    smooth:
        Light without the texture, in nW/cm2/sr.
    texture, within:
        The texture, and what is left of it in interpolated footprints; shapes as ``smooth``, of one unit.
    faint:
        What counts as dark, in that unit; see :func:`faint_of`.
    """
    texture, within = (np.maximum(light, smooth.dtype.type(faint)) for light in (texture, within))
    return smooth * (texture / within) ** np.asarray(exponent, smooth.dtype)


def faint_of(seen: NDArray[np.floating[Any]]) -> float:
    """What counts as dark in a texture of which footprints see ``seen``, in its unit."""
    known = seen[np.isfinite(seen)]
    mean = float(known.mean()) if known.size else 0.0
    return _FAINT_SHARE * mean if mean > 0 else 1.0


def verdict(
    measured: NDArray[np.floating[Any]],
    predicted: NDArray[np.floating[Any]],
    window: Window,
    point_spread: PointSpread,
    noise: Noise,
    *,
    usual: float = USUAL,
) -> Verdict:
    """To which power the texture of a prediction is to be trusted.

    Parameters
    ----------
    measured:
        VIIRS radiance in nW/cm2/sr, shape (height, width), NaN where missing.
    predicted:
        The prediction as VIIRS would see it, same shape and unit.
    window:
        Where both lie.
    noise:
        Of the measurement.
    usual:
        The exponent to which thin evidence is drawn: that of other regions, see :func:`usual_exponent`.

    Returns
    -------
    Verdict
        Of a region that is too small for every scale, the usual exponent.
    """
    scales = [
        scale
        for factor in FACTORS
        if (scale := _Scale.of(measured, predicted, window, point_spread, noise, factor)) is not None
    ]
    if not scales:
        return Verdict(exponent=usual, found=None, weight=0.0, usual=usual, scales=[])
    found, variance = _served_best(scales)
    weight = _USUAL_SPREAD**2 / (_USUAL_SPREAD**2 + variance)
    exponent = round(weight * found + (1 - weight) * usual, 2)
    return Verdict(
        exponent=exponent,
        found=round(found, 2),
        weight=round(weight, 3),
        usual=usual,
        scales=[scale.verdict(exponent) for scale in scales],
    )


def usual_exponent(verdicts: Iterable[Verdict]) -> float:
    """What the regions of a dataset ask for together, :data:`USUAL` counting as one more.

    Each region counts by the inverse of its variance and of how far regions differ: the mean of a normal
    distribution of regions, whose spread is known (Gelman et al. 2013, Bayesian Data Analysis, 5.4).
    """
    total, weights = USUAL, 1.0
    for each in verdicts:
        if each.found is not None:
            # The weight of a region is spread^2 / (spread^2 + variance), that of USUAL is 1.
            total += each.weight * each.found
            weights += each.weight
    return round(total / weights, 2)


def _served_best(scales: "list[_Scale]") -> tuple[float, float]:
    """The exponent that serves best over all scales, and the variance of that, by drawing blocks anew."""
    generator = np.random.default_rng(_SEED)
    draws = np.zeros((_DRAWS, len(EXPONENTS)))
    for scale in scales:
        blocks = scale.blocks
        picked = generator.integers(0, len(blocks), (_DRAWS, len(blocks)))
        errors = blocks[picked].sum(axis=1)
        draws += np.log(np.maximum(errors, 1e-30) / np.maximum(errors[:, :1], 1e-30))
    # Of exponents that serve alike, to rounding, the least.
    best = np.asarray(EXPONENTS)[np.argmax(draws <= draws.min(axis=1, keepdims=True) + _ALIKE, axis=1)]
    places = max(_effective_number(scale.errors(0.0)) for scale in scales)
    return float(best.mean()), float(best.var()) + _SPREAD_OF_A_PLACE**2 / places


def _effective_number(errors: Floats) -> float:
    """Of blocks, each counting by its share of the error (Kish 1965, Survey Sampling)."""
    total = float((errors**2).sum())
    return float(errors.sum()) ** 2 / total if total else 1.0


@dataclass(frozen=True)
class _Enlarged:
    """A prior that footprints of a larger instrument see; what :func:`estimated_factor` needs of a scene."""

    prior: Floats
    known: NDArray[np.bool_]
    footprints: "_Footprints"
    window: "_Shape"
    inverse: Floats
    _ones: Floats

    @classmethod
    def of(
        cls, prior: Floats, known: NDArray[np.bool_], footprints: "_Footprints", areas: Floats
    ) -> "_Enlarged":
        coverage = footprints.forward(known)
        covered = footprints.core.forward(known) >= 0.5
        inverse = np.where(covered, 1 / np.where(covered, coverage, 1.0), 0.0)
        shape = _Shape(inverse.shape, areas)
        return cls(
            np.where(known, prior, 0.0), known, footprints, shape, inverse, footprints.adjoint(inverse)
        )

    def light(self, factor: Floats) -> Floats:
        mean = self.footprints.adjoint(factor * self.inverse) / np.maximum(self._ones, 1e-12)
        light: Floats = self.prior * np.exp(mean)
        return light

    def observed(self, factor: Floats) -> Floats:
        seen: Floats = self.footprints.forward(self.light(factor)) * self.inverse
        return seen


@dataclass(frozen=True)
class _Footprints:
    """Sums of separable products: a weight and the matrices of both axes, of the core and of the glow."""

    parts: tuple[tuple[float, Floats, Floats], ...]

    @classmethod
    def of(
        cls, shape: tuple[int, int], factor: int, point_spread: PointSpread, latitude: float
    ) -> "_Footprints":
        """Of ``shape`` measurements, each ``factor`` x ``factor`` VIIRS pixels, as wide as it is large."""

        def part(share: float, sigmas: tuple[float, float]) -> tuple[float, Floats, Floats]:
            rows, columns = (
                _matrix(count, factor, sigma) for count, sigma in zip(shape, sigmas, strict=True)
            )
            return share, rows, columns

        share = point_spread.glow_share
        sigmas = (point_spread.sigma_rows(), point_spread.sigma_columns(latitude))
        core = part(1 - share, (sigmas[0] / FINE_PER_VIIRS, sigmas[1] / FINE_PER_VIIRS))
        if share == 0:
            return cls((core,))
        glow = (point_spread.glow_sigma_rows(), point_spread.glow_sigma_columns(latitude))
        return cls((core, part(share, glow)))

    @property
    def core(self) -> "_Footprints":
        """The core with all of the light."""
        return _Footprints(((1.0, *self.parts[0][1:]),))

    def forward(self, fine: Any) -> Floats:
        """What is measured of ``fine``."""
        return self._sum(share * (rows @ fine @ columns.T) for share, rows, columns in self.parts)

    def adjoint(self, coarse: Floats) -> Floats:
        """The transpose."""
        return self._sum(share * (rows.T @ coarse @ columns) for share, rows, columns in self.parts)

    def _sum(self, images: Iterable[Floats]) -> Floats:
        return functools.reduce(np.add, images)


@dataclass(frozen=True)
class _Shape:
    shape: tuple[int, int]
    pixel_area_km2: Floats


@dataclass(frozen=True)
class _Scale:
    """VIIRS moved up by one factor, and what mixtures of every exponent make of it."""

    factor: int
    truth: Floats
    known: NDArray[np.bool_]
    sharpened: Callable[[float], Floats]
    _errors: dict[float, Floats] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        measured: NDArray[np.floating[Any]],
        predicted: NDArray[np.floating[Any]],
        window: Window,
        point_spread: PointSpread,
        noise: Noise,
        factor: int,
    ) -> "_Scale | None":
        """None where too little is left at this factor."""
        truth, prior, rows = _brightest(measured, predicted, factor)
        height, width = (side // factor for side in truth.shape)
        if height * width < _LEAST_PIXELS:
            return None
        latitude = float(window.latitudes[rows].mean())
        footprints = _Footprints.of((height, width), factor, point_spread, latitude)
        known = np.isfinite(truth) & np.isfinite(prior)
        light = np.where(known, np.maximum(truth, 0), 0.0)
        areas = window.pixel_area_km2[rows].reshape(height, factor).mean(axis=1)

        def scene(each: Floats) -> _Enlarged:
            return _Enlarged.of(each, known, footprints, areas)

        first = scene(light)
        seen = np.where(first.inverse > 0, first.observed(np.zeros(first.window.shape)), np.nan)
        # Even light is nothing that a texture could be tried on.
        if np.isfinite(seen).sum() < _LEAST_PIXELS or not float(np.ptp(light[known])) > 1e-6 * light.max():
            return None
        # A mean over so many pixels scatters less by the root of their number.
        quieter = Noise(share=noise.share / factor, floor=noise.floor / factor)
        sigma = quieter.sigma(seen)

        def agreeing(each: Floats) -> Floats:
            enlarged = scene(each)
            return enlarged.light(estimated_factor(enlarged, seen, sigma))

        smooth = agreeing(np.maximum(_enlarged(seen, factor), 1e-6))

        texture = np.where(known, np.maximum(prior, 0.0), 0.0)
        textured = scene(texture)
        footprint = np.where(first.inverse > 0, textured.observed(np.zeros(textured.window.shape)), np.nan)
        within, faint = _enlarged(footprint, factor), faint_of(footprint)

        def sharpened(exponent: float) -> Floats:
            return agreeing(mixed(smooth, texture, within, exponent, faint))

        return cls(factor, truth, known, sharpened)

    def errors(self, exponent: float) -> Floats:
        """Squared errors, added up in blocks."""
        if exponent not in self._errors:
            error = np.where(self.known, (self.sharpened(exponent) - self.truth) ** 2, 0.0)
            side = _BLOCK * self.factor
            ends = [np.arange(0, length, side) for length in error.shape]
            sums: Floats = np.add.reduceat(np.add.reduceat(error, ends[0], axis=0), ends[1], axis=1)
            self._errors[exponent] = sums.ravel()
        return self._errors[exponent]

    @cached_property
    def blocks(self) -> Floats:
        """Squared errors, shape (blocks, exponents)."""
        return np.stack([self.errors(exponent) for exponent in EXPONENTS], axis=-1)

    def verdict(self, exponent: float) -> ScaleVerdict:
        """What the exponent is worth at this scale."""
        with_texture, without = self.errors(exponent), self.errors(0.0)
        count = len(without)
        bounds: tuple[float | None, float | None] = (None, None)
        if count >= _LEAST_BLOCKS:
            picked = np.random.default_rng(_SEED).integers(0, count, (_DRAWS, count))
            ratios = with_texture[picked].sum(axis=1) / np.maximum(without[picked].sum(axis=1), 1e-30)
            low, high = np.percentile(1 - np.sqrt(ratios), [2.5, 97.5])
            bounds = round(float(low), 4), round(float(high), 4)
        ratio = with_texture.sum() / max(float(without.sum()), 1e-30)
        return ScaleVerdict(
            factor=self.factor,
            gain=round(1 - float(np.sqrt(ratio)), 4),
            lower=bounds[0],
            upper=bounds[1],
            pixels=int(self.known.sum()),
        )


def _brightest(
    measured: NDArray[np.floating[Any]], predicted: NDArray[np.floating[Any]], factor: int
) -> tuple[Floats, Floats, slice]:
    """The part that is looked at, in whole measurements, and its rows."""
    sides = [min(side, _LARGEST_SIDE) // factor * factor for side in measured.shape]
    light = np.nan_to_num(np.maximum(measured, 0))
    starts = []
    for axis, side in enumerate(sides):
        sums = np.concatenate([[0.0], np.cumsum(light.sum(axis=1 - axis))])
        starts.append(int(np.argmax(sums[side:] - sums[: len(sums) - side])))
    rows, columns = (slice(start, start + side) for start, side in zip(starts, sides, strict=True))
    first, second = (np.asarray(image[rows, columns], np.float64) for image in (measured, predicted))
    return first, second, rows


def _matrix(count: int, factor: int, sigma: float) -> Floats:
    """The observation along an axis: ``count`` measurements of ``factor`` pixels; ``sigma`` in the former."""
    centres = (np.arange(count) + 0.5) * factor
    distance = np.arange(count * factor) + 0.5 - centres[:, None]
    half, scale = factor / 2, sigma * factor * np.sqrt(2)
    weights: Floats = (erf((distance + half) / scale) - erf((distance - half) / scale)) / (2 * factor)
    return weights


def _enlarged(seen: Floats, factor: int) -> Floats:
    """Cubic splines through the measurements; what is missing takes the nearest."""
    index = distance_transform_edt(~np.isfinite(seen), return_distances=False, return_indices=True)
    fine: Floats = zoom(seen[tuple(index)], factor, order=3, mode="nearest", grid_mode=True)
    return fine
