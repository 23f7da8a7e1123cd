"""Importing TFRecord files as datasets: all of them, in physical units, and what is wrong named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.transform import from_origin
from tfrecord_samples import BANDS, SIDE, example, mixer, physical, study_features, write, write_study_file

from nightlights.bands import LANDSAT_BANDS
from nightlights.cli import main
from nightlights.datasets import Dataset, PatchSampler
from nightlights.errors import Cancelled, DatasetError, NightlightsError
from nightlights.grid import Window
from nightlights.jobs import JobStore
from nightlights.manifests import ImportRequest
from nightlights.progress import NoProgress
from nightlights.tfrecords.files import matching_files, region_files
from nightlights.tfrecords.importing import import_dataset, propose_import, request_of
from nightlights.tfrecords.study import form_of
from nightlights.workspace import Workspace

FILES = 24


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's files: 24 to train with, 2 to evaluate with."""
    folder = tmp_path_factory.mktemp("study")
    for number in range(FILES):
        write_study_file(folder / f"training_patches_g{number}.tfrecord.gz", number)
    for number in range(2):
        write_study_file(folder / f"eval_patches_g{number}.tfrecord.gz", 30 + number)
    return folder


@pytest.fixture(scope="module")
def imported(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    place = Workspace.open(tmp_path_factory.mktemp("imported"))
    import_dataset(place, ImportRequest(dataset="study", files=[str(study)]), NoProgress())
    return Dataset.open(place, "study")


def imported_as(workspace: Workspace, *files: Path | str, **fields: Any) -> Dataset:
    request = ImportRequest(dataset="some", files=[str(file) for file in files], **fields)
    import_dataset(workspace, request, NoProgress())
    return Dataset.open(workspace, "some")


def nothing_written(workspace: Workspace) -> bool:
    folder = workspace.root / "datasets"
    return not folder.exists() or not list(folder.iterdir())


def test_all_files_are_loaded_in_the_order_of_their_numbers(imported: Dataset) -> None:
    names = [region.name for region in imported.regions()]
    assert names == [f"eval_patches_g{n}" for n in range(2)] + [f"training_patches_g{n}" for n in range(24)]
    assert [len(imported.regions(role)) for role in ("train", "evaluate", "predict")] == [FILES, 2, 0]


def test_every_patch_of_every_file_is_there_in_physical_units(imported: Dataset) -> None:
    assert imported.manifest.bands == list(LANDSAT_BANDS)
    for region in imported.regions():
        file = int(region.name.rpartition("g")[2]) + (30 if region.role == "evaluate" else 0)
        day, night = imported.read_daytime(region.name), imported.read_nighttime(region.name)
        expected_day = np.full(day.shape, np.nan)
        expected_night = np.full(night.shape, np.nan)
        for patch, column in enumerate((0, 3)):  # two VIIRS pixels each, one between them
            bands, light = physical(file, patch)
            expected_day[:, :32, column * 16 : column * 16 + 32] = bands
            expected_night[:2, column : column + 2] = light
        np.testing.assert_allclose(day[:7], expected_day[:7], atol=2e-7)
        np.testing.assert_allclose(day[7:], expected_day[7:], atol=2e-5)
        np.testing.assert_allclose(night, expected_night, rtol=2e-7)


def test_patches_are_drawn_from_all_files_and_never_mix_two(imported: Dataset, tmp_path: Path) -> None:
    names = [region.name for region in imported.regions("train")]
    sampler = PatchSampler(imported, names, SIDE, 1, 0.2, tmp_path)
    assert sampler.patches_per_region == dict.fromkeys(names, 2)
    batch = sampler.batch(0, range(2 * FILES))
    assert set(batch.regions) == set(names)
    for index, name in enumerate(batch.regions):
        file = int(name.rpartition("g")[2])
        fits = []
        for day, light in (physical(file, patch) for patch in range(2)):
            # A footprint that reaches into the gap has no label.
            known = ~np.isnan(batch.nighttime[index])
            same = np.allclose(batch.nighttime[index][known], light[known]) and known.sum() == 2
            fits.append(same and np.allclose(np.moveaxis(batch.daytime[index], -1, 0), day, atol=2e-5))
        assert sum(fits) == 1, name


def test_the_manifest_tells_where_it_came_from_and_that_places_are_nominal(
    imported: Dataset, study: Path
) -> None:
    source = imported.manifest.source
    assert (source.kind, source.simulated) == ("tfrecord", False)
    assert source.label == "TFRecord files: eval_patches_g0.tfrecord.gz and 25 more"
    assert len(source.parameters["files"]) == 26 and source.parameters["scaling"] == "study"
    assert "26 of 26 regions do not tell where their patches lie" in source.parameters["notes"][0]
    windows = [region.window.window for region in imported.regions()]
    assert all(one.intersection(other) is None for i, one in enumerate(windows) for other in windows[i + 1 :])
    assert all(abs(window.latitudes).max() < 0.1 for window in windows)


def truncated(folder: Path) -> str:
    path = folder / "training_patches_g3.tfrecord.gz"
    path.write_bytes(path.read_bytes()[:-200])
    return "training_patches_g3.tfrecord.gz is truncated: it ends after 1 whole records."


def band_lacking(folder: Path) -> str:
    features = study_features(5, 1)
    features.pop("B11")
    write(folder / "training_patches_g5.tfrecord.gz", [example(study_features(5, 0)), example(features)])
    return "training_patches_g5.tfrecord.gz lacks the band B11 in record 2."


def label_lacking(folder: Path) -> str:
    features = study_features(5, 1)
    features.pop("avg_rad")
    write(folder / "eval_patches_g1.tfrecord.gz", [example(features)])
    return "eval_patches_g1.tfrecord.gz lacks the band avg_rad in record 1."


def other_size(folder: Path) -> str:
    records = [example(study_features(2, 0)), example(study_features(2, 1, side=48))]
    write(folder / "training_patches_g2.tfrecord.gz", records)
    return "training_patches_g2.tfrecord.gz has 2,304 values of B1 in record 2 instead of 1,024."


def no_records(folder: Path) -> str:
    write(folder / "training_patches_g7.tfrecord.gz", [])
    return "training_patches_g7.tfrecord.gz holds no records."


def damaged(folder: Path) -> str:
    path = write(folder / "training_patches_g1.tfrecord", [example(study_features(1, 0))], "")
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    return "training_patches_g1.tfrecord is damaged in record 1: its checksum is wrong."


def unknown_role(folder: Path) -> str:
    write_study_file(folder / "lagos.tfrecord.gz", 1)
    return "The role of lagos.tfrecord.gz is not known: no role was given for how its name begins."


def physical_units(folder: Path) -> str:
    features = study_features(9, 0)
    features["B10"] = features["B10"] * 100 + 273.15
    write(folder / "training_patches_g9.tfrecord.gz", [example(features)])
    return "training_patches_g9.tfrecord.gz cannot be in the study scaling: the median of B10 is 294.2"


def half_placed(folder: Path) -> str:
    placed: dict[str, Any] = {**study_features(4, 0), "viirs_row": 18_000.0, "viirs_column": 40_000.0}
    records = [example(placed), example(study_features(4, 1))]
    write(folder / "training_patches_g4.tfrecord.gz", records)
    return "training_patches_g4.tfrecord.gz tells the place of 1 of its 2 patches."


def placed_beyond(folder: Path) -> str:
    placed: dict[str, Any] = {**study_features(4, 0), "viirs_row": 33_600.0, "viirs_column": 40_000.0}
    write(folder / "training_patches_g4.tfrecord.gz", [example(placed)])
    return "training_patches_g4.tfrecord.gz places record 1 beyond the VIIRS grid."


def placed_nowhere(folder: Path) -> str:
    placed: dict[str, Any] = {**study_features(4, 0), "viirs_row": float("nan"), "viirs_column": 40_000.0}
    write(folder / "training_patches_g4.tfrecord.gz", [example(placed)])
    return "training_patches_g4.tfrecord.gz does not tell one number as viirs_row in record 1."


def mixer_of_another(folder: Path) -> str:
    write_image(folder / "city", Window(46_800, 18_700, 4, 4), total=3)
    return "city_mixer.json does not match its 1 TFRecord files: it tells 3 patches, and they hold 4."


def mixer_of_other_patches(folder: Path) -> str:
    write_image(folder / "city", Window(46_800, 18_700, 4, 4), patch=(48, 48))
    return "city_mixer.json does not match its TFRecord files: patches of 48 x 48 pixels cannot have 1,600"


def mixer_alone(folder: Path) -> str:
    mixer(folder / "city_mixer.json", [0.1, 0, 1, 0, -0.1, 1], (32, 32), 1, 1)
    return "city_mixer.json has no TFRecord files beside it."


def mixer_of_unknown_crs(folder: Path) -> str:
    crs = {"crs": "EPSG:999999", "affine": {"doubleMatrix": [0.1, 0, 1, 0, -0.1, 1]}}
    write_image(folder / "city", Window(46_800, 18_700, 4, 4), projection=crs)
    return "city_mixer.json names the coordinate reference system 'EPSG:999999', which is unknown."


def mixer_whose_crs_is_a_file(folder: Path) -> str:
    path = folder / "utm.prj"
    path.write_text(rasterio.crs.CRS.from_epsg(4326).to_wkt())
    crs = {"crs": str(path), "affine": {"doubleMatrix": [3e-4, 0, 30, 0, -3e-4, -3]}}
    write_image(folder / "city", Window(46_800, 18_700, 4, 4), projection=crs)
    return f"city_mixer.json names the coordinate reference system {str(path)[:60]!r}, which is unknown."


def mixer_of_an_impossible_ellipsoid(folder: Path) -> str:
    wkt = rasterio.crs.CRS.from_epsg(4326).to_wkt().replace("6378137", "66378137")
    crs = {"crs": wkt, "affine": {"doubleMatrix": [3e-4, 0, 30, 0, -3e-4, -3]}}
    write_image(folder / "city", Window(46_800, 18_700, 4, 4), projection=crs)
    return f"city_mixer.json names the coordinate reference system {wkt[:60]!r}, which is unknown."


BREAKAGES = [
    truncated,
    band_lacking,
    label_lacking,
    other_size,
    no_records,
    damaged,
    unknown_role,
    physical_units,
    half_placed,
    placed_beyond,
    placed_nowhere,
    mixer_of_another,
    mixer_of_other_patches,
    mixer_alone,
    mixer_of_unknown_crs,
    mixer_whose_crs_is_a_file,
    mixer_of_an_impossible_ellipsoid,
]


@pytest.mark.parametrize("broken", BREAKAGES, ids=lambda each: each.__name__)
def test_what_is_wrong_is_named_in_one_sentence_and_nothing_is_written(
    workspace: Workspace, tmp_path: Path, broken: Callable[[Path], str]
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(2):
        write_study_file(folder / f"eval_patches_g{number}.tfrecord.gz", 30 + number)
    for number in (0, 3):
        write_study_file(folder / f"training_patches_g{number}.tfrecord.gz", number)
    expected = broken(folder)
    with pytest.raises(DatasetError) as caught:
        imported_as(workspace, folder)
    assert caught.value.message.startswith(expected)
    assert caught.value.message.endswith(".") and ". " not in caught.value.message
    assert caught.value.remedy
    assert nothing_written(workspace)


def test_no_file_and_one_name_twice(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No TFRecord file matches"):
        imported_as(workspace, tmp_path / "*.tfrecord.gz")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_study_file(tmp_path / folder / "train.tfrecord.gz", 1)
    with pytest.raises(DatasetError, match="would become the region train"):
        imported_as(workspace, tmp_path / "a", tmp_path / "b")


def test_files_are_sorted_by_their_numbers_and_taken_once(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        (tmp_path / f"g{number}.tfrecord.gz").touch()
    (tmp_path / "notes.txt").touch()
    found = matching_files([str(tmp_path), str(tmp_path / "g2*")])
    assert [path.name for path in found] == ["g1.tfrecord.gz", "g2.tfrecord.gz", "g10.tfrecord.gz"]


@pytest.mark.parametrize(
    ("roles", "other", "role"),
    [
        ({"train": "train", "training_x": "evaluate"}, None, "evaluate"),
        ({"TRAIN": "train"}, None, "train"),
        ({"city": "train"}, "predict", "predict"),
    ],
)
def test_the_longest_beginning_decides_the_role(
    tmp_path: Path, roles: dict[str, Any], other: Any, role: str
) -> None:
    (tmp_path / "training_x_g1.tfrecord.gz").touch()
    request = ImportRequest(dataset="d", files=[str(tmp_path)], roles=roles, other_role=other)
    assert [region.role for region in region_files(request)] == [role]


def test_physical_units_stay_and_their_bands_are_known(workspace: Workspace, tmp_path: Path) -> None:
    day, night = physical(1, 0)
    names = [band.name for band in LANDSAT_BANDS]
    features = dict(zip(names, day, strict=True)) | {"avg_rad": np.kron(night, np.ones((16, 16)))}
    shuffled = dict(sorted(features.items(), key=lambda each: hash(each[0])))
    path = write(tmp_path / "train.tfrecord.gz", [example(shuffled)])
    assert request_of([str(path)], "some").scaling == "physical"
    dataset = imported_as(workspace, path, scaling="physical")
    assert dataset.manifest.bands == list(LANDSAT_BANDS)
    np.testing.assert_allclose(dataset.read_daytime("train")[:, :, :32], day, atol=2e-5)
    np.testing.assert_array_equal(dataset.read_nighttime("train"), night.astype(np.float32))


def test_other_bands_are_taken_as_they_are(workspace: Workspace, tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((SIDE, SIDE)).astype(np.float32)
    path = write(
        tmp_path / "train.tfrecord.gz",
        [example({"population": values, "slope": -values, "avg_rad": values, "id": 7.0})],
    )
    dataset = imported_as(workspace, path, scaling="physical")
    assert [band.name for band in dataset.manifest.bands] == ["population", "slope"]
    np.testing.assert_array_equal(dataset.read_daytime("train"), np.stack([values, -values]))
    chosen = request_of([str(path)], "some", bands=["slope"], scaling="physical")
    assert propose_import(chosen).bands == ("slope",)


def test_missing_pixels_come_back_as_missing(workspace: Workspace, tmp_path: Path) -> None:
    features = study_features(1, 0)
    features["B3"][0, 0] = -9999
    features["avg_rad"][:16, :16] = -9999
    features["avg_rad"][16:, :15] = np.nan
    features["avg_rad"][16:, 16:20] = np.nan
    for name in BANDS:
        features[name][5, 6] = 0
    dataset = imported_as(workspace, write(tmp_path / "train.tfrecord.gz", [example(features)]))
    day, night = dataset.read_daytime("train"), dataset.read_nighttime("train")
    lacking = {tuple(place) for place in np.argwhere(np.isnan(day)).tolist()}
    assert lacking == {(2, 0, 0), *((band, 5, 6) for band in range(9))}
    assert np.isnan(night).tolist() == [[True, False], [True, False]]
    assert night[1, 1] == pytest.approx(physical(1, 0)[1][1, 1])


def test_patches_that_tell_their_place_lie_there(workspace: Workspace, tmp_path: Path) -> None:
    corner = (18_700, 46_800)
    places = [(0, 0), (1, 1), (5, 3)]  # the second overlaps the first
    whole, _ = physical(1, 0, side=7 * 16)
    light = np.arange(49.0).reshape(7, 7)
    records = []
    for row, column in places:
        part = (slice(row * 16, row * 16 + 32), slice(column * 16, column * 16 + 32))
        night = np.kron(light[row : row + 2, column : column + 2], np.ones((16, 16)))
        features: dict[str, Any] = dict(
            zip([band.name for band in LANDSAT_BANDS], (band[part] for band in whole), strict=True)
        )
        features |= {"avg_rad": night, "viirs_row": corner[0] + row, "viirs_column": corner[1] + column}
        if (row, column) == (1, 1):  # missing here, known from the first
            features["SR_B3"] = features["SR_B3"].copy()
            features["SR_B3"][2, 3] = -9999
        records.append(example(features))
    dataset = imported_as(workspace, write(tmp_path / "train.tfrecord.gz", records), scaling="physical")
    region = dataset.region("train")
    assert region.window.window == Window(corner[1], corner[0], 5, 7)
    known = np.zeros((7, 5), bool)
    for row, column in places:
        known[row : row + 2, column : column + 2] = True
    np.testing.assert_array_equal(
        dataset.read_nighttime("train"), np.where(known, light[:, :5], np.nan).astype(np.float32)
    )
    fine = np.kron(known, np.ones((16, 16), bool))
    np.testing.assert_allclose(
        dataset.read_daytime("train"), np.where(fine, whole[:, :, :80], np.nan), atol=2e-5
    )
    assert not any("nominal" in note for note in dataset.manifest.source.parameters["notes"])


def write_image(
    stem: Path,
    window: Window,
    *,
    kernel: int = 8,
    radiance: bool = True,
    shards: int = 1,
    patch: tuple[int, int] = (32, 32),
    total: int | None = None,
    **changes: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """An image export on our grid in the study's scaling, its margins filled with what lies there."""
    height, width = window.fine_shape
    day, _ = physical(1, 0, side=max(height, width) + kernel)
    night = np.kron(np.arange(float(np.prod(window.shape))).reshape(window.shape), np.ones((16, 16)))
    around = np.pad(night, kernel // 2, mode="edge")
    records = []
    for row in range(0, height, 32):
        for column in range(0, width, 32):
            part = (slice(row, row + 32 + kernel), slice(column, column + 32 + kernel))
            features = {
                name: (band[part] - 273.15) / 100 if name in ("B10", "B11") else band[part]
                for name, band in zip(BANDS, day, strict=True)
            }
            records.append(example(features | ({"avg_rad": around[part] / 60} if radiance else {})))
    share = -(-len(records) // shards)
    for number in range(shards):
        name = f"{stem.name}_{number:05d}.tfrecord.gz"
        write(stem.parent / name, records[number * share : (number + 1) * share])
    matrix = list(window.fine_transform)[:6]
    mixer(
        stem.parent / f"{stem.name}_mixer.json",
        matrix,
        patch,
        width // 32,
        total or len(records),
        **({"patchesPerRow": 1} if total else {}),
        **changes,
    )
    inner = (slice(kernel // 2, kernel // 2 + height), slice(kernel // 2, kernel // 2 + width))
    return day[(slice(None), *inner)], night[::16, ::16]


@pytest.mark.parametrize(("kernel", "shards"), [(8, 1), (0, 2)])
def test_an_image_on_our_grid_is_imported_pixel_by_pixel(
    workspace: Workspace, tmp_path: Path, kernel: int, shards: int
) -> None:
    window = Window(46_800, 18_700, 6, 4)
    day, night = write_image(tmp_path / "kinshasa_384", window, kernel=kernel, shards=shards)
    dataset = imported_as(workspace, tmp_path)
    (region,) = dataset.regions()
    assert (region.name, region.role, region.window.window) == ("kinshasa_384", "predict", window)
    np.testing.assert_allclose(dataset.read_daytime(region.name)[:7], day[:7], atol=2e-7)
    np.testing.assert_allclose(dataset.read_daytime(region.name)[7:], day[7:], atol=2e-5)
    np.testing.assert_allclose(dataset.read_nighttime(region.name), night, rtol=1e-6)


def test_an_image_on_another_grid_is_warped(workspace: Workspace, tmp_path: Path) -> None:
    """A plane stays a plane: its values tell where each pixel went."""
    step = 30 / 111_319.49
    west, north = 15.02, -4.04
    rows, columns = np.indices((96, 96))
    longitude, latitude = west + (columns + 0.5) * step, north - (rows + 0.5) * step
    plane = (longitude - west) * 2 + (north - latitude) * 3
    features = dict.fromkeys(BANDS[:7], plane + 0.05)
    features |= {"B10": plane + 0.2, "B11": plane + 0.3, "avg_rad": plane}
    write(tmp_path / "city.tfrecord.gz", [example(features)])
    mixer(tmp_path / "city-mixer.json", [step, 0, west, 0, -step, north], (96, 96), 1, 1)
    dataset = imported_as(workspace, tmp_path)
    window = dataset.region("city").window.window
    day = dataset.read_daytime("city")
    x, y = np.meshgrid(window.fine_longitudes, window.fine_latitudes)
    expected = (x - west) * 2 + (north - y) * 3
    known = ~np.isnan(day[0])
    assert 0.7 < known.mean() < 0.8 and known[16:-16, 16:-16].all()
    inner = (slice(20, -20), slice(20, -20))
    np.testing.assert_allclose(day[0][inner], expected[inner] + 0.05, atol=2e-5)
    np.testing.assert_allclose(day[7][inner], (expected[inner] + 0.2) * 100 + 273.15, atol=0.006)
    x, y = np.meshgrid(window.longitudes, window.latitudes)
    night = dataset.read_nighttime("city")[1:-1, 1:-1]
    np.testing.assert_allclose(night, 60 * ((x - west) * 2 + (north - y) * 3)[1:-1, 1:-1], atol=0.02)


def test_an_image_without_radiance_takes_it_from_a_raster(workspace: Workspace, tmp_path: Path) -> None:
    window = Window(46_800, 18_700, 4, 4)
    files = tmp_path / "files"
    files.mkdir()
    write_image(files / "city", window, radiance=False)
    with pytest.raises(DatasetError, match=r"city_00000\.tfrecord\.gz lacks the band avg_rad"):
        imported_as(workspace, files)
    light = np.arange(16, dtype=np.float32).reshape(4, 4) + 1
    west, _, _, north = window.bounds
    with rasterio.open(
        tmp_path / "viirs.tif",
        "w",
        driver="GTiff",
        height=4,
        width=4,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=from_origin(west, north, 1 / 240, 1 / 240),
    ) as raster:
        raster.write(light, 1)
    dataset = imported_as(workspace, files, nighttime_files=[str(tmp_path / "viirs.tif")])
    np.testing.assert_array_equal(dataset.read_nighttime("city"), light)


def test_a_prediction_in_the_studys_form_comes_back(workspace: Workspace, tmp_path: Path) -> None:
    from nightlights import cog
    from nightlights.tfrecords.predictions import write_prediction_tfrecord

    window = Window(46_800, 18_700, 5, 3)
    light = (np.random.default_rng(2).random(window.fine_shape) * 90).astype(np.float32)
    raster = tmp_path / "prediction.tif"
    cog.write_geotiff(
        raster,
        [(window, np.stack([light, np.kron(np.ones((3, 5)), np.ones((16, 16))).astype(np.float32)]))],
        window=window,
        fine=True,
        bands=["prediction", "avg_rad"],
        units=["nW/cm²/sr"] * 2,
    )
    write_prediction_tfrecord(raster, tmp_path / "out", 32)
    dataset = imported_as(workspace, tmp_path / "out", scaling="physical")
    got = dataset.read_daytime("prediction", window)[0]
    np.testing.assert_array_equal(got, light)


class CancelAt:
    """Progress that is cancelled at certain words."""

    def __init__(self, words: str) -> None:
        self._words = words

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        assert 0 <= done <= total and unit == "%"
        if self._words in message:
            raise Cancelled


def test_what_a_killed_import_unpacked_goes_with_its_job(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = JobStore(workspace)
    monkeypatch.setattr(JobStore, "_start", lambda *_: None)
    job = store.submit("import", ImportRequest(dataset="some", files=["a.gz"]))
    (workspace.unpacked_folder("some") / "region").mkdir(parents=True)
    store.delete(job.id)
    assert list((workspace.root / "datasets").iterdir()) == []


def test_a_cancelled_import_goes_on_after_the_last_finished_region(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write_study_file(tmp_path / f"train_g{number}.tfrecord.gz", number)
    request = ImportRequest(dataset="some", files=[str(tmp_path / "*.gz")])
    with pytest.raises(Cancelled):
        import_dataset(workspace, request, CancelAt("train_g2 (3 of 3): tile"))
    assert [path.name for path in (workspace.root / "datasets").iterdir()] == [".partial-export-some"]
    from nightlights.tfrecords import source

    unpacked = []
    real = source.unpack
    monkeypatch.setattr(
        source, "unpack", lambda file, *rest: unpacked.append(file.path.name) or real(file, *rest)
    )
    import_dataset(workspace, request, NoProgress())
    assert unpacked == ["train_g2.tfrecord.gz"]
    assert [path.name for path in (workspace.root / "datasets").iterdir()] == ["some"]
    assert len(Dataset.open(workspace, "some").regions("train")) == 3


def test_a_name_in_use_is_told_before_any_reading(workspace: Workspace, tmp_path: Path) -> None:
    path = write_study_file(tmp_path / "train.tfrecord.gz", 1)
    imported_as(workspace, path)
    path.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"name some is in use.*--overwrite"):
        imported_as(workspace, path)
    write_study_file(path, 2)
    imported_as(workspace, path, overwrite=True)


def test_the_proposal_says_what_each_file_becomes(study: Path) -> None:
    request = request_of([str(study / "*.tfrecord.gz")], "study")
    proposal = propose_import(request)
    assert (request.scaling, len(proposal.regions)) == ("study", 26)
    assert proposal.bands == tuple(band.name for band in LANDSAT_BANDS)
    assert proposal.size == sum(path.stat().st_size for path in study.iterdir())
    with pytest.raises(DatasetError, match="dataset"):
        request_of([str(study)], "no good name")


def test_an_import_is_a_job(workspace: Workspace, study: Path) -> None:
    store = JobStore(workspace)
    request = ImportRequest(dataset="study", files=[str(study / "eval*")], simulated=True)
    job = store.run_in_foreground("import", request, NoProgress())
    assert (job.state, job.title) == ("done", "Import dataset study")
    assert Dataset.open(workspace, "study").manifest.source.simulated


def test_the_command_imports_and_names_what_is_wrong(
    tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--workspace", str(tmp_path / "w")]
    command = ["datasets", "import", str(study / "training_patches_g1*"), "--dataset", "cities"]
    assert main([*command, "--look", "--json", *place]) == 0
    look = json.loads(capsys.readouterr().out)
    assert [row["region"] for row in look["regions"]][:2] == ["training_patches_g1", "training_patches_g10"]
    assert main([*command, "--json", *place]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert len(manifest["regions"]) == 11
    broken = tmp_path / "train.tfrecord.gz"
    broken.write_bytes((study / "eval_patches_g0.tfrecord.gz").read_bytes()[:-99])
    assert main(["datasets", "import", str(broken), "--dataset", "bad", *place]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert told == [
        "train.tfrecord.gz is truncated: it ends after 1 whole records. Download or copy it again."
    ]
    assert main(["datasets", "import", str(broken), "--dataset", "bad", "--role", "x", *place]) == 2
    assert "--role" in capsys.readouterr().err


def test_bad_rasters_for_the_night_are_told(workspace: Workspace, tmp_path: Path) -> None:
    path = write_study_file(tmp_path / "train.tfrecord.gz", 1)
    with pytest.raises(NightlightsError, match="viirs"):
        imported_as(workspace, path, nighttime_files=[str(tmp_path / "viirs.tif")])
    assert nothing_written(workspace)


def test_a_matrix_with_a_shear_is_a_grid_too(workspace: Workspace, tmp_path: Path) -> None:
    write_image(tmp_path / "city", Window(46_800, 18_700, 4, 4))
    path = tmp_path / "city_mixer.json"
    content = json.loads(path.read_text())
    turned = Affine(*content["projection"]["affine"]["doubleMatrix"]) @ Affine.rotation(5)
    content["projection"]["affine"]["doubleMatrix"] = list(turned)[:6]
    path.write_text(json.dumps(content))
    dataset = imported_as(workspace, tmp_path)
    assert 0 < dataset.region("city").missing_share < 0.5


def placed_file(path: Path, row: int, column: int) -> Path:
    place: dict[str, Any] = {"viirs_row": row, "viirs_column": column}
    return write(path, [example({**study_features(1, 0), **place})])


@pytest.mark.parametrize(
    ("name", "column", "told"), [("eval", 1, True), ("eval", 2, False), ("train", 1, False)]
)
def test_regions_to_train_and_to_evaluate_that_overlap_are_told(
    workspace: Workspace, tmp_path: Path, name: str, column: int, told: bool
) -> None:
    placed_file(tmp_path / "train_a.tfrecord.gz", 18_700, 46_800)
    placed_file(tmp_path / f"{name}_b.tfrecord.gz", 18_701, 46_800 + column)
    notes = imported_as(workspace, tmp_path).manifest.source.parameters["notes"]
    words = "The regions eval_b (evaluate) and train_a (train) overlap, so scores of the one may know the"
    assert [note.startswith(words) for note in notes if "overlap" in note] == [True] * told


@pytest.mark.parametrize(
    ("stored", "quantities"),
    [
        (["B12", "B2", "B8A"], {"B2": 0.497, "B8A": 0.865, "B12": 2.202}),
        (["B10", "B2"], {"SR_B2": 0.482, "B10": 10.9}),
        (["B11", "SR_B5"], {"SR_B5": 0.865, "B11": 12.0}),
        (["x", "B4", "a"], {"B4": 0.665, "a": None, "x": None}),
    ],
)
def test_the_satellite_is_told_by_its_bands(stored: list[str], quantities: dict[str, Any]) -> None:
    record = {name: np.ones(4, np.float32) for name in [*stored, "avg_rad"]}
    form = form_of(record, "physical")
    assert {each.band.name: each.band.wavelength_um for each in form.bands} == quantities
    assert [each.band.name for each in form.bands] == list(quantities)
