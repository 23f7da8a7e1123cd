"""The table of targets: what its rows are made of, and its way from recipes to a printed table."""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from calibration_samples import calibration_of
from learning_samples import learnable_dataset
from standard import calibrating, cities_of, cli, recipes, work
from standard.calibrating import calibration_cities, calibration_sources, is_calibrated
from standard.cities import City
from standard.jobs import StandardRequest
from standard.measuring import Candidate, Ground, measure
from standard.recipes import RECIPES
from standard.table import PlaceTraps, StandardTable
from standard.target_print import print_targets
from standard.targets import LISTED_BASELINES, TargetRow, target_rows
from standard.traps import TRAPS, TrapSum, trap_masks, trap_places, trap_sums
from standard.work import keep_record, make_table, shipped_record, table_folder
from standard_samples import WHEN, apart, figures, method, shrink, table

from nightlights import training
from nightlights.cli import run
from nightlights.errors import Cancelled, NightlightsError
from nightlights.grid import Window
from nightlights.jobs import JobStore
from nightlights.jobs.kinds import FIRST_LOOK, FirstLookRequest
from nightlights.manifests import PredictionRecord, read_record, write_record
from nightlights.progress import NoProgress
from nightlights.promotion import BLANK, draft_card, promote
from nightlights.sources.simulated import SimulatedSource
from nightlights.training_settings import FOOTPRINT_LOSSES
from nightlights.uncertainty import load_calibration
from nightlights.uncertainty.records import METHOD, CalibratedRegion
from nightlights.workspace import Workspace

GROUPS = ("Africa", "United States")


def row(rows: list[TargetRow], *words: str) -> TargetRow:
    return next(row for row in rows if all(word in f"{row.task} {row.figure}" for word in words))


def continents(key: str, rmse: dict[str, float], trap: float = 0.0) -> list:
    """The models of both continents; ``rmse`` of the same continent and of the other."""
    models = []
    for own, name in zip(GROUPS, ("africa", "united-states"), strict=True):
        tested = [figures(group=group, rmse=rmse["same" if group == own else "other"]) for group in GROUPS]
        sums = [TrapSum(trap=kind, pixels=10, predicted=10 * trap, truth=1) for kind in TRAPS]
        made = method(f"{key}-{name}", *tested)
        models.append(made.model_copy(update={"traps": [PlaceTraps(place="a", planet_seed=1, sums=sums)]}))
    return models


def sharpened(key: str, fine_rmse: float, plain: float = 9.0, **given: float) -> object:
    return method(key, figures(fine_rmse=plain), figures(sharpened=True, fine_rmse=fine_rmse, **given))


def full(ours: float) -> StandardTable:
    """All methods; ``ours`` is every error of ours, where 1 is that of whom it is held against."""
    return table(
        *continents("daytime", {"same": ours, "other": 2 * ours}, trap=ours),
        *continents("study", {"same": 1.0, "other": 2.0}, trap=1.0),
        sharpened("sharpening", ours, chi_square=2 * ours, total_error=ours),
        sharpened("oracle", 0.0),
        *(sharpened(name, 1.5, plain=1.0 if name == "bicubic VIIRS" else 1.2) for name in LISTED_BASELINES),
    )


def test_a_perfect_method_gives_ratios_of_0_and_closes_all_of_the_gap() -> None:
    rows = target_rows(full(0.0))
    ratios = [each for each in rows if each.unit == "x" and "one radiance" not in each.task]
    assert len(ratios) == 6 + 2 + 4 and all(each.measured == 0 for each in ratios)
    assert row(rows, "share closed").measured == 1
    assert all(each.reached for each in rows if each.highest is not None and "uncertainty" not in each.task)


def test_a_method_as_good_as_its_rivals_reaches_nothing() -> None:
    rows = target_rows(full(1.0))
    assert row(rows, "same continent").measured == row(rows, "tested on the other").measured == 1
    assert row(rows, "best of all listed").measured == 1 and "bicubic" in row(rows, "best of all").detail
    assert row(rows, "share closed").measured == 0
    assert row(rows, "traps: water").measured == 1
    known = table(
        sharpened("sharpening", 0.6), sharpened("oracle", 0.2), sharpened("bicubic VIIRS", 0.9, plain=1.0)
    )
    assert row(target_rows(known), "share closed").measured == pytest.approx(0.5)
    assert not any(each.reached for each in rows)


def test_means_count_cities_and_ratios_are_of_means() -> None:
    ours = method(
        "daytime-africa", figures(rmse=1.0), figures("kampala", rmse=3.0), figures(group="elsewhere")
    )
    study = method("study-africa", figures(rmse=4.0), figures("kampala", rmse=4.0))
    found = row(target_rows(table(ours, study)), "trained in Africa, tested in Africa")
    assert found.measured == 0.5 and found.reached is None
    # The row of both continents waits for the other one.
    assert row(target_rows(table(ours, study)), "same continent").measured is None


def test_a_rival_that_has_learned_less_than_a_constant_is_told() -> None:
    for constant, told in ((0.9, True), (1.1, False)):
        flat = method("constant mean", *(figures(group=group, rmse=constant) for group in GROUPS))
        known = full(0.2)
        rows = target_rows(known.model_copy(update={"methods": [*known.methods, flat]}))
        assert ("proves little" in row(rows, "same continent").detail) == told
        for name in ("same continent", "traps: water"):
            assert row(rows, name).reached and row(rows, name).doubtful == told
        reference = next(each for each in rows if "one radiance" in each.task)
        assert reference.measured == pytest.approx(constant) and reference.reached is None


def test_coverage_and_agreement_are_judged_on_both_sides() -> None:
    def covered(count: int) -> TargetRow:
        made = method("daytime", figures(covered=count, interval_pixels=100))
        return row(target_rows(table(made)), "uncertainty, daytime")

    assert [covered(count).reached for count in (86, 88, 92, 94)] == [False, True, True, False]
    cities = [
        figures(sharpened=True, chi_square=chi_square, within_two_sigma=share)
        for chi_square, share in ((0.9, 0.97), (1.3, 0.92))
    ]
    rows = target_rows(table(method("sharpening", *cities)))
    assert row(rows, "largest chi-square").measured == 1.3
    assert not row(rows, "largest chi-square").reached
    assert row(rows, "within two standard deviations").measured == 0.92
    assert row(target_rows(table(method("sharpening", cities[0]))), "largest chi-square").reached


def test_the_print_tells_what_is_recorded_and_what_is_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    known = full(0.5)
    methods = [
        each.model_copy(update={"recorded": each.method.startswith(("study", "oracle"))})
        for each in known.methods
    ]
    print_targets(known.model_copy(update={"methods": methods, "scale": 0.1}))
    text = capsys.readouterr().out
    closed = next(line for line in text.splitlines() if "share closed" in line)
    assert "50 %" in closed and "NO" in closed and "recorded 2026-01-0" in closed and "oracle" in closed
    assert " now " in next(line for line in text.splitlines() if "best of all" in line)
    flat = " ".join(text.split())
    for words in (
        "All of it is simulated",
        "Seeds: planets 1",
        "Recorded with program",
        "TRAINED WITH 0.1 TIMES",
    ):
        assert words in flat, words


def test_a_perfect_light_has_no_error_and_traps_are_added_up(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path)
    ground = Ground("training", {}, {})
    ground.__dict__["places"] = [(City("east", "elsewhere", 0, 0), 1, dataset, True)]

    def truth(data: object, region: str, progress: object) -> np.ndarray:
        found = dataset.read_truth(region)
        assert found is not None
        return found

    perfect = measure(Candidate("a", "a", "", truth), ground, NoProgress(), lambda: WHEN)
    plain, after = perfect.cities
    assert plain.rmse < 1e-4 and plain.fine_rmse == 0 and plain.total_error < 1e-4
    assert plain.chi_square is not None and plain.chi_square < 1e-6 and plain.within_two_sigma == 1
    assert after.sharpened and after.chi_square is not None and after.chi_square < 1.2
    twice = Candidate("b", "b", "", lambda *each: 2 * truth(*each), sharpened=False)
    (doubled,) = measure(twice, ground, NoProgress(), lambda: WHEN).cities
    assert doubled.total_error == pytest.approx(1, rel=1e-4)
    assert doubled.chi_square is not None and doubled.chi_square > 100
    measured = dataset.read_nighttime("east")
    assert doubled.rmse == pytest.approx(float(np.sqrt(np.mean(measured.astype(float) ** 2))), rel=1e-4)


def test_intervals_count_the_measurements_that_they_hold(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path)
    ground = Ground("training", {}, {})
    ground.__dict__["places"] = [(City("east", "elsewhere", 0, 0), 1, dataset, True)]
    measured = dataset.read_nighttime("east")
    below, above = measured - 1, measured + 1
    below[0] = measured[0] + 0.5
    above[1] = np.nan
    candidate = Candidate(
        "a", "a", "", lambda *_: np.ones((192, 192)), sharpened=False, interval=lambda *_: (below, above)
    )
    (found,) = measure(candidate, ground, NoProgress(), lambda: WHEN).cities
    assert (found.covered, found.interval_pixels) == (10 * 12, 11 * 12)


def test_traps_are_dark_apart_and_what_they_say() -> None:
    window = Window(*_trap_corner(), 12, 12)
    masks, truth = trap_masks(window, 1), SimulatedSource(1).truth(window)
    assert all(mask.shape == truth.shape for mask in masks.values())
    assert not any((first & second).any() for first, second in combinations(masks.values(), 2))
    assert masks["bare sand"].mean() > 0.1 and masks["water"].mean() > 0.05
    assert all((truth[mask] < 0.5).all() for mask in masks.values())
    # The same pixels whichever window asks.
    inner = Window(window.column + 3, window.row + 5, 6, 6)
    for trap, mask in trap_masks(inner, 1).items():
        np.testing.assert_array_equal(mask, masks[trap][inner.fine_slices_in(window)])
    # Rivers between bright cities are lit by them.
    river = City("river", "elsewhere", 15.30, -4.27).region("evaluate").window
    wet = trap_masks(river, 1)["water"]
    assert wet.any() and (SimulatedSource(1).truth(river)[wet] < 0.5).all()
    light = np.where(masks["water"], 3.0, 50.0)
    light[masks["water"].argmax() // light.shape[1], masks["water"].argmax() % light.shape[1]] = np.nan
    water = next(each for each in trap_sums(light, truth, masks) if each.trap == "water")
    assert water.pixels == masks["water"].sum() - 1 and water.predicted == 3.0 * water.pixels


def _trap_corner() -> tuple[int, int]:
    place = next(place for place in trap_places("test") if place.name == "walvis-bay")
    window = place.region("evaluate").window
    return window.column, window.row + 12


def test_trap_places_share_no_ground_with_any_city_and_splits_share_none() -> None:
    places = [*trap_places("test"), *trap_places("validation")]
    others = [city for split in ("test", "validation", "training") for city in cities_of(split)]
    windows = {city.name: city.region("evaluate").window for city in [*places, *others]}
    assert len(windows) == len(places) + len(others)
    for place in places:
        for name, window in windows.items():
            shared = windows[place.name].intersection(window)
            assert shared is None or name == place.name, f"{place.name} and {name}"


def test_models_that_are_compared_see_the_same_patches_and_no_test_city() -> None:
    judged = {city.name for city in cities_of("test")}
    for place in ("africa", "united-states"):
        (ours,), (study,) = (RECIPES[f"{kind}-{place}"].settings() for kind in ("daytime", "study"))
        for name in (
            "seed",
            "epochs",
            "patch_size",
            "patches_per_region",
            "train_regions",
            "evaluate_regions",
        ):
            assert getattr(ours, name) == getattr(study, name), name
        assert len(ours.train_regions or []) == 16
    every = [
        (recipe, settings, whole)
        for recipe in RECIPES.values()
        for settings, whole in zip(recipe.settings(0.5), recipe.settings(), strict=True)
    ]
    for recipe, settings, whole in every:
        assert settings.label != "truth" or settings.loss not in FOOTPRINT_LOSSES
        assert not judged & {*(settings.train_regions or []), *(settings.evaluate_regions or [])}
        assert settings.patches_per_region == round(0.5 * whole.patches_per_region)
        assert (settings.label == "truth") == recipe.key.startswith("oracle")
        assert not (recipe.ships and recipe.key.startswith(("study", "oracle")))


@pytest.mark.slow
def test_everything_is_trained_scored_kept_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shrink(monkeypatch)
    apart(monkeypatch, tmp_path)
    workspace = Workspace.open(tmp_path / "w")
    place = ["--workspace", str(workspace.root)]

    class Killed(NoProgress):
        def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
            if "scoring ours, daytime, Africa: Scoring" in message:
                raise Cancelled

    # Stopped in the scores; the training is kept, and done but once.
    request = StandardRequest(train=True, only=["daytime-africa"])
    with pytest.raises(Cancelled):
        make_table(workspace, request, Killed())
    first = (workspace.run_folder("standard-daytime-africa") / "model.keras").stat().st_mtime_ns
    assert run(cli.app, "standard", ["train", "--only", "daytime-africa", *place]) == 0
    assert (workspace.run_folder("standard-daytime-africa") / "model.keras").stat().st_mtime_ns == first
    path = table_folder(workspace, "test") / "standard-table.json"
    found = read_record(path, StandardTable)
    assert {each.method for each in found.methods} == {
        "daytime-africa",
        "bicubic VIIRS",
        "linear regression",
    }
    african = found.method("daytime-africa")
    assert african is not None and african.run is not None
    assert african.run.train_regions == ["accra"] and african.run.settings.seed == 3
    assert {place.place for place in african.traps} == {"kano", "new-orleans", "atar"}
    assert {city.city for city in african.cities} == {"kano", "new-orleans"}
    assert all(0 < city.interval_pixels >= city.covered for city in african.cities)
    # One planet alone in this test; two cities of its own continent are too few.
    made = load_calibration(workspace.run_folder("standard-daytime-africa"))
    assert made is not None and made.datasets == ["standard-validation-1"]
    assert {region.name for region in made.regions} == {"abuja", "nairobi", "saint-louis"}
    assert "has 2 validation cities: too few" in made.remark

    # Nothing is scored again, and nothing is trained again.
    stamps = {file: file.stat().st_mtime_ns for file in path.parent.glob("methods/*")}
    monkeypatch.setattr(training, "train", _refuse)
    capfd.readouterr()
    assert run(cli.app, "standard", ["show", *place, "--json"]) == 0
    assert StandardTable.model_validate(json.loads(capfd.readouterr().out)) == found
    # Without a shipped model, all networks are read from the record, and the baselines are scored now.
    assert run(cli.app, "standard", ["table", *place]) == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert "Recorded with program" in printed and "Scored now with program" in printed
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps

    # Promoted, it is scored now; in a new workspace it makes a newcomer's first prediction.
    card = draft_card(workspace, "standard-daytime-africa")
    card.write_text(card.read_text().replace(BLANK, "(written"))
    promote(workspace, "standard-daytime-africa")
    assert run(cli.app, "standard", ["table", "--json", *place]) == 0
    again = StandardTable.model_validate(json.loads(capfd.readouterr().out))
    live = again.method("daytime-africa")
    assert live is not None and not live.recorded and live.cities == african.cities
    assert live.run is not None and live.run.settings.seed == 3
    fresh = Workspace.open(tmp_path / "fresh")
    look = FirstLookRequest(run="shipped-daytime-africa")
    JobStore(fresh).run_in_foreground("first-look", look, NoProgress(), "First look")
    record = read_record(fresh.prediction_folder(FIRST_LOOK) / "prediction.json", PredictionRecord)
    assert record.run == look.run and record.source.simulated and {"lower", "upper"} <= set(record.layers)
    assert record.window.window.width in (24, 25)


def test_intervals_come_from_the_validation_cities_of_every_planet(monkeypatch: pytest.MonkeyPatch) -> None:
    class Planet(NamedTuple):
        sha256: str

    sources, note = calibration_sources(RECIPES["sharpening"], [Planet("1"), Planet("2")])  # type: ignore[list-item]
    every = [city.name for city in cities_of("validation")]
    assert [(source.sha256, list(names)) for source, names in sources] == [("1", every), ("2", every)]
    assert note == ""
    monkeypatch.setattr(calibrating, "ENOUGH_CITIES", 2)
    chosen, note = calibration_cities(RECIPES["daytime-africa"])
    assert [city.group for city in chosen] == ["Africa"] * len(chosen) and "own continent alone" in note


def test_intervals_of_an_older_kind_or_of_other_imagery_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = calibration_of(
        CalibratedRegion(name="x", dataset="v", dataset_sha256="1", pixels=1, coverage=1), method=METHOD
    )

    class Imagery(NamedTuple):
        sha256: str

    def known(sha256: str, *names: str, **changed: object) -> bool:
        monkeypatch.setattr(calibrating, "load_calibration", lambda _: made.model_copy(update=changed))
        return is_calibrated(tmp_path, [(Imagery(sha256), names)])  # type: ignore[list-item]

    assert known("1", "x")
    assert not known("1", "x", method=1)
    assert not known("1", "x", orientations=8)
    assert not known("2", "x") and not known("1", "x", "y")


def _refuse(*_: object, **__: object) -> None:
    raise AssertionError("nothing is to be trained")


def test_a_record_is_kept_when_it_is_whole_and_read_where_nothing_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart(monkeypatch, tmp_path)
    workspace = Workspace.open(tmp_path / "w")
    with pytest.raises(NightlightsError, match="no table"):
        keep_record(workspace)
    folder = table_folder(workspace, "test")
    folder.mkdir(parents=True)
    known = full(0.5)
    write_record(folder / "standard-table.json", known)
    with pytest.raises(NightlightsError, match="lacks daytime"):
        keep_record(workspace)
    known = table(*known.methods, method("daytime", figures()))
    write_record(folder / "standard-table.json", known)
    assert run(cli.app, "standard", ["record", "--workspace", str(workspace.root)]) == 0
    elsewhere = Workspace.open(tmp_path / "other")
    kept = shipped_record(elsewhere, "test")
    # What was scored is told by no digest there, and traps are added up over all places.
    assert kept is not None and {each.identity for each in kept.methods} == {""}
    places = {place.place for each in kept.methods for place in each.traps}
    assert places == {"everywhere"} and target_rows(kept) == target_rows(known)
    assert [each.settings for each in kept.methods] == [each.settings for each in known.methods]
    assert [each.cities for each in kept.methods] == [each.cities for each in known.methods]
    assert shipped_record(elsewhere, "validation") is None
    # Figures of other cities or of another planet are none of this table's.
    old = known.model_copy(update={"versions": known.versions.model_copy(update={"standard": 1})})
    write_record(work.RECORD, old)
    assert shipped_record(elsewhere, "test") is None


def test_a_recipe_that_cannot_be_trained_is_told_before_any_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch)
    oracle = recipes.RECIPES["oracle"]
    wrong = replace(oracle, given={**oracle.given, "loss": "footprint squared error"})
    monkeypatch.setitem(recipes.RECIPES, "oracle", wrong)
    workspace = Workspace.open(tmp_path)
    request = StandardRequest(train=True, only=["daytime-africa", "oracle"])
    with pytest.raises(NightlightsError, match="compares VIIRS pixels"):
        make_table(workspace, request, NoProgress())
    assert workspace.run_names() == [] and "standard-training-1" in workspace.dataset_names()


def test_an_unknown_recipe_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli.app, "standard", ["train", "--only", "absent", "--workspace", str(tmp_path)]) == 2
    assert "daytime-africa" in capsys.readouterr().err
    with pytest.raises(NightlightsError):
        make_table(Workspace.open(tmp_path), StandardRequest(train=True, only=["absent"]), NoProgress())
