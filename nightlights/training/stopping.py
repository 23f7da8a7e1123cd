"""Early stopping: which epoch's model a run keeps, and when it ends before its last epoch."""

from collections.abc import Sequence

from nightlights.manifests import EpochRecord


def kept_epoch(history: Sequence[EpochRecord], patience: int | None) -> EpochRecord:
    """The epoch of ``history`` whose model is kept: the last, or the best where there is early stopping.

    The best is the first with the lowest evaluation RMSE. It has been chosen by the evaluation regions, which
    are then no test of the model.
    """
    if patience is None:
        return history[-1]
    return min(history, key=lambda epoch: _rmse(epoch))


def stops(history: Sequence[EpochRecord], patience: int | None) -> bool:
    """Whether the best evaluation lies ``patience`` epochs back; never without early stopping."""
    if patience is None or not history:
        return False
    return history[-1].epoch - kept_epoch(history, patience).epoch >= patience


def _rmse(epoch: EpochRecord) -> float:
    return float("inf") if epoch.evaluation_rmse is None else epoch.evaluation_rmse
