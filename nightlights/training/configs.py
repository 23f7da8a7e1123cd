"""The configuration of a model before its training: scaling, guide, limits."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Scaling
from nightlights.datasets import Dataset
from nightlights.footprint_terms import LOG_OFFSET, FootprintRegression
from nightlights.footprint_trees import FootprintTrees
from nightlights.manifests import ModelConfig, TrainingSettings
from nightlights.measured_input import MeasuredInput
from nightlights.networks import NetworkInfo
from nightlights.patch_cache import CachedRegion, cached_region
from nightlights.progress import Progress
from nightlights.regressions import fit_regression, training_sample
from nightlights.regressions.boosting import fit_trees
from nightlights.training.batches import Sampler
from nightlights.training.choices import make_scaling, residual_limit, used_decoder

CACHE_FOLDER: Final = ".cache"
"""Of the dataset, for patches."""
_SCALING_PATCHES = 64
_SCALING_STEP = 5


class _Beginning:
    """Passes on what is done, before there is a first step to count."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """See :meth:`nightlights.progress.Progress.update`."""
        self._progress.update(0, 1, message=message)


def new_config(
    dataset: Dataset,
    settings: TrainingSettings,
    info: NetworkInfo,
    regions: Sequence[str],
    sampler: Sampler,
    progress: Progress,
) -> ModelConfig:
    """What a model trained on ``regions`` will be, but for its weights and the share of its factor.

    Parameters
    ----------
    regions:
        Those that are read.
    sampler:
        Of their patches.

    Raises
    ------
    DatasetError
        When there is nothing to fit a guide to.
    """
    manifest = dataset.manifest
    guided = info.fitted or settings.guide != "none"
    samples: Any
    if guided or settings.compress_tails:
        # Of whole regions: members of an ensemble, with seeds of their own, then find the same heavy tails.
        samples = training_sample(dataset, regions)
    else:
        samples = sampler.fixed(_SCALING_PATCHES, settings.seed).daytime[:, ::_SCALING_STEP, ::_SCALING_STEP]
    scaling = make_scaling(manifest.bands, info, samples, compress_tails=settings.compress_tails)
    guide: FootprintRegression | None = None
    if guided:
        guide = fit_regression(
            dataset, regions, sample=samples, scaling=scaling, progress=_Beginning(progress)
        )
        guide = _with_range(guide, scaling, sampler.fixed(_SCALING_PATCHES, settings.seed).daytime)
    hybrid = guide is not None and not info.fitted
    boosting: FootprintTrees | None = None
    if guide is not None and info.boosted:
        limit = residual_limit(settings, len(regions))
        boosting = fit_trees(dataset, guide, scaling, limit, settings.seed, _Beginning(progress))
    reaches = [each.reach for each in (guide, boosting) if each is not None]
    return ModelConfig(
        network=settings.network,
        bands=manifest.bands,
        scaling=scaling,
        transform=info.transform,
        patch_size=settings.patch_size,
        point_spread_fwhm_m=manifest.point_spread_fwhm_m,
        dataset_sha256=dataset.sha256,
        simulated=manifest.source.simulated,
        viirs_input=settings.viirs_input,
        sharpening_contrast=settings.sharpening_contrast,
        trained_on_truth=settings.label == "truth",
        # The study's stays as it was published; a regression knows what lies beyond an edge as it was fitted.
        mirrored_edges=not (info.study_scaling or info.fitted),
        guide=guide,
        boosting=boosting,
        guide_reach=max(reaches, default=0),
        residual_limit=residual_limit(settings, len(regions)) if hybrid else None,
        residual_share=settings.residual_share if hybrid else None,
        decoder=used_decoder(settings),
        largest_radiance=_largest(dataset, settings, regions) if settings.light_cap else None,
    ).model_copy(update=manifest.glow)


def _with_range(
    guide: FootprintRegression, scaling: Scaling, patches: NDArray[np.float32]
) -> FootprintRegression:
    """``guide`` with the mean and the standard deviation of the logarithm that a network reads."""
    logarithms = [
        np.log(guide.radiance(scaling.undo(scaling.apply(patch))) + LOG_OFFSET)[
            ::_SCALING_STEP, ::_SCALING_STEP
        ]
        for patch in patches
    ]
    spread = max(float(np.std(logarithms)), 1e-3)
    return guide.model_copy(update={"center": float(np.mean(logarithms)), "spread": spread})


def guide_imagery(
    dataset: Dataset, regions: Sequence[Sequence[str]], config: ModelConfig
) -> dict[str, CachedRegion]:
    """Imagery of every region, where the guide reads more of it than a patch holds."""
    if not config.guide_reach:
        return {}
    folder = dataset.folder / CACHE_FOLDER
    return {name: cached_region(dataset, name, folder) for names in regions for name in names}


def measured_inputs(
    dataset: Dataset, regions: Sequence[Sequence[str]], config: ModelConfig
) -> dict[str, MeasuredInput]:
    """Smoothed VIIRS of every region, where it is an input."""
    if not config.viirs_input:
        return {}
    return {
        name: MeasuredInput(
            dataset.read_nighttime(name), dataset.region(name).window.window, config.transform
        )
        for names in regions
        for name in names
    }


def _largest(dataset: Dataset, settings: TrainingSettings, regions: Sequence[str]) -> float | None:
    """The cap in nW/cm2/sr; None where nothing of the regions is known or lit."""
    images = [dataset.read_nighttime(name) for name in regions]
    brightest = max((float(np.nanmax(image)) for image in images if np.isfinite(image).any()), default=0.0)
    return settings.light_cap * brightest if brightest > 0 else None
