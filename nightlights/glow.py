"""Estimate of the glow of VIIRS from dark ground around bright places: coasts, lakes, lone towns.

Where the ground is dark, VIIRS measures a background and the glow of the light around. The light around is
measured, too, but for what of it glows away; so the measured radiance of dark pixels is a line over what a
Gaussian of the glow's width brings there, and the slope of that line is the fraction of the glow. Not every
pixel without bright light is dark: streets, villages and boats only ever add. So unless a mask of dark ground
is given, the line is fitted to a low quantile of the radiance, as Koenker and Bassett (1978,
doi:10.2307/1913643) do. Even so, light of open country that falls off evenly around a town looks the same:
without a mask the estimate is an upper bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter1d, maximum_filter

from nightlights.datasets import Dataset
from nightlights.glow_operator import GLOW_TRUNCATE_SIGMAS
from nightlights.glow_records import GlowEstimate
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.manifests import DatasetRegion, write_record
from nightlights.observation import DEFAULT_FWHM_M, LARGEST_GLOW_SHARE, PointSpread
from nightlights.progress import NoProgress, Progress

Floats = NDArray[np.float64]
Known = NDArray[np.bool_]

WIDTHS_M: Final = (2_000.0, 3_000.0, 4_000.0, 5_000.0, 6_000.0, 8_000.0, 10_000.0, 12_500.0, 15_000.0)
"""Full widths at half maximum that are tried."""
_LIT: Final = 0.5
"""Radiance in nW/cm2/sr above which a pixel counts as lit."""
_LIT_SHARE: Final = 0.05
"""A pixel with less than this of the brightest nearby does not: what is there may be glow."""
_NEARBY: Final = 25
"""Side in VIIRS pixels of what is nearby: 12 km."""
_CORE: Final = 3.0
"""VIIRS pixels from lit ones within which the core of the point spread brings light."""
_FAR: Final = 26.0
"""VIIRS pixels from lit ones beyond which nothing is learned."""
_QUANTILE: Final = 0.25
_BINS: Final = 8
_ROUNDS: Final = 6
"""Of light without what glows away and the fraction that glows: they converge by the fraction's power."""
_CORRECTIONS: Final = 3
"""Of the line: in a bin of the brightest pixels, radiance and what glow brings are both spread."""
_BLOCK: Final = 12
"""Side in VIIRS pixels of the blocks that are drawn anew."""
_LEAST_BLOCKS: Final = 6
_LEAST_PIXELS: Final = 200
_DRAWS: Final = 200
_GREEN_UM, _SHORT_WAVE_INFRARED_UM = 0.56, 1.61
_WATER: Final = 0.97
"""Part of a VIIRS pixel that must be water for it to count."""
_TILE: Final = 64
_MODEL_ERROR: Final = 0.1
"""Of the fraction, added to its interval: the glow is no Gaussian, and a quantile of noisy pixels is low."""
_LARGEST_NUMBER: Final = 30_000
"""Dark pixels that are looked at, evenly over all; neighbours are alike."""
_LEAST_SHARE: Final = 0.01
"""A smaller fraction is none: errors of the model are as large."""


def estimate_glow(
    measured: Sequence[NDArray[np.floating[Any]]],
    windows: Sequence[Window],
    *,
    fwhm_m: float = DEFAULT_FWHM_M,
    dark: Sequence[Known] | None = None,
    seed: int = 1,
) -> GlowEstimate:
    """Fraction and width of the glow that the regions' VIIRS shows, with intervals.

    Parameters
    ----------
    measured:
        VIIRS radiance of each region in nW/cm2/sr, shape (height, width), NaN where missing. A median of
        several months shows most.
    windows:
        Where they lie.
    fwhm_m:
        Full width at half maximum of the core in metres.
    dark:
        For each region, where no light is, same shape: water, for example. Judged by the radiance unless
        given, which can take evenly lit surroundings for glow.
    seed:
        Of the draws.

    Returns
    -------
    GlowEstimate
        With ``supported`` false where there is too little dark ground near light, where the interval of the
        fraction begins at 0 or reaches beyond 0.5, and where that of the width reaches the narrowest or
        widest that is tried: what falls off like that is mostly light of streets and villages.

    Examples
    --------
    >>> import numpy as np
    >>> estimate_glow([np.zeros((30, 40))], [Window(44_000, 18_000, 40, 30)]).supported
    False
    """
    masks: Sequence[Known | None] = [None] * len(measured) if dark is None else dark
    scenes = [
        _Surroundings(np.asarray(image, np.float64), window, fwhm_m, mask)
        for image, window, mask in zip(measured, windows, masks, strict=True)
    ]
    scenes = [scene for scene in scenes if scene.dark.any()]
    pixels = sum(int(scene.dark.sum()) for scene in scenes)
    blocks = _block_numbers(scenes)
    count = int(blocks.max()) + 1 if blocks.size else 0
    if pixels < _LEAST_PIXELS or count < _LEAST_BLOCKS:
        return GlowEstimate(dark_pixels=pixels, reason="There is too little dark ground near bright places.")
    quantile = _QUANTILE if dark is None else 0.5
    taken = slice(None, None, -(-pixels // _LARGEST_NUMBER))
    radiance = np.concatenate([scene.measured[scene.dark] for scene in scenes])
    brought = [_brought(scenes, width, radiance, quantile) for width in WIDTHS_M]
    brought, radiance, blocks = [glow[taken] for glow in brought], radiance[taken], blocks[taken]
    share, width = _best(brought, radiance, quantile)
    members = np.split(np.argsort(blocks, kind="stable"), np.cumsum(np.bincount(blocks))[:-1])
    generator = np.random.default_rng(seed)
    draws = []
    for _ in range(_DRAWS):
        drawn = np.concatenate([members[index] for index in generator.integers(0, count, count)])
        draws.append(_best([glow[drawn] for glow in brought], radiance[drawn], quantile))
    shares, widths = (np.percentile(column, [2.5, 97.5]) for column in zip(*draws, strict=True))
    shares += _MODEL_ERROR * share * np.array([-1, 1])
    reason = _doubt(shares, widths)
    return GlowEstimate(
        share=round(min(max(share, 0.0), LARGEST_GLOW_SHARE), 3),
        share_lower=round(float(np.clip(shares[0], 0.0, 1.0)), 3),
        share_upper=round(float(np.clip(shares[1], 0.0, 1.0)), 3),
        fwhm_m=width,
        fwhm_lower_m=_halfway(float(widths[0]), -1),
        fwhm_upper_m=_halfway(float(widths[1]), 1),
        dark_pixels=pixels,
        supported=not reason,
        reason=reason,
    )


def _halfway(width: float, step: int) -> float:
    """Between the width that was tried and the next one, which was found to be worse."""
    nearest = int(np.argmin(np.abs(np.array(WIDTHS_M) - width)))
    other = min(max(nearest + step, 0), len(WIDTHS_M) - 1)
    return float(round((WIDTHS_M[nearest] + WIDTHS_M[other]) / 2))


def _doubt(shares: Floats, widths: Floats) -> str:
    """Why the intervals do not support a glow; empty where they do."""
    if shares[0] <= _LEAST_SHARE:
        return "The dark ground shows no glow: the interval of its fraction begins at 0."
    if shares[1] > LARGEST_GLOW_SHARE:
        return "What is dark there is too bright to be glow: streets and suburbs, for example."
    if widths[0] <= WIDTHS_M[0] or widths[1] >= WIDTHS_M[-1]:
        return "The width is not determined: the light near bright places falls off unlike a glow."
    return ""


def glow_of_dataset(dataset: Dataset, progress: Progress | None = None, *, seed: int = 1) -> GlowEstimate:
    """The glow that the VIIRS of all regions of a dataset shows.

    Dark ground is open water, as the daytime bands show it, where there is enough of it near light; else what
    the radiance itself leaves.

    Parameters
    ----------
    progress:
        Told after every tile of daytime imagery that is looked at for water.

    Raises
    ------
    RasterError
        When a raster is damaged.
    """
    regions = dataset.manifest.regions
    measured = [dataset.read_nighttime(region.name) for region in regions]
    windows = [region.window.window for region in regions]
    width = dataset.manifest.point_spread_fwhm_m
    green, infrared = (_band(dataset, wavelength) for wavelength in (_GREEN_UM, _SHORT_WAVE_INFRARED_UM))
    if green is not None and infrared is not None:
        dark = _water(dataset, green, infrared, progress or NoProgress())
        found = estimate_glow(measured, windows, fwhm_m=width, dark=dark, seed=seed)
        if found.supported:
            return found.model_copy(update={"ground": "water"})
    return estimate_glow(measured, windows, fwhm_m=width, seed=seed)


def record_glow(dataset: Dataset, found: GlowEstimate) -> None:
    """Use the glow ``found`` for everything that is made of the dataset from now on; none unless supported.

    Raises
    ------
    WorkspaceError
        When the manifest cannot be written.
    """
    changed: dict[str, float] = {"glow_share": found.share if found.supported else 0.0}
    changed |= {"glow_fwhm_m": found.fwhm_m} if found.supported else {}
    write_record(dataset.path("dataset.json"), dataset.manifest.model_copy(update=changed))


def _band(dataset: Dataset, wavelength_um: float) -> int | None:
    """Index of the reflectance band nearest to a wavelength; None where none is within 0.1 micrometres."""
    distances = [
        abs(band.wavelength_um - wavelength_um)
        if band.quantity == "reflectance" and band.wavelength_um is not None
        else np.inf
        for band in dataset.manifest.bands
    ]
    nearest = int(np.argmin(distances))
    return nearest if distances[nearest] <= 0.1 else None


def _water(dataset: Dataset, green: int, infrared: int, progress: Progress) -> list[Known]:
    """VIIRS pixels that are open water (modified NDWI above 0, Xu 2006, doi:10.1080/01431160600589179)."""
    masks = []
    places = [(region, tile) for region in dataset.manifest.regions for tile in _tiles(region)]
    done = 0
    for region in dataset.manifest.regions:
        outer = region.window.window
        mask = np.zeros(outer.shape, bool)
        for tile in _tiles(region):
            image = dataset.read_daytime(region.name, tile)
            wet = image[green] > image[infrared]
            shape = (tile.height, FINE_PER_VIIRS, tile.width, FINE_PER_VIIRS)
            mask[tile.slices_in(outer)] = wet.reshape(shape).mean(axis=(1, 3)) >= _WATER
            done += 1
            progress.update(done, len(places), unit="tiles", message=f"looking for water in {region.name}")
        masks.append(mask)
    return masks


def _tiles(region: DatasetRegion) -> list[Window]:
    return list(region.window.window.tiles(_TILE, _TILE))


@dataclass(frozen=True)
class _Surroundings:
    """A region: where it is lit, and where it is dark near that."""

    measured: Floats
    window: Window
    fwhm_m: float
    mask: Known | None

    @cached_property
    def known(self) -> Known:
        """Measured pixels."""
        return np.isfinite(self.measured)

    @cached_property
    def filled(self) -> tuple[Floats, Known]:
        """What was measured, and where it is dark; pixels that were not are as the nearest that was.

        They emit light all the same: taken for dark they would make the glow of the rest look larger.
        """
        if self.known.all():
            return self.measured, self.dark
        nearest = tuple(distance_transform_edt(~self.known, return_distances=False, return_indices=True))
        return self.measured[nearest], self.dark[nearest]

    @cached_property
    def dark(self) -> Known:
        """Dark pixels that glow reaches and the core does not."""
        radiance = np.where(self.known, self.measured, 0.0)
        nearby = maximum_filter(radiance, _NEARBY, mode="constant")
        lit = radiance > np.maximum(_LIT, _LIT_SHARE * nearby)
        if self.mask is not None:
            lit &= ~self.mask
        if not lit.any():
            return np.zeros(radiance.shape, bool)
        distance = distance_transform_edt(~lit)
        dark: Known = self.known & (distance > _CORE) & (distance < _FAR)
        return dark if self.mask is None else dark & self.mask

    def glow(self, light: Floats, width_m: float) -> Floats:
        """What a glow of all of ``light`` brings to each pixel; ``light`` is as the core shows it."""
        latitude = float(self.window.latitudes.mean())
        spread = PointSpread(self.fwhm_m, 0.0, width_m)
        core = (spread.sigma_rows() / FINE_PER_VIIRS, spread.sigma_columns(latitude) / FINE_PER_VIIRS)
        whole = (spread.glow_sigma_rows(), spread.glow_sigma_columns(latitude))
        for axis in (0, 1):
            sigma = float(np.sqrt(max(whole[axis] ** 2 - core[axis] ** 2, 0.5)))
            light = gaussian_filter1d(light, sigma, axis=axis, mode="constant", truncate=GLOW_TRUNCATE_SIGMAS)
        return light

    def light(self, share: float, glow: Floats, background: float) -> Floats:
        """The light of all that is not dark, without what glows in and with what glows away."""
        measured, dark = self.filled
        excess = np.where(dark, 0.0, measured - background) - share * glow
        return np.where(dark, 0.0, np.maximum(excess, 0.0)) / (1 - share)


def _brought(scenes: Sequence[_Surroundings], width_m: float, radiance: Floats, quantile: float) -> Floats:
    """What a glow of this width and of all light brings to the dark pixels, shape (pixels,)."""
    share, background = 0.0, 0.0
    glows = [np.zeros(scene.measured.shape) for scene in scenes]
    brought = np.zeros(radiance.shape)
    for _ in range(_ROUNDS):
        glows = [
            scene.glow(scene.light(share, glow, background), width_m)
            for scene, glow in zip(scenes, glows, strict=True)
        ]
        brought = np.concatenate([glow[scene.dark] for glow, scene in zip(glows, scenes, strict=True)])
        background, slope = _line(brought, radiance, quantile)
        share = min(max(slope, 0.0), LARGEST_GLOW_SHARE)
    return brought


def _line(brought: Floats, radiance: Floats, quantile: float) -> tuple[float, float]:
    """Background and fraction: the line that leaves the same quantile of residuals in all bins of pixels."""
    order = np.argsort(brought, kind="stable")
    bins = np.array_split(order, _BINS)
    places = np.array([brought[each].mean() for each in bins])
    middle = float(places.mean())
    variance = float(((places - middle) ** 2).sum())
    background = slope = 0.0
    for _ in range(_CORRECTIONS if variance > 0 else 0):
        residuals = radiance - background - slope * brought
        levels = np.array([np.quantile(residuals[each], quantile) for each in bins])
        change = float(((places - middle) * levels).sum()) / variance
        slope += change
        background += float(levels.mean()) - change * middle
    return background, slope


def _best(brought: Sequence[Floats], radiance: Floats, quantile: float) -> tuple[float, float]:
    """Fraction and width in metres with the least loss of the quantile."""
    found = []
    for glow, width in zip(brought, WIDTHS_M, strict=True):
        background, share = _line(glow, radiance, quantile)
        error = radiance - background - max(share, 0.0) * glow
        loss = float(np.maximum(quantile * error, (quantile - 1) * error).sum())
        found.append((loss, share, width))
    _, share, width = min(found)
    return share, width


def _block_numbers(scenes: Sequence[_Surroundings]) -> NDArray[np.int64]:
    """The block of every dark pixel, counted over all regions; blocks without one are not counted."""
    numbers: list[NDArray[np.int64]] = []
    first = 0
    for scene in scenes:
        rows, columns = np.nonzero(scene.dark)
        across = -(-scene.measured.shape[1] // _BLOCK)
        _, number = np.unique(rows // _BLOCK * across + columns // _BLOCK, return_inverse=True)
        numbers.append(number + first)
        first += int(number.max()) + 1
    return np.concatenate(numbers) if numbers else np.zeros(0, np.int64)
