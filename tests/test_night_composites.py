"""Months of one place composed by a robust median: offsets, fires, filling, noise, and what is recorded."""

from pathlib import Path

import numpy as np
import pytest
from data_samples import geotiff, region, request
from numpy.typing import NDArray

from nightlights import cog
from nightlights.bands import RADIANCE_UNIT
from nightlights.datasets import Dataset, export_dataset
from nightlights.export_state import fingerprint
from nightlights.grid import Window
from nightlights.manifests import SourceRecord
from nightlights.progress import NoProgress
from nightlights.sources.base import RepeatedSource
from nightlights.sources.rasters import RastersSource
from nightlights.workspace import Workspace

PLACE = Window(50_232, 18_744, 90, 80)
BESIDE = Window(PLACE.column + PLACE.width, PLACE.row, PLACE.width, PLACE.height)
OFFSETS = (-0.12, 0.0, 0.235, 0.03, -0.05, 0.01, 0.0, 0.09, -0.01)
NOISE = 0.04
FILLED = 10
"""Columns beyond a border, filled with 0."""
LICENCE = "VIIRS composites of an institute, CC BY 4.0."


def light(window: Window) -> NDArray[np.float64]:
    """Mostly dark, with a town of up to 12 nW/cm2/sr."""
    rows, columns = np.mgrid[: window.height, : window.width]
    town = 12 * np.exp(-((rows - 40) ** 2 + (columns - 50) ** 2) / 60)
    return np.asarray(town, np.float64)


def months(
    folder: Path, window: Window = PLACE, offsets: tuple[float, ...] = OFFSETS, name: str = "viirs"
) -> list[Path]:
    """Composites with an offset each, noise of 0.04 nW/cm2/sr, fires, and 0 beyond a border."""
    random = np.random.default_rng(3)
    folder.mkdir(exist_ok=True)
    paths = []
    for number, offset in enumerate(offsets):
        image = light(window) + offset + random.normal(0, NOISE, window.shape)
        # A fire of one month each, and one that burns in four of nine.
        image[20 + number, 70] = 300.0
        image[5, 60] = 40.0 if number < 4 else image[5, 60]
        image[:, :FILLED] = 0
        image[70, 60:63] = np.nan if number else image[70, 60:63]
        paths.append(
            geotiff(
                folder / f"{name}-{number}.tif", image.astype(np.float32), window.transform, nodata=np.nan
            )
        )
    return paths


def source_of(folder: Path, paths: list[Path], **options: object) -> RastersSource:
    day = geotiff(folder / "day.tif", np.ones((1, *PLACE.fine_shape), np.float32), PLACE.fine_transform)
    return RastersSource([str(day)], [str(path) for path in paths], **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RastersSource:
    folder = tmp_path_factory.mktemp("months")
    return source_of(folder, months(folder / "night"), nighttime_composite="median")


def test_the_offset_of_each_month_is_found_and_removed(source: RastersSource) -> None:
    described = source.describe()
    assert described["nighttime_composite"] == "median"
    offsets = np.array(list(described["nighttime_offsets"].values()))
    # The filling is identical in all months: counted as dark, it would make every offset zero.
    np.testing.assert_allclose(offsets - np.median(offsets), np.array(OFFSETS), atol=0.004)


def test_the_median_is_near_the_light_without_fires_or_filling(source: RastersSource) -> None:
    radiance = source.nighttime(PLACE)
    assert radiance.dtype == np.float32 and radiance.shape == PLACE.shape
    assert np.isnan(radiance[:, :FILLED]).all()
    error = (radiance - light(PLACE))[:, FILLED:]
    assert np.isfinite(error).all()
    # Of nine months, a median errs by 1.25 x 0.04 / 3.
    assert np.sqrt(np.mean(error**2)) == pytest.approx(1.25 * NOISE / 3, rel=0.15)
    assert np.abs(error).max() < 0.12


def test_the_scatter_of_a_month_is_measured_and_months_are_counted(source: RastersSource) -> None:
    assert isinstance(source, RepeatedSource)
    noise = source.noise(PLACE)
    assert noise is not None and noise.dtype == np.float32 and noise.shape == (2, *PLACE.shape)
    scatter, images = noise
    assert np.nanmedian(scatter) == pytest.approx(NOISE, rel=0.15)
    # Known in one month alone, nothing can be said of the noise.
    assert (images[70, 60:63] == 1).all() and np.isnan(scatter[70, 60:63]).all()
    assert (images[:, :FILLED] == 0).all() and (images[:60, FILLED:] == len(OFFSETS)).all()


def test_the_composite_does_not_depend_on_how_the_window_is_cut(source: RastersSource) -> None:
    radiance, noise = source.nighttime(PLACE), source.noise(PLACE)
    assert noise is not None
    for tile in PLACE.tiles(33, 17):
        part = tile.slices_in(PLACE)
        np.testing.assert_array_equal(source.nighttime(tile), radiance[part])
        np.testing.assert_array_equal(source.noise(tile), noise[(slice(None), *part)])
    outside = Window(PLACE.column - 50, PLACE.row, 20, 20)
    assert np.isnan(source.nighttime(outside)).all()


def test_tiles_and_months_may_be_mixed(tmp_path: Path) -> None:
    here = months(tmp_path / "a", offsets=(0.0, 0.1, -0.1))
    there = months(tmp_path / "b", BESIDE, offsets=(0.0, 0.2, -0.2))
    mixed = source_of(tmp_path, [*there, *here], nighttime_composite="median")
    both = Window(PLACE.column, PLACE.row, 2 * PLACE.width, PLACE.height)
    apart = [
        source_of(tmp_path, paths, nighttime_composite="median").nighttime(window)
        for paths, window in ((here, PLACE), (there, BESIDE))
    ]
    np.testing.assert_array_equal(mixed.nighttime(both), np.concatenate(apart, axis=1))


def test_offsets_of_a_large_raster_are_estimated_from_a_part(tmp_path: Path) -> None:
    large = Window(PLACE.column, PLACE.row - 300, 640, 620)
    paths = months(tmp_path / "large", large, OFFSETS[:3])
    offsets = source_of(tmp_path, paths, nighttime_composite="median").describe()["nighttime_offsets"]
    np.testing.assert_allclose(list(offsets.values()), OFFSETS[:3] - np.median(OFFSETS[:3]), atol=0.01)


def test_a_month_without_measurements_takes_nothing_from_the_others(tmp_path: Path) -> None:
    paths = months(tmp_path / "night")
    cloudy = np.full(PLACE.shape, np.nan, np.float32)
    cloudy[30, 30:50] = 7.0
    paths.append(geotiff(tmp_path / "night" / "cloudy.tif", cloudy, PLACE.transform, nodata=np.nan))
    source = source_of(tmp_path, paths, nighttime_composite="median")
    offsets = list(source.describe()["nighttime_offsets"].values())
    np.testing.assert_allclose(offsets, [*OFFSETS, 0], atol=0.004)


def test_seasons_of_lit_places_are_no_offsets(tmp_path: Path) -> None:
    random, paths = np.random.default_rng(4), []
    for number, season in enumerate((0.8, 1.0, 1.2)):
        image = random.normal(0, NOISE, PLACE.shape)
        image[50:] += 10 * season
        paths.append(geotiff(tmp_path / f"{number}.tif", image.astype(np.float32), PLACE.transform))
    offsets = source_of(tmp_path, paths, nighttime_composite="median").describe()["nighttime_offsets"]
    np.testing.assert_allclose(list(offsets.values()), 0, atol=0.004)


def test_a_mosaic_stays_what_it_was_and_recommends_the_median(tmp_path: Path) -> None:
    paths = months(tmp_path / "night", offsets=OFFSETS[:3])
    mosaic = source_of(tmp_path, paths)
    with cog.opened(paths[0]) as first:
        np.testing.assert_array_equal(mosaic.nighttime(PLACE), first.read(1))
    assert mosaic.noise(PLACE) is None
    assert not {"nighttime_composite", "nighttime_offsets"} & set(mosaic.describe())
    assert mosaic.label.endswith("; viirs-0.tif and 2 more")
    assert "better composed by their median" in mosaic.notes[0]
    single = source_of(tmp_path, paths[:1])
    assert single.notes == ()


def test_notes_tell_how_the_night_is_composed(source: RastersSource, tmp_path: Path) -> None:
    assert source.label == "Rasters: day.tif; median of viirs-0.tif and 8 more"
    (note,) = source.notes
    assert "median of 9 images, each without its own offset" in note
    pair = source_of(tmp_path, months(tmp_path / "two")[:2], nighttime_composite="median")
    assert "cannot leave out fires" in pair.notes[1]


def test_the_dataset_keeps_noise_months_and_licence(source: RastersSource, tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    wanted = request("towns", source="rasters", nighttime_composite="median", attribution=[LICENCE])
    place = region("town", Window(PLACE.column, PLACE.row, 80, 78))
    manifest = export_dataset(workspace, wanted, source, [place], NoProgress())
    (kept,) = manifest.regions
    assert kept.months_composed == manifest.months_composed == len(OFFSETS)
    assert kept.noise == "town/noise.tif" and set(kept.sha256) == {
        f"town/{kind}.tif" for kind in ("daytime", "viirs", "noise")
    }
    assert manifest.source.attribution == [LICENCE]
    dataset = Dataset.open(workspace, "towns")
    dataset.verify()
    window = kept.window.window
    np.testing.assert_array_equal(dataset.read_nighttime("town"), source.nighttime(window))
    np.testing.assert_array_equal(dataset.read_noise("town"), source.noise(window))
    info = cog.inspect(dataset.path(kept.noise))
    assert info.bands == ("scatter", "images") and info.units == (RADIANCE_UNIT, "images")
    assert info.tags["attribution"] == LICENCE
    assert cog.inspect(dataset.path(kept.nighttime)).tags["source"] == source.label


def test_a_mosaic_records_neither_noise_nor_months(tmp_path: Path) -> None:
    source = source_of(tmp_path, months(tmp_path / "night", offsets=(0.0,)))
    manifest = export_dataset(
        Workspace.open(tmp_path),
        request("towns", source="rasters"),
        source,
        [region("a", PLACE)],
        NoProgress(),
    )
    assert manifest.regions[0].noise is None and manifest.months_composed is None
    assert Dataset.open(Workspace.open(tmp_path), "towns").read_noise("a") is None


def test_an_export_that_an_earlier_version_began_goes_on() -> None:
    record = SourceRecord(kind="rasters", label="Rasters", simulated=False)
    plain = fingerprint(request(), record, [], [])
    # The digest of this request before the fields for composites were added.
    assert plain == "cc1d7495f91af098bf977290b9603991cea80f0a044b439b4361975472f94d8a"
    assert fingerprint(request(nighttime_composite="median"), record, [], []) != plain
    assert fingerprint(request(attribution=[LICENCE]), record, [], []) != plain
