"""Where a network begins: at what its first weights happen to give, or near the light of its regions.

Fresh weights with a bias of 0 predict about asinh of 0.7 times the transform's scale everywhere: some 4
nW/cm2/sr with ours. Where a country is dark, hundreds of steps go by until that is unlearned. Setting the
last bias to what the data have on average is usual for outputs that are mostly near 0 (Lin et al. 2017,
doi:10.1109/ICCV.2017.324, section 3.3).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nightlights.bands import RadianceTransform
from nightlights.datasets import Dataset
from nightlights.errors import DatasetError

_LEAST = 0.001
"""Radiance in nW/cm2/sr that a mean counts as at least: softplus and sigmoid reach 0 nowhere."""


def mean_radiance(dataset: Dataset, regions: Sequence[str]) -> float:
    """Mean of all known VIIRS pixels of ``regions``, in nW/cm2/sr.

    Raises
    ------
    DatasetError
        When there is none.
    """
    known = [image[np.isfinite(image)] for image in map(dataset.read_nighttime, regions)]
    pixels = np.concatenate(known).astype(np.float64)
    if not len(pixels):
        raise DatasetError("The training regions have no known VIIRS pixel.", "Choose other regions.")
    return float(pixels.mean())


def begin_at(model: Any, radiance: float, transform: RadianceTransform) -> None:
    """Set the last bias of ``model`` so that it alone predicts ``radiance``, in nW/cm2/sr.

    The last kernel, which is drawn about 0, makes the first predictions vary around it.
    """
    layer = model.layers[-1]
    wanted = float(transform.forward(max(radiance, _LEAST)))
    inverse = {"softplus": _before_softplus, "sigmoid": _before_sigmoid}.get(layer.activation.__name__)
    layer.bias.assign([inverse(wanted) if inverse else wanted])


def _before_softplus(output: float) -> float:
    # log(exp(output) - 1) without the overflow of exp.
    return output + math.log(-math.expm1(-output))


def _before_sigmoid(output: float) -> float:
    limited = min(output, 1 - 1e-6)
    return math.log(limited / (1 - limited))
