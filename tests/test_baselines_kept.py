"""The footprint regression beside every run: where it is scored, and from where its fit is taken."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from learning_samples import TINY_NETWORK, learnable_dataset

from nightlights.baselines import compare_baseline
from nightlights.datasets import Dataset
from nightlights.manifests import Scores, TrainingRequest, TrainingSettings, read_record, write_record
from nightlights.metrics import ALL_REGIONS
from nightlights.networks import NETWORKS
from nightlights.pipeline import evaluate, train
from nightlights.progress import NoProgress
from nightlights.regressions import fit_footprint_baseline
from nightlights.regressions.keeping import KeptBaseline
from nightlights.workspace import Workspace

SMALL = {"epochs": 1, "patches_per_region": 2, "patch_size": 64, "batch_size": 2, "evaluation_patches": 2}
TRAIN = ["north", "south"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    yield


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("kept")
    learnable_dataset(root)
    return Workspace.open(root)


def trained(space: Workspace, run: str, **settings: object) -> Path:
    chosen = TrainingSettings.model_validate({"network": "tiny", **SMALL, **settings})
    train(space, TrainingRequest(run=run, dataset="sample", settings=chosen), NoProgress())
    return space.run_folder(run)


def rmse_of(scores: Scores) -> float | None:
    """Of the footprint regression over the evaluation regions."""
    wanted = ("footprint regression", ALL_REGIONS, "evaluate")
    return next(
        (each.rmse for each in scores.scores if (each.method, each.region, each.role) == wanted), None
    )


def test_a_plain_run_keeps_its_fit_and_a_hybrid_has_it_already(space: Workspace) -> None:
    dataset = Dataset.open(space, "sample")
    expected = compare_baseline(fit_footprint_baseline(dataset, TRAIN), dataset, "east").sums.rmse
    plain = trained(space, "plain")
    hybrid = trained(space, "hybrid", guide="footprint regression", compress_tails=True)
    for folder in (plain, hybrid):
        scores = read_record(folder / "metrics.json", Scores)
        assert rmse_of(scores) == pytest.approx(expected, rel=1e-9)
    assert not (hybrid / "baseline.json").exists()
    kept = read_record(plain / "baseline.json", KeptBaseline)
    # What is kept is what is scored, as long as it was fitted to the same regions.
    brighter = kept.regression.model_copy(
        update={"weights": tuple(9 * each for each in kept.regression.weights)}
    )
    write_record(plain / "baseline.json", kept.model_copy(update={"regression": brighter}))
    changed = rmse_of(evaluate(space, "plain", NoProgress()))
    assert changed is not None and changed > 2 * expected
    write_record(
        plain / "baseline.json", kept.model_copy(update={"regression": brighter, "regions": ["north"]})
    )
    assert rmse_of(evaluate(space, "plain", NoProgress())) == pytest.approx(expected, rel=1e-9)
    # A new training of that name keeps nothing of the old one.
    assert read_record(plain / "baseline.json", KeptBaseline).regions == TRAIN


def test_a_footprint_regression_is_not_compared_with_itself(space: Workspace) -> None:
    folder = trained(space, "regression", network="footprint-regression")
    scores = read_record(folder / "metrics.json", Scores)
    assert rmse_of(scores) is None
    assert {each.method for each in scores.scores} == {
        "footprint-regression",
        "constant mean",
        "linear regression",
    }
