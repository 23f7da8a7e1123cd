"""Prediction of regions of any size, tile by tile, with constant memory."""

from nightlights.prediction.comparison import (
    Comparison,
    compare_fine,
    compare_region,
    observed_blocks,
    pooled_score,
)
from nightlights.prediction.fine_scores import layer_fine_scores
from nightlights.prediction.layers import RegionPrediction, predict_region
from nightlights.prediction.tiling import Predictor, Tiling

__all__ = [
    "Comparison",
    "Predictor",
    "RegionPrediction",
    "Tiling",
    "compare_fine",
    "compare_region",
    "layer_fine_scores",
    "observed_blocks",
    "pooled_score",
    "predict_region",
]
