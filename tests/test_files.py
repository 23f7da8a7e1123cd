"""Files appear whole or not at all."""

import hashlib
from pathlib import Path

import pytest

from nightlights.errors import WorkspaceError
from nightlights.files import replacing, replacing_folder, sha256, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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
