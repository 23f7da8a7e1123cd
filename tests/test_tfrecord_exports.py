"""What the local Earth Engine server exports as TFRecord comes back as a dataset, pixel by pixel."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from earthengine_server.server import EarthEngineServer

from nightlights.bands import LANDSAT_BANDS
from nightlights.composites import DaytimeComposite, NighttimeComposite
from nightlights.datasets import Dataset
from nightlights.grid import Window
from nightlights.manifests import ImportRequest
from nightlights.progress import NoProgress
from nightlights.settings import Settings
from nightlights.storage import open_bucket
from nightlights.tfrecords.importing import import_dataset
from nightlights.workspace import Workspace

WINDOW = Window(46_866, 19_000, 4, 4)
DAY = DaytimeComposite(start=date(2021, 1, 1), end=date(2021, 2, 28), bands=("SR_B4", "B10"))
NIGHT = NighttimeComposite(start=date(2021, 1, 1), end=date(2021, 2, 28))


@pytest.fixture(scope="module")
def server() -> Iterator[EarthEngineServer]:
    with EarthEngineServer() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def right(server: EarthEngineServer) -> tuple[Any, Any]:
    """Both images of the window, read directly."""
    from nightlights.sources.earthengine.client import connect
    from nightlights.sources.earthengine.grids import PixelGrid
    from nightlights.sources.earthengine.images import daytime_image, nighttime_image
    from nightlights.sources.earthengine.pixels import fetch_pixels

    settings = Settings.from_environment()
    connect(settings)
    day = fetch_pixels(daytime_image(DAY), DAY.bands, PixelGrid.of(WINDOW, fine=True), settings)
    night = fetch_pixels(nighttime_image(NIGHT), ["avg_rad"], PixelGrid.of(WINDOW, fine=False), settings)
    return day, night[0]


def imported(tmp_path: Path, prefix: str, **fields: Any) -> Dataset:
    store = open_bucket(Settings.from_environment())
    names = [file.name for file in store.list(f"nightlights/{prefix}")]
    files = store.download(names, tmp_path / "files")
    place = Workspace.open(tmp_path / "workspace")
    request = ImportRequest(
        dataset="back", files=[str(file) for file in files], scaling="physical", simulated=True, **fields
    )
    import_dataset(place, request, NoProgress())
    return Dataset.open(place, "back")


def stack() -> Any:
    from nightlights.sources.earthengine.images import daytime_image, nighttime_image

    return daytime_image(DAY).addBands(nighttime_image(NIGHT))


def finish(name: str) -> None:
    from nightlights.sources.earthengine.operations import get_operation

    while (operation := get_operation(name, Settings.from_environment())).active:
        pass
    assert operation.state == "done", operation.error


def check(dataset: Dataset, name: str, right: tuple[Any, Any], known: np.ndarray) -> None:
    day, night = right
    fine = np.kron(known, np.ones((16, 16), bool))
    assert [band.name for band in dataset.manifest.bands] == ["SR_B4", "B10"]
    assert dataset.manifest.bands == [LANDSAT_BANDS[3], LANDSAT_BANDS[7]]
    window = dataset.region(name).window.window
    part, fine_part = window.slices_in(WINDOW), window.fine_slices_in(WINDOW)
    expected = np.where(fine, day, np.nan)[(slice(None), *fine_part)]
    found = dataset.read_daytime(name)
    assert np.array_equal(np.isnan(found).any(axis=0), np.isnan(expected).any(axis=0))
    # A dataset keeps reflectance in Landsat's own steps and temperature in steps of 0.01 K.
    np.testing.assert_allclose(found[0], expected[0], atol=1.4e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=0.0051)
    np.testing.assert_array_equal(dataset.read_nighttime(name), np.where(known, night, np.nan)[part])


def test_patches_with_their_places_lie_where_they_were_sampled(
    tmp_path: Path, right: tuple[Any, Any]
) -> None:
    from nightlights.sources.earthengine.exports import Export, start_patch_export
    from nightlights.sources.earthengine.sampling import choose_patches

    patches = choose_patches(WINDOW, 32, 3, 1)
    export = Export("Cloud Storage", "nightlights", "training_patches_g0", "patches", "room-1")
    settings = Settings.from_environment()
    bands = (*(DAY.bands or ()), "avg_rad")
    finish(start_patch_export(stack(), bands, WINDOW, patches, export, settings))
    known = np.zeros(WINDOW.shape, bool)
    for patch in patches:
        known[patch.slices_in(WINDOW)] = True
    check(imported(tmp_path, "training_patches_g0"), "training_patches_g0", right, known)


def test_an_image_with_its_mixer_and_kernel_comes_back_whole(tmp_path: Path, right: tuple[Any, Any]) -> None:
    from nightlights.sources.earthengine.exports import Export, start_tiled_export

    export = Export("Cloud Storage", "nightlights", "kinshasa_", "image", "room-2")
    finish(start_tiled_export(stack(), WINDOW, export, Settings.from_environment(), patch_size=32, margin=16))
    dataset = imported(tmp_path, "kinshasa_")
    assert dataset.region("kinshasa").role == "predict"
    check(dataset, "kinshasa", right, np.ones(WINDOW.shape, bool))
