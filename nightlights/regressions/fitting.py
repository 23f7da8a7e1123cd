"""Non-negative least squares of measured VIIRS on observed terms, and the choice of the terms.

A footprint of VIIRS mixes thousands of pixels. A regression of upsampled VIIRS on the bands of each pixel
takes the footprint's light for the pixel's own and flattens every contrast. Fitted to what footprints make of
the terms, the weights are those of the pixels, as far as light is a sum. The solver is that of Lawson and
Hanson (1974, Solving Least Squares Problems, chapter 23).

The set of terms is chosen in regions left out, by the one-standard-error rule (Breiman et al. 1984,
Classification and Regression Trees): the first whose squared error exceeds the least by no more than the
standard error of the difference over regions. With few regions one bright town decides the plain minimum.
On six smaller towns of Burundi, each held out once, the rule has an RMSE of 0.087 nW/cm2/sr and the plain
minimum 0.092; on the demo's eight cities both choose alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Band, Scaling, heavy_tailed
from nightlights.datasets import Dataset
from nightlights.errors import DatasetError
from nightlights.footprint_terms import FootprintRegression, Part, Term
from nightlights.progress import NoProgress, Progress
from nightlights.regressions.samples import training_sample
from nightlights.regressions.sets import term_sets
from nightlights.regressions.sums import normal_sums, pieces_of

FOOTPRINT_REGRESSION: Final = "footprint regression"
_RIDGE: Final = 0.03
"""Penalty on the squared weights of classes, relative to their mean square.

Alike classes share their light instead of one taking all: in the demo's evaluation cities the RMSE at 29 m
fell from 4.97 and 7.83 to 4.22 and 6.40 nW/cm2/sr, that at the VIIRS grid from 1.18 to 1.17.
"""
_ITERATIONS: Final = 100
"""Of the active-set method, for each term."""


def fit_regression(
    dataset: Dataset,
    regions: Sequence[str],
    *,
    sample: NDArray[np.float32] | None = None,
    scaling: Scaling | None = None,
    progress: Progress | None = None,
) -> FootprintRegression:
    """Fit to ``regions``, with the simplest set of terms that is no worse than the best in parts left out.

    The sums of a part of the training regions are made once, so the weights without it cost nothing further.
    Parts are regions; a single region is cut into strips.

    Parameters
    ----------
    sample:
        See :func:`nightlights.regressions.samples.training_sample`; read unless given.

    scaling:
        Limits the bands, and fills those that are missing; as in training unless given.

    Raises
    ------
    DatasetError
        When no footprint is known both by day and by night.
    """
    bands = dataset.manifest.bands
    sample = training_sample(dataset, regions) if sample is None else sample
    choice = term_sets(bands, sample)
    sets = choice.sets
    images = sorted({term.image for terms in sets.values() for term in terms}, key=_order)
    pieces = pieces_of(dataset, regions)
    scaling = scaling or default_scaling(bands, sample)
    sums = normal_sums(dataset, pieces, scaling, choice, images, progress or NoProgress())
    if not sums[:, 0, 0].sum():
        raise DatasetError(
            "The training regions have no footprint that is known by day and by night.",
            "Choose other regions.",
        )
    solvers = {name: _Solver(sums, images, terms) for name, terms in sets.items()}
    squares = {name: solver.left_out_squares() for name, solver in solvers.items()}
    footprints = sums[:, 0, 0].sum()
    errors = {name: float(np.sqrt(each.sum() / footprints)) for name, each in squares.items()}
    chosen = _simplest(squares)
    terms, solver = sets[chosen], solvers[chosen]
    return FootprintRegression(
        bands=tuple(band.name for band in bands),
        variables=tuple(choice.variables),
        maps=tuple(choice.maps) if any(term.member is not None for term in sets[chosen]) else (),
        terms=tuple(terms),
        feature_set=chosen,
        weights=solver.weights(),
        parts=tuple(
            Part(
                region=piece.region,
                window=(piece.window.column, piece.window.row, *piece.window.shape[::-1]),
                weights=solver.weights(without=number),
            )
            for number, piece in enumerate(pieces)
        ),
        errors=errors,
    )


def _order(term: Term) -> tuple[float, ...]:
    """Terms of a variable follow each other, so that it is computed once."""
    member = -1 if term.member is None else term.member
    shape = (term.low, term.high, term.power, term.limit, term.falling)
    return (term.member is not None, term.variable, member, term.context, *shape)


def default_scaling(bands: Sequence[Band], sample: NDArray[np.floating[Any]]) -> Scaling:
    """That of networks whose heavy tails are compressed."""
    return Scaling.fitted([band.name for band in bands], sample, heavy_tailed(bands, sample))


class _Solver:
    """Non-negative least squares on the terms of one set, of all parts or all but one."""

    def __init__(self, sums: NDArray[np.float64], images: Sequence[Term], terms: Sequence[Term]) -> None:
        places = {image: index for index, image in enumerate(images, start=1)}
        design = np.zeros((len(images) + 2, len(terms) + 2))
        design[0, 0] = design[-1, -1] = 1.0
        for column, term in enumerate(terms, start=1):
            design[places[term.image], column] = -1.0 if term.complement else 1.0
            design[0, column] += float(term.complement)
        self._classes = np.array([False, *(term.member is not None for term in terms)])
        self._sums = np.einsum("ia,pij,jb->pab", design, sums, design, optimize=True)
        self._total = self._sums.sum(axis=0)

    def weights(self, without: int | None = None) -> tuple[float, ...]:
        """Constant and weights, in nW/cm2/sr; of all parts, or all but the one ``without``."""
        sums = self._total if without is None else self._total - self._sums[without]
        if sums[0, 0] < 1:
            sums = self._total
        sums = sums.copy()
        squares = np.diag(sums)[:-1]
        if self._classes.any():
            sums[np.diag_indices(len(squares))] += self._classes * _RIDGE * squares[self._classes].mean()
        return tuple(float(weight) for weight in _non_negative(sums))

    def left_out_squares(self) -> NDArray[np.float64]:
        """Sum of squared errors in each part by the weights of the others, shape (parts,)."""
        weights = [np.array([*self.weights(number), -1.0]) for number in range(len(self._sums))]
        pairs = zip(weights, self._sums, strict=True)
        return np.array([max(float(each @ own @ each), 0.0) for each, own in pairs])


def _simplest(squares: dict[str, NDArray[np.float64]]) -> str:
    """The first set that one standard error does not tell from the best."""
    best = min(squares.values(), key=lambda each: float(each.sum()))
    for name, each in squares.items():
        excess = each - best
        if excess.sum() <= math.sqrt(len(excess)) * excess.std(ddof=min(1, len(excess) - 1)):
            return name
    raise AssertionError("the best does not exceed itself")


def _non_negative(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of at least 0 with the least squared error, from sums of products; the last is the measured."""
    from scipy.optimize import nnls

    scale = np.sqrt(np.maximum(np.diag(sums)[:-1], 1e-12))
    matrix, right = sums[:-1, :-1] / np.outer(scale, scale), sums[:-1, -1] / scale
    lengths, axes = np.linalg.eigh(matrix)
    kept = np.flatnonzero(lengths > 1e-10 * float(lengths.max()))
    root = np.sqrt(lengths[kept])
    solution = nnls(
        root[:, None] * axes.T[kept], axes.T[kept] @ right / root, maxiter=_ITERATIONS * len(right)
    )[0]
    weights: NDArray[np.float64] = solution / scale
    return weights


@dataclass(frozen=True)
class FootprintBaseline:
    """A footprint regression scored as baselines are; see :class:`nightlights.baselines.Baseline`.

    Attributes
    ----------
    regression:
        Fitted to the training regions.
    scaling:
        Limits the bands, and fills those that are missing.
    """

    regression: FootprintRegression
    scaling: Scaling

    @property
    def method(self) -> str:
        """Name of the method in tables."""
        return FOOTPRINT_REGRESSION

    def predict(self, daytime: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """See :meth:`nightlights.baselines.Baseline.predict`."""
        known = np.isfinite(daytime).all(axis=0)
        values = self.scaling.undo(self.scaling.apply(np.moveaxis(daytime, 0, -1)))
        return np.where(known, self.regression.radiance(values), np.nan)

    @property
    def reach(self) -> int:
        """See :attr:`nightlights.baselines.Baseline.reach`."""
        return self.regression.reach


def fit_footprint_baseline(dataset: Dataset, regions: Sequence[str]) -> FootprintBaseline:
    """Fit a footprint regression to ``regions``, to be scored as a baseline; see :func:`fit_regression`."""
    sample = training_sample(dataset, regions)
    scaling = default_scaling(dataset.manifest.bands, sample)
    return FootprintBaseline(fit_regression(dataset, regions, sample=sample, scaling=scaling), scaling)
