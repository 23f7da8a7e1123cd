"""Files written whole: a temporary name, fsync, rename. A reader never sees a half-written file."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nightlights.errors import WorkspaceError

PARTIAL_PREFIX = ".partial-"
"""Names that begin with this are unfinished work: no listing shows them."""

_REMEDIES = {
    errno.ENOSPC: ("the disk is full", "Free some space, or choose another workspace folder."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or choose another workspace folder."),
    errno.EACCES: ("permission was denied", "Choose a folder that you may write to."),
    errno.EPERM: ("the operation is not permitted", "Choose a folder that you may write to."),
    errno.EROFS: ("the file system is read-only", "Choose a folder that you may write to."),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a folder with a shorter path."),
    errno.EISDIR: ("a folder is in its place", "Rename or remove that folder."),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "Choose another folder."),
}


@contextlib.contextmanager
def clear_os_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals at ``path`` into a :class:`WorkspaceError` with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        reason, remedy = _REMEDIES[error.errno]
        raise WorkspaceError(f"Cannot write {_told(path)}: {reason}.", remedy) from error


def _told(path: Path) -> Path:
    """``path`` as people know it: for unfinished work the folder that it lies in."""
    unfinished = (each for each in (*reversed(path.parents), path) if each.name.startswith(PARTIAL_PREFIX))
    first = next(unfinished, None)
    return path if first is None else first.parent


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents where they are missing.

    Raises
    ------
    WorkspaceError
        When it cannot be made: a file stands in its way, or nothing may be written there.
    """
    with clear_os_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, FileNotFoundError) as error:
            raise WorkspaceError(
                f"Cannot make the folder {folder}: {(error.strerror or 'it is impossible').lower()}.",
                "Choose another folder.",
            ) from error


def _partial(path: Path) -> Path:
    return path.with_name(f"{PARTIAL_PREFIX}{uuid.uuid4().hex[:8]}-{path.name}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; what was written there takes the place of ``path`` at the end.

    The temporary file keeps the suffix of ``path``, since some writers choose the format by it. It is
    removed when the block raises.

    Raises
    ------
    WorkspaceError
        When the disk is full or the folder may not be written.
    """
    make_folder(path.parent)
    with clear_os_errors(path):
        partial = _partial(path)
        try:
            yield partial
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            partial.replace(path)
            _sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` that takes its place, whole, at the end of the block.

    An older folder of that name is removed only after the new one is complete. The temporary folder is
    removed when the block raises.
    """
    make_folder(path.parent)
    with clear_os_errors(path):
        partial = _partial(path)
        partial.mkdir()
        old = _partial(path)
        try:
            yield partial
            for written in partial.rglob("*"):
                if written.is_file():
                    with written.open("rb") as handle:
                        os.fsync(handle.fileno())
            if path.exists():
                path.rename(old)
            partial.rename(path)
            _sync_folder(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path``, whole."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path``, whole. NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
