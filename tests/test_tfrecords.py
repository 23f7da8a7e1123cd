"""TFRecord files: framing, examples and mixers against TensorFlow; predictions in the study's form."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from tfrecord_samples import example, mixer, write

from nightlights import cog
from nightlights.errors import DatasetError, RasterError
from nightlights.grid import Window
from nightlights.tfrecords.examples import encode_example, parse_example, read_examples
from nightlights.tfrecords.framing import read_records, write_records
from nightlights.tfrecords.mixer import Mixer
from nightlights.tfrecords.predictions import write_prediction_tfrecord

WINDOW = Window(46_800, 18_700, 5, 3)


def tensorflow_records(path: Path, compression: str = "") -> list[bytes]:
    return [record.numpy() for record in tf.data.TFRecordDataset(str(path), compression)]


@pytest.mark.parametrize("compressed", [True, False])
def test_tensorflow_reads_what_is_written(tmp_path: Path, compressed: bool) -> None:
    records = [b"", b"one", bytes(range(256)) * 300]
    write_records(tmp_path / "ours", records, compressed=compressed)
    assert tensorflow_records(tmp_path / "ours", "GZIP" if compressed else "") == records


@pytest.mark.parametrize("compression", ["GZIP", ""])
def test_what_tensorflow_writes_is_read(tmp_path: Path, compression: str) -> None:
    records = [b"", b"one", bytes(range(256)) * 300]
    assert list(read_records(write(tmp_path / "theirs.anything", records, compression))) == records


@settings(deadline=None, max_examples=25)
@given(records=st.lists(st.binary(max_size=60), max_size=5), compressed=st.booleans())
def test_any_records_come_back(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], compressed: bool
) -> None:
    path = tmp_path_factory.mktemp("records") / "any"
    write_records(path, records, compressed=compressed)
    assert list(read_records(path)) == records


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    write_records(tmp_path / "a.gz", [b"one", b"two"], compressed=True)
    header = (tmp_path / "a.gz").read_bytes()[:10]
    assert header[3] == 0, "a file name would follow"
    assert header[4:8] == bytes(4), "the time"


@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_file_is_named_wherever_it_ends(tmp_path: Path, compressed: bool) -> None:
    whole, path = tmp_path / "whole", tmp_path / "part.tfrecord.gz"
    write_records(whole, [b"first record", b"second record"], compressed=compressed)
    content = whole.read_bytes()
    border = 12 + len(b"first record") + 4
    for length in range(3, len(content)):
        if not compressed and length == border:
            continue  # nobody can tell that more records were to follow
        path.write_bytes(content[:length])
        with pytest.raises(
            DatasetError, match=r"part\.tfrecord\.gz is truncated.* [012] whole records\."
        ) as caught:
            list(read_records(path))
        assert caught.value.message.count(".") == 3 and caught.value.remedy


@pytest.mark.parametrize("compressed", [True, False])
def test_every_changed_byte_is_noticed(tmp_path: Path, compressed: bool) -> None:
    whole, path = tmp_path / "whole", tmp_path / "changed.tfrecord"
    write_records(whole, [b"first record", b"second record"], compressed=compressed)
    content = whole.read_bytes()
    noticed = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            # The gzip header has bytes that mean nothing, such as the time.
            assert list(read_records(path)) == [b"first record", b"second record"]
        except DatasetError as error:
            assert "changed.tfrecord" in error.message
            noticed += 1
    assert noticed >= len(content) - (10 if compressed else 0)


def test_files_that_are_no_tfrecords_are_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("These are notes, not records of anything.")
    with pytest.raises(DatasetError, match=r"notes\.txt is no TFRecord file"):
        list(read_records(tmp_path / "notes.txt"))
    (tmp_path / "table.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 20))
    with pytest.raises(DatasetError, match=r"table\.gz is no TFRecord file"):
        list(read_records(tmp_path / "table.gz"))
    with pytest.raises(DatasetError, match="cannot be read"):
        list(read_records(tmp_path / "absent"))
    write_records(tmp_path / "texts", [b"\xff\xff\xff no example"], compressed=True)
    with pytest.raises(DatasetError, match=r"Record 1 of texts is no tf\.train\.Example"):
        list(read_examples(tmp_path / "texts"))


NUMBERS = arrays.arrays(np.float32, st.integers(1, 20), elements=st.floats(width=32, allow_nan=False))


@settings(deadline=None, max_examples=40)
@given(values=st.dictionaries(st.text(max_size=8), NUMBERS, max_size=4))
def test_examples_agree_with_tensorflow_both_ways(values: dict[str, NDArray[np.float32]]) -> None:
    theirs = tf.train.Example.FromString(encode_example(values))
    assert {name: list(f.float_list.value) for name, f in theirs.features.feature.items()} == {
        name: array.tolist() for name, array in values.items()
    }
    ours = parse_example(example(values))
    assert {name: array.tolist() for name, array in ours.items()} == {
        name: array.tolist() for name, array in values.items()
    }
    assert all(array.dtype == np.float32 for array in ours.values())


def test_whole_numbers_and_texts() -> None:
    features = tf.train.Features(
        feature={
            "row": tf.train.Feature(int64_list=tf.train.Int64List(value=[5, -7])),
            "id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"00"])),
        }
    )
    values = parse_example(tf.train.Example(features=features).SerializeToString())
    assert list(values) == ["row"] and values["row"].tolist() == [5, -7]
    theirs = tf.train.Example.FromString(encode_example({"row": np.array([5, -7])}))
    assert list(theirs.features.feature["row"].int64_list.value) == [5, -7]


def test_floats_that_a_writer_did_not_pack_are_read() -> None:
    def block(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    loose = b"".join(b"\x0d" + np.float32(value).tobytes() for value in (1.5, -2.0))
    entry = block(1, b"B1") + block(2, block(2, loose))
    record = block(1, block(1, entry))
    assert list(tf.train.Example.FromString(record).features.feature["B1"].float_list.value) == [1.5, -2.0]
    assert parse_example(record)["B1"].tolist() == [1.5, -2.0]


MATRIX = [0.00025, 0.0, 15.0, 0.0, -0.00025, -4.0]


def test_a_mixer_is_read_and_written_as_earth_engine_does(tmp_path: Path) -> None:
    read = Mixer.read(mixer(tmp_path / "m_mixer.json", MATRIX, (256, 128), 3, 6, extra="ignored"))
    assert read == Mixer("EPSG:4326", Affine(*MATRIX), 256, 128, 3, 6)
    assert read.shape == (256, 768)
    read.write(tmp_path / "again.json")
    written = json.loads((tmp_path / "again.json").read_text())
    original = json.loads((tmp_path / "m_mixer.json").read_text())
    original.pop("extra")
    assert written == original


@pytest.mark.parametrize(
    ("length", "kernel", "margins"),
    [
        (256 * 256, None, (0, 0)),
        (256 * 256, (1, 1), (0, 0)),
        (384 * 384, None, (128, 128)),
        (257 * 257, None, (1, 1)),
        (300 * 260, (44, 4), (44, 4)),
        (256 * 256 - 1, None, None),
        (255 * 255, None, None),
        (0, None, None),
        (384 * 384, (64, 64), None),
    ],
)
def test_the_margin_follows_from_the_length(
    length: int, kernel: tuple[int, int] | None, margins: tuple[int, int] | None
) -> None:
    assert Mixer("EPSG:4326", Affine(*MATRIX), 256, 256, 1, 1).margins(length, kernel) == margins


@settings(deadline=None, max_examples=50)
@given(width=st.integers(1, 300), height=st.integers(1, 300), margin=st.integers(0, 200))
def test_the_margin_of_any_patch_is_found(width: int, height: int, margin: int) -> None:
    length = (width + margin) * (height + margin)
    found = Mixer("EPSG:4326", Affine(*MATRIX), width, height, 1, 1).margins(length, None)
    assert found == (margin, margin)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patchesPerRow": 4}, "6 patches do not fill rows of 4"),
        ({"patchDimensions": [256]}, "patchDimensions"),
        ({"patchDimensions": [0, 256]}, "0 x 256 pixels"),
        ({"totalPatches": 0}, "totalPatches"),
        ({"projection": {"crs": "EPSG:4326"}}, "projection.affine"),
        ({"projection": {"crs": "EPSG:4326", "affine": {"doubleMatrix": [0.0] * 6}}}, "no extent"),
    ],
)
def test_a_broken_mixer_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = mixer(tmp_path / "city_mixer.json", MATRIX, (256, 256), 3, 6, **changes)
    with pytest.raises(DatasetError, match=r"city_mixer\.json") as caught:
        Mixer.read(path)
    assert words in caught.value.message


def test_something_else_is_no_mixer(tmp_path: Path) -> None:
    (tmp_path / "x_mixer.json").write_text("[1, 2")
    with pytest.raises(DatasetError, match=r"x_mixer\.json is no mixer"):
        Mixer.read(tmp_path / "x_mixer.json")


def test_a_prediction_becomes_patches_that_tensorflow_puts_together(tmp_path: Path) -> None:
    light = np.random.default_rng(1).random(WINDOW.fine_shape, np.float32) * 80 - 1
    light[3, 5] = np.nan
    raster = tmp_path / "prediction.tif"
    cog.write_geotiff(
        raster, [(WINDOW, light)], window=WINDOW, fine=True, bands=["prediction"], units=["nW/cm²/sr"]
    )
    records, mixer_path = write_prediction_tfrecord(raster, tmp_path / "out", 32)
    read = json.loads(mixer_path.read_text())
    assert (read["patchDimensions"], read["patchesPerRow"], read["totalPatches"]) == ([32, 32], 3, 6)
    assert read["projection"]["crs"] == "EPSG:4326"
    assert Affine(*read["projection"]["affine"]["doubleMatrix"]) == WINDOW.fine_transform
    shape = {"prediction": tf.io.FixedLenFeature([32, 32], tf.float32)}
    patches = [
        tf.io.parse_single_example(record, shape)["prediction"].numpy()
        for record in tensorflow_records(records)
    ]
    whole = np.vstack([np.hstack(patches[start : start + 3]) for start in (0, 3)])
    expected = np.where(np.isnan(light), -9999, light)
    assert np.array_equal(whole[:48, :80], expected)
    assert (whole[48:] == -9999).all() and (whole[:, 80:] == -9999).all()


def test_a_raster_elsewhere_is_no_prediction(tmp_path: Path) -> None:
    raster = tmp_path / "viirs.tif"
    cog.write_geotiff(
        raster,
        [(WINDOW, np.zeros(WINDOW.shape, np.float32))],
        window=WINDOW,
        fine=False,
        bands=["avg_rad"],
        units=["nW/cm²/sr"],
    )
    with pytest.raises(RasterError, match="analysis grid"):
        write_prediction_tfrecord(raster, tmp_path)
