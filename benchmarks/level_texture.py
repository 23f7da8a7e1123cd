"""Level and texture: each part alone and both together, in the regions that the demo holds out, simulated.

    python benchmarks/level_texture.py WORKSPACE [--seeds 1,2,3,4,5] [--networks 3] [--plain]

Exports the demo's imagery and trains the demo's network with texture networks once a seed (some five minutes
each on two cores), unless WORKSPACE has them already. Prints the median and the worst over the seeds.
``--plain`` takes a network without a guide, the demo's before there were any.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlights import pipeline, training
from nightlights.commands.output import print_table
from nightlights.datasets import Dataset
from nightlights.manifests import ExportRequest, RunRecord, TrainingRequest, TrainingSettings, read_record
from nightlights.metrics import dark_holes, edge_ratio, phase_spread, scan_lines
from nightlights.networks import NETWORKS
from nightlights.observation import PointSpread, observe
from nightlights.prediction import Predictor
from nightlights.presets import combined
from nightlights.progress import NoProgress
from nightlights.region_files import save_collection
from nightlights.scores import REGRESSION_KRIGING
from nightlights.sharpening import sharpen
from nightlights.sharpening.interpolation import bicubic
from nightlights.sharpening.regression_kriging import regression_kriged
from nightlights.workspace import Workspace

REGIONS = ("abuja", "nairobi", "kinshasa")
HEADINGS = (
    "method",
    "RMSE at the VIIRS grid",
    "RMSE at 30 m, x bicubic",
    "log-RMSE at 30 m, x bicubic",
    "sharpened, x bicubic",
    "scan lines, x truth",
    "2 x 2 spread, above truth",
    "edge ratio, off truth",
    "dark holes",
)
_FAINT = 0.1
Light = NDArray[np.float64]


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args(arguments)
    level = TrainingSettings(network="unet-small") if given.plain else NETWORKS["unet-small"].settings
    workspace = Workspace.open(given.workspace)
    dataset = demo_dataset(workspace)
    figures: dict[str, list[list[float]]] = {}
    seeds = [int(seed) for seed in given.seeds.split(",")]
    for seed in seeds:
        predictor = trained(workspace, dataset, level, seed, given.networks)
        for name, row in rows_of(dataset, predictor).items():
            figures.setdefault(name, []).append(row)
            print(seed, name, *(f"{value:.3f}" for value in row), file=sys.stderr)
    table = []
    for name, found in figures.items():
        median, worst = np.median(found, axis=0), np.max(found, axis=0)
        table.append([name, *(f"{one:.3f} ({other:.3f})" for one, other in zip(median, worst, strict=True))])
    print_table(
        "Level and texture",
        HEADINGS,
        table,
        f"Simulated. Mean over {', '.join(REGIONS)}; median over seeds {given.seeds}, in brackets the worst. "
        "RMSE in nW/cm²/sr; bicubic: VIIRS interpolated, not sharpened. Patterns: of predicted light.",
    )
    return 0


def demo_rows(workspace: Workspace, seeds: Sequence[int]) -> Iterator[tuple[str, str, str, bool]]:
    """Figure, target, what was measured, and whether that was reached, for the table of the science."""
    dataset, every = demo_dataset(workspace), []
    for seed in seeds:
        rows = rows_of(dataset, trained(workspace, dataset, NETWORKS["unet-small"].settings, seed, 3))
        both, level = rows["level and texture"], rows["level alone"]
        every.append([both[1], both[3], both[0] / level[0], *both[4:7]])
    median, worst = np.median(every, axis=0), np.max(every, axis=0)
    figures = (
        ("predicted from daylight at 30 m, x bicubic", 0.90),
        ("sharpened at 30 m, x bicubic", 0.78),
        ("RMSE at the VIIRS grid, x the level network's", 1.0),
        ("scan lines, x the truth's", 1.5),
        ("spread within 2 x 2 pixels, above the truth's", 0.01),
        ("edge ratio, off the truth's", 0.1),
    )
    for (figure, target), middle, last in zip(figures, median, worst, strict=True):
        measured = f"{middle:.3f}, worst {last:.3f}"
        yield f"demo: {figure}", f"at most {target:g}", measured, bool(middle <= target)


def demo_dataset(workspace: Workspace) -> Dataset:
    """The demo's imagery."""
    if "demo" not in workspace.dataset_names():
        save_collection(workspace, combined(["demo"], "demo"))
        pipeline.export(workspace, ExportRequest(dataset="demo", regions="demo"), NoProgress())
    return Dataset.open(workspace, "demo")


def trained(
    workspace: Workspace, dataset: Dataset, level: TrainingSettings, seed: int, networks: int
) -> Predictor:
    """The demo's network with texture networks, trained unless it is there."""
    run = f"level-texture-{'plain-' if level.guide == 'none' else ''}{networks}-{seed}"
    settings = level.model_copy(update={"seed": seed, "texture_networks": networks})
    folder = workspace.run_folder(run)
    known = run in workspace.run_names() and read_record(folder / "run.json", RunRecord).settings == settings
    request = TrainingRequest(run=run, dataset="demo", settings=settings, overwrite=True)
    record = training.train(dataset, request, folder, NoProgress(), known)
    print(run, f"{record.seconds:.0f} s", file=sys.stderr)
    return Predictor.load(folder)


def rows_of(dataset: Dataset, predictor: Predictor) -> dict[str, list[float]]:
    """Figures of every method, means over the regions."""
    found: dict[str, list[list[float]]] = {}
    for region in REGIONS:
        window, spread = dataset.region(region).window.window, PointSpread()
        measured = dataset.read_nighttime(region).astype(np.float64)
        truth = dataset.read_truth(region)
        if truth is None:
            raise SystemExit(f"The truth of {region} is unknown.")
        usual = bicubic(measured, window, spread)
        lights = {"bicubic VIIRS": usual, REGRESSION_KRIGING: regression_kriged(dataset, region)}
        lights["level alone"] = predicted(dataset, region, predictor.level)
        if predictor.texture is not None:
            lights["texture alone"] = predicted(dataset, region, predictor.texture)
            lights["level and texture"] = predicted(dataset, region, predictor)
        for name, light in lights.items():
            noise = dataset.manifest.viirs_noise
            sharpened = sharpen(np.maximum(light, 0.02), measured, window, spread, noise=noise)
            row = [
                root_mean_square(observe(light, window, spread) - measured),
                root_mean_square(light - truth) / root_mean_square(usual - truth),
                logarithmic(light, truth) / logarithmic(usual, truth),
                root_mean_square(sharpened - truth) / root_mean_square(usual - truth),
                scan_lines(light) / scan_lines(truth),
                phase_spread(light) - phase_spread(truth),
                abs(edge_ratio(light) - edge_ratio(truth)),
                dark_holes(light, truth),
            ]
            found.setdefault(name, []).append(row)
    return {name: [float(value) for value in np.mean(rows, axis=0)] for name, rows in found.items()}


def predicted(dataset: Dataset, region: str, predictor: Predictor) -> Light:
    """The light of one part, or of both."""
    window = dataset.region(region).window.window
    light = np.full(window.fine_shape, np.nan)
    for tile, radiance in predictor.blocks(dataset, region, NoProgress()):
        light[tile.fine_slices_in(window)] = radiance
    return light


def root_mean_square(values: Light) -> float:
    """Over what is known."""
    return float(np.sqrt(np.nanmean(values**2)))


def logarithmic(light: Light, truth: Light) -> float:
    """Root mean squared difference of the natural logarithms."""
    one, other = (np.log(np.maximum(image, _FAINT)) for image in (light, truth))
    return root_mean_square(one - other)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
