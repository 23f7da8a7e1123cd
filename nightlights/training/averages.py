"""An exponential moving average of all weights, which steadies the result of a noisy descent."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf


class MovingAverage:
    """The average of variables over the steps of training (Polyak and Juditsky 1992, doi:10.1137/0330046).

    Early on the decay is at most (1 + step) / (10 + step), or the average would long remember the random
    weights that training began with.

    Parameters
    ----------
    variables:
        Keras variables; those that are no floating-point numbers are left alone.
    decay:
        Share of the average that a step keeps; 0 for no average.
    """

    def __init__(self, variables: Sequence[Any], decay: float) -> None:
        self._decay = decay
        self._variables = [each for each in variables if decay and "float" in each.dtype]
        # From an array: a Keras variable that is made from another's value would share it.
        self.averages = [
            keras.Variable(each.numpy(), dtype=each.dtype, trainable=False, name="average")
            for each in self._variables
        ]

    def update(self, step: Any) -> None:
        """Take in the present values after step number ``step``."""
        if not self._variables:
            return
        count = tf.cast(step, tf.float32)
        decay = tf.minimum(self._decay, (1 + count) / (10 + count))
        for variable, average in zip(self._variables, self.averages, strict=True):
            average.assign(average + (1 - decay) * (variable.value - average))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Exchange the variables for their averages; undone at the end."""
        present = [variable.numpy() for variable in self._variables]
        try:
            for variable, average in zip(self._variables, self.averages, strict=True):
                variable.assign(average.value)
            yield
        finally:
            for variable, value in zip(self._variables, present, strict=True):
                variable.assign(value)
