"""TFRecord files, written and read by protobuf's generated messages: nothing of the app's own code.

The messages are those of TensorFlow's ``example.proto`` and ``feature.proto``, and the frame that of its
``record_writer.cc``: length, checksum of the length, data, checksum of the data.
"""

import functools
import gzip
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import google_crc32c
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_LISTS = {
    "BytesList": (_FIELD.TYPE_BYTES, False),
    "FloatList": (_FIELD.TYPE_FLOAT, True),
    "Int64List": (_FIELD.TYPE_INT64, True),
}


@functools.lru_cache(maxsize=1)
def example_class() -> Any:
    """The message class of ``tensorflow.Example``."""
    file = descriptor_pb2.FileDescriptorProto(
        name="example_of_server.proto", package="served", syntax="proto3"
    )
    for name, (kind, packed) in _LISTS.items():
        values = file.message_type.add(name=name).field.add(
            name="value", number=1, label=_FIELD.LABEL_REPEATED, type=kind
        )
        if packed:
            values.options.packed = True
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(_LISTS, 1):
        feature.field.add(
            name=f"{name.removesuffix('List').lower()}_list",
            number=number,
            label=_FIELD.LABEL_OPTIONAL,
            type=_FIELD.TYPE_MESSAGE,
            type_name=f".served.{name}",
            oneof_index=0,
        )
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_STRING)
    entry.field.add(
        name="value",
        number=2,
        label=_FIELD.LABEL_OPTIONAL,
        type=_FIELD.TYPE_MESSAGE,
        type_name=".served.Feature",
    )
    features.field.add(
        name="feature",
        number=1,
        label=_FIELD.LABEL_REPEATED,
        type=_FIELD.TYPE_MESSAGE,
        type_name=".served.Features.FeatureEntry",
    )
    file.message_type.add(name="Example").field.add(
        name="features",
        number=1,
        label=_FIELD.LABEL_OPTIONAL,
        type=_FIELD.TYPE_MESSAGE,
        type_name=".served.Features",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("served.Example"))


def example(features: Mapping[str, Any]) -> bytes:
    """An ``Example``: numbers and arrays become lists of floats (row by row), strings lists of bytes."""
    message = example_class()()
    for name, value in features.items():
        feature = message.features.feature[name]
        if isinstance(value, (str, bytes)):
            feature.bytes_list.value.append(value.encode() if isinstance(value, str) else value)
        else:
            feature.float_list.value.extend(np.asarray(value, np.float32).ravel().tolist())
    return bytes(message.SerializeToString(deterministic=True))


def floats(record: bytes) -> dict[str, Any]:
    """The lists of floats of an ``Example``, by name."""
    message = example_class().FromString(record)
    return {
        name: np.array(feature.float_list.value, np.float32)
        for name, feature in message.features.feature.items()
        if feature.WhichOneof("kind") == "float_list"
    }


def _checksum(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def write(records: Iterable[bytes], *, compressed: bool) -> bytes:
    """The bytes of a file of ``records``."""
    parts = []
    for record in records:
        length = struct.pack("<Q", len(record))
        parts += [length, _checksum(length), record, _checksum(record)]
    whole = b"".join(parts)
    return gzip.compress(whole, 1, mtime=0) if compressed else whole


def read(data: bytes) -> Iterator[bytes]:
    """The records of a file; a wrong checksum or a short file raises ValueError."""
    data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    place = 0
    while place < len(data):
        head = data[place : place + 12]
        if len(head) < 12 or _checksum(head[:8]) != head[8:]:
            raise ValueError("TFRecord file is corrupted.")
        (length,) = struct.unpack("<Q", head[:8])
        record, check = (
            data[place + 12 : place + 12 + length],
            data[place + 12 + length : place + 16 + length],
        )
        if len(record) < length or _checksum(record) != check:
            raise ValueError("TFRecord file is corrupted.")
        yield record
        place += 16 + length
