"""What the numbers in a file mean: the study's scaling or physical units, and which bands there are.

The study (a 2023 course project on night-time radiance) divided surface reflectance of Collection 1 by
10,000, clamped brightness temperature to 273.15 .. 373.15 K and mapped it to 0 .. 1, and divided radiance
by 60 nW/cm2/sr.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import LANDSAT_BANDS, SENTINEL2_BANDS, STUDY_TRANSFORM, Band
from nightlights.errors import DatasetError
from nightlights.manifests import FileScaling

MISSING_VALUE: Final = -9999.0
"""Stands for a missing pixel in files that know no NaN; far outside every physical and scaled value."""
RADIANCE_BAND: Final = "avg_rad"
ROW, COLUMN = "viirs_row", "viirs_column"
"""Place of a patch: its north-west VIIRS pixel in the global grid. Our own exports carry them."""

_FREEZING: Final = 273.15
_TEMPERATURE_RANGE: Final = 100.0
_HOTTEST_SCALED: Final = 2.0
"""The study's scaled temperatures end at 1; temperatures in K begin far above this."""
_LANDSAT: Final = {band.name: band for band in LANDSAT_BANDS}
_STUDY: Final = {band.name.removeprefix("SR_"): band for band in LANDSAT_BANDS}
_EITHER: Final = {name: band for short, band in _STUDY.items() for name in (band.name, short)}
_SENTINEL2: Final = {band.name: band for band in SENTINEL2_BANDS}

STUDY_BANDS: Final = tuple(_STUDY)
"""B1 to B7, B10 and B11, as the study's files name them."""


@dataclass(frozen=True)
class StoredBand:
    """A band as it lies in a file: physical value = stored value x ``scale`` + ``offset``."""

    feature: str
    band: Band
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Form:
    """Which features of a record are which bands, and in which units they are stored.

    Attributes
    ----------
    radiance:
        Name of the feature that holds VIIRS radiance, or None where there is none.
    radiance_scale:
        Stored 1 is so much, in nW/cm2/sr.
    zero_is_missing:
        Whether a pixel that is 0 in every daytime band is missing, as where Earth Engine wrote a masked one.
    """

    scaling: FileScaling
    bands: tuple[StoredBand, ...]
    radiance: str | None
    radiance_scale: float
    zero_is_missing: bool

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature that a record must hold."""
        names = tuple(stored.feature for stored in self.bands)
        return names if self.radiance is None else (*names, self.radiance)

    def without_radiance(self) -> "Form":
        """The same for files whose radiance comes from elsewhere."""
        return replace(self, radiance=None)

    def daytime(self, stored: NDArray[np.float32]) -> NDArray[np.float32]:
        """Stored numbers, shape (bands, rows, columns), to physical units, NaN where missing."""
        values = stored.astype(np.float64)
        values[~np.isfinite(values) | (values == MISSING_VALUE)] = np.nan
        if self.zero_is_missing:
            values[:, (values == 0).all(axis=0)] = np.nan
        for index, band in enumerate(self.bands):
            values[index] = values[index] * band.scale + band.offset
        return values.astype(np.float32)

    def nighttime(self, stored: NDArray[np.float32]) -> NDArray[np.float32]:
        """Stored radiance of any shape to nW/cm2/sr, NaN where missing."""
        values = stored.astype(np.float64)
        values[~np.isfinite(values) | (values == MISSING_VALUE)] = np.nan
        return (values * self.radiance_scale).astype(np.float32)

    def check_plausible(self, name: str, example: Mapping[str, NDArray[Any]]) -> None:
        """Compare the temperatures of a record with what Earth has; ``name`` is the file's.

        Raises
        ------
        DatasetError
            When the other scaling must be meant.
        """
        for stored in self.bands:
            if stored.band.quantity != "brightness temperature" or stored.feature not in example:
                continue
            values = example[stored.feature]
            known = values[np.isfinite(values) & (values != MISSING_VALUE) & (values != 0)]
            if not known.size:
                continue
            middle = float(np.median(known))
            if (self.scaling == "study") != (middle < _HOTTEST_SCALED):
                other = "physical" if self.scaling == "study" else "study"
                raise DatasetError(
                    f"{name} cannot be in the {self.scaling} scaling: the median of {stored.feature} is "
                    f"{middle:.4g}.",
                    f"Import it with the {other} scaling.",
                )


def form_of(
    example: Mapping[str, NDArray[Any]],
    scaling: FileScaling,
    bands: Sequence[str] | None = None,
    radiance: str = RADIANCE_BAND,
) -> Form:
    """How to read files whose first record is ``example``.

    Parameters
    ----------
    bands:
        Features to take, in order. Unless given, the study's nine for the study's scaling; else every list
        that is as long as the longest: a satellite's bands in its order, then the others by their names.
    radiance:
        The feature that holds VIIRS radiance.

    Returns
    -------
    Form
        Names are not compared with ``example`` here, so that the error names the file and the record.
    """
    longest = max((array.size for array in example.values()), default=0)
    found = [
        name
        for name, array in example.items()
        if array.size == longest and name not in (radiance, ROW, COLUMN)
    ]
    if bands is None:
        bands = _expected(found, scaling)
    known = _known_bands(bands, scaling)
    stored = tuple(_stored(name, known.get(name) or Band(name=name, title=name), scaling) for name in bands)
    return Form(
        scaling=scaling,
        bands=stored,
        radiance=radiance,
        radiance_scale=STUDY_TRANSFORM.scale if scaling == "study" else 1.0,
        zero_is_missing=any(each.band.quantity == "brightness temperature" for each in stored),
    )


def _expected(found: Sequence[str], scaling: FileScaling) -> tuple[str, ...]:
    if scaling == "study":
        return tuple(_LANDSAT) if any(name.startswith("SR_") for name in found) else STUDY_BANDS
    # The order within a record is that of a hash table, which says nothing.
    order = {name: index for index, name in enumerate(_known_bands(found, scaling))}
    return tuple(sorted(found, key=lambda name: (order.get(name, len(order)), name)))


def _known_bands(names: Sequence[str], scaling: FileScaling) -> dict[str, Band]:
    """The satellite's bands that ``names`` mean. Landsat and Sentinel-2 both have a B2 and a B11."""
    if scaling == "study" or any(name.startswith("SR_") or name == "B10" for name in names):
        return _EITHER
    return _SENTINEL2


def _stored(name: str, band: Band, scaling: FileScaling) -> StoredBand:
    if scaling == "study" and band.quantity == "brightness temperature":
        return StoredBand(name, band, _TEMPERATURE_RANGE, _FREEZING)
    return StoredBand(name, band)
