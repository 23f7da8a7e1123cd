"""Publishing: a prediction goes to the bucket and becomes one asset with the same pixels, however often."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batch_samples import KINSHASA, Crash, CrashingProgress, planet_server, play, server
from earthengine_server.server import EarthEngineServer
from numpy.typing import NDArray

from nightlights import cog
from nightlights.bands import LANDSAT_BANDS, RADIANCE_UNIT
from nightlights.cli import main
from nightlights.errors import EarthEngineError, WorkspaceError
from nightlights.manifests import (
    PredictionRecord,
    PublicationRecord,
    PublishRequest,
    RunRecord,
    Score,
    SourceRecord,
    TrainingSettings,
    WindowRecord,
    write_record,
)
from nightlights.progress import NoProgress
from nightlights.publishing import PUBLICATION_FILE, publish, read_publication
from nightlights.settings import Settings, keep_connection
from nightlights.sources.earthengine.client import connect
from nightlights.sources.earthengine.grids import PixelGrid
from nightlights.sources.earthengine.operations import list_operations
from nightlights.storage import open_bucket
from nightlights.workspace import Workspace

__all__ = ["planet_server", "server"]

MOMENT = datetime(2024, 5, 6, tzinfo=UTC)
PERIOD = {"start": "2020-01-01", "end": "2022-12-31"}


def light(seed: int) -> NDArray[np.float32]:
    """Radiance with dark, negative and missing pixels."""
    values = np.random.default_rng(seed).gamma(1, 5, KINSHASA.fine_shape).astype(np.float32) - 1
    values[20:30, 40:70] = np.nan
    return values


def make_prediction(workspace: Workspace, name: str = "city", seed: int = 1) -> Path:
    folder = workspace.prediction_folder(name)
    cog.write_geotiff(
        folder / "prediction.tif",
        [(KINSHASA, light(seed))],
        window=KINSHASA,
        fine=True,
        bands=["prediction"],
        units=[RADIANCE_UNIT],
        tags={},
    )
    source = SourceRecord(
        kind="earthengine",
        label="Earth Engine: Landsat 8",
        simulated=True,
        parameters={"request": {"daytime": PERIOD, "nighttime": PERIOD}},
    )
    score = Score(
        method="unet",
        region="a",
        rmse=1.5,
        mae=1,
        bias=0,
        r2=0.5,
        pixels=9,
        mean_predicted=1,
        mean_measured=1,
    )
    record = PredictionRecord(
        name=name,
        created=MOMENT,
        run="first",
        dataset="cities",
        region="kinshasa",
        role="predict",
        source=source,
        window=WindowRecord.of(KINSHASA),
        bands=list(LANDSAT_BANDS),
        layers={"prediction": "prediction.tif"},
        score=score,
        total_predicted=1,
        total_measured=1,
    )
    write_record(folder / "prediction.json", record)
    run = RunRecord(
        name="first",
        created=MOMENT,
        dataset="cities",
        source=source,
        settings=TrainingSettings(network="study-unet"),
        train_regions=[],
        evaluate_regions=[],
    )
    write_record(workspace.run_folder("first") / "run.json", run)
    return folder


@pytest.fixture
def workspace(tmp_path: Path, server: EarthEngineServer) -> Workspace:
    """One prediction, and no asset yet."""
    made = Workspace.open(tmp_path / "workspace")
    make_prediction(made)
    server.assets._assets.clear()
    return made


def pixels(asset: str) -> NDArray[np.float32]:
    """The pixels of an asset on the analysis grid, as Earth Engine gives them."""
    import ee

    from nightlights.sources.earthengine.pixels import fetch_pixels

    settings = Settings.from_environment()
    connect(settings)
    # Of another value than the one that is sent for missing pixels: it shows what the asset really masks.
    image = ee.Image(asset).unmask(-7777, False)
    values = fetch_pixels(image, ["radiance"], PixelGrid.of(KINSHASA, fine=True), settings)[0]
    assert np.isfinite(values).all()
    return np.where(values == -7777, np.float32(np.nan), values)


def properties(asset: str) -> dict[str, Any]:
    import ee

    return dict(ee.data.getAsset(asset)["properties"])


@pytest.mark.parametrize("form", ["COG", "TFRecord"])
def test_the_asset_has_the_pixels_of_the_prediction_and_says_what_it_is(
    workspace: Workspace, form: Any
) -> None:
    request = PublishRequest(prediction="city", form=form, asset=f"city-{form}", licence="CC0-1.0")
    record = publish(workspace, request, NoProgress(), clock=lambda: MOMENT)
    assert record == read_publication(workspace, "city") and record.finished == MOMENT
    assert record.asset == f"projects/local-test/assets/nightlights/city-{form}"
    assert np.array_equal(pixels(record.asset), light(1), equal_nan=True)
    told = properties(record.asset)
    assert told == record.properties and record.eecu_seconds and record.eecu_seconds > 0
    wanted = {
        "model": "study-unet",
        "run": "first",
        "region": "kinshasa",
        "period_start": "2020-01-01",
        "period_end": "2022-12-31",
        "units": RADIANCE_UNIT,
        "licence": "CC0-1.0",
        "simulated": "yes",
        "rmse": 1.5,
    }
    assert {key: told[key] for key in wanted} == wanted
    assert len(record.files) == (1 if form == "COG" else 2)
    assert all(open_bucket(Settings.from_environment()).find(name) for name in record.files)
    assert [path.name for path in workspace.prediction_folder("city").glob(".*")] == []


def test_publishing_again_makes_and_sends_nothing(server: EarthEngineServer, workspace: Workspace) -> None:
    request = PublishRequest(prediction="city")
    first = publish(workspace, request, NoProgress())
    store = open_bucket(Settings.from_environment())
    generation = store.find(first.files[0])
    before = server.operations.started
    again = publish(workspace, request, NoProgress())
    (workspace.prediction_folder("city") / PUBLICATION_FILE).unlink()
    anew = publish(workspace, request, NoProgress())
    assert server.operations.started == before
    assert store.find(first.files[0]) == generation
    assert first.asset == again.asset == anew.asset and again.started == first.started
    assert again.eecu_seconds == first.eecu_seconds


def test_another_licence_is_written_to_the_asset_that_is_there(
    server: EarthEngineServer, workspace: Workspace
) -> None:
    publish(workspace, PublishRequest(prediction="city"), NoProgress())
    before = server.operations.started
    record = publish(workspace, PublishRequest(prediction="city", licence="CC0-1.0"), NoProgress())
    assert record.asset and properties(record.asset) == record.properties
    assert properties(record.asset)["licence"] == "CC0-1.0" and server.operations.started == before


def test_a_crash_at_any_moment_makes_one_asset(server: EarthEngineServer, workspace: Workspace) -> None:
    last, crashes = 1, 0
    play(server, operation_s=0.05)
    while True:
        request = PublishRequest(prediction="city", asset=f"crash-{last}")
        before = server.operations.started
        try:
            publish(workspace, request, CrashingProgress(last))
            break
        except Crash:
            crashes += 1
        publish(workspace, request, NoProgress())
        assert server.operations.started - before == 1
        last += 1
    assert crashes > 4


def test_cut_connections_make_one_asset(server: EarthEngineServer, workspace: Workspace) -> None:
    play(server, cut=1.0, at_most=1, operation_s=0.1)
    before, slept = server.operations.started, []
    record = publish(workspace, PublishRequest(prediction="city"), NoProgress(), sleep=slept.append)
    assert server.operations.started - before == 1
    assert server.requests.of("image:import")[0].fault == "cut"
    play(server)
    assert record.asset and np.array_equal(pixels(record.asset), light(1), equal_nan=True)
    assert len(server.requests.of("image:import")) == 1


def test_refused_ingestions_are_tried_again(server: EarthEngineServer, workspace: Workspace) -> None:
    play(server, unavailable=1.0, at_most=1)
    slept: list[float] = []
    record = publish(workspace, PublishRequest(prediction="city"), NoProgress(), sleep=slept.append)
    assert record.finished and 1.0 in slept
    assert [each.status for each in server.requests.of("image:import")] == [503, 200]


def test_the_connection_that_the_workspace_keeps_is_used(
    server: EarthEngineServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NIGHTLIGHTS_BUCKET")
    with pytest.raises(EarthEngineError, match=r"No Cloud Storage bucket is named"):
        publish(workspace, PublishRequest(prediction="city"), NoProgress())
    keep_connection(workspace.root, bucket=server.bucket, bucket_folder="elsewhere/deep")
    record = publish(workspace, PublishRequest(prediction="city"), NoProgress())
    assert record.asset == "projects/local-test/assets/elsewhere/deep/city"


def test_other_content_is_not_replaced_unasked(workspace: Workspace) -> None:
    make_prediction(workspace, "other", seed=2)
    publish(workspace, PublishRequest(prediction="city", asset="shared"), NoProgress())
    request = PublishRequest(prediction="other", asset="shared")
    with pytest.raises(EarthEngineError, match=r"assets/nightlights/shared with other content.*--overwrite"):
        publish(workspace, request, NoProgress())
    record = publish(workspace, request.model_copy(update={"overwrite": True}), NoProgress())
    assert record.asset and np.array_equal(pixels(record.asset), light(2), equal_nan=True)


def test_a_failed_ingestion_says_why_and_is_made_anew(
    server: EarthEngineServer, workspace: Workspace
) -> None:
    play(server, failed_operations=1)
    request = PublishRequest(prediction="city")
    with pytest.raises(EarthEngineError, match=r"The asset could not be made: Internal error"):
        publish(workspace, request, NoProgress())
    assert read_publication(workspace, "city").finished is None
    assert publish(workspace, request, NoProgress()).finished
    play(server, full=True)
    make_prediction(workspace, "big", seed=3)
    with pytest.raises(EarthEngineError, match=r"quota exceeded") as told:
        publish(workspace, PublishRequest(prediction="big"), NoProgress())
    assert told.value.remedy


def test_a_prediction_that_is_not_there_is_told(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match=r"There is no prediction absent. Predictions: city."):
        publish(workspace, PublishRequest(prediction="absent"), NoProgress())
    with pytest.raises(WorkspaceError):
        read_publication(workspace, "city")


def test_a_prediction_without_its_raster_is_told(workspace: Workspace) -> None:
    (make_prediction(workspace, "hollow") / "prediction.tif").unlink()
    with pytest.raises(WorkspaceError, match="The prediction hollow has lost its file"):
        publish(workspace, PublishRequest(prediction="hollow"), NoProgress())


def test_upload_from_the_command_line(
    server: EarthEngineServer, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--workspace", str(workspace.root)]
    assert main(["upload", "city", "--no-asset", *place]) == 0
    told = capsys.readouterr().out
    assert "Cloud Storage: nightlights/predictions/city/" in told and "Simulated" in told
    assert "Asset" not in told
    assert main(["upload", "city", "--form", "TFRecord", "--asset", "mine", "--json", *place]) == 0
    record = PublicationRecord.model_validate(json.loads(capsys.readouterr().out))
    assert record.asset == "projects/local-test/assets/nightlights/mine"
    ingestion = next(each for each in list_operations(Settings.from_environment()))
    assert ingestion.kind == "image ingestion" and ingestion.destination == f"Asset: {record.asset}"
    for wrong in (["absent"], ["city", "--form", "PNG"], ["city", "--asset", "a/b"]):
        assert main(["upload", *wrong, *place]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
