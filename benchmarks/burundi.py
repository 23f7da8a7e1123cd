"""Leave-one-region-out scores on real rasters: population by day, VIIRS by night, in Burundi.

    python benchmarks/burundi.py DATA WORKSPACE [--epochs 10] [--patches 40]

DATA holds ``population_burundi.tif`` (Global Human Settlement population, people a pixel) and
``viirs_avg_rad_burundi.tif`` (monthly composite, nW/cm2/sr). Prints the table of ``nightlights
crossvalidate``: the network and every baseline, each in regions that it has not seen, whatever they are.
"""

import argparse
import sys
from pathlib import Path

from shapely import box

from nightlights import cli
from nightlights.manifests import ExportRequest
from nightlights.pipeline import export
from nightlights.progress import NoProgress
from nightlights.region_files import save_collection
from nightlights.regions import Region, RegionCollection
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


def prepare(workspace: Workspace, data: Path) -> None:
    """Export the towns as the dataset ``burundi``, unless that has been done."""
    if "burundi" in workspace.dataset_names():
        return
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


def main(arguments: list[str]) -> int:
    """Prepare, cross-validate, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--network", default="unet-small")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--patches", type=int, default=40, help="from each region in an epoch")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    prepare(Workspace.open(options.workspace), options.data.resolve())
    return cli.main(
        [
            *("crossvalidate", "--name", "burundi", "--dataset", "burundi", "--overwrite"),
            *("--network", options.network, "--epochs", str(options.epochs), "--patch-size", "128"),
            *("--patches-per-region", str(options.patches), "--seed", str(options.seed)),
            *("--workspace", str(options.workspace)),
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
