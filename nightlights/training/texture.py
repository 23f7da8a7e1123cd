"""The texture networks of a run: trained after its level network, each as a run of its own, then averaged.

They lie in the folder ``texture`` of the run: ``member-1`` and so on as they were trained, with their curves,
and beside them their mean as one model. See :mod:`nightlights.prediction.redistribution` for what they are
for.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nightlights.ensembles import combine
from nightlights.manifests import (
    ModelConfig,
    PartRecord,
    RunRecord,
    TrainingRequest,
    TrainingSettings,
    read_record,
    write_record,
)
from nightlights.models import CONFIG_FILE, texture_folder
from nightlights.networks import network_info
from nightlights.progress import Progress

TEXTURE_NETWORK: Final = "pixel"
TEXTURE_SMOOTHING: Final = 0.5
"""Standard deviation in pixels by which the logarithm of the texture's light is smoothed.

Networks of single pixels turn the noise of the sensor into speckle, most of all in the dark. On five African
cities of the simulated planet, with 0, 0.4, 0.5 and 0.7 pixels, sharpened light at 30 m had 0.843, 0.827,
0.817 and 0.829 x the RMSE of interpolated VIIRS.
"""
_TIME_OF_LEVEL: Final = {True: 2.0, False: 10.0}
"""Of the level network, in times of a texture network: whether it suits machines without a GPU."""

Train = Callable[[TrainingRequest, Path, Progress], RunRecord]
"""Trains what is requested in a folder, or goes on with it."""


def texture_settings(settings: TrainingSettings) -> list[TrainingSettings]:
    """The settings of each texture network of a run; none where it asks for none.

    They see the patches of the same regions as often as the level network does, of the daytime bands alone,
    with the footprint loss (of the hidden truth, the pixel loss that it needs) and seeds of their own.
    """
    recipe = network_info(TEXTURE_NETWORK).settings
    own = {
        name: getattr(recipe, name)
        for name in TrainingSettings.model_fields
        if name not in _SHARED_SETTINGS and (name != "loss" or settings.label == "VIIRS")
    }
    return [
        # Without a guide: how much light there is, the level says; a factor of it would say it again.
        settings.model_copy(
            update={**own, "guide": "none", "texture_networks": 0, "seed": (settings.seed + number) % 2**31}
        )
        for number in range(1, settings.texture_networks + 1)
    ]


_SHARED_SETTINGS: Final = frozenset(
    {
        "epochs",
        "patches_per_region",
        "passes",
        "patch_size",
        "batch_size",
        "label",
        "label_resampling",
        "rotate",
        "mirror",
        "train_regions",
        "evaluate_regions",
        "maximum_missing_share",
        "evaluation_patches",
    }
)
"""What the texture networks have from the run; the rest is as suits their network."""


@dataclass(frozen=True)
class PartProgress:
    """Progress of one part of a run, told as progress over all parts in percent.

    Attributes
    ----------
    start, share, whole:
        Time that the parts before it take, that it takes, and that all take, in any unit.
    name:
        Goes before its messages.
    """

    progress: Progress
    start: float
    share: float
    whole: float
    name: str

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        """See :meth:`nightlights.progress.Progress.update`."""
        part = min(done / total, 1.0) if total > 0 else 0.0
        percent = 100 * (self.start + self.share * part) / self.whole
        self.progress.update(percent, 100.0, unit="%", message=f"{self.name}: {message}")


def level_time(network: str) -> float:
    """About how many times as long the level network ``network`` trains as a texture network does."""
    return _TIME_OF_LEVEL[network_info(network).suits_cpu]


def part_progress(progress: Progress, settings: TrainingSettings) -> list[Progress]:
    """Progress of the level network and of each texture network; of the one alone, ``progress`` itself."""
    count = settings.texture_networks
    if not count:
        return [progress]
    first = level_time(settings.network)
    whole = first + count
    level = PartProgress(progress, 0.0, first, whole, "Level network")
    textures = (
        PartProgress(progress, first + number, 1.0, whole, f"Texture network {number + 1} of {count}")
        for number in range(count)
    )
    return [level, *textures]


def train_texture(
    request: TrainingRequest, record: RunRecord, folder: Path, parts: list[Progress], train: Train
) -> RunRecord:
    """Train the texture networks of the run in ``folder``, whose level network is trained, or go on with it.

    Every step leaves a state that the next attempt goes on from, with the same result: the configuration of
    the level network names the texture only when that is whole.

    Parameters
    ----------
    record:
        Of the run, with the figures of its level network.
    parts:
        Progress, see :func:`part_progress`.

    Returns
    -------
    RunRecord
        With its parts, and the seconds of all; as it was where no texture networks are asked for.
    """
    every = texture_settings(request.settings)
    if not every:
        return record
    place, members = texture_folder(folder), []
    for number, (settings, progress) in enumerate(zip(every, parts[1:], strict=True), start=1):
        name = f"member-{number}"
        wanted = request.model_copy(
            update={"run": name, "settings": settings, "notes": "", "series": request.run, "overwrite": True}
        )
        train(wanted, place / name, progress)
        members.append(place / name)
    texture = combine(members, place, "texture", series=request.run, geometric=True)
    config = read_record(folder / CONFIG_FILE, ModelConfig)
    named = {"texture_networks": len(members), "texture_smoothing": TEXTURE_SMOOTHING}
    write_record(folder / CONFIG_FILE, config.model_copy(update=named))
    return record.model_copy(
        update={"parts": _parts(record, texture), "seconds": record.seconds + texture.seconds}
    )


def _parts(level: RunRecord, texture: RunRecord) -> list[PartRecord]:
    """Both parts and both together, before they are scored over whole regions."""
    own = PartRecord(
        part="level", network=level.settings.network, parameters=level.parameters, seconds=level.seconds
    )
    other = PartRecord(
        part="texture",
        network=texture.settings.network,
        networks=len(texture.members),
        parameters=texture.parameters,
        seconds=texture.seconds,
    )
    both = own.model_copy(
        update={
            "part": "together",
            "networks": 1 + other.networks,
            "parameters": own.parameters + other.parameters,
            "seconds": own.seconds + other.seconds,
        }
    )
    return [own, other, both]


def remove_texture(folder: Path) -> None:
    """Remove the texture of an older run in ``folder``."""
    shutil.rmtree(texture_folder(folder), ignore_errors=True)
