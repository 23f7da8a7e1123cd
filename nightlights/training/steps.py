"""One step of training, one pass of scoring, and the optimizer, on the TensorFlow backend of Keras."""

import contextlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nightlights.errors import ModelError
from nightlights.losses import footprint_loss, observed_radiance, pixel_loss
from nightlights.manifests import TrainingSettings
from nightlights.metrics import ScoreSums
from nightlights.networks import NetworkInfo
from nightlights.training.augmentation import turned_back
from nightlights.training.batches import Arrays
from nightlights.training.footprints import MINIMUM_COVERAGE

WEIGHT_DECAY = 0.01
"""Decay of AdamW, of the convolutions' kernels alone (Loshchilov and Hutter 2019, arXiv:1711.05101)."""
_LARGEST_GRADIENT = 1.0


def make_optimizer(settings: TrainingSettings, info: NetworkInfo) -> Any:
    """The Keras optimizer that ``settings`` name."""
    limit = _LARGEST_GRADIENT if info.clipped_gradients else None
    common: dict[str, Any] = {"learning_rate": settings.learning_rate, "global_clipnorm": limit}
    if settings.optimizer == "SGD":
        return keras.optimizers.SGD(**common)
    if settings.optimizer == "Adam":
        return keras.optimizers.Adam(**common)
    optimizer = keras.optimizers.AdamW(weight_decay=WEIGHT_DECAY, **common)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


@contextlib.contextmanager
def clear_memory_errors() -> Iterator[None]:
    """Turn the device's word that its memory is full into a :class:`ModelError` with a remedy."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise ModelError(
            "The device ran out of memory.", "Choose a smaller batch, smaller patches or a smaller network."
        ) from error


class Trainer:
    """A network with its optimizer and loss.

    Parameters
    ----------
    model:
        ``keras.Model`` from scaled bands to transformed radiance.
    across_rows:
        See :class:`nightlights.training.footprints.PatchFootprints`.
    """

    def __init__(
        self,
        model: Any,
        info: NetworkInfo,
        settings: TrainingSettings,
        across_rows: NDArray[np.float32],
    ) -> None:
        self.model = model
        self.optimizer = make_optimizer(settings, info)
        self.optimizer.build(model.trainable_variables)
        self._transform = info.transform
        self._kind = settings.loss
        self._across_rows = tf.constant(across_rows)
        self._step = tf.function(self._train, autograph=False)
        self._observe = tf.function(self._predict_observed, autograph=False)

    def step(self, arrays: Arrays, learning_rate: float) -> Any:
        """Train on one batch; gives the loss as a tensor that need not be finished yet."""
        self.optimizer.learning_rate.assign(learning_rate)
        return self._step({name: tf.convert_to_tensor(array) for name, array in arrays.items()})

    def score(self, batches: Iterable[Arrays]) -> ScoreSums:
        """Score the network in inference mode at the VIIRS grid, as the pixels of all ``batches``."""
        sums = ScoreSums()
        for arrays in batches:
            observed, covered = self._observe(
                {name: tf.convert_to_tensor(array) for name, array in arrays.items()}
            )
            use = (covered.numpy() * arrays["weights"]) > 0
            predicted = observed.numpy()[use]
            if not np.isfinite(predicted).all():
                # Missing pixels do not count in a score, but these are not missing: training diverged.
                return ScoreSums(pixels=1, squared_error=math.inf)
            sums = sums.add(predicted, arrays["measured"][use])
        return sums

    def _train(self, arrays: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            predicted = self.model(arrays["inputs"], training=True)[..., 0]
            loss = self._loss(turned_back(predicted, arrays["switches"]), arrays)
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return loss

    def _loss(self, predicted: Any, arrays: dict[str, Any]) -> Any:
        if self._kind != "footprint squared error":
            return pixel_loss(self._kind, predicted, arrays["label"], arrays["weights"])
        observed, covered = self._observed(predicted, arrays)
        weights = covered * arrays["weights"]
        return footprint_loss(observed, arrays["measured"], weights, self._transform)

    def _predict_observed(self, arrays: dict[str, Any]) -> tuple[Any, Any]:
        return self._observed(self.model(arrays["inputs"], training=False)[..., 0], arrays)

    def _observed(self, predicted: Any, arrays: dict[str, Any]) -> tuple[Any, Any]:
        return observed_radiance(
            predicted,
            arrays["known"],
            self._across_rows,
            arrays["along_rows"],
            self._transform,
            MINIMUM_COVERAGE,
        )
