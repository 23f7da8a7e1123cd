"""A run becomes a shipped model at the door of the models' folder, or is refused with a reason."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from learning_samples import TINY_NETWORK, learnable_dataset

from nightlights import cli, pipeline, promotion
from nightlights.commands import demo
from nightlights.datasets import Dataset
from nightlights.errors import ModelError, NightlightsError
from nightlights.manifests import (
    DatasetManifest,
    ModelConfig,
    PredictionRequest,
    RunRecord,
    TrainingRequest,
    TrainingSettings,
    read_record,
    write_record,
)
from nightlights.networks import NETWORKS
from nightlights.progress import NoProgress
from nightlights.promotion import BLANK, draft_card, promote
from nightlights.shipped import first_shipped, shipped_models, usable_model
from nightlights.workspace import Workspace

SETTINGS = TrainingSettings(
    network="tiny", epochs=1, patches_per_region=1, patch_size=64, batch_size=2, evaluation_patches=1
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run named ``standard-tiny`` with a draft of its card."""
    root = tmp_path_factory.mktemp("workspace")
    learnable_dataset(root)
    workspace = Workspace.open(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY_NETWORK)
        request = TrainingRequest(run="standard-tiny", dataset="sample", settings=SETTINGS)
        pipeline.train(workspace, request, NoProgress())
        draft_card(workspace, "standard-tiny")
    return workspace


@pytest.fixture
def space(trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of its own, with a finished card and an empty folder of models."""
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    monkeypatch.setenv("NIGHTLIGHTS_MODELS", str(tmp_path / "models"))
    workspace = Workspace.open(shutil.copytree(trained.root, tmp_path / "w"))
    card = card_of(workspace)
    card.write_text(card.read_text().replace(BLANK, "(written"))
    return workspace


def folder_of(space: Workspace) -> Path:
    return space.run_folder("standard-tiny")


def card_of(space: Workspace) -> Path:
    return folder_of(space) / "card.md"


def test_a_promoted_model_is_listed_and_predicts_like_a_run(
    space: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    place = ["--workspace", str(space.root)]
    assert shipped_models() == [] and first_shipped() is None
    assert cli.main(["models", "promote", "standard-tiny", *place]) == 0
    (model,) = shipped_models()
    assert (model.name, model.run.name, model.run.dataset) == ("tiny", "shipped-tiny", "sample")
    assert {path.name for path in model.folder.iterdir()} == {
        "model.keras",
        "config.json",
        "run.json",
        "card.md",
    }
    assert first_shipped() == model
    capfd.readouterr()
    assert cli.main(["models", "list", "--json"]) == 0
    (row,) = json.loads(capfd.readouterr().out)
    assert (row["run"], row["network"], row["bands"]) == ("shipped-tiny", "tiny", ["SR_B4", "B10"])
    shutil.rmtree(folder_of(space))
    request = PredictionRequest(run="shipped-tiny", region="east", prediction="mine")
    record = pipeline.predict(space, request, NoProgress())
    assert record.run == "shipped-tiny" and record.score is not None
    assert (space.prediction_folder("mine") / record.layers["prediction"]).is_file()
    with pytest.raises(ModelError, match="no run shipped-absent") as refusal:
        usable_model(space, "shipped-absent")
    assert "shipped-tiny" in refusal.value.remedy
    capfd.readouterr()
    shutil.rmtree(space.dataset_folder("sample"))
    place = ["--workspace", str(space.root)]
    assert cli.main(["predict", "--run", "shipped-tiny", "--region", "east", *place]) == 2
    assert "needs a dataset of yours" in capfd.readouterr().err
    assert cli.main(["calibrate", "--run", "shipped-tiny", *place]) == 2
    assert "a model that ships; this needs a run of your own" in capfd.readouterr().err


def test_the_draft_tells_data_settings_scores_and_leaves_the_rest_to_a_person(trained: Workspace) -> None:
    text = card_of(trained).read_text()
    weights = read_record(folder_of(trained) / "run.json", RunRecord).parameters
    for words in (
        f"`tiny`, {weights:,} weights, predicts",
        "Learnable test source. Simulated",
        "north, south",
        "- patch size: 64",
        "| tiny |",
        "## Licence",
    ):
        assert words in text, words
    assert text.count(BLANK) == 3
    with pytest.raises(ModelError, match="3 of its blanks"):
        promote(trained, "standard-tiny", root=trained.root / "elsewhere")
    with pytest.raises(ModelError, match=r"has a card already.*--overwrite"):
        draft_card(trained, "standard-tiny")


def unfinished(space: Workspace) -> None:
    record = read_record(folder_of(space) / "run.json", RunRecord)
    write_record(folder_of(space) / "run.json", record.model_copy(update={"finished": None}))


def without_model(space: Workspace) -> None:
    (folder_of(space) / "model.keras").unlink()


def without_card(space: Workspace) -> None:
    card_of(space).unlink()


def only_headings(space: Workspace) -> None:
    lines = card_of(space).read_text().splitlines()
    card_of(space).write_text("\n\n".join(line for line in lines if line.startswith("#")))


def without_licence(space: Workspace) -> None:
    card_of(space).write_text(card_of(space).read_text().replace("## Licence", ""))


def trained_on_truth(space: Workspace) -> None:
    record = read_record(folder_of(space) / "run.json", RunRecord)
    settings = record.settings.model_copy(update={"label": "truth"})
    write_record(folder_of(space) / "run.json", record.model_copy(update={"settings": settings}))


def other_bands(space: Workspace) -> None:
    """The dataset's bands are not those of the model any more."""
    path = Dataset.open(space, "sample").folder / "dataset.json"
    manifest = read_record(path, DatasetManifest)
    bands = [manifest.bands[0].model_copy(update={"name": "other"}), manifest.bands[1]]
    write_record(path, manifest.model_copy(update={"bands": bands}))


def fewer_bands(space: Workspace) -> None:
    """The configuration names one band, the network takes two."""
    config = read_record(folder_of(space) / "config.json", ModelConfig)
    scaling = config.scaling.model_copy(
        update={
            name: value[:1]
            for name, value in dict(config.scaling).items()
            if isinstance(value, list | tuple) and len(value) == 2
        }
    )
    changed = config.model_copy(update={"bands": config.bands[:1], "scaling": scaling})
    write_record(folder_of(space) / "config.json", changed)
    space.delete(space.dataset_folder("sample"))


def broken(space: Workspace) -> None:
    (folder_of(space) / "model.keras").write_bytes(b"no model")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (unfinished, "is not finished"),
        (without_model, "is not finished"),
        (without_card, "has no card"),
        (without_licence, "no section Licence"),
        (only_headings, "section Intended use of the card of standard-tiny is empty"),
        (trained_on_truth, "trained on the hidden truth"),
        (other_bands, "names the bands"),
        (fewer_bands, "takes 2 bands"),
        (broken, "cannot be loaded"),
    ],
)
def test_what_may_not_ship_is_refused_and_leaves_nothing(
    space: Workspace, change: Callable[[Workspace], None], reason: str
) -> None:
    change(space)
    with pytest.raises(ModelError, match=reason):
        promote(space, "standard-tiny")
    assert shipped_models() == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 57, "cannot be a name of a model, with shipped-"),
        ("../x", "cannot be"),
    ],
)
def test_a_name_that_would_not_do_later_is_refused(space: Workspace, name: str, reason: str) -> None:
    with pytest.raises(NightlightsError, match=reason):
        promote(space, "standard-tiny", name, overwrite=True)
    assert shipped_models() == []


def test_a_model_too_large_for_the_project_is_refused(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotion, "LARGEST_BYTES", 1000)
    with pytest.raises(ModelError, match="MB ship"):
        promote(space, "standard-tiny")
    assert shipped_models() == []


def test_a_name_in_use_is_kept_unless_it_is_to_be_replaced(space: Workspace, tmp_path: Path) -> None:
    root = tmp_path / "else"
    place = ["--workspace", str(space.root), "--to", str(root), "--name", "mine"]
    assert cli.main(["models", "promote", "standard-tiny", *place]) == 0
    assert [model.name for model in shipped_models(root)] == ["mine"] and shipped_models() == []
    assert cli.main(["models", "promote", "standard-tiny", *place]) == 2
    card_of(space).write_text(card_of(space).read_text() + "\nAnother line.\n")
    assert cli.main(["models", "promote", "standard-tiny", *place, "--overwrite"]) == 0
    assert "Another line." in (root / "mine" / "card.md").read_text()


def test_the_machine_is_named_nowhere(space: Workspace) -> None:
    path = folder_of(space) / "run.json"
    record = read_record(path, RunRecord)
    write_record(path, record.model_copy(update={"device": "CPU: Somebody's Own (8 cores). Slow"}))
    draft_card(space, "standard-tiny", overwrite=True)
    card_of(space).write_text(card_of(space).read_text().replace(BLANK, "(written"))
    model = promote(space, "standard-tiny")
    assert model.run.device == "CPU"
    for name in ("run.json", "card.md"):
        text = (model.folder / name).read_text()
        assert "CPU" in text and "Somebody" not in text


def test_an_incomplete_folder_is_not_listed(space: Workspace) -> None:
    model = promote(space, "standard-tiny")
    (model.folder / "card.md").unlink()
    assert shipped_models() == []


def test_the_demo_scores_the_shipped_model_for_reference(space: Workspace) -> None:
    loop = demo._Loop(space, 1, 1)
    loop.name = "sample"
    assert loop.reference_scores() == []
    promote(space, "standard-tiny")
    east, pooled = loop.reference_scores()
    own = pipeline.predict(
        space, PredictionRequest(run="standard-tiny", region="east", prediction="own"), NoProgress()
    ).score
    assert own is not None and (east.method, east.region, east.rmse) == ("shipped-tiny", "east", own.rmse)
    assert (pooled.region, pooled.pixels) == ("all regions", east.pixels)
    other = east.model_copy(update={"rmse": 3 * east.rmse, "bias": -1.0, "pixels": 3 * east.pixels})
    both = demo._pooled([east, other])
    assert both.rmse == pytest.approx(east.rmse * 7**0.5) and both.pixels == 4 * east.pixels
    assert both.bias == pytest.approx((east.bias - 3) / 4) and both.r2 is None
