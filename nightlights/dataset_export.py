"""Exporting imagery: a pair of rasters a region, tile by tile, resumable, listed only when complete."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlights import cog, files
from nightlights.bands import RADIANCE_UNIT, Band
from nightlights.encodings import encodings_of
from nightlights.errors import DatasetError, NewerVersionError, NightlightsError, SourceError, WorkspaceError
from nightlights.export_state import fingerprint, kept_region, same_source
from nightlights.grid import Window
from nightlights.manifests import (
    DatasetManifest,
    DatasetRegion,
    ExportRequest,
    SourceRecord,
    WindowRecord,
    now,
    read_record,
    write_record,
)
from nightlights.observation import PointSpread
from nightlights.progress import Progress
from nightlights.radiance_counts import LIT_RADIANCE as LIT_RADIANCE
from nightlights.radiance_counts import RADIANCE_EDGES as RADIANCE_EDGES
from nightlights.radiance_counts import RadianceCounts
from nightlights.regions import Region
from nightlights.sources.base import (
    AlignedTruth,
    Estimate,
    FetchingSource,
    ImagerySource,
    RepeatedSource,
    TruthSource,
)
from nightlights.workspace import Workspace

_TILE = 64
"""Side of a tile in VIIRS pixels: 1024 x 1024 analysis pixels, 38 MB for nine bands."""

FETCHED = "fetched"
"""Within the folder of an unfinished export: what a source from afar has brought here."""

_MARK = "request.sha256"
"""Within the same folder: the fingerprint of the export that its regions belong to."""

_MANIFEST = "dataset.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportEstimate(Estimate):
    """What an export will take: all its windows together.

    Attributes
    ----------
    patches:
        For each region, how many patches fit side by side.
    notes:
        What the user should know about the source, in whole sentences.
    """

    patches: dict[str, int]
    notes: tuple[str, ...] = ()


def estimate_export(source: ImagerySource, regions: Sequence[Region], patch_size: int) -> ExportEstimate:
    """What exporting ``regions`` from ``source`` will take; patches have ``patch_size`` analysis pixels.

    Raises
    ------
    SourceError
        When the source has nothing at one of the regions.
    """
    estimates = [source.estimate(region.window) for region in regions]
    return ExportEstimate(
        stored_bytes=sum(estimate.stored_bytes for estimate in estimates),
        seconds=sum(estimate.seconds for estimate in estimates),
        patches={region.name: region.patches(patch_size) for region in regions},
        notes=source.notes,
        requests=sum(estimate.requests for estimate in estimates),
    )


def export_dataset(
    workspace: Workspace,
    request: ExportRequest,
    source: ImagerySource,
    regions: Sequence[Region],
    progress: Progress,
    *,
    resume: bool = False,
    clock: Callable[[], datetime] = now,
) -> DatasetManifest:
    """Export the imagery of ``regions`` into the dataset ``request.dataset``.

    Regions that an interrupted export of the same request finished are kept and not fetched again. The
    dataset appears in the workspace at the very end, in one step; an older one stays until then.

    Parameters
    ----------
    source:
        Where the imagery comes from; the source that ``request`` names.
    regions:
        What to export; all windows are checked before anything is fetched.
    progress:
        Told after every tile, in megabytes of imagery.
    resume:
        Return a dataset of that name when it is the one that was asked for: an earlier attempt was killed
        after its last step.
    clock:
        Gives the time of creation.

    Raises
    ------
    DatasetError
        When there are no regions, two have one name, or the dataset's name is in use and ``overwrite`` is
        not asked for.
    SourceError
        When the source lacks a band that was asked for, or has nothing in a region.
    WorkspaceError
        When the disk is full or the workspace cannot be written.
    Cancelled
        When ``progress`` says so; a later export goes on from there.
    """
    target = workspace.dataset_folder(request.dataset)
    partial = workspace.unfinished_dataset_folder(request.dataset)
    work = _Export(workspace, request, source, tuple(regions), progress)
    if resume and (finished := work.made(target)) is not None:
        shutil.rmtree(partial, ignore_errors=True)
        return finished
    _check(target, request, regions)
    for region in regions:
        source.estimate(region.window)
    work.align()
    with files.clear_os_errors(target):
        with work.folder(partial):
            work.fetch(partial)
            records = [work.region(partial, region) for region in regions]
        manifest = work.manifest(records, clock())
        write_record(partial / "data" / _MANIFEST, manifest)
        files.move_folder(partial / "data", target)
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _check(target: Path, request: ExportRequest, regions: Sequence[Region]) -> None:
    if not regions:
        raise DatasetError(
            f"The regions {request.regions} are empty, so there is nothing to export.",
            "Draw or upload at least one region.",
        )
    names = [region.name.casefold() for region in regions]
    for region in regions:
        if names.count(region.name.casefold()) > 1:
            raise DatasetError(f"Two regions are named {region.name}.", "Give every region its own name.")
    if (target / _MANIFEST).exists() and not request.overwrite:
        raise DatasetError(
            f"The dataset name {request.dataset} is in use.",
            "Choose another name, or overwrite it (--overwrite on the command line).",
        )


@dataclass
class _Export:
    """One export: what is asked for, and how far it is."""

    workspace: Workspace
    request: ExportRequest
    source: ImagerySource
    regions: tuple[Region, ...]
    progress: Progress
    bands: tuple[Band, ...] = field(init=False)
    source_record: SourceRecord = field(init=False)
    _order: list[int] = field(init=False)
    _done: float = field(init=False, default=0.0)
    truths: dict[str, AlignedTruth | str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        known = {band.name: index for index, band in enumerate(self.source.bands)}
        wanted = self.request.bands if self.request.bands is not None else list(known)
        lacking = [name for name in wanted if name not in known]
        if lacking or not wanted or len(set(wanted)) < len(wanted):
            what = f"has no band {lacking[0]!r}" if lacking else "needs one or more bands, each once"
            raise SourceError(f"{self.source.label} {what}.", f"Its bands: {', '.join(known)}.")
        self._order = [known[name] for name in wanted]
        self.bands = tuple(self.source.bands[index] for index in self._order)
        self.source_record = SourceRecord.model_validate(
            {
                "kind": self.source.kind,
                "label": self.source.label,
                "simulated": self.source.simulated,
                "parameters": self.source.describe(),
                "attribution": self.request.attribution,
            }
        )

    def manifest(self, records: list[DatasetRegion], moment: datetime) -> DatasetManifest:
        """The manifest of the dataset with the regions ``records``, created at ``moment``."""
        return DatasetManifest(
            name=self.request.dataset,
            created=moment,
            source=self.source_record,
            regions_name=self.request.regions,
            period_start=self.request.period_start,
            period_end=self.request.period_end,
            bands=list(self.bands),
            point_spread_fwhm_m=self.request.fwhm_m,
            radiance_noise=self.source.usual_noise,
            regions=records,
        ).model_copy(update=self.request.glow)

    def made(self, target: Path) -> DatasetManifest | None:
        """The manifest of the dataset in ``target`` when this export has made it, or one alike; else None."""
        try:
            found = read_record(target / _MANIFEST, DatasetManifest)
        except NewerVersionError:
            raise
        except WorkspaceError:
            return None
        asked = [(each.name, each.role, each.to_feature()["geometry"], each.window) for each in self.regions]
        kept = [(each.name, each.role, each.geometry, each.window.window) for each in found.regions]
        # Datasets from before did not say their noise.
        usual = found.radiance_noise or self.source.usual_noise
        source = self.source_record if same_source(found.source, self.source_record) else found.source
        like = found.model_copy(update={"radiance_noise": usual, "source": source})
        same = like == self.manifest(found.regions, found.created)
        return found if same and json.dumps(asked, default=repr) == json.dumps(kept, default=repr) else None

    @contextlib.contextmanager
    def folder(self, partial: Path) -> Iterator[None]:
        """The folder of the unfinished export: the one that is there where it is of the same request.

        It stays when the block raises and a region was finished, so that the next export goes on from it.
        """
        mark = partial / _MARK
        wanted = fingerprint(self.request, self.source_record, self.bands, self.regions)
        same = mark.exists() and mark.read_text(encoding="utf-8") == wanted
        if not same or self._holds_another(partial):
            if mark.exists() and not same:
                self._report("an unfinished export of another request or version of the source is discarded")
            shutil.rmtree(partial, ignore_errors=True)
            (partial / "data").mkdir(parents=True)
            (partial / "finished").mkdir()
            files.write_text(mark, wanted)
        files.remove_partial(partial)
        try:
            yield
        except BaseException:
            kept = (partial / "finished", partial / FETCHED)
            if not any(any(folder.iterdir()) for folder in kept if folder.is_dir()):
                shutil.rmtree(partial, ignore_errors=True)
            raise

    def _holds_another(self, partial: Path) -> bool:
        """Whether the data are those of the older dataset, with which the new one has changed places."""
        if not (partial / "data" / _MANIFEST).exists():
            return False
        finished = [
            kept_region(partial / "finished" / f"{region.name}.json", partial / "data")
            for region in self.regions
        ]
        folders = {path.name for path in (partial / "data").iterdir() if path.is_dir()}
        return None in finished or not folders <= {region.name for region in self.regions}

    def align(self) -> None:
        """Align a fine truth of one's own with the regions, before anything else: it may not fit."""
        if isinstance(self.source, TruthSource):
            windows = {region.name: region.window for region in self.regions}
            spread = PointSpread(self.request.fwhm_m, self.request.glow_share, self.request.glow_fwhm_m)
            self.truths = dict(self.source.align_truth(windows, spread, self.progress))

    def fetch(self, partial: Path) -> None:
        """Bring the imagery of all unfinished regions here, where the source is afar."""
        finished = partial / "finished"
        windows = {
            region.name: region.window
            for region in self.regions
            if not (finished / f"{region.name}.json").exists()
        }
        if isinstance(self.source, FetchingSource) and windows:
            self.source.fetch(windows, partial / FETCHED, self.progress)

    def region(self, partial: Path, region: Region) -> DatasetRegion:
        """Export one region, or take the record of an earlier export that finished it."""
        finished = partial / "finished" / f"{region.name}.json"
        record = kept_region(finished, partial / "data")
        if record is None:
            record = _RegionExport(self, region, partial / "data").run()
            write_record(finished, record)
        else:
            self.advance(region, _megabytes(region.window, len(self.bands)), "kept from before")
        return record

    def advance(self, region: Region, megabytes: float, what: str) -> None:
        """Tell the progress of ``megabytes`` more imagery."""
        self._done += megabytes
        place = f"{region.name} ({self.regions.index(region) + 1} of {len(self.regions)})"
        self._report(f"{place}: {what}")

    def _report(self, message: str) -> None:
        total = sum(_megabytes(each.window, len(self.bands)) for each in self.regions)
        self.progress.update(self._done, total, unit="MB", message=message)

    def daytime(self, window: Window) -> NDArray[np.float32]:
        """The wanted bands, shape (bands, 16 height, 16 width)."""
        image = self.source.daytime(window)
        return image if self._order == list(range(len(image))) else image[self._order]


def _megabytes(window: Window, bands: int) -> float:
    height, width = window.fine_shape
    return height * width * bands * 4 / 1e6


class _RegionExport:
    """One region's rasters: daytime and truth on the analysis grid, VIIRS on its own."""

    def __init__(self, export: _Export, region: Region, data: Path) -> None:
        self._export = export
        self._region = region
        self._window = region.window
        self._data = data
        self._missing = 0
        self._months: int | None = None
        self._counts = RadianceCounts()

    def run(self) -> DatasetRegion:
        names = {kind: f"{self._region.name}/{kind}.tif" for kind in ("daytime", "viirs", "noise", "truth")}
        tiles = list(self._window.tiles(_TILE, _TILE))
        bands = self._export.bands
        tags = {"source": self._export.source.label, "region": self._region.name}
        if self._export.request.attribution:
            tags["attribution"] = " ".join(self._export.request.attribution)
        # The night first: a region without VIIRS is found before the long work.
        self._write(names["viirs"], self._nights(tiles), False, ["avg_rad"], [RADIANCE_UNIT], tags)
        noise = list(self._noises(tiles))
        if noise:
            units = [RADIANCE_UNIT, "images"]
            self._write(names["noise"], iter(noise), False, ["scatter", "images"], units, tags)
        else:
            del names["noise"]
        cog.write_geotiff(
            self._data / names["daytime"],
            self._days(tiles),
            window=self._window,
            fine=True,
            bands=[band.name for band in bands],
            units=[band.unit for band in bands],
            encodings=encodings_of(bands),
            tags=tags,
        )
        own = self._export.truths.get(self._region.name)
        if self._truth(next(iter(self._window.tiles(1, 1)))) is not None:
            self._write(names["truth"], self._truths(tiles), True, ["truth"], [RADIANCE_UNIT], tags)
        else:
            del names["truth"]
        pixels = int(np.prod(self._window.fine_shape))
        if self._missing == pixels:
            raise self._nothing("daytime")
        return DatasetRegion(
            name=self._region.name,
            role=self._region.role,
            geometry=self._region.to_feature()["geometry"],
            window=WindowRecord.of(self._window),
            daytime=names["daytime"],
            nighttime=names["viirs"],
            truth=names.get("truth"),
            noise=names.get("noise"),
            months_composed=self._months,
            sha256={name: files.sha256(self._data / name) for name in names.values()},
            missing_share=self._missing / pixels,
            radiance=self._counts.summary(),
            fine_truth=None if own is None or isinstance(own, str) else own.record,
            truth_note=own if isinstance(own, str) else "",
        )

    def _write(
        self,
        name: str,
        blocks: Iterator[cog.Block],
        fine: bool,
        bands: Sequence[str],
        units: Sequence[str],
        tags: dict[str, str],
    ) -> None:
        cog.write_geotiff(
            self._data / name, blocks, window=self._window, fine=fine, bands=bands, units=units, tags=tags
        )

    def _days(self, tiles: Sequence[Window]) -> Iterator[cog.Block]:
        for number, tile in enumerate(tiles, start=1):
            image = self._export.daytime(tile)
            self._missing += int(np.isnan(image).any(axis=0).sum())
            yield tile, image
            size = _megabytes(tile, len(self._export.bands))
            self._export.advance(self._region, size, f"tile {number} of {len(tiles)}")

    def _nights(self, tiles: Sequence[Window]) -> Iterator[cog.Block]:
        for tile in tiles:
            radiance = self._export.source.nighttime(tile)
            self._counts.add(radiance[np.isfinite(radiance)].astype(np.float64))
            yield tile, radiance
        if self._counts.known == 0:
            raise self._nothing("night-time")

    def _noises(self, tiles: Sequence[Window]) -> Iterator[cog.Block]:
        """Scatter and number of the night-time images; nothing where a pixel comes from one image."""
        source, counts = self._export.source, []
        if not isinstance(source, RepeatedSource):
            return
        for tile in tiles:
            noise = source.noise(tile)
            if noise is None:
                return
            counts.append(noise[1][noise[1] > 0])
            yield tile, noise
        self._months = int(np.median(np.concatenate(counts)))

    def _truth(self, window: Window) -> NDArray[np.float32] | None:
        own = self._export.truths.get(self._region.name)
        if own is None:
            return self._export.source.truth(window)
        return None if isinstance(own, str) else own.read(window)

    def _truths(self, tiles: Sequence[Window]) -> Iterator[cog.Block]:
        for tile in tiles:
            if (truth := self._truth(tile)) is not None:
                yield tile, truth

    def _nothing(self, what: str) -> NightlightsError:
        west, south, east, north = self._window.bounds
        return SourceError(
            f"{self._export.source.label} has no known {what} pixel in region {self._region.name} "
            f"({west:.3f} to {east:.3f} E, {south:.3f} to {north:.3f} N).",
            "Check which value means missing, or move the region.",
        )
