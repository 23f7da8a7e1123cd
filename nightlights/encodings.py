"""How bands lie in files: Landsat quantities as 16-bit numbers, everything else as float32."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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

    def decode(self, numbers: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Stored numbers (any shape) to physical values, float32, NaN where missing."""
        return _table(self.scale, self.offset)[numbers]


@cache
def _table(scale: float, offset: float) -> NDArray[np.float32]:
    table = (np.arange(_LARGEST + 1) * scale + offset).astype(np.float32)
    table[MISSING] = np.nan
    table.flags.writeable = False
    return table


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
