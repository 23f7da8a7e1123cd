"""Which patches fill the steps of a run: random ones, or what another loader gives."""

from collections.abc import Sequence
from typing import Protocol

from nightlights.training.batches import Plan


class Loader(Protocol):
    """Chooses the regions that are read, and fills the steps of a plan with their patches."""

    def regions_read(self, regions: Sequence[str]) -> list[str]:
        """The regions, of all ``regions`` of a role in a run, whose patches are read."""
        ...

    def plan(self, plan: Plan, regions: int) -> Plan:
        """``plan`` with its steps filled.

        Parameters
        ----------
        plan:
            Of random patches; its sampler draws from the regions that are read, its patches an epoch count
            all regions.
        regions:
            Number of training regions of the run.
        """
        ...


class RandomPatches:
    """New random patches of all regions in every epoch."""

    def regions_read(self, regions: Sequence[str]) -> list[str]:
        """See :meth:`Loader.regions_read`: all of them."""
        return list(regions)

    def plan(self, plan: Plan, regions: int) -> Plan:
        """See :meth:`Loader.plan`: the plan as it is."""
        return plan
