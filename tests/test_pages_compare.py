"""The Compare page: choosing, predicting, layers, values at a point, figures, downloads."""

import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from pages_workspace import PLACES, add_dataset, add_job, add_prediction, add_run, app, ship_run, submitted
from truth_samples import own_truth_record

from nightlights.firstlook import ready_made
from nightlights.interface import compare_map
from nightlights.interface.map_parts import SIMULATED
from nightlights.interface.prediction_choice import request_for, targets, usable_runs
from nightlights.interface.prediction_view import figures, values_at_point
from nightlights.interface.scores_table import fine_columns
from nightlights.manifests import PredictionRecord, write_record
from nightlights.maps import Stretch, TileStyle, tile_png
from nightlights.names import checked_name
from nightlights.scores import BICUBIC, CONSTANT
from nightlights.workspace import Workspace

__all__ = ["app", "submitted"]


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    workspace = Workspace.open(tmp_path / "workspace")
    add_dataset(workspace)
    return workspace


@pytest.fixture
def maps(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each page gave to its map; no map library is imported."""
    shown: list[dict[str, Any]] = []

    def show(element: Any, key: str, **parts: Any) -> dict[str, Any]:
        shown.append({"element": element, "key": key, **parts})
        return {"last_clicked": None}

    monkeypatch.setattr("nightlights.interface.map_view.base_map", lambda *place, **options: (place, options))
    monkeypatch.setattr("nightlights.interface.map_view.show_map", show)
    return shown


def test_without_a_run_the_page_says_what_comes_first(app: Any, space: Workspace, maps: Any) -> None:
    page = app("compare", space)
    assert "There is no trained network yet" in page.info[0].value
    assert maps == []


def test_a_region_without_prediction_is_shown_with_viirs_and_can_be_predicted(
    app: Any, space: Workspace, maps: Any, submitted: list[Any]
) -> None:
    add_run(space)
    page = app("compare", space)
    assert page.selectbox(key="region").value == "abuja"
    assert "has not been predicted" in page.info[0].value
    assert [(layer.name, layer.attribution) for layer in maps[-1]["layers"]] == [("VIIRS", SIMULATED)]
    page.selectbox(key="region").set_value("kinshasa").run()
    next(button for button in page.button if button.label == "Predict").click().run()
    page.checkbox(key="sharpen").uncheck().run()
    next(button for button in page.button if button.label == "Predict").click().run()
    (kind, request), (_, plain) = submitted
    assert kind == "predict"
    assert (request.run, request.region, request.dataset) == ("first", "kinshasa", "cities")
    assert request.sharpen and not plain.sharpen
    assert not request.overwrite


def test_layers_are_switched_without_a_new_base_map(app: Any, space: Workspace, maps: Any) -> None:
    add_run(space)
    add_prediction(space)
    page = app("compare", space)
    assert [(layer.name, layer.attribution) for layer in maps[-1]["layers"]] == [("Predicted", SIMULATED)]
    assert maps[-1]["swipe"] is None
    page.radio(key="layer").set_value("Difference").run()
    page.selectbox(key="swipe").set_value("Truth").run()
    page.slider(key="opacity").set_value(40).run()
    last = maps[-1]
    assert [(layer.name, layer.side, layer.opacity) for layer in last["layers"]] == [
        ("Difference", "left", 0.4),
        ("Truth", "right", 0.4),
    ]
    assert last["swipe"] == ("Difference", "Truth")
    assert [legend.unit for legend in last["legends"]] == ["nW/cm²/sr", "nW/cm²/sr"]
    assert all(shown["element"] == maps[0]["element"] for shown in maps)
    assert all(shown["view"] == maps[0]["view"] for shown in maps)


def test_the_swipe_never_offers_the_layer_itself(app: Any, space: Workspace, maps: Any) -> None:
    add_run(space)
    add_prediction(space)
    page = app("compare", space)
    page.selectbox(key="swipe").set_value("VIIRS").run()
    page.radio(key="layer").set_value("VIIRS").run()
    assert not page.exception
    assert "VIIRS" not in page.selectbox(key="swipe").options
    # The sides change places, rather than the other side being lost.
    assert maps[-1]["swipe"] == ("VIIRS", "Predicted")
    page.radio(key="layer").set_value("Difference").run()
    assert maps[-1]["swipe"] == ("Difference", "Predicted")
    page.radio(key="layer").set_value("Predicted").run()
    assert maps[-1]["swipe"] == ("Predicted", "Difference")


def test_the_figures_of_the_region_carry_their_units(app: Any, space: Workspace, maps: Any) -> None:
    add_run(space)
    record = add_prediction(space)
    shown = {metric.label: metric.value for metric in app("compare", space).metric}
    assert shown["RMSE (nW/cm²/sr)"] == "1.230"
    assert shown["Bias (nW/cm²/sr)"] == "-0.120"
    assert shown["R²"] == "0.877"
    assert shown["Sum, VIIRS (nW/cm²/sr · km²)"] == "422"
    assert len(shown) == len(figures(record)) == 8


def test_against_the_simulated_truth_every_method_has_a_row_with_units(
    app: Any, space: Workspace, maps: Any
) -> None:
    add_run(space)
    add_prediction(space)
    assert any("Predict again to score it" in each.value for each in app("compare", space).info)
    methods = {("unet-small", False): 6.0, ("unet-small", True): 4.0, ("bicubic VIIRS", False): 5.0}
    add_prediction(space, fine_rmse=methods)
    assert "Predict again to have the constant mean of VIIRS" in app("compare", space).caption[-1].value
    methods[CONSTANT, False] = 7.5
    add_prediction(space, fine_rmse=methods)
    page = app("compare", space)
    assert any("Against the simulated truth" in each.value for each in page.markdown)
    table = page.dataframe[0].value
    assert list(table["Method"]) == ["unet-small", "unet-small, sharpened", "bicubic VIIRS", CONSTANT]
    assert list(table["RMSE"]) == [6.0, 4.0, 5.0, 7.5]
    assert list(table["RMSE ratio"]) == pytest.approx([1.2, 0.8, 1.0, 1.5])
    assert any("worse than one value everywhere" in each.value for each in page.caption)
    columns = fine_columns("bicubic VIIRS")
    assert columns["RMSE"]["label"] == "RMSE at 29 m (nW/cm²/sr)"
    assert columns["RMSE ratio"]["label"] == "RMSE / bicubic VIIRS"


def test_a_raster_of_one_s_own_is_neither_simulated_nor_hidden(app: Any, space: Workspace, maps: Any) -> None:
    add_run(space)
    record = add_prediction(space, fine_rmse={("unet-small", False): 6.0, (BICUBIC, False): 5.0})
    source = record.source.model_copy(
        update={"kind": "rasters", "simulated": False, "label": "Rasters: a.tif"}
    )
    scores = [
        each.model_copy(update={"spearman": 0.7, "fine": each.fine.model_copy(update={"scale_m": 58.0})})
        for each in record.fine_scores
    ]
    own = {"source": source, "fine_truth": own_truth_record(), "fine_scores": scores}
    record = record.model_copy(update=own)
    write_record(space.prediction_folder(record.name) / "prediction.json", record)
    page = app("compare", space)
    assert not page.exception
    said = "\n".join(each.value for kind in (page.markdown, page.caption) for each in kind)
    assert "#### Against your fine truth, at 58 m" in said
    assert "Moved by 121 m east and 64 m south" in said and "by a line: 0.25 x value -3" in said
    assert "imulated" not in said and "idden" not in said
    table = page.dataframe[0].value
    assert list(table["Spearman"]) == [0.7, 0.7] and "RMSE, dim" not in table
    columns = fine_columns(BICUBIC, 58.0)
    assert columns["RMSE"]["label"] == "RMSE at 58 m (nW/cm²/sr)"
    assert not any("imulated" in str(column["help"]) for column in columns.values())
    folder = space.prediction_folder(record.name)
    radiance, _ = values_at_point(record, folder, *centre(record))
    (meaning,) = [figure.meaning for figure in radiance if figure.title.startswith("Truth")]
    assert meaning == "Your raster sdgsat.tif, calibrated to VIIRS; it resolves 40 m"


def centre(record: PredictionRecord) -> tuple[float, float]:
    west, south, east, north = record.window.window.bounds
    return (west + east) / 2, (south + north) / 2


@pytest.mark.parametrize(("state", "label"), [("running", "Cancel"), ("failed", "Run again")])
def test_the_page_says_how_the_prediction_stands(
    app: Any, space: Workspace, maps: Any, state: Any, label: str
) -> None:
    add_run(space)
    request = {"run": "first", "region": "abuja", "dataset": "cities", "prediction": "first-abuja"}
    add_job(space, "predict", request, state)
    page = app("compare", space)
    labels = [button.label for button in page.button]
    assert label in labels
    assert ("Predict" in labels) == (state == "failed")
    begun = [each.value for each in page.caption if "The prediction has begun; the bar above" in each.value]
    assert len(begun) == (state == "running")
    assert not any("the earlier one" in words for words in begun)


def test_predicting_again_says_that_it_has_begun_and_what_the_map_shows_meanwhile(
    app: Any, space: Workspace, maps: Any
) -> None:
    add_run(space)
    add_prediction(space)
    request = {"run": "first", "region": "abuja", "dataset": "cities", "prediction": "first-abuja"}
    add_job(space, "predict", {**request, "overwrite": True}, "running")
    page = app("compare", space)
    (words,) = [each.value for each in page.caption if "has begun" in each.value]
    assert words.endswith("Until it is done, the map shows the earlier one.")
    assert [layer.name for layer in maps[-1]["layers"]] == ["Predicted"]


@pytest.mark.parametrize("state", ["failed", "cancelled", "interrupted"])
def test_predicting_again_that_stopped_is_shown_with_the_earlier_map(
    app: Any, space: Workspace, maps: Any, state: Any
) -> None:
    add_run(space)
    add_prediction(space)
    request = {"run": "first", "region": "abuja", "dataset": "cities", "prediction": "first-abuja"}
    add_job(space, "predict", {**request, "overwrite": True}, state)
    page = app("compare", space)
    assert {"Run again", "Dismiss", "Predict again"} <= {button.label for button in page.button}
    assert any("The disk is full." in error.value for error in page.error) == (state == "failed")
    assert [layer.name for layer in maps[-1]["layers"]] == ["Predicted"]


def test_a_click_reads_every_layer_in_its_unit(space: Workspace) -> None:
    record = add_prediction(space)
    folder = space.prediction_folder(record.name)
    _, longitude, latitude = PLACES["abuja"]
    radiance, daytime = values_at_point(record, folder, longitude, latitude)
    values = {figure.title.removesuffix(" (nW/cm²/sr)"): float(figure.value) for figure in radiance}
    assert all(figure.title.endswith(" (nW/cm²/sr)") for figure in radiance)
    with rasterio.open(folder / "viirs.tif") as raster:
        expected = next(raster.sample([(longitude, latitude)]))[0]
    assert values["VIIRS"] == pytest.approx(expected, abs=1e-3)
    assert values["Difference"] == pytest.approx(
        values["Predicted, as VIIRS sees it"] - values["VIIRS"], abs=2e-3
    )
    assert values["Truth"] != values["Predicted"]
    assert [figure.title for figure in daytime][-2:] == ["B10 (K)", "B11 (K)"]
    assert 285 < float(daytime[-1].value) < 320


def test_missing_pixels_are_called_missing_and_outside_is_empty(space: Workspace) -> None:
    record = add_prediction(space)
    folder = space.prediction_folder(record.name)
    west, _, _, north = record.window.window.bounds
    _, daytime = values_at_point(record, folder, west + 1e-3, north - 1e-3)
    assert [figure.value for figure in daytime] == ["missing"] * 9
    assert values_at_point(record, folder, west - 1, north) == ([], [])


def test_difference_palettes_end_where_most_pixels_lie(space: Workspace) -> None:
    record = add_prediction(space)
    path = space.prediction_folder(record.name) / "difference.tif"
    with rasterio.open(path) as raster:
        largest = np.nanpercentile(np.abs(raster.read(1)), 98)
    assert largest <= compare_map.difference_limit(str(path), "now") <= 2.5 * largest


def test_targets_are_of_datasets_with_the_bands_of_the_run_and_held_out_first(space: Workspace) -> None:
    run = add_run(space)
    add_dataset(space, "another")
    record = add_prediction(space)
    found = targets(space, run)
    assert [target.key for target in found][:4] == [*("abuja", "kinshasa", "lagos", "accra")]
    assert len(found) == 8
    assert found[0].prediction == record
    space.delete(space.dataset_folder("cities"))
    space.delete(space.dataset_folder("another"))
    assert [target.key for target in targets(space, run)] == ["abuja"]


def test_predictions_are_named_after_run_and_region(space: Workspace) -> None:
    run = add_run(space)
    add_dataset(space, "another")
    own, other = targets(space, run)[0], targets(space, run)[4]
    assert request_for(space, "first", "cities", own).prediction == "first-abuja"
    assert request_for(space, "first", "cities", other).prediction == "first--another--abuja"
    add_prediction(space)
    again = request_for(space, "first", "cities", targets(space, run)[0])
    assert (again.prediction, again.overwrite) == ("first-abuja", True)


def test_the_page_names_a_prediction_otherwise_where_another_run_has_taken_its_name(
    app: Any, space: Workspace, maps: Any
) -> None:
    add_run(space)
    record = add_prediction(space, "other")
    folder = space.prediction_folder("first-abuja")
    space.prediction_folder(record.name).rename(folder)
    write_record(folder / "prediction.json", record.model_copy(update={"name": "first-abuja"}))
    page = app("compare", space)
    (words,) = [each.value for each in page.caption if "under the name" in each.value]
    (name,) = re.findall("`(.*)`", words)
    assert re.fullmatch("first-abuja-[0-9a-f]{8}", name)
    assert checked_name(name) not in space.prediction_names()


def test_a_run_without_a_model_cannot_be_chosen(space: Workspace) -> None:
    add_run(space, "first")
    add_run(space, "young")
    (space.run_folder("young") / "model.keras").unlink()
    assert [run.name for run in usable_runs(space)] == ["first"]


def test_a_tile_of_an_eighth_of_the_world_costs_no_more_than_one_of_a_street(space: Workspace) -> None:
    record = add_prediction(space)
    path = space.prediction_folder(record.name) / record.layers["daytime"]
    colours = Stretch((4, 3, 2), ((0.0, 0.3),) * 3)
    before = time.process_time()
    assert tile_png(path, 4, 3, 3, colours, TileStyle())
    assert time.process_time() - before < 5


@pytest.fixture
def ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace beside a shipped model."""
    monkeypatch.setenv("NIGHTLIGHTS_MODELS", str(tmp_path / "models"))
    workspace = Workspace.open(tmp_path / "fresh")
    ship_run(workspace, tmp_path / "models")
    return workspace


def test_a_newcomer_gets_a_first_prediction_by_one_button(
    app: Any, ships: Workspace, maps: Any, submitted: list[Any]
) -> None:
    page = app("compare", ships)
    (button,) = [button for button in page.button if button.label == "Show me a prediction"]
    assert "Kinshasa on the simulated planet" in page.caption[0].value
    west, south, east, north = maps[-1]["view"].bounds
    assert west < 15.31 < east and south < -4.33 < north
    button.click().run()
    ((kind, request),) = submitted
    assert (kind, request.run) == ("first-look", "shipped-daytime")


def test_the_first_look_is_shown_once_it_is_there_whatever_was_chosen(
    app: Any, ships: Workspace, maps: Any, submitted: list[Any]
) -> None:
    add_dataset(ships)
    page = app("compare", ships)
    assert page.selectbox(key="run").value == "shipped-daytime"
    page.selectbox(key="region").set_value("accra").run()
    next(button for button in page.button if button.label == "Show me a prediction").click().run()
    made = add_prediction(ships, "shipped-daytime", "kinshasa", "first-look")
    ships.prediction_folder(made.name).rename(ships.prediction_folder("first-look"))
    record = ships.prediction_folder("first-look") / "prediction.json"
    record.write_text(record.read_text().replace(made.name, "first-look"))
    page.run()
    assert page.selectbox(key="region").value == "first-look/kinshasa"
    assert [layer.name for layer in maps[-1]["layers"]] == ["Predicted"]
    # Whoever has a prediction is no newcomer.
    assert not [button for button in page.button if button.label == "Show me a prediction"]


def test_after_a_training_the_page_opens_on_its_run_not_on_the_first_look(
    app: Any, ships: Workspace, maps: Any
) -> None:
    add_dataset(ships)
    made = add_prediction(ships, "shipped-daytime", "kinshasa", "first-look")
    ships.prediction_folder(made.name).rename(ships.prediction_folder("first-look"))
    record = ships.prediction_folder("first-look") / "prediction.json"
    record.write_text(record.read_text().replace(made.name, "first-look"))
    assert app("compare", ships).selectbox(key="run").value == "shipped-daytime"
    add_run(ships, "mine")
    page = app("compare", ships)
    assert (page.selectbox(key="run").value, page.selectbox(key="region").value) == ("mine", "abuja")


def test_another_run_stays_at_the_place_whatever_it_calls_it(app: Any, space: Workspace, maps: Any) -> None:
    add_run(space)
    add_dataset(space, "another")
    add_run(space, "second", dataset="another")
    page = app("compare", space)
    page.selectbox(key="run").set_value("first").run()
    page.selectbox(key="region").set_value("lagos").run()
    page.selectbox(key="run").set_value("second").run()
    assert page.selectbox(key="region").value.rpartition("/")[2] == "lagos"
    page.selectbox(key="region").set_value("cities/accra").run()
    page.selectbox(key="run").set_value("first").run()
    assert page.selectbox(key="region").value == "accra"


def test_a_shipped_model_predicts_any_dataset_with_its_bands(
    app: Any, ships: Workspace, space: Workspace, maps: Any, submitted: list[Any]
) -> None:
    add_run(space)
    page = app("compare", space)
    assert page.selectbox(key="run").options == ["first", "shipped-daytime"]
    page.selectbox(key="region").set_value("kinshasa").run()
    page.selectbox(key="run").set_value("shipped-daytime").run()
    # The page stays at the place, by whatever name the other run calls it.
    assert page.selectbox(key="region").value.rpartition("/")[2] == "kinshasa"
    next(button for button in page.button if button.label == "Predict").click().run()
    ((kind, request),) = submitted
    assert (kind, request.run, request.dataset) == ("predict", "shipped-daytime", "cities")


def test_a_fresh_workspace_shows_the_prediction_that_ships_at_once(
    app: Any, ships: Workspace, maps: Any, submitted: list[Any], tmp_path: Path
) -> None:
    made = add_prediction(ships, "shipped-daytime", "kinshasa", "first-look")
    folder = ships.prediction_folder(made.name)
    record = folder / "prediction.json"
    record.write_text(record.read_text().replace(made.name, "first-look"))
    shutil.move(folder, tmp_path / "models" / "first-look")
    fresh = Workspace.open(tmp_path / "new")
    page = app("compare", fresh)
    assert page.selectbox(key="region").value == "first-look/kinshasa"
    # Before and after, side by side; whoever reloads the page finds the same.
    assert [layer.name for layer in maps[-1]["layers"]] == ["VIIRS", "Predicted"]
    assert maps[-1]["swipe"] == ("VIIRS", "Predicted")
    assert app("compare", fresh).selectbox(key="region").value == "first-look/kinshasa"
    assert not [button for button in page.button if button.label == "Show me a prediction"]
    assert fresh.prediction_names() == ["first-look"] and not submitted
    # Whoever has something of their own is not given it.
    busy = Workspace.open(tmp_path / "busy")
    add_run(busy, "first")
    app("compare", busy)
    assert "first-look" not in busy.prediction_names()


def test_a_prediction_that_ships_in_part_or_of_a_model_that_is_gone_is_not_shown(
    app: Any, ships: Workspace, maps: Any, submitted: list[Any], tmp_path: Path
) -> None:
    made = add_prediction(ships, "shipped-daytime", "kinshasa", "first-look")
    target = tmp_path / "models" / "first-look"
    shutil.move(ships.prediction_folder(made.name), target)
    assert ready_made() == target
    (target / made.layers["viirs"]).unlink()
    assert ready_made() is None
    page = app("compare", Workspace.open(tmp_path / "new"))
    assert [button for button in page.button if button.label == "Show me a prediction"]
