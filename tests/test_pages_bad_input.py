"""Bad input and bad disks on the pages: one clear sentence with a remedy, and nothing half-written."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from data_samples import geotiff, mounted_disk, read_only
from pages_workspace import add_dataset, add_regions, app
from rasterio.transform import from_bounds, from_origin
from shapely import box

from nightlights import cog
from nightlights.cli import main
from nightlights.datasets import Dataset
from nightlights.errors import WorkspaceError
from nightlights.files import PARTIAL_PREFIX
from nightlights.interface.navigation import PAGES
from nightlights.jobs import JobStore
from nightlights.manifests import ExportRequest
from nightlights.workspace import Workspace

__all__ = ["app"]

EVERY_PAGE = [page.key for page in PAGES if page.key != "tasks"]
"""The tasks of Earth Engine stand apart: they are of an account, not of the workspace."""


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    space = Workspace.open(tmp_path / "workspace")
    add_regions(space)
    add_dataset(space)
    return space


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MB."""
    with mounted_disk(tmp_path / "disk", 40) as folder:
        yield folder


@pytest.fixture
def on_disk(disk: Path) -> Workspace:
    """A workspace with regions and a dataset of 14 MB on it."""
    space = Workspace.open(disk / "workspace")
    add_regions(space)
    add_dataset(space)
    return space


def leave(disk: Path, free: int) -> None:
    """Fill the disk until ``free`` bytes are left."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - free))


def files(space: Workspace) -> dict[str, bytes]:
    """All files but those of jobs, which tell how they ended."""
    paths = (path for path in space.root.rglob("*") if path.is_file())
    found = {str(path.relative_to(space.root)): path for path in paths}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith("jobs/")}


def unfinished(space: Workspace) -> list[Path]:
    return list(space.root.rglob(f"{PARTIAL_PREFIX}*"))


def error_of(page: Any) -> str:
    """The one error that the page shows."""
    assert not page.exception, page.exception
    (error,) = page.error
    assert "Traceback" not in error.value
    return str(error.value)


def press(page: Any, label: str) -> None:
    next(button for button in page.button if button.label == label).click().run()


def offered(page: Any, label: str) -> bool:
    """Whether a button may be pressed."""
    return any(button.label == label and not button.disabled for button in page.button)


def wait_for_jobs(space: Workspace, page: Any) -> list[str]:
    """Let the background jobs end and the page show it; gives their states."""
    store = JobStore(space)
    states = [store.wait(job.id, 120).state for job in store.list()]
    page.run()
    return states


def ask_for_rasters(app: Any, space: Workspace, day: Path, night: Path) -> Any:
    page = app("imagery", space, export_source="rasters")
    page.text_area(key="export_daytime").set_value(str(day))
    page.text_area(key="export_nighttime").set_value(str(night)).run()
    return page


@pytest.fixture
def rasters(tmp_path: Path) -> tuple[Path, Path]:
    """A daytime and a VIIRS GeoTIFF around all regions of the workspace."""
    rng = np.random.default_rng(1)
    transform = from_bounds(-1, -5, 16, 10, 170, 150)
    day = geotiff(tmp_path / "day.tif", rng.random((2, 150, 170), np.float32), transform)
    night = geotiff(tmp_path / "night.tif", rng.random((1, 150, 170), np.float32), transform)
    return day, night


@pytest.mark.parametrize("which", [0, 1], ids=["day", "night"])
def test_a_raster_that_is_cut_off_at_its_head_is_told_before_the_export(
    app: Any, space: Workspace, rasters: tuple[Path, Path], which: int
) -> None:
    path = rasters[which]
    path.write_bytes(path.read_bytes()[:50])
    before = files(space)
    page = ask_for_rasters(app, space, *rasters)
    said = error_of(page)
    assert f"{path.name} cannot be read as a raster" in said
    assert "truncated or damaged: copy or download it again" in said
    assert not offered(page, "Export")
    assert files(space) == before


def test_a_raster_whose_end_is_missing_ends_the_export_in_a_sentence(
    app: Any, space: Workspace, rasters: tuple[Path, Path]
) -> None:
    path = rasters[1]
    path.write_bytes(path.read_bytes()[:10_000])
    before = files(space)
    page = ask_for_rasters(app, space, *rasters)
    press(page, "Export")
    assert wait_for_jobs(space, page) == ["failed"]
    said = error_of(page)
    assert "night.tif cannot be read as a raster" in said
    assert "truncated or damaged: copy or download it again" in said
    assert files(space) == before
    assert not unfinished(space)


def test_dismissing_an_export_that_failed_removes_the_regions_it_kept(
    app: Any, space: Workspace, rasters: tuple[Path, Path]
) -> None:
    path = rasters[1]
    path.write_bytes(path.read_bytes()[:-40_000])
    before = files(space)
    page = ask_for_rasters(app, space, *rasters)
    for _ in range(2):
        press(page, "Export")
        assert "failed" in wait_for_jobs(space, page)
    (kept,) = unfinished(space)
    assert [file.stem for file in sorted(kept.glob("finished/*"))] == ["abuja", "accra", "lagos"]
    press(page, "Dismiss")
    assert unfinished(space) == [kept], "the older job may still be resumed"
    press(page, "Dismiss")
    assert not page.error
    assert JobStore(space).list() == []
    assert not unfinished(space)
    assert files(space) == before


@pytest.mark.parametrize("which", ["day", "night"])
def test_a_raster_that_lies_nowhere_is_told_before_the_export(
    app: Any, space: Workspace, rasters: tuple[Path, Path], tmp_path: Path, which: str
) -> None:
    values = np.ones((1, 20, 20), np.float32)
    nowhere = geotiff(tmp_path / "nowhere.tif", values, from_origin(0, 2, 0.1, 0.1), crs=None)
    day, night = rasters
    page = ask_for_rasters(
        app, space, nowhere if which == "day" else day, night if which == "day" else nowhere
    )
    said = error_of(page)
    assert "nowhere.tif has no coordinate reference system" in said
    assert "gdal_edit -a_srs" in said
    assert not offered(page, "Export")


def test_a_patch_that_fits_no_region_is_told_before_training(app: Any, space: Workspace) -> None:
    page = app("train", space)
    assert offered(page, "Train")
    page.number_input(key="train_patch_size").set_value(512).run()
    said = error_of(page)
    assert "A patch of 512 x 512 pixels does not fit any of the 3 regions: lagos (320 x 320 pixels), " in said
    assert "Choose a patch size of at most 320 pixels, or export larger regions." in said
    assert not offered(page, "Train")


def test_a_dataset_without_a_single_patch_ends_the_training_in_a_sentence(app: Any, space: Workspace) -> None:
    for path in space.dataset_folder("cities").glob("*-daytime.tif"):
        with rasterio.open(path, "r+") as raster:
            image = raster.read()
            # Three of four columns: no place for a patch lacks as little as a fifth.
            image[:, :, np.arange(image.shape[2]) % 4 > 0] = np.nan
            raster.write(image)
    page = app("train", space)
    press(page, "Train")
    assert wait_for_jobs(space, page) == ["failed"]
    said = error_of(page)
    assert "Region lagos gives no patch: every place lacks at least 75% of its pixels" in said
    assert "Allow a larger missing share" in said
    assert space.run_names() == []
    assert not list(space.root.glob("runs/*"))
    assert not unfinished(space)


def test_a_dataset_of_missing_pixels_alone_is_one_line_on_the_command_line(
    space: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in space.dataset_folder("cities").glob("*-daytime.tif"):
        with rasterio.open(path, "r+") as raster:
            raster.write(np.full(raster.shape, np.nan, np.float32)[None].repeat(raster.count, axis=0))
    code = main(["train", "--dataset", "cities", "--run", "dark", "--workspace", str(space.root)])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err == (
        "Region lagos gives no patch: all its pixels are missing, by day or by night. "
        "Leave the region out, or export it again from other imagery.\n"
    )
    assert not list(space.root.glob("runs/*"))


def draw(page: Any, west: float, south: float) -> None:
    """Let the map of the Regions page say that one region was drawn."""
    (work,) = page.session_state["regions-work"].values()
    revision = work.editor.revision
    stamp = {"type": "Feature", "geometry": None, "properties": {"revision": revision}}
    shape = {
        "type": "Feature",
        "properties": {"uid": "m1", "role": "train"},
        "geometry": json.loads(json.dumps(box(west, south, west + 0.3, south + 0.3).__geo_interface__)),
    }
    page.session_state["regions-map"] = {"all_drawings": [stamp, shape]}
    page.run()


def test_regions_drawn_on_a_full_disk_stay_on_the_screen_and_the_file_stays_whole(
    app: Any, disk: Path, on_disk: Workspace
) -> None:
    page = app("regions", on_disk)
    before = files(on_disk)
    leave(disk, 0)
    draw(page, 20, 10)
    said = error_of(page)
    assert "The regions are not saved." in said
    assert "the disk is full. Free some space" in said
    assert [region.role for region in page.session_state["regions-work"]["cities"].editor.regions] == [
        "train"
    ]
    assert files(on_disk) == before
    assert not unfinished(on_disk)


@pytest.mark.parametrize(("name", "button"), [("train", "Train"), ("imagery", "Export")])
def test_a_job_on_a_full_disk_is_refused_and_leaves_nothing(
    app: Any, disk: Path, on_disk: Workspace, name: str, button: str
) -> None:
    page = app(name, on_disk)
    before = files(on_disk)
    leave(disk, 0)
    press(page, button)
    said = error_of(page)
    assert "the disk is full" in said or "too little room" in said
    assert "Free some space" in said
    assert PARTIAL_PREFIX not in said
    assert JobStore(on_disk).list() == []
    assert files(on_disk) == before
    assert not unfinished(on_disk)


def test_training_on_a_disk_that_fills_up_ends_in_a_sentence(
    app: Any, disk: Path, on_disk: Workspace
) -> None:
    page = app("train", on_disk)
    before = files(on_disk)
    leave(disk, 400_000)
    press(page, "Train")
    assert wait_for_jobs(on_disk, page) == ["failed"]
    said = error_of(page)
    assert "the disk is full (3.7 MB needed, 0.4 MB free)" in said
    assert "Free some space" in said
    assert files(on_disk) == before
    assert on_disk.run_names() == []
    assert not unfinished(on_disk)


def test_an_export_that_does_not_fit_cannot_be_started(app: Any, disk: Path, on_disk: Workspace) -> None:
    leave(disk, 2_000_000)
    page = app("imagery", on_disk)
    said = error_of(page)
    assert "The disk has too little room for this." in said
    assert "Free some space, or export fewer regions." in said
    assert not offered(page, "Export")


def test_an_export_on_a_disk_that_fills_up_keeps_whole_regions_alone_and_goes_on_when_there_is_room(
    app: Any, disk: Path, on_disk: Workspace
) -> None:
    leave(disk, 8_000_000)
    with pytest.raises(WorkspaceError, match="the disk is full"):
        JobStore(on_disk).run_in_foreground("export", ExportRequest(dataset="west", regions="cities"))
    (kept,) = unfinished(on_disk)
    assert [path.stem for path in kept.glob("finished/*")] == ["lagos"]
    for path in kept.rglob("*.tif"):
        cog.read(path)
    written = (kept / "data" / "lagos" / "daytime.tif").stat().st_mtime_ns
    page = app("imagery", on_disk)
    said = [error.value for error in page.error]
    assert any("the disk is full" in each and "Free some space" in each for each in said)
    assert on_disk.dataset_names() == ["cities"]
    (disk / "ballast").unlink()
    press(page, "Resume")
    assert wait_for_jobs(on_disk, page) == ["done"]
    assert not page.error
    dataset = Dataset.open(on_disk, "west")
    dataset.verify()
    assert dataset.path("lagos/daytime.tif").stat().st_mtime_ns == written
    assert not unfinished(on_disk)


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_every_page_says_that_the_workspace_is_for_reading_only(
    app: Any, disk: Path, on_disk: Workspace, name: str
) -> None:
    with read_only(disk):
        page = app(name, on_disk)
    said = error_of(page)
    assert f"Cannot write {on_disk.root}: the file system is read-only." in said
    assert "Choose a folder that you may write to." in said


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_every_page_says_that_a_file_is_in_the_workspace_s_place(app: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    said = error_of(app(name, Workspace(tmp_path / "file")))
    assert "it is a file" in said
    assert "Choose another folder." in said


def test_a_workspace_that_turns_read_only_is_told_at_the_next_change(
    app: Any, disk: Path, on_disk: Workspace
) -> None:
    before = files(on_disk)
    pages = {name: app(name, on_disk) for name in ("regions", "imagery", "train")}
    with read_only(disk):
        draw(pages["regions"], 20, 10)
        press(pages["imagery"], "Export")
        press(pages["train"], "Train")
        for page in pages.values():
            said = error_of(page)
            assert "the file system is read-only" in said
            assert "Choose a folder that you may write to." in said
        home = app("home", on_disk)
        assert "the file system is read-only" in error_of(home)
    assert files(on_disk) == before
    assert JobStore(on_disk).list() == []


@pytest.mark.parametrize("name", ["regions", "jobs"])
def test_a_file_in_the_place_of_a_folder_is_told_and_stays(app: Any, space: Workspace, name: str) -> None:
    folder = space.root / name
    if name == "regions":
        shutil.rmtree(folder, ignore_errors=True)
        folder.write_text("mine")
        page = app("regions", space)
        draw(page, 20, 10)
    else:
        folder.write_text("mine")
        page = app("train", space)
        press(page, "Train")
    said = error_of(page)
    assert str(folder) in said
    assert "another" in said
    assert folder.read_text() == "mine"
