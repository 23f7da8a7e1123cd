"""Bands, their units and display, and the one place where values are scaled for a network.

Band numbers, wavelengths and the Collection 2 scale factors are those of the Landsat 8-9 Collection 2
Level 2 Science Product Guide (USGS LSDS-1619).
"""

from collections.abc import Collection, Sequence
from types import ModuleType
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from nightlights.records import Record

RADIANCE_UNIT = "nW/cm²/sr"
"""The unit of every radiance that is shown, stored or scored."""

Quantity = Literal["reflectance", "brightness temperature", "radiance", "other"]


class Band(Record):
    """One band of a daytime image.

    ``display_low`` and ``display_high`` are the values shown as black and white, in ``unit``.
    """

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1, max_length=64)
    title: str = ""
    quantity: Quantity = "other"
    unit: str = ""
    wavelength_um: float | None = None
    display_low: float = 0.0
    display_high: float = 1.0


def _optical(number: int, title: str, wavelength: float, high: float) -> Band:
    return Band(
        name=f"SR_B{number}",
        title=title,
        quantity="reflectance",
        unit="1",
        wavelength_um=wavelength,
        display_high=high,
    )


def _thermal(number: int, wavelength: float) -> Band:
    return Band(
        name=f"B{number}",
        title=f"Thermal infrared {number - 9}",
        quantity="brightness temperature",
        unit="K",
        wavelength_um=wavelength,
        display_low=285.0,
        display_high=320.0,
    )


LANDSAT_BANDS: tuple[Band, ...] = (
    _optical(1, "Coastal aerosol", 0.443, 0.25),
    _optical(2, "Blue", 0.482, 0.25),
    _optical(3, "Green", 0.561, 0.3),
    _optical(4, "Red", 0.655, 0.35),
    _optical(5, "Near infrared", 0.865, 0.5),
    _optical(6, "Shortwave infrared 1", 1.609, 0.5),
    _optical(7, "Shortwave infrared 2", 2.201, 0.4),
    _thermal(10, 10.9),
    _thermal(11, 12.0),
)
"""The nine inputs of the study: surface reflectance (unit 1) and brightness temperature (K)."""


def _multispectral(name: str, title: str, wavelength: float, high: float) -> Band:
    return Band(
        name=name,
        title=title,
        quantity="reflectance",
        unit="1",
        wavelength_um=wavelength,
        display_high=high,
    )


SENTINEL2_BANDS: tuple[Band, ...] = (
    _multispectral("B1", "Coastal aerosol", 0.444, 0.25),
    _multispectral("B2", "Blue", 0.497, 0.25),
    _multispectral("B3", "Green", 0.560, 0.3),
    _multispectral("B4", "Red", 0.665, 0.35),
    _multispectral("B5", "Red edge 1", 0.704, 0.35),
    _multispectral("B6", "Red edge 2", 0.740, 0.5),
    _multispectral("B7", "Red edge 3", 0.783, 0.5),
    _multispectral("B8", "Near infrared", 0.835, 0.5),
    _multispectral("B8A", "Near infrared, narrow", 0.865, 0.5),
    _multispectral("B9", "Water vapour", 0.945, 0.5),
    _multispectral("B11", "Shortwave infrared 1", 1.614, 0.5),
    _multispectral("B12", "Shortwave infrared 2", 2.202, 0.4),
)
"""Sentinel-2 Level 2A surface reflectance (unit 1); B10, the cirrus band, has none.

Names and central wavelengths (Sentinel-2A) as in Earth Engine's catalogue, COPERNICUS/S2_SR_HARMONIZED.
"""

COMPOSITES: dict[str, tuple[str, ...]] = {
    "True colour": ("SR_B4", "SR_B3", "SR_B2"),
    "False colour": ("SR_B5", "SR_B4", "SR_B3"),
    "Thermal": ("B10",),
}
"""Band names of Landsat shown as red, green and blue, or as one grey band."""

SENTINEL2_COMPOSITES: dict[str, tuple[str, ...]] = {
    "True colour": ("B4", "B3", "B2"),
    "False colour": ("B8", "B4", "B3"),
}
"""The same for Sentinel-2."""


def composites_of(names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The composites that an image with bands ``names`` can be shown as."""
    known = (*COMPOSITES.items(), *SENTINEL2_COMPOSITES.items())
    return {title: chosen for title, chosen in known if set(chosen) <= set(names)}


TAIL_REACH: Final = 4.0
"""Ranges of its samples above their least value that a band with a heavy tail is limited to."""
_TAIL_RATIO: Final = 6.0
"""(99.9th percentile - median) / (90th - median) from which a tail is heavy.

2.4 for a Gaussian, 3.9 for an exponential, 8 for a log-normal distribution with a sigma of 1.
"""


def heavy_tailed(bands: Sequence[Band], samples: NDArray[np.floating[Any]]) -> list[bool]:
    """Which bands have a few values far above all others, as people or buildings per pixel have.

    Reflectance and brightness temperature never count: their range is bounded by what they are.

    Parameters
    ----------
    samples:
        Shape (..., bands), in the bands' units; NaN where missing.
    """
    values = np.asarray(samples, np.float64).reshape(-1, len(bands))
    found = []
    for band, column in zip(bands, values.T, strict=True):
        known = column[np.isfinite(column)]
        if band.quantity in ("reflectance", "brightness temperature") or not len(known):
            found.append(False)
            continue
        median, high, extreme = np.percentile(known, (50, 90, 99.9))
        found.append(bool(extreme - median > _TAIL_RATIO * (high - median)))
    return found


def _knee(values: NDArray[np.float64]) -> float:
    """The median of the sizes that are not 0; 1 where there is none."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    return float(np.median(sizes)) if len(sizes) else 1.0


class Scaling(Record):
    """How the bands of an image become the inputs of a network, band by band.

    A value is limited to ``lower`` .. ``upper`` (both in the band's unit), then ``(value - center) /
    spread``. Where ``knee`` (in the band's unit) is above 0, ``arcsinh(value / knee)`` takes the place of
    the value in between: nearly linear below the knee, logarithmic above. Missing values become 0, the value
    of an average pixel.
    """

    model_config = ConfigDict(frozen=True)

    bands: tuple[str, ...] = Field(min_length=1)
    center: tuple[float, ...]
    spread: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    knee: tuple[float, ...] = Field(default=(), description="of each band, 0 for none; none at all if empty")

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        for name in ("center", "spread", "lower", "upper", "knee"):
            values = getattr(self, name)
            if len(values) != len(self.bands) and (name != "knee" or values):
                raise ValueError(f"{name} has {len(values)} values for {len(self.bands)} bands")
            if not all(np.isfinite(values)):
                raise ValueError(f"{name} must be finite")
        if min(self.spread) <= 0:
            raise ValueError("spread must be above 0")
        if self.knee and min(self.knee) < 0:
            raise ValueError("knee must not be below 0")
        return self

    @classmethod
    def study(cls, bands: Sequence[Band]) -> "Scaling":
        """The study's scaling: reflectance as it is, temperature 273.15 .. 373.15 K to 0 .. 1.

        Raises
        ------
        ValueError
            When a band is neither reflectance nor brightness temperature.
        """
        known = {
            "reflectance": (0.0, 1.0, 0.0, 1.0),
            "brightness temperature": (273.15, 100.0, 273.15, 373.15),
        }
        for band in bands:
            if band.quantity not in known:
                raise ValueError(f"the study's scaling does not know band {band.name}")
        center, spread, lower, upper = zip(*(known[band.quantity] for band in bands), strict=True)
        return cls(
            bands=tuple(band.name for band in bands), center=center, spread=spread, lower=lower, upper=upper
        )

    @classmethod
    def fitted(
        cls,
        bands: Sequence[str],
        samples: NDArray[np.floating[Any]],
        compressed: Sequence[bool] | None = None,
    ) -> "Scaling":
        """Mean 0 and standard deviation 1 over ``samples``, limited to 6 standard deviations.

        Parameters
        ----------
        bands:
            Names, in order.
        samples:
            Shape (pixels, bands), in the bands' units; NaN where missing. A band without spread keeps 1.
        compressed:
            Bands that an inverse hyperbolic sine goes before, see :func:`heavy_tailed`; none unless given.
            Their knee is the median of what is not 0. They are limited to :data:`TAIL_REACH` times the
            range of the samples, since 6 standard deviations would cut off the tail.
        """
        values = np.asarray(samples, dtype=np.float64).reshape(-1, len(bands))
        if compressed is not None and any(compressed):
            return cls._compressed(bands, values, compressed)
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / count
        deviation = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0) / count)
        deviation = np.where(deviation > 1e-12, deviation, 1.0)
        return cls(
            bands=tuple(bands),
            center=tuple(mean.tolist()),
            spread=tuple(deviation.tolist()),
            lower=tuple((mean - 6 * deviation).tolist()),
            upper=tuple((mean + 6 * deviation).tolist()),
        )

    @classmethod
    def _compressed(
        cls, bands: Sequence[str], values: NDArray[np.float64], compressed: Sequence[bool]
    ) -> "Scaling":
        chosen = np.asarray(compressed, bool)
        knee = np.array([_knee(column) if own else 0.0 for column, own in zip(values.T, chosen, strict=True)])
        stretched = np.where(chosen, np.arcsinh(values / np.where(chosen, knee, 1.0)), values)
        plain = cls.fitted(bands, stretched)
        lowest, highest = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        return cls(
            bands=tuple(bands),
            center=plain.center,
            spread=plain.spread,
            lower=tuple(np.where(chosen, lowest, plain.lower).tolist()),
            upper=tuple(np.where(chosen, lowest + TAIL_REACH * (highest - lowest), plain.upper).tolist()),
            knee=tuple(knee.tolist()),
        )

    def apply(self, image: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Scale ``image``, shape (..., bands), in the bands' units; float32 of the same shape."""
        limits = [np.asarray(values, np.float32) for values in (self.lower, self.upper)]
        center, spread = np.asarray(self.center, np.float32), np.asarray(self.spread, np.float32)
        limited = np.clip(image, *limits)
        if any(self.knee):
            knee = np.asarray(self.knee, np.float32)
            limited = np.where(knee > 0, np.arcsinh(limited / np.where(knee > 0, knee, 1)), limited)
        scaled = (limited - center) / spread
        return np.nan_to_num(scaled.astype(np.float32), nan=0.0)

    def undo(self, scaled: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Bands in their units from what :meth:`apply` gave, within the limits; shape (..., bands)."""
        values = np.asarray(scaled, np.float64) * np.asarray(self.spread) + np.asarray(self.center)
        if any(self.knee):
            knee = np.asarray(self.knee)
            values = np.where(knee > 0, np.sinh(np.where(knee > 0, values, 0.0)) * knee, values)
        result: NDArray[np.float64] = values
        return result


class RadianceTransform(Record):
    """How radiance becomes the number that a network predicts, and back.

    ``linear`` divides by ``scale``; ``square root`` and ``inverse hyperbolic sine`` also stabilise the
    variance of light that spans four decades. All three are odd functions, so the small negative
    radiances of VIIRS survive.

    Attributes
    ----------
    kind:
        The function.
    scale:
        Radiance in nW/cm2/sr that maps to about 1.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["linear", "square root", "inverse hyperbolic sine"] = "inverse hyperbolic sine"
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    def forward(self, radiance: Any, array_module: ModuleType | Any = np) -> Any:
        """Radiance in nW/cm2/sr to the predicted number; any shape.

        ``array_module`` is numpy, or ``keras.ops`` for tensors.
        """
        ratio = radiance / self.scale
        if self.kind == "linear":
            return ratio
        if self.kind == "square root":
            return array_module.sign(ratio) * array_module.sqrt(array_module.abs(ratio))
        return array_module.arcsinh(ratio)

    def inverse(self, value: Any, array_module: ModuleType | Any = np) -> Any:
        """The predicted number back to radiance in nW/cm2/sr; any shape."""
        if self.kind == "linear":
            return value * self.scale
        if self.kind == "square root":
            return value * array_module.abs(value) * self.scale
        # Beyond 12 the radiance would pass 80,000 times the scale and soon float32.
        return array_module.sinh(array_module.clip(value, -12.0, 12.0)) * self.scale


STUDY_TRANSFORM = RadianceTransform(kind="linear", scale=60.0)
"""The study divided VIIRS by 60 nW/cm2/sr and predicted 0 .. 1 with a sigmoid."""
