"""Sums of the normal equations of observed terms, part by part, with bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Scaling
from nightlights.datasets import Dataset
from nightlights.footprint_terms import Term, variable_of
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.observation import ObservationOperator, PointSpread
from nightlights.progress import Progress
from nightlights.regressions.samples import TILE
from nightlights.regressions.sets import TermSets

_COVERAGE: Final = 0.5
"""Share of a footprint that must be known, as where scores are made."""
_BLOCKS: Final = 4
"""Strips that a single region is cut into, so that some can be left out."""


@dataclass(frozen=True)
class Piece:
    """A part of the training regions that is left out as one."""

    region: str
    window: Window


def pieces_of(dataset: Dataset, regions: Sequence[str]) -> list[Piece]:
    """The regions; of a single one, strips across its longer side."""
    windows = [(name, dataset.region(name).window.window) for name in regions]
    if len(windows) > 1:
        return [Piece(name, window) for name, window in windows]
    ((name, window),) = windows
    wide = window.width >= window.height
    side = -(-max(window.shape) // _BLOCKS)
    tiles = window.tiles(window.height, side) if wide else window.tiles(side, window.width)
    return [Piece(name, tile) for tile in tiles]


def normal_sums(
    dataset: Dataset,
    pieces: Sequence[Piece],
    scaling: Scaling,
    choice: TermSets,
    images: Sequence[Term],
    progress: Progress,
) -> NDArray[np.float64]:
    """Sums over the VIIRS pixels of every piece.

    Returns
    -------
    numpy.ndarray
        Shape (pieces, n + 2, n + 2) for n ``images``: sums of products of 1, each image as VIIRS would see
        it, and the measured radiance in nW/cm2/sr.
    """
    sums = np.zeros((len(pieces), len(images) + 2, len(images) + 2))
    spread = PointSpread.of(dataset.manifest)
    around = -(-max((image.context // 2 for image in images), default=0) // FINE_PER_VIIRS)
    tiles = [(number, tile) for number, piece in enumerate(pieces) for tile in piece.window.tiles(TILE, TILE)]
    for done, (number, tile) in enumerate(tiles):
        name = pieces[number].region
        progress.update(done, len(tiles), unit="tiles", message=f"Observing the bands of {name}")
        outer = dataset.region(name).window.window
        margin = spread.margin(float(np.abs(tile.latitudes).max())) + around
        reach = tile.expand(margin).intersection(outer) or tile
        image = dataset.read_daytime(name, reach)
        rows = observed_rows(image, scaling, reach, tile, spread, choice, images)
        measured = dataset.read_nighttime(name, tile).astype(np.float64).ravel()
        columns = np.column_stack([rows, measured])
        columns = columns[np.isfinite(columns).all(axis=1)]
        sums[number] += columns.T @ columns
    progress.update(len(tiles), len(tiles), unit="tiles", message="Observed the bands")
    return sums


def observed_rows(
    image: NDArray[np.float32],
    scaling: Scaling,
    reach: Window,
    tile: Window,
    spread: PointSpread,
    choice: TermSets,
    images: Sequence[Term],
) -> NDArray[np.float64]:
    """1 and each image as VIIRS would see it, shape (VIIRS pixels of ``tile``, n + 1), NaN where unknown.

    Parameters
    ----------
    image:
        Bands of ``reach``, bands first, in their units, NaN where missing.
    """
    operator = ObservationOperator(reach, spread)
    known = np.isfinite(image).all(axis=0)
    values = scaling.undo(scaling.apply(np.moveaxis(image, 0, -1))).astype(np.float32)
    coverage = operator.forward(known)
    inside = tile.slices_in(reach)
    weight = np.where(coverage >= _COVERAGE, coverage, np.nan)[inside].ravel()
    rows = np.empty((len(weight), len(images) + 1))
    rows[:, 0] = np.where(np.isfinite(weight), 1.0, np.nan)
    variable: NDArray[np.floating[Any]] = values[..., 0]
    last = -1
    normalisers: dict[int, NDArray[np.floating[Any]]] = {}
    for column, term in enumerate(images, start=1):
        if term.member is not None:
            classes = choice.maps[term.variable]
            if term.variable not in normalisers:
                strips = (values[start : start + TILE] for start in range(0, len(values), TILE))
                normalisers[term.variable] = np.concatenate([classes.normaliser(strip) for strip in strips])
            seen = classes.membership(values, term.member, normalisers[term.variable])
        else:
            if term.variable != last:
                last = term.variable
                variable = np.ascontiguousarray(variable_of(values, choice.variables[last]))
            seen = term.values(variable)
        rows[:, column] = operator.forward(seen * known)[inside].ravel() / weight
    return rows
