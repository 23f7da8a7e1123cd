"""Patches: where they lie, what they hold, and that nothing but seed, epoch and index decides."""

from pathlib import Path

import numpy as np
import pytest
from data_samples import BANDS, AnalyticSource, mounted_disk, region, request
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from nightlights import cog
from nightlights.bands import Band
from nightlights.datasets import Dataset, PatchBatch, PatchSampler, export_dataset
from nightlights.errors import DatasetError, SettingsError, WorkspaceError
from nightlights.grid import Window
from nightlights.observation import ObservationOperator
from nightlights.patch_cache import cached_region
from nightlights.progress import NoProgress
from nightlights.workspace import Workspace

NORTH = Window(45_000, 3_000, 20, 14)
SOUTH = Window(45_100, 18_100, 9, 12)
REGIONS = (region("north", NORTH), region("south", SOUTH, "evaluate"))
WINDOWS = {"north": NORTH, "south": SOUTH}


def exported(folder: Path, source: AnalyticSource, name: str = "sample") -> Dataset:
    workspace = Workspace.open(folder / "workspace")
    export_dataset(workspace, request(name, overwrite=True), source, REGIONS, NoProgress())
    return Dataset.open(workspace, name)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return exported(tmp_path_factory.mktemp("patches"), AnalyticSource())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def sampler(dataset: Dataset, cache: Path, **changes: object) -> PatchSampler:
    arguments: dict[str, object] = {
        "region_names": ["north", "south"],
        "patch_size": 64,
        "seed": 3,
        "maximum_missing_share": 0.2,
        "cache_folder": cache,
    }
    return PatchSampler(dataset, **(arguments | changes))  # type: ignore[arg-type]


def test_a_patch_holds_the_pixels_of_its_place(dataset: Dataset, cache: Path) -> None:
    batch = sampler(dataset, cache).batch(0, range(20))
    assert batch.daytime.shape == (20, 64, 64, 3) and batch.daytime.dtype == np.float32
    assert batch.nighttime.shape == (20, 4, 4) and batch.nighttime.dtype == np.float32
    assert batch.regions == ("north", "south") * 10
    for number, (name, window) in enumerate(zip(batch.regions, batch.windows, strict=True)):
        assert WINDOWS[name].contains(window)
        np.testing.assert_array_equal(
            batch.daytime[number], np.moveaxis(dataset.read_daytime(name, window), 0, -1)
        )
        np.testing.assert_array_equal(batch.nighttime[number], dataset.read_nighttime(name, window))
        _, south, _, north = window.bounds
        assert batch.latitudes[number] == pytest.approx((south + north) / 2, abs=1e-5)
        assert batch.rows[number] == window.row


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=6), st.integers(0, 50))
def test_a_patch_depends_on_seed_epoch_and_index_alone(
    dataset: Dataset, cache: Path, indices: list[int], epoch: int
) -> None:
    one = sampler(dataset, cache)
    together = one.batch(epoch, indices)
    one.batch(epoch + 1, [7])
    for number, index in reversed(list(enumerate(indices))):
        alone = sampler(dataset, cache).batch(epoch, [index])
        assert alone.windows[0] == together.windows[number]
        np.testing.assert_array_equal(alone.daytime[0], together.daytime[number])


def test_epochs_indices_and_seeds_draw_differently(dataset: Dataset, cache: Path) -> None:
    first = sampler(dataset, cache)
    draws = [
        first.batch(0, range(16)).windows,
        first.batch(1, range(16)).windows,
        first.batch(0, range(16, 32)).windows,
        sampler(dataset, cache, seed=4).batch(0, range(16)).windows,
        first.fixed(16, 3).windows,
    ]
    assert len(set(draws)) == len(draws)


def test_every_place_is_drawn_about_equally_often(dataset: Dataset, cache: Path) -> None:
    drawing = sampler(dataset, cache, region_names=["south"], patch_size=128)
    assert drawing.patches_per_region == {"south": 2 * 5}
    windows = drawing.batch(0, range(1000)).windows
    counts = [windows.count(window) for window in set(windows)]
    # 10 places, 100 expected: five standard deviations are 47.
    assert len(counts) == 10 and min(counts) > 53 and max(counts) < 147


def test_fixed_patches_are_spread_evenly_and_never_twice_in_one_place(dataset: Dataset, cache: Path) -> None:
    one = sampler(dataset, cache)
    batch = one.fixed(21, 5)
    assert (batch.regions.count("north"), batch.regions.count("south")) == (11, 10)
    assert len(set(batch.windows)) == 21
    assert sampler(dataset, cache, seed=99).fixed(21, 5).windows == batch.windows
    assert one.fixed(21, 6).windows != batch.windows
    assert len(sampler(dataset, cache, region_names=["south"], patch_size=144).fixed(9, 1)) == 9


def footprints(missing: NDArray[np.bool_], window: Window) -> NDArray[np.float64]:
    """Share of each footprint that is missing, by the operator itself over the whole window."""
    operator = ObservationOperator(window)
    share: NDArray[np.float64] = operator.forward(missing) / operator.forward(np.ones(missing.shape))
    return share


def test_missing_pixels_never_train(tmp_path: Path) -> None:
    hole = Window(NORTH.column + 9, NORTH.row + 5, 2, 3)
    with_hole = exported(tmp_path, AnalyticSource(holes=(hole,)))
    missing = np.isnan(with_hole.read_daytime("north")).any(axis=0)
    share = footprints(missing, NORTH)
    batch = sampler(with_hole, tmp_path / "cache", region_names=["north"]).batch(0, range(60))
    touched = 0
    for number, window in enumerate(batch.windows):
        part = missing[window.fine_slices_in(NORTH)]
        assert part.mean() <= 0.2
        touched += part.any()
        np.testing.assert_array_equal(np.isnan(batch.daytime[number]).any(axis=-1), part)
        hidden = share[window.slices_in(NORTH)] > 0.2
        np.testing.assert_array_equal(np.isnan(batch.nighttime[number]), hidden)
        for method in ("nearest", "bilinear"):
            expected = part | hidden.repeat(16, axis=0).repeat(16, axis=1)
            np.testing.assert_array_equal(np.isnan(batch.upsampled(method)[number]), expected)
    assert touched > 5


def test_a_label_needs_its_own_daytime_pixel(tmp_path: Path) -> None:
    class Speckled(AnalyticSource):
        def daytime(self, window: Window) -> NDArray[np.float32]:
            image = super().daytime(window)
            image[1, 3::16, 5::16] = np.nan
            return image

    speckled = sampler(exported(tmp_path, Speckled()), tmp_path, region_names=["north"]).fixed(5, 1)
    expected = np.zeros((64, 64), bool)
    expected[3::16, 5::16] = True
    assert np.isfinite(speckled.nighttime).all()
    for method in ("nearest", "bilinear"):
        for label in speckled.upsampled(method):
            np.testing.assert_array_equal(np.isnan(label), expected)


def test_footprints_of_a_large_region_are_the_same_in_strips(tmp_path: Path) -> None:
    tall = Window(45_000, 3_000, 6, 50)
    holes = (Window(45_002, 3_014, 2, 4), Window(45_000, 3_040, 1, 1))
    workspace = Workspace.open(tmp_path / "workspace")
    source = AnalyticSource(bands=BANDS[:1], holes=holes)
    export_dataset(workspace, request(), source, [region("tall", tall)], NoProgress())
    dataset = Dataset.open(workspace, "sample")
    missing = np.isnan(dataset.read_daytime("tall")[0])
    cached = cached_region(dataset, "tall", tmp_path)
    np.testing.assert_allclose(cached.footprint_missing, footprints(missing, tall), atol=1e-6)
    np.testing.assert_array_equal(cached.missing.nonzero(), missing[::16, ::16].nonzero())


def test_a_patch_without_night_lights_counts_as_missing(tmp_path: Path) -> None:
    class HalfUnknown(AnalyticSource):
        def nighttime(self, window: Window) -> NDArray[np.float32]:
            radiance = super().nighttime(window)
            radiance[:, max(0, NORTH.column + 10 - window.column) :] = np.nan
            return radiance

    workspace = Workspace.open(tmp_path / "workspace")
    export_dataset(workspace, request(), HalfUnknown(), REGIONS[:1], NoProgress())
    drawing = sampler(
        Dataset.open(workspace, "sample"), tmp_path, region_names=["north"], maximum_missing_share=0.5
    )
    # A patch of 4 columns may begin up to column 8: two of its columns are then unknown.
    assert drawing.patches_per_region == {"north": 9 * 11}


def bilinear(values: NDArray[np.float32], rows: int) -> NDArray[np.float64]:
    """Linear interpolation by scipy of a whole region, edges repeated."""
    position = (np.arange(rows * 16) + 0.5) / 16 - 0.5
    columns = (np.arange(values.shape[1] * 16) + 0.5) / 16 - 0.5
    grid = np.meshgrid(position, columns, indexing="ij")
    interpolated: NDArray[np.float64] = map_coordinates(values.astype(float), grid, order=1, mode="nearest")
    return interpolated


def test_upsampled_labels_are_cut_from_the_whole_region(dataset: Dataset, cache: Path) -> None:
    batch = sampler(dataset, cache).fixed(30, 1)
    whole = {name: dataset.read_nighttime(name) for name in WINDOWS}
    smooth = {name: bilinear(radiance, len(radiance)) for name, radiance in whole.items()}
    for number, (name, window) in enumerate(zip(batch.regions, batch.windows, strict=True)):
        part = window.fine_slices_in(WINDOWS[name])
        blocks = whole[name].repeat(16, axis=0).repeat(16, axis=1)
        np.testing.assert_array_equal(batch.upsampled("nearest")[number], blocks[part])
        np.testing.assert_allclose(batch.upsampled("bilinear")[number], smooth[name][part], atol=1e-4)


def test_bilinear_labels_are_between_the_known_neighbours_alone() -> None:
    neighbourhood = np.full((1, 4, 4), np.nan, np.float32)
    neighbourhood[0, 1:3, 1] = 2.0
    neighbourhood[0, 1:3, 2] = 6.0
    neighbourhood[0, 2, 2] = np.nan
    batch = PatchBatch(
        daytime=np.zeros((1, 32, 32, 1), np.float32),
        nighttime=neighbourhood[:, 1:3, 1:3],
        neighbourhood=neighbourhood,
        latitudes=np.zeros(1, np.float32),
        rows=np.zeros(1, np.int64),
        regions=("a",),
        windows=(Window(0, 0, 2, 2),),
    )
    label = batch.upsampled("bilinear")[0]
    assert np.isnan(label[16:, 16:]).all() and np.isfinite(label).sum() == 3 * 256
    # Beyond the outer centres only one pixel is known, so its value stands.
    np.testing.assert_allclose(label[:8, :8], 2.0, rtol=1e-6)
    np.testing.assert_allclose(label[:8, 24:], 6.0, rtol=1e-6)
    # Between the centres of two known pixels the label runs straight from one to the other.
    expected = 2 + 4 * (np.arange(16) + 0.5) / 16
    np.testing.assert_allclose(label[7, 8:24], expected, rtol=1e-5)


def test_the_cache_is_built_once_and_again_when_it_does_not_fit(tmp_path: Path) -> None:
    dataset = exported(tmp_path, AnalyticSource())
    sampler(dataset, tmp_path / "cache")
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    assert len(files) == 4
    sampler(dataset, tmp_path / "cache")
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    broken = next(path for path in files if path.name == "daytime.npy")
    broken.write_bytes(broken.read_bytes()[:-10])
    np.testing.assert_array_equal(
        sampler(dataset, tmp_path / "cache").batch(0, range(4)).daytime,
        sampler(dataset, tmp_path / "fresh").batch(0, range(4)).daytime,
    )
    changed = exported(tmp_path, AnalyticSource(truth=False, holes=(Window(NORTH.column, NORTH.row, 1, 1),)))
    batch = sampler(changed, tmp_path / "cache").fixed(40, 0)
    for name, window, day in zip(batch.regions, batch.windows, batch.daytime, strict=True):
        np.testing.assert_array_equal(day, np.moveaxis(changed.read_daytime(name, window), 0, -1))
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 4


def test_bands_of_an_unknown_quantity_are_kept_as_they_are(tmp_path: Path) -> None:
    class People(AnalyticSource):
        def daytime(self, window: Window) -> NDArray[np.float32]:
            return super().daytime(window) * 1e6 + 0.1

    source = People(bands=(Band(name="population", unit="people"),))
    dataset = exported(tmp_path, source)
    batch = sampler(dataset, tmp_path).batch(0, range(4))
    for window, day in zip(batch.windows, batch.daytime, strict=True):
        np.testing.assert_array_equal(day[..., 0], source.daytime(window)[0])


def test_a_patch_that_does_not_fit_is_refused_with_the_largest_that_does(
    dataset: Dataset, cache: Path
) -> None:
    with pytest.raises(
        DatasetError, match=r"256 x 256 pixels does not fit any of the 2 regions: north.*at most 144 pixels"
    ):
        sampler(dataset, cache, patch_size=256)
    assert sampler(dataset, cache, region_names=["north"], patch_size=224).patches_per_region == {"north": 7}


def test_a_region_without_a_usable_patch_is_named(tmp_path: Path) -> None:
    holes = tuple(Window(SOUTH.column, SOUTH.row + row, 9, 1) for row in range(0, 12, 2))
    dataset = exported(tmp_path, AnalyticSource(holes=holes))
    with pytest.raises(DatasetError, match=r"Region south gives no patch.*50%.*20% may be missing"):
        sampler(dataset, tmp_path)


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"region_names": []}, DatasetError, "No regions .* were chosen"),
        ({"region_names": ["east"]}, DatasetError, "no region east"),
        ({"patch_size": 100}, SettingsError, "multiple of 16"),
        ({"patch_size": 0}, SettingsError, "multiple of 16"),
    ],
)
def test_what_cannot_be_sampled_is_refused(
    dataset: Dataset, cache: Path, changes: dict[str, object], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        sampler(dataset, cache, **changes)


@pytest.mark.parametrize("checked", [True, False], ids=["seen before", "seen while writing"])
def test_a_full_disk_leaves_no_half_built_cache(
    dataset: Dataset, tmp_path: Path, checked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not checked:
        monkeypatch.setattr(cog, "require_space", lambda folder, size: None)
    with mounted_disk(tmp_path / "small", 1) as folder:
        (folder / "ballast").write_bytes(b"0" * 900_000)
        with pytest.raises(WorkspaceError, match="the disk is full") as caught:
            sampler(dataset, folder / "cache")
        assert ("MB needed" in caught.value.message) == checked
        assert not list(folder.rglob("*.npy"))
