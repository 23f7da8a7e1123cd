"""Rows of the science table on real light: Burundi, Uganda and Malawi."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import burundi
import numpy as np
from judging import Floats, Row, blocks, coverage_row, paired
from real_light import PLACES, Scene, lake, lake_over_shore, scenes, uganda
from scipy.ndimage import gaussian_filter
from scipy.optimize import nnls
from sklearn.ensemble import HistGradientBoostingRegressor

from nightlights.calibrating import calibrate_run
from nightlights.datasets import Dataset
from nightlights.glow import estimate_glow
from nightlights.jobs.kinds import CalibrationRequest
from nightlights.manifests import TrainingRequest
from nightlights.networks import network_info
from nightlights.noise import MONTH, YEAR, Noise
from nightlights.observation import PointSpread, observe
from nightlights.prediction import Predictor
from nightlights.progress import NoProgress
from nightlights.sharpening import Sharpening, sharpen
from nightlights.sharpening.interpolation import bicubic
from nightlights.sharpening.verdict import EXPONENTS, verdict
from nightlights.sweeps.series import train_and_score
from nightlights.uncertainty.coverage import CoverageSums
from nightlights.uncertainty.layers import predicted_bounds
from nightlights.workspace import Workspace

AGGREGATED = Noise(share=MONTH.share / 16, floor=MONTH.floor / 16)
"""An aggregate of 256 pixels has a sixteenth of their noise."""
UGANDA_BLOCK, UGANDA_FOLDS = 128, 5
HYBRID = "pixel"
"""The network of the rows of towns; others take hours on two cores: ``benchmarks/burundi.py --hybrids``."""


def scale_rows(data: Path) -> Iterator[Row]:
    """Texture on real light, moved up 16 times; the exponent is the one that served the other countries."""
    found = [(scene, *_moved_up(scene)) for scene in scenes(data)]
    ratios, sure = [], 0
    for scene, errors, _ in found:
        country = PLACES[scene.name][0]
        others = [each for other, each, _ in found if PLACES[other.name][0] != country]
        curves = np.array([np.sqrt(each.sum(axis=0) / each[:, 0].sum()) for each in others])
        chosen = int(np.argmin(curves.mean(axis=0)))
        ratio, low, high = paired(errors[:, chosen], errors[:, 0])
        ratios.append(ratio)
        sure += high < 1
        asked = verdict(
            scene.measured, observe(scene.prior, scene.window), scene.window, PointSpread(), AGGREGATED
        ).exponent
        by_itself = _moved_up(scene, (0.0, asked))[0].sum(axis=0)
        yield Row.at_most(
            f"{scene.name} moved up 16 times, sharpened / sharpened bicubic, RMSE",
            1.0,
            ratio,
            f"95 % interval {low:.3f} to {high:.3f}; exponent {EXPONENTS[chosen]:g} by the other countries; "
            f"by the verdict on its own measurement {asked:g}: {np.sqrt(by_itself[1] / by_itself[0]):.3f}",
        )
    yield Row.at_most("  their mean", 0.92, float(np.mean(ratios)))
    yield Row("  intervals below 1", "at least 3", str(sure), sure >= 3)


def _moved_up(scene: Scene, exponents: Sequence[float] = EXPONENTS) -> tuple[Floats, Floats]:
    """Squared errors in blocks, shape (blocks, exponents), and how many pixels each block has."""
    known = np.isfinite(scene.truth) & np.isfinite(scene.prior)
    prior = np.where(known, scene.prior, np.nan).astype(np.float32)
    sums = []
    for exponent in exponents:
        light = np.empty(scene.window.fine_shape)
        found = Sharpening.of(
            lambda part: prior[part.fine_slices_in(scene.window)],
            scene.measured,
            scene.window,
            noise=AGGREGATED,
            exponent=exponent,
        )
        for tile, block in found.blocks():
            light[tile.fine_slices_in(scene.window)] = block
        sums.append(blocks(np.where(known, (light - scene.truth) ** 2, 0.0)))
    counts = blocks(known.astype(np.float64))
    kept = counts > 0
    return np.stack(sums, axis=-1)[kept], counts[kept]


def uganda_rows(data: Path) -> Iterator[Row]:
    """The whole country at VIIRS's own scale, 75 blocks held out in five folds."""
    country = uganda(data)
    sigma = PointSpread().sigma_rows() / 16
    known = np.isfinite(country.light) & np.all([np.isfinite(each) for each in country.features], axis=0)
    # Neighbouring pixels share their footprints: every other one is looked at.
    known[1::2] = False
    known[:, 1::2] = False
    near = np.stack([_smoothed(each, sigma)[known] for each in country.features], axis=-1)
    wide = [_smoothed(each, reach)[known] for each in country.features for reach in (2, 6)]
    context = np.column_stack([near, *wide])
    rows, columns = np.nonzero(known)
    places = rows // UGANDA_BLOCK * 100 + columns // UGANDA_BLOCK
    folds = (rows // UGANDA_BLOCK * 7 + columns // UGANDA_BLOCK * 3) % UGANDA_FOLDS
    light = country.light[known]
    plain, boosted, linear = (np.zeros(len(light)) for _ in range(3))
    for fold in range(UGANDA_FOLDS):
        held = folds == fold
        design = np.column_stack([np.ones((~held).sum()), near[~held]])
        fitted = np.linalg.lstsq(design, light[~held])[0]
        linear[held] = np.column_stack([np.ones(held.sum()), near[held]]) @ fitted
        taught, predicted = _regression(context[~held], light[~held], context[held])
        trees = HistGradientBoostingRegressor(random_state=1, max_iter=60, min_samples_leaf=50)
        rest = trees.fit(context[~held], light[~held] - taught).predict(context[held])
        plain[held], boosted[held] = predicted, predicted + rest
    errors = {name: each - light for name, each in (("ours", boosted), ("plain", plain), ("linear", linear))}
    error = {name: float(np.sqrt(np.mean(each**2))) for name, each in errors.items()}
    index = np.unique(places, return_inverse=True)[1]
    ratio, low, high = paired(*(np.bincount(index, errors[key] ** 2) for key in ("ours", "linear")))
    yield Row.at_most(
        "Uganda, 75 blocks held out, VIIRS grid: RMSE in nW/cm²/sr",
        0.30,
        error["ours"],
        f"footprint regression, then boosting of its residual; regression alone {error['plain']:.3f}, linear "
        f"regression {error['linear']:.3f}; {ratio:.3f} x linear, 95 % interval {low:.3f} to {high:.3f}",
    )
    yield Row.at_most("  the same: MAE in nW/cm²/sr", 0.045, float(np.abs(errors["ours"]).mean()))


def _regression(known: Floats, light: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """Non-negative least squares: what it gives for what it was fitted to, and for what is asked."""
    scale = known.std(axis=0) + 1e-9
    weights, _ = nnls(np.column_stack([np.ones(len(known)), known / scale]), np.maximum(light, 0))
    first, second = (np.column_stack([np.ones(len(each)), each / scale]) @ weights for each in (known, asked))
    return first, second


def _smoothed(values: Floats, sigma: float) -> Floats:
    known = np.isfinite(values)
    weight = np.maximum(gaussian_filter(known.astype(np.float64), sigma), 1e-6)
    mean: Floats = gaussian_filter(np.where(known, values, 0.0), sigma) / weight
    return mean


def town_rows(workspace: Workspace, data: Path, seeds: tuple[int, ...]) -> Iterator[Row]:
    """Towns of Burundi, each held out once: by regression, and by a hybrid from several seeds."""
    caps = []
    for title, median in (("a month", False), ("median of 2016", True)):
        name = burundi.dataset_name(median)
        dataset = burundi.prepare(workspace, data, name, burundi.CENTRES, median=median)
        folds = {town: [other for other in burundi.CENTRES if other != town] for town in burundi.CENTRES}
        regression = next(
            each
            for each in burundi.baseline_scores(dataset, folds, seeds[0])
            if each.method == burundi.FOOTPRINT_REGRESSION
        )
        yield Row.at_most(
            f"Burundi, {title}, towns held out, footprint regression: RMSE in nW/cm²/sr",
            0.47,
            regression.rmse,
        )
        scores = [burundi.hybrid_score(workspace, HYBRID, seed, dataset=name) for seed in seeds]
        yield Row.of_seeds(
            f"Burundi, {title}, towns held out, hybrid of the {HYBRID} network: RMSE in nW/cm²/sr",
            0.47,
            [score.rmse for score in scores],
            worst=0.52,
        )
        caps += [
            brightest_over_training(
                workspace, dataset, f"{burundi.hybrid_name(HYBRID, seed, name)}-without-", folds
            )
            for seed in seeds
        ]
    yield Row.at_most("  largest fine light / largest training VIIRS, any town and seed", 6.0, max(caps))


def brightest_over_training(
    workspace: Workspace, dataset: Dataset, prefix: str, folds: dict[str, list[str]]
) -> float:
    """The largest ratio of the brightest predicted pixel of a town to the brightest VIIRS of the others."""
    largest = 0.0
    for town, others in folds.items():
        predictor = Predictor.load(workspace.run_folder(prefix + town))
        found = max(float(np.nanmax(block)) for _, block in predictor.blocks(dataset, town, NoProgress()))
        known = max(float(np.nanmax(dataset.read_nighttime(other))) for other in others)
        largest = max(largest, found / known)
    return largest


def town_interval_row(workspace: Workspace, data: Path) -> Row:
    """A footprint regression in thirteen towns: of the twelve others six train it and six calibrate it."""
    centres = {**burundi.CENTRES, **burundi.OTHER_CENTRES}
    dataset = burundi.prepare(workspace, data, "burundi-all", centres)
    towns, shares = list(centres), []
    for index, town in enumerate(towns):
        others = towns[index + 1 :] + towns[:index]
        settings = network_info("footprint-regression").settings.model_copy(
            update={"train_regions": others[::2], "evaluate_regions": [others[1]], "evaluation_patches": 4}
        )
        run = f"burundi-intervals-{town}"
        request = TrainingRequest(run=run, dataset="burundi-all", settings=settings)
        train_and_score(workspace, dataset, request, NoProgress(), roles=["evaluate"], resume=True)
        calibrate_run(
            workspace, CalibrationRequest(run=run, regions=others[1::2], orientations=1), NoProgress()
        )
        bounds = predicted_bounds(dataset, town, workspace.run_folder(run), NoProgress())
        if bounds is None:
            raise SystemExit(f"{run} was not calibrated.")
        shares.append((town, CoverageSums().add(*bounds, dataset.read_nighttime(town)).table()[0].share))
    return coverage_row("towns of Burundi, footprint regression", shares)


def lake_row(data: Path) -> Row:
    """Light on Lake Tanganyika, 2 to 6 km off Bujumbura, over that of the shore: sharpened with its glow."""
    measured, window = lake(data)
    glow = estimate_glow([measured], [window])
    prior = bicubic(measured, window, PointSpread())
    spread = PointSpread(742.0, glow.share, glow.fwhm_m)
    ratio = lake_over_shore(sharpen(prior, measured, window, spread, noise=YEAR), window)
    plain = lake_over_shore(measured, window)
    return Row.at_most(
        "Lake Tanganyika, 2 to 6 km off Bujumbura / shore, sharpened / plain VIIRS",
        1 / 3,
        ratio / plain,
        f"{ratio:.3f} / {plain:.3f}; glow {glow.share:.2f} of the light, {glow.fwhm_m / 1000:g} km wide",
    )
