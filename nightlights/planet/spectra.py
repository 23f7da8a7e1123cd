"""Spectra of what covers the ground, and the nine daytime bands made of them."""

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import LANDSAT_BANDS
from nightlights.planet.built import Built
from nightlights.planet.lattice import SIDE, Block, Floats, box3

# Seven reflectances (bands 1 to 7, unit 1) and how much warmer than moist open land (kelvin). Rounded by
# hand to what Landsat commonly shows of such surfaces.
_SPECTRA: dict[str, tuple[float, ...]] = {
    "clear water": (0.030, 0.032, 0.030, 0.020, 0.010, 0.006, 0.004, -8.0),
    "turbid water": (0.065, 0.080, 0.108, 0.098, 0.048, 0.016, 0.011, -7.0),
    "forest": (0.022, 0.028, 0.050, 0.034, 0.300, 0.145, 0.062, -4.0),
    "green grass": (0.033, 0.044, 0.082, 0.064, 0.340, 0.215, 0.110, -1.5),
    "dry grass": (0.058, 0.074, 0.112, 0.128, 0.255, 0.300, 0.205, 2.5),
    "crops": (0.030, 0.040, 0.078, 0.050, 0.430, 0.200, 0.090, -3.0),
    "red soil": (0.058, 0.072, 0.118, 0.205, 0.290, 0.375, 0.320, 4.5),
    "brown soil": (0.072, 0.088, 0.124, 0.160, 0.225, 0.305, 0.270, 4.0),
    "sand": (0.130, 0.170, 0.255, 0.340, 0.410, 0.480, 0.440, 6.0),
    "rock": (0.100, 0.118, 0.148, 0.178, 0.220, 0.262, 0.240, 5.5),
    "concrete": (0.140, 0.150, 0.170, 0.182, 0.212, 0.232, 0.212, 4.5),
    "tiled roofs": (0.088, 0.100, 0.126, 0.160, 0.210, 0.245, 0.222, 4.0),
    "metal roofs": (0.235, 0.255, 0.275, 0.285, 0.300, 0.285, 0.260, 3.0),
    "rusty roofs": (0.120, 0.135, 0.160, 0.200, 0.250, 0.285, 0.262, 5.5),
    "asphalt": (0.078, 0.084, 0.095, 0.102, 0.122, 0.142, 0.132, 5.5),
}
CLASSES = tuple(_SPECTRA)
"""Names of the spectral classes, in order."""

_OPTICAL = 7
_TABLE = np.array(list(_SPECTRA.values()), np.float32).T.copy()
_HAZE = np.array([0.012, 0.008, 0.004, 0.002, 0.0, 0.0, 0.0], np.float32)
_REFLECTANCE_NOISE = np.float32(0.0022)
_TEMPERATURE_NOISE_K = np.float32(0.12)
_SPLIT_K = np.array([0.0, -0.9], np.float32)
"""Band 11 reads colder than band 10 through water vapour."""


def bands(block: Block, place: Built, shares: NDArray[np.float32], illumination: Floats) -> Floats:
    """The nine bands of :data:`nightlights.bands.LANDSAT_BANDS`, shape (9, SIDE, SIDE), with sensor noise."""
    # A row at a time: small products start no threads, which cost more than they give.
    mixed = np.matmul(_TABLE, shares.transpose(1, 0, 2)).transpose(1, 0, 2)
    image = np.empty((len(LANDSAT_BANDS), SIDE, SIDE), np.float32)
    haze = np.float32(1) + np.float32(0.4) * block.noise(2048, 901)
    for band in range(_OPTICAL):
        np.multiply(mixed[band], illumination, out=image[band])
        if _HAZE[band] > 0:
            image[band] += haze * _HAZE[band]
    image[:_OPTICAL] += _noise(block, _OPTICAL, 903) * _REFLECTANCE_NOISE
    # The thermal sensor sees 100 m at once, and cities keep their warmth.
    warmth = box3(box3(mixed[_OPTICAL])) + place.climate.warmth_k
    warmth += np.float32(2.5) * place.core * np.minimum(place.influence, 1)
    warmth += np.float32(0.5) * block.fractal((256, 64, 16), 905)
    warmth += np.minimum(place.flare * np.float32(0.04), 14)
    thermal = _noise(block, 2, 907) * _TEMPERATURE_NOISE_K
    for band in range(2):
        image[_OPTICAL + band] = warmth + _SPLIT_K[band] + thermal[band]
    np.maximum(image[:_OPTICAL], np.float32(0.0005), out=image[:_OPTICAL])
    return image


def _noise(block: Block, count: int, salt: int) -> Floats:
    """Noise of standard deviation 1 and triangular distribution, independent between bands."""
    base = block.hashes(salt)
    result = np.empty((count, SIDE, SIDE), np.float32)
    for band in range(count):
        mixed = base * np.uint32(0x9E3779B1 + 0x3C6EF372 * band & 0xFFFFFFFF | 1)
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(0x85EBCA6B)
        total = (mixed & np.uint32(0xFFFF)) + (mixed >> np.uint32(16))
        # The sum of two numbers up to 65535 deviates by 65536 / sqrt(6).
        result[band] = (total.astype(np.float32) - np.float32(65535)) * np.float32(6**0.5 / 65536)
    return result
