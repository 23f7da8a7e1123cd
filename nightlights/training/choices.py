"""What a training run is made of, checked before any work begins."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Band, Scaling, heavy_tailed
from nightlights.errors import DatasetError, ModelError
from nightlights.grid import FINE_PER_VIIRS
from nightlights.manifests import DatasetManifest, DatasetRegion, Role, TrainingSettings
from nightlights.networks import NetworkInfo, network_info
from nightlights.patches import check_fit
from nightlights.training_settings import (
    FEW_REGIONS,
    FOOTPRINT_LOSSES,
    LIMIT_OF_FEW,
    LIMIT_OF_MANY,
    Decoder,
)


def chosen_regions(manifest: DatasetManifest, settings: TrainingSettings) -> tuple[list[str], list[str]]:
    """Names of the regions to train on and to evaluate on.

    Raises
    ------
    DatasetError
        When a name is unknown, no region is left to train on, or one would serve both purposes.
    """
    train = _named(manifest.regions, settings.train_regions, "train")
    evaluate = _named(manifest.regions, settings.evaluate_regions, "evaluate")
    if settings.train_regions is not None and not train:
        raise DatasetError("There is no region to train on.", "Choose one, or give a region the role train.")
    if not train:
        raise DatasetError(
            f"The dataset {manifest.name} has no region to train on.",
            "Give at least one region the role train, and export again.",
        )
    both = sorted(set(train) & set(evaluate))
    if both:
        raise DatasetError(
            f"{', '.join(both)} would be trained on and evaluated on, so the score would mean nothing.",
            "Choose other regions for one of the two.",
        )
    return train, evaluate


HALVES: Final = 2
"""Parts into which training regions are dealt to choose how much of a network's factor is kept."""
STEPS_FRACTION: Final = 0.25
"""Steps of the training on each half for that, as a fraction of the training that follows."""
NARROWEST_M, WIDEST_M = 300.0, 2000.0
"""Between these a learned point spread is kept, as a full width at half maximum in metres."""


def check_combination(manifest: DatasetManifest, settings: TrainingSettings) -> None:
    """Refuse settings that contradict each other or what the dataset knows.

    Raises
    ------
    ModelError
        When the point spread is to be learned from a loss without footprints or from a width out of
        bounds, the truth is to be compared with footprints, early stopping has nothing to judge by, or the
        network cannot be what the settings make of it.
    DatasetError
        When the truth is the label, and a region to train on has none, or one of the user's own.
    """
    train, evaluate = chosen_regions(manifest, settings)
    if settings.point_spread == "learned":
        if settings.loss not in FOOTPRINT_LOSSES:
            raise ModelError(
                f"A {settings.loss} says nothing about the point spread, so it cannot be learned.",
                "Choose a footprint loss or a mixture, or leave the point spread fixed.",
            )
        if not NARROWEST_M < manifest.point_spread_fwhm_m < WIDEST_M:
            raise ModelError(
                f"The point spread of this dataset, {manifest.point_spread_fwhm_m:g} m, lies beyond the "
                f"{NARROWEST_M:g} to {WIDEST_M:g} m within which it can be learned.",
                "Leave the point spread fixed.",
            )
    if settings.label == "truth":
        if settings.loss in FOOTPRINT_LOSSES:
            raise ModelError(
                f"The hidden truth is a label of 29 m pixels, and {settings.loss} compares VIIRS pixels.",
                "Choose a pixel loss, or VIIRS as the label.",
            )
        chosen = [region for region in manifest.regions if region.name in train]
        own = [region.name for region in chosen if region.fine_truth is not None]
        if own:
            raise DatasetError(
                f"The truth of {', '.join(own)} is a raster of your own, aligned and calibrated with "
                "VIIRS; it is there to score.",
                "Train on VIIRS, so that the scores against it stay independent.",
            )
        unknown = [region.name for region in chosen if not region.truth]
        if unknown:
            raise DatasetError(
                f"The truth of {', '.join(unknown)} is not known: only simulated imagery has one.",
                "Train on VIIRS, or on a dataset of the simulated planet.",
            )
    _check_guide(settings)
    if settings.early_stopping is not None and not evaluate:
        raise ModelError(
            "Early stopping judges by the evaluation regions, and none is chosen.",
            "Choose evaluation regions, or train all epochs.",
        )


def _check_guide(settings: TrainingSettings) -> None:
    info = network_info(settings.network)
    if info.study_scaling and (settings.guide != "none" or settings.light_cap):
        raise ModelError(
            f"{info.title} stays as it was published: without a guide and without a cap.",
            "Choose neither, or another network.",
        )
    if not info.fitted:
        return
    wrong = {
        "a guide": settings.guide != "none",
        "VIIRS as an input": settings.viirs_input,
        "the hidden truth as its label": settings.label == "truth",
        "a point spread to learn": settings.point_spread == "learned",
    }
    if any(wrong.values()):
        what = next(name for name, chosen in wrong.items() if chosen)
        raise ModelError(
            f"A {info.title.lower()} is fitted to VIIRS from the bands alone, without {what}.",
            "Leave that setting at its default, or choose another network.",
        )


def residual_limit(settings: TrainingSettings, regions: int) -> float:
    """Largest logarithm of the factor by which a network changes its guide."""
    if settings.residual_limit is not None:
        return settings.residual_limit
    return LIMIT_OF_FEW if regions < FEW_REGIONS else LIMIT_OF_MANY


def used_decoder(settings: TrainingSettings) -> Decoder:
    """How a U-Net of these settings enlarges; plain networks stay as they are known."""
    return "transposed" if settings.guide == "none" else settings.decoder


def footprints_per_patch(settings: TrainingSettings) -> int:
    """VIIRS pixels of a patch that its loss compares: all but the outermost ring, where footprints count."""
    side = settings.patch_size // FINE_PER_VIIRS
    inner = side - 2 if settings.loss in FOOTPRINT_LOSSES else side
    return max(inner, 1) ** 2


def patches_per_region(manifest: DatasetManifest, settings: TrainingSettings) -> int:
    """Patches from each region in an epoch: as given, or as many as the passes over the footprints take."""
    if not settings.passes:
        return settings.patches_per_region
    regions = len(chosen_regions(manifest, settings)[0])
    epochs = footprints_per_patch(settings) * settings.epochs * regions
    return max(1, math.ceil(settings.passes * footprints_of(manifest, settings) / epochs))


def footprints_of(manifest: DatasetManifest, settings: TrainingSettings) -> int:
    """VIIRS pixels of the regions to train on."""
    chosen = chosen_regions(manifest, settings)[0]
    windows = [region.window.window for region in manifest.regions if region.name in chosen]
    return sum(window.width * window.height for window in windows)


def choosing_cost(settings: TrainingSettings, regions: int) -> float:
    """Fraction of a training by which choosing the share of a network's factor prolongs it."""
    chosen = settings.guide != "none" and settings.residual_share is None and regions >= FEW_REGIONS
    return HALVES * STEPS_FRACTION if chosen else 0.0


def check_patch_size(settings: TrainingSettings, info: NetworkInfo) -> None:
    """Refuse patches whose side the network cannot halve often enough.

    Raises
    ------
    ModelError
        Naming the nearest size that fits.
    """
    size, stride = settings.patch_size, info.stride
    if size % stride:
        nearest = max(stride, round(size / stride) * stride)
        raise ModelError(
            f"Patches of {size} pixels do not fit {info.title}: the side must be a multiple of {stride}.",
            f"Choose {nearest} pixels.",
        )


def check_choices(manifest: DatasetManifest, settings: TrainingSettings, *, own_loader: bool = False) -> None:
    """Refuse settings that the dataset's manifest alone shows to be impossible, before any work begins.

    Parameters
    ----------
    own_loader:
        Whether the caller brings the loader that the settings name.

    Raises
    ------
    DatasetError, ModelError
        When the network is unknown, the patches do not fit the network or a region, there are no regions,
        the settings contradict each other, or they name the loader of a benchmark.
    """
    if settings.loader != "random patches" and not own_loader:
        raise ModelError(
            f"The loader {settings.loader!r} is part of a benchmark.",
            "Choose random patches, or train with: ./run bench study train",
        )
    info = network_info(settings.network)
    check_patch_size(settings, info)
    check_combination(manifest, settings)
    chosen = {name for names in chosen_regions(manifest, settings) for name in names}
    regions = [region for region in manifest.regions if region.name in chosen]
    check_fit(regions, settings.patch_size, math.lcm(info.stride, FINE_PER_VIIRS))


def make_scaling(
    bands: Sequence[Band],
    info: NetworkInfo,
    samples: NDArray[np.float32],
    *,
    compress_tails: bool = False,
) -> Scaling:
    """The study's scaling where the network asks for it and all bands are Landsat's, else a fitted one.

    Parameters
    ----------
    samples:
        Pixels of the training regions, shape (..., bands), in the bands' units, NaN where missing.
    compress_tails:
        Whether bands with heavy tails are compressed first.
    """
    if info.study_scaling and all(
        band.quantity in {"reflectance", "brightness temperature"} for band in bands
    ):
        return Scaling.study(bands)
    compressed = heavy_tailed(bands, samples) if compress_tails else None
    return Scaling.fitted([band.name for band in bands], samples, compressed)


def _named(regions: Sequence[DatasetRegion], names: Sequence[str] | None, role: Role) -> list[str]:
    if names is None:
        return [region.name for region in regions if region.role == role]
    known = [region.name for region in regions]
    for name in names:
        if name not in known:
            raise DatasetError(f"The dataset has no region {name!r}.", f"Its regions: {', '.join(known)}.")
    return list(dict.fromkeys(names))
