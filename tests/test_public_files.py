"""Public files by address and SHA-256, from a real server that breaks off, refuses or lies."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from file_server import Fault, FileServer, file_server

from nightlights.errors import Cancelled, SourceError, WorkspaceError
from nightlights.progress import NoProgress
from nightlights.public_files import SOURCES_FILE, PublicFile, PublicSource, fetch_public_files

ONE = np.random.default_rng(1).bytes(400_000)
TWO = np.random.default_rng(2).bytes(150_000)
PIECE = 8192
"""Bytes that are read at a time; what a broken connection brings beyond the last piece is lost."""
SOURCE = PublicSource("Lights of a country", "An institute", "CC BY 4.0", "a repository (MIT)")
FILES = tuple(
    PublicFile(
        name,
        f"https://example.invalid/at-a-commit{path}",
        len(body),
        hashlib.sha256(body).hexdigest(),
        SOURCE,
    )
    for name, path, body in (("night/one.tif", "/one.tif", ONE), ("two.tif", "/2.tif", TWO))
)
PATHS = ("/at-a-commit/one.tif", "/at-a-commit/2.tif")


class Told:
    """Progress that remembers, and cancels once so many megabytes have come."""

    def __init__(self, cancel_at: float = float("inf")) -> None:
        self.steps: list[tuple[float, float, str, str]] = []
        self.cancel_at = cancel_at

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        self.steps.append((done, total, unit, message))
        if done > self.cancel_at:
            raise Cancelled


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server(dict(zip(PATHS, (ONE, TWO), strict=True))) as served:
        yield served


def fetch(server: FileServer, folder: Path, progress: Told | NoProgress | None = None) -> tuple[Path, ...]:
    return fetch_public_files(FILES, folder, progress or NoProgress(), server.url)


def assert_whole(folder: Path) -> None:
    """Both files are right, and beside them lies the list of sources alone."""
    assert (folder / "night" / "one.tif").read_bytes() == ONE
    assert (folder / "two.tif").read_bytes() == TWO
    assert {path.name for path in folder.iterdir()} == {"night", "two.tif", SOURCES_FILE}


def test_files_are_fetched_once_and_their_sources_lie_beside_them(server: FileServer, tmp_path: Path) -> None:
    told = Told()
    assert fetch(server, tmp_path, told) == (tmp_path / "night/one.tif", tmp_path / "two.tif")
    assert_whole(tmp_path)
    done = [step[0] for step in told.steps]
    assert done == sorted(done) and len(done) > 5
    assert {step[1:3] for step in told.steps} == {(0.55, "MB")} and done[-1] == 0.55
    assert "Fetching one.tif (1 of 2)" in {step[3] for step in told.steps}
    text = (tmp_path / SOURCES_FILE).read_text()
    assert "Lights of a country: An institute; CC BY 4.0; by way of a repository (MIT)." in text
    for file in FILES:
        assert f"| {file.name} | {file.size_bytes} | {file.sha256} | {file.address} |" in text
    assert len(server.requests) == 2
    fetch(server, tmp_path)
    assert len(server.requests) == 2


def test_a_connection_that_breaks_off_is_continued(server: FileServer, tmp_path: Path) -> None:
    server.fail(PATHS[0], Fault(after=12 * PIECE), Fault(after=9 * PIECE + 100))
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert server.of(PATHS[0]) == [None, f"bytes={12 * PIECE}-", f"bytes={21 * PIECE}-"]


def test_what_arrived_before_a_failure_is_kept_for_the_next_time(server: FileServer, tmp_path: Path) -> None:
    server.fail(PATHS[1], Fault(after=6 * PIECE), Fault(after=0))
    with pytest.raises(SourceError, match=r"broke off after 33% of two\.tif.*goes on from there"):
        fetch(server, tmp_path)
    assert not (tmp_path / "two.tif").exists()
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert server.of(PATHS[0]) == [None]
    assert server.of(PATHS[1]) == [None, *[f"bytes={6 * PIECE}-"] * 2]


def test_a_server_that_breaks_off_for_ever_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.fail(PATHS[0], *[Fault(after=PIECE)] * 9)
    with pytest.raises(SourceError, match="broke off"):
        fetch(server, tmp_path)
    assert len(server.of(PATHS[0])) == 5


def test_a_server_without_ranges_sends_all_of_it_again(server: FileServer, tmp_path: Path) -> None:
    server.ranges = False
    server.fail(PATHS[0], Fault(after=300_000))
    fetch(server, tmp_path)
    assert_whole(tmp_path)


def test_a_partial_answer_is_put_where_it_belongs(server: FileServer, tmp_path: Path) -> None:
    server.fail(PATHS[0], Fault(after=24 * PIECE), Fault(start=0))
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    (tmp_path / "two.tif").unlink()
    server.fail(PATHS[1], Fault(after=6 * PIECE), Fault(start=2 * PIECE))
    with pytest.raises(SourceError, match="does not hold"):
        fetch(server, tmp_path)


def test_other_content_is_refused_and_nothing_of_it_stays(server: FileServer, tmp_path: Path) -> None:
    # The same size, one byte another.
    server.files[PATHS[0]] = ONE[:-1] + bytes([ONE[-1] ^ 1])
    with pytest.raises(SourceError, match=r"one\.tif does not hold what .* \(its SHA-256 differs\)"):
        fetch(server, tmp_path)
    assert not list(tmp_path.rglob("*.tif")) and not list(tmp_path.rglob("*.part"))
    server.files[PATHS[0]] = ONE
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert server.of(PATHS[0]) == [None, None]


@pytest.mark.parametrize("body", [b"<html>Log in first</html>", bytes(500_000)])
def test_a_page_in_the_place_of_a_file_does_not_cost_what_has_arrived(
    server: FileServer, tmp_path: Path, body: bytes
) -> None:
    server.fail(PATHS[0], Fault(after=24 * PIECE), Fault(status=503))
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:\d+ refuses for the moment \(HTTP 503\).*later"):
        fetch(server, tmp_path)
    server.ranges = False
    server.fail(PATHS[0], Fault(body=body))
    with pytest.raises(SourceError, match="does not hold what this program expects"):
        fetch(server, tmp_path)
    server.ranges = True
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert server.of(PATHS[0])[-1] == f"bytes={24 * PIECE}-"


def test_a_file_that_is_gone_is_named_with_what_to_do(server: FileServer, tmp_path: Path) -> None:
    del server.files[PATHS[1]]
    with pytest.raises(
        SourceError, match=r"2\.tif is gone \(HTTP 404\)\. Update the program, or fetch the files"
    ):
        fetch(server, tmp_path)
    assert (tmp_path / "night" / "one.tif").read_bytes() == ONE


def test_offline_the_list_beside_the_files_tells_how_to_bring_them_by_hand(tmp_path: Path) -> None:
    with file_server({}) as gone:
        pass
    with pytest.raises(SourceError) as failure:
        fetch(gone, tmp_path)
    assert "cannot be reached: this machine seems to be offline" in failure.value.message
    assert str(tmp_path / SOURCES_FILE) in failure.value.remedy
    for file, body in zip(FILES, (ONE, TWO), strict=True):
        (tmp_path / file.name).parent.mkdir(exist_ok=True)
        (tmp_path / file.name).write_bytes(body)
    fetch(gone, tmp_path)
    assert_whole(tmp_path)


def test_a_cancelled_fetch_goes_on_where_it_stopped(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        fetch(server, tmp_path, Told(cancel_at=0.25))
    told = Told()
    fetch(server, tmp_path, told)
    assert_whole(tmp_path)
    (first, again) = server.of(PATHS[0])
    assert first is None and again is not None and int(again[6:-1]) >= 250_000
    assert told.steps[0][0] >= 0.25


def test_a_file_that_was_damaged_is_fetched_again(server: FileServer, tmp_path: Path) -> None:
    fetch(server, tmp_path)
    (tmp_path / "two.tif").write_bytes(TWO[:-1])
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert len(server.of(PATHS[0])) == 1 and len(server.of(PATHS[1])) == 2


def test_a_folder_that_cannot_be_written_is_told(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="Choose another folder"):
        fetch(server, tmp_path / "file")
    assert server.requests == []


def test_without_a_mirror_the_address_is_the_file_s_own() -> None:
    assert FILES[0].address_at(None) == FILES[0].address
    assert FILES[0].address_at("http://here:8000/") == "http://here:8000/at-a-commit/one.tif"
