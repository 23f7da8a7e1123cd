"""The Train page: the form, its presets, the plan, the curves and how a run stands."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from pages_workspace import CREATED, add_dataset, add_job, add_run, app, submitted

from nightlights.commands import train
from nightlights.devices import Device
from nightlights.experiments import list_experiments
from nightlights.interface.jobs_view import duration
from nightlights.interface.plots import rmse_chart
from nightlights.interface.training_plan import plan, plan_sentence
from nightlights.interface.training_view import curves, run_figures
from nightlights.manifests import EpochRecord, PartRecord, TrainingSettings, write_record
from nightlights.names import unused_name
from nightlights.networks.registry import NETWORKS
from nightlights.wording import size
from nightlights.workspace import Workspace

__all__ = ["app", "submitted"]


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def exported(space: Workspace) -> Workspace:
    add_dataset(space)
    return space


def press(page: Any, label: str) -> None:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception


def test_without_a_dataset_the_page_says_what_comes_first(app: Any, space: Workspace) -> None:
    page = app("train", space)
    assert "There is no dataset yet" in page.info[0].value
    assert not page.button


def test_the_defaults_train_the_network_that_suits_the_machine(
    app: Any, exported: Workspace, submitted: list[Any]
) -> None:
    page = app("train", exported)
    press(page, "Train")
    ((kind, request),) = submitted
    assert kind == "train"
    assert request.dataset == "cities"
    assert request.run == f"cities-{request.settings.network}"
    expected = NETWORKS[request.settings.network].settings
    assert request.settings == expected


def test_the_study_preset_fills_in_the_settings_of_the_study(
    app: Any, exported: Workspace, submitted: list[Any]
) -> None:
    page = app("train", exported)
    press(page, "Study preset")
    press(page, "Train")
    settings = submitted[0][1].settings
    assert (settings.network, settings.optimizer, settings.learning_rate) == ("study-unet", "SGD", 0.01)
    assert (settings.batch_size, settings.epochs, settings.patches_per_region) == (16, 20, 100)
    assert settings.loss == "pixel squared error"
    assert (settings.rotate, settings.mirror) == (False, False)


def test_every_setting_reaches_the_request(app: Any, exported: Workspace, submitted: list[Any]) -> None:
    page = app("train", exported)
    wanted = {"epochs": 3, "batch_size": 5, "patches_per_region": 11, "patch_size": 64, "seed": 42}
    wanted["texture_networks"] = 2
    page.number_input(key="train_passes").set_value(0.0).run()
    for name, value in wanted.items():
        page.number_input(key=f"train_{name}").set_value(value)
    page.number_input(key="train_learning_rate").set_value(0.002)
    page.selectbox(key="train_optimizer").set_value("Adam")
    page.selectbox(key="train_loss").set_value("pixel Huber").run()
    page.selectbox(key="train_label_resampling").set_value("nearest")
    page.checkbox(key="train_mirror").set_value(False)
    page.multiselect(key="train_on_cities").set_value(["accra"])
    page.text_input(key="train_name").set_value("mine")
    page.text_area(key="train_notes").set_value("why")
    page.run()
    assert any("11 patches in 3 steps" in caption.value for caption in page.caption)
    press(page, "Train")
    request = submitted[0][1]
    settings = request.settings
    assert {name: getattr(settings, name) for name in wanted} == wanted
    assert (settings.learning_rate, settings.optimizer, settings.loss) == (0.002, "Adam", "pixel Huber")
    assert (settings.label_resampling, settings.rotate, settings.mirror) == ("nearest", True, False)
    assert (settings.train_regions, settings.evaluate_regions) == (["accra"], None)
    assert (request.run, request.notes) == ("mine", "why")


def test_what_has_no_effect_is_shut(app: Any, exported: Workspace) -> None:
    page = app("train", exported)

    def shut(*names: str) -> list[bool]:
        page.run()
        elements = {
            element.key: element.disabled for kind in (page.number_input, page.selectbox) for element in kind
        }
        return [elements[f"train_{name}"] for name in names]

    amount = ("passes", "epochs", "batch_size", "learning_rate", "optimizer")
    page.number_input(key="train_passes").set_value(20.0)
    assert shut("patches_per_region", *amount) == [True] + [False] * 5
    page.number_input(key="train_passes").set_value(0.0)
    assert shut("patches_per_region") == [False]
    # A footprint loss compares nothing at 29 m, and only AdamW decays weights.
    page.selectbox(key="train_loss").set_value("footprint Huber")
    page.selectbox(key="train_optimizer").set_value("AdamW")
    assert shut("label_resampling", "weight_decay") == [True, False]
    page.selectbox(key="train_loss").set_value("mixture")
    page.selectbox(key="train_optimizer").set_value("SGD")
    assert shut("label_resampling", "weight_decay") == [False, True]
    # A regression has no steps; its texture networks do, by an optimizer of their own.
    page.selectbox(key="train_network").set_value("footprint-regression")
    page.number_input(key="train_texture_networks").set_value(0)
    assert shut("patches_per_region", *amount) == [True] * 6
    page.number_input(key="train_texture_networks").set_value(2)
    assert shut("patches_per_region", *amount) == [False] * 4 + [True] * 2


def test_every_advanced_setting_reaches_the_request(
    app: Any, exported: Workspace, submitted: list[Any]
) -> None:
    page = app("train", exported)
    numbers = {"gradient_norm": 0.5, "weight_decay": 0.02, "weight_averaging": 0.99, "early_stopping": 4}
    numbers["sharpening_contrast"] = 1.25
    for name, value in numbers.items():
        page.number_input(key=f"train_{name}").set_value(value)
    contrast = page.number_input(key="train_sharpening_contrast")
    assert (contrast.min, contrast.max) == (0.1, 2)
    words = {"loss": "mixture", "point_spread": "learned", "schedule": "plateau"}
    words["first_output"] = "mean radiance"
    for name, word in words.items():
        page.selectbox(key=f"train_{name}").set_value(word)
    assert page.slider(key="train_footprint_share").disabled
    page.run()
    page.slider(key="train_footprint_share").set_value(0.25)
    page.checkbox(key="train_viirs_input").set_value(True)
    page.run()
    press(page, "Train")
    wanted = {**numbers, **words, "footprint_share": 0.25, "viirs_input": True, "label": "VIIRS"}
    settings = submitted[0][1].settings
    assert {name: getattr(settings, name) for name in wanted} == wanted
    page.selectbox(key="train_label").set_value("truth").run()
    assert "mixture compares VIIRS pixels" in page.error[0].value
    assert next(button for button in page.button if button.label == "Train").disabled


def test_what_bounds_the_light_reaches_the_request_and_is_shut_where_a_network_cannot_have_it(
    app: Any, exported: Workspace, submitted: list[Any]
) -> None:
    page = app("train", exported)
    numbers = {"passes": 2.5, "residual_limit": 1.2, "residual_share": 0.25, "light_cap": 8.0}
    for name, value in numbers.items():
        page.number_input(key=f"train_{name}").set_value(value)
    page.checkbox(key="train_compress_tails").set_value(False)
    page.selectbox(key="train_decoder").set_value("resize")
    page.run()
    # At least as many: an epoch has whole patches.
    stated = next(each.value for each in page.caption if "passes** over the footprints" in each.value)
    assert 2.5 <= float(stated.split(" passes**")[0].split("**")[-1]) < 25
    press(page, "Train")
    settings = submitted[-1][1].settings
    assert {name: getattr(settings, name) for name in numbers} == numbers
    assert settings.guide == "footprint regression" and not settings.compress_tails
    assert settings.decoder == "resize"
    page.selectbox(key="train_guide").set_value("none").run()
    assert page.number_input(key="train_residual_limit").disabled
    assert page.selectbox(key="train_decoder").disabled
    page.selectbox(key="train_guide").set_value("footprint regression").run()
    page.selectbox(key="train_network").set_value("footprint-regression").run()
    assert page.selectbox(key="train_guide").disabled
    stated = next(each.value for each in page.caption if "Level, " in each.value)
    assert "Level, Footprint regression: fitted in seconds" in stated and "3 pixel networks" in stated
    page.number_input(key="train_texture_networks").set_value(0).run()
    assert any("Fitted** in seconds" in caption.value for caption in page.caption)
    page.selectbox(key="train_network").set_value("study-unet").run()
    press(page, "Train")
    settings = submitted[-1][1].settings
    assert (settings.network, settings.guide, settings.light_cap) == ("study-unet", "none", 0)


def test_the_first_output_has_one_name_and_one_explanation(app: Any, exported: Workspace) -> None:
    asked = app("train", exported).selectbox(key="train_first_output")
    assert (asked.label, asked.options) == ("First output", ["As drawn", "Mean radiance"])
    (option,) = (each for each in typer.main.get_command(train.app).params if each.name == "first_output")
    words = TrainingSettings.model_fields["first_output"].description
    assert asked.help == words
    assert option.help == f"First output, as-drawn or mean-radiance. {words} Default: as-drawn."


@pytest.mark.parametrize(
    ("network", "schedule", "norm"), [("unet-small", "cosine", "1"), ("study-unet", "constant", "no limit")]
)
def test_what_is_left_to_the_network_shows_the_value_that_it_will_have(
    app: Any, exported: Workspace, network: str, schedule: str, norm: str
) -> None:
    page = app("train", exported)
    page.selectbox(key="train_network").set_value(network).run()
    assert page.selectbox(key="train_schedule").value is None
    assert page.selectbox(key="train_schedule").placeholder == f"{schedule}, the network's own"
    assert page.number_input(key="train_gradient_norm").placeholder == f"{norm}, the network's own"


def test_a_single_epoch_is_a_marker_with_its_figure_within_the_axes() -> None:
    epoch = EpochRecord(
        epoch=1,
        loss=1.0,
        train_rmse=2.0,
        evaluation_rmse=3.0,
        learning_rate=1e-3,
        seconds=1.0,
        patches_per_second=1.0,
    )
    figure = curves({"first": [epoch]}, 1)
    assert [trace.mode for trace in figure.data] == ["markers+text", "markers+text"]
    assert [trace.text for trace in figure.data] == [("2.000",), ("3.000",)]
    assert figure.data[0].marker.symbol != figure.data[1].marker.symbol
    assert figure.layout.xaxis.range[1] > 1.5
    more = curves({"first": [epoch, epoch.model_copy(update={"epoch": 2})]}, 2)
    assert [trace.mode for trace in more.data] == ["lines+markers", "lines+markers"]


def test_a_run_without_training_regions_cannot_start(
    app: Any, exported: Workspace, submitted: list[Any]
) -> None:
    page = app("train", exported)
    page.multiselect(key="train_on_cities").set_value([]).run()
    assert "no region to train on" in page.error[0].value
    assert next(button for button in page.button if button.label == "Train").disabled


def test_a_bad_name_is_told(app: Any, exported: Workspace) -> None:
    page = app("train", exported)
    page.text_input(key="train_name").set_value("../up").run()
    assert page.error
    assert not [button for button in page.button if button.label == "Train"]


def test_the_curves_of_several_runs_share_a_chart(app: Any, exported: Workspace) -> None:
    add_run(exported, "first")
    add_run(exported, "second", evaluation_rmse=2.0)
    page = app("train", exported)
    page.multiselect(key="curves").set_value(["first", "second"]).run()
    (chart,) = page.get("plotly_chart")
    for line in ("first, training", "first, evaluation", "second, training", "second, evaluation"):
        assert line in chart.proto.spec


def test_a_reload_shows_the_run_that_trains_from_its_files_alone(app: Any, exported: Workspace) -> None:
    add_run(exported, "done")
    add_run(exported, "again", epochs_done=2, epochs=6, scored=False)
    add_job(exported, "train", {"run": "again", "dataset": "cities"}, "running")
    page = app("train", exported)
    assert "again" in page.multiselect(key="curves").value
    figures = {metric.label: metric.value for metric in page.metric}
    assert figures["Epoch"] == "2 of 6"
    assert figures["Patches per second"] == "12.5"
    assert any(button.label == "Cancel" for button in page.button)


@pytest.mark.parametrize(
    ("state", "said"), [("failed", "The disk is full."), ("interrupted", "ended unexpectedly")]
)
def test_a_run_that_stopped_says_why_and_can_go_on(
    app: Any, exported: Workspace, state: Any, said: str
) -> None:
    add_run(exported, "broken", epochs_done=2, epochs=6, scored=False)
    add_job(exported, "train", {"run": "broken", "dataset": "cities"}, state)
    page = app("train", exported)
    assert said in page.error[0].value
    assert any(button.label == "Resume" for button in page.button)


def test_a_training_that_could_not_replace_a_run_is_shown_beside_it(app: Any, exported: Workspace) -> None:
    add_run(exported)
    add_job(exported, "train", {"run": "first", "dataset": "cities", "overwrite": True}, "failed")
    page = app("train", exported)
    assert "The disk is full." in page.error[0].value
    assert {"Resume", "Dismiss"} <= {button.label for button in page.button}


def test_the_plan_counts_steps_and_takes_the_speed_of_a_run_like_it(space: Workspace) -> None:
    settings = TrainingSettings(epochs=10, patches_per_region=30, batch_size=16)
    work = plan(settings, 3, [])
    assert (work.patches, work.steps, work.seconds) == (90, 6, None)
    run = add_run(space)
    # 6 epochs of 2 regions took 90 s.
    trained = 6 * run.settings.patches_per_region * 2
    assert plan(settings, 3, [run]).seconds == pytest.approx(90 / trained * 90 * 10)
    other = settings.model_copy(update={"network": "unet"})
    assert plan(other, 3, [run]).seconds is None


def test_the_plan_says_what_every_part_of_a_run_does_and_how_long_it_takes(space: Workspace) -> None:
    cpu = Device("CPU", "a processor", 2**33)
    settings = TrainingSettings(epochs=10, patches_per_region=30, batch_size=16, texture_networks=3)
    unknown = plan(settings, 3, [])
    said = plan_sentence(unknown, cpu)
    title = NETWORKS[settings.network].title
    assert f"Level, {title}: **10 epochs** of 90 patches in 6 steps" in said
    assert "**3 pixel networks** one after the other, each as many epochs" in said
    assert "Time known after the first epoch" in said and unknown.seconds is None
    # A run of the level alone has its speed; texture networks are taken to be twice as quick.
    alone = add_run(space)
    work = plan(settings, 3, [alone])
    level = 90 / (6 * alone.settings.patches_per_region * 2) * 90 * 10
    assert work.level_seconds == pytest.approx(level) and work.texture_seconds == pytest.approx(level / 2)
    assert work.seconds == pytest.approx(level * 2.5)
    # A run of both parts knows better; its own seconds are those of all parts.
    parts = [
        PartRecord(part="level", network=alone.settings.network, seconds=60),
        PartRecord(part="texture", network="pixel", networks=2, seconds=30),
    ]
    both = alone.model_copy(update={"name": "both", "parts": parts, "created": CREATED + timedelta(days=1)})
    work = plan(settings, 3, [alone, both])
    assert work.level_seconds == pytest.approx(level * 60 / 90)
    assert work.texture_seconds == pytest.approx(level * 15 / 90)
    said = plan_sentence(work, cpu)
    assert f"**{duration(level * 105 / 90)}**" in said and "as fast as both" in said and "on the CPU" in said
    # Of a regression with texture networks, they are what takes the time.
    fitted = plan(settings.model_copy(update={"network": "footprint-regression"}), 3, [both])
    assert fitted.seconds == pytest.approx(level * 45 / 90)
    assert "fitted in seconds" in plan_sentence(fitted, cpu)
    assert "**10 epochs**" in plan_sentence(fitted, cpu)


def test_the_plan_takes_no_time_from_a_run_that_did_not_finish(space: Workspace) -> None:
    cpu = Device("CPU", "a processor", 2**33)
    settings = TrainingSettings(epochs=10, patches_per_region=30, batch_size=16)
    later = {"created": CREATED + timedelta(days=1)}
    # Most of its 90 s were the start of TensorFlow.
    cancelled = add_run(space, "cancelled", epochs_done=1).model_copy(update=later)
    unknown = plan(settings, 3, [cancelled])
    assert unknown.seconds is None and "known after the first epoch" in plan_sentence(unknown, cpu)
    finished = add_run(space)
    work = plan(settings, 3, [cancelled, finished])
    assert work.measured_on == "first"
    assert work.seconds == pytest.approx(90 / (6 * finished.settings.patches_per_region * 2) * 90 * 10)
    # A run of one epoch began and ended: it serves where nothing better is known.
    short = add_run(space, "short", epochs=1, epochs_done=1).model_copy(update=later)
    assert plan(settings, 3, [short, finished]).measured_on == "first"
    assert plan(settings, 3, [short]).measured_on == "short"


def test_the_plan_names_every_run_that_it_takes_time_from(space: Workspace) -> None:
    cpu = Device("CPU", "a processor", 2**33)
    settings = TrainingSettings(epochs=10, patches_per_region=30, batch_size=16, texture_networks=3)
    level = add_run(space)
    said = plan_sentence(plan(settings, 3, [level]), cpu)
    assert "as fast as first, pixel networks by its level network)" in said
    parts = [PartRecord(part="texture", network="pixel", networks=2, seconds=30)]
    changes = {"name": "other", "parts": parts, "settings": settings.model_copy(update={"network": "unet"})}
    other = level.model_copy(update=changes)
    said = plan_sentence(plan(settings, 3, [level, other]), cpu)
    assert "as fast as first, pixel networks as fast as other)" in said


def test_a_run_that_was_trained_on_the_truth_says_so_where_runs_are_listed(space: Workspace) -> None:
    run = add_run(space)
    said = "trained on the hidden truth"
    assert said not in list_experiments(space)[0].state_text
    told = run.model_copy(update={"trained_on_truth": True})
    write_record(space.run_folder(run.name) / "run.json", told)
    assert list_experiments(space)[0].state_text == f"done, {said}"
    assert list_experiments(space)[0].row()["state"] == f"done, {said}"
    settings = run.settings.model_copy(update={"viirs_input": True})
    write_record(space.run_folder(run.name) / "run.json", run.model_copy(update={"settings": settings}))
    assert list_experiments(space)[0].state_text == "done, reads VIIRS"


def test_names_that_are_taken_are_numbered() -> None:
    assert unused_name("a b", []) == "a-b"
    assert unused_name("a", ["a", "a-2"]) == "a-3"
    assert unused_name("First", ["first", "First-2"]) == "first-3"
    assert len(unused_name("x" * 64, ["x" * 64])) <= 64


def test_the_figures_of_a_run_carry_units_and_the_best_epoch(space: Workspace) -> None:
    run = add_run(space)
    rows = [
        EpochRecord(
            epoch=epoch,
            loss=1,
            train_rmse=1.5,
            evaluation_rmse=rmse,
            learning_rate=0.1,
            seconds=1,
            patches_per_second=3,
        )
        for epoch, rmse in ((1, 2.0), (2, 2.5))
    ]
    figures = {figure.title: figure for figure in run_figures(run, rows, 61.0)}
    assert figures["Evaluation RMSE (nW/cm²/sr)"].value == "2.500"
    assert "2.000" in figures["Evaluation RMSE (nW/cm²/sr)"].meaning
    assert figures["Time left"].value == duration(61)
    assert run_figures(run, [], None)[0].value == "0 of 6"


def test_sizes_are_told_as_people_tell_them() -> None:
    assert [size(count) for count in (12, 1200, 122_000_000, 7.9e10)] == ["12 B", "1.2 kB", "122 MB", "79 GB"]


@pytest.mark.parametrize(("first", "axis"), [(200.0, "log"), (4.0, None)])
def test_a_first_epoch_that_was_far_off_does_not_flatten_the_curves(first: float, axis: str | None) -> None:
    epochs = [
        EpochRecord(
            epoch=number,
            loss=1.0,
            train_rmse=rmse,
            evaluation_rmse=None,
            learning_rate=0.1,
            seconds=1.0,
            patches_per_second=1.0,
        )
        for number, rmse in ((1, first), (2, 2.0), (3, 1.5))
    ]
    layout = rmse_chart({"first": epochs}).layout
    assert layout.yaxis.type == axis
    # Three epochs get three ticks, not one at each half.
    assert layout.xaxis.dtick == 1


def link(page: Any, label: str) -> tuple[str, str]:
    """The page and the choices that a link leads to."""
    (element,) = (each for each in page.get("page_link") if each.proto.label == label)
    return element.proto.page, element.proto.query_string


def test_links_onward_carry_what_was_just_made(app: Any, exported: Workspace) -> None:
    add_run(exported, "newest")
    add_run(exported, "older")
    page = app("train", exported, curves=["newest"])
    assert link(page, "Go on to predict and compare") == ("compare", "run=newest")
    add_dataset(exported, "another")
    page = app("imagery", exported, dataset="another")
    assert link(page, "Go on to train a network on it") == ("train", "dataset=another")
