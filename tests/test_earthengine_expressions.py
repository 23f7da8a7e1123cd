"""What goes over the wire: the local server takes what Earth Engine takes, and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import ee
import numpy as np
import pytest
from earthengine_graphs import connected, image_of, pixels_of
from earthengine_server.algorithms import ExpressionError, accepts, check, functions_of, signatures
from earthengine_server.interpreter import Interpreter
from earthengine_server.registry import FUNCTIONS, UnsupportedFunctionError
from earthengine_server.scenes import SceneStore
from earthengine_server.server import EarthEngineServer
from earthengine_server.values import COMPOSITE, Collection, EarthImage, Grid, Projection, render
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlights.composites import DaytimeComposite, NighttimeComposite
from nightlights.grid import Window
from nightlights.sources.earthengine import images

WINDOW = Window(50_230, 18_816, 1, 1)
SQUARE = Projection("EPSG:4326", (0.5, 0.0, 10.0, 0.0, -0.5, 50.0))


@pytest.fixture(scope="module")
def server() -> Iterator[EarthEngineServer]:
    with connected() as server:
        yield server


@pytest.fixture
def scenes(server: EarthEngineServer) -> SceneStore:
    """Two tiny scenes of two by three pixels of half a degree; the second one's first pixel is masked."""
    store = SceneStore()
    first = np.array([[1, 2, 3], [4, 5, 6]], np.uint16)
    seen = np.array([[False, True, True], [True, True, True]])
    store.add(
        "TINY",
        [
            image_of({"a": first, "b": first * 10}, SQUARE, "one", "2020-01-01"),
            image_of({"a": first + 6, "b": first * 20}, SQUARE, "two", "2020-02-01", mask=seen),
        ],
    )
    return store


def expression_of(value: Any) -> dict[str, Any]:
    serialized = value.serialize()
    return json.loads(serialized)  # type: ignore[no-any-return]


def evaluated(scenes: SceneStore, value: Any) -> Any:
    return Interpreter(scenes).evaluate(expression_of(value))


def pulled(scenes: SceneStore, image: "ee.Image", grid: Grid | None = None) -> dict[str, Any]:
    """Values of every band, None where masked."""
    found = evaluated(scenes, image)
    assert isinstance(found, EarthImage)
    pixels = render(found, grid or SQUARE.grid(0, 0, 3, 2))
    return {
        name: [
            [value if known else None for value, known in zip(row, seen, strict=True)]
            for row, seen in zip(values.tolist(), mask.tolist(), strict=True)
        ]
        for name, (values, mask) in pixels.items()
    }


def tiny() -> "ee.ImageCollection":
    return ee.ImageCollection("TINY")


def call(name: str, **arguments: Any) -> dict[str, Any]:
    """An expression of one call, its arguments constants or nodes."""
    nodes = {
        key: value if isinstance(value, dict) and value.keys() & {"arrayValue"} else {"constantValue": value}
        for key, value in arguments.items()
    }
    return {
        "result": "0",
        "values": {"0": {"functionInvocationValue": {"functionName": name, "arguments": nodes}}},
    }


def test_the_client_ships_what_the_check_reads() -> None:
    assert len(signatures()) > 900
    assert signatures()["Image.select"].arguments["newNames"].optional
    assert set(FUNCTIONS) <= set(signatures())


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        (call("Image.frobnicate", input=1), ["Image.frobnicate"]),
        (call("Image.constant", value=1, colour=2), ["Image.constant", "colour"]),
        (call("Image.constant"), ["Image.constant", "value"]),
        (call("Image.constant", value=None), ["Image.constant", "value"]),
        (call("Image.load", id=5), ["Image.load", "id", "String", "Integer"]),
        (call("Image.load", id="x", version="new"), ["Image.load", "version", "Long", "String"]),
        (call("Number.add", left="one", right=2), ["Number.add", "left", "Number", "String"]),
        (call("Image.toFloat", value=3), ["Image.toFloat", "value", "Image", "Integer"]),
        (
            call("Reducer.percentile", percentiles={"arrayValue": {"values": [{"constantValue": "a"}]}}),
            ["Reducer.percentile", "percentiles", "Number", "String"],
        ),
        (call("Reducer.percentile", percentiles=25), ["Reducer.percentile", "percentiles", "List"]),
    ],
)
def test_a_wrong_call_is_refused_by_name(expression: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(ExpressionError) as refused:
        check(expression)
    assert all(part in str(refused.value) for part in named), refused.value


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary within ``node``."""
    if isinstance(node, dict):
        yield node
    if isinstance(node, dict | list):
        for item in node.values() if isinstance(node, dict) else node:
            yield from nodes(item)


def definitions(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The functions that an expression defines."""
    found = [node["functionDefinitionValue"] for node in nodes(values) if "functionDefinitionValue" in node]
    assert found
    return found


def call_of(expression: dict[str, Any], function: str) -> dict[str, Any]:
    """The first call of ``function`` in ``expression``."""
    return next(node for node in nodes(expression["values"]) if node.get("functionName") == function)


@pytest.mark.usefixtures("server")
class TestOurGraphs:
    """A correct graph of ours stops being taken once anything in it is wrong."""

    @pytest.fixture
    def expression(self) -> dict[str, Any]:
        return expression_of(images.filled(images.daytime_image(DaytimeComposite(), WINDOW)))

    def test_they_are_taken(self, expression: dict[str, Any]) -> None:
        check(expression)
        assert {"Image.linkCollection", "reduce.median", "Image.resample"} <= functions_of(expression)
        for composite in (
            DaytimeComposite(sensor="Landsat 8 and 9", statistic="percentile"),
            DaytimeComposite(sensor="Sentinel-2", maximum_scene_cloud=20),
        ):
            check(expression_of(images.daytime_image(composite)))
        for product in ("monthly", "annual"):
            check(expression_of(images.nighttime_image(NighttimeComposite(product=product))))

    @pytest.mark.parametrize(
        ("function", "argument", "value"),
        [
            ("Image.bitwiseAnd", "image2", {"constantValue": 8}),
            ("Image.resample", "mode", {"constantValue": 3}),
            ("Image.select", "bandSelectors", {"constantValue": "SR_B1"}),
            ("Image.unmask", "sameFootprint", {"constantValue": "no"}),
            ("Collection.filter", "collection", {"constantValue": "LANDSAT/LC08/C02/T1_L2"}),
            ("ImageCollection.load", "id", {"constantValue": 8}),
        ],
    )
    def test_a_wrong_argument_is_refused(
        self, expression: dict[str, Any], function: str, argument: str, value: Any
    ) -> None:
        call_of(expression, function)["arguments"][argument] = value
        with pytest.raises(ExpressionError, match=rf"{function}.*{argument}"):
            check(expression)

    def test_an_unknown_argument_is_refused(self, expression: dict[str, Any]) -> None:
        given = call_of(expression, "Image.linkCollection")["arguments"]
        given["linkedBand"] = given.pop("linkedBands")
        with pytest.raises(ExpressionError, match=r"Image\.linkCollection: Unrecognized .*'linkedBand'"):
            check(expression)

    def test_a_missing_argument_is_refused(self, expression: dict[str, Any]) -> None:
        del call_of(expression, "Image.updateMask")["arguments"]["mask"]
        with pytest.raises(ExpressionError, match=r"Image\.updateMask: Parameter 'mask' is required"):
            check(expression)

    def test_a_mapped_function_of_two_arguments_is_refused(self, expression: dict[str, Any]) -> None:
        for definition in definitions(expression["values"]):
            definition["argumentNames"].append("another")
        with pytest.raises(ExpressionError, match=r"Collection\.map, argument 'baseAlgorithm'.*2 arguments"):
            check(expression)

    def test_a_foreign_argument_is_refused(self, expression: dict[str, Any]) -> None:
        for definition in definitions(expression["values"]):
            definition["argumentNames"] = ["other"]
        with pytest.raises(ExpressionError, match="outside of its function"):
            check(expression)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ({"values": {}}, "'result'"),
        ({"result": "0", "values": {}}, "'0'"),
        ({"result": "0", "values": {"0": {"valueReference": "1"}}}, "'1'"),
        ({"result": "0", "values": {"0": {"arrayValue": {"values": [{"valueReference": "0"}]}}}}, "itself"),
        ({"result": "0", "values": {"0": {"constantValue": 1, "integerValue": "1"}}}, "exactly one"),
        ({"result": "0", "values": {"0": {"surprise": 1}}}, "exactly one"),
        ({"result": "0", "values": {"0": {"argumentReference": "x"}}}, "outside"),
    ],
)
def test_a_broken_expression_is_refused(expression: dict[str, Any], reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        check(expression)


@pytest.mark.parametrize(
    ("wanted", "actual", "taken"),
    [
        ("Float", "Integer", True),
        ("Integer", "Float", False),
        ("ImageCollection", "FeatureCollection", True),
        ("Image<unknown bands>", "FeatureCollection", False),
        ("Image<unknown bands>", "Element", True),
        ("List<String>", "String", False),
        ("Projection", "String", True),
        ("Filter", "String", False),
        ("Reducer", "Object", True),
    ],
)
def test_types_are_taken_as_earth_engine_takes_them(wanted: str, actual: str, taken: bool) -> None:
    assert accepts(wanted, actual) is taken


@pytest.mark.usefixtures("server")
class TestInterpreter:
    """What the functions give, on two tiny scenes."""

    def test_a_known_function_that_is_not_computed_says_so_loudly(self, scenes: SceneStore) -> None:
        with pytest.raises(UnsupportedFunctionError, match=r"NOT SUPPORTED.*Terrain.*Earth Engine has it"):
            evaluated(scenes, ee.Terrain.products(ee.Image(1)))
        with pytest.raises(UnsupportedFunctionError, match="NOT SUPPORTED"):
            evaluated(scenes, ee.Image(1).expression("b(0) + 1"))

    def test_over_http_it_is_an_error_of_the_client(self) -> None:
        with pytest.raises(ee.EEException, match=r"NOT SUPPORTED.*Image\.gradient"):
            pixels_of(ee.Image(1).gradient(), WINDOW)
        with pytest.raises(ee.EEException, match="ImageCollection asset 'NOWHERE' not found"):
            ee.ImageCollection("NOWHERE").size().getInfo()

    def test_nearest_pixel_by_default(self, scenes: SceneStore) -> None:
        image = tiny().filter(ee.Filter.eq("system:index", "one")).first()
        fine = Grid("EPSG:4326", (0.125, 0.0, 10.0, 0.0, -0.125, 50.0), 12, 8)
        expected = np.kron([[1, 2, 3], [4, 5, 6]], np.ones((4, 4))).tolist()
        assert pulled(scenes, ee.Image(image).select("a"), fine)["a"] == expected

    def test_beyond_the_scene_nothing_is_known(self, scenes: SceneStore) -> None:
        image = ee.Image(tiny().first()).select("a")
        wide = SQUARE.grid(-1, 0, 3, 1)
        assert pulled(scenes, image, wide)["a"] == [[None, 1, 2]]
        assert pulled(scenes, image.unmask(-9999), wide)["a"] == [[None, 1, 2]]
        assert pulled(scenes, image.unmask(-9999, False), wide)["a"] == [[-9999, 1, 2]]

    def test_bilinear_between_centres(self, scenes: SceneStore) -> None:
        image = ee.Image(tiny().first()).select("a").resample("bilinear")
        halfway = Grid("EPSG:4326", (0.5, 0.0, 10.25, 0.0, -0.5, 50.0), 2, 2)
        assert pulled(scenes, image, halfway)["a"] == [[1.5, 2.5], [4.5, 5.5]]
        assert pulled(scenes, image)["a"] == [[1, 2, 3], [4, 5, 6]]

    def test_a_masked_neighbour_masks_what_it_weighs_on(self, scenes: SceneStore) -> None:
        image = ee.Image(tiny().toList(2).get(1)).select("a").resample("bilinear")
        halfway = Grid("EPSG:4326", (0.5, 0.0, 10.25, 0.0, -0.5, 50.0), 2, 2)
        assert pulled(scenes, image, halfway)["a"] == [[None, 8.5], [10.5, 11.5]]

    def test_a_composite_cannot_be_resampled(self, scenes: SceneStore) -> None:
        with pytest.raises(ExpressionError, match="before they are reduced"):
            evaluated(scenes, tiny().median().resample("bilinear"))

    def test_a_composite_has_pixels_of_one_degree(self, scenes: SceneStore) -> None:
        composite = evaluated(scenes, tiny().median())
        assert {band.projection for band in composite.bands} == {COMPOSITE}
        assert evaluated(scenes, tiny().median().projection().nominalScale()) == pytest.approx(111_319.49)
        with pytest.raises(ExpressionError, match="one degree"):
            evaluated(scenes, tiny().median().sampleRegions(ee.FeatureCollection([point(10.2, 49.8)])))

    def test_reducers_look_at_valid_pixels_alone(self, scenes: SceneStore) -> None:
        assert pulled(scenes, tiny().select("a").median())["a"] == [[1, 5, 6], [7, 8, 9]]
        assert pulled(scenes, tiny().select("a").count())["a"] == [[1, 2, 2], [2, 2, 2]]
        quarter = tiny().select("a").reduce(ee.Reducer.percentile([25]))
        assert pulled(scenes, quarter) == {"a_p25": [[1, 3.5, 4.5], [5.5, 6.5, 7.5]]}
        assert pulled(scenes, tiny().select("a").mosaic())["a"] == [[1, 8, 9], [10, 11, 12]]

    def test_an_empty_collection_has_no_bands(self, scenes: SceneStore) -> None:
        nothing = tiny().filterDate("1990-01-01", "1991-01-01")
        assert evaluated(scenes, nothing.size()) == 0
        assert evaluated(scenes, nothing.median().bandNames()) == []
        with pytest.raises(ExpressionError, match=r"Band pattern 'a' did not match any bands"):
            evaluated(scenes, nothing.median().select("a"))

    def test_the_end_of_a_period_is_left_out(self, scenes: SceneStore) -> None:
        assert evaluated(scenes, tiny().filterDate("2020-01-01", "2020-02-01").size()) == 1
        assert evaluated(scenes, tiny().filterDate("2020-01-01", "2020-02-02").size()) == 2
        assert evaluated(scenes, tiny().filterDate("2020-01-02", "2020-02-01").size()) == 0

    def test_bounds(self, scenes: SceneStore) -> None:
        def near(west: float) -> int:
            box = ee.Geometry.Rectangle([west, 49.2, west + 0.5, 49.5], "EPSG:4326", False)
            return evaluated(scenes, tiny().filterBounds(box).size())  # type: ignore[no-any-return]

        assert near(11.2) == 2
        assert near(11.6) == 0

    def test_bits_scales_and_logic(self, scenes: SceneStore) -> None:
        image = ee.Image(tiny().first()).select("a")
        bits = image.bitwiseAnd(4).eq(0)
        assert pulled(scenes, bits)["a"] == [[1, 1, 1], [0, 0, 0]]
        masked = image.multiply(0.5).add(-0.25).updateMask(bits.And(image.gt(1)))
        assert pulled(scenes, masked)["a"] == [[None, 0.75, 1.25], [None, None, None]]

    def test_two_bands_meet_one_or_two(self, scenes: SceneStore) -> None:
        image = ee.Image(tiny().first())
        assert pulled(scenes, image.subtract(image.select(["b", "a"])))["b"] == [[0, 0, 0], [0, 0, 0]]
        three = image.addBands(image.select(["a"], ["c"]))
        with pytest.raises(ExpressionError, match="1 or the same number of bands"):
            evaluated(scenes, three.add(image))

    def test_selectors_are_patterns(self, scenes: SceneStore) -> None:
        image = ee.Image(tiny().first())
        assert evaluated(scenes, image.select("[ab]").bandNames()) == ["a", "b"]
        assert evaluated(scenes, image.select([1], ["z"]).bandNames()) == ["z"]
        assert evaluated(scenes, image.addBands(image).bandNames()) == ["a", "b", "a_1", "b_1"]

    def test_links_by_index_and_empties_without_partner(self, scenes: SceneStore) -> None:
        warm = np.full((2, 3), 300.0, np.float32)
        scenes.add("WARM", [image_of({"t": warm}, SQUARE, "two", "2020-02-01")])
        linked = tiny().linkCollection(ee.ImageCollection("WARM"), linkedBands=["t"])
        listed = linked.toList(2)
        assert pulled(scenes, ee.Image(listed.get(1)).select("t"))["t"] == [[300.0] * 3] * 2
        assert pulled(scenes, ee.Image(listed.get(0)).select("t"))["t"] == [[None] * 3] * 2

    def test_a_join_gives_what_a_link_gives(self, scenes: SceneStore) -> None:
        warm = np.full((2, 3), 300.0, np.float32)
        scenes.add("WARM", [image_of({"t": warm}, SQUARE, "two", "2020-02-01")])
        same = ee.Filter.equals(leftField="system:index", rightField="system:index")
        joined = ee.Join.inner().apply(tiny(), ee.ImageCollection("WARM"), same)
        both = joined.map(
            lambda pair: ee.Image(pair.get("primary")).addBands(ee.Image(pair.get("secondary")))
        )
        assert evaluated(scenes, ee.ImageCollection(both).size()) == 1
        assert pulled(scenes, ee.Image(both.first()))["t"] == [[300.0] * 3] * 2

    def test_samples_and_neighbourhoods(self, scenes: SceneStore) -> None:
        image = ee.Image(tiny().first()).select("a").unmask(-1, False)
        kernel = ee.Kernel.fixed(2, 2, [[1, 1], [1, 1]], 1, 1)
        table = image.neighborhoodToArray(kernel).sampleRegions(
            collection=ee.FeatureCollection([point(10.8, 49.3, place="middle"), point(10.1, 49.9)]),
            projection=ee.Projection("EPSG:4326", list(SQUARE.transform)),
        )
        features = evaluated(scenes, table).all()
        assert features[0].get("place") == "middle"
        assert features[0].get("a").tolist() == [[1, 2], [4, 5]]
        assert features[1].get("a").tolist() == [[-1, -1], [-1, 1]]

    def test_colours(self, scenes: SceneStore) -> None:
        shown = ee.Image(tiny().first()).visualize(["a"], min=1, max=5, palette=["000000", "ff0000"])
        assert pulled(scenes, shown)["vis-red"] == [[0, 64, 128], [191, 255, 255]]
        assert pulled(scenes, shown)["vis-blue"] == [[0] * 3] * 2

    def test_mapped_functions_see_outer_values(self, scenes: SceneStore) -> None:
        numbers = ee.List([1, 2]).map(
            lambda outer: ee.List([10, 20]).map(lambda inner: ee.Number(inner).add(ee.Number(outer)))
        )
        assert evaluated(scenes, numbers) == [[11, 21], [12, 22]]

    def test_an_image_must_come_out_of_a_mapped_function(self, scenes: SceneStore) -> None:
        with pytest.raises(ExpressionError, match="must return a Feature or Image"):
            evaluated(scenes, tiny().map(lambda image: image.get("system:index")).size())

    def test_a_map_of_the_world_draws_nothing_and_fails_not(self) -> None:
        store = SceneStore.from_planet()
        coarse = Grid("EPSG:4326", (0.5, 0.0, -180.0, 0.0, -0.5, 85.0), 720, 340)
        composite = images.daytime_image(DaytimeComposite(bands=("SR_B4",)))
        assert not render(evaluated(store, composite), coarse)["SR_B4"][1].any()


def point(longitude: float, latitude: float, **properties: Any) -> "ee.Feature":
    return ee.Feature(ee.Geometry.Point([longitude, latitude]), properties)


@given(
    column=st.integers(-3, 3),
    row=st.integers(-3, 3),
    width=st.integers(1, 9),
    height=st.integers(1, 9),
)
@settings(max_examples=40, deadline=None)
def test_parts_of_a_grid_give_the_pixels_of_the_whole(column: int, row: int, width: int, height: int) -> None:
    values = np.arange(60).reshape(6, 10).astype(np.float32)
    image = image_of({"a": values}, SQUARE, "x", "2020-01-01")
    whole, known = render(image, SQUARE.grid(-4, -4, 20, 20))["a"]
    part, seen = render(image, SQUARE.grid(column, row, width, height))["a"]
    place = slice(row + 4, row + 4 + height), slice(column + 4, column + 4 + width)
    assert np.array_equal(part, whole[place])
    assert np.array_equal(seen, known[place])


@pytest.fixture(scope="module")
def store() -> SceneStore:
    return SceneStore.from_planet(seed=3)


class TestPlanet:
    """Scenes cut from the simulated planet."""

    WINDOW = Window.covering(29.36, -3.415, 29.37, -3.405)

    @staticmethod
    def year(store: SceneStore, name: str, window: Window) -> list[EarthImage]:
        west, south, east, north = window.bounds
        found = store.collection(name).near((west, south, east, north))
        return [image for image in found if image.get("system:index").split("_")[-1].startswith("2021")]

    def grid(self) -> Grid:
        transform = self.WINDOW.fine_transform
        height, width = self.WINDOW.fine_shape
        return Grid(
            "EPSG:4326", (transform.a, 0.0, transform.c, 0.0, transform.e, transform.f), width, height
        )

    def test_three_scenes_a_year_leave_every_pixel_clear_once(self, store: SceneStore) -> None:
        scenes = self.year(store, "LANDSAT/LC08/C02/T1_L2", self.WINDOW)
        assert len(scenes) == 3
        clear = np.zeros(self.WINDOW.fine_shape, bool)
        share = []
        for image in scenes:
            quality = image.band("QA_PIXEL").pull(self.grid())[0]
            saturated = image.band("QA_RADSAT").pull(self.grid())[0]
            good = (quality & 0b111111 == 0) & (saturated == 0)
            share.append(good.mean())
            clear |= good
        assert clear.all()
        assert min(share) < 1, "no scene has a blemish"

    def test_stored_numbers_are_the_planet(self, store: SceneStore) -> None:
        from nightlights.sources.simulated import SimulatedSource

        truth = SimulatedSource(3).daytime(self.WINDOW)
        image = self.year(store, "LANDSAT/LC08/C02/T1_L2", self.WINDOW)[0]
        quality, saturated = (image.band(f"QA_{name}").pull(self.grid())[0] for name in ("PIXEL", "RADSAT"))
        good = (quality & 0b111111 == 0) & (saturated == 0)
        stored = image.band("SR_B4").pull(self.grid())[0]
        assert stored.dtype == np.uint16
        difference = np.abs(stored * 0.0000275 - 0.2 - truth[3])[good]
        assert 0 < difference.max() < 0.005
        assert not good.all()

    def test_both_products_share_their_indices(self, store: SceneStore) -> None:
        surface = self.year(store, "LANDSAT/LC09/C02/T1_L2", Window.covering(0.0, 51.0, 0.1, 51.1))
        assert surface == [], "Landsat 9 has no scene before 2022"
        for one, two in (
            ("LANDSAT/LC08/C02/T1_L2", "LANDSAT/LC08/C02/T1_TOA"),
            ("COPERNICUS/S2_SR_HARMONIZED", "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"),
        ):
            bounds = self.WINDOW.bounds
            indices = [
                [image.get("system:index") for image in store.collection(name).near(bounds)]
                for name in (one, two)
            ]
            assert indices[0] == indices[1]
            assert len(set(indices[0])) == len(indices[0]) > 10

    def test_nights_lie_on_the_grid(self, store: SceneStore) -> None:
        from nightlights.sources.simulated import SimulatedSource

        truth = SimulatedSource(3).nighttime(self.WINDOW)
        transform = self.WINDOW.transform
        height, width = self.WINDOW.shape
        grid = Grid(
            "EPSG:4326", (transform.a, 0.0, transform.c, 0.0, transform.e, transform.f), width, height
        )
        months = store.collection("NOAA/VIIRS/DNB/MONTHLY_V1/VCMSLCFG").all()
        month = next(image for image in months if image.get("system:index") == "20210301")
        values, _ = month.band("avg_rad").pull(grid)
        seen, _ = month.band("cf_cvg").pull(grid)
        assert values[seen > 0] == pytest.approx(truth[seen > 0], abs=0.4, rel=0.12)
        assert (values[seen == 0] == 0).all()

    def test_what_is_all_over_the_world_cannot_be_listed(self, store: SceneStore) -> None:
        found = store.collection("LANDSAT/LC08/C02/T1_L2")
        assert isinstance(found, Collection)
        with pytest.raises(ExpressionError, match="filterBounds"):
            found.all()


def test_assets_are_kept_under_their_name() -> None:
    store = SceneStore()
    image = image_of({"radiance": np.ones((2, 2), np.float32)}, SQUARE, "x", "2020-01-01")
    store.put_asset("projects/p/assets/prediction", image, {"units": "nW/cm2/sr"})
    found = store.image("projects/p/assets/prediction")
    assert found.get("units") == "nW/cm2/sr"
    assert found.get("system:index") == "prediction"
    assert store.delete_asset("projects/p/assets/prediction")
    assert not store.delete_asset("projects/p/assets/prediction")
    with pytest.raises(ExpressionError, match="projects/p/assets/prediction"):
        store.image("projects/p/assets/prediction")
