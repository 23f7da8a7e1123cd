"""GeoTIFFs on the grid: what is read is what was written; damage and full disks end in clear words."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from data_samples import geotiff, mounted_disk
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlights import cog
from nightlights.bands import LANDSAT_BANDS, Band
from nightlights.encodings import Encoding, decode, encodings_of
from nightlights.errors import GridError, RasterError, WorkspaceError
from nightlights.grid import Window

WINDOW = Window(45_000, 18_000, 40, 36)


def values(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    array = np.random.default_rng(seed).normal(5, 3, shape).astype(np.float32)
    array[..., :7, 3:9] = np.nan
    return array


def write(
    path: Path, cube: np.ndarray, window: Window = WINDOW, *, fine: bool = True, tile: int = 16
) -> None:
    blocks = (
        (part, cube[(slice(None), *(part.fine_slices_in(window) if fine else part.slices_in(window)))])
        for part in window.tiles(tile, tile)
    )
    names = [f"b{index}" for index in range(len(cube))]
    cog.write_geotiff(
        path, blocks, window=window, fine=fine, bands=names, units=["K"] * len(cube), tags={"model": "none"}
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "small", 2) as folder:
        yield folder


@pytest.mark.parametrize("fine", [True, False])
def test_values_come_back_to_the_last_bit(tmp_path: Path, fine: bool) -> None:
    cube = values((2, *(WINDOW.fine_shape if fine else WINDOW.shape)))
    path = tmp_path / "new" / "a.tif"
    write(path, cube, fine=fine)
    np.testing.assert_array_equal(cog.read(path), cube)
    part = Window(WINDOW.column + 5, WINDOW.row + 2, 7, 11)
    inside = part.fine_slices_in(WINDOW) if fine else part.slices_in(WINDOW)
    np.testing.assert_array_equal(cog.read(path, part), cube[(slice(None), *inside)])
    assert [file.name for file in path.parent.iterdir()] == ["a.tif"]


def test_the_file_says_what_it_holds(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", values((2, *WINDOW.fine_shape)))
    info = cog.inspect(tmp_path / "a.tif")
    assert (info.window, info.fine, info.bands, info.units) == (WINDOW, True, ("b0", "b1"), ("K", "K"))
    assert info.crs == "EPSG:4326" and np.isnan(info.nodata or 0) and info.tags["model"] == "none"
    assert info.overviews == (2, 4)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.profile["tiled"] and dataset.profile["blockxsize"] == 256


def test_overviews_are_means_of_what_is_known(tmp_path: Path) -> None:
    cube = values((1, *WINDOW.fine_shape))
    write(tmp_path / "a.tif", cube)
    with rasterio.open(tmp_path / "a.tif", overview_level=0) as dataset:
        half = dataset.read(1)
    blocks = cube[0].reshape(half.shape[0], 2, half.shape[1], 2)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(blocks).sum(axis=(1, 3))
        mean = np.where(known > 0, np.nansum(blocks, axis=(1, 3)) / known, np.nan)
    np.testing.assert_allclose(half, mean, rtol=1e-5, atol=1e-5)


def test_the_same_values_give_the_same_bytes_however_they_are_cut(tmp_path: Path) -> None:
    cube = values((1, *WINDOW.fine_shape))
    write(tmp_path / "a.tif", cube, tile=16)
    write(tmp_path / "b.tif", cube, tile=64)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_pixels_that_were_not_written_are_missing(tmp_path: Path) -> None:
    part = Window(WINDOW.column, WINDOW.row, 3, 4)
    block = np.ones((4, 3), np.float32)
    cog.write_geotiff(tmp_path / "a.tif", [(part, block)], window=WINDOW, fine=False, bands=["x"], units=[""])
    written = cog.read(tmp_path / "a.tif")[0]
    assert (written[:4, :3] == 1).all() and np.isfinite(written).sum() == 12


def test_landsat_numbers_survive_storage_as_they_are() -> None:
    reflectance, temperature = encodings_of((LANDSAT_BANDS[0], LANDSAT_BANDS[7])) or ()
    numbers = np.arange(1, 65_536)
    # The Collection 2 formula of the product guide, written out.
    np.testing.assert_array_equal(reflectance.encode(numbers * 0.0000275 - 0.2), numbers)
    np.testing.assert_array_equal(temperature.encode(numbers / 100), numbers)
    assert reflectance.encode(np.array([np.nan, -5.0, 5.0])).tolist() == [0, 1, 65_535]


@given(
    st.lists(st.one_of(st.floats(-0.19, 1.6), st.just(float("nan"))), min_size=1, max_size=30),
    st.booleans(),
)
def test_stored_numbers_err_by_half_a_step_at_most(reflectances: list[float], last: bool) -> None:
    code = Encoding(0.0000275, -0.2)
    truth = np.array([reflectances, reflectances])
    numbers = code.encode(truth)
    if last:
        decoded = decode(np.moveaxis(numbers, 0, -1)[None], (code, code), band_axis=-1)[0].T
    else:
        decoded = decode(numbers[:, None], (code, code), band_axis=0)[:, 0]
    np.testing.assert_allclose(decoded, truth, rtol=0, atol=0.0000275 / 2 + 2e-7)


def test_one_unknown_quantity_keeps_all_bands_float() -> None:
    assert encodings_of((*LANDSAT_BANDS, Band(name="population"))) is None
    assert len(encodings_of(LANDSAT_BANDS) or ()) == 9


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 80_000), st.integers(0, 33_000))
def test_any_window_comes_back(width: int, height: int, column: int, row: int) -> None:
    window = Window(column, row, width, height)
    cube = np.random.default_rng(width).random((1, *window.shape), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        write(path, cube, window, fine=False)
        assert cog.inspect(path).window == window
        np.testing.assert_array_equal(cog.read(path), cube)


def test_a_truncated_file_is_told_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, values((1, *WINDOW.fine_shape)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RasterError, match=r"a\.tif cannot be read.*truncated"):
        cog.read(path)


def test_a_file_that_is_no_raster_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("not a raster")
    with pytest.raises(RasterError, match=r"a\.tif cannot be read"):
        cog.inspect(tmp_path / "a.tif")
    with pytest.raises(RasterError, match=r"b\.tif is missing"):
        cog.inspect(tmp_path / "b.tif")


def test_a_file_without_coordinates_is_told_with_a_remedy(tmp_path: Path) -> None:
    geotiff(tmp_path / "a.tif", np.ones((4, 4), np.float32), Affine(1, 0, 5, 0, -1, 5), crs=None)
    with pytest.raises(RasterError, match=r"no coordinate reference system.*gdal_edit"):
        cog.inspect(tmp_path / "a.tif")


def test_a_raster_beside_the_grid_is_not_read_as_if_it_lay_on_it(tmp_path: Path) -> None:
    shifted = WINDOW.transform @ Affine.translation(0.3, 0)
    geotiff(tmp_path / "a.tif", np.ones(WINDOW.shape, np.float32), shifted)
    assert cog.inspect(tmp_path / "a.tif").window is None
    with pytest.raises(RasterError, match="does not lie on the grid"):
        cog.read(tmp_path / "a.tif")


def test_reading_beyond_the_raster_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", values((1, *WINDOW.shape)), fine=False)
    with pytest.raises(GridError):
        cog.read(tmp_path / "a.tif", WINDOW.expand(1))


def test_work_that_raises_half_way_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, np.ones((1, *WINDOW.shape), np.float32), fine=False)

    def blocks() -> Iterator[cog.Block]:
        yield Window(WINDOW.column, WINDOW.row, 1, 1), np.zeros((1, 1), np.float32)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        cog.write_geotiff(path, blocks(), window=WINDOW, fine=False, bands=["x"], units=[""])
    assert (cog.read(path) == 1).all()
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(small_disk: Path) -> None:
    def blocks() -> Iterator[cog.Block]:
        raise AssertionError("nothing may be computed")
        yield

    with pytest.raises(WorkspaceError, match=r"the disk is full.*Free some space"):
        cog.write_geotiff(small_disk / "a.tif", blocks(), window=WINDOW, fine=True, bands=["x"], units=[""])
    assert not list(small_disk.iterdir())


@pytest.mark.parametrize("system", ["as here", "macOS"])
@pytest.mark.parametrize("bands", [1, 2])
def test_a_disk_that_fills_up_on_the_way_is_told(
    small_disk: Path, bands: int, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    if system == "macOS":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    # One band fills the disk while the COG is made, two while the blocks are written.
    monkeypatch.setattr(cog, "require_space", lambda folder, size: None)
    with pytest.raises(WorkspaceError, match=r"the disk is full.*Free some space"):
        write(small_disk / "a.tif", values((bands, *WINDOW.fine_shape)))
    assert not list(small_disk.iterdir())


def test_a_short_write_that_nobody_reported_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = rasterio.shutil.copy

    def lossy(source: Path, target: Path, **options: object) -> None:
        with rasterio.open(source, "r+") as dataset:
            dataset.write(np.zeros((1, 1, 1), np.float32), window=((0, 1), (20, 21)))
        copy(source, target, **options)

    monkeypatch.setattr(rasterio.shutil, "copy", lossy)
    with pytest.raises(WorkspaceError, match="does not hold what was written"):
        write(tmp_path / "a.tif", values((1, *WINDOW.shape)), fine=False)
    assert not list(tmp_path.iterdir())
