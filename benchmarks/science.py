"""The table by which pictures and networks are judged, on the simulated planet and on real light.

    ./run bench science [--data DATA] [--short] [--only planet demo transfer scale uganda towns ...]

DATA holds real rasters (``real_light.py`` and ``burundi.py`` say which); rows that need them are told as not
measured without it. Networks are trained for the demo, the transfer and the towns: hours on two cores, kept
in ``--workspace`` so that the same command goes on where it was stopped. ``--short`` trains nothing, and
takes one city and one seed. Every row says its target and whether it was reached; the command ends with 1
where one was not, unless ``--short``.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from judging import Row
from level_texture import demo_rows
from science_planet import PLANET, planet_rows, transfer_rows
from science_real import lake_row, scale_rows, town_interval_row, town_rows, uganda_rows

from nightlights.commands.output import print_table
from nightlights.planet import PLANET_VERSION
from nightlights.workspace import Workspace

SEEDS = (1, 2, 3, 4, 5)
TRAINED = ("demo", "transfer", "towns")
REAL = ("scale", "uganda", "lake", "intervals", "towns")
GROUPS = ("planet", "demo", "transfer", *REAL)


def rows(
    group: str, workspace: Workspace, data: Path | None, seeds: tuple[int, ...], short: bool
) -> Iterator[Row]:
    """The rows of one group."""
    if group in REAL and data is None:
        yield Row(f"real light: {group}", "", "not measured", None, "name the rasters: --data")
        return
    folder = data or Path()
    found: dict[str, Callable[[], Iterator[Row]]] = {
        "planet": lambda: planet_rows(workspace, seeds, 1 if short else None),
        "demo": lambda: (Row(*each) for each in demo_rows(workspace, seeds)),
        "transfer": lambda: transfer_rows(workspace, seeds),
        "scale": lambda: scale_rows(folder),
        "uganda": lambda: uganda_rows(folder),
        "lake": lambda: iter([lake_row(folder)]),
        "intervals": lambda: iter([town_interval_row(workspace, folder)]),
        "towns": lambda: town_rows(workspace, folder, seeds),
    }
    yield from found[group]()


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of real rasters")
    parser.add_argument("--short", action="store_true", help="without trainings, one city and one seed")
    parser.add_argument("--only", nargs="+", choices=GROUPS)
    parser.add_argument("--workspace", type=Path, help="keeps the networks that are trained")
    options = parser.parse_args(arguments)
    chosen = options.only or [group for group in GROUPS if not (options.short and group in TRAINED)]
    seeds = SEEDS[: 1 if options.short else None]
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace.open(options.workspace or Path(scratch))
        for group in chosen:
            print(f"{group} ...", file=sys.stderr, flush=True)
            found += rows(group, workspace, options.data, seeds, options.short)
    print_table(
        "What pictures and networks are judged by",
        ("figure", "target", "measured", "reached", "detail"),
        (row.cells for row in found),
        f"Planet: simulated, version {PLANET_VERSION}, seed {PLANET}; seeds of networks and of noise "
        f"{SEEDS[0]} to {seeds[-1]}. The rest: real VIIRS of the Earth Observation Group (CC BY 4.0).",
    )
    return int(not options.short and any(row.reached is False for row in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
