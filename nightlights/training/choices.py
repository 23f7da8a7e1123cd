"""What a training run is made of, checked before any work begins."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Band, Scaling
from nightlights.errors import DatasetError, ModelError
from nightlights.manifests import DatasetManifest, DatasetRegion, Role, TrainingSettings
from nightlights.networks import NetworkInfo, network_info
from nightlights.patches import check_fit


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
        When the network is unknown, the patches fit the network or a region badly, or the regions are none.
    """
    check_patch_size(settings, network_info(settings.network))
    chosen = {name for names in chosen_regions(manifest, settings) for name in names}
    for region in manifest.regions:
        if region.name in chosen:
            check_fit(region, settings.patch_size)


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
