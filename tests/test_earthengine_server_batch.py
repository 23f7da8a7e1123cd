"""The local Earth Engine server's long work: exports, ingestion, assets, and what goes wrong with them."""

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ee
import numpy as np
import pytest
import rasterio
from earthengine_server.faults import Faults
from earthengine_server.server import EarthEngineServer
from numpy.typing import NDArray
from server_samples import (
    ASSETS,
    CORNER,
    STEP,
    arrays,
    connect,
    content,
    exported,
    finish,
    first_scene,
    grid,
    holes,
    pixels,
    run,
    sample_server,
)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[EarthEngineServer]:
    with sample_server() as server:
        yield server


@pytest.fixture
def server(shared_server: EarthEngineServer) -> Iterator[EarthEngineServer]:
    connect(shared_server)
    yield shared_server
    vars(shared_server.faults).update(vars(Faults()))


def image() -> Any:
    """Two bands of floats with holes in them, which are -9999."""
    return first_scene().toFloat().unmask(ee.Image(-9999).toFloat(), sameFootprint=False)


def expected(band: str) -> NDArray[np.float32]:
    """The first 32 x 24 pixels of :func:`image`, made without the server."""
    return np.where(holes(), arrays(0)[band].astype(np.float32), np.float32(-9999))[:24, :32]


def parsed(data: bytes, tmp_path: Path, bands: dict[str, int]) -> list[dict[str, NDArray[np.float32]]]:
    """The records of a TFRecord file as TensorFlow reads them, floats by name."""
    import tensorflow as tf

    path = tmp_path / "file"
    path.write_bytes(data)
    kind = "GZIP" if data.startswith(b"\x1f\x8b") else ""
    features = {name: tf.io.FixedLenFeature([size], tf.float32) for name, size in bands.items()}
    read = []
    for record in tf.data.TFRecordDataset([str(path)], compression_type=kind):
        assert set(tf.train.Example.FromString(record.numpy()).features.feature) == set(bands)
        values = tf.io.parse_single_example(record, features)
        read.append({name: value.numpy() for name, value in values.items()})
    return read


@pytest.mark.parametrize("cloud_optimized", [False, True])
def test_an_exported_geotiff_holds_the_pixels_on_the_grid(
    server: EarthEngineServer, cloud_optimized: bool
) -> None:
    options = {"cloudOptimized": cloud_optimized, "noData": -9999}
    task = exported(image(), server, "geo/tiff", fileFormat="GeoTIFF", formatOptions=options)
    operation = run(server, task)
    metadata = operation["metadata"]
    assert (operation["done"], metadata["state"], metadata["type"]) == (True, "SUCCEEDED", "EXPORT_IMAGE")
    assert metadata["description"] == "sample"
    assert metadata["destinationUris"][0].endswith(f"/{server.bucket}/geo")
    assert metadata["createTime"] <= metadata["startTime"] <= metadata["endTime"] == metadata["updateTime"]
    assert metadata["batchEecuUsageSeconds"] > 0
    assert task.status()["state"] == "COMPLETED"
    with rasterio.open(io.BytesIO(content(server, "geo/tiff.tif"))) as file:
        assert (file.crs.to_epsg(), file.nodata, file.shape) == (4326, -9999, (24, 32))
        assert tuple(file.transform)[:6] == pytest.approx(CORNER)
        assert file.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == ("COG" if cloud_optimized else None)
        for index, band in enumerate(file.descriptions, 1):
            np.testing.assert_array_equal(file.read(index), expected(band))


def test_a_large_image_is_exported_in_parts(server: EarthEngineServer) -> None:
    options = {"fileDimensions": [16, 16]}
    task = exported(image(), server, "parts/p", fileFormat="GeoTIFF", formatOptions=options, shardSize=16)
    assert run(server, task)["metadata"]["state"] == "SUCCEEDED"
    whole = np.zeros((24, 32), np.float32)
    for row in (0, 16):
        for column in (0, 16):
            with rasterio.open(io.BytesIO(content(server, f"parts/p-{row:010d}-{column:010d}.tif"))) as file:
                assert (file.transform.c, file.transform.f) == pytest.approx(
                    (10 + column * STEP, 5 - row * STEP)
                )
                whole[row : row + 16, column : column + 16] = file.read(2)
    np.testing.assert_array_equal(whole, expected("share"))


@pytest.mark.parametrize("compressed", [True, False])
def test_patches_and_their_mixer_are_what_tensorflow_reads(
    server: EarthEngineServer, tmp_path: Path, compressed: bool
) -> None:
    options = {
        **{"patchDimensions": [8, 6], "kernelSize": [4, 2]},
        **{"compressed": compressed, "maxFileSize": 1500},
    }
    name = f"patches/{compressed}-"
    crop = {"crsTransform": [STEP, 0, 10 + 2 * STEP, 0, -STEP, 5 - STEP], "dimensions": "27x20"}
    task = exported(image(), server, name, fileFormat="TFRecord", formatOptions=options, **crop)
    assert run(server, task)["metadata"]["state"] == "SUCCEEDED"
    mixer = json.loads(content(server, f"{name}mixer.json"))
    assert mixer["projection"]["crs"] == "EPSG:4326"
    assert mixer["projection"]["affine"]["doubleMatrix"] == pytest.approx(crop["crsTransform"])
    assert (mixer["patchDimensions"], mixer["patchesPerRow"], mixer["totalPatches"]) == ([8, 6], 3, 9)
    ending = ".tfrecord.gz" if compressed else ".tfrecord"
    listed = server.storage.client.list_blobs(server.bucket, prefix=name)
    files = [blob.name for blob in listed if blob.name.endswith(ending)]
    assert files == [f"{name}{index:05d}{ending}" for index in range(len(files))]
    assert len(files) > 1
    records = [
        record
        for file in files
        for record in parsed(content(server, file), tmp_path, {"count": 12 * 8, "share": 12 * 8})
    ]
    assert len(records) == 9
    whole = np.where(holes(), arrays(0)["count"].astype(np.float32), np.float32(-9999))
    for index, record in enumerate(records):
        row, column = 1 + 6 * (index // 3) - 1, 2 + 8 * (index % 3) - 2
        np.testing.assert_array_equal(
            record["count"].reshape(8, 12), whole[row : row + 8, column : column + 12]
        )


def test_a_table_of_patches_is_what_tensorflow_reads(server: EarthEngineServer, tmp_path: Path) -> None:
    kernel = ee.Kernel.fixed(6, 4, ee.List.repeat(ee.List.repeat(1, 6), 4))
    corners = [(2, 3), (20, 11)]
    points = ee.FeatureCollection(
        [
            ee.Feature(
                ee.Geometry.Point([10 + (column + 0.5) * STEP, 5 - (row + 0.5) * STEP]), {"viirs_row": row}
            )
            for column, row in corners
        ]
    )
    sampled = (
        image()
        .neighborhoodToArray(kernel)
        .sampleRegions(collection=points, projection=ee.Projection("EPSG:4326", list(CORNER)))
    )
    task = ee.batch.Export.table.toCloudStorage(
        collection=sampled,
        description="patches",
        bucket=server.bucket,
        fileNamePrefix="table/t",
        fileFormat="TFRecord",
        selectors=["share", "viirs_row"],
    )
    metadata = run(server, task)["metadata"]
    assert (metadata["state"], metadata["type"]) == ("SUCCEEDED", "EXPORT_FEATURES")
    records = parsed(content(server, "table/t.tfrecord.gz"), tmp_path, {"share": 24, "viirs_row": 1})
    assert [record["viirs_row"].item() for record in records] == [3, 11]
    direct = ee.data.computeFeatures({"expression": sampled})["features"]
    for record, feature in zip(records, direct, strict=True):
        array = np.float32(feature["properties"]["share"])
        assert array.shape == (4, 6)
        np.testing.assert_array_equal(record["share"].reshape(4, 6), array)


@pytest.mark.parametrize(
    "stated",
    [
        {"crsTransform": None, "dimensions": None, "scale": 30, "region": [10, 4, 11, 5]},
        {"dimensions": None, "region": [10, 4.9, 10.1, 5]},
        {"dimensions": None, "region": [10, 4.9, 10.1, 5], "scale": 500},
        {"region": [10, 4.9, 10.1, 5]},
        {"crsTransform": None, "crs": "EPSG:4326"},
        {"crs": None, "crsTransform": None},
    ],
)
def test_an_export_that_does_not_state_its_grid_is_refused(
    server: EarthEngineServer, stated: dict[str, Any]
) -> None:
    before = server.operations.started
    given = {"crs": "EPSG:4326", "crsTransform": list(CORNER), "dimensions": "32x24", **stated}
    task = ee.batch.Export.image.toCloudStorage(
        image=image(),
        bucket=server.bucket,
        description="loose",
        **{key: value for key, value in given.items() if value is not None},
    )
    with pytest.raises(ee.EEException, match=r"strict: an export must state|without a geometry"):
        task.start()
    assert server.operations.started == before


def test_an_export_of_too_many_pixels_is_refused(server: EarthEngineServer) -> None:
    with pytest.raises(ee.EEException, match=r"Export too large: specified 768 pixels \(max: 767\)"):
        exported(image(), server, maxPixels=767).start()
    with pytest.raises(ee.EEException, match="Export too large"):
        exported(image(), server, dimensions="20000x10000").start()


def test_the_same_request_id_starts_one_operation(server: EarthEngineServer) -> None:
    before = server.operations.started
    config = exported(image(), server, "once/a", fileFormat="GeoTIFF").config
    names = {ee.data.exportImage("my-own-id", dict(config))["name"] for _ in range(3)}
    other = ee.data.exportImage("another-id", dict(config))["name"]
    assert len(names) == 1
    assert other not in names
    assert server.operations.started == before + 2
    listed = [operation["name"] for operation in ee.data.listOperations()]
    assert listed[:2] == [other, names.pop()]


def test_a_running_operation_is_cancelled_and_writes_nothing(server: EarthEngineServer) -> None:
    server.faults.operation_s = 30
    tasks = [exported(image(), server, f"never/{index}") for index in range(4)]
    for task in tasks:
        task.start()
    assert ee.data.getOperation(tasks[3].name)["metadata"]["state"] == "PENDING"
    for task in reversed(tasks):
        ee.data.cancelOperation(task.name)
    for task in tasks:
        operation = finish(server, task.name)
        assert (operation["done"], operation["metadata"]["state"]) == (True, "CANCELLED")
        assert operation["error"]["code"] == 1
    assert not list(server.storage.client.list_blobs(server.bucket, prefix="never/"))
    ee.data.cancelOperation(tasks[0].name)
    with pytest.raises(ee.EEException, match="not found"):
        ee.data.cancelOperation(tasks[0].name + "0")


def test_waiting_for_an_operation_ends_with_it(server: EarthEngineServer) -> None:
    task = exported(image(), server, "waited/a")
    task.start()
    wait = ee.data._get_cloud_projects().operations().wait
    operation = wait(name=task.name, body={"timeout": "20s"}).execute()
    assert (operation["done"], operation["metadata"]["state"]) == (True, "SUCCEEDED")


@pytest.mark.parametrize(
    ("fault", "words"), [({"failed_operations": 1}, "Internal error"), ({"full": True}, "Quota exceeded")]
)
def test_an_operation_fails_and_says_why(
    server: EarthEngineServer, fault: dict[str, Any], words: str
) -> None:
    vars(server.faults).update(fault)
    name = f"failed/{next(iter(fault))}"
    operation = run(server, exported(image(), server, name))
    assert (operation["done"], operation["metadata"]["state"]) == (True, "FAILED")
    assert words in operation["error"]["message"]
    assert not list(server.storage.client.list_blobs(server.bucket, prefix=name))
    server.faults.full = False
    assert run(server, exported(image(), server, name))["metadata"]["state"] == "SUCCEEDED"


def test_a_bucket_that_is_not_ours_cannot_be_written(server: EarthEngineServer) -> None:
    task = exported(image(), server, "a/b", bucket="somebody-elses")
    operation = run(server, task)
    assert operation["metadata"]["state"] == "FAILED"
    assert operation["error"]["message"] == "Unable to write to bucket somebody-elses (permission denied)."


def test_an_export_to_drive_lands_in_its_folder(tmp_path: Path) -> None:
    with sample_server(state=tmp_path) as server:
        task = ee.batch.Export.image.toDrive(
            image=image(),
            description="mine",
            folder="nightlights",
            crs="EPSG:4326",
            crsTransform=list(CORNER),
            dimensions="32x24",
        )
        metadata = run(server, task)["metadata"]
        assert metadata["destinationUris"] == ["https://drive.google.com/#folders/nightlights"]
    with rasterio.open(tmp_path / "drive" / "nightlights" / "mine.tif") as file:
        np.testing.assert_array_equal(file.read(1), expected("count"))


def ingest(name: str, *uris: str, overwrite: bool = False, **manifest: Any) -> str:
    """Start an ingestion; its operation's name."""
    source = {"sources": [{"uris": list(uris)}]}
    parameters = {"name": name, "tilesets": [source], **manifest}
    return str(ee.data.startIngestion(None, parameters, allow_overwrite=overwrite)["name"])


def same_pixels(name: str, bands: dict[str, str]) -> None:
    """Whether the asset's bands, masked where missing, are the pixels of :func:`image`."""
    got = pixels(ee.Image(name).unmask(ee.Image(-1), sameFootprint=False), grid=grid(width=32, height=24))
    for band, source in bands.items():
        wanted = expected(source)
        np.testing.assert_array_equal(got[band], np.where(wanted == -9999, -1, wanted))


def test_a_geotiff_becomes_an_asset_with_the_same_pixels(server: EarthEngineServer) -> None:
    run(server, exported(image(), server, "in/g", fileFormat="GeoTIFF", formatOptions={"noData": -9999}))
    name = f"{ASSETS}/from_geotiff"
    properties = {"model": "unet", "sha256": "0f", "scale": 2.5}
    started = ingest(
        name,
        f"gs://{server.bucket}/in/g.tif",
        properties=properties,
        startTime="2020-01-01T00:00:00Z",
        endTime="2021-01-01T00:00:00Z",
    )
    metadata = finish(server, started)["metadata"]
    assert (metadata["state"], metadata["type"]) == ("SUCCEEDED", "INGEST_IMAGE")
    assert name in metadata["description"]
    same_pixels(name, {"count": "count", "share": "share"})
    asset = ee.data.getAsset(name)
    assert (asset["type"], asset["properties"]) == ("IMAGE", properties)
    assert (asset["startTime"], asset["endTime"]) == ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z")
    assert asset["bands"][0]["grid"]["dimensions"] == {"width": 32, "height": 24}
    assert ee.Image(name).get("model").getInfo() == "unet"
    with pytest.raises(ee.EEException, match=r"Cannot overwrite asset"):
        ingest(name, f"gs://{server.bucket}/in/g.tif")
    again = ingest(name, f"gs://{server.bucket}/in/g.tif", overwrite=True, bands=[{"id": "light"}])
    assert finish(server, again)["metadata"]["state"] == "SUCCEEDED"
    assert ee.Image(name).bandNames().getInfo() == ["light"]
    assert "properties" not in ee.data.getAsset(name) or not ee.data.getAsset(name)["properties"]


def test_patches_with_their_mixer_become_an_asset(server: EarthEngineServer) -> None:
    options = {"patchDimensions": [8, 8], "compressed": True, "maxFileSize": 2000}
    run(server, exported(image(), server, "in/p", fileFormat="TFRecord", formatOptions=options))
    names = [blob.name for blob in server.storage.client.list_blobs(server.bucket, prefix="in/p")]
    uris = [f"gs://{server.bucket}/{name}" for name in names]
    assert len(uris) > 2
    name = f"{ASSETS}/from_patches"
    missing = {"missingData": {"values": [-9999]}}
    bands = [{"id": "renamed", "tilesetBandIndex": 1}, {"id": "count", "tilesetBandIndex": 0}]
    assert finish(server, ingest(name, *uris, bands=bands, **missing))["metadata"]["state"] == "SUCCEEDED"
    assert ee.Image(name).bandNames().getInfo() == ["renamed", "count"]
    same_pixels(name, {"renamed": "share", "count": "count"})
    short = finish(server, ingest(f"{ASSETS}/short", *uris[1:]))
    assert "The mixer says 12 patches" in short["error"]["message"]


def test_of_two_ingestions_of_one_name_the_second_fails(server: EarthEngineServer) -> None:
    run(server, exported(image(), server, "in/g", fileFormat="GeoTIFF"))
    server.faults.operation_s = 0.05
    started = [ingest(f"{ASSETS}/twice", f"gs://{server.bucket}/in/g.tif") for _ in range(2)]
    states = sorted(finish(server, name)["metadata"]["state"] for name in started)
    assert states == ["FAILED", "SUCCEEDED"]


def test_what_cannot_be_ingested_is_named(server: EarthEngineServer) -> None:
    missing = finish(server, ingest(f"{ASSETS}/nothing", f"gs://{server.bucket}/no/such.tif"))
    assert missing["error"]["message"] == f"Could not find object: gs://{server.bucket}/no/such.tif."
    with pytest.raises(ee.EEException, match=r"Asset '.*/no_folder' not found"):
        ingest(f"{ASSETS}/no_folder/image", f"gs://{server.bucket}/in/g.tif")
    with pytest.raises(ee.EEException, match="Invalid Cloud Storage URI"):
        ingest(f"{ASSETS}/image", "in/g.tif")
    with pytest.raises(ee.EEException, match='Unknown name "colour"'):
        ingest(f"{ASSETS}/image", f"gs://{server.bucket}/in/g.tif", colour="red")
    assert ee.data.getInfo(f"{ASSETS}/nothing") is None


def test_folders_hold_assets_and_properties_change(server: EarthEngineServer) -> None:
    folder = f"{ASSETS}/folder"
    assert ee.data.createFolder(folder)["type"] == "FOLDER"
    with pytest.raises(ee.EEException, match="Cannot overwrite asset"):
        ee.data.createFolder(folder)
    for index in range(3):
        ee.data.createFolder(f"{folder}/part_{index}")
    listed = ee.data.listAssets({"parent": folder, "pageSize": 2})
    assert [asset["name"] for asset in listed["assets"]] == [f"{folder}/part_0", f"{folder}/part_1"]
    assert len(ee.data.listAssets(folder)["assets"]) == 3
    assert folder in [asset["name"] for asset in ee.data.listAssets(ASSETS)["assets"]]
    ee.data.setAssetProperties(folder, {"one": "a", "two": 2})
    ee.data.setAssetProperties(folder, {"one": None, "three": "c"})
    assert ee.data.getAsset(folder)["properties"] == {"two": 2, "three": "c"}
    with pytest.raises(ee.EEException, match="has children"):
        ee.data.deleteAsset(folder)
    for index in range(3):
        ee.data.deleteAsset(f"{folder}/part_{index}")
    ee.data.deleteAsset(folder)
    assert ee.data.getInfo(folder) is None


def test_a_computed_image_becomes_an_asset_and_can_be_deleted(server: EarthEngineServer) -> None:
    name = f"{ASSETS}/computed"
    task = ee.batch.Export.image.toAsset(
        image=first_scene().toFloat(),
        description="to an asset",
        assetId=name,
        crs="EPSG:4326",
        crsTransform=list(CORNER),
        dimensions="32x24",
    )
    uris = run(server, task)["metadata"]["destinationUris"]
    assert uris == [f"https://code.earthengine.google.com/?asset={name}"]
    same_pixels(name, {"count": "count", "share": "share"})
    ee.data.deleteAsset(name)
    with pytest.raises(ee.EEException, match="not found"):
        pixels(ee.Image(name))


def test_cloud_storage_fails_and_recovers_for_its_users_alone(server: EarthEngineServer) -> None:
    from google.api_core.exceptions import ServiceUnavailable
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    options = {"api_endpoint": server.storage_url}
    user = storage.Client(project="user", credentials=AnonymousCredentials(), client_options=options)
    server.faults.storage_unavailable, server.faults.at_most = 1.0, 1_000
    assert run(server, exported(image(), server, "st/a"))["metadata"]["state"] == "SUCCEEDED"
    blob = user.bucket(server.bucket).blob("st/a.tif")
    server.faults.at_most = 1
    with pytest.raises(ServiceUnavailable):
        blob.reload(retry=None)
    blob.reload(retry=None)
    server.faults.storage_unavailable, server.faults.storage_cut = 0.0, 1.0
    whole = content(server, "st/a.tif")
    with pytest.raises(Exception, match=r"(?i)incomplete|broken|connection|bytes"):
        blob.download_as_bytes(retry=None)
    assert blob.download_as_bytes(retry=None) == whole


def test_operations_are_watched_while_many_ask(server: EarthEngineServer) -> None:
    server.faults.operation_s = 0.05
    tasks = [exported(image(), server, f"many/{index}") for index in range(6)]
    for task in tasks:
        task.start()
    threads = [threading.Thread(target=ee.data.listOperations) for _ in range(8)]
    for thread in threads:
        thread.start()
    for task in tasks:
        assert finish(server, task.name)["metadata"]["state"] == "SUCCEEDED"
    for thread in threads:
        thread.join()
    stored = [blob.name for blob in server.storage.client.list_blobs(server.bucket, prefix="many/")]
    assert stored == [f"many/{index}.tif" for index in range(6)]
