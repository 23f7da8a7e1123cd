"""How much of a network's factor is kept: chosen in regions that smaller trainings have not seen.

The training regions are dealt into two halves by their brightness. A network is trained on each half for a
quarter of the steps, with the guide that each region has in training, and scored in the other half with every
share of the factor's logarithm. The share with the lowest RMSE at the VIIRS grid is kept. Leaving out every
region in turn would cost as many trainings; this costs half a training. Two short trainings on half the regions
err more than the one that they stand for, so the choice errs on the side of the regression. With few regions it
is uncertain as well, and at most half is kept.
"""

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nightlights.datasets import Dataset
from nightlights.manifests import ModelConfig, TrainingSettings
from nightlights.metrics import ScoreSums
from nightlights.networks import NetworkInfo
from nightlights.networks.guided import assemble, with_share
from nightlights.patches import PatchSampler
from nightlights.training.batches import BatchMaker, Plan
from nightlights.training.learning_rates import learning_rate_at
from nightlights.training.prefetch import prefetched
from nightlights.training.steps import Trainer
from nightlights.training_settings import FEW_REGIONS, LARGEST_SHARE_OF_FEW, SHARES

HALVES = 2
STEPS_FRACTION = 0.25
"""Of the steps of the training, for each half."""
_PATCHES_PER_REGION = 12
"""In which the other half is scored."""


def inner_steps(settings: TrainingSettings, config: ModelConfig, regions: int, steps: int) -> int:
    """Steps of each half for a training of ``steps``; 0 where nothing is chosen."""
    if config.guide is None or config.residual_limit is None or regions < HALVES:
        return 0
    if settings.residual_share is not None or config.residual_share is not None:
        return 0
    return max(1, round(STEPS_FRACTION * steps))


def candidates(regions: int) -> tuple[float, ...]:
    """The shares that training on so many regions may keep."""
    most = LARGEST_SHARE_OF_FEW if regions < FEW_REGIONS else 1.0
    return tuple(share for share in SHARES if share <= most)


def choose_share(
    dataset: Dataset,
    config: ModelConfig,
    info: NetworkInfo,
    settings: TrainingSettings,
    maker: BatchMaker,
    regions: Sequence[str],
    patches: int,
    steps: int,
    report: Callable[[int], None],
) -> float:
    """The share of the factor's logarithm that serves best in regions left out.

    Parameters
    ----------
    maker:
        Makes batches of any of the regions.
    regions:
        Those that are trained on.
    patches:
        Of an epoch, from each region.
    steps:
        Of each half, see :func:`inner_steps`; 0 keeps as much as so few regions may.
    report:
        Called with the number of steps done.
    """
    shares = candidates(len(regions))
    if not steps:
        return shares[-1]
    brightness = {name: float(np.nanmean(dataset.read_nighttime(name))) for name in regions}
    ordered = sorted(regions, key=lambda name: (-brightness[name], name))
    halves = [ordered[number::HALVES] for number in range(HALVES)]
    squares = np.zeros(len(shares))
    pixels = 0
    for number, (own, other) in enumerate(zip(halves, reversed(halves), strict=True)):
        trainer = _trained(
            dataset, config, info, settings, maker, own, patches, steps, lambda done: report(number * steps + done)
        )
        judged = _sampler(dataset, other, settings).fixed(_PATCHES_PER_REGION * len(other), settings.seed)
        size = min(settings.batch_size, len(judged.daytime))
        arrays = maker.for_scoring(judged, left_out=True)
        batches = [
            {name: array[start : start + size] for name, array in arrays.items()}
            for start in range(0, len(judged.daytime), size)
        ]
        for place, share in enumerate(shares):
            model = with_share(trainer.network.core, config, share)
            sums: ScoreSums = trainer.scored_by(replace(trainer.network, scored=model)).score(batches)
            squares[place] += sums.squared_error
        pixels += sums.pixels
    return shares[int(np.argmin(squares))] if pixels and np.isfinite(squares).all() else shares[0]


def _sampler(dataset: Dataset, names: Sequence[str], settings: TrainingSettings) -> PatchSampler:
    from nightlights.training.run import CACHE_FOLDER

    return PatchSampler(
        dataset,
        names,
        settings.patch_size,
        settings.seed,
        settings.maximum_missing_share,
        dataset.folder / CACHE_FOLDER,
        truth=settings.label == "truth",
    )


def _trained(
    dataset: Dataset,
    config: ModelConfig,
    info: NetworkInfo,
    settings: TrainingSettings,
    maker: BatchMaker,
    regions: Sequence[str],
    patches: int,
    steps: int,
    report: Callable[[int], None],
) -> Trainer:
    plan = Plan(
        sampler=_sampler(dataset, regions, settings),
        maker=maker,
        patches=patches * len(regions),
        batch_size=settings.batch_size,
        epochs=1,
        seed=settings.seed,
    )
    trainer = Trainer(assemble(info.layout, config, settings.seed), info, settings, maker.footprints)
    schedule = settings.schedule or info.schedule
    workers = min(4, max(1, (os.cpu_count() or 1) // 2))
    with contextlib.closing(prefetched(plan.arrays, range(steps), workers, workers + 1)) as batches:
        for step in range(steps):
            rate = learning_rate_at(step, steps, settings.learning_rate, schedule)
            loss = trainer.step(next(batches), rate)
            if step % 10 == 9:
                # The device may be steps behind; asking for the loss waits for it.
                float(loss)
                report(step + 1)
    report(steps)
    return trainer
