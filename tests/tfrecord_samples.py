"""TFRecord files in the study's form, written by TensorFlow itself, with values that tests can name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B10", "B11")
SIDE = 32
"""Of a patch in analysis pixels: two VIIRS pixels."""


def physical(
    file: int, patch: int, side: int = SIDE, bands: int = 9
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bands in physical units, shape (bands, side, side), and VIIRS radiance, shape (side / 16, side / 16).

    Every file, patch, band and pixel has its own; all are whole steps of what a dataset stores.
    """
    rows, columns = np.indices((side, side))
    place = (rows * 3 + columns * 7) % 50
    numbers = [8000 + 600 * file + 60 * patch + 200 * band + place for band in range(min(bands, 7))]
    day = [number * 0.0000275 - 0.2 for number in numbers]
    day += [285 + file + 0.1 * patch + 0.5 * band + 0.01 * place for band in range(bands - len(day))]
    viirs_rows, viirs_columns = np.indices((side // 16, side // 16))
    return np.stack(day), 2.0 * file + 0.25 * patch + viirs_rows + 0.5 * viirs_columns


def study_features(file: int, patch: int, side: int = SIDE) -> dict[str, NDArray[np.float32]]:
    """What the study's export of :func:`physical` holds."""
    day, night = physical(file, patch, side)
    features = {
        name: (values - 273.15) / 100 if name in ("B10", "B11") else values
        for name, values in zip(BANDS, day, strict=True)
    }
    features["avg_rad"] = np.kron(night, np.ones((16, 16))) / 60
    return {name: values.astype(np.float32) for name, values in features.items()}


def example(features: Mapping[str, NDArray[Any] | float]) -> bytes:
    """A record as TensorFlow makes it."""
    made = {
        name: tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(values)))
        for name, values in features.items()
    }
    record: bytes = tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()
    return record


def write(path: Path, records: Sequence[bytes], compression: str = "GZIP") -> Path:
    """Write records with TensorFlow."""
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type=compression)) as writer:
        for record in records:
            writer.write(record)
    return path


def write_study_file(path: Path, file: int, patches: int = 2, side: int = SIDE) -> Path:
    """One file of the study's patches."""
    return write(path, [example(study_features(file, patch, side)) for patch in range(patches)])


def mixer(
    path: Path, matrix: Sequence[float], patch: tuple[int, int], per_row: int, total: int, **changes: Any
) -> Path:
    """A mixer as Earth Engine writes it."""
    content = {
        "projection": {"crs": "EPSG:4326", "affine": {"doubleMatrix": list(matrix)}},
        "patchDimensions": list(patch),
        "patchesPerRow": per_row,
        "totalPatches": total,
        **changes,
    }
    path.write_text(json.dumps(content))
    return path
