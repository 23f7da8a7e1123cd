"""``tf.train.Example`` without TensorFlow: named lists of numbers, to and from bytes.

The messages are those of https://www.tensorflow.org/api_docs/python/tf/train/Example, numbered alike. A list
of floats lies packed in a file, that is as the bytes of a float32 array, and is read as these bytes: turning
65,536 Python numbers into an array would take a hundred times as long.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.errors import DatasetError
from nightlights.tfrecords.framing import read_records

Example = dict[str, NDArray[Any]]
"""Float32 or int64 arrays of one dimension by name; texts are left out."""

_PACKAGE: Final = "nightlights.example"


@cache
def _messages() -> tuple[Any, Any]:
    """The class of an example whose floats are bytes, and of one whose floats are numbers."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    pool = descriptor_pool.DescriptorPool()
    classes = []
    for variant, number_type in (("packed", kinds.TYPE_BYTES), ("plain", kinds.TYPE_FLOAT)):
        package = f"{_PACKAGE}.{variant}"
        file = descriptor_pb2.FileDescriptorProto(name=f"{variant}.proto", package=package, syntax="proto3")

        def message(name: str, *fields: tuple[str, int, int, str | None, bool]) -> None:
            made = file.message_type.add(name=name)  # noqa: B023 - called within this turn alone
            for title, number, kind, type_name, repeated in fields:
                made.field.add(
                    name=title,
                    number=number,
                    type=kind,
                    type_name=f".{package}.{type_name}" if type_name else None,  # noqa: B023
                    label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL,
                )

        message("FloatList", ("value", 1, number_type, None, True))
        message("IntegerList", ("value", 1, kinds.TYPE_INT64, None, True))
        message(
            "Feature",
            ("floats", 2, kinds.TYPE_MESSAGE, "FloatList", False),
            ("integers", 3, kinds.TYPE_MESSAGE, "IntegerList", False),
        )
        # A map is, in bytes, a repeated message of key and value.
        message(
            "Entry",
            ("key", 1, kinds.TYPE_STRING, None, False),
            ("value", 2, kinds.TYPE_MESSAGE, "Feature", False),
        )
        message("Features", ("entries", 1, kinds.TYPE_MESSAGE, "Entry", True))
        message("Example", ("features", 1, kinds.TYPE_MESSAGE, "Features", False))
        pool.Add(file)
        found = pool.FindMessageTypeByName(f"{package}.Example")
        classes.append(message_factory.GetMessageClass(found))
    return classes[0], classes[1]


def parse_example(record: bytes) -> Example:
    """The named numbers of a record.

    Raises
    ------
    ValueError
        When the bytes are no ``tf.train.Example``.
    """
    from google.protobuf.message import DecodeError

    packed, plain = _messages()
    try:
        message = packed.FromString(record)
        values: Example = {}
        for entry in message.features.entries:
            if entry.value.HasField("floats"):
                content = b"".join(entry.value.floats.value)
                # Writers that do not pack are allowed, and rare: such a list seems to be empty here.
                if len(content) % 4 or not content:
                    return _parse_plain(plain, record)
                values[entry.key] = np.frombuffer(content, "<f4").astype(np.float32, copy=False)
            elif entry.value.HasField("integers"):
                values[entry.key] = np.array(entry.value.integers.value, np.int64)
    except DecodeError:
        raise ValueError("these bytes are no tf.train.Example") from None
    return values


def _parse_plain(plain: Any, record: bytes) -> Example:
    values: Example = {}
    for entry in plain.FromString(record).features.entries:
        if entry.value.HasField("floats"):
            values[entry.key] = np.array(entry.value.floats.value, np.float32)
        elif entry.value.HasField("integers"):
            values[entry.key] = np.array(entry.value.integers.value, np.int64)
    return values


def encode_example(values: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays of any shape as a record: floats as float lists, whole numbers as integer lists."""
    packed, _ = _messages()
    message = packed()
    for name, array in values.items():
        entry = message.features.entries.add(key=name)
        if array.dtype.kind in "iu":
            entry.value.integers.value.extend(array.ravel().tolist())
        else:
            entry.value.floats.value.append(np.ascontiguousarray(array, "<f4").tobytes())
    record: bytes = message.SerializeToString()
    return record


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of a TFRecord file, in order.

    Raises
    ------
    DatasetError
        As :func:`~nightlights.tfrecords.framing.read_records`, and when a record is no example.
    """
    for number, record in enumerate(read_records(path), start=1):
        try:
            yield parse_example(record)
        except ValueError:
            raise DatasetError(
                f"Record {number} of {path.name} is no tf.train.Example.",
                "Choose files that Earth Engine exported as TFRecord.",
            ) from None
