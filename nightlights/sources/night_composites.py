"""Robust composite of repeated night-time images: offsets removed, median, scatter measured.

A monthly composite of VIIRS has an offset of its own (up to 0.2 nW/cm2/sr), scatters by 10 to 40 % where it
is lit, and holds fires of hundreds of nW/cm2/sr. The median over months leaves out what shines in fewer than
half of them; the median absolute deviation measures how a single month scatters.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nightlights.errors import GridError
from nightlights.grid import Window
from nightlights.sources.raster_files import RasterFile

_SCALED_MAD: Final = 1.4826
"""Standard deviation over median absolute deviation, of a normal distribution."""
_HALF_KNOWN: Final = 0.5 - 1e-4
"""A warped pixel counts where this share of it is known, as in a mosaic."""
_FEWEST_FOR_FILLING: Final = 3
"""Images from which on a pixel that never varies is filling, not a measurement."""
_SAMPLE_SIDE: Final = 64
_SAMPLE_BLOCKS: Final = 64
"""Blocks of 64 x 64 pixels, spread over what a file covers, from which its offset is estimated."""
_PASSES: Final = 2
_ABOVE_DARK: Final = 3.0
"""Dark reaches this many times the distance from the lower quartile to the median above the median."""
_FEWEST_DARK: Final = 50
"""Pixels below which no offset is estimated."""


@dataclass(frozen=True, slots=True)
class NightComposite:
    """Several images of one place as one. All arrays have shape (height, width).

    Attributes
    ----------
    radiance:
        Median over the images after the offset of each is removed, nW/cm2/sr, float32, NaN where missing.
    scatter:
        Robust standard deviation of a single image (1.4826 x the median absolute deviation), nW/cm2/sr,
        float32; NaN where fewer than two images are known. The standard error of ``radiance`` is about
        1.25 x scatter / sqrt(images).
    images:
        How many images are known, float32.
    """

    radiance: NDArray[np.float32]
    scatter: NDArray[np.float32]
    images: NDArray[np.float32]


def compose(files: Sequence[RasterFile], window: Window, offsets: Mapping[Path, float]) -> NightComposite:
    """The robust composite of ``files`` in ``window``.

    Pixels with the very same value in all of three or more images are missing: VIIRS is never that exact,
    and rasters cut along a border are filled with 0 beyond it.

    Parameters
    ----------
    offsets:
        Of each file in nW/cm2/sr, see :func:`image_offsets`; 0 for files that it lacks.
    """
    beside = [file for file in files if file.touches(window)]
    stack = _stack(beside, window)
    for image, file in zip(stack, beside, strict=True):
        image -= np.float32(offsets.get(file.path, 0.0))
    images = np.isfinite(stack).sum(axis=0).astype(np.float32)
    radiance = _median(stack)
    scatter = np.float32(_SCALED_MAD) * _median(np.abs(stack - radiance))
    scatter[images < 2] = np.nan
    return NightComposite(radiance, scatter, images)


def image_offsets(files: Sequence[RasterFile]) -> dict[Path, float]:
    """The offset of each file in nW/cm2/sr, to four decimals: its dark pixels against the mean of all images.

    Files with the same cover are compared, so tiles and months may be mixed. Their middle offset is 0, since
    only differences can be measured; so is the offset of a file that shares its cover with no other, or
    that knows too few pixels.

    Raises
    ------
    RasterError
        When a file is truncated.
    """
    groups: dict[tuple[float, ...], list[RasterFile]] = {}
    for file in files:
        groups.setdefault(tuple(round(bound, 3) for bound in file.cover), []).append(file)
    offsets = dict.fromkeys((file.path for file in files), 0.0)
    for group in groups.values():
        for file, offset in zip(group, _offsets_of(group), strict=True):
            offsets[file.path] = offset
    return offsets


def repeated(files: Sequence[RasterFile]) -> bool:
    """Whether two of the files cover the same box, to a hundredth of a degree."""
    covers = [tuple(round(bound, 2) for bound in file.cover) for file in files]
    return len(set(covers)) < len(covers)


def _offsets_of(group: Sequence[RasterFile]) -> list[float]:
    """Of files that share one cover."""
    nothing = [0.0] * len(group)
    place = _window_within(group[0].cover)
    if place is None or len(group) == 1:
        return nothing
    samples = [_stack(group, block).reshape(len(group), -1) for block in _blocks(place)]
    stack = np.concatenate(samples, axis=1)
    stack = stack[:, _varies(stack)]
    known = np.isfinite(stack)
    offsets = np.zeros(len(group))
    # Where images lack other pixels each, what remains of their offsets is in the mean too.
    for _ in range(_PASSES):
        # Not the median: the image that it is taken from would seem to have no offset.
        mean = np.where(known, stack - offsets[:, None], 0).sum(axis=0) / known.sum(axis=0)
        dark = known & (mean <= _darkness(mean)) if mean.size else known
        enough = dark.sum(axis=1) >= _FEWEST_DARK
        if not enough.any():
            return nothing
        departures = (
            image[there] - mean[there] for image, there in zip(stack[enough], dark[enough], strict=True)
        )
        estimates = np.array([np.median(departure) for departure in departures])
        # Only differences can be measured: the middle offset is 0, and the composite keeps its level.
        offsets[enough] = estimates - np.median(estimates)
    return [round(float(offset), 4) for offset in offsets]


def _darkness(level: NDArray[np.float64]) -> float:
    """The radiance up to which pixels count as dark: what is not lit, whatever the noise of the darkness."""
    low, middle = np.percentile(level, [25, 50])
    return float(middle + _ABOVE_DARK * (middle - low))


def _window_within(cover: tuple[float, float, float, float]) -> Window | None:
    """The VIIRS pixels of a cover, cut off at the edge of the grid; None where there are none."""
    west, south, east, north = cover
    try:
        return Window.covering(max(west, -180.0), max(south, -65.0), min(east, 179.99), min(north, 75.0))
    except GridError:
        return None


def _blocks(window: Window) -> list[Window]:
    """Blocks that cover ``window``, or some of them spread over it where it is large."""
    if window.width * window.height <= _SAMPLE_BLOCKS * _SAMPLE_SIDE**2:
        return list(window.tiles(_SAMPLE_SIDE, _SAMPLE_SIDE))
    side = math.isqrt(_SAMPLE_BLOCKS)
    height, width = min(_SAMPLE_SIDE, window.height), min(_SAMPLE_SIDE, window.width)
    rows = np.linspace(window.row, window.row + window.height - height, side).astype(int)
    columns = np.linspace(window.column, window.column + window.width - width, side).astype(int)
    return [Window(int(column), int(row), width, height) for row in rows for column in columns]


def _stack(files: Sequence[RasterFile], window: Window) -> NDArray[np.float32]:
    """The images of ``window``, shape (images, height, width), NaN where missing or filling."""
    stack = np.full((len(files), *window.shape), np.nan, np.float32)
    for image, file in zip(stack, files, strict=True):
        values, known = file.on(window, fine=False)
        image[...] = np.where(known[0] >= _HALF_KNOWN, values[0], np.nan)
    enough = np.isfinite(stack).sum(axis=0) >= _FEWEST_FOR_FILLING
    stack[:, enough & ~_varies(stack)] = np.nan
    return stack


def _varies(stack: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether two images (the first axis) know a pixel and differ in it."""
    known = np.isfinite(stack)
    lowest = np.where(known, stack, np.inf).min(axis=0, initial=np.inf)
    highest = np.where(known, stack, -np.inf).max(axis=0, initial=-np.inf)
    return np.asarray(highest > lowest)


def _median(stack: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median over the first axis of what is known; NaN, without a warning, where nothing is."""
    known = np.isfinite(stack).any(axis=0)
    median = np.full(stack.shape[1:], np.nan, np.float32)
    if known.any():
        median[known] = np.nanmedian(stack[:, known], axis=0)
    return median
