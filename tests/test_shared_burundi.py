"""The real rasters beside the project: population by day, VIIRS by night, in seven regions of Burundi."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from data_samples import request
from learning_samples import TINY_NETWORK
from numpy.typing import NDArray
from rasterio.warp import transform
from scipy.ndimage import map_coordinates
from shapely import box

from nightlights.crossvalidation import cross_validate
from nightlights.datasets import RADIANCE_EDGES, Dataset, PatchSampler, export_dataset
from nightlights.grid import Window
from nightlights.manifests import CrossValidationRequest, Role, TrainingSettings
from nightlights.metrics import ALL_REGIONS
from nightlights.networks import NETWORKS
from nightlights.progress import NoProgress
from nightlights.regions import Region
from nightlights.sources.rasters import RastersSource
from nightlights.workspace import Workspace

DATA = Path(__file__).parents[2] / "shared" / "data"
POPULATION = DATA / "population_burundi.tif"
VIIRS = DATA / "viirs_avg_rad_burundi.tif"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not VIIRS.exists(), reason="the real rasters are not beside the project"),
]

CENTRES: dict[str, tuple[float, float, Role]] = {
    "gitega": (29.93, -3.43, "train"),
    "ngozi": (29.83, -2.91, "train"),
    "muyinga": (30.34, -2.85, "train"),
    "ruyigi": (30.25, -3.48, "train"),
    "bururi": (29.62, -3.95, "train"),
    "bujumbura": (29.42, -3.35, "evaluate"),
    "rutana": (29.99, -3.93, "evaluate"),
}
HALF_SIDE = 0.11


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    workspace = Workspace.open(tmp_path_factory.mktemp("burundi"))
    regions = [
        Region(name, role, box(x - HALF_SIDE, y - HALF_SIDE, x + HALF_SIDE, y + HALF_SIDE))
        for name, (x, y, role) in CENTRES.items()
    ]
    source = RastersSource([str(DATA / "population_*.tif")], [str(VIIRS)])
    export_dataset(workspace, request("burundi", source="rasters"), source, regions, NoProgress())
    return Dataset.open(workspace, "burundi")


def radiance_around(longitude: float, latitude: float) -> NDArray[np.float32]:
    """VIIRS around a place, by the file's own georeferencing alone; NaN for its tag, 0."""
    with rasterio.open(VIIRS) as raster:
        west, north = ~raster.transform @ (longitude - HALF_SIDE, latitude + HALF_SIDE)
        east, south = ~raster.transform @ (longitude + HALF_SIDE, latitude - HALF_SIDE)
        values = raster.read(1)[int(north) : int(np.ceil(south)), int(west) : int(np.ceil(east))]
    return np.where(values == 0, np.nan, values).astype(np.float32)


def population_at(window: Window) -> NDArray[np.float64]:
    """Population at the analysis pixels, interpolated by scipy over the known neighbours."""
    with rasterio.open(POPULATION) as raster:
        people, missing = raster.read(1).astype(float), raster.read(1) == raster.nodata
        longitudes, latitudes = np.meshgrid(window.fine_longitudes, window.fine_latitudes)
        x, y = transform("EPSG:4326", raster.crs, longitudes.ravel(), latitudes.ravel())
        columns, rows = ~raster.transform @ (np.array(x), np.array(y))
    where = [rows - 0.5, columns - 0.5]
    known = map_coordinates((~missing).astype(float), where, order=1)
    total = map_coordinates(np.where(missing, 0, people), where, order=1)
    hidden = map_coordinates(missing.astype(float), where, order=0) > 0.5
    result: NDArray[np.float64] = np.where(hidden, np.nan, total / np.maximum(known, 1e-9))
    return result.reshape(window.fine_shape)


@pytest.mark.parametrize("name", CENTRES)
def test_the_night_is_the_file_bit_by_bit(dataset: Dataset, name: str) -> None:
    longitude, latitude, _ = CENTRES[name]
    expected = radiance_around(longitude, latitude)
    np.testing.assert_array_equal(dataset.read_nighttime(name), expected)
    summary = dataset.region(name).radiance
    assert summary.mean == pytest.approx(np.nanmean(expected.astype(np.float64)), rel=1e-6)
    assert summary.maximum == pytest.approx(np.nanmax(expected))
    assert summary.lit_share == pytest.approx(np.nanmean(expected[np.isfinite(expected)] > 0.5))
    assert sum(summary.counts) == np.isfinite(expected).sum()


@pytest.mark.parametrize("name", ["gitega", "bujumbura"])
def test_the_day_is_the_population_warped_onto_the_grid(dataset: Dataset, name: str) -> None:
    warped = dataset.read_daytime(name)
    expected = population_at(dataset.region(name).window.window)
    assert warped.shape == (1, *expected.shape)
    np.testing.assert_array_equal(np.isnan(warped[0]), np.isnan(expected))
    np.testing.assert_allclose(warped[0], expected, rtol=1e-4, atol=0.02)
    assert dataset.region(name).missing_share == pytest.approx(np.isnan(expected).mean())


def test_the_manifest_tells_a_real_source_and_its_regions(dataset: Dataset) -> None:
    assert not dataset.manifest.source.simulated
    assert [band.name for band in dataset.manifest.bands] == ["band_1"]
    assert len(dataset.regions("train")) == 5 and len(dataset.regions("evaluate")) == 2
    # Bujumbura is the capital: the brightest region by far, and so in the histogram.
    brightest = max(dataset.manifest.regions, key=lambda region: region.radiance.maximum)
    assert brightest.name == "bujumbura" and brightest.radiance.maximum == pytest.approx(13.317, abs=1e-3)
    edge = max(value for value in RADIANCE_EDGES if value <= 13.3)
    assert brightest.radiance.counts[RADIANCE_EDGES.index(edge)] >= 1
    dataset.verify()


def test_patches_come_from_all_training_regions(dataset: Dataset, tmp_path: Path) -> None:
    names = [region.name for region in dataset.regions("train")]
    sampler = PatchSampler(dataset, names, 256, 1, 0.3, tmp_path)
    assert set(sampler.patches_per_region) == set(names)
    batch = sampler.batch(0, range(10))
    assert batch.regions == tuple(names * 2)
    for name, window, night in zip(batch.regions, batch.windows, batch.nighttime, strict=True):
        measured = dataset.read_nighttime(name, window)
        labelled = np.isfinite(night)
        assert labelled.mean() > 0.5
        np.testing.assert_array_equal(night[labelled], measured[labelled])
        # A measurement without a label has unknown population within its footprint.
        for row, column in np.argwhere(np.isfinite(measured) & ~labelled):
            pixel = Window(window.column + int(column), window.row + int(row), 1, 1).expand(2)
            around = pixel.intersection(dataset.region(name).window.window)
            assert np.isnan(dataset.read_daytime(name, around)).any()


def test_every_region_is_scored_by_models_that_have_not_seen_it(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real rasters hold no fine truth; whatever the scores are, they are of one set of pixels."""
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    settings = TrainingSettings(network="tiny", epochs=1, patches_per_region=2, patch_size=128)
    names = ["bujumbura", "gitega", "ngozi"]
    wanted = CrossValidationRequest(name="held", dataset="burundi", settings=settings, regions=names)
    record = cross_validate(Workspace(dataset.folder.parent.parent), wanted, NoProgress())
    assert not record.source.simulated
    table = {(score.method, score.region): score for score in record.scores}
    assert set(table) == {
        (method, region)
        for method in ("tiny", "constant mean", "linear regression", "footprint regression")
        for region in (*names, ALL_REGIONS)
    }
    for name in (*names, ALL_REGIONS):
        assert len({score.pixels for (_, region), score in table.items() if region == name}) == 1
        assert all(np.isfinite(score.rmse) for score in record.scores)
    assert all(score.fine is None and score.intervals is not None for score in record.scores)
    # Each fold trains on every other town, held out or not.
    every = [each.name for role in ("train", "evaluate") for each in dataset.regions(role)]
    others = [dataset.read_nighttime(name) for name in every if name != names[0]]
    mean = float(np.nanmean(np.concatenate([radiance.ravel() for radiance in others])))
    assert table["constant mean", names[0]].mean_predicted == pytest.approx(mean, rel=1e-5)
