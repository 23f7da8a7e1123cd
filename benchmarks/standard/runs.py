"""The runs of the table: whether what lies in the workspace is what a recipe asks for."""

import contextlib
from pathlib import Path
from typing import Final

from nightlights import pipeline
from nightlights.datasets import Dataset
from nightlights.ensembles import read_members
from nightlights.errors import WorkspaceError
from nightlights.manifests import ModelConfig, RunRecord, TrainingRequest, read_record
from nightlights.models import CONFIG_FILE, MODEL_FILE
from nightlights.networks import network_info
from nightlights.training_settings import VIIRS_SMOOTHING

SERIES: Final = "standard table"
"""What the runs of the table are part of, among others."""


def is_as_wanted(folder: Path, wanted: TrainingRequest, dataset: Dataset) -> bool:
    """Whether the run in ``folder`` is what ``wanted`` asks for, as far as it came."""
    with contextlib.suppress(WorkspaceError):
        record = read_record(folder / pipeline.RUN_FILE, RunRecord)
        config = read_record(folder / CONFIG_FILE, ModelConfig)
        info = network_info(config.network).with_decoder(config.decoder)
        channels = len(config.bands) + config.viirs_input + (config.guide is not None)
        parameters = record.parameters if info.fitted else info.layout.parameters(channels)
        smoothed = not config.viirs_input or config.viirs_smoothing == VIIRS_SMOOTHING
        same = (record.settings, config.dataset_sha256) == (wanted.settings, dataset.sha256)
        return smoothed and same and record.parameters in (0, parameters)
    return False


def is_combined(folder: Path, members: list[Path]) -> bool:
    """Whether the ensemble in ``folder`` is that of ``members`` as they are."""
    with contextlib.suppress(WorkspaceError):
        record = read_record(folder / pipeline.RUN_FILE, RunRecord)
        last = max((member / MODEL_FILE).stat().st_mtime for member in members)
        return (
            record.members == [member.name for member in members]
            and bool(read_members(folder, record))
            and (folder / MODEL_FILE).stat().st_mtime >= last
        )
    return False
