"""Which loss and which network serve: trained alike, compared on the validation cities alone, simulated.

    python benchmarks/losses.py WORKSPACE [NAME ...]

Exports the training and validation cities of the standard set, which takes minutes the first time. Each
variant takes about two minutes on two cores; what is trained already is only scored. NAME chooses some.
"""

import sys
from pathlib import Path
from typing import Any

from standard import cities_of, standard_dataset
from standard.candidates import interpolation_candidates, model_candidate
from standard.measuring import Candidate, Ground, measure
from standard.recipes import MORE_PATCHES, RECIPES, SHARPENING

from nightlights.commands.output import print_table
from nightlights.datasets import Dataset
from nightlights.ensembles import combine
from nightlights.manifests import RunRecord, TrainingRequest, TrainingSettings, now, read_record
from nightlights.progress import NoProgress
from nightlights.training import train
from nightlights.workspace import Workspace

PLANET = 1
TRUTH: dict[str, Any] = {"label": "truth", "loss": "pixel squared error"}
SMALL: dict[str, Any] = {"network": "unet-small"}
VARIANTS: dict[str, dict[str, Any]] = {
    "unet-footprint": SMALL,
    "unet-mixture": {**SMALL, "loss": "mixture", "footprint_share": 0.5},
    "unet-mostly-footprint": {**SMALL, "loss": "mixture", "footprint_share": 0.8},
    "unet-pixel": {**SMALL, "loss": "pixel squared error"},
    "unet-truth": {**SMALL, **TRUTH},
    "pixel-footprint": {},
    "pixel-footprint-huber": {"loss": "footprint Huber"},
    "pixel-mixture": {"loss": "mixture", "footprint_share": 0.9, "seed": 2},
    "pixel-pixel": {"loss": "pixel squared error"},
    "pixel-viirs": {"viirs_input": True, "seed": 3},
    "pixel-truth": TRUTH,
}
ENSEMBLES = (("pixel-footprint", "pixel-mixture", "pixel-viirs"), ("pixel-footprint", "pixel-viirs"))


def trained(workspace: Workspace, dataset: Dataset, name: str) -> Path:
    """The folder of a variant, trained unless it is there."""
    folder = workspace.run_folder(f"losses-{name}")
    values: dict[str, Any] = {**SHARPENING, **MORE_PATCHES, **VARIANTS[name]}
    settings = TrainingSettings(**values, train_regions=[city.name for city in cities_of("training")])
    path = folder / "run.json"
    if path.exists():
        record = read_record(path, RunRecord)
        if record.finished is not None and record.settings == settings:
            return folder
    request = TrainingRequest(
        run=folder.name, dataset=dataset.manifest.name, settings=settings, overwrite=True
    )
    print(f"training {name} ...", file=sys.stderr, flush=True)
    train(dataset, request, folder, NoProgress())
    return folder


def row(candidate: Candidate, ground: Ground) -> list[str]:
    """The means over the cities, in nW/cm2/sr."""
    figures = measure(candidate, ground, NoProgress(), now)
    plain = [each for each in figures.cities if not each.sharpened]
    sharpened = [each for each in figures.cities if each.sharpened]
    means = (
        sum(each.rmse for each in plain) / len(plain),
        sum(each.fine_rmse for each in plain) / len(plain),
        sum(each.fine_rmse for each in sharpened) / len(sharpened),
    )
    return [f"{mean:.2f}" for mean in means]


def main(arguments: list[str]) -> int:
    """Print the table."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    workspace = Workspace.open(Path(arguments[0]))
    names = arguments[1:] or [*VARIANTS]
    training = standard_dataset(workspace, "training", PLANET, NoProgress())
    cities = standard_dataset(workspace, "validation", PLANET, NoProgress())
    ground = Ground("validation", {PLANET: cities}, {})
    folders = {name: trained(workspace, training, name) for name in names}
    for number, members in enumerate(ENSEMBLES):
        if all(name in folders for name in members):
            folder = workspace.run_folder(f"losses-ensemble-{number + 1}")
            combine([folders[name] for name in members], folder, folder.name)
            folders[f"mean of {', '.join(members)}"] = folder
    rows = [(name, *row(model_candidate(RECIPES["daytime"], path), ground)) for name, path in folders.items()]
    (bicubic,) = (each for each in interpolation_candidates() if each.key == "bicubic VIIRS")
    rows.append((bicubic.key, *row(bicubic, ground)))
    print_table(
        "Networks and losses on the validation cities",
        ("variant", "RMSE at the VIIRS grid", "RMSE at 30 m", "RMSE at 30 m, sharpened"),
        rows,
        f"nW/cm²/sr, mean over {len(cities_of('validation'))} cities of simulated planet {PLANET}; every "
        f"variant saw the same {MORE_PATCHES['epochs'] * MORE_PATCHES['patches_per_region'] * 32:,} patches.",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
