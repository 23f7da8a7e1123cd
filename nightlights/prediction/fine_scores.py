"""A prediction against the true fine radiance, beside its sharpened form and what VIIRS alone gives."""

import contextlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlights import cog
from nightlights.datasets import Dataset
from nightlights.errors import DatasetError
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.manifests import MethodFineScore
from nightlights.metrics import FineSums, RankSums, ScoreSums
from nightlights.observation import PointSpread
from nightlights.prediction.comparison import Read
from nightlights.prediction.fine_pairs import FinePairs
from nightlights.prediction.layers import dataset_noise
from nightlights.prediction.tiling import expanded
from nightlights.progress import NoProgress, Progress
from nightlights.scores import BICUBIC, CONSTANT, KRIGING, REGRESSION_KRIGING
from nightlights.sharpening import Sharpening
from nightlights.sharpening.interpolation import area_to_point_kriging, bicubic
from nightlights.sharpening.regression_kriging import regression_kriged

Floats = NDArray[np.float64]

LARGEST_KRIGED = 128
"""Side in VIIRS pixels of the largest region that is kriged: time and memory grow with its third power."""

LARGEST_SHARPENED = 50_000_000
"""Analysis pixels of the largest region whose interpolated VIIRS is sharpened for comparison, in memory."""

_TILE = 64
# A pixel this far away weighs less than a billionth in a cubic spline, so that tiles meet.
_SPLINE_MARGIN = 16


def layer_fine_scores(
    dataset: Dataset,
    region: str,
    network: str,
    folder: Path,
    layers: Mapping[str, str],
    progress: Progress | None = None,
) -> list[MethodFineScore]:
    """Score the layers ``prediction`` and ``sharpened``, interpolated VIIRS and its mean against the truth.

    Every method counts where the prediction is known. Regression kriging has the daytime bands of the region
    and its VIIRS, as the sharpened layer has. Kriging of either kind is left out of regions beyond
    :data:`LARGEST_KRIGED`. Against a raster of one's own, the coarser scale of the two is compared, and
    where ``sharpened`` is a layer, interpolated VIIRS is also sharpened.

    Parameters
    ----------
    network:
        Name of the method that predicted.
    folder, layers:
        Where the layers lie, and their file names.

    Returns
    -------
    list
        Network, network sharpened, bicubic, bicubic sharpened, kriging, regression kriging, constant mean, as
        far as they are there; empty where the truth is unknown.
    """
    if dataset.region(region).truth is None:
        return []
    predicted = folder / layers["prediction"]
    methods: dict[tuple[str, bool], Read] = {(network, False): lambda part: cog.read(predicted, part)[0]}
    if "sharpened" in layers:
        sharpened = folder / layers["sharpened"]
        methods[network, True] = lambda part: cog.read(sharpened, part)[0]
    window = dataset.region(region).window.window
    small = FINE_PER_VIIRS**2 * window.width * window.height <= LARGEST_SHARPENED
    for name, read in _from_viirs(dataset, region).items():
        methods[name, False] = read
        if name == BICUBIC and "sharpened" in layers and small:
            methods[name, True] = _sharpened_bicubic(dataset, region)
    pairs = FinePairs(dataset, region)
    sums = {method: _Sums() for method in methods}
    tiles = list(pairs.tiles(_TILE))
    for done, tile in enumerate(tiles):
        (progress or NoProgress()).update(done, len(tiles), unit="tiles", message="Scoring against the truth")
        reach = pairs.reach(tile)
        known = np.isfinite(cog.read(predicted, reach)[0])
        for method, read in methods.items():
            pair = pairs.pair(np.where(known, read(reach), np.nan), reach, tile)
            if pair is not None:
                sums[method].add(*pair)
    return [
        total.score(method, corrected, pairs.scale_m)
        for (method, corrected), total in sums.items()
        if total.fine.pixels
    ]


class _Sums:
    """What is summed up of one method."""

    def __init__(self) -> None:
        self.fine, self._errors, self._ranks = FineSums(), ScoreSums(), RankSums()

    def add(self, light: Floats, truth: Floats, inner: tuple[slice, slice]) -> None:
        self.fine = self.fine.add(light, truth, inner)
        self._errors = self._errors.add(light[inner], truth[inner])
        self._ranks = self._ranks.add(light[inner], truth[inner])

    def score(self, method: str, sharpened: bool, scale_m: float | None) -> MethodFineScore:
        return MethodFineScore(
            method=method,
            sharpened=sharpened,
            fine=self.fine.score(scale_m),
            classes=self._errors.score(method, "").classes,
            spearman=self._ranks.spearman,
        )


def _sharpened_bicubic(dataset: Dataset, region: str) -> Read:
    """What sharpening makes of VIIRS alone: what the texture of a prediction has to beat."""
    window = dataset.region(region).window.window
    measured = dataset.read_nighttime(region).astype(np.float64)
    noise, sigma = dataset_noise(dataset, region)
    found = Sharpening.of(
        lambda part: np.ones(part.fine_shape, np.float32),
        measured,
        window,
        PointSpread.of(dataset.manifest),
        noise=noise,
        sigma=sigma,
        exponent=0.0,
    )
    light = np.empty(window.fine_shape, np.float32)
    for tile, block in found.blocks():
        light[tile.fine_slices_in(window)] = block
    return lambda part: light[part.fine_slices_in(window)]


def _from_viirs(dataset: Dataset, region: str) -> dict[str, Read]:
    """What VIIRS gives on the analysis grid without a network, by method; what knows least comes last."""
    window = dataset.region(region).window.window
    spread = PointSpread.of(dataset.manifest)
    measured = dataset.read_nighttime(region).astype(np.float64)

    def cubic(part: Window) -> NDArray[np.float64]:
        reach = expanded(part, _SPLINE_MARGIN, window)
        return bicubic(measured[reach.slices_in(window)], reach, spread)[part.fine_slices_in(reach)]

    @cache
    def kriged() -> NDArray[np.float64]:
        return area_to_point_kriging(measured, window, spread)

    found: dict[str, Read] = {BICUBIC: cubic}
    if max(measured.shape) <= LARGEST_KRIGED:
        found[KRIGING] = lambda part: kriged()[part.fine_slices_in(window)]
        with contextlib.suppress(DatasetError):
            trended = regression_kriged(dataset, region)
            found[REGRESSION_KRIGING] = lambda part: trended[part.fine_slices_in(window)]
    known = measured[np.isfinite(measured)]
    if known.size:
        mean = float(known.mean())
        found[CONSTANT] = lambda part: np.full(part.fine_shape, mean)
    return found
