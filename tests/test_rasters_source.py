"""The user's own rasters: warped onto the grid by what GDAL knows, judged by formulas and by scipy."""

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from data_samples import geotiff, region, request
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.warp import transform
from scipy.ndimage import map_coordinates

from nightlights import cog
from nightlights.bands import LANDSAT_BANDS
from nightlights.datasets import Dataset, export_dataset
from nightlights.errors import RasterError, SourceError
from nightlights.grid import VIIRS_PER_DEGREE, Window
from nightlights.progress import NoProgress
from nightlights.sources import raster_files
from nightlights.sources.rasters import RastersSource
from nightlights.workspace import Workspace

WINDOW = Window(50_232, 18_744, 12, 10)
AROUND = WINDOW.expand(4)


def night(
    folder: Path, values: NDArray[np.floating] | None = None, name: str = "night.tif", **profile: object
) -> str:
    radiance = np.arange(AROUND.width * AROUND.height, dtype=np.float32).reshape(AROUND.shape) - 3
    return str(geotiff(folder / name, radiance if values is None else values, AROUND.transform, **profile))


def day(
    folder: Path, values: NDArray[np.generic] | None = None, name: str = "day.tif", **profile: object
) -> str:
    image = np.ones((1, *AROUND.fine_shape), np.float32) if values is None else values
    return str(geotiff(folder / name, image, AROUND.fine_transform, **profile))


def utm_ramp(folder: Path, pixel: float, hole: bool = False, name: str = "ramp.tif") -> str:
    """A plane in UTM 35 S: easting and northing in km, so that every right warp gives it back."""
    west, south, east, north = AROUND.expand(3).bounds
    xs, ys = transform("EPSG:4326", "EPSG:32735", [west, east, west, east], [south, south, north, north])
    left, top = min(xs), max(ys)
    width, height = (math.ceil((max(v) - min(v)) / pixel) for v in (xs, ys))
    affine = Affine(pixel, 0, left, 0, -pixel, top)
    x = left + (np.arange(width) + 0.5) * pixel
    y = top - (np.arange(height) + 0.5) * pixel
    plane = np.stack(np.broadcast_arrays(x[None, :] / 1000, y[:, None] / 1000)).astype(np.float64)
    if hole:
        plane[:, height // 2 - 3 : height // 2 + 3, width // 2 - 3 : width // 2 + 3] = -9999
    return str(geotiff(folder / name, plane, affine, "EPSG:32735", nodata=-9999 if hole else None))


def in_utm(window: Window) -> NDArray[np.float64]:
    """Easting and northing in km of the analysis pixels' centres."""
    longitudes, latitudes = np.meshgrid(window.fine_longitudes, window.fine_latitudes)
    plane = transform("EPSG:4326", "EPSG:32735", longitudes.ravel(), latitudes.ravel())
    return np.array(plane).reshape(2, *window.fine_shape) / 1000


@pytest.mark.parametrize("pixel", [7.0, 25.0, 30.0, 250.0])
def test_a_plane_in_another_projection_comes_back_as_a_plane(tmp_path: Path, pixel: float) -> None:
    source = RastersSource([utm_ramp(tmp_path, pixel)], [night(tmp_path)])
    image = source.daytime(WINDOW)
    assert image.dtype == np.float32 and image.shape == (2, *WINDOW.fine_shape)
    # Interpolation of a plane is exact; a mean over whole and partial pixels errs by a part of one.
    tolerance = 2e-3 if pixel > 20 else pixel / 1000 / 2
    np.testing.assert_allclose(image, in_utm(WINDOW), rtol=0, atol=tolerance)


def test_fine_detail_is_averaged_and_not_picked(tmp_path: Path) -> None:
    # A board of 0 and 1 with squares a quarter of an analysis pixel wide: every mean is one half.
    height, width = (4 * side for side in AROUND.fine_shape)
    board = (np.add.outer(np.arange(height), np.arange(width)) % 2).astype(np.uint8)
    affine = AROUND.fine_transform @ Affine.scale(0.25) @ Affine.translation(0.4, 0.4)
    file = str(geotiff(tmp_path / "board.tif", board, affine))
    image = RastersSource([file], [night(tmp_path)]).daytime(WINDOW)
    assert image.min() > 0.3 and image.max() < 0.7 and image.mean() == pytest.approx(0.5, abs=0.01)


def test_a_mean_is_over_the_known_part_and_missing_below_half(tmp_path: Path) -> None:
    values = np.full((AROUND.fine_shape[0] * 4, AROUND.fine_shape[1] * 4), 7.0, np.float32)
    values[:, 200:] = np.nan
    values[:, 198] = 1.0
    affine = AROUND.fine_transform @ Affine.scale(0.25)
    file = str(geotiff(tmp_path / "a.tif", values, affine))
    image = RastersSource([file], [night(tmp_path)]).daytime(AROUND)[0]
    # Columns 196..199 of the file are analysis column 49: 7, 7, 1, 7.
    assert image[100, 48] == 7 and image[100, 49] == pytest.approx(5.5) and np.isnan(image[100, 50])
    values[:, 201] = 3.0
    values[:, 203:] = 3.0
    geotiff(tmp_path / "a.tif", values, affine)
    image = RastersSource([file], [night(tmp_path)]).daytime(AROUND)[0]
    assert image[100, 50] == pytest.approx(3.0)
    values[:, 203] = np.nan
    geotiff(tmp_path / "a.tif", values, affine)
    assert np.isnan(RastersSource([file], [night(tmp_path)]).daytime(AROUND)[0, 100, 50])


@settings(max_examples=6, deadline=None)
@given(st.integers(3, 12), st.integers(3, 10), st.sampled_from([9.0, 25.0, 40.0]))
def test_the_result_does_not_depend_on_how_the_window_is_cut(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, pixel: float
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    source = RastersSource([utm_ramp(folder, pixel, hole=True)], [night(folder)])
    whole = source.daytime(WINDOW)
    for tile in WINDOW.tiles(height, width):
        part = whole[(slice(None), *tile.fine_slices_in(WINDOW))]
        np.testing.assert_allclose(source.daytime(tile), part, rtol=0, atol=1e-3)
    assert 0 < np.isnan(whole).mean() < 0.5


def test_missing_pixels_stay_missing_and_do_not_spread_when_interpolated(tmp_path: Path) -> None:
    file = utm_ramp(tmp_path, 100.0, hole=True)
    image = RastersSource([file], [night(tmp_path)]).daytime(WINDOW)
    with cog.opened(file) as dataset:
        hole = dataset.read(1) == -9999
        columns, rows = ~dataset.transform @ tuple(in_utm(WINDOW) * 1000)
    nearest = map_coordinates(hole.astype(float), [rows - 0.5, columns - 0.5], order=0) > 0.5
    assert nearest.sum() > 100
    np.testing.assert_array_equal(np.isnan(image), np.stack([nearest, nearest]))
    assert np.nanmin(image) > 0


@pytest.mark.parametrize("zoom", [0.25, 3.0])
def test_each_band_has_its_own_missing_pixels(tmp_path: Path, zoom: float) -> None:
    height, width = (round(side / zoom) for side in AROUND.fine_shape)
    cube = np.empty((3, height, width), np.float32)
    cube[:] = np.array([1.0, 2.0, 3.0])[:, None, None]
    cube[0, :, : width // 2] = np.nan
    cube[1, : height // 2] = np.nan
    file = str(geotiff(tmp_path / "a.tif", cube, AROUND.fine_transform @ Affine.scale(zoom)))
    image = RastersSource([file], [night(tmp_path)]).daytime(AROUND)
    rows, columns = np.indices(AROUND.fine_shape)
    # The pixels on the border itself may fall on either side.
    clear = (np.abs(rows - height * zoom / 2) > 3) & (np.abs(columns - width * zoom / 2) > 3)
    expected = np.stack([columns < width * zoom / 2, rows < height * zoom / 2, rows < 0])
    np.testing.assert_array_equal(np.isnan(image)[:, clear], expected[:, clear])
    for band, value in enumerate((1.0, 2.0, 3.0)):
        assert (image[band][np.isfinite(image[band])] == value).all()


def test_a_night_raster_on_the_grid_comes_through_to_the_last_bit(tmp_path: Path) -> None:
    radiance = np.random.default_rng(1).normal(2, 3, AROUND.shape)
    source = RastersSource([day(tmp_path)], [night(tmp_path, radiance)])
    inside = WINDOW.slices_in(AROUND)
    np.testing.assert_array_equal(source.nighttime(WINDOW), radiance.astype(np.float32)[inside])
    # Pixels that differ in the tenth digit from 15 arc-seconds are still on the grid, as in real files.
    inexact = AROUND.transform @ Affine.scale(1 - 4e-8)
    geotiff(tmp_path / "night.tif", radiance, inexact)
    source = RastersSource([day(tmp_path)], [str(tmp_path / "night.tif")])
    np.testing.assert_array_equal(source.nighttime(WINDOW), radiance.astype(np.float32)[inside])


def test_a_night_raster_beside_the_grid_is_interpolated(tmp_path: Path) -> None:
    shifted = AROUND.transform @ Affine.translation(0.5, -0.5)
    radiance = np.add.outer(np.arange(AROUND.height), 2.0 * np.arange(AROUND.width)).astype(np.float32)
    file = str(geotiff(tmp_path / "night.tif", radiance, shifted))
    image = RastersSource([day(tmp_path)], [file]).nighttime(WINDOW)
    expected = radiance[WINDOW.slices_in(AROUND)] + 0.5 - 2 * 0.5
    np.testing.assert_allclose(image, expected, atol=1e-4)


def test_outside_the_rasters_is_missing_and_wholly_outside_is_refused(tmp_path: Path) -> None:
    source = RastersSource([day(tmp_path)], [night(tmp_path)])
    half = Window(AROUND.column - 6, AROUND.row, 12, AROUND.height)
    assert np.isnan(source.daytime(half)[0, :, :96]).all() and (source.daytime(half)[0, :, 96:] == 1).all()
    assert np.isnan(source.nighttime(half)[:, :6]).all() and np.isfinite(source.nighttime(half)[:, 6:]).all()
    source.estimate(half)
    away = Window(AROUND.column - 600, AROUND.row, 12, 10)
    assert np.isnan(source.daytime(away)).all() and np.isnan(source.nighttime(away)).all()
    with pytest.raises(
        SourceError,
        match=r"daytime rasters do not cover the region at longitude 26\.781 to 26\.831, "
        r"latitude .*; they cover longitude 29\.281 to 29\.365",
    ):
        source.estimate(away)
    dark = RastersSource([utm_ramp(tmp_path, 500.0)], [night(tmp_path, name="n.tif")])
    beside = Window(AROUND.column + AROUND.width + 1, AROUND.row, 2, 2)
    with pytest.raises(SourceError, match="night-time rasters do not cover"):
        dark.estimate(beside)


def test_several_files_are_mosaicked_without_a_seam(tmp_path: Path) -> None:
    whole = RastersSource([utm_ramp(tmp_path, 10.0, name="whole.tif")], [night(tmp_path)]).daytime(WINDOW)
    with cog.opened(tmp_path / "whole.tif") as dataset:
        cube, affine = dataset.read(), dataset.transform
    middle_row, middle_column = cube.shape[1] // 2, cube.shape[2] // 2
    (tmp_path / "day").mkdir()
    for name, rows, columns in (
        ("a", slice(0, middle_row), slice(0, middle_column)),
        ("b", slice(0, middle_row), slice(middle_column, None)),
        ("c", slice(middle_row, None), slice(0, middle_column)),
        ("d", slice(middle_row, None), slice(middle_column, None)),
    ):
        corner = affine @ Affine.translation(columns.start, rows.start)
        geotiff(tmp_path / "day" / f"{name}.tif", cube[:, rows, columns], corner, "EPSG:32735")
    for patterns in ([str(tmp_path / "day" / "*.tif")], [str(tmp_path / "day")]):
        image = RastersSource(patterns, [night(tmp_path)]).daytime(WINDOW)
        np.testing.assert_allclose(image, whole, rtol=0, atol=0.006)


def test_the_file_that_is_given_first_lies_on_top(tmp_path: Path) -> None:
    first = np.full((1, *AROUND.fine_shape), 5.0, np.float32)
    first[:, :, :80] = np.nan
    top, under = day(tmp_path, first, "z.tif"), day(tmp_path, first * 0 + 9, "a.tif")
    under = day(tmp_path, np.full_like(first, 9.0), "a.tif")
    image = RastersSource([top, under], [night(tmp_path)]).daytime(AROUND)[0]
    assert (image[:, :80] == 9).all() and (image[:, 80:] == 5).all()
    assert (RastersSource([under, top], [night(tmp_path)]).daytime(AROUND) == 9).all()


def test_a_tagged_nodata_is_believed_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    radiance = np.ones(AROUND.shape, np.float32)
    radiance[6, 6], radiance[7, 7] = 0, -0.05
    file = night(tmp_path, radiance, nodata=0)
    row, column = 6 - 4, 6 - 4

    believed = RastersSource([day(tmp_path)], [file])
    assert np.isnan(believed.nighttime(WINDOW)[row, column]) and len(believed.notes) == 1
    assert "night.tif marks 0 nW/cm²/sr as missing" in believed.notes[0]
    ignored = RastersSource([day(tmp_path)], [file], ignore_nodata_tag=True)
    assert ignored.nighttime(WINDOW)[row, column] == 0 and ignored.notes == ()
    given = RastersSource([day(tmp_path)], [file], nighttime_nodata=-0.05)
    known = given.nighttime(WINDOW)
    assert known[row, column] == 0 and np.isnan(known[row + 1, column + 1]) and given.notes == ()


@pytest.mark.parametrize(("tag", "kept"), [(-9999.0, False), (-3.4028234663852886e38, False), (5.0, True)])
def test_a_placeholder_stays_missing_even_when_tags_are_ignored(
    tmp_path: Path, tag: float, kept: bool
) -> None:
    image = np.full((1, *AROUND.fine_shape), 2.0, np.float32)
    image[0, 100, 100] = tag
    source = RastersSource([day(tmp_path, image, nodata=tag)], [night(tmp_path)], ignore_nodata_tag=True)
    pixel = source.daytime(AROUND)[0, 100, 100]
    assert pixel == tag if kept else np.isnan(pixel)
    assert np.isfinite(source.daytime(AROUND)).sum() == image.size - (not kept)


def test_scale_and_offset_tags_and_alpha_masks_are_applied(tmp_path: Path) -> None:
    numbers = np.full((2, *AROUND.fine_shape), 8000, np.uint16)
    numbers[1] = 65_535
    numbers[1, :50] = 0
    file = day(tmp_path, numbers, alpha="yes", photometric="minisblack")
    with rasterio.open(file, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.0000275, 1.0), (-0.2, 0.0)
        dataset.descriptions = ("SR_B4", "mask")
    source = RastersSource([file], [night(tmp_path)])
    assert source.bands == (LANDSAT_BANDS[3],)
    image = source.daytime(AROUND)
    assert image.shape[0] == 1 and np.isnan(image[0, :50]).all()
    np.testing.assert_allclose(image[0, 50:], 8000 * 0.0000275 - 0.2, rtol=1e-6)


def test_bands_have_safe_names_of_their_own(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(100, 10, (5, *AROUND.fine_shape)).astype(np.float32)
    names = ("elevation / m", "", "elevation_m", "../etc", "SR_B4")
    bands = RastersSource([day(tmp_path, image, names=names)], [night(tmp_path)]).bands
    assert [band.name for band in bands] == ["elevation_m", "band_2", "elevation_m_2", "etc", "SR_B4"]
    # Numbers around 100 are no reflectance, whatever the name says.
    assert {band.quantity for band in bands} == {"other"}
    assert bands[0].display_low == pytest.approx(100 - 20.5, abs=2)
    assert bands[0].display_high == pytest.approx(100 + 20.5, abs=2)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    image = np.ones((2, *AROUND.fine_shape), np.float32)
    one, two = day(tmp_path, name="one.tif"), day(tmp_path, image, "two.tif", names=("red", "green"))
    swapped = day(tmp_path, image, "swapped.tif", names=("green", "red"))
    with pytest.raises(RasterError, match=r"two\.tif has 2 bands, and .*one\.tif has 1"):
        RastersSource([one, two], [night(tmp_path)])
    with pytest.raises(RasterError, match=r"swapped\.tif and .*two\.tif name their bands differently"):
        RastersSource([two, swapped], [night(tmp_path)])
    with pytest.raises(RasterError, match=r"two\.tif has 2 bands; a night-time raster has one.*-b 1"):
        RastersSource([one], [two])


@pytest.mark.parametrize(
    ("daytime", "nighttime", "message"),
    [
        (["day-*.tif"], ["night.tif"], r"No daytime raster matches .*day-\*\.tif.*Check the path"),
        (["day.tif"], ["nothing.tif"], r"No night-time raster matches"),
        ([], ["night.tif"], r"No daytime rasters were given"),
    ],
)
def test_patterns_without_a_file_are_told(
    tmp_path: Path, daytime: list[str], nighttime: list[str], message: str
) -> None:
    day(tmp_path)
    night(tmp_path)
    with pytest.raises(SourceError, match=message):
        RastersSource([str(tmp_path / p) for p in daytime], [str(tmp_path / p) for p in nighttime])


def test_rasters_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    plain = np.ones(AROUND.shape, np.float32)
    nowhere = str(geotiff(tmp_path / "nowhere.tif", plain, AROUND.transform, crs=None))
    with pytest.raises(RasterError, match=r"nowhere\.tif has no coordinate reference system"):
        RastersSource([nowhere], [night(tmp_path)])
    waves = str(geotiff(tmp_path / "waves.tif", plain.astype(np.complex64), AROUND.transform))
    with pytest.raises(RasterError, match=r"waves\.tif holds no band of real numbers"):
        RastersSource([waves], [night(tmp_path)])


def test_a_truncated_raster_ends_the_export_in_a_clear_word(tmp_path: Path) -> None:
    radiance = np.random.default_rng(0).random(AROUND.shape, np.float32)
    file = Path(night(tmp_path, radiance))
    file.write_bytes(file.read_bytes()[:-800])
    source = RastersSource([day(tmp_path)], [str(file)])
    workspace = Workspace.open(tmp_path / "workspace")
    with pytest.raises(RasterError, match=r"night\.tif cannot be read as a raster.*truncated.*again"):
        export_dataset(workspace, request(source="rasters"), source, [region("a", AROUND)], NoProgress())
    assert not list(workspace.root.glob("datasets/*"))


def test_an_export_of_rasters_says_where_it_came_from(tmp_path: Path) -> None:
    source = RastersSource([day(tmp_path)], [night(tmp_path)], nighttime_nodata=-3)
    workspace = Workspace.open(tmp_path / "workspace")
    export_dataset(workspace, request(source="rasters"), source, [region("a", WINDOW)], NoProgress())
    record = Dataset.open(workspace, "sample").manifest.source
    assert (record.kind, record.simulated, record.label) == ("rasters", False, "Rasters: day.tif; night.tif")
    arguments = {key: value for key, value in record.parameters.items() if key != "files"}
    again = RastersSource(**arguments)
    np.testing.assert_array_equal(again.nighttime(AROUND), source.nighttime(AROUND))
    assert again.describe() == source.describe()


def test_a_very_fine_raster_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = RastersSource([utm_ramp(tmp_path, 8.0)], [night(tmp_path)])
    whole = source.daytime(WINDOW)
    monkeypatch.setattr(raster_files, "_LARGEST_READ", 60_000)
    reads: list[int] = []
    read = raster_files.RasterFile.read

    def counted(self: raster_files.RasterFile, *arguments: object) -> NDArray[np.float32]:
        values = read(self, *arguments)  # type: ignore[arg-type]
        reads.append(values.size)
        return values

    monkeypatch.setattr(raster_files.RasterFile, "read", counted)
    np.testing.assert_allclose(source.daytime(WINDOW), whole, rtol=0, atol=1e-3)
    assert len(reads) > 10 and max(reads) <= 60_000


def test_a_pixel_of_the_grid_is_15_arc_seconds() -> None:
    assert pytest.approx(1 / VIIRS_PER_DEGREE) == AROUND.transform.a
