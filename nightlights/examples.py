"""Real light in one command: public rasters of a country, as regions and a dataset to train on.

Only rasters whose source and licence are known are offered.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from shapely import box

from nightlights import cog
from nightlights.bands import RADIANCE_UNIT
from nightlights.errors import DatasetError, SettingsError, WorkspaceError
from nightlights.files import write_text
from nightlights.jobs.kinds import ExampleRequest
from nightlights.manifests import DatasetManifest, ExportRequest, Role, read_record
from nightlights.pipeline import export
from nightlights.progress import Progress
from nightlights.public_files import PublicFile, PublicSource, fetch_public_files
from nightlights.region_files import load_collection, save_collection
from nightlights.regions import Region, RegionCollection
from nightlights.settings import Settings
from nightlights.sources.rasters import RastersSource
from nightlights.workspace import Workspace

COMPOSITE_FILE: Final = "viirs_median.tif"
"""Beside the fetched rasters: the median of the months over the whole country."""
NOISE_FILE: Final = "viirs_noise.tif"
"""Beside it: how a single month scatters, and the number of months."""
_NIGHT: Final = "viirs/"
_DAY: Final = "day/"


@dataclass(frozen=True, slots=True)
class Example:
    """A country to begin with.

    Attributes
    ----------
    files:
        Public rasters; those in ``day/`` are seen by day, those in ``viirs/`` are months of the night.
    bands:
        Of each daytime file that does not name its band: name and unit.
    """

    name: str
    title: str
    description: str
    files: tuple[PublicFile, ...]
    bands: dict[str, tuple[str, str]]
    regions: tuple[Region, ...]
    period: tuple[str, str]

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def job_title(self) -> str:
        """Of the job that makes it."""
        return f"Real light: {self.title}"

    @property
    def attribution(self) -> list[str]:
        """Source and licence, a sentence each."""
        return list(dict.fromkeys(file.source.attribution for file in self.files))

    def folder(self, workspace: Workspace) -> Path:
        """Where its rasters lie."""
        return workspace.root / "examples" / self.name


_GRIDFINDER: Final = (
    "https://raw.githubusercontent.com/carderne/gridfinder/57729b27cffca26dfd37037e809bac581d8d3712/test_data"
)
_BY_GRIDFINDER: Final = "github.com/carderne/gridfinder, commit 57729b2 (MIT)"
_VIIRS: Final = PublicSource(
    "VIIRS Day/Night Band monthly composites of 2016, Burundi",
    "Earth Observation Group, Payne Institute, Colorado School of Mines",
    "CC BY 4.0",
    _BY_GRIDFINDER,
)
_POPULATION: Final = PublicSource(
    "GHS-POP population grid, 250 m, Burundi (edition not recorded)",
    "Global Human Settlement Layer, European Commission, Joint Research Centre",
    "reuse authorised with acknowledgement of the source",
    _BY_GRIDFINDER,
)
_MONTHS: Final = (
    "995108448680c83d44f3f82b5f64313ee83d89bb7a77d7d5de431bdfc59b0897",
    "8f2607310f5ddad10ee8128a0aa52bc60fbb2f2fa8bac5e3df02a270a45f2653",
    "74fdf4381be4e8df43fcef7b5dcbba63d07d1dea57eb11edb4e696c378f1aadf",
    "0ba5cb79572e99fe0ba9b1c47e795008c8c7613ca0058011778865b0262517d5",
    "1a573d0be7205b653a3df5c7d81f432b653f6d1555ab53619ad0892c1f50e922",
    "6f36f5e2554b4e47394dbe008b868314c9eadba76eabc55ad59a0674c1a2e01a",
    "16488c122853a6ed640cd0a86d50ed5929fd7c38751b64a02858f2c296a010c1",
    "891372e5c5ba3d8e8d266f83c9ee014b96f95368d1066a6eea572e1a1a7da924",
    "03b19e2c6565de113a1728408a2c7adfcd5ea60a63089bd6ce4a3adf3c6f6e4a",
    "b2ad289a5aa320c1e9c1442103ea7e62fda5d7eb7dd3bedfe06de04972733c0c",
    "1ad6627513ff20e3829937785b1623420fe6c8b966aa9e65da86fa1cf85bacac",
    "c38357fcc545653567dfb059a2cf18860cfa2dbe84e304a5a7c5127a09082766",
)
"""SHA-256 of the composites of January to December 2016."""
_TOWNS: Final[dict[str, tuple[float, float, Role]]] = {
    "bujumbura": (29.42, -3.35, "train"),
    "gitega": (29.93, -3.43, "train"),
    "muyinga": (30.34, -2.85, "train"),
    "ruyigi": (30.25, -3.48, "train"),
    "bururi": (29.62, -3.95, "train"),
    "ngozi": (29.83, -2.91, "evaluate"),
    "rutana": (29.99, -3.93, "evaluate"),
}
"""Longitude, latitude and role of the larger towns of Burundi; one that judges is bright, the other faint."""
_HALF_SIDE: Final = 0.11


def _burundi() -> Example:
    months = tuple(
        PublicFile(
            f"{_NIGHT}VIIRS_2016_{month:02d}.tif",
            f"{_GRIDFINDER}/ntl/VIIRS_2016_{month:02d}.tif",
            927_103,
            sha256,
            _VIIRS,
        )
        for month, sha256 in enumerate(_MONTHS, start=1)
    )
    population = PublicFile(
        f"{_DAY}population.tif",
        f"{_GRIDFINDER}/pop.tif",
        3_166_410,
        "1185a9f3214f86961294804aaaf0b236023a3741274916f998637f4511c0ab7b",
        _POPULATION,
    )
    return Example(
        "burundi",
        "Burundi",
        "Seven towns: population at 250 m by day, the median of the twelve VIIRS months of 2016 by night. "
        "Five towns to train in, Ngozi and Rutana to evaluate.",
        (*months, population),
        {population.name: ("population", "people/pixel")},
        tuple(
            Region(name, role, box(x - _HALF_SIDE, y - _HALF_SIDE, x + _HALF_SIDE, y + _HALF_SIDE))
            for name, (x, y, role) in _TOWNS.items()
        ),
        ("2016-01-01", "2016-12-31"),
    )


EXAMPLES: Final[dict[str, Example]] = {example.name: example for example in (_burundi(),)}
"""By name."""


def find_example(name: str) -> Example:
    """The example ``name``.

    Raises
    ------
    SettingsError
        When there is none; the remedy lists those there are.
    """
    if name not in EXAMPLES:
        raise SettingsError(f"There is no example {name[:80]!r}.", f"Choose from {', '.join(EXAMPLES)}.")
    return EXAMPLES[name]


def next_commands(example: Example, dataset: str) -> tuple[str, ...]:
    """What to do with the dataset, as command lines."""
    region = next(region.name for region in example.regions if region.role == "evaluate")
    return (
        f"nightlights train --dataset {dataset} --run {dataset}",
        f"nightlights predict --run {dataset} --region {region}",
        "nightlights app",
    )


def is_made(workspace: Workspace, example: Example, dataset: str) -> bool:
    """Whether ``dataset`` is there and was made of the example's rasters.

    Raises
    ------
    DatasetError
        When another dataset has that name.
    """
    manifest = workspace.dataset_folder(dataset) / "dataset.json"
    if not manifest.exists():
        return False
    if read_record(manifest, DatasetManifest).source.attribution != example.attribution:
        raise DatasetError(
            f"The dataset name {dataset} is in use by other imagery.",
            "Choose another name (--dataset on the command line), or delete that dataset.",
        )
    return True


def run_example(workspace: Workspace, request: ExampleRequest, progress: Progress, *, resume: bool) -> None:
    """Handle an example: fetch its rasters, compose the months, save the regions, export the dataset.

    Whatever an earlier attempt has fetched or exported is kept. Regions of that name that are in the
    workspace already are used as they are.

    Raises
    ------
    SettingsError
        When there is no such example.
    SourceError
        When a raster cannot be fetched.
    DatasetError
        When another dataset has the name.
    WorkspaceError
        When the disk is full.
    Cancelled
        When ``progress`` says so.
    """
    example = find_example(request.example)
    if is_made(workspace, example, request.dataset) and not request.overwrite:
        progress.update(1, 1, message="Already there")
        return
    settings = Settings.from_environment(workspace=workspace.root)
    regions = _regions(workspace, example, request.dataset)
    fetched = example.size_bytes / 1e6
    exported = (
        sum(float(np.prod(region.window.fine_shape)) * 4 * len(example.bands) for region in regions) / 1e6
    )
    folder = example.folder(workspace)
    fetch_public_files(example.files, folder, _Part(progress, 0, fetched + exported), settings.example_mirror)
    for name, (band, unit) in example.bands.items():
        write_text(folder / f"{name}.aux.xml", _band_description(band, unit))
    wanted = ExportRequest(
        dataset=request.dataset,
        regions=request.dataset,
        source="rasters",
        daytime_files=[str(folder / file.name) for file in example.files if file.name.startswith(_DAY)],
        nighttime_files=[str(folder / file.name) for file in example.files if file.name.startswith(_NIGHT)],
        nighttime_composite="median",
        attribution=example.attribution,
        period_start=example.period[0],
        period_end=example.period[1],
        fwhm_m=settings.fwhm_m,
        overwrite=request.overwrite,
    )
    progress.update(fetched, fetched + exported, unit="MB", message="Composing the months")
    _write_composite(example, folder, wanted)
    if regions.name not in workspace.region_names():
        save_collection(workspace, regions)
    export(workspace, wanted, _Part(progress, fetched, fetched + exported), settings)


@dataclass(frozen=True, slots=True)
class _Part:
    """Progress of a part of the work that begins at ``before`` of ``whole`` megabytes."""

    progress: Progress
    before: float
    whole: float

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """See :meth:`nightlights.progress.Progress.update`."""
        self.progress.update(min(self.before + done, self.whole), self.whole, unit=unit, message=message)


def _regions(workspace: Workspace, example: Example, name: str) -> RegionCollection:
    """Those of the workspace where it has some of that name: the user may have moved them."""
    if name in workspace.region_names():
        return load_collection(workspace, name)
    return RegionCollection(name, example.regions, f"Towns of {example.title}", example.description)


def _band_description(name: str, unit: str) -> str:
    """What GDAL reads from beside a raster: the file itself stays as it was fetched."""
    return (
        f'<PAMDataset><PAMRasterBand band="1"><Description>{name}</Description>'
        f"<UnitType>{unit}</UnitType></PAMRasterBand></PAMDataset>\n"
    )


def _write_composite(example: Example, folder: Path, request: ExportRequest) -> None:
    """The median of the months over all that they cover, and their noise, as GeoTIFFs of their own."""
    window = cog.inspect(request.nighttime_files[0]).window
    if window is None:
        raise WorkspaceError(
            f"{request.nighttime_files[0]} does not lie on the VIIRS grid.", "Fetch it again."
        )
    source = RastersSource(
        request.daytime_files, request.nighttime_files, nighttime_composite=request.nighttime_composite
    )
    months = [file for file in example.files if file.name.startswith(_NIGHT)]
    offsets = source.describe()["nighttime_offsets"].values()
    tags = {
        "attribution": " ".join(dict.fromkeys(file.source.attribution for file in months)),
        "method": source.notes[0],
        "images": ", ".join(
            f"{file.name} (SHA-256 {file.sha256}, offset {offset:+.4f} {RADIANCE_UNIT} removed)"
            for file, offset in zip(months, offsets, strict=True)
        ),
    }
    for name, values, bands in (
        (COMPOSITE_FILE, source.nighttime(window), {"avg_rad": RADIANCE_UNIT}),
        (NOISE_FILE, source.noise(window), {"scatter": RADIANCE_UNIT, "images": "images"}),
    ):
        cog.write_geotiff(
            folder / name,
            [] if values is None else [(window, values)],
            window=window,
            fine=False,
            bands=list(bands),
            units=list(bands.values()),
            tags=tags,
        )
