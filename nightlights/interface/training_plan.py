"""What a training run will do, before it begins: its parts, their steps, and the time they take."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nightlights.devices import Device
from nightlights.interface.jobs_view import duration
from nightlights.manifests import DatasetManifest, RunRecord, TrainingSettings
from nightlights.networks.registry import NETWORKS
from nightlights.training.choices import (
    choosing_cost,
    footprints_of,
    footprints_per_patch,
    patches_per_region,
)
from nightlights.training.texture import TEXTURE_NETWORK, level_time
from nightlights.wording import counted


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The work of a run. Each texture network takes as many epochs, patches and steps as the level network.

    Attributes
    ----------
    level:
        Title of the network that is trained first, and alone unless there are ``textures``.
    patches, steps:
        In an epoch of each network.
    epochs:
        Of each network; a regression has none of its own.
    passes:
        How often each goes over the footprints of its regions; None where their number is not known.
    level_seconds, texture_seconds:
        Time of the level network, and of each texture network; None where nothing like it was trained yet.
    measured_on:
        The run whose speed the level network was taken to have; of a regression, the texture networks.
    texture_measured_on:
        The run whose texture networks were timed; empty where their time follows from the level network's.
    fitted:
        Whether the level is a regression.
    textures:
        Number of texture networks.
    """

    level: str
    patches: int
    steps: int
    epochs: int
    passes: float | None = None
    level_seconds: float | None = None
    texture_seconds: float | None = None
    measured_on: str = ""
    texture_measured_on: str = ""
    fitted: bool = False
    textures: int = 0

    @property
    def seconds(self) -> float | None:
        """Of all parts; None where it is not known. That of a regression is left out."""
        level = 0.0 if self.fitted else self.level_seconds
        if level is None or (self.textures and self.texture_seconds is None):
            return None
        if self.fitted and not self.textures:
            return None
        return level + self.textures * (self.texture_seconds or 0.0)


def plan(
    settings: TrainingSettings,
    train_regions: int,
    runs: Sequence[RunRecord],
    manifest: DatasetManifest | None = None,
) -> TrainingPlan:
    """Count the work; the time is that of the newest finished run with the same network and patch size.

    A run that was cancelled, failed or still trains has no say: most of its time can be the start of
    TensorFlow. So can that of a run of one epoch, which counts only where no longer one is known.

    Passes over the footprints are counted where the ``manifest`` of the dataset tells how many there are.
    The time of a texture network is taken from runs that had some; where there are none, from that of the
    level network, as the progress of training takes it.
    """
    info = NETWORKS[settings.network]
    if info.fitted and not settings.texture_networks:
        return TrainingPlan(info.title, 0, 0, 1, fitted=True)
    passes = None
    patches = settings.patches_per_region * train_regions
    if manifest is not None and train_regions:
        patches = patches_per_region(manifest, settings) * train_regions
        passes = (
            patches * settings.epochs * footprints_per_patch(settings) / footprints_of(manifest, settings)
        )
    work = patches * settings.epochs
    alike = [run for run in runs if run.settings.patch_size == settings.patch_size and _patches_seen(run)]
    alike.sort(key=lambda run: (run.epochs_done > 1, run.created), reverse=True)
    level = next((run for run in alike if run.settings.network == settings.network), None)
    with_texture = next((run for run in alike if _texture_seconds(run) is not None), None)
    level_seconds = texture_seconds = None
    if level is not None and not info.fitted:
        speed = _level_seconds(level) / _patches_seen(level)
        level_seconds = speed * work * (1 + choosing_cost(settings, train_regions))
        texture_seconds = speed * work / level_time(settings.network)
    if with_texture is not None:
        texture_seconds = (_texture_seconds(with_texture) or 0.0) / _patches_seen(with_texture) * work
    measured_on = with_texture if info.fitted else level
    texture_measured_on = with_texture if settings.texture_networks else None
    return TrainingPlan(
        level=info.title,
        patches=patches,
        steps=math.ceil(patches / settings.batch_size),
        epochs=settings.epochs,
        passes=passes,
        level_seconds=level_seconds,
        texture_seconds=texture_seconds if settings.texture_networks else None,
        measured_on=measured_on.name if measured_on else "",
        texture_measured_on=texture_measured_on.name if texture_measured_on else "",
        fitted=info.fitted,
        textures=settings.texture_networks,
    )


def _patches_seen(run: RunRecord) -> int:
    """By each of its networks, over all epochs; 0 where the time that all of them took is not known."""
    info = NETWORKS.get(run.settings.network)
    if info is None or run.finished is None or not run.seconds > 0:
        return 0
    epochs = (run.settings.epochs if run.parts else 0) if info.fitted else run.epochs_done
    return epochs * (run.patches or run.settings.patches_per_region * len(run.train_regions))


def _level_seconds(run: RunRecord) -> float:
    """Of the level network; a run without parts has no other."""
    return next((part.seconds for part in run.parts if part.part == "level"), run.seconds)


def _texture_seconds(run: RunRecord) -> float | None:
    """Of one texture network of ``run``; a pixel network by itself is as quick. None where it has none."""
    part = next((part for part in run.parts if part.part == "texture"), None)
    if part is not None and part.seconds > 0:
        return part.seconds / part.networks
    return _level_seconds(run) if run.settings.network == TEXTURE_NETWORK else None


def plan_sentence(work: TrainingPlan, device: Device) -> str:
    """What is trained, in which steps, in what time where known, and where, as Markdown."""
    if work.fitted and not work.textures:
        return f"**Fitted** in seconds, without epochs · on the {device.kind}"
    epochs = (
        f"**{counted(work.epochs, 'epoch')}** of {counted(work.patches, 'patch')} in "
        f"{counted(work.steps, 'step')}"
    )
    passes = f"**{work.passes:.2g} passes** over the footprints" if work.passes is not None else ""
    amount = " · ".join(filter(None, (epochs, passes)))
    time = " · ".join((_time(work), f"on the {device.kind}"))
    if not work.textures:
        return f"{amount} · {time}"
    level = "fitted in seconds" if work.fitted else amount
    each = "as many epochs and passes" if not work.fitted else amount
    return (
        f"1. Level, {work.level}: {level}  \n2. Texture, **{counted(work.textures, 'pixel network')}** one "
        f"after the other, each {each}\n\n{time[0].upper()}{time[1:]}"
    )


def _time(work: TrainingPlan) -> str:
    if work.seconds is None:
        return "time known after the first epoch"
    parts = f"as fast as {work.measured_on}"
    other = work.texture_measured_on
    if other and other != work.measured_on:
        parts += f", pixel networks as fast as {other}"
    elif work.textures and not other:
        parts += ", pixel networks by its level network"
    if work.textures and not work.fitted and work.texture_seconds is not None:
        each = f"{work.textures} x {duration(work.texture_seconds)}"
        parts = f"{duration(work.level_seconds or 0.0)} and {each}, {parts}"
    return f"about **{duration(work.seconds)}** ({parts})"
