"""Learning rates over the steps of a training run."""

import math

from nightlights.manifests import Schedule

_WARM_UP_SHARE = 0.05
_FINAL_SHARE = 0.01


def learning_rate_at(step: int, steps: int, highest: float, schedule: Schedule) -> float:
    """The learning rate of ``step``, counted from 0, of ``steps``.

    ``constant`` stays at ``highest``. ``cosine`` grows linearly over the first twentieth of the steps,
    then falls along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983) to a hundredth.
    """
    if schedule == "constant":
        return highest
    warm_up = max(1, round(_WARM_UP_SHARE * steps))
    if step < warm_up:
        return highest * (step + 1) / warm_up
    share = (step - warm_up) / max(1, steps - warm_up)
    return highest * (_FINAL_SHARE + (1 - _FINAL_SHARE) * (1 + math.cos(math.pi * share)) / 2)
