"""Learning from regions that the network was not trained on how wide its intervals have to be.

The regions may lie in several datasets: cities looked at on two planets, or on two dates, say more of how a
prediction errs than cities looked at once. The same ground is always held out together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import RadianceTransform
from nightlights.datasets import Dataset
from nightlights.errors import DatasetError
from nightlights.grid import VIIRS_HEIGHT, VIIRS_WIDTH, Window
from nightlights.manifests import RunRecord, now, write_record
from nightlights.models import model_sha256
from nightlights.progress import Progress
from nightlights.uncertainty.features import region_features
from nightlights.uncertainty.intervals import SizeModel, fit_intervals, group_mean, held_out_cover
from nightlights.uncertainty.layers import fine_prediction
from nightlights.uncertainty.records import (
    METHOD,
    UNCERTAINTY_FILE,
    CalibratedRegion,
    Calibration,
    Orientations,
    Weight,
    feature_names,
)

# Errors of the intervals are nearly even in it from the dark to the centres of cities.
_TRANSFORM = RadianceTransform(kind="inverse hyperbolic sine", scale=1.0)
_FEWEST_PIXELS = 200
_FEWEST_REGIONS = 3
"""With fewer, blocks are held out instead: of two regions, one would be left to fit and one to compare."""
_BLOCK = 16
"""Side of a block in VIIRS pixels, about 7 km: errors of neighbours are alike over a few kilometres."""

_ALL = 0.999
"""Share of the errors from which a quantile is the largest of them, nearly."""

Source = tuple[Dataset, Sequence[str]]
"""A dataset, and which of its regions are calibrated with."""


def calibration_regions(
    dataset: Dataset, trained: Dataset | None, run: RunRecord, names: Sequence[str] | None
) -> list[str]:
    """The regions of ``dataset`` to calibrate with: those named, else those that the run was evaluated in.

    Of another dataset than the run's own, those of role evaluate unless named.

    Parameters
    ----------
    trained:
        What the run was trained on; None where it is gone or has changed. Then names alone tell what was
        trained on, see :func:`unchecked_ground`.

    Raises
    ------
    DatasetError
        When there is none, or the network was trained on one or on a part of one.
    """
    own = trained is not None and trained.sha256 == dataset.sha256
    if names is None:
        chosen = run.evaluate_regions if own else [region.name for region in dataset.regions("evaluate")]
    else:
        chosen = list(dict.fromkeys(names))
    if not chosen:
        raise DatasetError(
            f"The dataset {dataset.manifest.name} has no region to calibrate with.",
            "Name regions that the network was not trained on with --regions, or another dataset.",
        )
    regions = dataset.regions(names=chosen)
    if _other_planet(dataset, run):
        return chosen
    remedy = "Choose regions that the network was not trained on: its errors there are too small."
    if trained is None:
        for name in chosen:
            if name in run.train_regions:
                raise DatasetError(f"{run.name} was trained on a region of the name {name}.", remedy)
        return chosen
    for region in regions:
        for seen in trained.regions(names=run.train_regions):
            if region.window.window.intersection(seen.window.window):
                raise DatasetError(
                    f"{run.name} was trained on {seen.name}, which {region.name} holds a part of."
                    if region.name != seen.name
                    else f"{run.name} was trained on {seen.name}.",
                    remedy,
                )
    return chosen


def unchecked_ground(datasets: Sequence[Dataset], run: RunRecord) -> str:
    """What to say of ``datasets`` where what ``run`` was trained on is gone or has changed.

    Empty where every one of them shows another simulated planet.
    """
    if all(_other_planet(dataset, run) for dataset in datasets):
        return ""
    return (
        f"The dataset that {run.name} was trained on, {run.dataset}, is gone or has changed: these regions "
        f"have other names than those that it was trained on ({', '.join(run.train_regions)}), but whether "
        "they share ground with them is unknown. Where they do, the intervals are too narrow."
    )


def _other_planet(dataset: Dataset, run: RunRecord) -> bool:
    """Whether ``dataset`` and what ``run`` was trained on were simulated from different seeds.

    Other years, other files or another source of the same ground are no new ground.
    """
    sources = (dataset.manifest.source, run.source)
    seeds = [source.parameters.get("planet_seed") for source in sources if source.kind == "simulated"]
    return len(seeds) == 2 and None not in seeds and seeds[0] != seeds[1]


def calibration_sources(
    datasets: Sequence[Dataset], trained: Dataset | None, run: RunRecord, names: Sequence[str] | None
) -> list[Source]:
    """The regions to calibrate with, of several datasets; each as :func:`calibration_regions`.

    Raises
    ------
    DatasetError
        When a named region is in none of them, and as :func:`calibration_regions`.
    """
    if len(datasets) == 1 or names is None:
        return [(each, calibration_regions(each, trained, run, names)) for each in datasets]
    has = [{region.name for region in each.manifest.regions} for each in datasets]
    absent = [name for name in names if not any(name in own for own in has)]
    if absent:
        raise DatasetError(
            f"There is no region {absent[0]} in {', '.join(each.manifest.name for each in datasets)}.",
            f"Regions: {', '.join(sorted(set().union(*has)))}.",
        )
    chosen = [
        (each, [name for name in names if name in own]) for each, own in zip(datasets, has, strict=True)
    ]
    return [(each, calibration_regions(each, trained, run, own)) for each, own in chosen if own]


def calibrate(
    sources: Sequence[Source],
    run: RunRecord,
    model_folder: Path,
    progress: Progress,
    *,
    level: float = 0.9,
    orientations: Orientations = 8,
    note: str = "",
    clock: Callable[[], datetime] = now,
) -> Calibration:
    """Learn the intervals of the model in ``model_folder`` and write them beside it.

    Parameters
    ----------
    sources:
        Datasets and their regions; the network has not been trained on them, see
        :func:`calibration_sources`.
    level:
        Share of VIIRS pixels that the intervals are to hold in a new region, in the mean over such regions.
    orientations:
        In how many the network sees the imagery, here and with every prediction; 1 is quickest.
    note:
        Why these regions; goes into the remark.

    Raises
    ------
    ModelError
        When the model is missing, broken, or takes other bands.
    DatasetError
        When too few VIIRS pixels are known there.
    """
    from nightlights.prediction import Predictor

    predictor = Predictor.load(model_folder)
    tables, errors, knowns = [], [], []
    regions = [(dataset, name) for dataset, names in sources for name in names]
    for index, (dataset, region) in enumerate(regions):
        predictor.check(dataset)
        upright, turned = (
            _RegionPart(progress, index, len(regions), region, first, last, orientations)
            for first, last in ((0, 1), (1, orientations))
        )
        with fine_prediction(predictor, dataset, region, upright) as read:
            found = region_features(read, dataset, region, predictor, _TRANSFORM, orientations, turned)
        measured = dataset.read_nighttime(region).astype(np.float64)
        error = _TRANSFORM.forward(measured) - _TRANSFORM.forward(found.observed)
        known = np.isfinite(error) & np.isfinite(found.features).all(axis=-1)
        tables.append(found.features[known])
        errors.append(error[known])
        knowns.append(known)
    progress.update(100.0, 100.0, unit="%", message="Fitting the intervals")
    counts = [len(each) for each in errors]
    names = ", ".join(dict.fromkeys(name for _, name in regions))
    if sum(counts) < _FEWEST_PIXELS or min(counts) == 0:
        raise DatasetError(
            f"{sum(counts)} VIIRS pixels are known in {names}; {_FEWEST_PIXELS} are needed, and some in "
            "each region.",
            "Choose more or larger regions.",
        )
    numbers = np.repeat(np.arange(len(counts)), counts)
    ground = _places(regions)
    places = np.repeat(ground, counts)
    by_region = np.unique(places).size >= _FEWEST_REGIONS
    windows = [dataset.region(name).window.window for dataset, name in regions]
    blocks = [each[known] for each, known in zip(_blocks(windows, ground), knowns, strict=True)]
    groups = places if by_region else np.concatenate(blocks)
    if np.unique(groups).size < _FEWEST_REGIONS:
        raise DatasetError(
            f"{names} are too small to hold parts of them out.", "Choose more or larger regions."
        )
    table, error = np.concatenate(tables), np.concatenate(errors)
    made = fit_intervals(table, error, groups, level)
    held = held_out_cover(table, error, groups, level)
    calibration = Calibration(
        method=METHOD,
        created=clock(),
        run=run.name,
        datasets=list(dict.fromkeys(dataset.manifest.name for dataset, _ in regions)),
        level=level,
        share=made.share,
        model_sha256=model_sha256(model_folder),
        transform=_TRANSFORM,
        orientations=orientations,
        intercept=made.sizes.intercept,
        weights=_weights(made.sizes, orientations),
        below=made.below,
        above=made.above,
        held_out="regions" if by_region else "blocks",
        regions=[
            CalibratedRegion(
                name=name,
                dataset=dataset.manifest.name,
                dataset_sha256=dataset.sha256,
                pixels=count,
                coverage=float(held[numbers == number].mean()),
            )
            for number, ((dataset, name), count) in enumerate(zip(regions, counts, strict=True))
        ],
        coverage=group_mean(held, places),
        simulated=all(dataset.manifest.source.simulated for dataset, _ in regions),
        remark=_remark(sources, run, note, by_region=by_region, level=level, share=made.share),
    )
    write_record(model_folder / UNCERTAINTY_FILE, calibration)
    return calibration


@dataclass(frozen=True)
class _RegionPart:
    """Progress of some predictions of one region, told as progress over all regions.

    Each region is predicted ``whole`` times; these are those from number ``first`` up to before ``last``.
    """

    progress: Progress
    index: int
    regions: int
    region: str
    first: int
    last: int
    whole: int

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """See :meth:`nightlights.progress.Progress.update`."""
        part = min(done / total, 1.0) if total > 0 else 0.0
        made = self.first + (self.last - self.first) * part
        said = f"Region {self.index + 1} of {self.regions}: predicting {self.region}"
        number = min(int(made) + 1, self.last)
        said += f", orientation {number} of {self.whole}" if self.whole > 1 else ""
        share = (self.index + made / self.whole) / self.regions
        self.progress.update(100 * share, 100.0, unit="%", message=said)


def _places(regions: Sequence[tuple[Dataset, str]]) -> NDArray[np.int64]:
    """Number of the ground of every region: the same for regions that share some, wherever they come from."""
    windows = [dataset.region(name).window.window for dataset, name in regions]
    numbers = np.arange(len(windows))
    for index, window in enumerate(windows):
        for earlier in range(index):
            if window.intersection(windows[earlier]):
                numbers[numbers == numbers[index]] = numbers[earlier]
    return numbers


def _weights(sizes: SizeModel, orientations: Orientations) -> list[Weight]:
    columns = zip(feature_names(orientations), sizes.center, sizes.spread, sizes.weights, strict=True)
    return [
        Weight(feature=name, center=float(center), spread=float(spread), weight=float(weight))
        for name, center, spread, weight in columns
    ]


def _blocks(windows: Sequence[Window], ground: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Number of the block that each VIIRS pixel lies in, of shape (height, width) for each of ``windows``.

    Blocks are counted from the northwest corner of all windows on the same ``ground``, see :func:`_places`:
    a pixel that two windows hold lies in the same block of both.
    """
    blocks = []
    for window, place in zip(windows, ground, strict=True):
        own = [each for each, number in zip(windows, ground, strict=True) if number == place]
        row, column = min(each.row for each in own), min(each.column for each in own)
        down = (np.arange(window.row, window.row + window.height) - row) // _BLOCK
        across = (np.arange(window.column, window.column + window.width) - column) // _BLOCK
        number = (place * VIIRS_HEIGHT + down[:, None]) * VIIRS_WIDTH + across[None]
        blocks.append(np.asarray(number, np.int64))
    return blocks


def _remark(
    sources: Sequence[Source], run: RunRecord, note: str, *, by_region: bool, level: float, share: float
) -> str:
    simulated = all(dataset.manifest.source.simulated for dataset, _ in sources)
    regions = list(dict.fromkeys(name for _, names in sources for name in names))
    datasets = ", ".join(dict.fromkeys(dataset.manifest.name for dataset, _ in sources))
    said = [
        f"The intervals hold for regions that are exchangeable with {', '.join(regions)} "
        f"({'simulated imagery' if simulated else 'imagery'} of {datasets}), in the mean over such regions: "
        "single ones lie far from it, and elsewhere the intervals are a guess."
    ]
    if note:
        said.append(note)
    if not by_region:
        said.append("Blocks of the same regions were held out, not whole regions: expect less elsewhere.")
    if share >= _ALL:
        said.append(
            f"{level:.0%} of a region that was left out could not be reached, or only just: the bounds "
            "lie at the largest errors that were seen, and may hold less elsewhere. Use more regions."
        )
    own = {name for dataset, names in sources if dataset.manifest.name == run.dataset for name in names}
    if run.settings.early_stopping is not None and own & set(run.evaluate_regions):
        said.append("The same regions chose the epoch, so the intervals may be a little narrow.")
    return " ".join(said)
