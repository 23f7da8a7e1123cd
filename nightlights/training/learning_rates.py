"""Learning rates over the steps of a training run."""

import math
from collections.abc import Sequence

from nightlights.manifests import Schedule

_WARM_UP_SHARE = 0.05
_FINAL_SHARE = 0.01
PLATEAU_PATIENCE = 3
"""Epochs without a better training loss after which the schedule ``plateau`` halves the rate."""


def learning_rate_at(step: int, steps: int, highest: float, schedule: Schedule) -> float:
    """The learning rate of ``step``, counted from 0, of ``steps``.

    ``constant`` stays at ``highest``, and so does ``plateau`` but for :func:`plateau_factor`. ``cosine``
    grows linearly over the first twentieth of the steps, then falls along half a cosine (Loshchilov and
    Hutter 2017, arXiv:1608.03983) to a hundredth.
    """
    if schedule != "cosine":
        return highest
    warm_up = max(1, round(_WARM_UP_SHARE * steps))
    if step < warm_up:
        return highest * (step + 1) / warm_up
    share = (step - warm_up) / max(1, steps - warm_up)
    return highest * (_FINAL_SHARE + (1 - _FINAL_SHARE) * (1 + math.cos(math.pi * share)) / 2)


def plateau_factor(losses: Sequence[float]) -> float:
    """What ``plateau`` multiplies the learning rate by, after epochs with these training losses.

    It is halved whenever the loss has not been better for :data:`PLATEAU_PATIENCE` epochs, and waits as long
    again. It follows from the losses alone, so that a resumed run goes on with the same rate.
    """
    factor, best, waited = 1.0, math.inf, 0
    for loss in losses:
        if loss < best:
            best, waited = loss, 0
            continue
        waited += 1
        if waited == PLATEAU_PATIENCE:
            factor, waited = factor / 2, 0
    return factor
