"""Real light in one command: a small country behind a real server, fetched, composed, exported."""

import hashlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_samples import geotiff, region
from file_server import Fault, FileServer, file_server
from pages_workspace import add_dataset, add_job, app, submitted

from nightlights import cog
from nightlights.cli import main
from nightlights.datasets import Dataset
from nightlights.errors import Cancelled, DatasetError, SettingsError, SourceError
from nightlights.examples import (
    COMPOSITE_FILE,
    EXAMPLES,
    NOISE_FILE,
    Example,
    find_example,
    next_commands,
    run_example,
)
from nightlights.grid import Window
from nightlights.jobs import JobStore
from nightlights.jobs.kinds import KINDS, ExampleRequest
from nightlights.manifests import DatasetManifest
from nightlights.progress import NoProgress
from nightlights.public_files import SOURCES_FILE, PublicFile, PublicSource
from nightlights.region_files import load_collection, save_collection
from nightlights.regions import RegionCollection
from nightlights.workspace import Workspace

__all__ = ["app", "submitted"]

PLACE = Window(50_232, 18_744, 40, 30)
OFFSETS = (-0.1, 0.0, 0.2)
NIGHT = PublicSource("VIIRS months", "An observatory", "CC BY 4.0", "a repository (MIT)")
DAY = PublicSource("Population", "A bureau", "public domain", "a repository (MIT)")
REQUEST = ExampleRequest(example="elbonia", dataset="elbonia")


def light() -> Any:
    rows, columns = np.mgrid[: PLACE.height, : PLACE.width]
    return 9 * np.exp(-((rows - 15) ** 2 + (columns - 10) ** 2) / 20)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, dict[str, bytes]]:
    """An example of three months and a population, and its files by path on the server."""
    folder, random = tmp_path_factory.mktemp("country"), np.random.default_rng(5)
    rasters = {}
    for month, offset in enumerate(OFFSETS, start=1):
        image = light() + offset + random.normal(0, 0.02, PLACE.shape)
        image[25, 20 + month] = 250.0
        rasters[f"viirs/{month:02d}.tif"] = geotiff(
            folder / f"{month:02d}.tif", image.astype(np.float32), PLACE.transform
        )
    people = np.kron(light(), np.ones((16, 16))).astype(np.float32)
    rasters["day/people.tif"] = geotiff(folder / "people.tif", people, PLACE.fine_transform)
    files, served = [], {}
    for name, path in rasters.items():
        body, source = path.read_bytes(), DAY if name.startswith("day") else NIGHT
        served[f"/at/{path.name}"] = body
        files.append(
            PublicFile(
                name,
                f"https://example.invalid/at/{path.name}",
                len(body),
                hashlib.sha256(body).hexdigest(),
                source,
            )
        )
    towns = (
        region("capital", Window(PLACE.column + 2, PLACE.row + 2, 16, 26)),
        region("port", Window(PLACE.column + 20, PLACE.row + 2, 18, 26), "evaluate"),
    )
    example = Example(
        "elbonia",
        "Elbonia",
        "Two towns.",
        tuple(files),
        {"day/people.tif": ("population", "people")},
        towns,
        ("2016-01-01", "2016-03-31"),
    )
    return example, served


@pytest.fixture
def server(
    country: tuple[Example, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileServer]:
    example, served = country
    monkeypatch.setitem(EXAMPLES, "elbonia", example)
    with file_server(dict(served)) as server:
        monkeypatch.setenv("NIGHTLIGHTS_EXAMPLE_MIRROR", server.url)
        yield server


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


class Told:
    """Progress that remembers, and cancels at the first message that begins so."""

    def __init__(self, cancel_at: str = "-") -> None:
        self.steps: list[tuple[float, float, str, str]] = []
        self.cancel_at = cancel_at

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        self.steps.append((done, total, unit, message))
        if message.startswith(self.cancel_at):
            raise Cancelled


def test_rasters_regions_and_dataset_are_made_in_one_job(server: FileServer, space: Workspace) -> None:
    told, example = Told(), EXAMPLES["elbonia"]
    job = JobStore(space).run_in_foreground("example", REQUEST, told)
    assert (job.state, job.target) == ("done", "elbonia")
    # One progress for fetching and exporting, in megabytes, that never goes back.
    done = [step[0] for step in told.steps]
    assert done == sorted(done) and {step[2] for step in told.steps} == {"MB"}
    (total,) = {step[1] for step in told.steps}
    exported = sum(np.prod(town.window.fine_shape) * 4 for town in example.regions)
    assert done[-1] == pytest.approx(total) == pytest.approx((example.size_bytes + exported) / 1e6)
    assert load_collection(space, "elbonia").regions == example.regions
    dataset = Dataset.open(space, "elbonia")
    dataset.verify()
    manifest = dataset.manifest
    assert not manifest.source.simulated and manifest.source.attribution == example.attribution
    assert [(band.name, band.unit) for band in manifest.bands] == [("population", "people")]
    assert (manifest.period_start, manifest.period_end) == example.period
    assert manifest.months_composed == 3
    for town in manifest.regions:
        expected = light()[town.window.window.slices_in(PLACE)]
        np.testing.assert_allclose(dataset.read_nighttime(town.name), expected, atol=0.12)


def test_the_rasters_stay_with_their_sources_and_the_composite(server: FileServer, space: Workspace) -> None:
    run_example(space, REQUEST, NoProgress(), resume=False)
    folder = EXAMPLES["elbonia"].folder(space)
    assert folder == space.root / "examples" / "elbonia"
    for file in EXAMPLES["elbonia"].files:
        assert hashlib.sha256((folder / file.name).read_bytes()).hexdigest() == file.sha256
    text = (folder / SOURCES_FILE).read_text()
    assert "VIIRS months: An observatory; CC BY 4.0" in text and "public domain" in text
    np.testing.assert_allclose(cog.read(folder / COMPOSITE_FILE)[0], light(), atol=0.12)
    info = cog.inspect(folder / COMPOSITE_FILE)
    assert info.window == PLACE and info.bands == ("avg_rad",)
    assert info.tags["attribution"] == NIGHT.attribution
    assert "median of 3 images" in info.tags["method"]
    assert EXAMPLES["elbonia"].files[0].sha256 in info.tags["images"]
    assert cog.inspect(folder / NOISE_FILE).bands == ("scatter", "images")


def test_what_is_there_is_neither_fetched_nor_made_again(server: FileServer, space: Workspace) -> None:
    run_example(space, REQUEST, NoProgress(), resume=False)
    raster = space.dataset_folder("elbonia") / "capital" / "viirs.tif"
    raster.write_bytes(b"")
    run_example(space, REQUEST, NoProgress(), resume=False)
    assert raster.read_bytes() == b""
    run_example(space, REQUEST.model_copy(update={"overwrite": True}), NoProgress(), resume=False)
    Dataset.open(space, "elbonia").verify()
    assert len(server.requests) == 4


def test_regions_that_the_user_has_moved_are_kept(server: FileServer, space: Workspace) -> None:
    moved = RegionCollection("elbonia", (region("harbour", Window(PLACE.column + 4, PLACE.row + 4, 12, 12)),))
    save_collection(space, moved)
    run_example(space, REQUEST, NoProgress(), resume=False)
    assert [town.name for town in load_collection(space, "elbonia")] == ["harbour"]
    assert [town.name for town in Dataset.open(space, "elbonia").manifest.regions] == ["harbour"]


def test_another_dataset_of_that_name_is_not_replaced(server: FileServer, space: Workspace) -> None:
    run_example(space, REQUEST, NoProgress(), resume=False)
    path = space.dataset_folder("elbonia") / "dataset.json"
    record = DatasetManifest.model_validate_json(path.read_text())
    record.source.attribution = []
    path.write_text(record.model_dump_json())
    with pytest.raises(DatasetError, match="in use by other imagery"):
        run_example(space, REQUEST, NoProgress(), resume=False)
    other = REQUEST.model_copy(update={"dataset": "elbonia-2"})
    run_example(space, other, NoProgress(), resume=False)
    assert {"elbonia", "elbonia-2"} <= set(space.dataset_names()) & set(space.region_names())


@pytest.mark.parametrize("moment", ["Fetching 02.tif", "Composing", "port"])
def test_a_cancelled_job_is_resumed_where_it_stopped(
    server: FileServer, space: Workspace, moment: str
) -> None:
    store = JobStore(space)
    with pytest.raises(Cancelled):
        store.run_in_foreground("example", REQUEST, Told(moment))
    (job,) = store.list("example")
    assert job.state == "cancelled" and job.resumable
    assert space.dataset_names() == []
    run_example(space, REQUEST, NoProgress(), resume=True)
    assert space.dataset_names() == ["elbonia"]
    assert len(server.of("/at/01.tif")) == 1


def test_offline_nothing_is_left_but_the_list_of_what_to_bring(
    server: FileServer, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file_server({}) as gone:
        pass
    monkeypatch.setenv("NIGHTLIGHTS_EXAMPLE_MIRROR", gone.url)
    with pytest.raises(SourceError, match=r"offline.*SOURCES\.md"):
        run_example(space, REQUEST, NoProgress(), resume=False)
    assert space.region_names() == space.dataset_names() == []
    assert [path.name for path in EXAMPLES["elbonia"].folder(space).iterdir() if path.is_file()] == [
        SOURCES_FILE
    ]


def test_the_command_tells_sources_and_what_comes_next(
    server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--workspace", str(tmp_path / "space")]
    assert main(["example", "elbonia", *place]) == 0
    out, err = capsys.readouterr()
    assert "capital" in out and "port" in out and DAY.attribution in out
    assert NIGHT.attribution in err and DAY.attribution in err
    assert str(tmp_path / "space" / "examples" / "elbonia") in err
    assert next_commands(EXAMPLES["elbonia"], "elbonia")[0] in err
    assert main(["example", "elbonia", *place, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["dataset"]["source"]["attribution"] == [NIGHT.attribution, DAY.attribution]
    # The default recipe: level and texture, guided.
    assert answer["next"][0] == "nightlights train --dataset elbonia --run elbonia"
    server.files.clear()
    assert main(["example", "elbonia", "--dataset", "again", *place]) == 0
    assert main(["example", "atlantis", *place]) == 2
    assert "Choose from burundi" in capsys.readouterr().err


def test_an_unknown_example_is_told_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match="Choose from burundi"):
        find_example("atlantis")


def test_burundi_is_pinned_and_its_towns_are_split() -> None:
    burundi = find_example("burundi")
    assert len(burundi.files) == 13 and len({file.sha256 for file in burundi.files}) == 13
    for file in burundi.files:
        assert "/57729b27cffca26dfd37037e809bac581d8d3712/" in file.address and len(file.sha256) == 64
        assert file.source.licence
    roles = [town.role for town in burundi.regions]
    assert (roles.count("train"), roles.count("evaluate")) == (5, 2)


def texts(page: Any) -> str:
    kinds = (page.markdown, page.caption, page.warning, page.error, page.success, page.info)
    return "\n".join(element.value for kind in kinds for element in kind)


def press(page: Any, label: str) -> Any:
    return next(button for button in page.button if button.label == label).click().run()


def test_home_offers_real_light_until_it_is_there(
    app: Any, space: Workspace, submitted: list[tuple[str, Any]]
) -> None:
    page = app("home", space)
    assert "Fetches 14 MB of public rasters" in texts(page)
    assert "Earth Observation Group" in texts(page) and "(CC BY 4.0)" in texts(page)
    press(page, "Real light: Burundi")
    assert submitted == [("example", ExampleRequest(example="burundi", dataset="burundi"))]
    add_job(space, "example", {"example": "burundi", "dataset": "burundi"}, "running")
    page = app("home", space)
    assert "Real light: Burundi" not in [button.label for button in page.button]
    assert "25 of 100 MB" in texts(page) and "Cancel" in [button.label for button in page.button]
    assert "25 of 100 MB" in texts(app("imagery", space))


def test_home_offers_nothing_that_is_there(app: Any, space: Workspace) -> None:
    add_dataset(space, "burundi")
    assert "Real light: Burundi" not in [button.label for button in app("home", space).button]


def test_home_tells_why_a_fetch_failed_and_resumes_it(app: Any, space: Workspace) -> None:
    add_job(space, "example", {"example": "burundi", "dataset": "burundi"}, "failed")
    page = app("home", space)
    assert "Resume" in [button.label for button in page.button]
    assert "Real light: Burundi" in [button.label for button in page.button]
    assert KINDS["example"].resumes


DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.mark.shared
@pytest.mark.skipif(
    not (DATA / "burundi_2016").exists(), reason="the real rasters are not beside the project"
)
def test_burundi_survives_a_reload_a_kill_and_being_offline(
    app: Any, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of the repository behind a real server, fetched by the worker that the page starts."""
    burundi = find_example("burundi")
    local = {"pop.tif": DATA / "population_burundi.tif"}
    files = {}
    for file in burundi.files:
        name = file.address.rsplit("/", 1)[-1]
        path = local.get(name, DATA / "burundi_2016" / name)
        files[file.address_at("")] = path.read_bytes()
    store = JobStore(space)
    with file_server(files) as server:
        monkeypatch.setenv("NIGHTLIGHTS_EXAMPLE_MIRROR", server.url)
        april = burundi.files[3].address_at("")
        gate = threading.Event()
        server.fail(april, Fault(gate=gate))
        press(app("home", space), "Real light: Burundi")
        assert server.waiting.wait(60)
        (job,) = store.list("example")
        again = app("home", space)
        assert "Real light: Burundi" in texts(again) and "MB" in texts(again)
        process = store._files(job.id).read_process()
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)
        gate.set()
        assert store.wait(job.id).state == "interrupted"
    # The server is gone: offline, the job tells what to do.
    store.resume(job.id)
    failed = store.wait(job.id)
    assert failed.state == "failed" and failed.failure is not None
    assert "offline" in failed.failure.message and SOURCES_FILE in failed.failure.remedy
    assert failed.failure.message in texts(app("home", space))
    with file_server(files) as server:
        monkeypatch.setenv("NIGHTLIGHTS_EXAMPLE_MIRROR", server.url)
        press(app("home", space), "Resume")
        assert store.wait(job.id).state == "done"
        assert server.of(burundi.files[2].address_at("")) == []
        (asked,) = server.of(april)
        assert asked is not None and int(asked[6:-1]) > 400_000
    kept = {path.name for path in burundi.folder(space).iterdir()}
    assert kept == {"day", "viirs", SOURCES_FILE, COMPOSITE_FILE, NOISE_FILE}
    manifest = Dataset.open(space, "burundi").manifest
    assert manifest.months_composed == 12
    assert max(town.radiance.maximum for town in manifest.regions) == pytest.approx(11.55, abs=0.01)
    page = app("imagery", space)
    assert "CC BY 4.0" in texts(page)
