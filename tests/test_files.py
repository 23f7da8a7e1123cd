"""Files appear whole or not at all."""

import ctypes
import errno
import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from data_samples import mounted_disk

from nightlights.errors import WorkspaceError
from nightlights.files import (
    clear_os_errors,
    remove_partial,
    replacing,
    replacing_folder,
    reserve_space,
    restore_folder,
    sha256,
    write_json,
    write_text,
)
from nightlights.workspace import Workspace


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    with mounted_disk(tmp_path / "small", 2) as folder:
        yield folder


def without_posix_fallocate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)


def refused_by_the_file_system(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, offset: int, length: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)


@pytest.fixture(params=["as here", "macOS", errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def allocation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way in which a system may or may not allocate space."""
    if request.param == "macOS":
        without_posix_fallocate(monkeypatch)
    elif isinstance(request.param, int):
        refused_by_the_file_system(request.param, monkeypatch)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".replacing.lock")


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError), replacing(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with replacing(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_a_folder_takes_the_place_of_the_old_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with replacing_folder(target) as partial:
        (partial / "one").write_text("1")
    with pytest.raises(RuntimeError), replacing_folder(target) as partial:
        (partial / "two").write_text("2")
        raise RuntimeError
    assert names(target) == ["one"]
    with replacing_folder(target) as partial:
        (partial / "three").write_text("3")
    assert names(target) == ["three"]
    assert names(tmp_path) == ["folder"]


class System:
    """The C library, whose exchange of two names fails as a file system would let it fail."""

    def __init__(self, code: int) -> None:
        self._code = code

    def _fail(self, *_: object) -> int:
        ctypes.set_errno(self._code)
        return -1

    renameat2 = renamex_np = _fail


def write_version(folder: Path, version: str) -> None:
    with replacing_folder(folder) as partial:
        for name in ("a", "b/c"):
            (partial / name).parent.mkdir(exist_ok=True)
            (partial / name).write_text(version)


def version_of(folder: Path) -> str:
    """The one version that all files of a whole folder have."""
    (version,) = {(folder / name).read_text() for name in ("a", "b/c")}
    return version


no_exchange = pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP])


@no_exchange
def test_a_folder_is_replaced_where_the_file_system_cannot_exchange_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: System(code))
    for version in ("old", "new"):
        write_version(tmp_path / "folder", version)
        assert version_of(tmp_path / "folder") == version and names(tmp_path) == ["folder"]


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ENOSPC])
def test_a_failing_exchange_leaves_the_old_folder_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    write_version(tmp_path / "folder", "old")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: System(code))
    with pytest.raises((OSError, WorkspaceError)):
        write_version(tmp_path / "folder", "new")
    assert version_of(tmp_path / "folder") == "old" and names(tmp_path) == ["folder"]


def failing(at: int, times: int = 1) -> Callable[..., None]:
    """``os.rename`` that fails at its call number ``at`` and the following ones, ``times`` in all."""
    rename, calls = os.rename, itertools.count(1)

    def fail(*arguments: Path) -> None:
        if at <= next(calls) < at + times:
            raise OSError(errno.EIO, "Input/output error")
        rename(*arguments)

    return fail


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_failing_rename_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, times: int, exchange: bool
) -> None:
    workspace = Workspace.open(tmp_path)
    folder = workspace.prediction_folder("a")
    write_version(folder, "old")
    with monkeypatch.context() as patched:
        if not exchange:
            patched.setattr(ctypes, "CDLL", lambda *_, **__: System(errno.ENOSYS))
        patched.setattr(os, "rename", failing(at, times))
        try:
            write_version(folder, "new")
        except OSError:
            expected = {"old"}
        else:
            expected = {"new"}
    if times == 1:
        assert {version_of(folder)} == expected
    # Where even the way back failed, the next start of the program brings the old folder back.
    Workspace.open(tmp_path)
    assert {version_of(folder)} == expected
    remove_partial(folder)
    assert names(folder.parent) == ["a"]


REPLACING = """
import ctypes, itertools, os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_files import System, write_version
folder, exchange, rename, calls = Path(sys.argv[1]), sys.argv[2] == "True", os.rename, itertools.count(1)
if not exchange:
    ctypes.CDLL = lambda *_, **__: System(38)
def die(*arguments):
    if next(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*arguments)
if int(sys.argv[3]):
    os.rename = die
for version in itertools.count():
    write_version(folder, str(version))
    print(version, flush=True)
"""


def replacing_process(folder: Path, *, exchange: bool, die_at: int = 0) -> "subprocess.Popen[str]":
    code = REPLACING.format(tests=str(Path(__file__).parent))
    arguments = [sys.executable, "-c", code, str(folder), str(exchange), str(die_at)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("die_at", [2, 3, 4])
def test_a_kill_between_two_renames_hides_the_old_folder_only_until_the_next_start(
    tmp_path: Path, die_at: int
) -> None:
    folder = Workspace.open(tmp_path).prediction_folder("a")
    write_version(folder, "old")
    process = replacing_process(folder, exchange=False, die_at=die_at)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    Workspace.open(tmp_path)
    assert version_of(folder) in {"old", "0"}
    write_version(folder, "next")
    remove_partial(folder)
    assert version_of(folder) == "next" and names(folder.parent) == ["a"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_kill_at_any_moment_leaves_a_whole_folder(tmp_path: Path, exchange: bool) -> None:
    folder, chance = tmp_path / "folder", random.Random(7)
    write_version(folder, "old")
    for _ in range(10):
        process = replacing_process(folder, exchange=exchange)
        assert process.stdout
        first = process.stdout.readline()
        until = time.monotonic() + chance.uniform(0, 0.05)
        while time.monotonic() < until:
            if exchange:
                assert version_of_moving(folder)
        process.kill()
        process.communicate()
        restore_folder(folder)
        assert int(version_of(folder)) >= int(first)
        remove_partial(folder)
        assert names(tmp_path) == ["folder"]


def test_two_processes_may_replace_and_restore_one_folder_in_two_steps(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    folder = workspace.prediction_folder("a")
    write_version(folder, "old")
    processes = [replacing_process(folder, exchange=False) for _ in range(2)]
    for process in processes:
        assert process.stdout and process.stdout.readline()
    for _ in range(200):
        Workspace.open(tmp_path)
        assert all(process.poll() is None for process in processes)
    for process in processes:
        process.kill()
        process.communicate()
    Workspace.open(tmp_path)
    assert version_of(folder)


def test_a_deleted_folder_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.open(tmp_path)
    folder = workspace.prediction_folder("a")
    write_version(folder, "new")
    # What is left when the process was killed while it removed the older folder.
    write_version(folder.with_name(".partial-previous-a"), "old")
    workspace.delete(folder)
    Workspace.open(tmp_path)
    assert names(folder.parent) == []


@pytest.mark.parametrize("exchange", [True, False])
def test_a_link_to_a_folder_is_replaced_and_what_it_leads_to_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: System(errno.ENOSYS))
    write_version(tmp_path / "elsewhere", "old")
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    write_version(tmp_path / "folder", "new")
    assert version_of(tmp_path / "folder") == "new" and version_of(tmp_path / "elsewhere") == "old"
    assert names(tmp_path) == ["elsewhere", "folder"]


def test_a_new_folder_reaches_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_version(tmp_path / "folder", "old")
    synced: list[int] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        if version_of(tmp_path / "folder") == "old":
            before.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    before: list[int] = []
    monkeypatch.setattr(os, "fsync", record)
    write_version(tmp_path / "folder", "new")
    written = [tmp_path / "folder", *(tmp_path / "folder").rglob("*")]
    assert {path.stat().st_ino for path in written} <= set(before)
    assert synced[-1] == tmp_path.stat().st_ino


def version_of_moving(folder: Path) -> str:
    """The version in a folder that is replaced meanwhile: opened once, it stays the same folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with open(os.open("a", os.O_RDONLY, dir_fd=descriptor)) as file:  # noqa: PTH123
            return file.read()
    except FileNotFoundError:
        # The older folder is being removed; the new one is there.
        return version_of_moving(folder)
    finally:
        os.close(descriptor)


def test_partial_files_of_other_targets_and_of_downloads_stay(tmp_path: Path) -> None:
    kept = [
        ".partial-0123abcd-ab",
        ".partial-1700000000123456-a",
        "a/.partial-1700000000123456-x",
        "a/b/keep",
    ]
    gone = [
        ".partial-0123abcd-a",
        ".partial-deleted-a",
        "a/.partial-0123abcd-m.keras-tiled.tif",
        "a/b/.partial-0123abcd-x",
    ]
    for name in (*kept, *gone):
        write_text(tmp_path / name, "x")
    remove_partial(tmp_path / "a")
    assert {name for name in (*kept, *gone) if (tmp_path / name).exists()} == set(kept)


def test_not_a_number_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"rmse": float("nan")})
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_in_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match=r"the disk is full\. Free some space"),
        replacing(tmp_path / "a.txt"),
        Path("/dev/full").open("w") as full,
    ):
        full.write("x")


def test_a_file_in_the_place_of_a_folder_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match=r"Cannot make the folder .*file.* Choose another"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


@pytest.mark.usefixtures("allocation")
@pytest.mark.parametrize("size", [0, 1, 3_000_001])
def test_reserved_space_is_zeros_and_really_taken(tmp_path: Path, size: int) -> None:
    with (tmp_path / "a").open("xb") as file:
        reserve_space(file.fileno(), size)
    assert (tmp_path / "a").read_bytes() == bytes(size)
    assert (tmp_path / "a").stat().st_blocks * 512 >= size


@pytest.mark.usefixtures("allocation")
def test_space_that_a_disk_has_not_is_refused_at_once(small_disk: Path) -> None:
    path = small_disk / "a"
    with (
        pytest.raises(WorkspaceError, match=r"the disk is full\. Free some space"),
        clear_os_errors(path),
        path.open("xb") as file,
    ):
        reserve_space(file.fileno(), 3_000_000)


def test_a_failing_disk_is_not_written_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused_by_the_file_system(errno.EIO, monkeypatch)
    with pytest.raises(OSError, match="nput/output error"), (tmp_path / "a").open("xb") as file:
        reserve_space(file.fileno(), 10)
    assert (tmp_path / "a").stat().st_size == 0
