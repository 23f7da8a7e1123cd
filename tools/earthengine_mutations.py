"""Change the graphs of Earth Engine in one place at a time, and see whether a test notices.

    python tools/earthengine_mutations.py            # print the table
    python tools/earthengine_mutations.py --write    # and write docs/earthengine-mutations.md

Each change is made in a temporary copy of the package, in which tests/test_earthengine_composites.py is run
until its first failure. Takes some minutes. Exits with 1 if a change is noticed by no test.
"""

import argparse
import contextlib
import importlib
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GRAPHS = "nightlights/sources/earthengine"
TEST = "tests/test_earthengine_composites.py"
TABLE = ROOT / "docs" / "earthengine-mutations.md"
_LIMIT_S = 300


@dataclass(frozen=True)
class Mutation:
    """One change of one file: ``old``, which occurs there once, becomes ``new``."""

    what: str
    file: str
    old: str
    new: str


def products(what: str, old: str, new: str) -> Mutation:
    """A change of a fact about a product."""
    return Mutation(what, f"{GRAPHS}/products.py", old, new)


def landsat(what: str, old: str, new: str) -> Mutation:
    """A change of the graph of Landsat."""
    return Mutation(what, f"{GRAPHS}/landsat.py", old, new)


def sentinel2(what: str, old: str, new: str) -> Mutation:
    """A change of the graph of Sentinel-2."""
    return Mutation(what, f"{GRAPHS}/sentinel2.py", old, new)


def viirs(what: str, old: str, new: str) -> Mutation:
    """A change of the graph of VIIRS."""
    return Mutation(what, f"{GRAPHS}/viirs.py", old, new)


def shared(what: str, old: str, new: str) -> Mutation:
    """A change of what all graphs share."""
    return Mutation(what, f"{GRAPHS}/compositing.py", old, new)


MUTATIONS: Sequence[Mutation] = (
    products("fill: bit 0 becomes 6", '"fill": 0', '"fill": 6'),
    products("dilated cloud: bit 1 becomes 7", '"dilated cloud": 1', '"dilated cloud": 7'),
    products("cirrus: bit 2 becomes 9", '"cirrus": 2', '"cirrus": 9'),
    products("cloud: bit 3 becomes 4", '"cloud": 3', '"cloud": 4'),
    products("cloud shadow: bit 4 becomes 3", '"cloud shadow": 4', '"cloud shadow": 3'),
    products("snow: bit 5 becomes 6", '"snow": 5', '"snow": 6'),
    products("saturation: bit 6 (band 7) dropped", "0b111_1111", "0b011_1111"),
    products("saturation: bit 0 (band 1) dropped", "0b111_1111", "0b111_1110"),
    products("saturation: bit 8 (band 9) counts too", "0b111_1111", "0b1_0111_1111"),
    products("saturation: bit 11 (terrain) counts too", "0b111_1111", "0b1000_0111_1111"),
    landsat(
        "only the highest of the bits is masked",
        "bits = sum(1 << QA_PIXEL_BITS[name] for name in set(masks) if name in QA_PIXEL_BITS)",
        "bits = max((1 << QA_PIXEL_BITS[name] for name in set(masks) if name in QA_PIXEL_BITS), default=0)",
    ),
    landsat("what is clear is masked", "bitwiseAnd(bits).eq(0)", "bitwiseAnd(bits).neq(0)"),
    landsat("either mask is enough", "mask.And(unsaturated)", "mask.Or(unsaturated)"),
    landsat("saturation taken from QA_PIXEL", 'select("QA_RADSAT")', 'select("QA_PIXEL")'),
    products("reflectance scale 0.0000275 becomes 0.0000276", "= 0.0000275", "= 0.0000276"),
    products("reflectance offset -0.2 becomes -0.2001", "= -0.2\n", "= -0.2001\n"),
    products("temperature scale, sixth digit", "= 0.00341802", "= 0.00341803"),
    products("temperature offset 149 becomes 149.01", "= 149.0", "= 149.01"),
    landsat(
        "offset before scale",
        ".multiply(REFLECTANCE_SCALE).add(REFLECTANCE_OFFSET)",
        ".add(REFLECTANCE_OFFSET).multiply(REFLECTANCE_SCALE)",
    ),
    Mutation(
        "bands of the study: B10 and B11 in the other order",
        "nightlights/bands.py",
        "    _thermal(10, 10.9),\n    _thermal(11, 12.0),",
        "    _thermal(11, 12.0),\n    _thermal(10, 10.9),",
    ),
    Mutation(
        "bands of the study: SR_B2 before SR_B1",
        "nightlights/bands.py",
        '    _optical(1, "Coastal aerosol", 0.443, 0.25),\n    _optical(2, "Blue", 0.482, 0.25),',
        '    _optical(2, "Blue", 0.482, 0.25),\n    _optical(1, "Coastal aerosol", 0.443, 0.25),',
    ),
    landsat("B10 and B11 exchanged", "scene.select(thermal))", "scene.select(thermal[::-1], thermal))"),
    landsat(
        "reflective bands reversed",
        "scene.select(reflective).multiply",
        "scene.select(reflective[::-1], reflective).multiply",
    ),
    shared("percentile: bands named in alphabetical order", ".rename(names)", ".rename(sorted(names))"),
    products("Landsat 9 surface from Landsat 8", '"LANDSAT/LC09/C02/T1_L2"', '"LANDSAT/LC08/C02/T1_L2"'),
    products(
        "Landsat 9 temperature from Landsat 8", '"LANDSAT/LC09/C02/T1_TOA"', '"LANDSAT/LC08/C02/T1_TOA"'
    ),
    products("Landsat 8 and 9 is Landsat 8", "(_LANDSAT_8, _LANDSAT_9)", "(_LANDSAT_8,)"),
    landsat("Landsat 8 and 9 is Landsat 9", "first = first.merge(other)", "first = other"),
    landsat(
        "thermal join by cloud cover instead of index",
        "linkedBands=thermal)",
        'linkedBands=thermal, matchPropertyName="CLOUD_COVER")',
    ),
    landsat(
        "thermal join by time instead of index",
        "linkedBands=thermal)",
        'linkedBands=thermal, matchPropertyName="system:time_start")',
    ),
    landsat(
        "masked after resampling",
        "masked = compositing.without(image, _mask(scene, composite.masks))\n"
        "    return compositing.resampled(masked, composite.resampling)",
        "return compositing.without(compositing.resampled(image, composite.resampling), "
        "_mask(scene, composite.masks))",
    ),
    shared("never resampled", 'return image if resampling == "nearest" else', "return image if True else"),
    shared("always bilinear", "image.resample(resampling)", 'image.resample("bilinear")'),
    shared("mean instead of median", "image = chosen.median()", "image = chosen.mean()"),
    shared("median whatever the percentile", "[composite.percentile]", "[50]"),
    shared("percentile from the other end", "[composite.percentile]", "[100 - composite.percentile]"),
    shared("scenes with exactly the largest cloud cover left out", "ee.Filter.lte", "ee.Filter.lt"),
    shared("cloudy scenes kept", "return images.filter(", "return images or images.filter("),
    shared("32-bit floats forgotten", "return image.toFloat()", "return image"),
    products("last day left out", "timedelta(days=1)", "timedelta(days=0)"),
    products("a day too many", "timedelta(days=1)", "timedelta(days=2)"),
    products("Sentinel-2 scale 0.0001 becomes 0.00011", "= 0.0001\n", "= 0.00011\n"),
    products("Cloud Score+ band cs", '= "cs_cdf"', '= "cs"'),
    products("Sentinel-2 cloud cover under Landsat's name", '= "CLOUDY_PIXEL_PERCENTAGE"', '= "CLOUD_COVER"'),
    sentinel2(
        "exactly the least score is not enough",
        ".gte(composite.minimum_clear_score)",
        ".gt(composite.minimum_clear_score)",
    ),
    sentinel2("cloudy pixels kept", ".updateMask(clear)", ""),
    sentinel2("cloudy pixels alone kept", ".updateMask(clear)", ".updateMask(clear.Not())"),
    viirs("exactly the least coverage is not enough", ".gte(minimum)", ".gt(minimum)"),
    viirs("coverage not looked at", "elif composite.minimum_cloud_free:", "elif False:"),
    viirs("annual: always the average", "[composite.annual_band]", '["average"]'),
    viirs("mean of the months", "chosen.median()", "chosen.mean()"),
    products(
        "radiance and coverage exchanged", 'MONTHLY_BAND: Final = "avg_rad"', 'MONTHLY_BAND: Final = "cf_cvg"'
    ),
    products(
        "annual from the monthly product",
        '"annual": "NOAA/VIIRS/DNB/ANNUAL_V22"',
        '"annual": "NOAA/VIIRS/DNB/MONTHLY_V1/VCMSLCFG"',
    ),
    Mutation(
        "what lies beyond the scenes is not marked as missing",
        f"{GRAPHS}/images.py",
        "image.unmask(MISSING, False)",
        "image.unmask(MISSING)",
    ),
    products("missing pixels are marked by 0", "= -9999.0", "= 0.0"),
    Mutation(
        "our grid half a pixel beside itself",
        f"{GRAPHS}/grids.py",
        "return cls(CRS, window.fine_transform if fine else window.transform, height, width)",
        "return cls(CRS, (window.fine_transform if fine else window.transform) "
        "@ Affine.translation(0.5, 0), height, width)",
    ),
)


PRELOADED = (
    "ee",
    "googleapiclient.discovery",
    "hypothesis",
    "pydantic",
    "pyproj",
    "pytest",
    "rasterio",
    "shapely",
)
"""Loaded once: only the package itself is loaded anew for every change."""


def run_tests(copy: Path) -> tuple[bool, str]:
    """Whether the tests pass in ``copy``, and the first that did not; in a process of its own."""
    log = copy / "log.txt"
    child = multiprocessing.get_context("fork").Process(target=_pytest, args=(copy, log))
    child.start()
    child.join(_LIMIT_S)
    if child.is_alive():
        child.kill()
        child.join()
        return False, f"still running after {_LIMIT_S} s"
    output = log.read_text(encoding="utf-8")
    found = re.search(rf"^(?:FAILED|ERROR) {re.escape(TEST)}::(.+?)(?: - .*)?$", output, re.MULTILINE)
    if child.exitcode not in (0, 1):
        raise SystemExit(f"The tests could not be run:\n{output}")
    return child.exitcode == 0, found.group(1) if found else ""


def _pytest(copy: Path, log: Path) -> None:
    import pytest

    os.chdir(copy)
    sys.path.insert(0, str(copy))
    with log.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        code = pytest.main([TEST, "-x", "-q", "-p", "no:cacheprovider", "--capture=sys"])
        # The tests must have been those of the copy.
        here = Path(sys.modules["nightlights"].__file__ or "").resolve()
        if copy.resolve() not in here.parents:
            raise SystemExit(f"The tests looked at {here}, not at the copy.")
    os._exit(int(code))


def try_mutation(copy: Path, mutation: Mutation) -> str:
    """The test that notices ``mutation`` first; empty where none does."""
    path = copy / mutation.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise SystemExit(f"{mutation.file} holds {text.count(mutation.old)} times: {mutation.old!r}")
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        passed, failed = run_tests(copy)
    finally:
        path.write_text(text, encoding="utf-8")
    return "" if passed else failed


def table(rows: Sequence[tuple[Mutation, str]]) -> str:
    """The page of the documentation."""
    noticed = sum(1 for _, test in rows if test)
    lines = [
        "# Changes of the Earth Engine graphs, and the tests that notice them",
        "",
        f"Each line is one change, made in a copy of the package; `{TEST}` was run on it until its first "
        f"failure. {noticed} of {len(rows)} changes were noticed. Made by "
        "`python tools/earthengine_mutations.py --write`; nothing here is written by hand.",
        "",
        "| Change | File | First test that fails |",
        "|---|---|---|",
    ]
    for mutation, test in rows:
        shown = f"`{test}`" if test else "**none**"
        lines.append(f"| {mutation.what} | `{Path(mutation.file).name}` | {shown} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Try all changes, print and perhaps write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/earthengine-mutations.md")
    parser.add_argument("--only", default="", help="only changes whose description holds this")
    chosen = parser.parse_args()
    if chosen.write and chosen.only:
        parser.error("the table holds all changes: give --write or --only, not both")
    for module in PRELOADED:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        ignored = shutil.ignore_patterns("__pycache__", "browser")
        for name in ("nightlights", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", copy)
        passed, failed = run_tests(copy)
        if not passed:
            print(f"The tests fail without any change: {failed}", file=sys.stderr)
            return 1
        rows = []
        for mutation in MUTATIONS:
            if chosen.only in mutation.what:
                rows.append((mutation, try_mutation(copy, mutation)))
                print(f"{mutation.what}: {rows[-1][1] or 'NOTICED BY NO TEST'}", flush=True)
    if chosen.write:
        TABLE.write_text(table(rows), encoding="utf-8")
    return 0 if all(test for _, test in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
