"""Moving one file between the disk and Cloud Storage: in parts, resumed, checked, whole."""

import base64
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from nightlights.errors import EarthEngineError
from nightlights.files import PARTIAL_PREFIX, clear_os_errors, make_folder
from nightlights.progress import Progress

if TYPE_CHECKING:
    from nightlights.storage.store import StoredFile

_PART: Final = 8 * 2**20
"""Bytes in one request; what arrived stays when the next fails. Uploads want a multiple of 256 KiB."""


class Stopped(Exception):
    """Another thread's failure, or the user, ended this transfer."""


def safe_file_name(name: str) -> str:
    """The last part of a name in the bucket, as a file name that stays in its folder.

    Raises
    ------
    EarthEngineError
        When it could be read as another place, or would be hidden.
    """
    last = PurePosixPath(name).name
    if not last or last.startswith(".") or any(mark in last for mark in "\\\0\n\r"):
        raise EarthEngineError(
            f"Cloud Storage has a file that cannot be kept here by its name, {last[:80]!r}.",
            "Rename it in the bucket.",
        )
    return last


def digest(path: Path) -> str:
    """The CRC32C of a file in base64, as Cloud Storage gives it."""
    import google_crc32c

    # The package says that it is typed, but this class is not.
    make: Any = google_crc32c.Checksum
    checksum = make()
    with path.open("rb") as content:
        while block := content.read(2**20):
            checksum.update(block)
    return base64.b64encode(checksum.digest()).decode("ascii")


def _is(path: Path, file: "StoredFile") -> bool:
    """Whether ``path`` holds what is in the bucket."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.crc32c:
        return digest(path) == file.crc32c
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False)
    return file.md5 == base64.b64encode(md5.digest()).decode("ascii")


def fetch(
    blob: Any,
    file: "StoredFile",
    target: Path,
    retry: Any,
    arrived: Callable[[int], None],
    stop: threading.Event,
) -> None:
    """Fetch one file to ``target``, going on where an earlier call stopped.

    ``arrived`` is told the bytes of every part, also of those that were here before; ``stop`` ends the
    work between two parts.

    Raises
    ------
    EarthEngineError
        When it arrives damaged twice.
    Stopped
        When ``stop`` is set.
    """
    make_folder(target.parent)
    with clear_os_errors(target):
        if _is(target, file):
            arrived(file.size)
            return
        # The generation in its name: a file written anew in the bucket is not mixed with the old one.
        partial = target.with_name(f"{PARTIAL_PREFIX}{file.generation}-{target.name}")
        for _attempt in range(2):
            _append(blob, file, partial, retry, arrived, stop)
            if _is(partial, file):
                with partial.open("rb") as written:
                    os.fsync(written.fileno())
                partial.replace(target)
                return
            arrived(-file.size)
            partial.unlink()
        raise EarthEngineError(
            f"The file {target.name} arrives damaged from Cloud Storage.", "Try again, or export it again."
        )


def _append(
    blob: Any,
    file: "StoredFile",
    partial: Path,
    retry: Any,
    arrived: Callable[[int], None],
    stop: threading.Event,
) -> None:
    with partial.open("ab") as writing:
        if writing.tell() > file.size:
            writing.truncate(0)
            writing.seek(0)
        done = writing.tell()
        arrived(done)
        while done < file.size:
            if stop.is_set():
                raise Stopped
            last = min(done + _PART, file.size) - 1
            # Raw: a file with Content-Encoding gzip stays what its checksum belongs to.
            part = blob.download_as_bytes(start=done, end=last, raw_download=True, checksum=None, retry=retry)
            part = part[: last + 1 - done]
            if not part:
                return
            writing.write(part)
            writing.flush()
            done += len(part)
            arrived(len(part))


class _Reading:
    """A file that tells how much of it has been read."""

    def __init__(self, content: BinaryIO, size: int, progress: Progress) -> None:
        self._content = content
        self._size = size
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        part = self._content.read(size)
        done = self._content.tell()
        self._progress.update(
            done / 1e6, self._size / 1e6, unit="MB", message="Sending the file to Cloud Storage"
        )
        return part

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()


def send(blob: Any, path: Path, crc32c: str, generation: int, retry: Any, progress: Progress) -> None:
    """Send one file, in parts where it is large, in the place of ``generation`` (0: of none).

    Cloud Storage compares ``crc32c`` before the file becomes visible.
    """
    size = path.stat().st_size
    blob.crc32c = crc32c
    if size > _PART:
        blob.chunk_size = _PART
    with path.open("rb") as content:
        blob.upload_from_file(
            _Reading(content, size, progress),
            size=size,
            content_type="application/octet-stream",
            if_generation_match=generation,
            checksum=None,
            retry=retry,
        )
