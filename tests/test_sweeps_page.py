"""Sweeps on the Experiments page: the form, its plan, the charts and the table."""

from pathlib import Path
from typing import Any

import pytest
from pages_workspace import CREATED, add_dataset, add_job, add_run, app, submitted

from nightlights.interface.sweep_form import suggested, unused
from nightlights.interface.sweep_view import parallel_coordinates, sweep_rows
from nightlights.manifests import RunRecord, TrainingSettings, write_record
from nightlights.sweeps.records import SweepRecord, SweepRequest, Trial, Variation
from nightlights.workspace import Workspace

__all__ = ["app", "submitted"]

VARY = [
    Variation(field="learning_rate", values=[1e-4, 1e-2]),
    Variation(field="loss", values=["mixture", "pixel Huber"]),
    Variation(field="epochs", values=[6]),
]


def add_sweep(workspace: Workspace, run: RunRecord, *, waiting: bool = False) -> SweepRecord:
    """Write the sweep ``rates``: two scored runs, one that failed, perhaps one that waits."""
    values = {"learning_rate": 1e-2, "loss": "mixture", "epochs": 6}
    trials = [
        Trial(run="rates-002", values=values, evaluation_rmse=2.1, train_rmse=1.7, seconds=90),
        Trial(
            run="rates-001",
            values={**values, "learning_rate": 1e-4},
            evaluation_rmse=2.5,
            train_rmse=2,
            seconds=80,
        ),
        Trial(run="rates-003", values={**values, "loss": "pixel Huber"}, failure="Training diverged."),
    ]
    if waiting:
        trials.append(Trial(run="rates-004", values={**values, "loss": "pixel Huber"}))
    add_run(workspace, "rates-001", evaluation_rmse=2.5)
    add_run(workspace, "rates-002", evaluation_rmse=2.1)
    record = SweepRecord(
        name="rates",
        created=CREATED,
        finished=None if waiting else CREATED,
        dataset="cities",
        source=run.source,
        search="grid",
        seed=None,
        settings=run.settings,
        vary=VARY,
        trials=trials,
    )
    write_record(workspace.sweep_folder("rates") / "sweep.json", record)
    return record


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


def test_without_a_sweep_the_page_says_what_one_is(app: Any, space: Workspace) -> None:
    add_dataset(space)
    add_run(space, "first")
    page = app("experiments", space)
    assert any("There is no sweep yet" in each.value for each in page.info)
    assert not page.error


def test_a_sweep_is_shown_best_first_with_its_charts(app: Any, space: Workspace) -> None:
    record = add_sweep(space, add_run(space, "first"))
    page = app("experiments", space)
    table = next(each.value for each in page.dataframe if "learning rate" in each.value)
    assert table["Run"].tolist() == ["rates-002", "rates-001", "rates-003"]
    assert table["Evaluation RMSE (nW/cm²/sr)"].tolist()[:2] == [2.1, 2.5]
    assert table["Failure"].tolist()[2] == "Training diverged."
    assert any(
        "Simulated imagery. 3 runs on cities, every combination" in each.value for each in page.caption
    )
    assert len(page.get("plotly_chart")) == 3
    assert list(sweep_rows(record)[0]) == list(table.columns)


def test_parallel_coordinates_have_an_axis_a_setting_that_differs_and_one_of_the_error(
    space: Workspace,
) -> None:
    (trace,) = parallel_coordinates(add_sweep(space, add_run(space, "first"))).data
    rate, rmse = trace.dimensions
    # A hundred to one is drawn on a logarithmic axis, with the values themselves at its ticks.
    assert rate.values == (-2.0, -4.0)
    assert rate.ticktext == ("0.0001", "0.01")
    assert rmse.values == (2.1, 2.5)
    assert "nW/cm²/sr" in rmse.label


def test_values_beside_an_axis_are_not_written_over_each_other(space: Workspace) -> None:
    record = add_sweep(space, add_run(space, "first"))
    scored = record.trials[0]
    trials = [
        scored.model_copy(update={"evaluation_rmse": rmse, "values": {**scored.values, "loss": loss}})
        for rmse, loss in (
            (1.0, "mixture"),
            (1.02, "mixture"),
            (3.0, "pixel Huber"),
            (9.99, "mixture"),
            (10.0, "mixture"),
        )
    ]
    figure = parallel_coordinates(record.model_copy(update={"trials": trials}))
    loss, rmse = figure.data[0].dimensions
    assert rmse.ticktext == ("1", "3", "10")
    assert loss.ticktext == ("mixture", "pixel Huber")
    # Beside the first axis there is room for the longest word of it.
    assert figure.layout.margin.l >= 6 * len("pixel Huber")


def test_the_form_begins_a_sweep_and_says_how_many_runs_and_how_long(
    app: Any, space: Workspace, submitted: list[tuple[str, Any]]
) -> None:
    add_dataset(space)
    run = add_run(space, "first")
    page = app("experiments", space)
    page.multiselect(key="sweep_fields").set_value(["learning_rate", "mirror", "patch_size"]).run()
    page.text_input(key="sweep-grid-first-learning_rate").set_value("0.001, 0.003, 0.01").run()
    page.text_input(key="sweep-grid-first-patch_size").set_value("64").run()
    assert not page.error
    # The run took 90 s with patches of 128 x 128 pixels: a quarter of it, six times.
    assert any("6 runs, about 2 min of training" in each.value for each in page.caption)
    next(button for button in page.button if button.label == "Begin the sweep").click().run()
    ((kind, request),) = submitted
    assert kind == "sweep"
    assert isinstance(request, SweepRequest)
    assert (request.name, request.dataset, request.search) == ("first-sweep", "cities", "grid")
    assert request.settings == run.settings
    assert [(each.field, each.values) for each in request.vary] == [
        ("learning_rate", [0.001, 0.003, 0.01]),
        ("mirror", [True, False]),
        ("patch_size", [64]),
    ]


def test_what_cannot_be_searched_is_said_before_the_click(
    app: Any, space: Workspace, submitted: list[tuple[str, Any]]
) -> None:
    add_dataset(space)
    add_run(space, "first")
    page = app("experiments", space)
    begin = "Begin the sweep"
    page.text_input(key="sweep-grid-first-learning_rate").set_value("fast").run()
    assert "learning_rate cannot be 'fast'" in page.error[0].value
    assert next(button for button in page.button if button.label == begin).disabled
    page.radio(key="sweep_search").set_value("random").run()
    assert not page.error
    assert any("10 runs" in each.value for each in page.caption)
    next(button for button in page.button if button.label == begin).click().run()
    assert submitted[0][1].trials == 10
    assert submitted[0][1].vary[0].is_range


def test_a_sweep_at_work_shows_how_far_it_is_and_can_be_cancelled(app: Any, space: Workspace) -> None:
    add_dataset(space)
    record = add_sweep(space, add_run(space, "first"), waiting=True)
    request = {"name": "rates", "dataset": "cities", "search": "grid", "vary": [VARY[0].model_dump()]}
    job = add_job(space, "sweep", request, "running")
    page = app("experiments", space)
    assert page.button(key=f"cancel-{job}")
    assert any("3 done so far" in each.value for each in page.caption)
    assert record.done == 3


def test_deleting_a_sweep_removes_its_runs(app: Any, space: Workspace) -> None:
    add_sweep(space, add_run(space, "first"))
    page = app("experiments", space)
    page.button(key="delete-sweep-rates").click().run()
    assert space.run_names() == ["first"]
    assert not space.sweep_names()
    assert not page.exception


def test_suggestions_lie_around_the_settings_of_the_run() -> None:
    settings = TrainingSettings(learning_rate=0.003, epochs=10)
    assert suggested("learning_rate", settings, "grid") == "0.001, 0.003, 0.009"
    assert suggested("learning_rate", settings, "random") == "log:0.0003:0.03"
    assert suggested("epochs", settings, "grid") == "5, 10, 20"
    assert suggested("early_stopping", settings, "grid") == "none"
    assert "footprint-Huber" in suggested("loss", settings, "grid")
    assert unused("a", ["a", "a-2"]) == "a-3"
