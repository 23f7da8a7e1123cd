"""Files written whole: a temporary name, fsync, rename. A reader never sees a half-written file."""

import contextlib
import ctypes
import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nightlights.errors import WorkspaceError

PARTIAL_PREFIX = ".partial-"
"""Names that begin with this are unfinished work: no listing shows them."""

_PARTIAL = re.compile(re.escape(PARTIAL_PREFIX) + r"[0-9a-f]{8}-")
"""What :func:`replacing` and :func:`replacing_folder` write to; of no use once the writer has died."""

_PREVIOUS_PREFIX = f"{PARTIAL_PREFIX}previous-"
"""An older folder that was renamed away for a moment."""

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

    At every instant either the older folder of that name or the new one is at ``path``, whole; see
    :func:`move_folder`. The temporary folder is removed when the block raises.
    """
    make_folder(path.parent)
    with clear_os_errors(path):
        partial = _partial(path)
        partial.mkdir()
        try:
            yield partial
            move_folder(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def move_folder(new: Path, path: Path) -> None:
    """Move the folder ``new`` to ``path``, then remove what stood there.

    Both must be on one file system. An older folder changes places with the new one in a single step where
    the file system can do that (ext4, XFS, btrfs, tmpfs, APFS). Elsewhere it is renamed away first;
    :func:`restore_folder` brings it back when the process is killed between the two renames. A link to a
    folder is replaced, not the folder that it leads to.

    Raises
    ------
    OSError
        When a rename fails; ``path`` is as it was then, and ``new`` too.
    """
    for folder, _, names in os.walk(new):
        for name in names:
            with Path(folder, name).open("rb") as written:
                os.fsync(written.fileno())
        _sync_folder(Path(folder))
    restore_folder(path)
    try:
        new.rename(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR) or not _is_folder(path):
            raise
        if _exchange(new, path):
            _sync_folder(path.parent)
            # ``new`` is the older folder now.
            _remove(new)
        else:
            _replace_in_two_steps(new, path)
    _sync_folder(path.parent)


def _is_folder(path: Path) -> bool:
    return path.is_dir() or path.is_symlink()


def _remove(path: Path) -> None:
    """Remove a folder with all that is in it, or a file or link; what cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def restore_folder(path: Path) -> None:
    """Bring back the older folder ``path`` that a killed :func:`move_folder` had renamed away."""
    if os.path.lexists(_previous(path)):
        with _replacing_alone(path.parent):
            _restore(path)


def restore_folders(parent: Path) -> None:
    """:func:`restore_folder` for every folder in ``parent``."""
    for previous in parent.glob(f"{_PREVIOUS_PREFIX}*"):
        restore_folder(parent / previous.name.removeprefix(_PREVIOUS_PREFIX))


def _restore(path: Path) -> None:
    previous = _previous(path)
    if os.path.lexists(path):
        _discard(previous)
    elif os.path.lexists(previous):
        previous.rename(path)


def _previous(path: Path) -> Path:
    return path.with_name(f"{_PREVIOUS_PREFIX}{path.name}")


def _discard(folder: Path) -> None:
    """Rename ``folder`` to a name from which nothing is restored, then remove it."""
    if os.path.lexists(folder):
        partial = _partial(folder)
        folder.rename(partial)
        _remove(partial)


def _replace_in_two_steps(new: Path, path: Path) -> None:
    previous = _previous(path)
    with _replacing_alone(path.parent):
        _restore(path)
        path.rename(previous)
        try:
            new.rename(path)
        except BaseException:
            # Where this fails too, the next start brings it back; the first error is the one to show.
            with contextlib.suppress(OSError):
                previous.rename(path)
            raise
        _sync_folder(path.parent)
        # The new folder is in its place, whatever becomes of the older one.
        with contextlib.suppress(OSError):
            _discard(previous)


@contextlib.contextmanager
def _replacing_alone(parent: Path) -> Iterator[None]:
    """Let one process at a time replace or restore folders of ``parent`` in two steps."""
    descriptor = os.open(parent / ".replacing.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


_NO_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2
"""Of ``renameat2`` (Linux) and ``renamex_np`` (macOS)."""


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in a single step; False where the file system cannot do that."""
    system = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    try:
        if sys.platform == "darwin":
            status = system.renamex_np(*names, _RENAME_SWAP)
        else:
            status = system.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    except AttributeError:
        return False
    if status == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def remove_partial(path: Path) -> None:
    """Remove what killed writers of ``path`` left beside it and, where it is a folder, inside it.

    Nothing else may be writing ``path`` meanwhile. What a killed download left stays, since it goes on from
    there.
    """
    deleted = f"{PARTIAL_PREFIX}deleted-{path.name}"
    for beside in list(path.parent.glob(f"{PARTIAL_PREFIX}*-{glob.escape(path.name)}")):
        target = _PARTIAL.sub("", beside.name, count=1)
        if target in (path.name, _previous(path).name) or beside.name == deleted:
            _remove(beside)
    for inside in list(path.rglob(f"{PARTIAL_PREFIX}*")) if path.is_dir() else ():
        if _PARTIAL.match(inside.name):
            _remove(inside)


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


_ZEROS = bytes(1 << 20)
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


def reserve_space(descriptor: int, size: int) -> None:
    """Allocate ``size`` bytes of zeros for an empty file, so that later writes never meet a full disk.

    ``os.posix_fallocate`` where the system (macOS has none) and the file system support it; otherwise zeros
    are written.

    Raises
    ------
    OSError
        When the disk or the quota has less.
    """
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is not None and size > 0:
        try:
            allocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    offset = 0
    while offset < size:
        offset += os.pwrite(descriptor, memoryview(_ZEROS)[: size - offset], offset)
