"""What a training run is made of, checked before any work begins."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Band, Scaling
from nightlights.errors import DatasetError, ModelError
from nightlights.grid import FINE_PER_VIIRS
from nightlights.manifests import DatasetManifest, DatasetRegion, Role, TrainingSettings
from nightlights.networks import NetworkInfo, network_info
from nightlights.patches import check_fit
from nightlights.training_settings import FOOTPRINT_LOSSES


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


NARROWEST_M, WIDEST_M = 300.0, 2000.0
"""Between these a learned point spread is kept, as a full width at half maximum in metres."""


def check_combination(manifest: DatasetManifest, settings: TrainingSettings) -> None:
    """Refuse settings that contradict each other or what the dataset knows.

    Raises
    ------
    ModelError
        When the point spread is to be learned from a loss without footprints or from a width out of
        bounds, the truth is to be compared with footprints, or early stopping has nothing to judge by.
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
    if settings.early_stopping is not None and not evaluate:
        raise ModelError(
            "Early stopping judges by the evaluation regions, and none is chosen.",
            "Choose evaluation regions, or train all epochs.",
        )


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


def check_choices(manifest: DatasetManifest, settings: TrainingSettings) -> None:
    """Refuse settings that the dataset's manifest alone shows to be impossible, before any work begins.

    Raises
    ------
    DatasetError, ModelError
        When the network is unknown, the patches do not fit the network or a region, there are no regions,
        or the settings contradict each other.
    """
    info = network_info(settings.network)
    check_patch_size(settings, info)
    check_combination(manifest, settings)
    chosen = {name for names in chosen_regions(manifest, settings) for name in names}
    regions = [region for region in manifest.regions if region.name in chosen]
    check_fit(regions, settings.patch_size, math.lcm(info.stride, FINE_PER_VIIRS))


def make_scaling(bands: Sequence[Band], info: NetworkInfo, samples: NDArray[np.float32]) -> Scaling:
    """The study's scaling where the network asks for it and all bands are Landsat's, else a fitted one.

    Parameters
    ----------
    samples:
        Pixels of the training regions, shape (..., bands), in the bands' units, NaN where missing.
    """
    if info.study_scaling and all(
        band.quantity in {"reflectance", "brightness temperature"} for band in bands
    ):
        return Scaling.study(bands)
    return Scaling.fitted([band.name for band in bands], samples)


def _named(regions: Sequence[DatasetRegion], names: Sequence[str] | None, role: Role) -> list[str]:
    if names is None:
        return [region.name for region in regions if region.role == role]
    known = [region.name for region in regions]
    for name in names:
        if name not in known:
            raise DatasetError(f"The dataset has no region {name!r}.", f"Its regions: {', '.join(known)}.")
    return list(dict.fromkeys(names))
