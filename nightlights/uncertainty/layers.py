"""Intervals of a region: between which bounds VIIRS should measure in 90 % of the pixels."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from nightlights import cog
from nightlights.bands import RADIANCE_UNIT
from nightlights.datasets import Dataset
from nightlights.progress import Progress
from nightlights.uncertainty.features import Read, region_features
from nightlights.uncertainty.intervals import Intervals, SizeModel
from nightlights.uncertainty.records import Calibration, load_calibration

if TYPE_CHECKING:
    from nightlights.prediction import Predictor

INTERVAL_LAYERS: Final = ("lower", "upper", "uncertainty")
"""Bounds of the interval and its width, in nW/cm2/sr at the VIIRS grid."""
_SHARED_TAGS = ("region", "model", "network", "unit", "source", "simulated")


def intervals_of(calibration: Calibration) -> Intervals:
    """The intervals that a calibration describes."""
    table = [(each.center, each.spread, each.weight) for each in calibration.weights]
    center, spread, weights = np.array(table, np.float64).T
    sizes = SizeModel(calibration.intercept, center, spread, weights)
    return Intervals(sizes, calibration.below, calibration.above, calibration.share)


def region_bounds(
    read: Read,
    dataset: Dataset,
    region: str,
    predictor: "Predictor",
    calibration: Calibration,
    progress: Progress,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bound of what VIIRS would measure in ``region``.

    Parameters
    ----------
    read:
        Gives the fine prediction of a window, in nW/cm2/sr.

    Returns
    -------
    lower, upper:
        float64, shape (height, width), in nW/cm2/sr, NaN where missing.
    """
    transform = calibration.transform
    found = region_features(read, dataset, region, predictor, transform, calibration.orientations, progress)
    bounds = intervals_of(calibration).bounds(transform.forward(found.observed), found.features)
    lower, upper = (transform.inverse(bound) for bound in bounds)
    return lower, upper


def predicted_bounds(
    dataset: Dataset, region: str, model_folder: Path, progress: Progress
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Predict ``region`` and give the bounds, as :func:`region_bounds`; None where nothing was calibrated.

    Raises
    ------
    ModelError
        When the model or its calibration is broken, or the model takes other bands.
    """
    from nightlights.prediction import Predictor

    calibration = load_calibration(model_folder)
    if calibration is None:
        return None
    predictor = Predictor.load(model_folder)
    predictor.check(dataset)
    with fine_prediction(predictor, dataset, region, progress) as read:
        return region_bounds(read, dataset, region, predictor, calibration, progress)


@contextmanager
def fine_prediction(
    predictor: "Predictor", dataset: Dataset, region: str, progress: Progress
) -> Iterator[Read]:
    """The fine prediction of ``region``, read by window from a file that is removed at the end."""
    window = dataset.region(region).window.window
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fine.tif"
        blocks = predictor.blocks(dataset, region, progress)
        cog.write_geotiff(
            path, blocks, window=window, fine=True, bands=["prediction"], units=[RADIANCE_UNIT], tags={}
        )
        yield lambda part: cog.read(path, part)[0]


def write_interval_layers(
    dataset: Dataset,
    region: str,
    model_folder: Path,
    calibration: Calibration | None,
    prediction: Path,
    progress: Progress,
) -> dict[str, str]:
    """Write the layers ``lower``, ``upper`` and ``uncertainty`` beside a fine prediction.

    Parameters
    ----------
    calibration:
        Of the model in ``model_folder``; None where it was never calibrated.
    prediction:
        The layer of that name; what its tags say of the model and the imagery goes into the others.

    Returns
    -------
    dict
        Layer to file name; empty where the model was never calibrated.

    Raises
    ------
    ModelError
        When the model is broken, or takes other bands.
    WorkspaceError
        When the disk is full.
    """
    from nightlights.prediction import Predictor

    if calibration is None:
        return {}
    predictor = Predictor.load(model_folder)
    predictor.check(dataset)
    lower, upper = region_bounds(
        lambda part: cog.read(prediction, part)[0], dataset, region, predictor, calibration, progress
    )
    made = cog.inspect(prediction).tags
    tags = {name: made[name] for name in _SHARED_TAGS if name in made}
    tags["interval"] = f"{calibration.level:.0%}"
    window = dataset.region(region).window.window
    layers = {}
    for layer, values in zip(INTERVAL_LAYERS, (lower, upper, upper - lower), strict=True):
        layers[layer] = f"{layer}.tif"
        cog.write_geotiff(
            prediction.parent / layers[layer],
            [(window, values.astype(np.float32))],
            window=window,
            fine=False,
            bands=[layer],
            units=[RADIANCE_UNIT],
            tags={**tags, "layer": layer},
        )
    return layers
