"""Public files fetched by address and SHA-256: kept, resumed, with their source and licence beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from nightlights.cog import require_space
from nightlights.errors import SourceError
from nightlights.files import PARTIAL_PREFIX, clear_os_errors, make_folder, write_text
from nightlights.progress import Progress

if TYPE_CHECKING:
    from requests import Response

SOURCES_FILE: Final = "SOURCES.md"
"""Beside the files: where each comes from, its size, SHA-256 and licence."""

_PARTS: Final = f"{PARTIAL_PREFIX}downloads"
"""Within the folder of the files: what has arrived of those that are not whole."""
_ATTEMPTS: Final = 5
"""Connections for one file; one that brings nothing is the last."""
_TIMEOUT_S: Final = (10.0, 15.0)
"""To connect, and between two pieces of an answer."""
_CHUNK: Final = 1 << 13
"""Bytes read at a time; fewer are lost when a connection breaks off."""


@dataclass(frozen=True, slots=True)
class PublicSource:
    """Who made some files, on which terms, and who distributes them.

    Attributes
    ----------
    title, holder, licence:
        What it is, whose, and on which terms it may be used.
    distributor:
        Where the files lie, and the licence of that place.
    """

    title: str
    holder: str
    licence: str
    distributor: str

    @property
    def attribution(self) -> str:
        """One sentence to be kept with whatever is made of the files."""
        return f"{self.title}: {self.holder}; {self.licence}; by way of {self.distributor}."


@dataclass(frozen=True, slots=True)
class PublicFile:
    """A file that does not change.

    Attributes
    ----------
    name:
        Path within the folder that it is fetched into, with ``/``.
    address:
        Where it is, pinned to a version.
    size_bytes, sha256:
        What arrives there, and nothing else.
    """

    name: str
    address: str
    size_bytes: int
    sha256: str
    source: PublicSource

    def address_at(self, mirror: str | None) -> str:
        """The address, with ``mirror`` in the place of scheme and host."""
        return self.address if mirror is None else mirror.rstrip("/") + urlsplit(self.address).path


def fetch_public_files(
    files: Sequence[PublicFile], folder: Path, progress: Progress, mirror: str | None = None
) -> tuple[Path, ...]:
    """Fetch every file that is not in ``folder`` yet; gives their paths.

    A file is there when its SHA-256 is right, also where it was put there by hand. One that was broken off
    goes on where it stopped, also in a later call. :data:`SOURCES_FILE` is written first: it lists what to
    fetch by hand.

    Parameters
    ----------
    progress:
        In megabytes of all files.
    mirror:
        Scheme and host to ask in the place of the files' own.

    Raises
    ------
    SourceError
        When a file cannot be fetched, which the sentence explains, or arrives with another content.
    WorkspaceError
        When the disk is full or the folder cannot be written.
    Cancelled
        When ``progress`` says so; what has arrived is kept.
    """
    make_folder(folder)
    write_text(folder / SOURCES_FILE, sources_text(files))
    with clear_os_errors(folder):
        missing = [file for file in files if not _is_there(file, folder)]
        require_space(folder, sum(file.size_bytes for file in missing))
        total = sum(file.size_bytes for file in files)
        kept = total - sum(file.size_bytes for file in missing)
        for number, file in enumerate(missing, start=1):
            message = f"Fetching {PurePosixPath(file.name).name} ({number} of {len(missing)})"

            def arrived(count: int, before: int = kept, message: str = message) -> None:
                progress.update((before + count) / 1e6, total / 1e6, unit="MB", message=message)

            _fetch(file, folder, file.address_at(mirror), arrived)
            kept += file.size_bytes
        if (folder / _PARTS).is_dir():
            # Empty but for parts of files that have been put in their place by hand meanwhile.
            for part in (folder / _PARTS).iterdir():
                part.unlink()
            (folder / _PARTS).rmdir()
    progress.update(total / 1e6, total / 1e6, unit="MB", message="Fetched")
    return tuple(folder / file.name for file in files)


def sources_text(files: Sequence[PublicFile]) -> str:
    """Markdown: the sources with their licences, and a row a file."""
    lines = ["# Sources and licences", ""]
    for source in dict.fromkeys(file.source for file in files):
        lines += [f"- {source.attribution}"]
    lines += [
        "",
        "Files that cannot be fetched here may be fetched elsewhere and put at the paths below; a file with "
        "the right SHA-256 is taken as it is.",
        "",
        "| path | bytes | SHA-256 | address |",
        "|---|---|---|---|",
        *(f"| {file.name} | {file.size_bytes} | {file.sha256} | {file.address} |" for file in files),
        "",
    ]
    return "\n".join(lines)


def _is_there(file: PublicFile, folder: Path) -> bool:
    # Not at the top: importing the package costs a fifth of a second.
    import pooch

    path = folder / file.name
    return path.is_file() and bool(pooch.file_hash(str(path)) == file.sha256)


def _fetch(file: PublicFile, folder: Path, address: str, arrived: Callable[[int], None]) -> None:
    import pooch

    name = PurePosixPath(file.name).name
    part = folder / _PARTS / f"{name}.part"
    download = _Download(file, part, arrived, folder / SOURCES_FILE)
    # Its messages on standard error would repeat the progress.
    pooch.get_logger().setLevel("ERROR")
    make_folder(part.parent)
    try:
        whole = pooch.retrieve(
            address, f"sha256:{file.sha256}", fname=name, path=part.parent, downloader=download
        )
    except ValueError as error:
        raise _other_content(address) from error
    make_folder((folder / file.name).parent)
    Path(whole).replace(folder / file.name)


def _other_content(address: str) -> SourceError:
    return SourceError(
        f"{address} does not hold what this program expects (its SHA-256 differs); it was discarded.",
        "A proxy or login page may have answered in its place: try again on another network. If it stays so, "
        "update the program.",
    )


@dataclass(frozen=True, slots=True)
class _Download:
    """A downloader for pooch that goes on where an earlier one stopped."""

    file: PublicFile
    part: Path
    arrived: Callable[[int], None]
    sources: Path

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Bring the whole file to ``output_file``."""
        from requests.exceptions import ConnectionError, RequestException, Timeout

        for attempt in range(_ATTEMPTS):
            before = self._size
            if before >= self.file.size_bytes:
                break
            try:
                self._append(url)
            except RequestException as error:
                # A connection that brought something may have had bad luck; the next goes on from there.
                if self._size > before and attempt + 1 < _ATTEMPTS:
                    continue
                offline = isinstance(error, ConnectionError | Timeout) and self._size == before
                raise self._unreachable(url) if offline else self._broken_off(url) from error
        if self._size != self.file.size_bytes:
            self.part.unlink(missing_ok=True)
            raise _other_content(url)
        self.part.replace(output_file)

    @property
    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _append(self, url: str) -> None:
        """Ask for what is missing and keep every piece of it as it comes."""
        import requests

        start = self._size
        # Compressed, the answer could not be continued at a byte of the file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
            self._check(response, url)
            if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                start = 0
            length = response.headers.get("Content-Length")
            if length is not None and int(length) != self.file.size_bytes - start:
                raise _other_content(url)
            with self.part.open("r+b" if start else "wb") as target:
                target.seek(start)
                self.arrived(start)
                for piece in response.iter_content(_CHUNK):
                    target.write(piece)
                    start += len(piece)
                    if start > self.file.size_bytes:
                        break
                    self.arrived(start)

    def _check(self, response: "Response", url: str) -> None:
        status = response.status_code
        if status in (404, 410):
            raise SourceError(f"{url} is gone (HTTP {status}).", f"Update the program, or {self._by_hand}")
        if status >= 400:
            raise SourceError(
                f"{urlsplit(url).netloc} refuses for the moment (HTTP {status}).",
                f"Try again later; what has arrived is kept. Or {self._by_hand}",
            )

    def _unreachable(self, url: str) -> SourceError:
        return SourceError(
            f"{urlsplit(url).netloc} cannot be reached: this machine seems to be offline, or the connection "
            "is blocked.",
            f"Connect it and start again; what has arrived is kept. Or {self._by_hand}",
        )

    def _broken_off(self, url: str) -> SourceError:
        return SourceError(
            f"The connection with {urlsplit(url).netloc} broke off after "
            f"{self._size / self.file.size_bytes:.0%} of {self.file.name}.",
            "Start again; it goes on from there.",
        )

    @property
    def _by_hand(self) -> str:
        return (
            f"fetch the files on another machine: {self.sources} lists their addresses and where to put them."
        )
