"""The study's data loader with its defect, and the same loader without it.

The notebook reads its patches with ::

    for i in range(0, n_files):
        glob = path + prefix + '_g' + str(i) + '.tfrecord.gz'
    dataset = tf.data.TFRecordDataset(glob, ...)
    training = dataset.shuffle(2000).batch(BATCH_SIZE).repeat()
    model.fit(training, steps_per_epoch=int(TRAIN_SIZE / BATCH_SIZE), ...)

**The defect**: the loop replaces ``glob`` where it should extend it, so that only the file of the *last*
region is read, of 8 or 24 for training and of 2 for evaluation. ``repeat`` hides it: ``steps_per_epoch``
counts the patches of all regions, so the patches of the one region come round again and again, and an
epoch looks as long as it should.

What else a loader in TensorFlow does is kept: a region's patches are drawn once and never change; every
pass holds each of them once, in a new order; the last batch of a pass holds what is left; a pass does not
end with an epoch. Shuffling goes through a buffer of 2,000 patches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from nightlights.training.batches import Arrays, Patches, Plan, Sampler

Loading = Literal["study", "study mended"]

BUFFER_SIZE: Final = 2000
"""Patches in the buffer of the notebook's ``shuffle``."""


@dataclass(frozen=True)
class StudyLoader:
    """The loader of a run, see :class:`nightlights.training.loaders.Loader`.

    Attributes
    ----------
    loading:
        With the defect ("study"), or without it ("study mended").
    """

    loading: Loading

    def regions_read(self, regions: Sequence[str]) -> list[str]:
        """The regions whose patches are read: with the defect those of the last alone."""
        return list(regions[-1:] if self.loading == "study" else regions)

    def plan(self, plan: Plan, regions: int) -> Plan:
        """``plan`` with its steps filled; its patches an epoch count all ``regions``, read or not."""
        read = 1 if self.loading == "study" else regions
        order = StudyOrder(plan.sampler, read, plan.patches // regions, plan.size, plan.seed)
        return StudyPlan(**{**vars(plan), "order": order})


@dataclass(frozen=True)
class StudyOrder:
    """Batches of a sampler's patches in the order in which the study's loader gives them.

    Attributes
    ----------
    sampler:
        Of the regions that are read, see :meth:`StudyLoader.regions_read`.
    regions:
        How many those are.
    patches_per_region:
        Patches in a region's file.
    batch_size:
        Patches of a batch, but for the last of a pass.
    seed:
        Of the shuffling.
    """

    sampler: Sampler
    regions: int
    patches_per_region: int
    batch_size: int
    seed: int

    def records(self, step: int) -> list[int]:
        """Patches of the batch ``step``, counted over all epochs, as places in the files joined in order."""
        count = self.regions * self.patches_per_region
        passes, position = divmod(step, -(-count // self.batch_size))
        order = shuffled(count, self.seed, passes)
        return list(order[position * self.batch_size : (position + 1) * self.batch_size])

    def batch(self, step: int) -> Patches:
        """The patches of the batch ``step``; the sampler's epoch stays the first, so they never change."""
        files = (divmod(record, self.patches_per_region) for record in self.records(step))
        # The sampler takes patch i from region i modulo the number of regions.
        return self.sampler.batch(0, [place * self.regions + region for region, place in files])


@dataclass(frozen=True)
class StudyPlan(Plan):
    """A plan whose steps are filled by the study's loader.

    Attributes
    ----------
    order:
        Gives the patches; how many steps make an epoch is counted over all regions, read or not.
    """

    order: StudyOrder

    def arrays(self, step: int) -> Arrays:
        """The arrays of ``step``, counted over all epochs."""
        return self.maker.for_training(self.order.batch(step), step)


@lru_cache(maxsize=8)
def shuffled(count: int, seed: int, passes: int) -> tuple[int, ...]:
    """The order of pass ``passes`` over ``count`` patches: drawn from a buffer that the next one refills."""
    generator = np.random.default_rng([seed, passes])
    buffer = list(range(min(BUFFER_SIZE, count)))
    order = []
    for following in range(BUFFER_SIZE, BUFFER_SIZE + count):
        slot = int(generator.integers(len(buffer)))
        order.append(buffer[slot])
        if following < count:
            buffer[slot] = following
        else:
            buffer[slot] = buffer[-1]
            buffer.pop()
    return tuple(order)
