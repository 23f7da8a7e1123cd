"""Rows of the science table on the simulated planet: sharpening, patterns, transfers and intervals."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from judging import Floats, Row, coverage_row, rmse
from standard.cities import City, Group, Split, cities_of

from nightlights.datasets import Dataset, export_dataset
from nightlights.manifests import ExportRequest, TrainingRequest
from nightlights.metrics import edge_ratio, phase_spread, scan_lines
from nightlights.networks import network_info
from nightlights.noise import Noise
from nightlights.observation import PointSpread, observe
from nightlights.prediction import Predictor
from nightlights.progress import NoProgress
from nightlights.sharpening import Agreement, sharpen
from nightlights.sharpening.interpolation import bicubic
from nightlights.sharpening.verdict import verdict
from nightlights.shipped import models_folder
from nightlights.sources.simulated import SimulatedSource
from nightlights.sweeps.series import train_and_score
from nightlights.uncertainty.coverage import CoverageSums
from nightlights.uncertainty.layers import predicted_bounds
from nightlights.workspace import Workspace

SHARES = (0.02, 0.05, 0.1)
"""Noise of VIIRS, as a share of the light."""
TARGETS = (0.62, 0.63, 0.64)
PLANET = 1
CONTINENTS: tuple[Group, Group] = ("Africa", "United States")


@dataclass(frozen=True)
class Cities:
    """Cities of a split on the planet, exported once into a workspace."""

    workspace: Workspace
    split: Split
    limit: int | None = None

    @property
    def chosen(self) -> tuple[City, ...]:
        """Those that are looked at."""
        return cities_of(self.split)[: self.limit]

    @cached_property
    def dataset(self) -> Dataset:
        """Their imagery."""
        name = f"planet-{self.split}"
        if name not in self.workspace.dataset_names():
            request = ExportRequest(dataset=name, regions=name)
            role = "train" if self.split == "training" else "evaluate"
            regions = [city.region(role) for city in self.chosen]
            export_dataset(self.workspace, request, SimulatedSource(PLANET), regions, NoProgress())
        return Dataset.open(self.workspace, name)

    def predicted(self, predictor: Predictor, city: str) -> Floats:
        """The light that a model predicts there."""
        window = self.dataset.region(city).window.window
        light = np.full(window.fine_shape, np.nan)
        for tile, block in predictor.blocks(self.dataset, city, NoProgress()):
            light[tile.fine_slices_in(window)] = block
        return light

    def truth(self, city: str) -> Floats:
        """The hidden radiance."""
        truth = self.dataset.read_truth(city)
        if truth is None:
            raise SystemExit(f"The truth of {city} is unknown.")
        return truth.astype(np.float64)


def sharpening_rows(workspace: Workspace, seeds: tuple[int, ...], limit: int | None) -> Iterator[Row]:
    """The shipped sharpening model on validation cities, each noise drawn once a seed."""
    cities = Cities(workspace, "validation", limit)
    predictor, spread = (
        Predictor.load(models_folder() / "sharpening"),
        PointSpread.of(cities.dataset.manifest),
    )
    contrast = predictor.config.sharpening_contrast
    errors: dict[float, list[tuple[float, float]]] = {share: [] for share in SHARES}
    agreements: list[float] = []
    holes: list[tuple[float, float]] = []
    patterns: list[tuple[float, float, float]] = []
    for city in cities.chosen:
        window = cities.dataset.region(city.name).window.window
        light, truth = cities.predicted(predictor, city.name), cities.truth(city.name)
        seen = observe(truth, window, spread)
        texture = observe(np.maximum(light, 0) ** contrast, window, spread)
        for share in SHARES:
            noise = Noise(share=share, floor=0.09)
            for seed in seeds:
                scatter = np.random.default_rng([seed, len(city.name)]).normal(size=(2, *seen.shape))
                measured = seen * (1 + share * scatter[0]) + noise.floor * scatter[1]
                trusted = verdict(measured, texture, window, spread, noise).exponent
                found = sharpen(
                    light, measured, window, spread, noise=noise, contrast=contrast, exponent=trusted
                )
                smooth = bicubic(measured, window, spread)
                errors[share].append((rmse(found, truth), rmse(smooth, truth)))
                agreement = Agreement.of(observe(found, window, spread), measured, noise.sigma(measured))
                agreements.append(agreement.chi_square)
                holes.append((_holes(found, truth), _holes(smooth, truth)))
                patterns.append(_patterns(found, truth))
    for share, target in zip(SHARES, TARGETS, strict=True):
        ours, theirs = np.array(errors[share]).T
        yield Row.at_most(
            f"planet, noise {100 * share:g} %, sharpened / bicubic VIIRS, RMSE at 30 m",
            target,
            float(ours.mean() / theirs.mean()),
            f"{ours.mean():.2f} / {theirs.mean():.2f} nW/cm²/sr; worst {float((ours / theirs).max()):.3f}",
        )
    yield Row.at_most(
        "planet, chi-square per pixel of sharpened light, largest",
        1.2,
        max(agreements),
        f"median {np.median(agreements):.2f}, least {min(agreements):.2f}",
    )
    dark, usual = np.array(holes).mean(axis=0)
    yield Row.at_most(
        "planet, pixels below a tenth of a truth above 1 nW/cm²/sr, sharpened / bicubic",
        1.5,
        float(dark / usual),
        f"{100 * dark:.2g} % / {100 * usual:.2g} %",
    )
    names = (
        ("scan lines, x the truth's", 1.5),
        ("spread within 2 x 2 pixels, above the truth's", 0.01),
        ("edge ratio, off the truth's", 0.1),
    )
    for (name, target), values in zip(names, np.array(patterns).T, strict=True):
        yield Row.at_most(
            f"planet, sharpened light: {name}",
            target,
            float(values.mean()),
            f"mean; worst {values.max():.3f}",
        )


def _patterns(light: Floats, truth: Floats) -> tuple[float, float, float]:
    """Scan lines over the truth's, spread within 2 x 2 pixels above it, edge ratio off it."""
    return (
        scan_lines(light) / scan_lines(truth),
        phase_spread(light) - phase_spread(truth),
        abs(edge_ratio(light) - edge_ratio(truth)),
    )


def _holes(light: Floats, truth: Floats) -> float:
    lit = truth > 1
    return float(np.mean(light[lit] < 0.1 * truth[lit]))


def interval_row(workspace: Workspace) -> Row:
    """The daytime model that ships, in test cities: its intervals come from validation cities."""
    cities, folder = Cities(workspace, "test"), models_folder() / "daytime"
    shares = []
    for city in cities.chosen:
        bounds = predicted_bounds(cities.dataset, city.name, folder, NoProgress())
        if bounds is None:
            return Row("90 % intervals, test cities", "87 to 93 %", "not calibrated", None)
        table = CoverageSums().add(*bounds, cities.dataset.read_nighttime(city.name)).table()
        shares.append((city.name, table[0].share))
    return coverage_row("test cities (simulated)", shares)


def transfer_rows(workspace: Workspace, seeds: tuple[int, ...]) -> Iterator[Row]:
    """Trained on one continent, tested on the other; a constant is the mean of the training cities.

    Where the level is known, the constant is the mean of each city, and the prediction is scaled to it.
    """
    training, test = Cities(workspace, "training"), Cities(workspace, "test")
    for network, own in (("footprint-regression", seeds[:1]), ("pixel", seeds)):
        unknown, known = [], []
        for seed in own:
            ratios = [_transferred(workspace, training, test, network, seed, home) for home in (0, 1)]
            unknown.append(float(np.mean([each[0] for each in ratios])))
            known.append(float(np.mean([each[1] for each in ratios])))
        words = "mean of Africa to the United States and back"
        yield Row.of_seeds(
            f"planet, other continent, {network}, level unknown, x constant", 1.0, unknown, words
        )
        yield Row.of_seeds(f"planet, other continent, {network}, level known, x constant", 0.6, known, words)


def _transferred(
    workspace: Workspace, training: Cities, test: Cities, network: str, seed: int, home: int
) -> tuple[float, float]:
    """RMSE at the VIIRS grid over that of a constant, level unknown and known."""
    own = [city.name for city in training.chosen if city.group == CONTINENTS[home]]
    settings = network_info(network).settings.model_copy(
        update={
            "seed": seed,
            "train_regions": own,
            "evaluate_regions": own[:1],
            "texture_networks": 0,
            "evaluation_patches": 4,
        }
    )
    run = f"transfer-{network}-{home}-{seed}"
    request = TrainingRequest(run=run, dataset=training.dataset.manifest.name, settings=settings)
    train_and_score(workspace, training.dataset, request, NoProgress(), roles=["evaluate"], resume=True)
    predictor, spread = Predictor.load(workspace.run_folder(run)), PointSpread.of(test.dataset.manifest)
    usual = float(np.mean(np.concatenate([training.dataset.read_nighttime(name).ravel() for name in own])))
    sums = np.zeros(4)
    for city in test.chosen:
        if city.group != CONTINENTS[1 - home]:
            continue
        window, measured = (
            test.dataset.region(city.name).window.window,
            test.dataset.read_nighttime(city.name),
        )
        seen = observe(test.predicted(predictor, city.name), window, spread)
        known = np.isfinite(seen) & np.isfinite(measured)
        ours, theirs = seen[known], measured[known]
        level = ours * (theirs.mean() / ours.mean())
        for index, light in enumerate((ours, usual, level, theirs.mean())):
            sums[index] += float(((light - theirs) ** 2).sum())
    return float(np.sqrt(sums[0] / sums[1])), float(np.sqrt(sums[2] / sums[3]))


def planet_rows(workspace: Workspace | None, seeds: tuple[int, ...], limit: int | None) -> Iterator[Row]:
    """All rows that need no training."""
    with tempfile.TemporaryDirectory() as scratch:
        place = workspace or Workspace.open(Path(scratch))
        yield from sharpening_rows(place, seeds, limit)
        if limit is None:
            yield interval_row(place)
