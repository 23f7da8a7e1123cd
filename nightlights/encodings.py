"""How bands lie in files: Landsat quantities as 16-bit numbers, everything else as float32."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Band, Quantity

MISSING: Final = 0
"""The stored number of a missing pixel; Landsat's own fill value."""
_LARGEST: Final = 65_535


@dataclass(frozen=True, slots=True)
class Encoding:
    """A linear code: physical value = stored number x ``scale`` + ``offset``; 0 is missing."""

    scale: float
    offset: float

    def encode(self, values: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
        """Values in physical units (any shape, NaN where missing) to stored numbers.

        Values beyond what the code can hold become the nearest that it can.
        """
        numbers = np.rint((values.astype(np.float64) - self.offset) / self.scale)
        return np.where(np.isnan(numbers), MISSING, np.clip(numbers, 1, _LARGEST)).astype(np.uint16)


def decode(
    numbers: NDArray[np.uint16],
    encodings: Sequence[Encoding],
    *,
    band_axis: int,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Stored numbers of several bands to physical values.

    Parameters
    ----------
    numbers:
        Any shape that has the bands along ``band_axis``.
    encodings:
        The code of each band.
    out:
        Where to put the result; a new array unless given.

    Returns
    -------
    numpy.ndarray
        float32, same shape, NaN where missing.
    """
    shape = [1] * numbers.ndim
    shape[band_axis] = len(encodings)
    scale = np.array([encoding.scale for encoding in encodings], np.float32).reshape(shape)
    offset = np.array([encoding.offset for encoding in encodings], np.float32).reshape(shape)
    if band_axis == -1:
        # Written out along a row, so that numpy loops over rows instead of over a handful of bands.
        scale, offset = (np.tile(code, (numbers.shape[-2], 1)) for code in (scale, offset))
    values: NDArray[np.float32] = np.multiply(numbers, scale, out=out, dtype=np.float32)
    values += offset
    missing = numbers == MISSING
    if missing.any():
        values[missing] = np.nan
    return values


_BY_QUANTITY: dict[Quantity, Encoding] = {
    # Scale and offset of Collection 2 surface reflectance (USGS LSDS-1619): its numbers are kept as they are.
    "reflectance": Encoding(0.0000275, -0.2),
    # Steps of 0.01 K, a fifth of the noise of the thermal sensor, up to 655.35 K.
    "brightness temperature": Encoding(0.01, 0.0),
}


def encodings_of(bands: Sequence[Band]) -> tuple[Encoding, ...] | None:
    """The code of each band, or None where one of them must stay float32.

    A GeoTIFF has one data type for all its bands, so one band of an unknown quantity decides for all.
    """
    found = [_BY_QUANTITY.get(band.quantity) for band in bands]
    known = [encoding for encoding in found if encoding is not None]
    return tuple(known) if known and len(known) == len(found) else None
