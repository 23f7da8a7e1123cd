"""Earth Engine on the pages: what the forms ask for, what they need, imagery on the map, publishing."""

import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pages_workspace import (
    CREATED,
    add_dataset,
    add_job,
    add_prediction,
    add_regions,
    add_run,
    app,
    full_workspace,
    submitted,
)

from nightlights.composites import LANDSAT_MASKS, EarthEngineRequest, NighttimeComposite
from nightlights.errors import DatasetError, EarthEngineError
from nightlights.interface import connection, imagery_layer, import_form, publish_panel, task_actions
from nightlights.manifests import ImportRequest, PublicationRecord, write_record
from nightlights.settings import Settings
from nightlights.sources.earthengine import layers, operations, transport
from nightlights.tfrecords.files import RegionFiles
from nightlights.tfrecords.importing import ImportProposal
from nightlights.workspace import Workspace

__all__ = ["app", "submitted"]

LAYER = SimpleNamespace(title="layer", url="https://tiles/{z}/{x}/{y}", attribution="USGS")


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name in ("EARTHENGINE_URL", "BUCKET", "SERVICE_ACCOUNT_KEY"):
        monkeypatch.delenv(f"NIGHTLIGHTS_{name}", raising=False)
    monkeypatch.setenv("NIGHTLIGHTS_EARTHENGINE_PROJECT", "my-project")
    made = SimpleNamespace(project="my-project", account="ann", method="your sign-in", local=False)
    monkeypatch.setattr(connection, "_connect", lambda _: made)
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each map was given; no map is drawn."""
    maps: list[dict[str, Any]] = []

    def show_map(element: Any, key: str, **given: Any) -> dict[str, Any]:
        maps.append(given)
        return {}

    monkeypatch.setattr("nightlights.interface.map_view.show_map", show_map)
    monkeypatch.setattr("nightlights.interface.map_view.base_map", lambda *_, **__: None)
    return maps


def texts(page: Any) -> str:
    kinds = (page.markdown, page.caption, page.warning, page.error, page.success, page.info, page.code)
    html = [element.proto.body for element in page.get("html")]
    return "\n".join([element.value for kind in kinds for element in kind] + html)


def press(page: Any, label: str) -> Any:
    return next(button for button in page.button if button.label == label).click().run()


def labels(page: Any) -> list[str]:
    return [button.label for button in page.button]


def export(page: Any, submitted: list[Any]) -> EarthEngineRequest:
    press(page, "Export")
    ((kind, request),) = submitted
    assert (kind, request.source) == ("export", "earthengine")
    found: EarthEngineRequest = request.earthengine
    return found


def earthengine_form(app: Any, space: Workspace) -> Any:
    add_regions(space)
    return app("imagery", space, export_source="earthengine")


def test_without_a_project_the_form_leads_home(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NIGHTLIGHTS_EARTHENGINE_PROJECT")
    page = earthengine_form(app, space)
    assert "Earth Engine is not set up yet" in texts(page)
    assert "Export" not in labels(page)


def test_the_defaults_are_the_study_and_cost_is_said_before_the_click(
    app: Any, space: Workspace, submitted: list[Any]
) -> None:
    page = earthengine_form(app, space)
    said = texts(page)
    assert "8 requests" in said
    assert "Needs no bucket" in said
    assert "bilinear" in said
    assert "SIMULATED" not in said
    assert export(page, submitted) == EarthEngineRequest()
    assert (submitted[0][1].period_start, submitted[0][1].period_end) == ("2020-01-01", "2022-12-31")
    assert submitted[0][1].bands is None


def test_earth_engine_is_chosen_once_it_is_connected_unless_somebody_chose_otherwise(
    app: Any, space: Workspace
) -> None:
    add_regions(space)
    page = app("imagery", space)
    assert page.button_group(key="export_source").value == "simulated"
    connection.start_connecting()
    while connection.connection() is None:
        time.sleep(0.01)
    assert page.run().button_group(key="export_source").value == "earthengine"
    assert "SIMULATED" not in texts(page) and not page.warning
    page.button_group(key="export_source").set_value("rasters").run()
    assert page.run().button_group(key="export_source").value == "rasters"


def test_every_choice_of_the_daytime_composite_reaches_the_request(
    app: Any, space: Workspace, submitted: list[Any]
) -> None:
    page = earthengine_form(app, space)
    page.selectbox(key="ee_sensor").set_value("Landsat 8 and 9")
    page.date_input(key="ee_from").set_value(date(2022, 3, 1))
    page.date_input(key="ee_to").set_value(date(2022, 5, 31))
    page.selectbox(key="ee_statistic").set_value("percentile")
    page.run()
    page.number_input(key="ee_percentile").set_value(30.0)
    page.selectbox(key="ee_resampling").set_value("bicubic")
    page.slider(key="ee_scene_cloud").set_value(60)
    pills = {group.label: group for group in page.get("button_group")}
    pills["Leave out pixels with"].set_value(["snow", "cloud"])
    pills["Bands"].set_value(["ST_B10", "SR_B4"])
    page.run()
    daytime = export(page, submitted).daytime
    assert daytime.model_dump() == {
        "start": date(2022, 3, 1),
        "end": date(2022, 5, 31),
        "sensor": "Landsat 8 and 9",
        "statistic": "percentile",
        "percentile": 30.0,
        "resampling": "bicubic",
        "masks": tuple(mask for mask in LANDSAT_MASKS if mask in ("cloud", "snow")),
        "maximum_scene_cloud": 60.0,
        "minimum_clear_score": 0.6,
        "bands": ("SR_B4", "ST_B10"),
    }


def test_sentinel_2_asks_for_a_clear_score_and_has_its_own_bands(
    app: Any, space: Workspace, submitted: list[Any]
) -> None:
    page = earthengine_form(app, space)
    page.selectbox(key="ee_sensor").set_value("Sentinel-2").run()
    assert "Leave out pixels with" not in [group.label for group in page.get("button_group")]
    page.slider(key="ee_clear_score").set_value(0.5).run()
    daytime = export(page, submitted).daytime
    assert (daytime.sensor, daytime.minimum_clear_score, daytime.bands) == ("Sentinel-2", 0.5, None)


def test_viirs_has_its_own_product_band_and_period(app: Any, space: Workspace, submitted: list[Any]) -> None:
    page = earthengine_form(app, space)
    page.number_input(key="ee_cloud_free").set_value(4).run()
    page.button_group(key="ee_viirs").set_value("annual").run()
    page.selectbox(key="ee_annual_band").set_value("average")
    page.checkbox(key="ee_same_period").uncheck().run()
    page.date_input(key="ee_viirs_from").set_value(date(2022, 1, 1)).run()
    night = export(page, submitted).nighttime
    assert (night.product, night.annual_band, night.start, night.end) == (
        "annual",
        "average",
        date(2022, 1, 1),
        date(2022, 12, 31),
    )


def test_a_period_in_the_wrong_order_is_told(app: Any, space: Workspace) -> None:
    page = earthengine_form(app, space)
    page.date_input(key="ee_to").set_value(date(2019, 1, 1)).run()
    assert "ends (2019-01-01) before it starts (2020-01-01)" in page.error[0].value
    assert "Export" not in labels(page)


def test_batch_to_cloud_storage_needs_a_bucket_and_says_so(app: Any, space: Workspace) -> None:
    page = earthengine_form(app, space)
    page.button_group(key="ee_method").set_value("batch").run()
    assert "needs a bucket, and none is set" in texts(page)
    assert "Export" not in labels(page)


def test_batch_as_patches_to_drive_says_what_comes_next(
    app: Any, space: Workspace, submitted: list[Any]
) -> None:
    page = earthengine_form(app, space)
    page.button_group(key="ee_method").set_value("batch").run()
    page.selectbox(key="ee_destination").set_value("Drive")
    page.selectbox(key="ee_format").set_value("TFRecord").run()
    page.number_input(key="ee_patches").set_value(30)
    page.number_input(key="ee_patch_size").set_value(128).run()
    assert "Download them yourself" in texts(page)
    assert "4 Earth Engine tasks" in texts(page)
    request = export(page, submitted)
    assert (request.method, request.destination, request.file_format) == ("batch", "Drive", "TFRecord")
    assert (request.patches_per_region, request.patch_size) == (30, 128)


def test_the_buckets_name_is_not_on_the_page(
    app: Any, space: Workspace, submitted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_BUCKET", "planted-bucket-name")
    page = earthengine_form(app, space)
    page.button_group(key="ee_method").set_value("batch").run()
    assert "Through your bucket, folder nightlights" in texts(page)
    export(page, submitted)
    assert "planted-bucket-name" not in str(page) + submitted[0][1].model_dump_json()


def test_a_test_server_makes_the_export_simulated(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_EARTHENGINE_URL", "http://127.0.0.1:9")
    page = earthengine_form(app, space)
    assert "SIMULATED" in texts(page)
    assert "local test server" in texts(page)


def test_imagery_is_asked_for_only_once_somebody_connects(
    app: Any, space: Workspace, shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def tile_layer(style: str, start: date, end: date, wanted: Settings) -> Any:
        asked.append(f"{style} {start} {end}")
        return LAYER

    monkeypatch.setattr(imagery_layer, "_tile_layer", tile_layer)
    page = app("regions", space, **{imagery_layer.SHOWN_KEY: "Thermal"})
    assert (asked, list(shown[-1]["layers"])) == ([], [])
    assert "SIMULATED" in texts(page)
    press(page, "Connect")
    page.run()
    assert asked == ["Thermal 2020-01-01 2022-12-31"]
    (layer,) = shown[-1]["layers"]
    assert (layer.name, layer.url, layer.attribution) == ("Thermal", LAYER.url, "USGS")
    (legend,) = shown[-1]["legends"]
    assert legend.unit == "K"
    assert "SIMULATED" not in texts(page)


def test_imagery_that_cannot_be_had_is_one_sentence(
    app: Any, space: Workspace, shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tile_layer(*_: Any) -> Any:
        raise EarthEngineError("The quota is used up.", "Wait.")

    monkeypatch.setattr(imagery_layer, "_tile_layer", tile_layer)
    page = press(app("regions", space, **{imagery_layer.SHOWN_KEY: "VIIRS"}), "Connect")
    page.run()
    assert [error.value for error in page.error] == ["**The quota is used up.**  \nWait."]
    assert list(shown[-1]["layers"]) == []
    page.date_input(key="imagery-to").set_value(date(2019, 1, 1)).run()
    assert "before it starts" in page.error[0].value


def test_files_are_looked_at_before_they_are_imported(
    app: Any, space: Workspace, submitted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def propose(request: ImportRequest, *, guess_scaling: bool) -> ImportProposal:
        assert guess_scaling
        regions = (
            RegionFiles("g0", "train", ()),
            RegionFiles("g1", "train", ()),
            RegionFiles("e", "evaluate", ()),
        )
        return ImportProposal(
            request.model_copy(update={"scaling": "physical"}), regions, ("B1", "B2"), 3_000_000, 95.0
        )

    monkeypatch.setattr(import_form, "propose_import", propose)
    page = app("imagery", space)
    page.text_area(key="import_files").set_value("study/*.gz\n").run()
    assert "3 regions (2 to train, 1 to evaluate) · **3.0 MB** of files · about **1 min 35 s**" in texts(page)
    press(page, "Import")
    ((kind, request),) = submitted
    assert (kind, request.dataset, request.scaling) == ("import", "imported", "physical")
    assert request.files == [str(Path("study/*.gz").absolute())]


def test_files_that_cannot_be_imported_are_told(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def propose(request: ImportRequest, *, guess_scaling: bool) -> ImportProposal:
        raise DatasetError("No TFRecord file matches 'x'.", "Check the path.")

    monkeypatch.setattr(import_form, "propose_import", propose)
    page = app("imagery", space)
    page.text_area(key="import_files").set_value("x").run()
    assert page.error[0].value == "**No TFRecord file matches 'x'.**  \nCheck the path."
    assert "Import" not in labels(page)


def test_an_import_under_way_has_a_card(app: Any, space: Workspace) -> None:
    add_job(space, "import", {"dataset": "study", "files": ["a"]}, "running")
    assert "Import study" in texts(app("imagery", space))


def published(space: Workspace, **changes: Any) -> PublicationRecord:
    record = PublicationRecord(
        prediction="first-abuja",
        form="COG",
        sha256="0" * 64,
        simulated=True,
        started=CREATED,
        finished=CREATED,
        files=["nightlights/predictions/first-abuja/000/prediction.tif"],
        asset="projects/my-project/assets/nightlights/first-abuja",
        eecu_seconds=4.25,
    ).model_copy(update=changes)
    write_record(space.prediction_folder("first-abuja") / "publication.json", record)
    return record


def compare(app: Callable[..., Any], space: Workspace) -> Any:
    return app("compare", space, run="first", region="cities/abuja")


@pytest.fixture
def predicted(space: Workspace) -> Workspace:
    add_regions(space)
    add_dataset(space)
    add_run(space)
    add_prediction(space)
    return space


def test_publishing_needs_a_bucket(app: Any, predicted: Workspace, shown: list[Any]) -> None:
    page = compare(app, predicted)
    assert "Publishing needs a Google Cloud project and a bucket" in texts(page)
    assert "Publish" not in labels(page)


def test_a_click_publishes_the_prediction_that_is_shown(
    app: Any,
    predicted: Workspace,
    shown: list[Any],
    submitted: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_BUCKET", "planted-bucket-name")
    page = compare(app, predicted)
    page.text_input(key="publish_asset").set_value("no/slash").run()
    press(page, "Publish")
    assert "asset cannot be used" in page.error[0].value
    page.text_input(key="publish_asset").set_value("mine")
    page.button_group(key="publish_form").set_value("TFRecord").run()
    press(page, "Publish")
    ((kind, request),) = submitted
    assert (kind, request.prediction, request.form, request.asset, request.ingest) == (
        "publish",
        "first-abuja",
        "TFRecord",
        "mine",
        True,
    )
    assert "planted-bucket-name" not in str(page)


def test_what_was_published_is_told_and_drawn_by_earth_engine(
    app: Any, predicted: Workspace, shown: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = published(predicted)
    asked: list[tuple[str, str]] = []

    def tile_layer(view: str, asset: str, *_: Any) -> Any:
        asked.append((view, asset))
        return LAYER

    monkeypatch.setattr(publish_panel, "_tile_layer", tile_layer)
    monkeypatch.setenv("NIGHTLIGHTS_BUCKET", "planted-bucket-name")
    page = compare(app, predicted)
    assert record.asset in texts(page)
    assert "4.2 EECU s" in texts(page)
    page.selectbox(key="earthengine-view-first-abuja").set_value("Difference").run()
    assert asked == []
    press(page, "Connect")
    page.run()
    assert asked == [("Difference", record.asset)]
    assert [layer.name for layer in shown[-1]["layers"]] == ["Predicted", "Difference (Earth Engine)"]
    assert shown[-1]["legends"][-1].title == "Asset minus VIIRS, by Earth Engine"


@pytest.mark.parametrize("limit_s", [300.0, 5.0])
def test_no_request_of_a_page_takes_minutes(limit_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    deadlines: list[float | None] = []

    def ask(*_: Any, **__: Any) -> Any:
        deadlines.append(transport._patience.get().deadline_s)

    for name in ("daytime_layer", "nighttime_layer", "prediction_layer", "difference_layer"):
        monkeypatch.setattr(layers, name, ask)
    monkeypatch.setattr(operations, "list_operations", ask)
    wanted = Settings(request_deadline_s=limit_s)
    for shown in ("True colour", "VIIRS"):
        imagery_layer._tile_layer(shown, date(2021, 1, 1), date(2021, 2, 1), wanted)
    for view in ("Asset", "VIIRS", "Difference"):
        publish_panel._tile_layer(view, "a/b", NighttimeComposite(), 1.0, wanted)  # type: ignore[arg-type]
    task_actions._list(wanted)
    assert deadlines == [min(limit_s, 30.0)] * 6
    ask()
    assert deadlines[-1] is None


@pytest.mark.parametrize("changes", [{"finished": None}, {"started": CREATED.replace(year=2025)}])
def test_an_unfinished_or_outdated_publication_is_not_shown_as_one(
    app: Any, predicted: Workspace, shown: list[Any], changes: dict[str, Any]
) -> None:
    published(predicted, **changes)
    page = compare(app, predicted)
    assert "Published as" not in texts(page)


def test_the_night_is_the_one_that_was_exported(tmp_path: Path) -> None:
    record = add_prediction(full_workspace(tmp_path))
    assert publish_panel.night_of(record).start == date(2020, 1, 1)
    request = EarthEngineRequest().model_dump(mode="json")
    request["nighttime"]["start"] = "2021-05-01"
    record.source.parameters["request"] = request
    assert publish_panel.night_of(record).start == date(2021, 5, 1)
    shutil.rmtree(tmp_path)
