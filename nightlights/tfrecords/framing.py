"""TFRecord framing: records of bytes, each with its length and two checksums, gzipped or not.

A record is its length (8 bytes, little-endian), the masked CRC32C of these 8 bytes, the content, and the
masked CRC32C of the content, as https://www.tensorflow.org/tutorials/load_data/tfrecord describes.
"""

import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, cast

from nightlights.errors import DatasetError
from nightlights.files import replacing

_GZIP_MARK: Final = b"\x1f\x8b"
_MASK: Final = 0xA282EAD8
_HEAD: Final = struct.Struct("<QI")
_TAIL: Final = struct.Struct("<I")
_LARGEST_RECORD: Final = 2**30
"""A patch of 1024 x 1024 pixels and 100 bands has 0.4 GB; more is a file that nobody could read whole."""
_AGAIN: Final = "Download or copy it again."


def masked_crc(content: bytes) -> int:
    """The CRC32C of ``content``, rotated and shifted as the format wants it."""
    import google_crc32c

    crc = int(google_crc32c.value(content))
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a file, one after the other; every checksum is compared.

    Whether it is gzipped is told by its first bytes, not by its name.

    Raises
    ------
    DatasetError
        When the file is missing or cannot be read; when it is truncated, damaged or no TFRecord file, naming
        the record, counted from 1.
    """
    number = 1
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP_MARK
            raw.seek(0)
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw) if zipped else raw)
            while (record := _next(stream, path, number)) is not None:
                yield record
                number += 1
    except EOFError:
        raise _truncated(path, number) from None
    except (gzip.BadGzipFile, zlib.error):
        raise DatasetError(f"{path.name} is damaged in record {number}: it does not unzip.", _AGAIN) from None
    except OSError as error:
        reason = (error.strerror or "it is impossible").lower()
        raise DatasetError(f"{path} cannot be read: {reason}.", "Check the path.") from None


def _truncated(path: Path, number: int) -> DatasetError:
    return DatasetError(f"{path.name} is truncated: it ends after {number - 1} whole records.", _AGAIN)


def _next(stream: IO[bytes], path: Path, number: int) -> bytes | None:
    head = stream.read(_HEAD.size)
    if not head:
        return None
    if len(head) < _HEAD.size:
        raise _truncated(path, number)
    length, checksum = _HEAD.unpack(head)
    if masked_crc(head[:8]) != checksum or length > _LARGEST_RECORD:
        if number == 1:
            raise DatasetError(f"{path.name} is no TFRecord file.", "Choose another file.")
        raise DatasetError(f"{path.name} is damaged at the beginning of record {number}.", _AGAIN)
    content = stream.read(length)
    tail = stream.read(_TAIL.size)
    if len(content) < length or len(tail) < _TAIL.size:
        raise _truncated(path, number)
    if masked_crc(content) != _TAIL.unpack(tail)[0]:
        raise DatasetError(f"{path.name} is damaged in record {number}: its checksum is wrong.", _AGAIN)
    return content


def write_records(path: Path, records: Iterable[bytes], *, compressed: bool) -> None:
    """Write records to ``path``, whole; the same records give the same bytes.

    Raises
    ------
    WorkspaceError
        When the disk is full or the folder cannot be written.
    """
    with replacing(path) as partial, partial.open("wb") as raw:
        if compressed:
            # Without a name and a time, so that the same records give the same file.
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as zipped:
                _write(zipped, records)
        else:
            _write(raw, records)


def _write(stream: IO[bytes] | gzip.GzipFile, records: Iterable[bytes]) -> None:
    for record in records:
        length = struct.pack("<Q", len(record))
        stream.write(length + _TAIL.pack(masked_crc(length)))
        stream.write(record)
        stream.write(_TAIL.pack(masked_crc(record)))
