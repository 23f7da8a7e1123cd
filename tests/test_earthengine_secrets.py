"""Bucket, key and token are planted, then looked for in everything that is written or printed."""

import json
import logging
import os
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from batch_samples import BRAZZAVILLE, export_request, fetched, make_workspace, play, request
from earthengine_server.failures import ServiceError
from earthengine_server.server import EarthEngineServer
from test_publishing import make_prediction

from nightlights.cli import main
from nightlights.errors import EarthEngineError, NightlightsError
from nightlights.jobs import JobStore
from nightlights.manifests import PublishRequest
from nightlights.settings import Settings
from nightlights.sources.earthengine import client
from nightlights.sources.earthengine.operations import list_operations
from nightlights.storage import BucketStore
from nightlights.task_files import fetch_request, fetch_title
from nightlights.workspace import Workspace

BUCKET = "planted-bucket-7f3a9c"
ABSENT = "planted-absent-bucket-51e0"
TOKEN = "ya29.planted-token-0a9b8c7d6e5f"  # noqa: S105 - planted
PLANTED = (BUCKET, ABSENT, TOKEN)


@pytest.fixture(scope="module")
def bucket_server() -> Iterator[EarthEngineServer]:
    with EarthEngineServer(bucket=BUCKET) as server:
        yield server


@pytest.fixture
def planted(
    bucket_server: EarthEngineServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[EarthEngineServer]:
    for name, value in bucket_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "64")
    monkeypatch.setenv("NIGHTLIGHTS_WORKSPACE", str(tmp_path / "workspace"))
    yield bucket_server
    play(bucket_server)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = make_workspace(tmp_path / "workspace")
    make_prediction(made)
    return made


def private_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def assert_nowhere(secrets: tuple[str, ...], folder: Path, *texts: str) -> None:
    for text in texts:
        assert not [secret for secret in secrets if secret in text], text
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in content], path


def test_work_that_succeeds_writes_and_prints_no_bucket(
    planted: EarthEngineServer,
    workspace: Workspace,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    play(planted, too_many=0.2, unavailable=0.2, cut=0.1, storage_cut=0.2)
    store = JobStore(workspace)
    job = store.submit("export", export_request("fetched", request()))
    assert store.wait(job.id).state == "done", store.log(job.id)
    daytime = next(each for each in list_operations(Settings.from_environment()) if "day" in each.description)
    fetching = store.submit("fetch", fetch_request(workspace, daytime), fetch_title(daytime))
    assert store.wait(fetching.id).state == "done", store.log(fetching.id)
    assert main(["upload", "city"]) == 0
    assert main(["tasks", "list"]) == 0
    assert main(["tasks", "list", "--json"]) == 0
    out = capfd.readouterr()
    newest = json.loads(out.out[out.out.index("[\n") :])[-1]
    assert "Cloud Storage: nightlights/exports/" in out.out
    exported = [row for row in json.loads(out.out[out.out.index("[\n") :]) if "daytime" in row["description"]]
    assert main(["tasks", "fetch", exported[0]["id"], "--folder", str(tmp_path / "files")]) == 0
    # Two tasks whose files have one name do not share a folder.
    assert all(main(["tasks", "fetch", row["id"]]) == 0 for row in exported)
    assert len(list((workspace.root / "downloads").glob("*/daytime.tif"))) == len(exported) == 2
    again = capfd.readouterr()
    assert newest and (tmp_path / "files" / "daytime.tif").is_file()
    assert main(["jobs", "list", "--json"]) == 0
    assert len(store.list("fetch")) == 4
    logs = (store.log(each.id) for each in store.list())
    texts = (*out, *again, *capfd.readouterr(), caplog.text, *logs)
    assert_nowhere(PLANTED, workspace.root, *texts)
    assert json.loads((workspace.dataset_folder("fetched") / "dataset.json").read_text())["source"]
    assert json.loads((workspace.prediction_folder("city") / "publication.json").read_text())["asset"]


def refuse(*_: Any) -> None:
    raise ServiceError(
        403, f"User does not have storage.objects.create access to the bucket {BUCKET} (gs://{BUCKET}/x/y)."
    )


def fail_with_the_name(*_: Any) -> None:
    raise RuntimeError(f"unexpected: https://storage.googleapis.com/{BUCKET}?access_token={TOKEN}")


def no_permission(patch: pytest.MonkeyPatch, server: EarthEngineServer) -> None:
    patch.setattr(server.storage, "put", refuse)
    patch.setattr(server.storage, "get", refuse)
    server.assets._assets.clear()


def bug(patch: pytest.MonkeyPatch, server: EarthEngineServer) -> None:
    patch.setattr(BucketStore, "list", fail_with_the_name)
    patch.setattr(BucketStore, "find", fail_with_the_name)


def silence(patch: pytest.MonkeyPatch, _: EarthEngineServer) -> None:
    patch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    patch.setenv("NIGHTLIGHTS_REQUEST_DEADLINE_S", "0.5")


FAILURES = {
    "tasks may not use the bucket": no_permission,
    "the bucket is not there": lambda patch, _: patch.setenv("NIGHTLIGHTS_BUCKET", ABSENT),
    "the bucket does not answer": silence,
    "the sign-in has expired": lambda _, server: play(server, denied="expired_credentials"),
    "a bug": bug,
}


@pytest.mark.parametrize("failure", FAILURES)
def test_work_that_fails_writes_and_prints_no_bucket(
    planted: EarthEngineServer,
    workspace: Workspace,
    failure: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_REQUEST_DEADLINE_S", "3")
    fetched(tmp_path / "earlier", request(), {"brazzaville": BRAZZAVILLE})
    done = [each for each in list_operations(Settings.from_environment()) if each.state == "done"]
    FAILURES[failure](monkeypatch, planted)
    caplog.set_level(logging.INFO)
    told = []
    store = JobStore(workspace)
    # Earth Engine's refusal to write there does not stop a download.
    readable = failure == "tasks may not use the bucket"
    for kind, asked in (
        ("export", export_request("failing", request())),
        ("publish", PublishRequest(prediction="city")),
        ("fetch", fetch_request(workspace, done[0])),
    ):
        if kind == "fetch" and readable:
            store.run_in_foreground(kind, asked)
            continue
        with pytest.raises(NightlightsError) as caught:
            store.run_in_foreground(kind, asked)  # type: ignore[arg-type]
        told += traceback.format_exception(caught.value)
    assert main(["upload", "city"]) == 2
    main(["tasks", "fetch", done[0].id, "--folder", str(tmp_path / "files")])
    monkeypatch.setenv("NIGHTLIGHTS_DEBUG", "1")
    main(["tasks", "fetch", done[0].id, "--folder", str(tmp_path / "files")])
    assert {job.kind for job in store.list()} == {"export", "publish", "fetch"}
    for job in store.list():
        assert job.state == ("done" if job.kind == "fetch" and readable else "failed")
        told += [store.log(job.id), str(job.failure)]
    assert main(["jobs", "list", "--json"]) == 0
    assert_nowhere(PLANTED, workspace.root, *told, *capfd.readouterr(), caplog.text)


class _Refusing(BaseHTTPRequestHandler):
    """Where a key is changed for a token: it is refused, in words that name one."""

    def do_POST(self) -> None:
        body = json.dumps({"error": "invalid_grant", "error_description": f"Revoked: {TOKEN}"}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def token_url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("broken", [False, True])
def test_a_key_that_cannot_be_used_is_not_shown(
    workspace: Workspace,
    token_url: str,
    tmp_path: Path,
    broken: bool,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    pem = private_key()
    secret_lines = [line for line in pem.splitlines() if "KEY" not in line and len(line) > 20]
    key = {
        "type": "service_account",
        "project_id": "local-test",
        "private_key_id": "planted-key-id",
        "private_key": pem.replace(secret_lines[3], secret_lines[3][:-4]) if broken else pem,
        "client_email": "someone@local-test.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_url,
    }
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    for name in ("NIGHTLIGHTS_EARTHENGINE_URL", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NIGHTLIGHTS_SERVICE_ACCOUNT_KEY", str(path))
    monkeypatch.setenv("NIGHTLIGHTS_EARTHENGINE_PROJECT", "local-test")
    monkeypatch.setenv("NIGHTLIGHTS_BUCKET", BUCKET)
    monkeypatch.setenv("NIGHTLIGHTS_REQUEST_DEADLINE_S", "2")
    monkeypatch.setenv("NIGHTLIGHTS_WORKSPACE", str(workspace.root))
    client.disconnect()
    with pytest.raises(EarthEngineError) as caught:
        fetched(tmp_path / "x", request())
    assert main(["tasks", "list"]) == 2
    assert main(["upload", "city"]) == 2
    told = "".join(traceback.format_exception(caught.value))
    assert_nowhere((*PLANTED, *secret_lines), workspace.root, told, *capfd.readouterr(), caplog.text)
    client.disconnect()
    assert os.environ["NIGHTLIGHTS_BUCKET"] == BUCKET
