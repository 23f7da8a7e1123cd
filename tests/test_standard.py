"""The standard cities: fixed, apart from each other, and scored the same whoever asks."""

import json
from itertools import combinations
from pathlib import Path

import pytest
from learning_samples import TINY_NETWORK
from standard import (
    StandardScores,
    cities,
    cities_of,
    cli,
    evaluate_standard,
    evaluation,
    standard_dataset,
)
from standard.jobs import KINDS_REFERENCE, StandardRequest

from nightlights import pipeline
from nightlights.cli import run
from nightlights.datasets import Dataset
from nightlights.errors import JobError, ModelError
from nightlights.jobs import EvaluationRequest, JobStore
from nightlights.manifests import (
    ExportRequest,
    TrainingRequest,
    TrainingSettings,
    read_record,
    write_record,
)
from nightlights.networks import NETWORKS
from nightlights.planet import PLANET_VERSION
from nightlights.presets import PRESETS
from nightlights.progress import NoProgress
from nightlights.promotion import draft_card
from nightlights.region_files import save_collection
from nightlights.regions import RegionCollection
from nightlights.settings import Settings
from nightlights.workspace import Workspace

SETTINGS = TrainingSettings(
    network="tiny", epochs=1, patches_per_region=1, patch_size=64, batch_size=2, evaluation_patches=1, seed=3
)
SMALL = {split: cities.cities_of(split)[:: len(cities.cities_of(split)) // 2] for split in cities._CITIES}


def test_the_splits_share_no_ground_with_each_other() -> None:
    every = [(split, city) for split in cities._CITIES for city in cities_of(split)]
    for (first, city), (second, other) in combinations(every, 2):
        shared = city.region("evaluate").window.intersection(other.region("evaluate").window)
        assert shared is None, f"{city.name} ({first}) and {other.name} ({second})"


def test_test_cities_lie_in_no_preset_and_every_group_has_some() -> None:
    presets = [region for preset in PRESETS.values() for region in preset]
    for city in cities_of("test"):
        window = city.region("evaluate").window
        assert not [region.name for region in presets if region.window.intersection(window)]
    for split in ("test", "validation"):
        assert {city.group for city in cities_of(split)} == set(cities.GROUPS)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Workspace, StandardScores, str]":
    """A tiny run, trained on the first test city on planet 1, scored on two tiny cities by the command."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        workspace = Workspace.open(tmp_path_factory.mktemp("workspace"))
        seen = cities_of("test")[0].region("train")
        save_collection(workspace, RegionCollection("seen", (seen,)))
        request = ExportRequest(dataset="seen", regions="seen")
        pipeline.export(workspace, request, NoProgress(), Settings(patch_size=64))
        training = TrainingRequest(run="tiny", dataset="seen", settings=SETTINGS)
        pipeline.train(workspace, training, NoProgress())
        arguments = ["score", "--run", "tiny", "--seed", "5", "--workspace", str(workspace.root)]
        assert run(cli.app, "standard", arguments) == 0
        path = workspace.run_folder("tiny") / "standard-test.json"
        return workspace, read_record(path, StandardScores), path.read_text()


def shrink(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    patch.setattr(cities, "_CITIES", SMALL)
    patch.setattr(cities, "SIDE_DEGREES", 0.05)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "scored" in request.fixturenames:
        shrink(monkeypatch)


def test_every_method_is_scored_in_every_city_on_every_planet(
    scored: tuple[Workspace, StandardScores, str],
) -> None:
    _, scores, _ = scored
    names = [city.name for city in cities_of("test")]
    baselines = ["constant mean", "linear regression", "footprint regression"]
    assert len(names) == 2 and scores.methods == ["tiny", *baselines]
    for method in scores.methods:
        found = [(score.region, score.planet_seed) for score in scores.cities(method)]
        assert found == [(name, seed) for seed in (1, 2) for name in names]
    assert all(score.fine is not None and score.role == "evaluate" for score in scores.scores)


def test_pooled_figures_add_pixels_and_means_count_cities(
    scored: tuple[Workspace, StandardScores, str],
) -> None:
    _, scores, _ = scored
    single, pooled = scores.cities("tiny"), scores.pooled("tiny")
    assert pooled is not None and pooled.pixels == sum(score.pixels for score in single)
    squares = sum(score.rmse**2 * score.pixels for score in single)
    assert pooled.rmse == pytest.approx((squares / pooled.pixels) ** 0.5)
    mean = scores.mean(lambda score: score.rmse, "tiny")
    assert mean == pytest.approx(sum(score.rmse for score in single) / 4)
    group = single[0].group
    assert scores.mean(lambda score: score.rmse, "tiny", group) != mean
    assert scores.mean(lambda score: score.rmse if score.planet_seed == 1 else None, "tiny") is None


def test_a_card_has_the_scores_on_the_standard_cities(
    scored: tuple[Workspace, StandardScores, str],
) -> None:
    workspace, scores, _ = scored
    pooled = scores.pooled("tiny")
    card = draft_card(workspace, "tiny", overwrite=True).read_text()
    assert pooled is not None
    assert f"| standard test cities, version 2 (simulated) | tiny | {pooled.rmse:.3f} |" in card


def test_versions_seeds_and_what_was_seen_are_told(scored: tuple[Workspace, StandardScores, str]) -> None:
    _, scores, _ = scored
    assert (scores.planet_seeds, scores.training_seed, scores.bootstrap_seed) == ([1, 2], 3, 5)
    assert (scores.planet_version, scores.simulated, scores.split) == (PLANET_VERSION, True, "test")
    # The run was trained on this very city, though on one of the planets alone.
    assert scores.seen == [f"{cities_of('test')[0].name} (planet 1)"]
    assert scores.baselines_fitted_to == f"seen: {cities_of('test')[0].name}"


def test_a_city_on_another_planet_was_not_seen(
    scored: tuple[Workspace, StandardScores, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = evaluation._Training(Dataset.open(scored[0], "seen"), [cities_of("test")[0].name])
    assert list(evaluation._seen(trained, "test"))
    monkeypatch.setattr(evaluation, "PLANET_SEEDS", (2,))
    assert not list(evaluation._seen(trained, "test"))


def test_the_same_again_and_a_model_without_its_data(
    scored: tuple[Workspace, StandardScores, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    workspace, scores, _ = scored
    stamps = {path: path.stat().st_mtime_ns for path in workspace.root.glob("datasets/standard-test-*/*")}
    model = tmp_path / "shipped"
    model.mkdir()
    for name in ("model.keras", "config.json"):
        (model / name).write_bytes((workspace.run_folder("tiny") / name).read_bytes())
    arguments = ["score", "--model", str(model), "--workspace", str(workspace.root), "--json"]
    assert run(cli.app, "standard", arguments) == 0
    again = StandardScores.model_validate(json.loads(capfd.readouterr().out))
    # Nothing is exported anew, and the network's own scores are the same.
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert [score.rmse for score in again.cities("tiny")] == pytest.approx(
        [score.rmse for score in scores.cities("tiny")], rel=1e-5
    )
    assert (again.seen, again.training_seed) == (None, None)
    assert again.baselines_fitted_to.startswith("standard-training-1: ")
    assert not (model / "standard-test.json").exists()
    # Another folder of that name elsewhere keeps scores of its own.
    assert len(list((workspace.root / "standard").glob("shipped-*/standard-test.json"))) == 1
    assert cli.label(model) == cli.label(model / ".") != cli.label(tmp_path / "elsewhere" / "shipped")


def test_the_table_says_what_it_shows(
    scored: tuple[Workspace, StandardScores, str], capsys: pytest.CaptureFixture[str]
) -> None:
    from standard.score_print import print_standard

    _, scores, _ = scored
    print_standard(scores, every_city=True)
    table = capsys.readouterr().out
    for text in ("Simulated planet", "TRAINED ON SOME", "planets 1, 2, training 3, intervals 5", "planet 2"):
        assert text in " ".join(table.split()), text
    print_standard(scores.model_copy(update={"seen": []}))
    assert "has seen none of these cities" in " ".join(capsys.readouterr().out.split())


def test_imagery_of_another_version_of_the_planet_is_made_anew(
    scored: tuple[Workspace, StandardScores, str],
) -> None:
    workspace, _, _ = scored
    dataset = standard_dataset(workspace, "test", 1, NoProgress())
    old = dataset.manifest.source.model_copy(
        update={"parameters": {**dataset.manifest.source.parameters, "planet_version": 0}}
    )
    write_record(dataset.folder / "dataset.json", dataset.manifest.model_copy(update={"source": old}))
    again = standard_dataset(workspace, "test", 1, NoProgress())
    assert again.manifest.source == dataset.manifest.source
    assert again.sha256 == dataset.sha256


def test_options_that_do_not_belong_together_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--workspace", str(tmp_path)]
    for arguments in (
        ["score"],
        ["score", "--run", "a", "--model", str(tmp_path)],
        ["score", "--run", "absent"],
    ):
        assert run(cli.app, "standard", [*arguments, *place]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_jobs_of_the_benchmark_are_told_apart_from_the_programs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.open(tmp_path)
    store = JobStore(workspace, KINDS_REFERENCE)
    known = StandardRequest(train=True, only=["absent"])
    with pytest.raises(ModelError, match="no recipe absent"):
        store.run_in_foreground("standard", known, NoProgress())
    (job,) = store.list()
    assert (job.kind, job.state, job.title) == ("standard", "failed", "Standard table standard-test")
    # The program lists it, cannot resume it and says who can.
    assert JobStore(workspace).get(job.id) == job
    with pytest.raises(JobError, match="belongs to a benchmark") as caught:
        JobStore(workspace).resume(job.id)
    assert caught.value.remedy.endswith(f"./run bench standard resume {job.id}")
    # Older evaluation jobs that asked for the standard cities are refused by the program.
    request = EvaluationRequest(run="absent", standard="test")
    with pytest.raises(ModelError) as caught:
        JobStore(workspace).run_in_foreground("evaluate", request, NoProgress())
    assert "./run bench standard score" in caught.value.remedy
    # The benchmark goes on with its own, in a process that finds it.
    root = Path(__file__).parent.parent
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'benchmarks'}")
    assert run(cli.app, "standard", ["resume", job.id, "--workspace", str(tmp_path)]) == 2
    assert "There is no recipe absent" in capfd.readouterr().err
    assert JobStore(workspace).get(job.id).attempt == 2
    JobStore(workspace).delete(job.id)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        evaluate_standard(Workspace.open(tmp_path / "w"), tmp_path, NoProgress())
