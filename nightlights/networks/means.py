"""The geometric mean of networks: that of their light, taken within one model."""

from collections.abc import Sequence
from typing import Any, Final

from nightlights.bands import RadianceTransform

_FAINT: Final = 0.02
"""nW/cm2/sr: darker light counts as this, since of none there is no logarithm."""


def geometric_mean(outputs: Sequence[Any], transform: RadianceTransform) -> Any:
    """The transform of the geometric mean of light.

    Where networks differ by a factor, as in the dark, the largest of them does not decide.

    Parameters
    ----------
    outputs:
        Keras tensors of transformed radiance, all of one shape.
    transform:
        That they were transformed with.
    """
    import keras
    from keras import ops

    logarithms = [ops.log(ops.maximum(transform.inverse(output, ops), _FAINT)) for output in outputs]
    mean = keras.layers.Average(name="mean_logarithm")(logarithms) if len(outputs) > 1 else logarithms[0]
    return transform.forward(ops.exp(mean), ops)
