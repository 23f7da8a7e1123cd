"""Files of patches, as the study's table exports are: one file, one region, one patch a record."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlights.cog import require_space
from nightlights.errors import DatasetError, GridError
from nightlights.files import clear_os_errors, make_folder
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.tfrecords.examples import Example, read_examples
from nightlights.tfrecords.study import COLUMN, MISSING_VALUE, ROW, Form


@dataclass(frozen=True)
class PatchFile:
    """What is known of a file once every record has been looked at.

    Attributes
    ----------
    side:
        Of a patch as stored, in pixels.
    count:
        Number of patches.
    places:
        Row and column of each patch's north-west VIIRS pixel, or None where the file does not tell.
    """

    path: Path
    side: int
    count: int
    places: tuple[tuple[int, int], ...] | None

    @property
    def viirs_side(self) -> int:
        """Of a patch, in whole VIIRS pixels."""
        return self.side // FINE_PER_VIIRS


def check_features(path: Path, number: int, example: Example, form: Form, length: int) -> None:
    """Refuse a record that lacks a feature of ``form``, or in which one has not ``length`` numbers.

    Raises
    ------
    DatasetError
        Naming the file, the record (counted from 1) and the band.
    """
    for name in form.features:
        if name not in example:
            has = ", ".join(example) or "none"
            raise DatasetError(
                f"{path.name} lacks the band {name} in record {number}.",
                f"Its bands: {has}. Export the file again, or say which bands to take.",
            )
        if example[name].size != length:
            raise DatasetError(
                f"{path.name} has {example[name].size:,} values of {name} in record {number} "
                f"instead of {length:,}.",
                "Export the file again.",
            )


def first_example(path: Path) -> Example:
    """The first record of a file.

    Raises
    ------
    DatasetError
        When there is none, or it cannot be read.
    """
    for example in read_examples(path):
        return example
    raise DatasetError(f"{path.name} holds no records.", "Did its export fail? Export it again.")


def scan(path: Path, form: Form, tell: Callable[[], None]) -> PatchFile:
    """Read every record of a file once.

    Parameters
    ----------
    tell:
        Called after every record; may raise to stop.

    Raises
    ------
    DatasetError
        When the file is truncated, damaged or empty, a record lacks a band, has another size, is no square,
        or only some of them tell their place.
    """
    side, places, number = 0, list[tuple[int, int]](), 0
    for number, example in enumerate(read_examples(path), start=1):
        if number == 1:
            side = _side(path, example, form)
            form.check_plausible(path.name, example)
        check_features(path, number, example, form, side * side)
        if ROW in example and COLUMN in example:
            places.append((_whole(path, number, example, ROW), _whole(path, number, example, COLUMN)))
        tell()
    if number == 0:
        first_example(path)
    if places and len(places) < number:
        raise DatasetError(
            f"{path.name} tells the place of {len(places)} of its {number} patches.",
            "Export the file again with viirs_row and viirs_column for all of them, or for none.",
        )
    file = PatchFile(path, side, number, tuple(places) or None)
    _check_places(file)
    return file


def _whole(path: Path, number: int, example: Example, name: str) -> int:
    """The one whole number of a feature."""
    values = example[name]
    if values.size != 1 or not np.isfinite(values[0]):
        raise DatasetError(
            f"{path.name} does not tell one number as {name} in record {number}.", "Export the file again."
        )
    return round(float(values[0]))


def _side(path: Path, example: Example, form: Form) -> int:
    check_features(path, 1, example, form, example.get(form.features[0], np.empty(0)).size)
    length = example[form.features[0]].size
    side = math.isqrt(length)
    if side * side != length or side < FINE_PER_VIIRS:
        raise DatasetError(
            f"{path.name} has {length:,} values of {form.features[0]} in record 1, which is no square patch "
            f"of at least {FINE_PER_VIIRS} x {FINE_PER_VIIRS} pixels.",
            "Patches of an image export need their mixer.json beside them.",
        )
    return side


def _check_places(file: PatchFile) -> None:
    if file.places is None:
        return
    if file.side % FINE_PER_VIIRS:
        raise DatasetError(
            f"{file.path.name} tells places, but its patches of {file.side} pixels are no whole number of "
            "VIIRS pixels.",
            f"Export patches whose side is a multiple of {FINE_PER_VIIRS}.",
        )
    for number, (row, column) in enumerate(file.places, start=1):
        try:
            Window(column, row, file.viirs_side, file.viirs_side)
        except GridError:
            raise DatasetError(
                f"{file.path.name} places record {number} beyond the VIIRS grid.", "Export the file again."
            ) from None


@dataclass(frozen=True)
class PatchArrays:
    """The patches of a file, unpacked into memory-mapped arrays in physical units.

    Attributes
    ----------
    daytime:
        float32, shape (patches, bands, rows, columns), NaN where missing.
    nighttime:
        float32, shape (patches, VIIRS rows, VIIRS columns), nW/cm2/sr, NaN where missing.
    """

    daytime: NDArray[np.float32]
    nighttime: NDArray[np.float32]


def unpack(file: PatchFile, form: Form, folder: Path) -> PatchArrays:
    """Unpack a file that :func:`scan` has seen, into ``folder``.

    A VIIRS pixel is the mean of the 16 x 16 pixels in it, and missing where more than half of them are.

    Raises
    ------
    DatasetError
        When the file has changed since.
    WorkspaceError
        When the disk is full.
    """
    side, viirs = file.viirs_side * FINE_PER_VIIRS, file.viirs_side
    shape = (file.count, len(form.bands), side, side)
    require_space(folder, 4 * math.prod(shape) + 100_000)
    make_folder(folder)
    with clear_os_errors(folder):
        daytime = np.lib.format.open_memmap(folder / "daytime.npy", "w+", np.float32, shape)
        nighttime = np.full((file.count, viirs, viirs), np.nan, np.float32)
        number = 0
        for number, example in enumerate(read_examples(file.path), start=1):
            if number > file.count:
                break
            check_features(file.path, number, example, form, file.side**2)
            bands = [example[stored.feature] for stored in form.bands]
            day = np.stack(bands).astype(np.float32).reshape(-1, file.side, file.side)
            daytime[number - 1] = form.daytime(day)[:, :side, :side]
            if form.radiance is not None:
                night = example[form.radiance].astype(np.float32).reshape(file.side, file.side)
                nighttime[number - 1] = footprint_means(form.nighttime(night)[:side, :side])
        if number != file.count:
            raise DatasetError(f"{file.path.name} has changed since it was read.", "Import it again.")
        daytime.flush()
    return PatchArrays(daytime, nighttime)


def footprint_means(radiance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Radiance on analysis pixels, NaN where missing, to means over 16 x 16; missing where half is not known.

    A VIIRS pixel repeated 16 x 16 times comes out as it was, bit by bit.
    """
    rows, columns = (length // FINE_PER_VIIRS for length in radiance.shape)
    blocks = radiance.astype(np.float64).reshape(rows, FINE_PER_VIIRS, columns, FINE_PER_VIIRS)
    known = ~np.isnan(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0.0).sum(axis=(1, 3))
    enough = count > FINE_PER_VIIRS**2 / 2
    return np.where(enough, total / np.maximum(count, 1), np.nan).astype(np.float32)


def encode_missing(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """NaN to the number that stands for it in files."""
    return np.where(np.isnan(values), np.float32(MISSING_VALUE), values)


def gap_between(viirs_side: int) -> int:
    """VIIRS pixels left missing between two patches that are no neighbours.

    A fifth of a patch and one more: a training patch that reached from one into the other would lack more
    than the fifth that is allowed unless the user says otherwise.
    """
    return viirs_side // 5 + 1


def side_by_side(count: int, viirs_side: int) -> tuple[tuple[int, int], ...]:
    """(row, column) of patches laid out in a square with gaps, from 0, in VIIRS pixels."""
    per_row = math.ceil(math.sqrt(count))
    step = viirs_side + gap_between(viirs_side)
    return tuple((index // per_row * step, index % per_row * step) for index in range(count))


def windows_of(places: Sequence[tuple[int, int]], viirs_side: int) -> Iterator[Window]:
    """The windows of patches of one size."""
    for row, column in places:
        yield Window(column, row, viirs_side, viirs_side)


def bounding(windows: Sequence[Window]) -> Window:
    """The smallest window that holds all of ``windows``."""
    row, column = min(each.row for each in windows), min(each.column for each in windows)
    south = max(each.row + each.height for each in windows)
    east = max(each.column + each.width for each in windows)
    return Window(column, row, east - column, south - row)
