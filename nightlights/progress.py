"""How long work says how far it is, and learns that it should stop."""

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of long work; see :mod:`nightlights.jobs` for the one that writes files."""

    def update(
        self,
        done: float,
        total: float,
        *,
        unit: str = "",
        message: str = "",
    ) -> None:
        """Record that ``done`` of ``total`` (both in ``unit``) is finished.

        Raises
        ------
        nightlights.errors.Cancelled
            When the user has asked for the work to stop.
        """


class NoProgress:
    """Progress that nobody watches and nobody cancels."""

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """Do nothing."""
