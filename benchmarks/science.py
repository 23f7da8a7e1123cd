"""The table by which pictures and networks are judged, on the simulated planet and on real light.

    ./run bench science [--data DATA] [--short] [--only planet demo scale uganda]

DATA holds real rasters (``real_light.py`` says which); rows that need them are told as not measured without
it. The rows of the demo train networks, some minutes a seed; ``--short`` leaves them out unless they are
named, and takes two cities and one seed. Every row says its target and whether it was reached; the command
ends with 1 where one was not, unless ``--short``.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from level_texture import demo_rows
from numpy.typing import NDArray
from real_light import PLACES, Scene, scenes, uganda
from scipy.ndimage import gaussian_filter
from scipy.optimize import nnls
from sklearn.ensemble import HistGradientBoostingRegressor

from nightlights.commands.output import print_table
from nightlights.noise import MONTH, Noise
from nightlights.observation import PointSpread, observe
from nightlights.progress import NoProgress
from nightlights.sharpening import Agreement, Sharpening, sharpen
from nightlights.sharpening.interpolation import bicubic
from nightlights.sharpening.verdict import EXPONENTS, verdict
from nightlights.shipped import models_folder
from nightlights.workspace import Workspace

Floats = NDArray[np.float64]
SHARES = (0.02, 0.05, 0.1)
"""Noise of VIIRS, as a share of the light."""
PLANET_TARGETS = (0.62, 0.63, 0.64)
SEEDS = (1, 2, 3, 4, 5)
AGGREGATED = Noise(share=MONTH.share / 16, floor=MONTH.floor / 16)
"""An aggregate of 256 pixels has a sixteenth of their noise."""
BLOCK, DRAWS = 64, 1000
"""Side in pixels of the blocks of VIIRS that are drawn anew, and how often."""
UGANDA_BLOCK, UGANDA_FOLDS = 128, 5


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    figure: str
    target: str
    measured: str
    reached: bool | None
    detail: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """As printed."""
        word = {True: "yes", False: "NO", None: "–"}[self.reached]
        return self.figure, self.target, self.measured, word, self.detail


def planet_rows(short: bool) -> Iterator[Row]:
    """The shipped sharpening model on validation cities, each noise drawn five times."""
    errors: dict[float, list[tuple[float, float]]] = {share: [] for share in SHARES}
    agreements: list[float] = []
    holes: list[tuple[float, float]] = []
    for name, light, truth, scene in _cities(short):
        window, spread, contrast = scene
        seen = observe(truth, window, spread)
        texture = observe(np.maximum(light, 0) ** contrast, window, spread)
        for share in SHARES:
            noise = Noise(share=share, floor=0.09)
            for seed in SEEDS[: 1 if short else None]:
                scatter = np.random.default_rng([seed, len(name)]).normal(size=(2, *seen.shape))
                measured = seen * (1 + share * scatter[0]) + noise.floor * scatter[1]
                trusted = verdict(measured, texture, window, spread, noise).exponent
                found = sharpen(
                    light, measured, window, spread, noise=noise, contrast=contrast, exponent=trusted
                )
                smooth = bicubic(measured, window, spread)
                errors[share].append((_rmse(found, truth), _rmse(smooth, truth)))
                agreement = Agreement.of(observe(found, window, spread), measured, noise.sigma(measured))
                agreements.append(agreement.chi_square)
                holes.append((_holes(found, truth), _holes(smooth, truth)))
    for share, target in zip(SHARES, PLANET_TARGETS, strict=True):
        ours, theirs = np.array(errors[share]).T
        ratio = float(ours.mean() / theirs.mean())
        yield Row(
            f"planet, noise {100 * share:g} %, sharpened / bicubic VIIRS, RMSE at 30 m",
            f"at most {target}",
            f"{ratio:.3f}",
            ratio <= target,
            f"{ours.mean():.2f} / {theirs.mean():.2f} nW/cm²/sr; worst {float((ours / theirs).max()):.3f}",
        )
    worst = max(agreements)
    yield Row(
        "planet, chi-square per pixel of sharpened light, largest",
        "at most 1.2",
        f"{worst:.2f}",
        worst <= 1.2,
        f"median {np.median(agreements):.2f}, least {min(agreements):.2f}",
    )
    dark, usual = np.array(holes).mean(axis=0)
    yield Row(
        "planet, pixels below a tenth of a truth above 1 nW/cm²/sr, sharpened / bicubic",
        "at most 1.5",
        f"{dark / usual:.2f}",
        dark <= 1.5 * usual,
        f"{100 * dark:.2g} % / {100 * usual:.2g} %",
    )


def _cities(short: bool) -> Iterator[tuple[str, Floats, Floats, tuple]]:
    """Name, the model's light, the truth, and (window, point spread, contrast) of the validation cities."""
    from nightlights.datasets import Dataset, export_dataset
    from nightlights.manifests import ExportRequest
    from nightlights.prediction import Predictor
    from nightlights.sources.simulated import SimulatedSource
    from nightlights.standard.cities import cities_of

    chosen = cities_of("validation")[: 2 if short else None]
    predictor = Predictor.load(models_folder() / "sharpening")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder))
        request = ExportRequest(dataset="cities", regions="cities")
        regions = [city.region("evaluate") for city in chosen]
        export_dataset(workspace, request, SimulatedSource(1), regions, NoProgress())
        dataset = Dataset.open(workspace, "cities")
        spread = PointSpread.of(dataset.manifest)
        for city in chosen:
            window = dataset.region(city.name).window.window
            light = np.empty(window.fine_shape, np.float32)
            for tile, block in predictor.blocks(dataset, city.name, NoProgress()):
                light[tile.fine_slices_in(window)] = block
            truth = dataset.read_truth(city.name)
            if truth is None:
                raise SystemExit(f"The truth of {city.name} is unknown.")
            contrast = predictor.config.sharpening_contrast
            yield city.name, light, truth.astype(np.float64), (window, spread, contrast)


def scale_rows(data: Path) -> Iterator[Row]:
    """Texture on real light, moved up 16 times; the exponent is the one that served the other countries."""
    found = [(scene, *_moved_up(scene)) for scene in scenes(data)]
    ratios, sure = [], 0
    for scene, errors, _ in found:
        country = PLACES[scene.name][0]
        others = [each for other, each, _ in found if PLACES[other.name][0] != country]
        curves = np.array([np.sqrt(each.sum(axis=0) / each[:, 0].sum()) for each in others])
        chosen = int(np.argmin(curves.mean(axis=0)))
        ratio, low, high = _paired(errors[:, chosen], errors[:, 0])
        ratios.append(ratio)
        sure += high < 1
        best = EXPONENTS[int(np.argmin(errors.sum(axis=0)))]
        yield Row(
            f"{scene.name} moved up 16 times, sharpened / sharpened bicubic, RMSE",
            "at most 1.0",
            f"{ratio:.3f}",
            ratio <= 1.0,
            f"95 % interval {low:.3f} to {high:.3f}; exponent {EXPONENTS[chosen]:g} by the other countries, "
            f"{best:g} would have served best",
        )
    mean = float(np.mean(ratios))
    yield Row("  their mean", "at most 0.92", f"{mean:.3f}", mean <= 0.92)
    yield Row("  intervals below 1", "at least 3", str(sure), sure >= 3)


def _moved_up(scene: Scene) -> tuple[Floats, Floats]:
    """Squared errors in blocks, shape (blocks, exponents), and how many pixels each block has."""
    known = np.isfinite(scene.truth) & np.isfinite(scene.prior)
    prior = np.where(known, scene.prior, np.nan).astype(np.float32)
    sums = []
    for exponent in EXPONENTS:
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
        sums.append(_blocks(np.where(known, (light - scene.truth) ** 2, 0.0)))
    counts = _blocks(known.astype(np.float64))
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
    blocks = rows // UGANDA_BLOCK * 100 + columns // UGANDA_BLOCK
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
    rmse = {name: float(np.sqrt(np.mean(each**2))) for name, each in errors.items()}
    mae = float(np.abs(errors["ours"]).mean())
    places = np.unique(blocks, return_inverse=True)[1]
    sums = [np.bincount(places, errors[key] ** 2) for key in ("ours", "linear")]
    ratio, low, high = _paired(*sums)
    yield Row(
        "Uganda, 75 blocks held out, VIIRS grid: RMSE in nW/cm²/sr",
        "at most 0.30",
        f"{rmse['ours']:.3f}",
        rmse["ours"] <= 0.30,
        f"footprint regression, then boosting of its residual; regression alone {rmse['plain']:.3f}, linear "
        f"regression {rmse['linear']:.3f}; {ratio:.3f} x linear, 95 % interval {low:.3f} to {high:.3f}",
    )
    yield Row("  the same: MAE in nW/cm²/sr", "at most 0.045", f"{mae:.4f}", mae <= 0.045)


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


def _blocks(values: Floats) -> Floats:
    ends = [np.arange(0, side, BLOCK) for side in values.shape]
    return np.add.reduceat(np.add.reduceat(values, ends[0], axis=0), ends[1], axis=1).ravel()


def _paired(ours: Floats, theirs: Floats) -> tuple[float, float, float]:
    """Ratio of two RMSE and its 95 % interval, the same blocks drawn for both."""
    picked = np.random.default_rng(1).integers(0, len(ours), (DRAWS, len(ours)))
    ratios = np.sqrt(ours[picked].sum(axis=1) / theirs[picked].sum(axis=1))
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(np.sqrt(ours.sum() / theirs.sum())), float(low), float(high)


def _rmse(first: Floats, second: Floats) -> float:
    return float(np.sqrt(np.nanmean((first - second) ** 2)))


def _holes(light: Floats, truth: Floats) -> float:
    lit = truth > 1
    return float(np.mean(light[lit] < 0.1 * truth[lit]))


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of real rasters")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", nargs="+", choices=("planet", "demo", "scale", "uganda"))
    parser.add_argument("--workspace", type=Path, help="keeps the networks that are trained for the demo")
    options = parser.parse_args(arguments)
    chosen = options.only or ["planet", *([] if options.short else ["demo"]), "scale", "uganda"]
    rows: list[Row] = []
    if "planet" in chosen:
        rows += planet_rows(options.short)
    if "demo" in chosen:
        with tempfile.TemporaryDirectory() as scratch:
            workspace = Workspace.open(options.workspace or Path(scratch))
            rows += [Row(*each) for each in demo_rows(workspace, SEEDS[: 1 if options.short else None])]
    for name, measure in (("scale", scale_rows), ("uganda", uganda_rows)):
        if name not in chosen:
            continue
        if options.data is None:
            rows.append(Row(f"real light: {name}", "", "not measured", None, "name the rasters: --data"))
        else:
            rows += measure(options.data)
    print_table(
        "What pictures and networks are judged by",
        ("figure", "target", "measured", "reached", "detail"),
        (row.cells for row in rows),
        f"Planet: simulated, version 1, seed 1; noise drawn with seeds {SEEDS[0]} to {SEEDS[-1]}. The rest: "
        "real VIIRS of the Earth Observation Group (CC BY 4.0).",
    )
    return int(not options.short and any(row.reached is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
