"""How much of a network's factor is kept: chosen in regions that smaller trainings have not seen.

With few training regions half is kept, and nothing is chosen: halves of them teach too little to tell. On the
demo's six cities such a choice kept nothing of a pixel network, where half would have brought the RMSE at the
VIIRS grid in two other cities from 1.17 to 1.09 nW/cm2/sr, and all of it to 1.06.

With more, the training regions are dealt into two halves by their brightness. A network is trained on each
half for a quarter of the steps, with the guide that each region has in training, and scored in the other
half with every share of the factor's logarithm. The share with the lowest RMSE at the VIIRS grid is kept.
Leaving out every region in turn would cost as many trainings; this costs half a training. Two short
trainings on half the regions err more than the one that they stand for, so the choice errs on the side of
the regression.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from nightlights.datasets import Dataset
from nightlights.manifests import ModelConfig
from nightlights.networks import NetworkInfo
from nightlights.networks.guided import assemble, with_share
from nightlights.patches import PatchSampler
from nightlights.progress import Progress
from nightlights.training.batches import Arrays, Plan
from nightlights.training.choices import HALVES, STEPS_FRACTION
from nightlights.training.configs import CACHE_FOLDER
from nightlights.training.learning_rates import learning_rate_at
from nightlights.training.prefetch import prefetched
from nightlights.training.steps import Trainer
from nightlights.training_settings import FEW_REGIONS, SHARE_OF_FEW, SHARES

_PATCHES_PER_REGION: Final = 12
"""In which the other half is scored."""
_REPORTED: Final = 10
"""Progress is told after so many steps."""


def config_with_share(
    dataset: Dataset,
    config: ModelConfig,
    info: NetworkInfo,
    plan: Plan,
    regions: Sequence[str],
    counted: int,
    progress: Progress,
) -> tuple[ModelConfig, int]:
    """``config`` with the share of a network's factor that is kept, and the steps that choosing it took.

    The configuration is written down before the first epoch: a run that is stopped earlier chooses the same
    again.

    Parameters
    ----------
    plan:
        Of the training that follows.
    regions:
        Those that are read.
    counted:
        Regions over which the plan counts the patches of an epoch.
    """
    if config.residual_limit is None or config.residual_share is not None:
        return config, 0
    if len(regions) < FEW_REGIONS:
        return config.model_copy(update={"residual_share": SHARE_OF_FEW}), 0
    total = plan.epochs * plan.steps
    steps = max(1, round(STEPS_FRACTION * total))

    def report(done: int) -> None:
        message = "choosing how far the network may leave the regression"
        progress.update(done, HALVES * steps + total, unit="steps", message=message)

    halves = _Halves(dataset, config, info, plan, plan.patches // counted, steps)
    share = halves.best_share(regions, SHARES, report)
    return config.model_copy(update={"residual_share": share}), HALVES * steps


@dataclass(frozen=True)
class _Halves:
    """Short trainings on halves of the regions."""

    dataset: Dataset
    config: ModelConfig
    info: NetworkInfo
    plan: Plan
    patches_per_region: int
    steps: int

    def best_share(
        self, regions: Sequence[str], shares: Sequence[float], report: Callable[[int], None]
    ) -> float:
        """The share with the lowest squared error; the smallest of several."""
        brightness = {name: float(np.nanmean(self.dataset.read_nighttime(name))) for name in regions}
        ordered = sorted(regions, key=lambda name: (-brightness[name], name))
        halves = [ordered[number::HALVES] for number in range(HALVES)]
        squares = np.zeros(len(shares))
        for number, (own, other) in enumerate(zip(halves, halves[::-1], strict=True)):
            trainer = self._trained(own, report, number * self.steps)
            batches = self._judged(other)
            for place, share in enumerate(shares):
                model = with_share(trainer.network.core, self.config, share)
                sums = trainer.scored_by(replace(trainer.network, scored=model)).score(batches)
                squares[place] += sums.squared_error
        return shares[int(np.argmin(squares))] if np.isfinite(squares).all() else shares[0]

    def _judged(self, regions: Sequence[str]) -> list[Arrays]:
        patches = self._sampler(regions).fixed(_PATCHES_PER_REGION * len(regions), self.plan.seed)
        arrays = self.plan.maker.for_scoring(patches, left_out=True)
        count, size = len(patches), self.plan.size
        return [
            {name: array[start : start + size] for name, array in arrays.items()}
            for start in range(0, count, size)
        ]

    def _sampler(self, regions: Sequence[str]) -> PatchSampler:
        settings = self.plan.maker.settings
        return PatchSampler(
            self.dataset,
            regions,
            settings.patch_size,
            settings.seed,
            settings.maximum_missing_share,
            self.dataset.folder / CACHE_FOLDER,
            truth=settings.label == "truth",
        )

    def _trained(self, regions: Sequence[str], report: Callable[[int], None], before: int) -> Trainer:
        settings = self.plan.maker.settings
        # A plan of random patches, whatever the loader: another's would still read all regions.
        plan = Plan(
            sampler=self._sampler(regions),
            maker=self.plan.maker,
            patches=self.patches_per_region * len(regions),
            batch_size=self.plan.batch_size,
            epochs=self.plan.epochs,
            seed=self.plan.seed,
        )
        network = assemble(self.info.layout, self.config, settings.seed)
        trainer = Trainer(network, self.info, settings, plan.maker.footprints)
        schedule = settings.schedule or self.info.schedule
        with contextlib.closing(prefetched(plan.arrays, range(self.steps))) as batches:
            for step, arrays in enumerate(batches):
                rate = learning_rate_at(step, self.steps, settings.learning_rate, schedule)
                loss = trainer.step(arrays, rate)
                if step % _REPORTED == 0:
                    # The device may be steps behind; asking for the loss waits for it.
                    float(loss)
                    report(before + step)
        report(before + self.steps)
        return trainer
