"""The footprint regression that a run is compared with: fitted once, then kept in the folder of the run."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from nightlights.bands import Scaling
from nightlights.datasets import Dataset
from nightlights.errors import WorkspaceError
from nightlights.footprint_terms import FootprintRegression
from nightlights.manifests import ModelConfig, read_record, write_record
from nightlights.records import SCHEMA_VERSION, Record
from nightlights.regressions.fitting import FootprintBaseline, fit_footprint_baseline

BASELINE_FILE: Final = "baseline.json"


class KeptBaseline(Record):
    """``baseline.json`` of a run: a footprint regression, and what it was fitted to."""

    schema_version: Literal[1] = SCHEMA_VERSION
    dataset_sha256: str
    regions: list[str]
    regression: FootprintRegression
    scaling: Scaling


def footprint_baseline(
    dataset: Dataset, regions: Sequence[str], folder: Path | None = None, config: ModelConfig | None = None
) -> FootprintBaseline:
    """The footprint regression of ``regions``, fitted only where no fit of them is at hand.

    A fit takes a few seconds a region; a hybrid contains the same one, and any other run keeps its own.

    Parameters
    ----------
    folder:
        Of the run, in which a fit is kept; None keeps none.
    config:
        Of the run's model, whose guide is taken if it was fitted to the same regions.

    Raises
    ------
    DatasetError
        When no footprint is known both by day and by night.
    WorkspaceError
        When the folder cannot be written.
    """
    if config is not None and config.guide is not None and config.dataset_sha256 == dataset.sha256:
        fitted = {part.region for part in config.guide.parts}
        if fitted == set(regions):
            return FootprintBaseline(config.guide, config.scaling)
    if folder is not None:
        with contextlib.suppress(WorkspaceError):
            kept = read_record(folder / BASELINE_FILE, KeptBaseline)
            if (kept.dataset_sha256, kept.regions) == (dataset.sha256, list(regions)):
                return FootprintBaseline(kept.regression, kept.scaling)
    found = fit_footprint_baseline(dataset, regions)
    if folder is None:
        return found
    record = KeptBaseline(
        dataset_sha256=dataset.sha256,
        regions=list(regions),
        # What each part would be without it serves training alone, and would be most of the file.
        regression=found.regression.model_copy(update={"parts": ()}),
        scaling=found.scaling,
    )
    write_record(folder / BASELINE_FILE, record)
    return found
