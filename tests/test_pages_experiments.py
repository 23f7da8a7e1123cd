"""The Experiments page: table, filter, notes, CSV, curves, scores, deletion."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calibration_samples import calibration_of
from pages_workspace import CREATED, SOURCE, add_job, add_run, app

from nightlights.experiments import list_experiments
from nightlights.grid import Window
from nightlights.interface.prediction_choice import usable_runs
from nightlights.interface.scores_table import (
    augmentation,
    filtered,
    run_columns,
    run_rows,
    score_columns,
    score_rows,
)
from nightlights.jobs import JobStore
from nightlights.jobs.kinds import CalibrationRequest
from nightlights.manifests import (
    CrossValidationFold,
    CrossValidationRecord,
    CrossValidationRequest,
    RunRecord,
    TrainingSettings,
    read_record,
    write_record,
)
from nightlights.metrics import PixelPairs
from nightlights.scores import Score, Scores
from nightlights.uncertainty import UNCERTAINTY_FILE
from nightlights.uncertainty.records import METHOD, CalibratedRegion
from nightlights.workspace import Workspace

__all__ = ["app"]

WINDOW = Window(43_000, 16_000, 16, 16)


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def two(space: Workspace) -> Workspace:
    add_run(space, "first")
    add_run(space, "second", evaluation_rmse=2.1)
    return space


def test_without_a_run_the_page_says_what_comes_first(app: Any, space: Workspace) -> None:
    page = app("experiments", space)
    assert "There is no run yet" in page.info[0].value


def test_a_row_holds_figures_settings_and_baselines(two: Workspace) -> None:
    rows = run_rows(list_experiments(two)).set_index("Run")
    assert rows.loc["second", "RMSE"] == pytest.approx(2.1)
    assert rows.loc["second", "RMSE, constant mean"] == pytest.approx(6.4)
    assert rows.loc["second", "RMSE, linear regression"] == pytest.approx(4.1)
    assert rows.loc["first", "Seed"] == 7
    assert rows.loc["first", "Epochs"] == "6 of 6"
    assert bool(rows.loc["first", "Whole regions"])


def test_a_run_that_was_not_evaluated_shows_the_rmse_of_its_curve_and_says_so(space: Workspace) -> None:
    add_run(space, "young", scored=False)
    row = run_rows(list_experiments(space)).iloc[0]
    assert row["RMSE"] == pytest.approx(2.5)
    assert not row["Whole regions"]


def test_every_radiance_column_names_its_unit() -> None:
    columns = run_columns()
    for name in ("RMSE", "RMSE, training", "RMSE, constant mean", "MAE", "Bias"):
        assert "nW/cm²/sr" in columns[name]["label"]


def test_the_footprint_regression_has_a_column_where_a_run_was_compared_with_it(two: Workspace) -> None:
    column = "RMSE, footprint regression"
    assert column not in run_rows(list_experiments(two)) and column in run_columns()
    path = two.run_folder("second") / "metrics.json"
    scores = read_record(path, Scores)
    linear = [score for score in scores.scores if score.method == "linear regression"]
    newer = [score.model_copy(update={"method": "footprint regression", "rmse": 3.9}) for score in linear]
    write_record(path, scores.model_copy(update={"scores": [*scores.scores, *newer]}))
    rows = run_rows(list_experiments(two)).set_index("Run")
    assert rows.loc["second", column] == pytest.approx(3.9)
    assert rows[column].isna().tolist() == [False, True]


def test_the_filter_wants_every_word_in_any_column(two: Workspace) -> None:
    experiments = list_experiments(two)
    assert [each.name for each in filtered(experiments, "SECOND unet-small")] == ["second"]
    assert len(filtered(experiments, "")) == 2
    assert filtered(experiments, "second adam nothing") == []


def test_the_page_filters_and_says_when_nothing_matches(app: Any, two: Workspace) -> None:
    page = app("experiments", two)
    page.text_input(key="filter").set_value("second").run()
    assert list(page.dataframe[0].value["Run"]) == ["second"]
    page.text_input(key="filter").set_value("nothing like it").run()
    assert "No run matches" in page.info[0].value
    assert not page.dataframe


def test_runs_of_sweeps_and_cross_validations_are_shown_only_when_asked_for(app: Any, two: Workspace) -> None:
    add_run(two, "folds-without-lagos", series="cross-validation folds")
    add_run(two, "older-fold")
    record = CrossValidationRecord(
        name="older",
        created=CREATED,
        dataset="cities",
        source=SOURCE,
        settings=TrainingSettings(),
        bootstrap_seed=1,
        folds=[CrossValidationFold(region="lagos", run="older-fold")],
        scores=[],
    )
    write_record(two.crossvalidation_folder("older") / "crossvalidation.json", record)
    # A run of one's own took the name of another fold, which is gone.
    ended = {"name": "ended", "created": CREATED - timedelta(seconds=1)}
    ended |= {"folds": [CrossValidationFold(region="lagos", run="second")]}
    path = two.crossvalidation_folder("ended") / "crossvalidation.json"
    write_record(path, record.model_copy(update=ended))
    page = app("experiments", two)
    assert list(page.dataframe[0].value["Run"]) == ["second", "first"]
    assert "Part of" not in page.dataframe[0].value
    assert page.selectbox(key="sweep_base").options[:2] == ["second", "first"]
    page.toggle(key="others").set_value(True).run()
    table = page.dataframe[0].value
    assert list(table["Run"]) == ["second", "first", "older-fold", "folds-without-lagos"]
    assert list(table["Part of"]) == ["", "", "cross-validation older", "cross-validation folds"]
    assert {run.name for run in usable_runs(two)[:2]} == {"second", "first"}


def test_where_all_runs_are_of_a_sweep_they_are_shown_at_once(app: Any, space: Workspace) -> None:
    add_run(space, "rates-001", series="sweep rates")
    page = app("experiments", space)
    assert list(page.dataframe[0].value["Run"]) == ["rates-001"]
    assert not page.toggle


def test_scores_show_held_out_regions_first_and_the_network_before_baselines(
    app: Any, two: Workspace
) -> None:
    experiment = list_experiments(two)[0]
    rows = score_rows(experiment.scores)
    assert rows["Role"].tolist() == ["evaluate"] * 6 + ["train"] * 9
    assert rows["Region"].tolist()[:6] == ["all regions"] * 3 + ["abuja"] * 3
    assert rows["Method"].tolist()[:3] == ["unet-small", "constant mean", "linear regression"]
    shown = app("experiments", two).dataframe[1].value
    assert len(shown) == 15


def test_scores_of_an_older_version_have_no_columns_that_it_did_not_compute(two: Workspace) -> None:
    old = list_experiments(two)[0].scores
    assert not {"Spearman", "RMSE, dark", "RMSE, fine", "RMSE 95 %"} & set(score_rows(old).columns)
    pairs = PixelPairs.of(WINDOW, np.arange(256.0).reshape(16, 16) / 40, np.zeros((16, 16)) + 0.1)
    score = pairs.score("unet-small", "abuja", "evaluate")
    rows = score_rows([score, *old])
    row = rows[rows["RMSE"] == score.rmse].iloc[0]
    assert row["RMSE, dark"] == pytest.approx(score.rmse)
    assert score.intervals is not None
    assert row["RMSE 95 %"].startswith(f"{score.intervals.rmse.lower:.3g} to ")
    # Nothing was measured there that is dim, and no truth is known.
    assert not {"RMSE, dim", "RMSE, fine", "SSIM"} & set(rows.columns)
    columns = score_columns()
    for title in set(rows.columns) - {"Region", "Role", "Method"}:
        assert columns[title]["help"] or title in {"Mean predicted", "Mean of VIIRS", "VIIRS pixels"}
        if title.startswith("RMSE"):
            assert "nW/cm²/sr" in columns[title]["label"]


def test_a_run_is_calibrated_by_a_button_and_then_says_how_many_pixels_are_inside(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, CalibrationRequest]] = []
    monkeypatch.setattr(JobStore, "submit", lambda _, kind, request: asked.append((kind, request)))
    run = add_run(space, "first")
    page = app("experiments", space)
    assert any("It uses the evaluation regions: abuja" in each.value for each in page.markdown)
    page.button(key="calibrate-first").click().run()
    assert asked == [("calibrate", CalibrationRequest(run="first"))]
    region = CalibratedRegion(name="abuja", pixels=400, coverage=0.88)
    calibration = calibration_of(
        region,
        region.model_copy(update={"name": "nairobi", "coverage": 0.43}),
        coverage=0.88,
        held_out="blocks",
        remark="They hold where cities are like abuja.",
    )
    write_record(space.run_folder("first") / UNCERTAINTY_FILE, calibration)
    said = [each.value for each in app("experiments", space).caption]
    assert any("in held-out blocks, 88 % of the VIIRS pixels" in each.replace("88%", "88 %") for each in said)
    assert any("in single regions from 43% to 88%" in each for each in said)
    assert any("Simulated imagery. They hold where cities are like abuja." in each for each in said)
    assert any("older method: calibrate again" in each for each in said)
    measured = calibration.model_copy(update={"simulated": False, "method": METHOD})
    write_record(space.run_folder("first") / UNCERTAINTY_FILE, measured)
    said = [each.value for each in app("experiments", space).caption]
    assert any("from 43% to 88%. They hold where" in each for each in said)
    assert not any("older method" in each for each in said)
    alone = run.model_copy(update={"evaluate_regions": []})
    write_record(space.run_folder("first") / "run.json", alone)
    page = app("experiments", space)
    assert any("no evaluation region" in each.value for each in page.info)
    assert "nightlights calibrate --run first --dataset NAME" in page.code[0].value


def test_a_cross_validation_is_begun_with_the_settings_of_a_run(
    app: Any, two: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, CrossValidationRequest]] = []
    monkeypatch.setattr(JobStore, "submit", lambda _, kind, request: asked.append((kind, request)))
    page = app("experiments", two)
    name = page.selectbox(key="run").value
    page.button(key=f"cross-validate-{name}").click().run()
    run = read_record(two.run_folder(name) / "run.json", RunRecord)
    ((kind, request),) = asked
    assert (kind, request.name, request.dataset) == ("cross-validate", f"{name}-held-out", run.dataset)
    assert request.regions == [*run.train_regions, *run.evaluate_regions]
    assert request.settings == run.settings.model_copy(update={"train_regions": request.regions})


def test_a_cross_validation_at_work_shows_how_far_it_is(app: Any, two: Workspace) -> None:
    add_job(two, "cross-validate", {"name": "folds", "dataset": "cities"}, "running")
    page = app("experiments", two)
    assert any("Cross-validate folds" in each.value for each in page.markdown)
    assert "Cancel" in [each.label for each in page.button]


def test_finished_cross_validations_are_shown(app: Any, two: Workspace) -> None:
    experiment = list_experiments(two)[0]
    record = CrossValidationRecord(
        name="held",
        created=experiment.record.created,
        dataset="cities",
        source=experiment.record.source,
        settings=experiment.record.settings,
        bootstrap_seed=1,
        folds=[],
        scores=experiment.scores,
    )
    write_record(two.crossvalidation_folder("held") / "crossvalidation.json", record)
    page = app("experiments", two)
    assert any("Cross-validation held" in each.value for each in page.markdown)
    assert len(page.dataframe) == 3


def test_notes_are_kept_in_the_record(app: Any, two: Workspace) -> None:
    page = app("experiments", two)
    name = page.selectbox(key="run").value
    assert next(button for button in page.button if button.label == "Save notes").disabled
    page.text_area(key=f"notes-{name}").set_value("brighter than I thought").run()
    next(button for button in page.button if button.label == "Save notes").click().run()
    record = read_record(two.run_folder(name) / "run.json", RunRecord)
    assert record.notes == "brighter than I thought"
    assert f"Saved the notes of {name}" in page.success[0].value


def test_deleting_a_run_asks_again(app: Any, two: Workspace) -> None:
    page = app("experiments", two)
    name = page.selectbox(key="run").value
    next(button for button in page.button if button.label == "Yes, delete it").click().run()
    assert name not in two.run_names()
    assert len(two.run_names()) == 1
    assert not page.exception


def test_a_run_at_work_is_not_deleted(app: Any, two: Workspace) -> None:
    add_job(two, "train", {"run": "second", "dataset": "cities"}, "running")
    page = app("experiments", two)
    page.text_input(key="filter").set_value("second").run()
    next(button for button in page.button if button.label == "Yes, delete it").click().run()
    assert "second" in two.run_names()
    assert page.error


def test_augmentation_is_told_in_words() -> None:
    assert augmentation(TrainingSettings()) == "rotate and mirror"
    assert augmentation(TrainingSettings(rotate=False, mirror=False)) == "none"


def test_names_of_regions_are_counted_in_the_table_and_listed_beside_it(app: Any, space: Workspace) -> None:
    run = add_run(space)
    page = app("experiments", space)
    table = page.dataframe[0].value
    assert list(table["Training regions"]) == [len(run.train_regions)]
    assert list(table["Evaluation regions"]) == [len(run.evaluate_regions)]
    (words,) = [each.value for each in page.caption if each.value.startswith("Trained on: ")]
    assert ", ".join(run.train_regions) in words and ", ".join(run.evaluate_regions) in words


def test_a_long_name_of_a_region_has_room_and_the_interval_says_what_it_is() -> None:
    score = Score(
        method="unet-small",
        region="a-region-with-a-long-name",
        rmse=1,
        mae=1,
        bias=0,
        r2=None,
        pixels=4,
        mean_predicted=1,
        mean_measured=1,
    )
    columns = score_columns([score])
    assert columns["Region"]["width"] >= 8 * len(score.region)
    assert columns["RMSE 95 %"]["label"] == "RMSE, 95 % confidence interval (nW/cm²/sr)"
    assert "spatial block bootstrap" in columns["RMSE 95 %"]["help"]
