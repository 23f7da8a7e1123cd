"""Every method at 30 m, plain and sharpened, against the truth where it is known."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightlights.baselines import Baseline
from nightlights.datasets import Dataset
from nightlights.errors import DatasetError
from nightlights.metrics.fine import FineSums
from nightlights.observation import PointSpread
from nightlights.sharpening.interpolation import INTERPOLATIONS
from nightlights.sharpening.sharpen import sharpen


@dataclass(frozen=True, slots=True)
class FineResult:
    """How near a method comes to the truth in a region.

    Attributes
    ----------
    method:
        Name in tables; ``sharpened`` tells whether its light was sharpened with VIIRS.
    sums:
        Over the analysis pixels of the region, on simulated imagery: to merge and to score.
    """

    method: str
    sharpened: bool
    sums: FineSums


def fine_results(
    dataset: Dataset,
    region: str,
    baselines: tuple[Baseline, ...] = (),
    predictions: Mapping[str, NDArray[np.float32]] | None = None,
) -> list[FineResult]:
    """Score interpolated VIIRS, ``baselines`` and ``predictions`` in ``region`` against the truth.

    The whole region is held in memory. Interpolations are also sharpened, as a prior without texture.

    Parameters
    ----------
    baselines:
        Fitted methods on the bands.
    predictions:
        Method to radiance in nW/cm2/sr, shape (16 height, 16 width): of networks, for example.

    Raises
    ------
    DatasetError
        When the truth of the region is unknown.
    """
    truth = dataset.read_truth(region)
    if truth is None:
        raise DatasetError(
            f"The fine truth of {region} is unknown.", "Fine scores need a dataset of the simulated planet."
        )
    window = dataset.region(region).window.window
    spread = PointSpread(dataset.manifest.point_spread_fwhm_m)
    measured = dataset.read_nighttime(region).astype(np.float64)
    priors: dict[str, NDArray[np.float64]] = {
        method: interpolate(measured, window, spread) for method, interpolate in INTERPOLATIONS.items()
    }
    if baselines:
        daytime = dataset.read_daytime(region)
        priors |= {baseline.method: baseline.predict(daytime) for baseline in baselines}
    priors |= {method: light.astype(np.float64) for method, light in (predictions or {}).items()}
    results = []
    for method, prior in priors.items():
        results.append(FineResult(method, False, FineSums().add(prior, truth)))
        corrected = sharpen(prior, measured, window, spread)
        results.append(FineResult(method, True, FineSums().add(corrected, truth)))
    return results
