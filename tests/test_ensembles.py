"""Ensembles: the mean of trained runs as one model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_samples import TINY_NETWORK, learnable_dataset

from nightlights import cli
from nightlights.datasets import Dataset
from nightlights.ensembles import combine, read_members
from nightlights.errors import ModelError
from nightlights.manifests import (
    ModelConfig,
    RunRecord,
    TrainingRequest,
    TrainingSettings,
    read_record,
    write_record,
)
from nightlights.networks import NETWORKS
from nightlights.prediction import Predictor
from nightlights.progress import NoProgress
from nightlights.promotion import BLANK, draft_card, promote
from nightlights.training import train
from nightlights.workspace import Workspace

# TensorFlow's own conversion to numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, list[Path]]:
    """Two runs without VIIRS as an input, and one with."""
    root = tmp_path_factory.mktemp("ensemble")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
        dataset = learnable_dataset(root)
        folders = []
        for seed, viirs_input in ((1, False), (2, False), (3, True)):
            settings = TrainingSettings(
                network="tiny",
                epochs=1,
                patches_per_region=2,
                patch_size=64,
                batch_size=2,
                evaluation_patches=1,
                seed=seed,
                viirs_input=viirs_input,
            )
            run = f"run{seed}"
            request = TrainingRequest(run=run, dataset="sample", settings=settings, series="sweep seeds")
            train(dataset, request, root / "runs" / run, NoProgress())
            folders.append(root / "runs" / run)
    return dataset, folders


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)


def predicted(folder: Path, dataset: Dataset) -> Any:
    """Transformed radiance of a whole region."""
    predictor = Predictor.load(folder)
    region = dataset.manifest.regions[-1]
    window = region.window.window
    light = np.full(window.fine_shape, np.nan, np.float32)
    for tile, radiance in predictor.blocks(dataset, region.name, NoProgress()):
        light[tile.fine_slices_in(window)] = radiance
    return predictor.config.transform.forward(light)


def test_an_ensemble_predicts_the_mean_of_its_members(
    trained: tuple[Dataset, list[Path]], tmp_path: Path
) -> None:
    dataset, folders = trained
    record = combine(folders, tmp_path / "mean", "mean")
    single = [predicted(folder, dataset) for folder in folders]
    assert np.abs(single[0] - single[2]).max() > 0.01
    np.testing.assert_allclose(predicted(tmp_path / "mean", dataset), np.mean(single, axis=0), atol=1e-4)
    assert record.members == ["run1", "run2", "run3"] and record.settings.viirs_input
    own = [read_record(folder / "run.json", RunRecord).parameters for folder in folders]
    assert record.parameters == sum(own)
    # Its figures would be those of one member.
    assert record.train_rmse is None and record.evaluation_rmse is None
    # Runs of a sweep are hidden; the mean of some is none of them.
    assert read_record(folders[-1] / "run.json", RunRecord).series == "sweep seeds" and not record.series


def test_the_command_makes_a_run_and_keeps_what_is_there(
    trained: tuple[Dataset, list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    _, folders = trained
    runs = folders[0].parent
    place = ["--workspace", str(runs.parent)]
    assert cli.main(["models", "combine", "both", "run1", "run2", *place]) == 0
    assert read_record(runs / "both" / "run.json", RunRecord).members == ["run1", "run2"]
    (runs / "both" / "metrics.json").write_text("{}")
    capsys.readouterr()
    for arguments, reason in (
        (["both", "run1", "run3"], "a run both already"),
        (["run1", "run1", "run2", "--overwrite"], "one of the runs to combine"),
        (["other", "run1", "absent"], "no run absent"),
        (["../other", "run1"], "cannot be a run"),
    ):
        assert cli.main(["models", "combine", *arguments, *place]) == 2
        assert reason in capsys.readouterr().err
    assert (runs / "both" / "metrics.json").exists() and not (runs / "other").exists()
    assert cli.main(["models", "combine", "both", "run1", "run3", "--overwrite", *place]) == 0
    assert read_record(runs / "both" / "run.json", RunRecord).members == ["run1", "run3"]
    assert not (runs / "both" / "metrics.json").exists()


def test_what_any_member_has_seen_is_not_held_out(
    trained: tuple[Dataset, list[Path]], tmp_path: Path
) -> None:
    _, (first, second, _) = trained
    other = tmp_path / "other"
    other.mkdir()
    for name in ("model.keras", "config.json"):
        (other / name).write_bytes((first / name).read_bytes())
    record = read_record(first / "run.json", RunRecord)
    changed = {"train_regions": ["elsewhere", *record.evaluate_regions], "evaluate_regions": []}
    write_record(other / "run.json", record.model_copy(update=changed))
    combined = combine([other, second], tmp_path / "mean", "mean")
    assert {"elsewhere", *record.evaluate_regions, *record.train_regions} == {*combined.train_regions}
    assert combined.evaluate_regions == [] and record.evaluate_regions


def test_what_does_not_go_together_is_refused(trained: tuple[Dataset, list[Path]], tmp_path: Path) -> None:
    _, (first, second, _) = trained
    with pytest.raises(ModelError, match="at least one"):
        combine([], tmp_path / "none", "none")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("model.keras", "config.json", "run.json"):
        (other / name).write_bytes((second / name).read_bytes())
    record = read_record(other / "run.json", RunRecord)
    write_record(other / "run.json", record.model_copy(update={"finished": None}))
    with pytest.raises(ModelError, match="run2 is not finished"):
        combine([first, other], tmp_path / "mean", "mean")
    write_record(other / "run.json", record)
    config = (other / "config.json").read_text()
    (other / "config.json").write_text(config.replace('"dataset_sha256": "', '"dataset_sha256": "f'))
    with pytest.raises(ModelError, match="do not go together: they differ in dataset"):
        combine([first, other], tmp_path / "mean", "mean")
    changes = {"viirs_smoothing": 2.0, "sharpening_contrast": 1.5}
    write_record(other / "config.json", ModelConfig.model_validate_json(config).model_copy(update=changes))
    with pytest.raises(ModelError, match="differ in smoothing of VIIRS and sharpening contrast"):
        combine([first, other], tmp_path / "mean", "mean")
    assert not (tmp_path / "mean").exists()


def test_the_card_tells_in_what_the_members_differ(
    trained: tuple[Dataset, list[Path]], tmp_path: Path
) -> None:
    _, folders = trained
    workspace = Workspace.open(tmp_path / "w")
    folder = workspace.run_folder("mean")
    record = combine(folders, folder, "mean")
    assert [member.settings.seed for member in read_members(folder, record)] == [1, 2, 3]
    text = draft_card(workspace, "mean").read_text()
    weights = [f"{read_record(each / 'run.json', RunRecord).parameters:,}" for each in folders]
    assert "| member | viirs input | seed | weights |" in text and weights[0] != weights[2]
    assert f"| run1 | False | 1 | {weights[0]} |" in text and f"| run3 | True | 3 | {weights[2]} |" in text
    assert "- patch size: 64" in text and "- seed" not in text
    # What ships keeps them.
    card = folder / "card.md"
    card.write_text(card.read_text().replace(BLANK, "(written"))
    model = promote(workspace, "mean", root=tmp_path / "models")
    assert read_members(model.folder, model.run) == read_members(folder, record)
    # Of an ensemble that was made before they were written down, or of another one, nothing is guessed.
    assert read_members(folder, record.model_copy(update={"members": ["run1", "other"]})) == []
    (folder / "members.json").unlink()
    assert (
        "settings of each, which were not recorded"
        in draft_card(workspace, "mean", overwrite=True).read_text()
    )
    single = read_record(folders[0] / "run.json", RunRecord)
    assert [member.settings for member in read_members(folders[0], single)] == [single.settings]
