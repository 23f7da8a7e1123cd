"""How sharpening's noise floor and stiffness were chosen: on the validation cities alone, simulated.

    python benchmarks/noise_floor.py WORKSPACE

Exports the training and validation cities of the standard set, which takes minutes the first time. The prior
is a gradient boosting on the bands of single pixels, fitted to the truth of the training cities.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from nightlights.commands.output import print_table
from nightlights.datasets import Dataset
from nightlights.observation import PointSpread, observe
from nightlights.progress import NoProgress
from nightlights.sharpening import agreement, sharpen
from nightlights.sharpening.interpolation import bicubic
from nightlights.standard import cities_of, standard_dataset
from nightlights.workspace import Workspace

PLANET = 1
FLOORS = (1.0, 3.0)
STIFFNESSES: tuple[tuple[float, ...], ...] = ((30.0,), (300.0,), (3000.0,), agreement.STIFFNESSES)
PIXELS = 4000
"""Pixels of each training city that the prior is fitted to."""


def fitted_prior(dataset: Dataset) -> HistGradientBoostingRegressor:
    """Trees on the bands of single pixels, fitted to the truth of the training cities."""
    generator, samples, labels = np.random.default_rng(0), [], []
    for city in cities_of("training"):
        truth = truth_of(dataset, city.name)
        drawn = generator.choice(truth.size, PIXELS, replace=False)
        bands = dataset.read_daytime(city.name)
        samples.append(bands.reshape(len(bands), -1).T[drawn])
        labels.append(truth.ravel()[drawn])
    trees = HistGradientBoostingRegressor(max_iter=100, random_state=1)
    return trees.fit(np.concatenate(samples), np.concatenate(labels))


def truth_of(dataset: Dataset, name: str) -> NDArray[np.float32]:
    """The hidden radiance of a city."""
    truth = dataset.read_truth(name)
    if truth is None:
        raise SystemExit(f"The truth of {name} is unknown.")
    return truth


def rmse(light: NDArray[np.floating], truth: NDArray[np.float32]) -> float:
    """Root mean square error in nW/cm2/sr."""
    return float(np.sqrt(np.mean((np.asarray(light, np.float64) - truth) ** 2)))


def name_of(stiffnesses: tuple[float, ...]) -> str:
    """A single stiffness, or the range that is chosen from."""
    return " to ".join(f"{each:g}" for each in dict.fromkeys((stiffnesses[0], stiffnesses[-1])))


def main(arguments: list[str]) -> int:
    """Export, fit, sharpen, print."""
    workspace = Workspace.open(Path(arguments[0]))
    trees = fitted_prior(standard_dataset(workspace, "training", PLANET, NoProgress()))
    dataset = standard_dataset(workspace, "validation", PLANET, NoProgress())
    found: dict[tuple[float, tuple[float, ...]], list[tuple[float, ...]]] = {}
    before = []
    for city in cities_of("validation"):
        window = dataset.region(city.name).window.window
        bands, truth = dataset.read_daytime(city.name), truth_of(dataset, city.name)
        measured = dataset.read_nighttime(city.name).astype(np.float64)
        prior = trees.predict(bands.reshape(len(bands), -1).T).reshape(truth.shape)
        agreement.STIFFNESSES = (1e-3,)
        estimate = sharpen(prior, measured, window)
        before.append((rmse(prior, truth), rmse(bicubic(measured, window, PointSpread()), truth)))
        before[-1] += (rmse(estimate, truth),)
        for floor in FLOORS:
            for stiffnesses in STIFFNESSES:
                agreement.STIFFNESSES = stiffnesses
                light = sharpen(prior, measured, window, noise_floor=floor)
                above = measured > floor
                off = np.abs(observe(light, window) / measured - 1)[above]
                row = (rmse(light, truth), 100 * off.mean(), 100 * np.mean(off > 0.01))
                row += (100 * np.quantile(off, 0.95), 100 * off.max())
                found.setdefault((floor, stiffnesses), []).append(row)
                print(city.name, floor, stiffnesses, np.round(row, 2), file=sys.stderr, flush=True)
    prior_rmse, cubic_rmse, estimate_rmse = np.mean(before, axis=0)
    print_table(
        "Validation cities, simulated: mean over cities",
        (
            "floor",
            "stiffness",
            "fine RMSE",
            "mean difference %",
            "beyond 1 %",
            "95th percentile %",
            "largest %",
        ),
        [
            (f"{floor:g}", name_of(own), *(f"{value:.2f}" for value in np.mean(rows, axis=0)))
            for (floor, own), rows in found.items()
        ],
        f"RMSE and floor in nW/cm2/sr. RMSE of the prior {prior_rmse:.2f}, "
        f"of bicubic VIIRS {cubic_rmse:.2f}, of the estimate alone {estimate_rmse:.2f}.",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
