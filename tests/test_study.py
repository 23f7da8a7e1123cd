"""The study's loader: what it repeats, and what it never reads; the study's table as data."""

import csv
import math
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from learning_samples import TINY_NETWORK, learnable_dataset
from study import cli
from study.cli import print_study
from study.loader import BUFFER_SIZE, StudyLoader, StudyOrder, StudyPlan, shuffled
from study.runs import (
    StudyComparison,
    StudyOutcome,
    StudyRecord,
    StudyRegions,
    StudyScale,
    answers,
    loader_of,
)
from study.table import STUDY_ROWS, study_regions

from nightlights import training
from nightlights.cli import run
from nightlights.datasets import Dataset
from nightlights.errors import ModelError, SettingsError
from nightlights.manifests import RunRecord, TrainingRequest, TrainingSettings, now, read_record
from nightlights.networks import NETWORKS
from nightlights.patches import PatchSampler
from nightlights.progress import NoProgress
from nightlights.training.loaders import RandomPatches
from nightlights.training.run import _Run
from nightlights.workspace import Workspace

PUBLISHED = Path(__file__).parent.parent.parent / "shared" / "reference" / "notebook_results.csv"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp("study"))


def sampler(dataset: Dataset, names: list[str]) -> PatchSampler:
    return PatchSampler(dataset, names, 64, 5, 0.2, dataset.folder / ".cache")


def study_of(rows: list[StudyComparison], regions: list[StudyRegions], **given: object) -> StudyRecord:
    """The record of a study at half of the published work."""
    usual = {"work": 0.5, "network": "unet", "patch_size": 96, "seed": 1, "planet_seed": 1}
    return StudyRecord.model_validate({**usual, "created": now(), "rows": rows, "regions": regions, **given})


def compared(row: int, defect: StudyOutcome, mended: StudyOutcome) -> StudyComparison:
    """A row of a study that both loaders trained."""
    return StudyComparison(row=row, patches=8, batch_size=1, epochs=1, defect=defect, mended=mended)


def test_the_loader_reads_the_last_region_alone() -> None:
    assert StudyLoader("study").regions_read(["a", "b", "c"]) == ["c"]
    assert StudyLoader("study mended").regions_read(["a", "b", "c"]) == ["a", "b", "c"]
    assert RandomPatches().regions_read(["a", "b", "c"]) == ["a", "b", "c"]


def test_a_pass_holds_every_patch_once_and_the_next_repeats_them_in_another_order(
    dataset: Dataset,
) -> None:
    # 8 x 100 patches in batches of 16, as in the study's best row: 50 steps an epoch, 7 batches a pass.
    loader = StudyOrder(sampler(dataset, ["south"]), 1, 100, 16, seed=1)
    batches = [loader.records(step) for step in range(50)]
    assert [len(batch) for batch in batches[:8]] == [16] * 6 + [4, 16]
    passes = [list(chain(*batches[start : start + 7])) for start in range(0, 49, 7)]
    assert all(sorted(each) == list(range(100)) for each in passes)
    assert passes[0] != passes[1]
    seen = Counter(chain(*batches))
    # An epoch of "800 patches" holds 100 different ones, each 7 or 8 times.
    assert len(seen) == 100
    assert set(seen.values()) == {7, 8}
    assert [loader.records(step) for step in range(50)] == batches


def test_the_patches_themselves_never_change_and_come_from_their_regions(dataset: Dataset) -> None:
    loader = StudyOrder(sampler(dataset, ["north", "south"]), 2, 3, 4, seed=1)
    places: dict[int, object] = {}
    for step in range(6):
        batch = loader.batch(step)
        for record, region, window in zip(
            loader.records(step),
            batch.regions,
            batch.windows,
            strict=True,
        ):
            assert region == ("north" if record < 3 else "south")
            assert places.setdefault(record, window) == window
    assert sorted(places) == list(range(6))


def test_shuffling_goes_through_the_buffer() -> None:
    order = shuffled(3 * BUFFER_SIZE, 1, 0)
    assert sorted(order) == list(range(3 * BUFFER_SIZE))
    # The patch at place k can only come from those that the buffer had taken in by then.
    assert all(record < place + BUFFER_SIZE for place, record in enumerate(order))
    assert max(order[:100]) < BUFFER_SIZE + 100
    small = np.array(shuffled(BUFFER_SIZE, 1, 0))
    assert small[:100].max() > 0.9 * BUFFER_SIZE


@pytest.mark.parametrize(("loader", "regions"), [("study", {"south"}), ("study mended", {"north", "south"})])
def test_a_run_trains_and_measures_on_what_the_loader_reads(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loader: str, regions: set[str]
) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    settings = TrainingSettings(
        network="tiny",
        epochs=2,
        patches_per_region=3,
        patch_size=64,
        batch_size=2,
        evaluation_patches=4,
        loss="pixel squared error",
        label_resampling="nearest",
        loader=loader,  # type: ignore[arg-type]
    )
    drawn: list[str] = []
    collect = PatchSampler._collect

    def watched(self: PatchSampler, places: list[tuple[int, int]]) -> object:
        batch = collect(self, places)
        drawn.extend(batch.regions)
        return batch

    monkeypatch.setattr(PatchSampler, "_collect", watched)
    request = TrainingRequest(run="run", dataset="sample", settings=settings)
    run = _Run(dataset, request, tmp_path, NoProgress(), lambda: 0.0, loader_of(settings))
    plan = run._prepare(resumed=False).plan
    assert isinstance(plan, StudyPlan)
    # An epoch is as long as if all regions were read: int(2 x 3 / 2) steps.
    assert plan.steps == 3
    sizes = [len(plan.arrays(step)["inputs"]) for step in range(3)]
    assert sizes == ([2, 1, 2] if loader == "study" else [2, 2, 2])
    assert set(drawn) - {"east"} == regions


def test_a_run_with_the_loader_says_so_in_its_record(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(NETWORKS, "tiny", TINY_NETWORK)
    settings = TrainingSettings(
        network="tiny", epochs=1, patches_per_region=2, patch_size=64, batch_size=2, evaluation_patches=2
    ).model_copy(update={"loader": "study"})
    request = TrainingRequest(run="run", dataset="sample", settings=settings)
    # The program itself has no such loader.
    with pytest.raises(ModelError, match="part of a benchmark") as caught:
        training.train(dataset, request, tmp_path / "run", NoProgress())
    assert "./run bench study train" in caught.value.remedy and not (tmp_path / "run").exists()
    asked = ["train", "--dataset", "sample", "--run", "run", "--network", "tiny"]
    for name in ("epochs", "patches_per_region", "patch_size", "batch_size", "evaluation_patches"):
        asked += ["--set", f"{name}={getattr(settings, name)}"]
    asked += ["--set", "texture_networks=0", "--set", "guide=none", "--set", "light_cap=0"]
    space = Workspace(dataset.folder.parent.parent)
    assert run(cli.app, "study", [*asked, "--workspace", str(space.root)]) == 0
    assert "nightlights evaluate --run run" in capfd.readouterr().out
    record = read_record(space.run_folder("run") / "run.json", RunRecord)
    assert record.settings.loader == "study"
    # The record names the regions that the study believed it trained on.
    assert record.train_regions == ["north", "south"]
    assert record.train_rmse is not None


@pytest.mark.shared
@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published table is not here")
def test_the_rows_are_those_published() -> None:
    with PUBLISHED.open() as file:
        published = list(csv.DictReader(file))
    assert len(published) == len(STUDY_ROWS) == 20
    for said, row in zip(published, STUDY_ROWS, strict=True):
        hours, minutes, seconds = (said["train_time"] or "0:0:0").split(":")
        assert (row.dataset, row.region_size, row.regions) == (
            said["dataset"],
            said["region_size"],
            int(said["regions"]),
        )
        assert (row.samples, row.batch_size, row.epochs) == (
            int(said["samples"]),
            int(said["batch"]),
            int(said["epochs"]),
        )
        assert (row.learning_rate, row.optimizer) == (float(said["lr"]), said["optimizer"])
        assert (row.evaluation_rmse, row.train_rmse) == (
            float(said["eval_rmse"]),
            float(said["train_rmse"]),
        )
        assert (row.seconds or 0) == int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def test_regions_stand_in_the_order_that_the_loader_counts_by() -> None:
    for row in STUDY_ROWS:
        regions = study_regions(row, 0.1, 0.2)
        train = [region.name for region in regions if region.role == "train"]
        assert len(train) == row.regions == len(set(train))
        assert [region.name for region in regions if region.role == "evaluate"] == ["abuja", "nairobi"]
        assert row.samples % row.regions == 0


def test_scaling_keeps_the_steps_of_an_epoch_and_the_recipe() -> None:
    best = STUDY_ROWS[9]
    whole = StudyScale().settings(best, "study")
    assert (whole.network, whole.patch_size, whole.patches_per_region) == ("study-unet", 256, 100)
    assert (whole.batch_size, whole.epochs, whole.learning_rate) == (16, 20, 0.01)
    assert (whole.loss, whole.schedule, whole.gradient_norm) == ("pixel squared error", "constant", 0)
    assert not (whole.rotate or whole.mirror)
    for row in STUDY_ROWS:
        small = StudyScale(0.01, "unet-small", 96).settings(row, "study mended")
        assert small.patches_per_region == pytest.approx(row.patches_per_region / 10, abs=0.5)
        assert small.epochs == max(1, round(row.epochs / 10))
        # Batches are whole patches, so the number of steps is kept as far as one of a few can be.
        steps = small.patches_per_region * row.regions // small.batch_size
        assert steps == pytest.approx(row.samples // row.batch_size, rel=0.25)
    with pytest.raises(SettingsError, match="above 0"):
        StudyScale(0.0)


def test_a_row_that_the_study_has_not_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(cli.app, "study", ["--rows", "21", "--workspace", str(tmp_path)]) == 2
    assert "The study has no row 21" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("7", "patch_size cannot be 7: input should be a multiple of 16"),
        ("0", "patch_size cannot be 0: input should be greater than or equal to 32"),
        ("48", "Patches of 48 pixels do not fit"),
    ],
)
def test_patches_that_cannot_be_are_refused_before_anything_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], size: str, words: str
) -> None:
    asked = ["--scale", "0.0001", "--rows", "8", "--patch-size", size]
    assert run(cli.app, "study", [*asked, "--workspace", str(tmp_path / "place")]) == 2
    said = " ".join(capfd.readouterr().err.split())
    assert words in said and "Unexpected" not in said
    assert not (tmp_path / "place").exists()


def test_the_printed_table_says_each_rows_own_share_of_the_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    scale, outcome, rows = StudyScale(0.004, "unet-small", 96), StudyOutcome(run="r"), []
    for row in (STUDY_ROWS[4], STUDY_ROWS[6]):
        ours = scale.settings(row, "study")
        rows.append(
            StudyComparison(
                row=row.row,
                patches=ours.patches_per_region * row.regions,
                batch_size=ours.batch_size,
                epochs=ours.epochs,
                defect=outcome,
                mended=outcome,
            )
        )
    print_study(study_of(rows, [], work=scale.work, network=scale.network))
    said = " ".join(capsys.readouterr().out.split())
    # Row 5: 504 x 1 of 8,000 x 1; row 7: 504 x 3 of 8,000 x 50.
    assert "at a scale of 0.004, 0.378 to 6.3 % of its training work" in said
    assert said.count("6.3 %") == 2 and "0.378 %" in said


def test_the_answers_are_those_of_the_runs() -> None:
    def comparison(row: int, defect: float, mended: float | None) -> StudyComparison:
        outcomes = (
            StudyOutcome(run="r", train_rmse=1, last_rmse=2, evaluation_rmse=rmse)
            for rmse in (defect, mended)
        )
        return compared(row, *outcomes)

    record = study_of(
        [comparison(11, 8.0, 4.0), comparison(7, 6.0, 1.5), comparison(8, 5.0, None)],
        [StudyRegions(dataset="d", train={"a": 9.0, "b": 0.5}, evaluate={"abuja": 3, "nairobi": 4})],
    )
    ten_times, ratio, cities = answers(record)
    assert "row 11 to row 7" in ten_times
    assert "with the defect 8.00 to 6.00, without it 4.00 to 1.50 nW/cm²/sr" in ten_times
    # 4/8 and 1.5/6; the row without a figure does not count.
    assert "0.38 times that with it (median of 2 rows, 0.25 to 0.50)" in ratio
    assert "that of b alone" in cities
    assert "that of nairobi alone, 4.00" in cities


def test_runs_that_diverged_or_learned_a_constant_are_marked_and_compared_with_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed: list[tuple[object, ...]] = []
    monkeypatch.setattr(cli, "print_table", lambda *parts: printed.extend(parts[2]))

    def outcome(rmse: float) -> StudyOutcome:
        return StudyOutcome.of("r", 1.0, rmse, rmse)

    record = study_of(
        [
            compared(11, outcome(40.5), outcome(3.95)),
            compared(7, outcome(math.nan), outcome(2.0)),
            compared(12, outcome(8.0), outcome(2.0)),
            compared(8, StudyOutcome(run="r", failure="Training diverged"), StudyOutcome(run="r")),
        ],
        # Only Nairobi, which is last, says how well a constant does; row 12 has the regions of row 11.
        [
            StudyRegions(
                dataset="viirs_africa_small", train={"a": 9, "b": 9}, evaluate={"abuja": 1, "nairobi": 4}
            ),
            StudyRegions(dataset="viirs_africa", train={"a": 9}, evaluate={"abuja": 1, "nairobi": 4}),
        ],
    )
    rows = {row.row: row for row in STUDY_ROWS}
    verdicts = [
        tuple(record.verdict(rows[each.row], run) for run in (each.defect, each.mended))
        for each in record.rows
    ]
    assert verdicts == [
        ("diverged", "no better"),
        ("diverged", "better"),
        ("no better", "better"),
        ("diverged", "–"),
    ]
    print_study(record)
    assert [cells[-1] for cells in printed] == [" / ".join(pair) for pair in verdicts]
    ten_times, ratio, *_ = answers(record)
    assert "Some of these diverged" in ten_times
    assert "0.25 times" in ratio and "median of 1 row" in ratio and "3 rows in which" in ratio
