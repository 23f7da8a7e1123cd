"""Moving files to and from Cloud Storage, against an emulator that the real client talks to."""

import base64
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from pydantic import SecretStr
from storage_emulator import BUCKET, StorageEmulator, storage_emulator

from nightlights.errors import Cancelled, EarthEngineError, WorkspaceError
from nightlights.settings import Settings
from nightlights.storage import BucketStore, open_bucket, transfers

__all__ = ["storage_emulator"]


@pytest.fixture
def store(storage_emulator: StorageEmulator) -> BucketStore:
    return open_bucket(Settings.from_environment())


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(transfers, "_PART", 2**18)
    return 2**18


def noise(size: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def media(requests: list[tuple[str, str]]) -> list[str]:
    return [path for method, path in requests if method == "GET" and "alt=media" in path]


class Recorder:
    def __init__(self, cancel_at: float = float("inf")) -> None:
        self.seen: list[tuple[float, float, str]] = []
        self._cancel_at = cancel_at

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        self.seen.append((done, total, unit))
        if done >= self._cancel_at:
            raise Cancelled


def test_lists_what_begins_with_a_prefix(store: BucketStore, storage_emulator: StorageEmulator) -> None:
    for name in ("a/2.tif", "a/1.tif", "ab.tif", "b/1.tif"):
        storage_emulator.put(name, name.encode())
    found = store.list("a/")
    assert [file.name for file in found] == ["a/1.tif", "a/2.tif"]
    expected = base64.b64encode(google_crc32c.Checksum(b"a/1.tif").digest()).decode()
    assert (found[0].size, found[0].crc32c) == (7, expected)
    assert store.list("nothing/") == ()


def test_fetches_many_files_and_tells_megabytes(
    store: BucketStore, storage_emulator: StorageEmulator, tmp_path: Path, small_parts: int
) -> None:
    contents = {f"run/part-{i}.gz": noise(i * small_parts + i, i) for i in range(6)}
    for name, content in contents.items():
        storage_emulator.put(name, content)
    progress = Recorder()
    paths = store.download(list(contents), tmp_path / "in", progress)
    assert [path.name for path in paths] == [name.removeprefix("run/") for name in contents]
    assert [path.read_bytes() for path in paths] == list(contents.values())
    total = sum(map(len, contents.values())) / 1e6
    assert progress.seen[-1] == (pytest.approx(total), pytest.approx(total), "MB")
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == sorted(p.name for p in paths)


def test_a_file_that_is_here_is_not_fetched_again(
    store: BucketStore, storage_emulator: StorageEmulator, tmp_path: Path
) -> None:
    storage_emulator.put("a.bin", b"first")
    store.download(["a.bin"], tmp_path)
    storage_emulator.requests.clear()
    store.download(["a.bin"], tmp_path)
    assert media(storage_emulator.requests) == []
    storage_emulator.put("a.bin", b"other")
    assert store.download(["a.bin"], tmp_path)[0].read_bytes() == b"other"


def test_goes_on_where_a_cancelled_download_stopped(
    store: BucketStore, storage_emulator: StorageEmulator, tmp_path: Path, small_parts: int
) -> None:
    content = noise(4 * small_parts)
    storage_emulator.put("a.bin", content)
    with pytest.raises(Cancelled):
        store.download(["a.bin"], tmp_path, Recorder(cancel_at=0.0))
    file = store.find("a.bin")
    assert file is not None
    partial = tmp_path / f".partial-{file.generation}-a.bin"
    partial.write_bytes(content[: 3 * small_parts])
    assert not (tmp_path / "a.bin").exists()
    storage_emulator.requests.clear()
    store.download(["a.bin"], tmp_path)
    assert len(media(storage_emulator.requests)) == 1
    assert (tmp_path / "a.bin").read_bytes() == content
    assert not partial.exists()


def test_a_damaged_beginning_is_fetched_anew(
    store: BucketStore, storage_emulator: StorageEmulator, tmp_path: Path, small_parts: int
) -> None:
    content = noise(2 * small_parts)
    storage_emulator.put("a.bin", content)
    file = store.find("a.bin")
    assert file is not None
    (tmp_path / f".partial-{file.generation}-a.bin").write_bytes(b"x" * small_parts)
    store.download(["a.bin"], tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == content


def every_third(status: int) -> Callable[[str, str], int | None]:
    count = iter(range(10_000))
    return lambda method, path: status if next(count) % 3 == 0 else None


@pytest.mark.parametrize("status", [503, 429, 0])
def test_survives_refusals_and_cut_connections(
    store: BucketStore,
    storage_emulator: StorageEmulator,
    tmp_path: Path,
    small_parts: int,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contents = {f"{i}.bin": noise(small_parts + 5, i) for i in range(3)}
    for name, content in contents.items():
        storage_emulator.put(name, content)
    monkeypatch.setattr(store, "_retry", store._retry.with_delay(initial=0.001, maximum=0.01))
    storage_emulator.fault = every_third(status)
    store.download(list(contents), tmp_path)
    sent = tmp_path / "sent.bin"
    sent.write_bytes(noise(3 * small_parts))
    store.upload(sent, "sent.bin")
    storage_emulator.fault = None
    assert {path.name: path.read_bytes() for path in tmp_path.glob("?.bin")} == contents
    assert storage_emulator.get("sent.bin") == sent.read_bytes()


def test_a_file_that_always_arrives_damaged_is_named_and_not_kept(
    store: BucketStore, storage_emulator: StorageEmulator, tmp_path: Path
) -> None:
    storage_emulator.put("a.bin", b"right")
    bucket = storage_emulator.storage
    bucket._store.write_bytes(f"{BUCKET}/a.bin", b"wrong")
    with pytest.raises(EarthEngineError, match=r"a\.bin arrives damaged"):
        store.download(["a.bin"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sends_a_file_once(
    store: BucketStore, storage_emulator: StorageEmulator, tmp_path: Path, small_parts: int
) -> None:
    path = tmp_path / "prediction.tif"
    path.write_bytes(noise(3 * small_parts + 11))
    progress = Recorder()
    first = store.upload(path, "published/prediction.tif", progress)
    assert storage_emulator.get(first.name) == path.read_bytes()
    assert progress.seen[-1][0] == pytest.approx(path.stat().st_size / 1e6)
    storage_emulator.requests.clear()
    assert store.upload(path, first.name) == first
    assert {method for method, _ in storage_emulator.requests} == {"GET"}
    path.write_bytes(b"changed")
    assert store.upload(path, first.name).generation != first.generation
    assert storage_emulator.get(first.name) == b"changed"


def test_an_empty_file_goes_there_and_back(
    store: BucketStore, storage_emulator: StorageEmulator, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    store.upload(tmp_path / "empty", "x/empty")
    assert store.download(["x/empty"], tmp_path / "in")[0].read_bytes() == b""


def test_deletes_what_is_there_and_minds_not_what_is_gone(
    store: BucketStore, storage_emulator: StorageEmulator
) -> None:
    storage_emulator.put("a", b"1")
    storage_emulator.put("b", b"2")
    store.delete(["a", "gone"])
    assert storage_emulator.names() == ["b"]


@pytest.mark.parametrize("name", ["a/..", "a/.hidden", "a\\b", "a/b\nc", "folder/.."])
def test_no_name_leads_out_of_the_folder(store: BucketStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(EarthEngineError, match="cannot be kept here"):
        store.download([name], tmp_path / "in")


def test_two_files_of_one_name_are_refused(store: BucketStore, tmp_path: Path) -> None:
    with pytest.raises(EarthEngineError, match="same name"):
        store.download(["a/x", "b/x"], tmp_path)


def test_a_full_disk_is_told(store: BucketStore, storage_emulator: StorageEmulator, tmp_path: Path) -> None:
    storage_emulator.put("a", b"1")
    (tmp_path / "in").write_text("a file where a folder should be")
    with pytest.raises(WorkspaceError):
        store.download(["a"], tmp_path / "in")


def test_no_bucket_is_named() -> None:
    with pytest.raises(EarthEngineError, match="No Cloud Storage bucket is named") as caught:
        open_bucket(Settings())
    assert "NIGHTLIGHTS_BUCKET" in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "not signed in"), (403, "may not"), (404, "does not exist"), (400, "HTTP 400")],
)
def test_refusals_are_one_sentence_without_the_buckets_name(
    store: BucketStore, storage_emulator: StorageEmulator, tmp_path: Path, status: int, words: str
) -> None:
    storage_emulator.fault = lambda method, path: status
    (tmp_path / "a").write_bytes(b"1")
    attempts = {
        "list": lambda: store.list("x"),
        "check": store.check,
        "upload": lambda: store.upload(tmp_path / "a", "a"),
    }
    for attempt in attempts.values():
        with pytest.raises(EarthEngineError, match=words) as caught:
            attempt()
        assert caught.value.remedy
        assert BUCKET not in f"{caught.value}{caught.value.__cause__}{store!r}"
        assert caught.value.__suppress_context__


def test_a_missing_bucket_and_a_missing_file_are_told(
    storage_emulator: StorageEmulator, store: BucketStore, tmp_path: Path
) -> None:
    absent = open_bucket(Settings(bucket=SecretStr("no-such-bucket")))
    with pytest.raises(EarthEngineError, match="bucket, or the file asked for in it, does not exist"):
        absent.check()
    with pytest.raises(EarthEngineError, match="no file run/absent"):
        store.download(["run/absent"], tmp_path)


def test_an_unreachable_service_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    store = open_bucket(Settings(bucket=SecretStr(BUCKET), request_deadline_s=0.05))
    with pytest.raises(EarthEngineError, match="cannot be reached"):
        store.list("x")


def test_a_broken_key_file_is_told_without_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    key = tmp_path / "key.json"
    key.write_text('{"private_key": "planted-secret"}')
    with pytest.raises(EarthEngineError, match="key of a service account") as caught:
        open_bucket(Settings(bucket=SecretStr(BUCKET), service_account_key=key))
    assert "planted" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_sign_in_of_earth_engine_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    home = tmp_path / ".config" / "earthengine"
    home.mkdir(parents=True)
    (home / "credentials").write_text('{"refresh_token": "planted-token", "project": "some-project"}')
    monkeypatch.setenv("HOME", str(tmp_path))
    store = open_bucket(Settings(bucket=SecretStr(BUCKET)))
    credentials = store._bucket.client._credentials
    assert (credentials.refresh_token, credentials.quota_project_id) == ("planted-token", "some-project")
    assert any("devstorage" in scope for scope in credentials.scopes)


def test_a_local_earth_engine_never_meets_the_real_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    with pytest.raises(EarthEngineError, match="emulator") as caught:
        open_bucket(Settings(bucket=SecretStr(BUCKET), earthengine_url="http://127.0.0.1:9"))
    assert "STORAGE_EMULATOR_HOST" in caught.value.remedy
