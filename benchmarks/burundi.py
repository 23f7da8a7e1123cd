"""Every method on real rasters: population by day and VIIRS by night, in Burundi. Two tables.

    python benchmarks/burundi.py DATA WORKSPACE [--epochs 4] [--patches 16]

DATA holds ``population_burundi.tif`` (Global Human Settlement population, people a pixel) and
``viirs_avg_rad_burundi.tif`` (monthly composite, nW/cm2/sr). The first table predicts towns that a method has
not seen, from population alone. The second moves the task of sharpening up by a factor of 16 in scale, for no
light is known below VIIRS: VIIRS is the fine image, what the footprints make of it the measurement.
"""

import argparse
import sys
from pathlib import Path

from burundi_scales import scale_transfer_rows
from shapely import box

from nightlights.baselines import compare_baseline, fit_constant_mean, fit_linear_regression
from nightlights.commands.output import print_table
from nightlights.commands.scores import cell
from nightlights.crossvalidation import cross_validate
from nightlights.datasets import Dataset
from nightlights.evaluation import Compared, scores_of
from nightlights.manifests import CrossValidationRequest, ExportRequest, TrainingSettings
from nightlights.metrics import ALL_REGIONS, Bootstrap
from nightlights.pipeline import export
from nightlights.progress import NoProgress
from nightlights.region_files import save_collection
from nightlights.regions import Region, RegionCollection
from nightlights.scores import Score
from nightlights.sharpening.boosting import fit_gradient_boosting
from nightlights.workspace import Workspace

CENTRES = {
    "bujumbura": (29.42, -3.35),
    "gitega": (29.93, -3.43),
    "ngozi": (29.83, -2.91),
    "muyinga": (30.34, -2.85),
    "ruyigi": (30.25, -3.48),
    "bururi": (29.62, -3.95),
    "rutana": (29.99, -3.93),
}
"""Longitude and latitude of the country's larger towns, in degrees."""

HALF_SIDE = 0.11


def prepare(workspace: Workspace, data: Path) -> Dataset:
    """Export the towns as the dataset ``burundi``, unless that has been done."""
    if "burundi" not in workspace.dataset_names():
        regions = tuple(
            Region(name, "train", box(x - HALF_SIDE, y - HALF_SIDE, x + HALF_SIDE, y + HALF_SIDE))
            for name, (x, y) in CENTRES.items()
        )
        save_collection(workspace, RegionCollection("burundi", regions))
        request = ExportRequest(
            dataset="burundi",
            regions="burundi",
            source="rasters",
            daytime_files=[str(data / "population_burundi.tif")],
            nighttime_files=[str(data / "viirs_avg_rad_burundi.tif")],
        )
        export(workspace, request, NoProgress())
    return Dataset.open(workspace, "burundi")


def baseline_scores(dataset: Dataset, seed: int) -> list[Score]:
    """Every baseline over all towns, each fitted to the others."""
    compared: dict[str, list[Compared]] = {}
    for held_out in CENTRES:
        others = [name for name in CENTRES if name != held_out]
        for baseline in (
            fit_constant_mean(dataset, others),
            fit_linear_regression(dataset, others),
            fit_gradient_boosting(dataset, others, seed),
        ):
            comparison = compare_baseline(baseline, dataset, held_out)
            compared.setdefault(baseline.method, []).append(Compared("evaluate", held_out, comparison))
    scores = [each for method, own in compared.items() for each in scores_of(method, own, Bootstrap(seed))]
    return [score for score in scores if score.region == ALL_REGIONS]


def network_score(workspace: Workspace, settings: TrainingSettings, name: str) -> Score:
    """A network over all towns, each time trained on the others."""
    request = CrossValidationRequest(name=name, dataset="burundi", settings=settings, overwrite=True)
    record = cross_validate(workspace, request, NoProgress())
    (score,) = (
        score
        for score in record.scores
        if score.region == ALL_REGIONS and score.method not in ("constant mean", "linear regression")
    )
    return score.model_copy(update={"method": f"{settings.network}, {settings.loss}"})


def main(arguments: list[str]) -> int:
    """Prepare, fit, train and print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--network", default="unet-small")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--patches", type=int, default=16, help="from each region in an epoch")
    parser.add_argument("--losses", nargs="*", default=["footprint squared error"])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    workspace = Workspace.open(options.workspace)
    dataset = prepare(workspace, options.data.resolve())
    print_table(
        "Sharpening moved up in scale, 16 x 16 VIIRS pixels to one: errors against real VIIRS, nW/cm²/sr",
        ("method", "RMSE", "sharpened RMSE", "MAE", "sharpened MAE"),
        scale_transfer_rows(options.data, options.seed),
    )
    scores = baseline_scores(dataset, options.seed)
    for loss in options.losses:
        settings = TrainingSettings(
            network=options.network,
            epochs=options.epochs,
            patches_per_region=options.patches,
            patch_size=128,
            seed=options.seed,
            loss=loss,
        )
        scores.append(network_score(workspace, settings, f"burundi-{loss.split()[0]}"))
    print_table(
        "Towns of Burundi, each held out once: errors at the VIIRS grid, nW/cm²/sr",
        ("method", "RMSE", "95 % interval", "MAE", "bias", "R²", "Spearman", "log-RMSE", "VIIRS pixels"),
        [
            (
                score.method,
                f"{score.rmse:.3f}",
                f"{score.intervals.rmse.lower:.2f} to {score.intervals.rmse.upper:.2f}"
                if score.intervals
                else None,
                f"{score.mae:.3f}",
                f"{score.bias:+.3f}",
                cell(score.r2),
                cell(score.spearman),
                cell(score.log_rmse),
                f"{score.pixels:,}",
            )
            for score in scores
        ],
        f"{options.epochs} epochs of {options.patches} patches from each of six towns; seed {options.seed}.",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
