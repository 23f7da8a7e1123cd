"""Losses in pure ``keras.ops``. Missing pixels weigh nothing.

The pixel losses compare the prediction with a label on the analysis grid. The footprint losses compare
what VIIRS would have seen of the prediction with what VIIRS measured. All compare transformed radiance, so
that dark and bright places count alike, and so that a mixture of two adds like to like.
"""

from typing import Any

from keras import ops

from nightlights.bands import RadianceTransform
from nightlights.grid import FINE_PER_VIIRS
from nightlights.manifests import Loss

HUBER_WIDTH = 0.5
"""Transformed radiance up to which a Huber loss is quadratic (Huber 1964, doi:10.1214/aoms/1177703732)."""


def weighted_mean(values: Any, weights: Any) -> Any:
    """Mean of ``values`` weighted by ``weights`` of the same shape; 0 where all weights are 0."""
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1e-6)


def pixel_loss(kind: Loss, predicted: Any, label: Any, weights: Any) -> Any:
    """Mean loss over analysis pixels.

    Parameters
    ----------
    kind:
        "pixel squared error", "pixel absolute error" or "pixel Huber".
    predicted, label:
        Transformed radiance, shape (n, height, width); finite where ``weights`` is 0, too.
    weights:
        Shape (n, height, width); 0 where the label or the imagery is missing.

    Raises
    ------
    ValueError
        When ``kind`` is not a pixel loss.
    """
    distance = ops.abs(predicted - label)
    if kind == "pixel squared error":
        return weighted_mean(ops.square(distance), weights)
    if kind == "pixel absolute error":
        return weighted_mean(distance, weights)
    if kind == "pixel Huber":
        return weighted_mean(_huber(distance), weights)
    raise ValueError(f"{kind} is not a pixel loss")


def observe_patches(fine: Any, across_rows: Any, along_rows: Any) -> Any:
    """Observe patches with the matrices of :class:`nightlights.training.footprints.PatchFootprints`.

    Light from beyond the patch is taken as none.

    Parameters
    ----------
    fine:
        Shape (n, 16 h, 16 w).
    across_rows:
        Shape (h, 16 h).
    along_rows:
        Shape (n, h, 16 w, w).

    Returns
    -------
    tensor
        Shape (n, h, w).
    """
    _, height, width, _ = along_rows.shape
    grouped = ops.reshape(fine, (-1, height, FINE_PER_VIIRS, width))
    spread = ops.reshape(ops.matmul(grouped, along_rows), (-1, height * FINE_PER_VIIRS, along_rows.shape[3]))
    return ops.matmul(across_rows, spread)


def observed_radiance(
    predicted: Any,
    known: Any,
    across_rows: Any,
    along_rows: Any,
    transform: RadianceTransform,
    minimum_coverage: float,
    glow: tuple[float, Any, Any] | None = None,
) -> tuple[Any, Any]:
    """What VIIRS would have seen of a prediction: the mean over the known part of every footprint.

    Parameters
    ----------
    predicted:
        Transformed radiance, shape (n, 16 h, 16 w).
    known:
        1 where the imagery is known, 0 where it is missing; same shape.
    across_rows, along_rows:
        See :func:`observe_patches`.
    minimum_coverage:
        Share of a footprint's weight, from 0 to 1, that must lie in known pixels of the patch; of its core,
        where there is a glow, which no patch covers.
    glow:
        Fraction of the light in the glow, and its matrices, of the same shapes; None where there is none.

    Returns
    -------
    observed, weights:
        Radiance in nW/cm2/sr, shape (n, h, w), and 1 where enough of the footprint is known,
        else 0.
    """
    radiance = transform.inverse(predicted, ops) * known
    light = observe_patches(radiance, across_rows, along_rows)
    coverage, weights = covered_footprints(known, across_rows, along_rows, minimum_coverage)
    if glow is not None:
        share, *matrices = glow
        light = (1 - share) * light + share * observe_patches(radiance, *matrices)
        coverage = (1 - share) * coverage + share * observe_patches(known, *matrices)
    return light / ops.maximum(coverage, 1e-3), weights


def covered_footprints(
    known: Any, across_rows: Any, along_rows: Any, minimum_coverage: float
) -> tuple[Any, Any]:
    """How much of every footprint is known, and whether that is enough; see :func:`observed_radiance`.

    Returns
    -------
    coverage, weights:
        The known share of a footprint's weight, shape (n, h, w), and 1 where that is enough, else 0.
    """
    coverage = observe_patches(known, across_rows, along_rows)
    return coverage, ops.cast(coverage >= minimum_coverage, coverage.dtype)


def footprint_loss(
    observed: Any,
    measured: Any,
    weights: Any,
    transform: RadianceTransform,
    kind: Loss = "footprint squared error",
) -> Any:
    """Mean loss over VIIRS pixels, of the difference of transformed radiance.

    Parameters
    ----------
    observed, measured:
        Radiance in nW/cm2/sr, shape (n, h, w); finite where ``weights`` is 0, too.
    weights:
        Shape (n, h, w); 0 where VIIRS is missing or the patch does not cover the footprint.
    kind:
        "footprint squared error" or "footprint Huber".

    Raises
    ------
    ValueError
        When ``kind`` is not a footprint loss.
    """
    difference = _stabilised(observed, transform) - _stabilised(measured, transform)
    if kind == "footprint squared error":
        return weighted_mean(ops.square(difference), weights)
    if kind == "footprint Huber":
        return weighted_mean(_huber(ops.abs(difference)), weights)
    raise ValueError(f"{kind} is not a footprint loss")


def _huber(distance: Any) -> Any:
    quadratic = ops.minimum(distance, HUBER_WIDTH)
    return quadratic * (distance - 0.5 * quadratic)


def _stabilised(radiance: Any, transform: RadianceTransform) -> Any:
    if transform.kind == "square root":
        # The slope of a square root is infinite at 0; this one grows like it and stays smooth there.
        ratio = radiance / transform.scale
        return ratio / ops.sqrt(ops.abs(ratio) + 0.01)
    return transform.forward(radiance, ops)
