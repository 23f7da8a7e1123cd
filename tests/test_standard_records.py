"""Recorded figures and new ones are mixed only while they mean the same; and what rows of the table say."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from learning_samples import TINY_NETWORK, learnable_dataset
from standard import cli, outdated, work
from standard.cities import City
from standard.identity import sharpening_constants, sharpening_digest
from standard.jobs import StandardRequest
from standard.measuring import Candidate, Ground, measure
from standard.outdated import belonging, why_outdated
from standard.recipes import RECIPES
from standard.reduction import reduced
from standard.runs import is_as_wanted
from standard.table import MethodFigures, StandardTable, Versions
from standard.target_print import print_targets
from standard.targets import TargetRow, target_rows
from standard.work import RECORD, keep_record, table_folder
from standard_samples import WHEN, apart, figures, method, table

from nightlights.cli import run
from nightlights.errors import ModelError
from nightlights.manifests import RunRecord, SourceRecord, TrainingRequest, read_record, write_record
from nightlights.networks import NETWORKS, NETWORKS_VERSION
from nightlights.progress import NoProgress
from nightlights.sharpening import estimate, scene
from nightlights.training import train
from nightlights.uncertainty.records import METHOD
from nightlights.workspace import Workspace


def row(rows: list[TargetRow], *words: str) -> TargetRow:
    return next(row for row in rows if all(word in f"{row.task} {row.figure}" for word in words))


def sharpened(key: str, fine_rmse: float, plain: float = 9.0, **given: float) -> MethodFigures:
    return method(key, figures(fine_rmse=plain), figures(sharpened=True, fine_rmse=fine_rmse, **given))


def test_other_constants_of_sharpening_make_other_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground("training", {}, {})
    candidate = Candidate("bicubic VIIRS", "bicubic VIIRS", "", lambda *_: np.zeros((16, 16)))
    known = sharpened("oracle", 1.0)
    plain = method("study-africa", figures())
    digests = {sharpening_digest()}
    identities = {candidate.identity(ground)}
    assert not why_outdated(known)
    for module, name, value in (
        (estimate, "_ROUNDS", 20),
        (estimate, "_CHI_SQUARE", 0.9),
        (scene, "_DARKEST", 0.01),
    ):
        monkeypatch.setattr(module, name, value)
        digests.add(sharpening_digest())
        identities.add(candidate.identity(ground))
    assert len(digests) == len(identities) == 4
    assert "sharpened with other constants" in why_outdated(known)
    # What was never sharpened does not depend on them.
    assert not why_outdated(plain)


def test_every_number_at_the_top_of_a_module_of_sharpening_is_looked_at() -> None:
    """A constant that is added belongs into the digest, or among those on which no figure depends."""
    no_figure = {"_STRIP_PIXELS", "KEPT_BYTES", "PIXELS"}
    found = 0
    for name in ("agreement", "dark", "estimate", "interpolation", "scene", "sharpen", "strips", "verdict"):
        module = import_module(f"nightlights.sharpening.{name}")
        # Those that are imported from another module are counted there.
        own = Path(str(module.__file__)).read_text()
        for key, value in vars(module).items():
            constant = key.isupper() and isinstance(value, int | float | tuple)
            found += constant and key not in no_figure and f"\n{key}" in own
    assert found == len(sharpening_constants()) - 1


def test_rows_of_a_recipe_that_was_changed_are_told_and_left_out() -> None:
    recipe = RECIPES["oracle"]
    first, *others = recipe.settings()
    longer = first.model_copy(update={"epochs": first.epochs + 1})
    old = sharpened("oracle", 1.0).model_copy(update={"settings": [longer, *others]})
    half = sharpened("sharpening", 1.0).model_copy(update={"settings": RECIPES["sharpening"].settings(0.5)})
    known = [old, half, sharpened("daytime", 1.0), sharpened("bicubic VIIRS", 1.0)]
    kept, reasons = belonging(known)
    assert [each.method for each in kept] == ["daytime", "bicubic VIIRS"]
    assert (
        reasons["oracle"] == f"the recipe was changed since: epochs {longer.epochs} then, {first.epochs} now"
    )
    assert "patches per region" in reasons["sharpening"]
    assert [each.method for each in belonging([half], 0.5)[0]] == ["sharpening"]
    fewer = sharpened("oracle", 1.0).model_copy(update={"settings": [first]})
    assert "trained as 1 networks" in why_outdated(fewer)
    assert "were not recorded" in why_outdated(fewer.model_copy(update={"settings": []}))


def test_rows_of_networks_that_were_changed_are_left_out_and_baselines_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Versions.current().model_copy(update={"networks": NETWORKS_VERSION - 1})
    old = [
        sharpened(key, 1.0).model_copy(update={"versions": before}) for key in ("daytime", "bicubic VIIRS")
    ]
    kept, reasons = belonging(old)
    assert [each.method for each in kept] == ["bicubic VIIRS"]
    assert (
        reasons["daytime"]
        == f"made by version {NETWORKS_VERSION - 1} of the networks; now it is {NETWORKS_VERSION}"
    )
    # A network of other layers under the same name is trained again.
    dataset = learnable_dataset(tmp_path)
    settings = TINY_NETWORK.settings.model_copy(
        update={
            "network": "tiny",
            "epochs": 1,
            "patches_per_region": 2,
            "patch_size": 64,
            "evaluation_patches": 2,
            "texture_networks": 0,
        }
    )
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    wanted = TrainingRequest(run="r", dataset=dataset.manifest.name, settings=settings)
    folder = tmp_path / "r"
    train(dataset, wanted, folder, NoProgress())
    assert is_as_wanted(folder, wanted, dataset)
    record = read_record(folder / "run.json", RunRecord)
    write_record(folder / "run.json", record.model_copy(update={"parameters": record.parameters - 1}))
    assert not is_as_wanted(folder, wanted, dataset)


def test_rows_whose_intervals_were_made_by_another_method_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    covered = method("daytime", figures(covered=9, interval_pixels=10))
    made = covered.model_copy(update={"interval_method": METHOD})
    assert covered.interval_method is None and not why_outdated(covered) and not why_outdated(made)
    old = covered.model_copy(update={"interval_method": METHOD - 1})
    assert why_outdated(old) == f"its intervals were made by method 1 of calibration; now it is {METHOD}"
    # What has no intervals does not depend on how they are made.
    without = method("study-africa", figures()).model_copy(update={"interval_method": METHOD - 1})
    assert not why_outdated(without)
    apart(monkeypatch, tmp_path)
    workspace = Workspace.open(tmp_path)
    mixing = work._Work(workspace, StandardRequest(), lambda: WHEN)
    mixing.training_data = learnable_dataset(tmp_path)
    mixing.figures = {"daytime": old}
    told = mixing._write().left_out[0]
    assert told.startswith("daytime: it ships, but its intervals were made by method 1")
    # The record that ships names no method; it is of the present one, and of no later one.
    monkeypatch.setattr(outdated, "METHOD", METHOD + 1)
    assert "made by method 2 of calibration; now it is 3" in why_outdated(covered)
    assert why_outdated(made) and not why_outdated(made.model_copy(update={"interval_method": METHOD + 1}))


def test_intervals_of_the_record_that_ships_are_made_as_now() -> None:
    shipped = read_record(work.RECORD, StandardTable)
    assert {each.interval_method for each in shipped.methods} <= {None, METHOD}
    assert not [each.method for each in shipped.methods if outdated.interval_change(each)]


def test_figures_say_by_which_method_their_intervals_were_made(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path)
    ground = Ground("training", {}, {})
    ground.__dict__["places"] = [(City("east", "elsewhere", 0, 0), 1, dataset, True)]
    light = np.ones(dataset.region("east").window.window.fine_shape)
    candidate = Candidate("a", "a", "", lambda *_: light, sharpened=False, interval_method=METHOD)
    made = measure(candidate, ground, NoProgress(), lambda: WHEN)
    assert made.interval_method == METHOD
    # Kept figures from before it was said get to say it.
    mixing = work._Work(Workspace.open(tmp_path / "w"), StandardRequest(), lambda: WHEN)
    mixing.ground = ground
    path = mixing.folder / "methods" / "a.json"
    path.parent.mkdir(parents=True)
    write_record(path, made.model_copy(update={"interval_method": None}))
    mixing._measure(candidate, NoProgress())
    assert mixing.figures["a"] == made


def test_a_table_is_written_without_what_does_not_belong_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apart(monkeypatch, tmp_path)
    workspace = Workspace.open(tmp_path / "w")
    settings = RECIPES["oracle"].settings()
    other = [settings[0].model_copy(update={"seed": 99}), *settings[1:]]
    old = sharpened("oracle", 1.0).model_copy(update={"settings": other})
    folder = table_folder(workspace, "test")
    folder.mkdir(parents=True)
    write_record(folder / "standard-table.json", table(old, sharpened("daytime", 2.0)))
    with pytest.raises(
        ModelError, match="oracle: the recipe was changed since: seed 99 then, 1 now"
    ) as caught:
        keep_record(workspace)
    assert caught.value.remedy.endswith("./run bench standard train --only oracle")
    mixing = work._Work(workspace, StandardRequest(), lambda: WHEN)
    mixing.training_data = learnable_dataset(tmp_path)
    shipped = sharpened("sharpening", 1.0).model_copy(update={"settings": other[:1]})
    mixing.figures = {"sharpening": shipped}
    found = mixing._write()
    assert [each.method for each in found.methods] == ["sharpening", "daytime"]
    assert [each.recorded for each in found.methods] == [False, True]
    print_targets(found)
    said = " ".join(capsys.readouterr().err.split())
    assert "Left out oracle: the recipe was changed since: seed 99 then" in said
    assert "./run bench standard train --only oracle" in said
    assert "sharpening: it ships, but trained as 1 networks" in said and "nightlights models promote" in said


def test_why_a_row_was_left_out_stays_told_until_it_is_scored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart(monkeypatch, tmp_path)
    workspace, dataset = Workspace.open(tmp_path / "w"), learnable_dataset(tmp_path)
    settings = RECIPES["oracle"].settings()
    now = sharpened("oracle", 1.0)
    old = now.model_copy(
        update={"settings": [settings[0].model_copy(update={"seed": 99}), *settings[1:]], "run": _run()}
    )
    folder = table_folder(workspace, "test")
    folder.mkdir(parents=True)
    write_record(folder / "standard-table.json", table(old, sharpened("daytime", 2.0)))

    def trained(**made: MethodFigures) -> StandardTable:
        again = work._Work(workspace, StandardRequest(train=True, only=[]), lambda: WHEN)
        again.training_data, again.figures = dataset, dict(made)
        return again._write()

    first, second = trained(), trained(daytime=sharpened("daytime", 3.0))
    assert first.left_out == second.left_out
    assert first.left_out[0].startswith("Left out oracle: the recipe was changed since: seed 99 then, 1 now")
    assert second.set_aside == [old] and second.method("oracle") is None
    assert second.known == [*second.methods, old]
    # The reason is told where the table is to be kept, too.
    with pytest.raises(ModelError, match="oracle: the recipe was changed since"):
        keep_record(workspace)
    # Scored again, there is nothing left to tell.
    third = trained(oracle=now)
    assert third.left_out == [] == third.set_aside and third.method("oracle") == now
    # A recipe that is what it was takes its figures in again.
    write_record(folder / "standard-table.json", table().model_copy(update={"set_aside": [now]}))
    assert trained().methods == [now.model_copy(update={"recorded": True})]


def test_the_record_keeps_no_run_and_so_not_whose_machine_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart(monkeypatch, tmp_path)
    workspace = Workspace.open(tmp_path / "w")
    folder = table_folder(workspace, "test")
    folder.mkdir(parents=True)
    whole = table(*(sharpened(key, 1.0) for key in RECIPES if key != "oracle-unet"))
    aside = sharpened("oracle-unet", 1.0).model_copy(update={"settings": [], "run": _run()})
    write_record(folder / "standard-table.json", whole.model_copy(update={"set_aside": [aside]}))
    path = keep_record(workspace)
    assert [each.run for each in read_record(path, StandardTable).set_aside] == [None]
    assert "Some Processor" not in path.read_text()


def test_the_record_of_the_project_is_reduced_and_prints_what_was_measured() -> None:
    text = RECORD.read_text()
    record = read_record(RECORD, StandardTable)
    assert reduced(record) == text and len(text.splitlines()) < 1000
    figures = {each.figure: each.measured for each in target_rows(record) if each.task.startswith("VIIRS")}
    assert figures["fine-scale RMSE against bicubic VIIRS"] == pytest.approx(0.727, abs=5e-4)


def _run() -> RunRecord:
    return RunRecord(
        name="standard-oracle",
        created=WHEN,
        dataset="sample",
        source=SourceRecord(kind="simulated", label="Simulated", simulated=True, parameters={}),
        settings=RECIPES["oracle"].settings()[0],
        train_regions=[],
        evaluate_regions=[],
        device="CPU: Some Processor",
    )


def test_rows_say_what_they_are_of(capsys: pytest.CaptureFixture[str]) -> None:
    covered = method("daytime", figures(covered=9, interval_pixels=10))
    assert row(target_rows(table(covered)), "uncertainty").figure.endswith("plain prediction, not sharpened")
    worse = table(
        sharpened("sharpening", 1.0), sharpened("oracle", 3.0), sharpened("bicubic VIIRS", 1, plain=2)
    )
    closed = row(target_rows(worse), "share closed")
    assert closed.measured is None and "no gap: the oracle errs by 3, bicubic VIIRS by 2 nW" in closed.detail
    print_targets(worse)
    printed = next(line for line in capsys.readouterr().out.splitlines() if "share closed" in line)
    assert "cannot be said" in printed and "no gap" in printed
    # Without the oracle, nothing was measured, and nothing is explained.
    without = row(target_rows(table(sharpened("sharpening", 1.0))), "share closed")
    assert without.measured is None and without.detail == ""


def test_a_larger_oracle_is_shown_where_it_was_made_and_judges_nothing() -> None:
    ours = sharpened("sharpening", 1.0), sharpened("oracle", 0.8), sharpened("bicubic VIIRS", 1, plain=2)
    assert not [each for each in target_rows(table(*ours)) if "larger network" in each.task]
    found = row(target_rows(table(*ours, sharpened("oracle-unet", 0.5))), "larger network")
    assert (found.measured, found.lowest, found.highest, found.reached) == (0.25, None, None, None)
    assert "ours closes 66.7 %" in found.detail and "0.5 against 2" in found.detail
    assert row(target_rows(table(*ours, sharpened("oracle-unet", 0.5))), "share closed").reached
    assert not RECIPES["oracle-unet"].ships


def test_sharpened_figures_are_those_of_the_contrast_that_a_model_asks_for(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path)
    ground = Ground("training", {}, {})
    ground.__dict__["places"] = [(City("east", "elsewhere", 0, 0), 1, dataset, True)]
    truth = dataset.read_truth("east")
    assert truth is not None
    flat, raised = (
        Candidate("a", "a", "", lambda *_: truth ** (1 / 1.5), contrast=contrast) for contrast in (1.0, 1.5)
    )
    plain, after = (measure(each, ground, NoProgress(), lambda: WHEN) for each in (flat, raised))
    assert plain.cities[0] == after.cities[0]
    assert after.cities[1].fine_rmse < 0.95 * plain.cities[1].fine_rmse
    assert plain.identity != after.identity


def test_total_light_is_added_up_where_it_is_seen_and_where_it_is(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path)
    ground = Ground("training", {}, {})
    ground.__dict__["places"] = [(City("east", "elsewhere", 0, 0), 1, dataset, True)]
    truth, measured = dataset.read_truth("east"), dataset.read_nighttime("east").astype(float)
    assert truth is not None
    window = dataset.region("east").window.window
    areas = np.broadcast_to(window.pixel_area_km2[:, None], window.shape)

    def error(light: np.ndarray) -> float:
        fine = light.astype(float) * np.kron(areas, np.ones((16, 16))) / 256
        return float(abs(fine.sum() / (measured * areas).sum() - 1))

    light = truth.copy()
    light[:16] *= 3
    made = measure(Candidate("a", "a", "", lambda *_: light), ground, NoProgress(), lambda: WHEN)
    plain, after = made.cities
    assert plain.fine_total_error == pytest.approx(error(light), rel=1e-5)
    assert plain.truth_total_error == pytest.approx(error(truth), rel=1e-4, abs=1e-9)
    assert plain.total_error > 0.01 > after.total_error < 1e-3
    rows = target_rows(table(made.model_copy(update={"method": "sharpening"})))
    judged, beside = row(rows, "added up over VIIRS pixels"), row(rows, "added up over analysis pixels")
    assert judged.measured == after.total_error and judged.highest == 0.001
    assert beside.measured == after.fine_total_error and beside.reached is None
    assert "hidden truth itself" in beside.detail
    # Older records lack it.
    old = [city.model_copy(update={"fine_total_error": None}) for city in made.cities]
    rows = target_rows(table(made.model_copy(update={"method": "sharpening", "cities": old})))
    assert not [each for each in rows if "analysis pixels" in each.task]


def test_that_nothing_ships_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apart(monkeypatch, tmp_path)

    def work_begins(*_: object, **__: object) -> None:
        said = capsys.readouterr().err
        assert "No model of the table ships in models/" in said and "there is no record of them" in said
        raise ModelError("stopped", "")

    monkeypatch.setattr(cli, "run_job", work_begins)
    arguments = ["table", "--workspace", str(tmp_path / "w")]
    assert run(cli.app, "standard", arguments) == 2
    workspace = Workspace.open(tmp_path / "w")
    folder = table_folder(workspace, "test")
    folder.mkdir(parents=True)
    monkeypatch.setattr(cli, "run_job", lambda *_, **__: _refuse())

    def said(*rows: MethodFigures) -> str:
        write_record(folder / "standard-table.json", table(sharpened("bicubic VIIRS", 1.0), *rows))
        assert run(cli.app, "standard", arguments) == 2
        return " ".join(capsys.readouterr().err.split())

    old = sharpened("oracle", 1.0).model_copy(update={"settings": []})
    some = said(sharpened("daytime", 2.0), old)
    assert "Read from the record: daytime. Left out oracle: the settings of its training were not" in some
    assert "Not in the record: daytime-africa, daytime-united-states, sharpening, oracle-unet, study" in some
    assert "standard train --only daytime-africa,daytime-united-states,sharpening,oracle,oracle-unet" in some
    none = said(old)
    assert "Read from the record: no network. Left out oracle: the settings" in none
    assert none.count("./run bench standard train") == 1 and "--only" not in none
    assert "there is no record of them" in said()
    whole = said(*(sharpened(key, 1.0) for key in RECIPES))
    assert "Read from the record: daytime-africa, daytime-united-states" in whole
    assert "Left out" not in whole and "Not in the record" not in whole and "standard train" not in whole


def _refuse() -> StandardTable:
    raise ModelError("stopped", "")
