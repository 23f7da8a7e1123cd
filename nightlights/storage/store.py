"""The files of one bucket: listed, fetched, sent, deleted."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from nightlights.errors import EarthEngineError
from nightlights.progress import NoProgress, Progress
from nightlights.storage.failures import clear_storage_errors
from nightlights.storage.transfers import Stopped, digest, fetch, safe_file_name, send

_MOST_AT_ONCE: Final = 8
"""The client keeps ten connections; more threads would only wait."""
_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the bucket.

    Attributes
    ----------
    name:
        Its whole name, as ``nightlights/export/part.tfrecord.gz``.
    size:
        In bytes.
    crc32c, md5:
        Checksums in base64; composed files have no MD5.
    generation:
        Changes whenever the file is written anew.
    """

    name: str
    size: int
    crc32c: str
    md5: str | None
    generation: int
    updated: datetime | None


class BucketStore:
    """The files of one bucket. Names are whole names; none of its words tell the bucket's own.

    Parameters
    ----------
    bucket:
        A ``google.cloud.storage.Bucket``.
    requests_at_once:
        How many files are fetched at a time, eight at most.
    deadline_s:
        Longest time for one request with its repetitions, in seconds.
    """

    def __init__(self, bucket: Any, *, requests_at_once: int, deadline_s: float) -> None:
        from google.cloud.storage.retry import DEFAULT_RETRY

        self._bucket = bucket
        self._at_once = min(requests_at_once, _MOST_AT_ONCE)
        self._retry = DEFAULT_RETRY.with_timeout(deadline_s)

    def __repr__(self) -> str:
        return "BucketStore(the bucket of the settings)"

    def address(self, name: str) -> str:
        """The ``gs://`` address of a file, as Earth Engine wants it. It holds the bucket's name: a secret."""
        return f"gs://{self._bucket.name}/{name}"

    def check(self) -> None:
        """Try to list one file.

        Raises
        ------
        EarthEngineError
            When the bucket does not exist or may not be read.
        """
        with clear_storage_errors("read"):
            next(iter(self._bucket.list_blobs(max_results=1, retry=self._retry)), None)

    def list(self, prefix: str) -> tuple[StoredFile, ...]:
        """The files whose names begin with ``prefix``, sorted by name; markers of folders are left out."""
        with clear_storage_errors("read"):
            blobs = tuple(self._bucket.list_blobs(prefix=prefix, retry=self._retry))
        files = (_stored(blob) for blob in blobs if not blob.name.endswith("/"))
        return tuple(sorted(files, key=lambda file: file.name))

    def find(self, name: str) -> StoredFile | None:
        """The file ``name``, or None."""
        with clear_storage_errors("read"):
            blob = self._bucket.get_blob(name, retry=self._retry)
        return None if blob is None else _stored(blob)

    def download(
        self, names: Sequence[str], folder: Path, progress: Progress | None = None
    ) -> tuple[Path, ...]:
        """Fetch files into ``folder``, several at a time, whole and checked.

        Each takes the last part of its name. A file that is there already with the right checksum is not
        fetched; one that an earlier call began goes on where it stopped.

        Parameters
        ----------
        progress:
            Told in megabytes, from the calling thread.

        Returns
        -------
        tuple of Path
            In the order of ``names``.

        Raises
        ------
        EarthEngineError
            When a file does not exist, may not be read, or arrives damaged twice.
        WorkspaceError
            When the disk is full or the folder cannot be written.
        Cancelled
            When ``progress`` says so; what has arrived is kept.
        """
        targets = [folder / safe_file_name(name) for name in names]
        if len(set(targets)) < len(targets):
            raise EarthEngineError("Two files to fetch have the same name.", "Fetch them into two folders.")
        files = [self._existing(name) for name in names]
        count = _Count(sum(file.size for file in files))
        with ThreadPoolExecutor(self._at_once, "download") as threads:
            work = [
                threads.submit(self._fetch, file, target, count)
                for file, target in zip(files, targets, strict=True)
            ]
            try:
                for _ in _while_pending(work):
                    count.tell(progress or NoProgress(), "Fetching files from Cloud Storage")
            finally:
                count.stop.set()
        count.tell(progress or NoProgress(), "Fetched files from Cloud Storage")
        return tuple(targets)

    def upload(self, path: Path, name: str, progress: Progress | None = None) -> StoredFile:
        """Send the file at ``path`` as ``name``; one that is there with the same content is left alone.

        The checksum is computed here and compared by Cloud Storage before the file becomes visible.

        Returns
        -------
        StoredFile
            What is in the bucket now.

        Raises
        ------
        EarthEngineError
            When the bucket may not be written, or another program writes the same file at this moment.
        """
        size, crc32c = path.stat().st_size, digest(path)
        there = self.find(name)
        if there is not None and (there.size, there.crc32c) == (size, crc32c):
            return there
        with clear_storage_errors("write to"):
            blob = self._bucket.blob(name)
            generation = there.generation if there is not None else 0
            send(blob, path, crc32c, generation, self._retry, progress or NoProgress())
        sent = self.find(name)
        if sent is None or (sent.size, sent.crc32c) != (size, crc32c):
            raise EarthEngineError(
                "A file in the bucket is not what was just sent.",
                "Does another program write the same name? Try again.",
            )
        return sent

    def delete(self, names: Sequence[str]) -> None:
        """Remove files; those that are gone already are no error."""
        from google.api_core.exceptions import NotFound

        for name in names:
            with clear_storage_errors("write to"):
                try:
                    self._bucket.delete_blob(name, retry=self._retry)
                except NotFound:
                    continue

    def _existing(self, name: str) -> StoredFile:
        file = self.find(name)
        if file is None:
            raise EarthEngineError(
                f"Cloud Storage has no file {name}.", "Was it deleted, or is the task not finished yet?"
            )
        return file

    def _fetch(self, file: StoredFile, target: Path, count: "_Count") -> None:
        with clear_storage_errors("read"):
            blob = self._bucket.blob(file.name, generation=file.generation)
            fetch(blob, file, target, self._retry, count.add, count.stop)


class _Count:
    """Bytes of all files together, counted by several threads."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._lock = threading.Lock()
        self.stop = threading.Event()

    def add(self, size: int) -> None:
        with self._lock:
            self._done += size

    def tell(self, progress: Progress, message: str) -> None:
        progress.update(self._done / 1e6, self._total / 1e6, unit="MB", message=message)


def _while_pending(work: "Sequence[Future[None]]") -> Iterator[None]:
    """Give control back now and then until all is done; the first failure ends the rest."""
    pending = set(work)
    while pending:
        yield
        done, pending = wait(pending, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        failures = [error for each in done if (error := each.exception()) is not None]
        real = [error for error in failures if not isinstance(error, Stopped)]
        if real:
            for each in pending:
                each.cancel()
            raise real[0]


def _stored(blob: Any) -> StoredFile:
    return StoredFile(
        name=blob.name,
        size=int(blob.size or 0),
        crc32c=blob.crc32c or "",
        md5=blob.md5_hash,
        generation=int(blob.generation or 0),
        updated=blob.updated,
    )
