"""Gradient boosting of the residual of a footprint regression, through the footprints of VIIRS.

Trees (Friedman 2001, doi:10.1214/aos/1013203451) are fitted to the factor by which VIIRS exceeds the observed
regression, weighted by its square, so that their squared error is that of light at the VIIRS grid. The
regression is that of the other parts, as for networks that multiply it. How many trees are kept is chosen in
parts that they were not fitted to: where none helps, none is kept, and the model is the regression. Of few
regions two trees or none are usual.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Scaling
from nightlights.datasets import Dataset
from nightlights.footprint_terms import FootprintRegression
from nightlights.footprint_trees import SMOOTHING, WIDTHS, FootprintTrees, Tree, limited, square_means
from nightlights.grid import FINE_PER_VIIRS
from nightlights.observation import ObservationOperator, PointSpread
from nightlights.progress import NoProgress, Progress
from nightlights.regressions.samples import TILE

MOST_FOOTPRINTS: Final = 30_000
"""Random ones that trees are fitted to, where there are more."""
_TREES: Final = 60
_RATE: Final = 0.1
_DEPTH: Final = 3
_LEAST_IN_A_LEAF: Final = 50
_SUBSAMPLE: Final = 0.5
_FOLDS: Final = 5
"""Into which the parts are dealt, at most, to choose how many trees are kept."""
_COVERAGE: Final = 0.5

Floats = NDArray[np.float64]


def fit_trees(
    dataset: Dataset,
    guide: FootprintRegression,
    scaling: Scaling,
    limit: float,
    seed: int,
    progress: Progress | None = None,
) -> FootprintTrees:
    """Fit trees to what the parts of ``guide`` leave of VIIRS.

    Parameters
    ----------
    guide:
        Fitted to the training regions of ``dataset``.
    scaling:
        Of the bands, as the model scales them.
    limit:
        Largest natural logarithm of the factor.
    """
    features, observed, measured, part = _rows(dataset, guide, scaling, progress or NoProgress())
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(len(measured))[:MOST_FOOTPRINTS])
    features, observed, measured, folds = (
        features[chosen],
        observed[chosen],
        measured[chosen],
        part[chosen] % _FOLDS,
    )
    squares = np.zeros(_TREES + 1)
    for fold in np.unique(folds):
        own = folds == fold
        if own.all():
            continue
        stages = _stages(_boosted(features[~own], observed[~own], measured[~own], seed), features[own])
        light = observed[own] * limited(stages, limit)
        squares += ((light - measured[own]) ** 2).sum(axis=1)
    kept = int(np.argmin(squares))
    trees = _boosted(features, observed, measured, seed).estimators_[:kept, 0] if kept else []
    errors = np.sqrt(squares[[0, kept]] / max(len(measured), 1))
    return FootprintTrees(
        widths=WIDTHS,
        trees=tuple(_tree(each.tree_) for each in trees),
        limit=limit,
        smoothing=SMOOTHING,
        errors=(float(errors[0]), float(errors[1])),
    )


def _boosted(features: Floats, observed: Floats, measured: Floats, seed: int) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(
        n_estimators=_TREES,
        learning_rate=_RATE,
        max_depth=_DEPTH,
        min_samples_leaf=max(1, min(_LEAST_IN_A_LEAF, len(measured) // 20)),
        subsample=_SUBSAMPLE,
        init="zero",
        random_state=seed,
    )
    # Weights have a mean of 1, so that no limit of the trees depends on the unit of light.
    weights = observed**2 / max(float((observed**2).mean()), 1e-12)
    return model.fit(features, measured / observed - 1, sample_weight=weights)


def _stages(model: Any, features: Floats) -> Floats:
    """The factor without trees, with the first, with the first two and so on, shape (trees + 1, rows)."""
    return 1 + np.stack([np.zeros(len(features)), *model.staged_predict(features)])


def _tree(tree: Any) -> Tree:
    """A record of a tree of scikit-learn."""
    leaf = tree.children_left < 0
    return Tree(
        feature=tuple(np.where(leaf, -1, tree.feature).tolist()),
        threshold=tuple(np.where(leaf, 0.0, tree.threshold).tolist()),
        left=tuple(np.where(leaf, -1, tree.children_left).tolist()),
        right=tuple(np.where(leaf, -1, tree.children_right).tolist()),
        value=tuple((_RATE * np.where(leaf, tree.value[:, 0, 0], 0.0)).tolist()),
    )


def _rows(
    dataset: Dataset, guide: FootprintRegression, scaling: Scaling, progress: Progress
) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Features, observed regression and measured radiance of every footprint, and the number of its part."""
    spread = PointSpread.of(dataset.manifest)
    around = -(-max(guide.reach, max(WIDTHS) // 2) // FINE_PER_VIIRS)
    tiles = [
        (number, tile) for number, part in enumerate(guide.parts) for tile in part.place.tiles(TILE, TILE)
    ]
    pieces: list[Sequence[NDArray[Any]]] = []
    for done, (number, tile) in enumerate(tiles):
        name = guide.parts[number].region
        progress.update(done, len(tiles), unit="tiles", message=f"Observing the surroundings in {name}")
        outer = dataset.region(name).window.window
        margin = spread.margin(float(np.abs(tile.latitudes).max())) + around
        reach = tile.expand(margin).intersection(outer) or tile
        image = np.moveaxis(dataset.read_daytime(name, reach), 0, -1)
        known = np.isfinite(image).all(axis=-1)
        scaled = scaling.apply(image)
        light = np.exp(guide.log_radiance(scaling.undo(scaled), name, reach))
        images = [light, *np.moveaxis(square_means(scaled, WIDTHS), -1, 0)]
        operator, inside = ObservationOperator(reach, spread), tile.slices_in(reach)
        coverage = operator.forward(known)[inside].ravel()
        weight = np.where(coverage >= _COVERAGE, coverage, np.nan)
        seen = np.stack([operator.forward(each * known)[inside].ravel() / weight for each in images], axis=-1)
        measured = dataset.read_nighttime(name, tile).astype(np.float64).ravel()
        usable = np.isfinite(seen).all(axis=-1) & np.isfinite(measured)
        seen = seen[usable]
        pieces.append((seen[:, 1:], seen[:, 0], measured[usable], np.full(len(seen), number)))
    progress.update(len(tiles), len(tiles), unit="tiles", message="Observed the surroundings")
    features, observed, measured, part = (np.concatenate(each) for each in zip(*pieces, strict=True))
    return features, observed, measured, part
