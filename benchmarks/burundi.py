"""Every method on real rasters: population by day and VIIRS by night, in Burundi. Two tables.

    python benchmarks/burundi.py DATA WORKSPACE
    python benchmarks/burundi.py DATA WORKSPACE --choose
    python benchmarks/burundi.py DATA WORKSPACE --seeds 5 --hybrids

DATA holds ``population_burundi.tif`` (Global Human Settlement population, people a pixel) and
``viirs_avg_rad_burundi.tif`` (monthly composite, nW/cm2/sr). The first table predicts towns that a method has
not seen, from population alone. The second moves the task of sharpening up by a factor of 16 in scale, for no
light is known below VIIRS: VIIRS is the fine image, what the footprints make of it the measurement.

The settings of the networks were set beforehand: where training begins and how fast it goes by trials in six
other towns, four to train in and two to judge by, which ``--choose`` compares again; the number of steps by
patience. The towns of the table choose nothing. What was trained already, by the same settings, is kept.

With ``--hybrids`` the networks are trained as they are by default: on a footprint regression, for ten passes.
With ``--seeds`` each network is trained from so many first weights, and the median and the worst are shown.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from burundi_scales import scale_transfer_rows
from real_light import months_of_2016
from shapely import box
from standard.boosting import fit_footprint_boosting, fit_gradient_boosting

from nightlights.baselines import compare_baseline, fit_constant_mean, fit_linear_regression
from nightlights.commands.output import print_table
from nightlights.commands.scores import cell
from nightlights.crossvalidation import cross_validate
from nightlights.datasets import Dataset
from nightlights.evaluation import Compared, scores_of
from nightlights.manifests import CrossValidationRequest, ExportRequest, TrainingRequest, TrainingSettings
from nightlights.metrics import ALL_REGIONS, Bootstrap
from nightlights.networks import network_info
from nightlights.pipeline import export
from nightlights.progress import NoProgress
from nightlights.region_files import save_collection
from nightlights.regions import Region, RegionCollection
from nightlights.regressions import fit_footprint_baseline
from nightlights.scores import Score
from nightlights.sweeps.series import train_and_score
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

OTHER_CENTRES = {
    "cankuzo": (30.55, -3.22),
    "kayanza": (29.60, -2.92),
    "muramvya": (29.645, -3.26),
    "rumonge": (29.39, -3.97),
    "kirundo": (30.10, -2.60),
    "makamba": (29.82, -4.18),
}
"""Smaller towns whose squares meet none of those above; the last two judge settings."""
JUDGES = 2

FOOTPRINT_REGRESSION = "footprint regression"
HALF_SIDE = 0.11
PATCH, BATCH, EPOCHS = 96, 4, 4

Choice = tuple[str, int, float, str]
"""Network, steps, highest learning rate and where training begins."""
CANDIDATES: tuple[Choice, ...] = (
    ("pixel", 120, 3e-3, "as drawn"),
    ("pixel", 120, 3e-3, "mean radiance"),
    ("pixel", 120, 1e-2, "mean radiance"),
    ("unet-small", 60, 3e-3, "as drawn"),
    ("unet-small", 60, 3e-3, "mean radiance"),
)
CHOSEN: tuple[Choice, ...] = (CANDIDATES[1], CANDIDATES[4])
"""Those of the table of towns."""
HYBRIDS: dict[str, int] = {"pixel": 128, "unet-small": 256}
"""Networks that are trained by their own settings, and the side of their patches in pixels."""
PASSES = 10.0


def dataset_name(median: bool) -> str:
    """Of the towns, by a month or by the median of 2016."""
    return "burundi-2016" if median else "burundi"


def prepare(
    workspace: Workspace,
    data: Path,
    name: str,
    centres: Mapping[str, tuple[float, float]],
    *,
    median: bool = False,
) -> Dataset:
    """Export the towns as the dataset ``name``, unless that has been done."""
    night = months_of_2016(data) if median else [data / "viirs_avg_rad_burundi.tif"]
    if name not in workspace.dataset_names():
        regions = tuple(
            Region(town, "train", box(x - HALF_SIDE, y - HALF_SIDE, x + HALF_SIDE, y + HALF_SIDE))
            for town, (x, y) in centres.items()
        )
        save_collection(workspace, RegionCollection(name, regions))
        request = ExportRequest(
            dataset=name,
            regions=name,
            source="rasters",
            daytime_files=[str(data / "population_burundi.tif")],
            nighttime_files=[str(file) for file in night],
            nighttime_composite="median" if median else "mosaic",
        )
        export(workspace, request, NoProgress())
    return Dataset.open(workspace, name)


def settings_of(choice: Choice, towns: int, seed: int) -> TrainingSettings:
    """The settings of a candidate that is trained in so many towns."""
    network, steps, rate, begins = choice
    return TrainingSettings(
        network=network,
        epochs=EPOCHS,
        patches_per_region=round(steps * BATCH / EPOCHS / towns),
        patch_size=PATCH,
        batch_size=BATCH,
        learning_rate=rate,
        first_output=begins,
        evaluation_patches=8,
        seed=seed,
    )


def run_name(choice: Choice) -> str:
    """A name by which what was trained is found again."""
    network, steps, rate, begins = choice
    return f"burundi-{network}-{steps}-{rate:g}-{begins}".replace(" ", "-").replace(".", "")


def in_words(choice: Choice) -> str:
    """A candidate as the tables name it."""
    network, steps, rate, begins = choice
    start = "from the mean radiance" if begins == "mean radiance" else "from weights as drawn"
    return f"{network}, footprint loss, {steps} steps, rate {rate:g}, {start}"


def baseline_scores(dataset: Dataset, folds: Mapping[str, list[str]], seed: int) -> list[Score]:
    """Every baseline over the towns of ``folds``, each fitted to the towns listed with it."""
    compared: dict[str, list[Compared]] = {}
    for held_out, others in folds.items():
        for baseline in (
            fit_constant_mean(dataset, others),
            fit_linear_regression(dataset, others),
            fit_gradient_boosting(dataset, others, seed),
            fit_footprint_boosting(dataset, others, seed),
            fit_footprint_baseline(dataset, others),
        ):
            comparison = compare_baseline(baseline, dataset, held_out)
            compared.setdefault(baseline.method, []).append(Compared("evaluate", held_out, comparison))
    return pooled(compared, seed)


def pooled(compared: Mapping[str, list[Compared]], seed: int) -> list[Score]:
    """The scores over the pixels of all towns."""
    scores = [each for method, own in compared.items() for each in scores_of(method, own, Bootstrap(seed))]
    return [score for score in scores if score.region == ALL_REGIONS]


def network_score(workspace: Workspace, choice: Choice, seed: int) -> Score:
    """A network over all towns, each time trained on the others."""
    settings = settings_of(choice, len(CENTRES) - 1, seed)
    # What was trained before there were seeds has none in its name.
    name = run_name(choice) if seed == 1 else f"{run_name(choice)}-{seed}"
    return held_out_score(workspace, name, settings, in_words(choice))


def hybrid_name(network: str, seed: int, dataset: str = "burundi") -> str:
    """Of the cross-validation of a hybrid."""
    return f"{dataset}-hybrid-{network}-{PASSES:g}-{seed}"


def hybrid_score(workspace: Workspace, network: str, seed: int, *, dataset: str = "burundi") -> Score:
    """A network as it is trained by default but for the texture, which VIIRS's grid does not show."""
    size = HYBRIDS[network]
    settings = network_info(network).settings.model_copy(
        update={
            "seed": seed,
            "patch_size": size,
            "passes": PASSES,
            "epochs": 2,
            "evaluation_patches": 8,
            "texture_networks": 0,
        }
    )
    words = f"{network} on a footprint regression, {PASSES:g} passes, patches of {size} pixels"
    return held_out_score(workspace, hybrid_name(network, seed, dataset), settings, words, dataset)


def held_out_score(
    workspace: Workspace, name: str, settings: TrainingSettings, words: str, dataset: str = "burundi"
) -> Score:
    """The score over all towns, each by a network trained on the others."""
    request = CrossValidationRequest(name=name, dataset=dataset, settings=settings)
    record = cross_validate(workspace, request, NoProgress(), resume=True)
    (score,) = (
        score for score in record.scores if score.region == ALL_REGIONS and score.method == settings.network
    )
    return score.model_copy(update={"method": words})


def of_seeds(scores: list[Score]) -> list[Score]:
    """The median and the worst by RMSE, of one method trained from several first weights."""
    ordered = sorted(scores, key=lambda score: score.rmse)
    if len(ordered) == 1:
        return ordered
    kept = {"median": ordered[len(ordered) // 2], "worst": ordered[-1]}
    return [
        score.model_copy(update={"method": f"{score.method}, {which} of {len(ordered)} seeds"})
        for which, score in kept.items()
    ]


def choose(workspace: Workspace, data: Path, seed: int) -> None:
    """Print how each candidate does in the two judging towns."""
    dataset = prepare(workspace, data, "burundi-other", OTHER_CENTRES)
    towns, judges = list(OTHER_CENTRES)[:-JUDGES], list(OTHER_CENTRES)[-JUDGES:]
    scores = baseline_scores(dataset, dict.fromkeys(judges, towns), seed)
    for choice in CANDIDATES:
        print(in_words(choice), file=sys.stderr, flush=True)
        settings = settings_of(choice, len(towns), seed).model_copy(
            update={"train_regions": towns, "evaluate_regions": judges}
        )
        wanted = TrainingRequest(
            run=run_name(choice) + "-other", dataset="burundi-other", settings=settings, overwrite=True
        )
        own = train_and_score(workspace, dataset, wanted, NoProgress(), roles=["evaluate"], resume=True)
        networks = {method: each for method, each in own.items() if method == settings.network}
        scores += [score.model_copy(update={"method": in_words(choice)}) for score in pooled(networks, seed)]
    title = f"Trained in {', '.join(towns)}; judged in {' and '.join(judges)}: nW/cm²/sr at the VIIRS grid"
    print_scores(title, scores, seed)


def print_scores(title: str, scores: list[Score], seed: int) -> None:
    """The table of predictions."""
    print_table(
        title,
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
        f"Measured, not simulated. Patches of {PATCH} pixels, {BATCH} a step, {EPOCHS} epochs; seed {seed}.",
    )


def main(arguments: list[str]) -> int:
    """Prepare, fit, train and print both tables, or the table that chose the settings."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--choose", action="store_true", help="judge the candidates in other towns instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="train each network from so many seeds")
    parser.add_argument("--hybrids", action="store_true", help="train the networks by their own settings")
    options = parser.parse_args(arguments)
    workspace, data = Workspace.open(options.workspace), options.data.resolve()
    if options.choose:
        choose(workspace, data, options.seed)
        return 0
    dataset = prepare(workspace, data, "burundi", CENTRES)
    print_table(
        "Sharpening moved up in scale, 16 x 16 VIIRS pixels to one: errors against real VIIRS, nW/cm²/sr",
        ("method", "RMSE", "sharpened RMSE", "MAE", "sharpened MAE"),
        scale_transfer_rows(workspace, data, options.seed),
    )
    folds = {town: [other for other in CENTRES if other != town] for town in CENTRES}
    scores = baseline_scores(dataset, folds, options.seed)
    seeds = range(options.seed, options.seed + options.seeds)
    if options.hybrids:
        for network in HYBRIDS:
            print(network, file=sys.stderr, flush=True)
            scores += of_seeds([hybrid_score(workspace, network, seed) for seed in seeds])
    else:
        for choice in CHOSEN:
            print(in_words(choice), file=sys.stderr, flush=True)
            scores += of_seeds([network_score(workspace, choice, seed) for seed in seeds])
    title = "Towns of Burundi, each held out once: errors at the VIIRS grid, nW/cm²/sr"
    print_scores(title, scores, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
