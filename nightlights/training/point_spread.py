"""The width of the core of the point spread as a number that training learns, in TensorFlow.

The observation matrices are those of :mod:`nightlights.observation`: differences of error functions, scaled
so that the weights that an analysis pixel gives to all VIIRS pixels add up to 1/16. Here they are made from
a tensor, so that the loss has a slope in the width.
"""

import math
from typing import Any, Final

import keras
import tensorflow as tf

from nightlights.grid import FINE_PER_VIIRS
from nightlights.observation import TRUNCATE_SIGMAS, PointSpread
from nightlights.training.choices import NARROWEST_M, WIDEST_M

_SIGMA_PER_M: Final = PointSpread(1.0).sigma_rows()


class LearnedPointSpread:
    """A full width at half maximum, in metres, kept within bounds by a logistic function.

    Attributes
    ----------
    variable:
        What the optimizer changes; the width is a smooth function of it.

    Parameters
    ----------
    fwhm_m:
        The width to start at, between the bounds.
    size:
        VIIRS pixels along the side of a patch.
    """

    def __init__(self, fwhm_m: float, size: int) -> None:
        share = (fwhm_m - NARROWEST_M) / (WIDEST_M - NARROWEST_M)
        self.size = size
        self.variable = keras.Variable(
            math.log(share / (1 - share)), dtype="float32", trainable=True, name="point_spread"
        )

    @property
    def fwhm_m(self) -> Any:
        """The width as a scalar tensor."""
        return NARROWEST_M + (WIDEST_M - NARROWEST_M) * tf.sigmoid(self.variable.value)

    def matrices(self, cosines: Any) -> tuple[Any, Any]:
        """The matrices of :class:`nightlights.training.footprints.PatchFootprints`.

        Parameters
        ----------
        cosines:
            Cosine of the latitude of every VIIRS row of every patch, shape (n, h).

        Returns
        -------
        across_rows, along_rows:
            Shapes (h, 16 h) and (n, h, 16 w, w).
        """
        sigma = self.fwhm_m * _SIGMA_PER_M
        across = _matrices(tf.reshape(sigma, (1,)), self.size)[0]
        along = _matrices(tf.reshape(sigma / cosines, (-1,)), self.size)
        return tf.transpose(across), tf.reshape(along, (-1, self.size, FINE_PER_VIIRS * self.size, self.size))


def _matrices(sigma: Any, size: int) -> Any:
    """Matrices from analysis to VIIRS pixels, shape (n, 16 size, size), for widths of shape (n,)."""
    margin = tf.cast(tf.math.ceil(TRUNCATE_SIGMAS * sigma / FINE_PER_VIIRS), tf.int32)
    reach = tf.maximum(tf.reduce_max(margin), size - 1)
    offsets = tf.range(-reach, reach + 1)
    phases = tf.range(FINE_PER_VIIRS, dtype=tf.float32) - (FINE_PER_VIIRS - 1) / 2
    distance = FINE_PER_VIIRS * tf.cast(offsets, tf.float32)[:, None] + phases
    scale = math.sqrt(2) * sigma[:, None, None]
    half = FINE_PER_VIIRS / 2
    weights = tf.math.erf((distance + half) / scale) - tf.math.erf((distance - half) / scale)
    within = tf.abs(offsets) <= margin[:, None]
    weights = tf.where(within[:, :, None], weights, 0.0)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True) * FINE_PER_VIIRS
    blocks = tf.range(size)
    # An analysis pixel of block b lies b - i blocks from VIIRS pixel i.
    chosen = tf.gather(weights, blocks[:, None] - blocks + reach, axis=1)
    return tf.reshape(tf.transpose(chosen, (0, 1, 3, 2)), (-1, FINE_PER_VIIRS * size, size))
