"""Training a network on a dataset: deterministic, resumable, with both RMSE curves measured the same way."""

from nightlights.training.run import train

__all__ = ["train"]
