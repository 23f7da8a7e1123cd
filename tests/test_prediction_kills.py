"""A prediction over an existing one, killed at any moment: the old or the new one is there, whole."""

import ctypes
import errno
import itertools
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from learning_samples import WINDOWS, LearnableSource
from shapely import box

from nightlights import cog, pipeline
from nightlights.errors import NightlightsError
from nightlights.jobs import JobStore
from nightlights.jobs.records import JobFiles
from nightlights.manifests import (
    ExportRequest,
    PredictionRecord,
    PredictionRequest,
    TrainingRequest,
    TrainingSettings,
    read_record,
)
from nightlights.progress import NoProgress
from nightlights.region_files import save_collection
from nightlights.regions import Region, RegionCollection
from nightlights.settings import Settings
from nightlights.workspace import Workspace


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a run that predicts."""
    workspace = Workspace.open(tmp_path_factory.mktemp("workspace"))
    regions = [Region(name, role, box(*window.bounds)) for name, (window, role) in WINDOWS.items()]
    save_collection(workspace, RegionCollection("three", tuple(regions)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "make_source", lambda *_: LearnableSource())
        pipeline.export(
            workspace, ExportRequest(dataset="d", regions="three"), NoProgress(), Settings(patch_size=64)
        )
    settings = TrainingSettings(
        network="pixel", epochs=1, patches_per_region=2, patch_size=64, batch_size=2, evaluation_patches=2
    )
    pipeline.train(workspace, TrainingRequest(run="r", dataset="d", settings=settings), NoProgress())
    return workspace


def assert_whole(folder: Path, chosen: dict[bool, set[str]]) -> None:
    """The folder holds what one of the two requests makes, and nothing else."""
    record = read_record(folder / "prediction.json", PredictionRecord)
    files = {path.name for path in folder.iterdir()}
    assert files == chosen["sharpened" in record.layers]
    for layer in record.layers.values():
        if (folder / layer).exists():
            cog.read(folder / layer)


@pytest.mark.parametrize("kills", [1, pytest.param(50, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_leaves_a_whole_prediction_and_the_next_run_no_rest(
    space: Workspace, kills: int
) -> None:
    store, folder, chance = JobStore(space), space.prediction_folder("p"), random.Random(kills)
    requests = {
        sharpen: PredictionRequest(run="r", region="east", prediction="p", sharpen=sharpen, overwrite=True)
        for sharpen in (True, False)
    }
    chosen, lasts = {}, 0.0
    for sharpen, request in requests.items():
        began = time.monotonic()
        job = store.submit("predict", request)
        assert store.wait(job.id).state == "done", store.log(job.id)
        lasts = time.monotonic() - began
        chosen[sharpen] = {path.name for path in folder.iterdir()}
    for number in range(kills):
        job = store.submit("predict", requests[number % 2 == 0])
        # Every other kill comes while the layers are being written, or when they take their place.
        writing = number % 2 == 1
        while writing and not list(folder.parent.glob(".partial-*")) and store.get(job.id).active:
            time.sleep(0.002)
        until = time.monotonic() + chance.uniform(0, 0.3 * lasts if writing else lasts)
        while time.monotonic() < until:
            # Looked for twice: the first look may have entered the older folder just before it went.
            assert (folder / "prediction.json").is_file() or (folder / "prediction.json").is_file()
        process = JobFiles(space.job_folder(job.id)).worker()
        if process is not None:
            os.kill(process.pid, signal.SIGKILL)
        assert store.wait(job.id).state in ("interrupted", "done")
        assert_whole(folder, chosen)
        if number % 3 == 2 and store.get(job.id).resumable:
            store.resume(job.id)
            assert store.wait(job.id).state == "done", store.log(job.id)
            assert list(space.root.rglob(".partial-*")) == []
    job = store.submit("predict", requests[True])
    assert store.wait(job.id).state == "done"
    assert list(space.root.rglob(".partial-*")) == []
    assert_whole(folder, chosen)


class FailingLibrary:
    """The C library, whose exchange of two names fails."""

    def renameat2(self, *_: object) -> int:
        ctypes.set_errno(errno.EIO)
        return -1

    renamex_np = renameat2


@pytest.mark.parametrize("failures", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["rename", "replace", "exchange"])
def test_a_failing_rename_leaves_a_whole_prediction_and_the_next_run_no_rest(
    space: Workspace, monkeypatch: pytest.MonkeyPatch, kind: str, failures: int
) -> None:
    folder, chance = space.prediction_folder("q"), random.Random(failures)
    request = PredictionRequest(run="r", region="east", prediction="q", overwrite=True)
    calls = itertools.count(1)

    def counted(call: Callable[..., object], fails_at: int) -> Callable[..., object]:
        def rename(*arguments: object, **options: object) -> object:
            if next(calls) == fails_at:
                raise OSError(errno.EIO, "Input/output error")
            return call(*arguments, **options)

        return rename

    pipeline.predict(space, request, NoProgress())
    chosen, count, failed = {True: {path.name for path in folder.iterdir()}}, 1, 0
    if kind != "exchange":
        with monkeypatch.context() as patched:
            patched.setattr(os, kind, counted(getattr(os, kind), 0))
            pipeline.predict(space, request, NoProgress())
        count = next(calls) - 1
    for _ in range(failures):
        before = (folder / "prediction.json").stat().st_ino
        calls = itertools.count(1)
        with monkeypatch.context() as patched:
            if kind == "exchange":
                patched.setattr(ctypes, "CDLL", lambda *_, **__: FailingLibrary())
            else:
                patched.setattr(os, kind, counted(getattr(os, kind), chance.randint(1, count)))
            try:
                pipeline.predict(space, request, NoProgress())
            except (OSError, NightlightsError):
                failed += 1
                assert (folder / "prediction.json").stat().st_ino == before
        assert_whole(folder, chosen)
    assert failed == failures
    pipeline.predict(space, request, NoProgress())
    assert_whole(folder, chosen)
    assert list(folder.parent.rglob(".partial-*")) == []
