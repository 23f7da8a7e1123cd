"""The methods of the table of targets: trained models, and the baselines that they are held against."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nightlights.baselines import (
    CONSTANT_MEAN,
    LINEAR_REGRESSION,
    Baseline,
    fit_constant_mean,
    fit_linear_regression,
)
from nightlights.datasets import Dataset
from nightlights.ensembles import read_members
from nightlights.files import sha256
from nightlights.grid import Window
from nightlights.manifests import RunRecord, read_record
from nightlights.models import MODEL_FILE, model_parts
from nightlights.observation import PointSpread
from nightlights.progress import NoProgress, Progress
from nightlights.sharpening.interpolation import INTERPOLATIONS, Interpolation
from nightlights.uncertainty import UNCERTAINTY_FILE, Calibration, load_calibration
from nightlights.uncertainty.layers import region_bounds
from standard.boosting import GRADIENT_BOOSTING, fit_gradient_boosting
from standard.measuring import Candidate, Interval, Light
from standard.recipes import SEED, Recipe

if TYPE_CHECKING:
    from nightlights.prediction import Predictor

RUN_FILE = "run.json"


def model_candidate(recipe: Recipe, folder: Path) -> Candidate:
    """The trained model in ``folder``, loaded when it is first asked.

    Raises
    ------
    ModelError, WorkspaceError
        When there is no usable model.
    """
    from nightlights.prediction import Predictor

    predictor = Predictor.load(folder)

    def predict(dataset: Dataset, region: str, progress: Progress) -> Light:
        predictor.check(dataset)
        window = dataset.region(region).window.window
        light = np.full(window.fine_shape, np.nan, np.float32)
        for tile, radiance in predictor.blocks(dataset, region, progress):
            light[tile.fine_slices_in(window)] = radiance
        return light

    calibration, run = load_calibration(folder), read_record(folder / RUN_FILE, RunRecord)
    files = [part / MODEL_FILE for part in model_parts(folder)] + [folder / UNCERTAINTY_FILE] * (
        calibration is not None
    )
    return Candidate(
        key=recipe.key,
        title=recipe.title,
        source=" ".join(sha256(file) for file in files),
        interval=_interval(predictor, calibration) if calibration else None,
        predict=predict,
        sharpened=recipe.sharpened,
        traps=recipe.traps,
        run=run,
        settings=tuple(member.settings for member in read_members(folder, run)),
        contrast=predictor.config.sharpening_contrast,
        interval_method=calibration.method if calibration else None,
    )


def _interval(predictor: "Predictor", calibration: Calibration) -> Interval:
    """The intervals of a calibrated model."""

    def interval(dataset: Dataset, region: str, light: Light) -> tuple[Light, Light]:
        window = dataset.region(region).window.window

        def read(part: Window) -> NDArray[np.float32]:
            return np.asarray(light[part.fine_slices_in(window)], np.float32)

        return region_bounds(read, dataset, region, predictor, calibration, NoProgress())

    return interval


def interpolation_candidates() -> Iterator[Candidate]:
    """Interpolated VIIRS, which needs no training."""
    for name, interpolate in INTERPOLATIONS.items():
        yield Candidate(name, name, "", partial(_interpolated, interpolate))


def _interpolated(interpolate: Interpolation, dataset: Dataset, region: str, progress: Progress) -> Light:
    measured = dataset.read_nighttime(region).astype(np.float64)
    window = dataset.region(region).window.window
    return interpolate(measured, window, PointSpread.of(dataset.manifest))


def fitted_candidates(training: Dataset) -> Iterator[Candidate]:
    """Regressions on the bands, fitted to the standard training cities when they are first asked."""
    regions = [region.name for region in training.regions("train")]
    fits: dict[str, Callable[[], Baseline]] = {
        LINEAR_REGRESSION: lambda: fit_linear_regression(training, regions),
        GRADIENT_BOOSTING: lambda: fit_gradient_boosting(training, regions, seed=SEED),
        CONSTANT_MEAN: lambda: fit_constant_mean(training, regions),
    }
    for name, fit in fits.items():
        yield Candidate(name, name, training.sha256, _Fitted(fit), traps=True)


class _Fitted:
    """A baseline that is fitted once, when its first prediction is wanted."""

    def __init__(self, fit: Callable[[], Baseline]) -> None:
        self._fit = fit
        self._baseline: Baseline | None = None

    def __call__(self, dataset: Dataset, region: str, progress: Progress) -> Light:
        if self._baseline is None:
            self._baseline = self._fit()
        return self._baseline.predict(dataset.read_daytime(region))
