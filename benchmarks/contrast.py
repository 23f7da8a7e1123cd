"""How much contrast serves sharpening: models at several powers, on the validation cities alone, simulated.

    python benchmarks/contrast.py WORKSPACE [RUN ...]

RUN is any trained run of WORKSPACE; unless named, the ensemble of the standard table and its oracle, which
``nightlights standard train`` makes. Takes about two minutes.
"""

import sys
from pathlib import Path

import numpy as np

from nightlights.commands.output import print_table
from nightlights.observation import PointSpread
from nightlights.progress import NoProgress
from nightlights.sharpening import sharpen
from nightlights.standard import PLANET_SEEDS, cities_of, standard_dataset
from nightlights.standard.candidates import model_candidate
from nightlights.standard.recipes import RECIPES
from nightlights.workspace import Workspace

CONTRASTS = (1.0, 1.1, 1.2, 1.35)
RUNS = ("standard-sharpening", "standard-oracle")


def main(arguments: list[str]) -> int:
    """Print the table."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    workspace = Workspace.open(Path(arguments[0]))
    cities = [city.name for city in cities_of("validation")]
    datasets = [standard_dataset(workspace, "validation", seed, NoProgress()) for seed in PLANET_SEEDS]
    rows = []
    for run in arguments[1:] or RUNS:
        candidate = model_candidate(RECIPES["sharpening"], workspace.run_folder(run))
        errors: dict[float, list[float]] = {contrast: [] for contrast in CONTRASTS}
        for dataset in datasets:
            spread = PointSpread.of(dataset.manifest)
            noise = dataset.manifest.viirs_noise
            for city in cities:
                light = candidate.predict(dataset, city, NoProgress())
                measured, truth = dataset.read_nighttime(city), dataset.read_truth(city)
                if truth is None:
                    raise SystemExit(f"The truth of {city} is unknown.")
                window = dataset.region(city).window.window
                for contrast, found in errors.items():
                    corrected = sharpen(light, measured, window, spread, noise=noise, contrast=contrast)
                    found.append(float(np.sqrt(np.nanmean((corrected - truth) ** 2))))
        rows.append([run, *(f"{np.mean(found):.2f}" for found in errors.values())])
    print_table(
        "Contrast of the prediction that sharpening takes its texture from",
        ("run", *(f"{contrast:g}" for contrast in CONTRASTS)),
        rows,
        f"Simulated. RMSE at 30 m of the sharpened light in nW/cm²/sr, mean over {len(cities)} validation "
        f"cities on planets {' and '.join(map(str, PLANET_SEEDS))}.",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
