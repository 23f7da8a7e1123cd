"""The graphs, computed by the local server, equal an independent computation over the same scenes.

Tiny random scenes: Landsat in UTM and partly beside the window, Sentinel-2 with its own pixel sizes, VIIRS
on its grid. The table of mutations in docs/earthengine-mutations.md is made with these tests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, get_args

import numpy as np
import pytest
from composite_reference import (
    SENTINEL_BANDS,
    STUDY_BANDS,
    Pixels,
    interpolated,
    landsat_layer,
    statistic,
)
from earthengine_graphs import connected, image_of, pixels_of
from earthengine_server.server import EarthEngineServer
from earthengine_server.values import Projection
from numpy.typing import NDArray

from nightlights.composites import LANDSAT_MASKS, AnnualBand, DaytimeComposite, NighttimeComposite
from nightlights.grid import Window
from nightlights.sources.earthengine import images
from nightlights.sources.earthengine.products import daytime_bands

WINDOW = Window.covering(29.99, -3.4, 29.995, -3.39)
UTM = Pixels("EPSG:32735", 832_100.0, 9_624_975.0, 30.0)
SIZE = 64, 30
"""Rows and columns of a scene: it covers the window but for a strip in the east."""
PERIOD: dict[str, Any] = {"start": date(2020, 1, 1), "end": date(2020, 12, 31)}
DAYS = ("2020-01-01", "2020-03-05", "2020-06-09", "2020-08-20", "2020-12-31")
"""The first and the last day of the period among them."""


@dataclass(frozen=True)
class Scene:
    """Arrays of a scene and what is known of it."""

    index: str
    day: str
    cloud: float
    surface: dict[str, NDArray[Any]]
    warmth: dict[str, NDArray[Any]]
    known: NDArray[np.bool_]


def projection_of(pixels: Pixels) -> Projection:
    return Projection(pixels.crs, (pixels.step, 0.0, pixels.west, 0.0, -pixels.step, pixels.north))


BLOB = 6
"""Side of a blemish in pixels: interpolation must find clear neighbours beside it."""


def blobs(dice: np.random.Generator, share: float, size: tuple[int, int]) -> NDArray[np.bool_]:
    """True in that share of all squares of BLOB x BLOB pixels."""
    squares = dice.random((-(-size[0] // BLOB), -(-size[1] // BLOB))) < share
    return np.kron(squares, np.ones((BLOB, BLOB), bool))[: size[0], : size[1]]


def numbers(bits: Sequence[NDArray[np.bool_]]) -> NDArray[np.uint16]:
    """Stored numbers of these bits, the lowest first."""
    return sum((bit.astype(np.uint16) << place for place, bit in enumerate(bits)), np.zeros(SIZE, np.uint16))


def landsat_scenes(satellite: int, seed: int) -> list[Scene]:
    """Random digital numbers; quality bits that do not count are set, too."""
    dice = np.random.default_rng(seed)
    found = []
    for number, day in enumerate(DAYS):
        # Bits 0 to 5 are what is masked; the others, confidences and water, must not matter.
        quality = numbers(
            [blobs(dice, 1 / 14, SIZE) for _ in range(6)] + [dice.random(SIZE) < 1 / 2 for _ in range(10)]
        )
        # Bits 0 to 6 are the bands; 8 is a band that Level 2 lacks, 11 is the terrain.
        shares = [1 / 40] * 7 + [0, 1 / 3, 0, 0, 1 / 3]
        saturation = numbers([blobs(dice, share, SIZE) for share in shares])
        surface = {
            f"SR_B{band}": dice.integers(7_000 + 1_000 * band, 30_000, SIZE).astype(np.uint16)
            for band in range(1, 8)
        }
        surface["ST_B10"] = dice.integers(35_000, 48_000, SIZE).astype(np.uint16)
        warmth = {
            "B10": dice.uniform(285, 300, SIZE).astype(np.float32),
            "B11": dice.uniform(270, 284, SIZE).astype(np.float32),
        }
        found.append(
            Scene(
                f"LC{satellite:02d}_{number}",
                day,
                20.0 * number,
                {**surface, "QA_PIXEL": quality, "QA_RADSAT": saturation},
                warmth,
                ~blobs(dice, 0.05, SIZE),
            )
        )
    return found


LANDSAT = {8: landsat_scenes(8, 1), 9: landsat_scenes(9, 2)}
LONELY = "LC08_2"
"""A scene of Level 2 without its partner of top-of-atmosphere."""


def add_landsat(server: EarthEngineServer) -> None:
    placed = projection_of(UTM)
    for satellite, scenes in LANDSAT.items():
        surface = [
            image_of(
                one.surface,
                placed,
                one.index,
                one.day,
                time="23:59" if one.day == DAYS[-1] else "00:00",
                mask=one.known,
                CLOUD_COVER=one.cloud,
            )
            for one in scenes
        ]
        warmth = [image_of(one.warmth, placed, one.index, one.day) for one in scenes if one.index != LONELY]
        # The days beside the period, with numbers that would be seen in any statistic.
        strange = {name: np.full_like(array, 60_000) for name, array in scenes[0].surface.items()}
        strange.update(QA_PIXEL=np.zeros(SIZE, np.uint16), QA_RADSAT=np.zeros(SIZE, np.uint16))
        for index, day in (("before", "2019-12-31"), ("after", "2021-01-01")):
            surface.append(
                image_of(strange, placed, index, day, time="23:59" if index == "before" else "00:00")
            )
        collection = f"LANDSAT/LC{satellite:02d}/C02"
        server.interpreter.scenes.add(f"{collection}/T1_L2", surface)
        # In another order: partners are found by their index.
        server.interpreter.scenes.add(f"{collection}/T1_TOA", warmth[::-1])


SENTINEL_PIXELS = {
    name: Pixels("EPSG:32735", 832_100.0, 9_624_975.0, 10.0 if name in ("B2", "B3", "B4", "B8") else 20.0)
    for name in SENTINEL_BANDS
}


@dataclass(frozen=True)
class SentinelScene:
    """Arrays of a scene: 10 m and 20 m bands are kept in two rasters, joined to one image."""

    index: str
    day: str
    cloud: float
    bands: dict[str, NDArray[Any]]
    score: NDArray[np.float32] | None


def sentinel_scenes() -> list[SentinelScene]:
    dice = np.random.default_rng(3)
    found = []
    for number, day in enumerate(DAYS):
        bands = {}
        for band, name in enumerate(SENTINEL_BANDS):
            side = int(30 / SENTINEL_PIXELS[name].step)
            size = (SIZE[0] * side, SIZE[1] * side) if side > 1 else (96, 45)
            bands[name] = dice.integers(100 + 200 * band, 6_000, size).astype(np.uint16)
        # Eighths, so that many scores are exactly the least that is asked for.
        eighths = dice.integers(0, 9, (SIZE[0] // 2 + 1, SIZE[1] // 2 + 1)) / 8
        score = np.kron(eighths, np.ones((6, 6)))[: SIZE[0] * 3, : SIZE[1] * 3].astype(np.float32)
        # One scene has no score, and so no clear pixel.
        found.append(SentinelScene(f"S2_{number}", day, 15.0 * number, bands, None if number == 3 else score))
    return found


SENTINEL = sentinel_scenes()
SCORE_PIXELS = Pixels("EPSG:32735", 832_100.0, 9_624_975.0, 10.0)


def add_sentinel(server: EarthEngineServer) -> None:
    surface, scores = [], []
    for one in SENTINEL:
        parts = [
            image_of({name: array}, projection_of(SENTINEL_PIXELS[name]), one.index, one.day)
            for name, array in one.bands.items()
        ]
        bands = [part.bands[0] for part in parts]
        properties = {**parts[0].properties, "CLOUDY_PIXEL_PERCENTAGE": one.cloud}
        surface.append(parts[0].with_bands(bands).with_properties(properties))
        if one.score is not None:
            score = {"cs": 1 - one.score, "cs_cdf": one.score}
            scores.append(image_of(score, projection_of(SCORE_PIXELS), one.index, one.day))
    server.interpreter.scenes.add("COPERNICUS/S2_SR_HARMONIZED", surface)
    server.interpreter.scenes.add("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", scores[::-1])


NIGHT_WINDOW = WINDOW.expand(3)
NIGHT = Pixels("EPSG:4326", NIGHT_WINDOW.bounds[0], NIGHT_WINDOW.bounds[3], 1 / 240)
MONTHS = ("2019-12-01", "2020-01-01", "2020-04-01", "2020-07-01", "2020-12-01", "2021-01-01")
ANNUAL_BANDS = ("average", "average_masked", "cf_cvg", "cvg", "maximum", "median", "median_masked", "minimum")


def nights(names: Sequence[str], days: Sequence[str], seed: int) -> list[dict[str, NDArray[Any]]]:
    dice = np.random.default_rng(seed)
    size = NIGHT_WINDOW.shape
    return [
        {
            name: dice.integers(0, 8, size).astype(np.int16)
            if "cvg" in name
            else (dice.gamma(1, 10, size) - 1).astype(np.float32) + number
            for number, name in enumerate(names)
        }
        for _ in days
    ]


MONTHLY = nights(("avg_rad", "cf_cvg"), MONTHS, 4)
YEARS = ("2018-01-01", "2019-01-01", "2020-01-01", "2021-01-01", "2022-01-01")
ANNUAL = nights(ANNUAL_BANDS, YEARS, 5)


def add_nights(server: EarthEngineServer) -> None:
    placed = projection_of(NIGHT)
    for name, days, arrays in (
        ("MONTHLY_V1/VCMSLCFG", MONTHS, MONTHLY),
        ("ANNUAL_V22", YEARS, ANNUAL),
    ):
        server.interpreter.scenes.add(
            f"NOAA/VIIRS/DNB/{name}",
            [
                image_of(bands, placed, day.replace("-", ""), day, time="00:00")
                for day, bands in zip(days, arrays, strict=True)
            ],
        )


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[EarthEngineServer]:
    with connected() as server:
        add_landsat(server)
        add_sentinel(server)
        add_nights(server)
        yield server


def computed(image: Any, *, fine: bool = True) -> dict[str, NDArray[Any]]:
    """What the server computes of a graph, NaN where the graph says missing."""
    pixels = pixels_of(images.filled(image), WINDOW, fine=fine)
    for values in pixels.values():
        assert values.dtype == np.float32
        values[values == -9999] = np.nan
    return pixels


def agree(found: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]]) -> None:
    assert list(found) == list(expected), "bands or their order"
    for name, values in expected.items():
        assert np.isfinite(values).any(), f"{name} tests nothing"
        np.testing.assert_allclose(found[name], values.astype(np.float32), rtol=3e-7, atol=3e-8, err_msg=name)


def layers_of(composite: DaytimeComposite, band: str) -> list[NDArray[Any]]:
    """A band of every scene on our grid, NaN where it is not clear."""
    satellites = {"Landsat 8": (8,), "Landsat 9": (9,), "Landsat 8 and 9": (8, 9)}[composite.sensor]
    layers = []
    for one in (one for satellite in satellites for one in LANDSAT[satellite]):
        if one.cloud <= composite.maximum_scene_cloud:
            warmth = None if one.index == LONELY else one.warmth
            values, clear = landsat_layer(one.surface, warmth, band, composite.masks, one.known)
            layers.append(interpolated(values, clear, UTM, WINDOW, composite.resampling))
    return layers


def landsat_expected(composite: DaytimeComposite, bands: Sequence[str]) -> dict[str, NDArray[Any]]:
    return {
        band: statistic(layers_of(composite, band), composite.statistic, composite.percentile)
        for band in bands
    }


def daytime(**options: Any) -> DaytimeComposite:
    return DaytimeComposite(**{**PERIOD, **options})


def test_the_scenes_test_what_they_should() -> None:
    for band, least in (("SR_B1", 1.5), ("B10", 1.2)):
        clear = np.isfinite(layers_of(daytime(), band)).sum(axis=0)
        assert clear.mean() > least, "statistics of one value tell nothing"
        assert len(np.unique(clear)) >= 4, "numbers of clear values that are even, odd and 0"
    columns, rows = UTM.positions(WINDOW)
    assert rows.min() > 3
    assert rows.max() < SIZE[0] - 4
    assert columns.min() > 3
    assert columns.max() > SIZE[1] + 3, "a strip of the window lies beside the scenes"
    assert abs(columns[0, 0] - columns[-1, 0]) > 1e-3, "the grids are turned against each other"


def test_composites_are_32_bit_floats() -> None:
    for image in (
        images.daytime_image(daytime(bands=("SR_B1", "B10"))),
        images.daytime_image(daytime(sensor="Sentinel-2", statistic="percentile", bands=("B2",))),
        images.nighttime_image(NighttimeComposite(**PERIOD)),
    ):
        assert {values.dtype for values in pixels_of(image, WINDOW).values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("mask", LANDSAT_MASKS)
def test_each_mask_alone(mask: str) -> None:
    composite = daytime(masks=(mask,), resampling="nearest", bands=("SR_B4", "B10"))
    expected = landsat_expected(composite, ("SR_B4", "B10"))
    agree(computed(images.daytime_image(composite)), expected)


@pytest.mark.parametrize("left_out", LANDSAT_MASKS)
def test_all_masks_but_one(left_out: str) -> None:
    masks = tuple(mask for mask in LANDSAT_MASKS if mask != left_out)
    composite = daytime(masks=masks, resampling="nearest", bands=("SR_B2",))
    agree(computed(images.daytime_image(composite)), landsat_expected(composite, ("SR_B2",)))


def test_without_masks() -> None:
    composite = daytime(masks=(), resampling="nearest", bands=("SR_B7",))
    agree(computed(images.daytime_image(composite)), landsat_expected(composite, ("SR_B7",)))


@pytest.mark.parametrize("sensor", ["Landsat 8", "Landsat 9", "Landsat 8 and 9"])
def test_each_landsat_with_the_bands_of_the_study(sensor: str) -> None:
    composite = daytime(sensor=sensor)
    assert tuple(band.name for band in daytime_bands(composite)) == STUDY_BANDS
    agree(computed(images.daytime_image(composite)), landsat_expected(composite, STUDY_BANDS))


@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "bicubic"])
def test_scenes_are_resampled_before_they_are_composited(resampling: str) -> None:
    composite = daytime(resampling=resampling, bands=("SR_B3", "B11"), masks=("cloud",))
    expected = landsat_expected(composite, ("SR_B3", "B11"))
    agree(computed(images.daytime_image(composite)), expected)
    nearest = landsat_expected(composite.model_copy(update={"resampling": "nearest"}), ("SR_B3",))
    same = np.isclose(expected["SR_B3"], nearest["SR_B3"], equal_nan=True)
    assert same.all() == (resampling == "nearest")


@pytest.mark.parametrize("percentile", [0, 10, 25, 62.5, 100])
def test_percentiles(percentile: float) -> None:
    composite = daytime(statistic="percentile", percentile=percentile, bands=("SR_B5", "B10"))
    agree(computed(images.daytime_image(composite)), landsat_expected(composite, ("SR_B5", "B10")))


@pytest.mark.parametrize("bands", [("B11", "SR_B5", "ST_B10", "SR_B1"), ("B10",), ("ST_B10",), ("SR_B6",)])
def test_bands_in_the_order_asked_for(bands: tuple[str, ...]) -> None:
    composite = daytime(bands=bands)
    agree(computed(images.daytime_image(composite)), landsat_expected(composite, bands))


def test_thermal_bands_come_from_the_scene_of_the_same_index() -> None:
    composite = daytime(bands=("SR_B1", "B10", "B11"), masks=(), statistic="percentile", percentile=100)
    found = computed(images.daytime_image(composite))
    agree(found, landsat_expected(composite, ("SR_B1", "B10", "B11")))
    assert np.nanmin(found["B10"]) > np.nanmax(found["B11"]), "B10 and B11 are told apart"


@pytest.mark.parametrize("cloud", [0, 20, 59.9, 60])
def test_cloudy_scenes_are_left_out(cloud: float) -> None:
    composite = daytime(maximum_scene_cloud=cloud, bands=("SR_B4",))
    agree(computed(images.daytime_image(composite)), landsat_expected(composite, ("SR_B4",)))


@pytest.mark.parametrize("sensor", ["Landsat 8 and 9", "Sentinel-2"])
def test_looking_only_near_the_window_changes_no_pixel(sensor: str) -> None:
    composite = daytime(sensor=sensor)
    everywhere = computed(images.daytime_image(composite))
    near = computed(images.daytime_image(composite, WINDOW))
    for name, values in everywhere.items():
        np.testing.assert_array_equal(values, near[name])


def sentinel_expected(composite: DaytimeComposite, bands: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Scores are looked up at the pixel of a band that is interpolated: where it lies in the score's."""
    expected = {}
    for band in bands:
        layers = []
        pixels = SENTINEL_PIXELS[band]
        for one in SENTINEL:
            if one.cloud > composite.maximum_scene_cloud:
                continue
            values = one.bands[band] / 10_000
            height, width = values.shape
            if one.score is None:
                layers.append(np.full(WINDOW.fine_shape, np.nan))
                continue
            rows = ((np.arange(height) + 0.5) * pixels.step / SCORE_PIXELS.step).astype(int)
            columns = ((np.arange(width) + 0.5) * pixels.step / SCORE_PIXELS.step).astype(int)
            clear = one.score[np.ix_(rows, columns)] >= np.float32(composite.minimum_clear_score)
            if composite.resampling == "nearest":
                # Nothing is interpolated, so that both are looked up at the pixel asked for.
                everything = np.ones(one.score.shape, bool)
                score = interpolated(one.score, everything, SCORE_PIXELS, WINDOW, "nearest")
                everything = np.ones(values.shape, bool)
                layer = interpolated(values, everything, pixels, WINDOW, "nearest")
                seen = np.nan_to_num(score, nan=-1) >= np.float32(composite.minimum_clear_score)
                layers.append(np.where(seen, layer, np.nan))
                continue
            layers.append(interpolated(values, clear, pixels, WINDOW, composite.resampling))
        expected[band] = statistic(layers, composite.statistic, composite.percentile)
    return expected


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
def test_sentinel_2(resampling: str) -> None:
    composite = daytime(sensor="Sentinel-2", resampling=resampling, minimum_clear_score=0.375)
    agree(computed(images.daytime_image(composite)), sentinel_expected(composite, SENTINEL_BANDS))


@pytest.mark.parametrize("score", [0.0, 0.25, 0.625])
def test_sentinel_2_leaves_out_what_is_not_clear(score: float) -> None:
    composite = daytime(
        sensor="Sentinel-2", resampling="bilinear", minimum_clear_score=score, bands=("B4", "B12", "B2")
    )
    agree(computed(images.daytime_image(composite)), sentinel_expected(composite, ("B4", "B12", "B2")))


def test_sentinel_2_percentile_of_scenes_with_little_cloud() -> None:
    composite = daytime(
        sensor="Sentinel-2", statistic="percentile", percentile=30, maximum_scene_cloud=30, bands=("B8A",)
    )
    agree(computed(images.daytime_image(composite)), sentinel_expected(composite, ("B8A",)))


def night_of(arrays: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    rows, columns = WINDOW.slices_in(NIGHT_WINDOW)
    return statistic([array.astype(float)[rows, columns] for array in arrays], "median")


@pytest.mark.parametrize("minimum", [0, 1, 2, 6])
def test_viirs_monthly(minimum: int) -> None:
    composite = NighttimeComposite(**PERIOD, minimum_cloud_free=minimum)
    used = [MONTHLY[number] for number, day in enumerate(MONTHS) if day.startswith("2020")]
    expected = night_of([np.where(month["cf_cvg"] >= minimum, month["avg_rad"], np.nan) for month in used])
    agree(computed(images.nighttime_image(composite), fine=False), {"avg_rad": expected})


@pytest.mark.parametrize("band", get_args(AnnualBand))
def test_viirs_annual(band: AnnualBand) -> None:
    composite = NighttimeComposite(
        start=date(2019, 1, 1), end=date(2021, 12, 31), product="annual", annual_band=band
    )
    expected = night_of([year[band] for year in ANNUAL[1:4]])
    agree(computed(images.nighttime_image(composite), fine=False), {"avg_rad": expected})


def test_viirs_on_the_analysis_grid_is_each_pixel_16_by_16_times() -> None:
    composite = NighttimeComposite(**PERIOD)
    coarse = computed(images.nighttime_image(composite), fine=False)["avg_rad"]
    fine = computed(images.nighttime_image(composite))["avg_rad"]
    np.testing.assert_array_equal(fine, np.kron(coarse, np.ones((16, 16), np.float32)))
