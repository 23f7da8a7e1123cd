"""Methods that are scored beside each other: a trained network, and baselines fitted to the same data.

Every method predicts whole regions, which are observed and compared with VIIRS, and with the true fine
radiance where it is known.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nightlights.errors import DatasetError
from nightlights.manifests import ModelConfig, PartRecord, Role, RunRecord, Score
from nightlights.observation import PointSpread
from nightlights.progress import Progress

if TYPE_CHECKING:
    from nightlights.baselines import Baseline
    from nightlights.cog import Block
    from nightlights.datasets import Dataset
    from nightlights.metrics import Bootstrap
    from nightlights.prediction import Comparison, Predictor
    from nightlights.scores import Verdict


@dataclass
class CapCounter:
    """Counts predicted pixels at the largest radiance that a model allows.

    Attributes
    ----------
    largest:
        In nW/cm2/sr; None where there is no such limit.
    """

    largest: float | None
    pixels: int = 0
    capped: int = 0

    def counted(self, blocks: "Iterable[Block]") -> "Iterator[Block]":
        """``blocks`` as they are."""
        for window, radiance in blocks:
            if self.largest is not None:
                # Models hold the limit transformed, in single precision.
                self.pixels += int((radiance >= 0).sum())
                self.capped += int((radiance >= self.largest * (1 - 1e-4)).sum())
            yield window, radiance

    @property
    def fraction(self) -> float | None:
        """Of the known pixels; None where there is no limit or no pixel."""
        return self.capped / self.pixels if self.pixels else None


@dataclass(frozen=True)
class Method:
    """Something that predicts the light of a region.

    Attributes
    ----------
    name:
        In tables.
    compare:
        From a dataset and a region of it to the comparison with what was measured there.
    """

    name: str
    compare: "Callable[[Dataset, str, Progress], Comparison]"


def network_method(
    name: str, predictor: "Predictor", scratch: Path, counter: CapCounter | None = None
) -> Method:
    """A trained network.

    Parameters
    ----------
    scratch:
        Folder for temporary files.
    counter:
        Counts the pixels at its cap.
    """
    from nightlights.prediction import compare_region

    def compare(dataset: "Dataset", region: str, progress: Progress) -> "Comparison":
        spread = PointSpread.of(predictor.config, dataset.manifest)
        blocks = predictor.blocks(dataset, region, progress)
        counted = blocks if counter is None else counter.counted(blocks)
        return compare_region(dataset, region, counted, spread, scratch)

    return Method(name, compare)


LEVEL_ALONE, TEXTURE_ALONE = "level alone", "texture alone"
"""Names of the parts of a model of level and texture in tables; both together have that of the network."""


def part_methods(predictor: "Predictor", scratch: Path) -> Iterator[Method]:
    """The parts of a model of level and texture, each as if there were no other; none of another model."""
    if predictor.texture is not None:
        yield network_method(LEVEL_ALONE, predictor.level, scratch)
        yield network_method(TEXTURE_ALONE, predictor.texture, scratch)


def scored_parts(parts: Sequence[PartRecord], scores: Sequence[Score], network: str) -> list[PartRecord]:
    """``parts`` with the RMSE over all regions of each role, as far as ``scores`` have it."""
    from nightlights.metrics import ALL_REGIONS

    names = {"level": LEVEL_ALONE, "texture": TEXTURE_ALONE, "together": network}
    found = {(each.method, each.role): each.rmse for each in scores if each.region == ALL_REGIONS}
    roles: dict[str, Role] = {"train_rmse": "train", "evaluation_rmse": "evaluate"}
    return [
        part.model_copy(update={name: found.get((names[part.part], role)) for name, role in roles.items()})
        for part in parts
    ]


def baseline_methods(
    dataset: "Dataset",
    regions: Sequence[str],
    record: RunRecord | None = None,
    config: ModelConfig | None = None,
    folder: Path | None = None,
) -> Iterator[Method]:
    """The baselines, fitted to ``regions`` of ``dataset``.

    The footprint regression is left out for a run that is one, and where no footprint can be fitted to.

    Parameters
    ----------
    record, config, folder:
        Of the run that they are compared with, from which the footprint regression is taken where it was
        fitted before; see :func:`nightlights.regressions.keeping.footprint_baseline`. None for no run.

    Raises
    ------
    DatasetError
        When no pixel is known there.
    WorkspaceError
        When ``folder`` cannot be written.
    """
    from nightlights.baselines import compare_baseline, fit_constant_mean, fit_linear_regression
    from nightlights.networks.registry import FOOTPRINT_REGRESSION
    from nightlights.regressions.keeping import footprint_baseline

    def compare(baseline: "Baseline", other: "Dataset", region: str, progress: Progress) -> "Comparison":
        return compare_baseline(baseline, other, region)

    for fit in (fit_constant_mean, fit_linear_regression):
        baseline: Baseline = fit(dataset, regions)
        yield Method(baseline.method, partial(compare, baseline))
    if record is not None and record.settings.network == FOOTPRINT_REGRESSION:
        return
    # With heavy tails cut off as networks without compression do, a guide is not what a baseline is.
    alike = record is not None and record.settings.compress_tails
    with contextlib.suppress(DatasetError):
        baseline = footprint_baseline(dataset, regions, folder, config if alike else None)
        yield Method(baseline.method, partial(compare, baseline))


@dataclass(frozen=True)
class Compared:
    """The comparison of one method in one region of a role."""

    role: Role
    region: str
    comparison: "Comparison"


def usual_exponent_of(dataset: "Dataset", compared: Sequence[Compared]) -> float:
    """How far the regions of an evaluation trust the texture of what predicted them, together."""
    from nightlights.prediction.layers import dataset_noise
    from nightlights.sharpening.verdict import usual_exponent, verdict

    def found(each: Compared) -> "Verdict":
        window = dataset.region(each.region).window.window
        predicted, measured = each.comparison.pixels.images(window)
        noise = dataset_noise(dataset, each.region)[0]
        return verdict(measured, predicted, window, PointSpread.of(dataset.manifest), noise)

    return usual_exponent(map(found, compared))


def scores_of(method: str, compared: Sequence[Compared], bootstrap: "Bootstrap") -> list[Score]:
    """The score of every region that has a known pixel, then of all regions of each role."""
    from nightlights.metrics import ALL_REGIONS
    from nightlights.prediction import pooled_score

    known = [each for each in compared if each.comparison.sums.pixels]
    scores = [each.comparison.score(method, each.region, each.role, bootstrap) for each in known]
    for role in dict.fromkeys(each.role for each in known):
        together = [each.comparison for each in known if each.role == role]
        scores.append(pooled_score(together, method, ALL_REGIONS, role, bootstrap))
    return scores


@dataclass(frozen=True)
class Share:
    """Progress of one of ``whole`` equal parts of the work."""

    progress: Progress
    index: int
    whole: int
    what: str
    unit: str = "scores"

    def __post_init__(self) -> None:
        self.update(0, 1)

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """See :meth:`nightlights.progress.Progress.update`."""
        part = done / total if total > 0 else 0.0
        self.progress.update(self.index + part, self.whole, unit=self.unit, message=self.what)
