"""Exports: whole or absent, resumable, refused with a remedy; datasets read back what the source gave."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_samples import BANDS, AnalyticSource, mounted_disk, region, request
from numpy.typing import NDArray

from nightlights import cog, files
from nightlights.datasets import RADIANCE_EDGES, Dataset, estimate_export, export_dataset
from nightlights.errors import Cancelled, DatasetError, SourceError, WorkspaceError
from nightlights.grid import Window
from nightlights.progress import NoProgress
from nightlights.workspace import Workspace

NORTH = Window(45_000, 18_000, 70, 33)
SOUTH = Window(45_100, 18_100, 20, 24)
REGIONS = (region("north", NORTH), region("south", SOUTH, "evaluate"))


class Recorded:
    """Progress that keeps what it is told, and cancels after a number of calls."""

    def __init__(self, cancel_after: int = 10**9) -> None:
        self.calls: list[tuple[float, float, str, str]] = []
        self.cancel_after = cancel_after

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        self.calls.append((done, total, unit, message))
        if len(self.calls) >= self.cancel_after:
            raise Cancelled


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


def exported(workspace: Workspace, source: AnalyticSource | None = None, **fields: Any) -> Dataset:
    export_dataset(workspace, request(**fields), source or AnalyticSource(), REGIONS, NoProgress())
    return Dataset.open(workspace, "sample")


def rows_and_columns(window: Window) -> NDArray[np.int64]:
    rows = np.arange(window.row, window.row + window.height)[:, None]
    return (rows * 3 + np.arange(window.column, window.column + window.width) * 5) % 200


def test_a_dataset_gives_back_what_the_source_gave(workspace: Workspace) -> None:
    source = AnalyticSource()
    dataset = exported(workspace, source)
    for name, window in (("north", NORTH), ("south", SOUTH)):
        day = dataset.read_daytime(name)
        np.testing.assert_allclose(day[:2], source.daytime(window)[:2], rtol=0, atol=2e-7)
        np.testing.assert_allclose(day[2], source.daytime(window)[2], rtol=0, atol=0.005)
        np.testing.assert_array_equal(dataset.read_nighttime(name), source.nighttime(window))
        np.testing.assert_array_equal(dataset.read_truth(name), source.truth(window))
    part = Window(NORTH.column + 60, NORTH.row + 3, 5, 7)
    np.testing.assert_array_equal(
        dataset.read_daytime("north", part),
        dataset.read_daytime("north")[(slice(None), *part.fine_slices_in(NORTH))],
    )
    np.testing.assert_array_equal(dataset.read_nighttime("north", part), source.nighttime(part))


def test_the_manifest_says_what_was_exported(workspace: Workspace) -> None:
    moment = datetime(2024, 5, 6, tzinfo=UTC)
    hole = Window(SOUTH.column, SOUTH.row, 10, 6)
    manifest = export_dataset(
        workspace,
        request(period_start="2021-01-01", fwhm_m=600),
        AnalyticSource(holes=(hole,)),
        REGIONS,
        NoProgress(),
        clock=lambda: moment,
    )
    assert manifest == Dataset.open(workspace, "sample").manifest
    assert manifest.created == moment and manifest.period_start == "2021-01-01"
    assert manifest.point_spread_fwhm_m == 600 and manifest.source.simulated
    north, south = manifest.regions
    assert (north.role, south.role) == ("train", "evaluate")
    assert north.missing_share == 0 and south.missing_share == 60 / (20 * 24)
    assert north.window.window == NORTH
    radiance = rows_and_columns(NORTH) / 10 - 0.5
    assert north.radiance.mean == pytest.approx(radiance.mean(), rel=1e-6)
    assert north.radiance.maximum == pytest.approx(radiance.max())
    assert north.radiance.lit_share == pytest.approx((radiance.astype(np.float32) > 0.5).mean())
    assert sum(north.radiance.counts) == NORTH.width * NORTH.height
    assert north.radiance.edges == south.radiance.edges == list(RADIANCE_EDGES)
    lit = [count for count, edge in zip(north.radiance.counts, RADIANCE_EDGES, strict=False) if edge >= 0.5]
    assert sum(lit) == (radiance.astype(np.float32) >= 0.5).sum()


def test_only_the_wanted_bands_are_kept_in_the_order_asked_for(workspace: Workspace) -> None:
    dataset = exported(workspace, bands=["B10", "SR_B4"])
    assert [band.name for band in dataset.manifest.bands] == ["B10", "SR_B4"]
    whole = AnalyticSource().daytime(SOUTH)
    np.testing.assert_allclose(dataset.read_daytime("south")[1], whole[0], rtol=0, atol=2e-7)


@pytest.mark.parametrize("bands", [["SR_B99"], [], ["B10", "B10"]])
def test_bands_that_cannot_be_had_are_refused(workspace: Workspace, bands: list[str]) -> None:
    with pytest.raises(SourceError, match="Its bands: SR_B4, SR_B5, B10"):
        exported(workspace, bands=bands)
    assert not list(workspace.root.glob("datasets/*"))


def test_progress_counts_every_tile_of_every_region_to_the_end(workspace: Workspace) -> None:
    progress = Recorded()
    export_dataset(workspace, request(), AnalyticSource(), REGIONS, progress)
    done = [call[0] for call in progress.calls]
    assert done == sorted(done)
    pixels = (NORTH.width * NORTH.height + SOUTH.width * SOUTH.height) * 256
    assert done[-1] == pytest.approx(pixels * 3 * 4 / 1e6) and progress.calls[-1][1] == pytest.approx(
        done[-1]
    )
    assert progress.calls[0][2:] == ("MB", "north (1 of 2): tile 1 of 2")
    assert progress.calls[-1][3] == "south (2 of 2): tile 1 of 1"


def test_a_cancelled_export_is_not_listed_and_goes_on_where_it_was(workspace: Workspace) -> None:
    with pytest.raises(Cancelled):
        export_dataset(workspace, request(), AnalyticSource(), REGIONS, Recorded(cancel_after=3))
    assert workspace.dataset_names() == []
    second = AnalyticSource()
    manifest = export_dataset(workspace, request(), second, REGIONS, NoProgress())
    assert not any(NORTH.contains(window) for window in second.calls)
    assert [each.name for each in manifest.regions] == ["north", "south"]
    dataset = Dataset.open(workspace, "sample")
    dataset.verify()
    assert [path.name for path in workspace.root.glob("datasets/*")] == ["sample"]
    other = Workspace.open(workspace.root / "other")
    export_dataset(other, request(), AnalyticSource(), REGIONS, NoProgress())
    assert Dataset.open(other, "sample").sha256 == dataset.sha256


@pytest.mark.parametrize("change", ["request", "regions", "source", "file"])
def test_regions_of_another_request_or_damaged_ones_are_fetched_again(
    workspace: Workspace, change: str
) -> None:
    with pytest.raises(Cancelled):
        export_dataset(workspace, request(), AnalyticSource(), REGIONS, Recorded(cancel_after=3))
    if change == "file":
        (file,) = workspace.root.glob("datasets/.partial-export-sample/data/north/daytime.tif")
        file.write_bytes(file.read_bytes()[:-100])
    second = AnalyticSource(holes=(Window(0, 0, 1, 1),) if change == "source" else ())
    regions = (REGIONS[0], region("south", SOUTH.expand(1))) if change == "regions" else REGIONS
    fields = {"period_start": "2020-01-01"} if change == "request" else {}
    export_dataset(workspace, request(**fields), second, regions, NoProgress())
    assert any(NORTH.contains(window) for window in second.calls)
    Dataset.open(workspace, "sample").verify()


def test_a_name_in_use_is_refused_unless_it_may_be_overwritten(workspace: Workspace) -> None:
    before = exported(workspace)
    with pytest.raises(DatasetError, match=r"name sample is in use.*Choose another name"):
        exported(workspace)
    assert Dataset.open(workspace, "sample").sha256 == before.sha256
    after = exported(workspace, AnalyticSource(truth=False), overwrite=True)
    assert after.read_truth("north") is None and after.sha256 != before.sha256
    assert [path.name for path in workspace.root.glob("datasets/*")] == ["sample"]


def test_a_failing_overwrite_leaves_the_old_dataset_alone(workspace: Workspace) -> None:
    before = exported(workspace)
    source = AnalyticSource(holes=(SOUTH,))
    with pytest.raises(SourceError, match=r"no known daytime pixel in region south"):
        exported(workspace, source, overwrite=True)
    assert Dataset.open(workspace, "sample").sha256 == before.sha256
    before.verify()


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", ["before", "after"])
def test_an_overwrite_killed_around_its_last_step_resumes_to_the_new_dataset(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    exported(workspace)
    new = (region("north", NORTH), region("other", SOUTH, "evaluate"))
    move = files.move_folder

    def kill(source: Path, target: Path) -> None:
        if at == "after":
            # As the exchange leaves it: the older dataset is where the new one was made.
            target.rename(aside := target.with_name("aside"))
            source.rename(target)
            aside.rename(source)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(files, "move_folder", kill)
        with pytest.raises(Killed):
            export_dataset(workspace, request(overwrite=True), AnalyticSource(), new, NoProgress())
    assert files.move_folder is move
    assert Dataset.open(workspace, "sample").regions()
    source = AnalyticSource()
    export_dataset(workspace, request(overwrite=True), source, new, NoProgress())
    dataset = Dataset.open(workspace, "sample")
    dataset.verify()
    assert {path.name for path in dataset.folder.iterdir()} == {"north", "other", "dataset.json"}
    assert [path.name for path in workspace.root.glob("datasets/*")] == ["sample"]
    # What was finished before the last step is not fetched again.
    assert bool(source.calls) == (at == "after")


def test_an_export_of_no_regions_is_refused(workspace: Workspace) -> None:
    with pytest.raises(DatasetError, match=r"some-regions are empty.*at least one region"):
        export_dataset(workspace, request(), AnalyticSource(), [], NoProgress())


def test_two_regions_of_one_name_are_refused(workspace: Workspace) -> None:
    twice = [region("lagos", NORTH), region("Lagos", SOUTH)]
    with pytest.raises(DatasetError, match=r"Two regions are named lagos"):
        export_dataset(workspace, request(), AnalyticSource(), twice, NoProgress())


def test_a_region_that_is_missing_by_night_ends_in_a_clear_word(workspace: Workspace) -> None:
    class Unlit(AnalyticSource):
        def nighttime(self, window: Window) -> NDArray[np.float32]:
            return np.full(window.shape, np.nan, np.float32)

    with pytest.raises(SourceError, match=r"no known night-time pixel in region north \(7\.498 to 7\.790 E"):
        exported(workspace, Unlit())
    assert not list(workspace.root.glob("datasets/*"))


@pytest.mark.parametrize("checked", [True, False], ids=["seen before", "seen while writing"])
def test_a_full_disk_ends_in_a_clear_word_and_goes_on_when_there_is_space(
    tmp_path: Path, checked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted_disk(tmp_path / "small", 3) as folder:
        workspace = Workspace.open(folder)
        ballast = folder / "ballast"
        ballast.write_bytes(b"0" * 2_900_000)
        if not checked:
            monkeypatch.setattr(cog, "require_space", lambda folder, size: None)
        small = [region("small", Window(45_000, 18_000, 16, 16))]
        with pytest.raises(WorkspaceError, match=r"the disk is full.*Free some space"):
            export_dataset(workspace, request(), AnalyticSource(), small, NoProgress())
        assert workspace.dataset_names() == []
        assert not list(folder.rglob("*.tif"))
        ballast.unlink()
        export_dataset(workspace, request(), AnalyticSource(), small, NoProgress())
        Dataset.open(workspace, "sample").verify()


def test_the_digest_tells_content_and_nothing_else(workspace: Workspace) -> None:
    first = exported(workspace)
    export_dataset(workspace, request("renamed"), AnalyticSource(), REGIONS, NoProgress())
    assert Dataset.open(workspace, "renamed").sha256 == first.sha256
    # Fields of a later version, wherever they are, leave the digest as it is.
    path = workspace.dataset_folder("renamed") / "dataset.json"
    later = json.loads(path.read_text())
    for record in (later, later["bands"][0], later["regions"][0], later["regions"][0]["window"]):
        record["later"] = 1
    path.write_text(json.dumps(later))
    assert Dataset.open(workspace, "renamed").sha256 == first.sha256
    swapped = (region("north", NORTH, "evaluate"), REGIONS[1])
    export_dataset(workspace, request("swapped"), AnalyticSource(), swapped, NoProgress())
    assert Dataset.open(workspace, "swapped").sha256 != first.sha256


def test_regions_are_found_by_role_and_name(workspace: Workspace) -> None:
    dataset = exported(workspace)
    assert [each.name for each in dataset.regions("evaluate")] == ["south"]
    assert [each.name for each in dataset.regions(names=["south", "north"])] == ["south", "north"]
    with pytest.raises(DatasetError, match=r"no region east.*Its regions: north, south"):
        dataset.regions(names=["east"])


def test_a_dataset_that_is_gone_or_broken_is_told(workspace: Workspace) -> None:
    with pytest.raises(DatasetError, match=r"no dataset sample.*Export it first"):
        Dataset.open(workspace, "sample")
    dataset = exported(workspace)
    raster = dataset.path(dataset.region("south").daytime)
    content = raster.read_bytes()
    raster.write_bytes(content[:-1] + b"!")
    with pytest.raises(DatasetError, match=r"has changed since it was exported"):
        dataset.verify()
    raster.unlink()
    with pytest.raises(DatasetError, match=r"lacks its file south/daytime\.tif"):
        Dataset.open(workspace, "sample")


def test_memory_is_bounded_by_the_tile_and_not_by_the_region(workspace: Workspace) -> None:
    source = AnalyticSource(bands=BANDS[:1], truth=False)
    long = [region("long", Window(45_000, 18_000, 200, 20))]
    export_dataset(workspace, request(), source, long, NoProgress())
    assert max(window.width * window.height for window in source.calls) <= 64 * 64


def test_the_estimate_adds_up_the_regions() -> None:
    estimate = estimate_export(AnalyticSource(), REGIONS, 256)
    assert estimate.stored_bytes == (70 * 33 + 20 * 24) * 1000
    assert estimate.seconds == 1.0
    assert estimate.patches == {"north": 8, "south": 1}


def test_an_unwritable_workspace_is_told(workspace: Workspace) -> None:
    (workspace.root / "datasets").write_text("a file in the way")
    with pytest.raises(WorkspaceError, match=r"Cannot write .*a part of the path is a file"):
        exported(workspace)


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.rglob("*-tiled.tif"))


def test_an_estimate_passes_on_what_the_source_wants_said() -> None:
    source = AnalyticSource()
    source.notes = ("0 counts as missing.",)
    assert estimate_export(source, REGIONS, 64).notes == ("0 counts as missing.",)
