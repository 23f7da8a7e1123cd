"""Classes of radiance: errors where it is dark say little about errors where it is bright."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

DIM_FROM: Final = 0.5
"""Lower bound of the class dim, in nW/cm2/sr: about what the monthly VIIRS composites can tell from dark."""

BRIGHT_FROM: Final = 5.0
"""Lower bound of the class bright, in nW/cm2/sr: the built-up parts of towns and cities."""


class RadianceClass(NamedTuple):
    """A class of measured radiance.

    Attributes
    ----------
    name:
        In tables.
    lower, upper:
        In nW/cm2/sr, ``lower <= radiance < upper``; None where the class is open.
    """

    name: str
    lower: float | None
    upper: float | None


CLASSES: Final = (
    RadianceClass("dark", None, DIM_FROM),
    RadianceClass("dim", DIM_FROM, BRIGHT_FROM),
    RadianceClass("bright", BRIGHT_FROM, None),
)
"""The classes, dark first. A pixel's class follows from what was measured, never from what was predicted."""


def class_of(measured: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index into :data:`CLASSES` of every radiance in nW/cm2/sr, same shape."""
    return np.digitize(measured, [DIM_FROM, BRIGHT_FROM])
