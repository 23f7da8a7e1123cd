"""Counts, figures and moments as people read them; what several places say in the same words."""

from datetime import datetime
from typing import Final

FIRST_OUTPUT: Final = (
    "What the network predicts before the first step. As drawn: what its random first weights give, some "
    "4 nW/cm²/sr everywhere (the study's network: 30). Mean radiance: about the mean of VIIRS over the "
    "training regions, which spares dark countries hundreds of steps."
)
"""Explains the setting ``first_output`` wherever it is chosen."""


def counted(count: int, noun: str) -> str:
    """``1 region``, ``2 regions``, ``1,200 patches``, ``30 epochs``."""
    plural = "es" if noun.endswith(("ch", "s", "x")) and not noun.endswith("epoch") else "s"
    return f"{count:,} {noun}{plural * (count != 1)}"


def rounded(value: float | None, digits: int) -> float | None:
    """``value`` with so many digits after the point; never the ``-0`` that a small negative one rounds to."""
    return None if value is None else round(value, digits) + 0.0


def local_time(moment: datetime) -> str:
    """``2026-03-01 14:05`` in the time of this machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
