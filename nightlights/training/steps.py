"""One step of training, one pass of scoring, and the optimizer, on the TensorFlow backend of Keras."""

import contextlib
import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nightlights.errors import ModelError
from nightlights.losses import covered_footprints, footprint_loss, observed_radiance, pixel_loss
from nightlights.manifests import EpochRecord, TrainingSettings
from nightlights.metrics import ScoreSums
from nightlights.networks import NetworkInfo
from nightlights.networks.guided import Assembled
from nightlights.training.augmentation import turned, turned_back
from nightlights.training.averages import MovingAverage
from nightlights.training.batches import Arrays
from nightlights.training.footprints import MINIMUM_COVERAGE, PatchFootprints
from nightlights.training.point_spread import LearnedPointSpread
from nightlights.training_settings import FOOTPRINT_LOSSES


def make_optimizer(settings: TrainingSettings, info: NetworkInfo) -> Any:
    """The Keras optimizer that ``settings`` name.

    The decay of AdamW is of the kernels alone (Loshchilov and Hutter 2019, arXiv:1711.05101).
    """
    limit = info.gradient_norm if settings.gradient_norm is None else settings.gradient_norm or None
    common: dict[str, Any] = {"learning_rate": settings.learning_rate, "global_clipnorm": limit}
    if settings.optimizer == "SGD":
        return keras.optimizers.SGD(**common)
    if settings.optimizer == "Adam":
        return keras.optimizers.Adam(**common)
    optimizer = keras.optimizers.AdamW(weight_decay=settings.weight_decay, **common)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "point_spread"])
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
    network:
        In its forms: what is trained and what is scored.
    footprints:
        Of the dataset; where the point spread is learned, training begins with theirs.
    """

    def __init__(
        self,
        network: Assembled,
        info: NetworkInfo,
        settings: TrainingSettings,
        footprints: PatchFootprints,
    ) -> None:
        model = network.trained
        self.network = network
        self._spread = None
        if settings.point_spread == "learned":
            self._spread = LearnedPointSpread(footprints.point_spread.fwhm_m, footprints.size)
        extra = [] if self._spread is None else [self._spread.variable]
        self._trainable = [*model.trainable_variables, *extra]
        # Not the weights alone: what draws at random has a state that a resumed run goes on from.
        self._variables = [*model.variables, *extra]
        self._average = MovingAverage(self._variables, settings.weight_averaging)
        self.optimizer = make_optimizer(settings, info)
        if self._trainable:
            self.optimizer.build(self._trainable)
        self._transform = info.transform
        self._settings = settings
        self._turns = settings.rotate or settings.mirror
        self._across_rows = tf.constant(footprints.across_rows)
        self._glow_share = footprints.glow_share
        self._glow_across_rows = tf.constant(footprints.glow_across_rows) if self._glow_share > 0 else None
        self._step = tf.function(self._train, autograph=False)
        self._observe = tf.function(self._predict_observed, autograph=False)

    @property
    def state(self) -> Mapping[str, Sequence[Any]]:
        """All variables that a checkpoint keeps."""
        return {
            "weight": self._variables,
            "optimizer": self.optimizer.variables,
            "average": self._average.averages,
        }

    @property
    def fwhm_m(self) -> float | None:
        """The learned full width at half maximum in metres; None where it is fixed."""
        return None if self._spread is None else float(self._spread.fwhm_m)

    @contextlib.contextmanager
    def kept_weights(self) -> Iterator[None]:
        """Put the weights to score and to save in place: their moving average where there is one."""
        with self._average.in_place():
            yield

    def scored_by(self, network: Assembled) -> "Trainer":
        """This trainer, scoring another form of its network."""
        other = copy.copy(self)
        other.network = network
        # Not compiled: a form is asked once or twice, and compiling takes longer.
        other._observe = other._predict_observed
        return other

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

    def loss(self, batches: Sequence[Arrays]) -> float:
        """Mean footprint loss of ``batches`` as :meth:`score` takes them, in inference mode."""
        losses = []
        for arrays in batches:
            observed, covered = self._observe(
                {name: tf.convert_to_tensor(array) for name, array in arrays.items()}
            )
            weights = covered * arrays["weights"]
            losses.append(float(footprint_loss(observed, arrays["measured"], weights, self._transform)))
        return sum(losses) / max(len(losses), 1)

    def _train(self, arrays: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            loss = self._loss(self._trained_prediction(arrays), arrays)
        self.optimizer.apply(tape.gradient(loss, self._trainable), self._trainable)
        self._average.update(self.optimizer.iterations)
        return loss

    def _trained_prediction(self, arrays: dict[str, Any]) -> Any:
        given = [arrays["inputs"], arrays["guide"]] if self.network.guided else [arrays["inputs"]]
        if not self._turns:
            return self._called(self.network.trained, given, training=True)
        given = [turned(images, arrays["switches"]) for images in given]
        return turned_back(self._called(self.network.trained, given, training=True), arrays["switches"])

    @staticmethod
    def _called(model: Any, given: list[Any], *, training: bool) -> Any:
        return model(given if len(given) > 1 else given[0], training=training)[..., 0]

    def _loss(self, predicted: Any, arrays: dict[str, Any]) -> Any:
        kind = self._settings.loss
        if kind not in FOOTPRINT_LOSSES:
            return pixel_loss(kind, predicted, arrays["label"], arrays["label_weights"])
        observed, covered = self._observed(predicted, arrays)
        weights = covered * arrays["weights"]
        if kind != "mixture":
            return footprint_loss(observed, arrays["measured"], weights, self._transform, kind)
        share = self._settings.footprint_share
        footprint = footprint_loss(observed, arrays["measured"], weights, self._transform)
        pixel = pixel_loss("pixel squared error", predicted, arrays["label"], arrays["label_weights"])
        return share * footprint + (1 - share) * pixel

    def _predict_observed(self, arrays: dict[str, Any]) -> tuple[Any, Any]:
        given = [arrays["inputs"], arrays["guide"]] if self.network.guided else [arrays["inputs"]]
        return self._observed(self._called(self.network.scored, given, training=False), arrays)

    def _observed(self, predicted: Any, arrays: dict[str, Any]) -> tuple[Any, Any]:
        known, fixed = arrays["known"], (self._across_rows, arrays["along_rows"])
        glow = None
        if self._glow_across_rows is not None:
            glow = (self._glow_share, self._glow_across_rows, arrays["glow_along_rows"])
        if self._spread is None:
            return observed_radiance(predicted, known, *fixed, self._transform, MINIMUM_COVERAGE, glow)
        # The core is learned; the glow stays what the dataset contains.
        matrices = self._spread.matrices(arrays["cosines"])
        observed, _ = observed_radiance(predicted, known, *matrices, self._transform, 0.0, glow)
        # A width that decided which footprints count could grow until none that it gets wrong does.
        return observed, covered_footprints(known, *fixed, MINIMUM_COVERAGE)[1]


def fitted_epoch(
    trainer: Trainer, scored: Sequence[Sequence[Arrays]], timer: Callable[[], float]
) -> EpochRecord:
    """The one row of the history of a regression: nothing is trained, all is scored.

    Parameters
    ----------
    scored:
        Fixed patches of the training regions, then of the evaluation regions where there are some.
    timer:
        Gives seconds.
    """
    began = timer()
    rmse = [trainer.score(arrays).rmse for arrays in scored]
    seconds = max(timer() - began, 1e-9)
    patches = sum(len(arrays["inputs"]) for each in scored for arrays in each)
    return EpochRecord(
        epoch=1,
        loss=trainer.loss(scored[0]),
        train_rmse=rmse[0],
        evaluation_rmse=rmse[1] if len(rmse) > 1 else None,
        learning_rate=0.0,
        seconds=seconds,
        patches_per_second=patches / seconds,
    )
