"""A training run from its request to its model, with everything that it leaves in its folder."""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightlights.datasets import Dataset
from nightlights.errors import DatasetError, ModelError
from nightlights.files import clear_os_errors
from nightlights.manifests import (
    EpochRecord,
    ModelConfig,
    RunRecord,
    TrainingRequest,
    TrainingSettings,
    now,
    read_record,
    write_record,
)
from nightlights.models import CONFIG_FILE, MODEL_FILE, save_model
from nightlights.networks import network_info
from nightlights.networks.guided import assemble
from nightlights.observation import PointSpread
from nightlights.patches import PatchSampler
from nightlights.progress import Progress
from nightlights.training.backend import Backend, check_memory, prepare
from nightlights.training.batches import Arrays, BatchMaker, Plan, Sampler
from nightlights.training.checkpoints import (
    delete_checkpoint,
    has_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from nightlights.training.choices import check_choices, chosen_regions, patches_per_region, used_decoder
from nightlights.training.configs import CACHE_FOLDER, guide_imagery, measured_inputs, new_config
from nightlights.training.first_output import begin_at, mean_radiance
from nightlights.training.footprints import PatchFootprints
from nightlights.training.history import HISTORY_FILE, read_history, write_history
from nightlights.training.learning_rates import learning_rate_at, plateau_factor
from nightlights.training.loaders import Loader, RandomPatches
from nightlights.training.prefetch import prefetched
from nightlights.training.stopping import kept_epoch, stops
from nightlights.training.texture import part_progress, remove_texture, train_texture

if TYPE_CHECKING:
    from nightlights.training.steps import Trainer

RUN_FILE = "run.json"
SCORES_FILE = "metrics.json"
_INTERVALS_FILE = "uncertainty.json"
_FILES_ABOUT_A_MODEL = (SCORES_FILE, "card.md", _INTERVALS_FILE, "baseline.json", "standard-*.json")
_UPDATE_SECONDS = 0.5
_MOST_WORKERS = 4


def train(
    dataset: Dataset,
    request: TrainingRequest,
    folder: Path,
    progress: Progress,
    resume: bool = False,
    *,
    clock: Callable[[], datetime] = now,
    timer: Callable[[], float] = time.perf_counter,
    loader: Loader | None = None,
) -> RunRecord:
    """Train a network and leave ``run.json``, ``config.json``, ``history.csv`` and ``model.keras``.

    Texture networks, where the settings ask for some, follow, see :mod:`nightlights.training.texture`.

    All files are brought up to date after every epoch, so that a run that was stopped can be used as far
    as it came. The weights of the last epoch are kept, not those of the epoch that evaluated best: choosing
    by the evaluation regions would let them leak into the model. Only with early stopping is the model that
    of the best epoch; then the evaluation regions have chosen it and are no test of it.

    Where the point spread is learned, the evaluation sees the prediction through the learned one, as whoever
    uses the model later does. A moving average of the weights, where there is one, is what is scored and
    saved.

    On a CPU the result depends on nothing but the dataset and the settings: a run that was killed and
    resumed ends with the weights of an uninterrupted one.

    Parameters
    ----------
    folder:
        The run's folder, made when missing. Without ``resume``, what an older run left there is removed
        once the imagery, the patches and the memory are known to do.
    progress:
        Told about every half second, in steps.
    resume:
        Go on after the last finished epoch, if there is one.
    clock, timer:
        Give the date of creation, and seconds to measure with.
    loader:
        Fills the batches as ``settings.loader`` says, where that is not with random patches.

    Raises
    ------
    DatasetError
        When the regions cannot be trained on, or the dataset has changed since the run began.
    ModelError
        When the network is unknown, does not fit the patches or the memory, or diverges.
    WorkspaceError
        When the folder cannot be written.
    Cancelled
        When ``progress`` says so; what the finished epochs left stays.
    """
    with clear_os_errors(folder):
        parts = part_progress(progress, request.settings)
        run = _Run(dataset, request, folder, parts[0], timer, loader)
        run.begin(resume, clock)
        if run.record.finished is None:
            run.work()

            def go_on(wanted: TrainingRequest, place: Path, part: Progress) -> RunRecord:
                return train(dataset, wanted, place, part, True, clock=clock, timer=timer)

            run.record = train_texture(request, run.record, folder, parts, go_on)
            run.finish(clock)
    return run.record


@dataclass(frozen=True)
class _Preparation:
    """All that a run needs before its first step, known to do."""

    config: ModelConfig
    plan: Plan
    scored: list[list[Arrays]]
    backend: Backend


class _Run:
    """A run in progress."""

    def __init__(
        self,
        dataset: Dataset,
        request: TrainingRequest,
        folder: Path,
        progress: Progress,
        timer: Callable[[], float],
        loader: Loader | None = None,
    ) -> None:
        self.dataset, self.request, self.folder = dataset, request, folder
        self.progress, self.timer = progress, timer
        self.settings: TrainingSettings = request.settings
        self.info = network_info(self.settings.network).with_decoder(used_decoder(self.settings))
        check_choices(dataset.manifest, self.settings, own_loader=loader is not None)
        self.loader = loader or RandomPatches()
        self.regions = chosen_regions(dataset.manifest, self.settings)
        self._preparation: _Preparation | None = None

    def begin(self, resume: bool, clock: Callable[[], datetime]) -> None:
        """Find the record of the run to resume, or make a new one in place of what was there."""
        if resume and (self.folder / RUN_FILE).exists():
            self.record = read_record(self.folder / RUN_FILE, RunRecord)
            if self.record.settings == self.settings:
                self._check_layers()
                return
            # With overwrite it is the older run, when this one was stopped before it took its place.
            if not self.request.overwrite:
                raise ModelError(
                    f"The run {self.record.name} was begun with other settings.",
                    "Resume it with its own settings, or train under another name.",
                )
        # Before anything is removed: a run that cannot begin must not cost the one it would replace.
        self._preparation = self._prepare(resumed=False)
        _clear(self.folder)
        self.record = RunRecord(
            name=self.request.run,
            created=clock(),
            dataset=self.request.dataset,
            source=self.dataset.manifest.source,
            settings=self.settings,
            train_regions=self.regions[0],
            evaluate_regions=self.regions[1],
            trained_on_truth=self.settings.label == "truth",
            notes=self.request.notes,
            series=self.request.series,
        )
        self._update()

    def _check_layers(self) -> None:
        if self.info.fitted:
            return
        channels = len(self.dataset.manifest.bands) + self.settings.viirs_input
        weights = self.info.layout.parameters(channels + (self.settings.guide != "none"))
        if self.record.finished is None and self.record.parameters not in (0, weights):
            raise ModelError(
                f"The run {self.record.name} was begun by an earlier version: its network has "
                f"{self.record.parameters:,} weights, {self.settings.network} now has {weights:,}.",
                "What its finished epochs gave can still predict. To go on, train again from the start: "
                "under another name, or overwriting this run.",
            )

    def work(self) -> None:
        """Train the epochs that are missing."""
        settings = self.settings
        ready = self._preparation or self._prepare(resumed=True)
        plan, scored = ready.plan, ready.scored
        from nightlights.training.shrinkage import config_with_share
        from nightlights.training.steps import Trainer, clear_memory_errors

        read = self.loader.regions_read(self.regions[0])
        with clear_memory_errors():
            config, before = config_with_share(
                self.dataset, ready.config, self.info, plan, read, len(self.regions[0]), self.progress
            )
        write_record(self.folder / CONFIG_FILE, config)
        network = assemble(self.info.layout, config, settings.seed)
        from_mean = settings.first_output == "mean radiance" and config.guide is None
        if from_mean and not has_checkpoint(self.folder):
            begin_at(network.core, mean_radiance(self.dataset, read), config.transform)
        trainer = Trainer(network, self.info, settings, plan.maker.footprints)
        if self.info.fitted:
            self._fit(ready, trainer)
            return
        done = read_checkpoint(self.folder, trainer.state)
        history = read_history(self.folder)[:done]
        write_history(self.folder, history)
        weights = sum(math.prod(weight.shape) for weight in network.core.trainable_weights)
        # A run may have been stopped between its checkpoint and its record.
        reached = self._reached(history) if len(history) == done else {"epochs_done": done}
        figures = {"parameters": weights, "patches": plan.patches, **reached}
        self._update(device=ready.backend.description, **figures)
        workers = min(_MOST_WORKERS, max(1, (os.cpu_count() or 1) // 2))
        steps = range(done * plan.steps, settings.epochs * plan.steps)
        with (
            clear_memory_errors(),
            contextlib.closing(prefetched(plan.arrays, steps, workers, workers + 1)) as batches,
        ):
            for epoch in range(done, settings.epochs):
                if stops(history, settings.early_stopping):
                    break
                losses = [record.loss for record in history]
                history.append(self._epoch(epoch, plan, trainer, batches, scored, losses, before))
                write_history(self.folder, history)
                self._keep(history, trainer, config)
                write_checkpoint(self.folder, trainer.state, epoch + 1)
                self._update(**self._reached(history))

    def _fit(self, ready: _Preparation, trainer: "Trainer") -> None:
        """Score and save a regression, which was fitted when the run was prepared."""
        from nightlights.training.steps import fitted_epoch

        history = [fitted_epoch(trainer, ready.scored, self.timer)]
        write_history(self.folder, history)
        self._keep(history, trainer, ready.config)
        fitted = (ready.config.guide, ready.config.boosting)
        size = sum(each.size for each in fitted if each is not None)
        self._update(device=ready.backend.description, parameters=size, **self._reached(history))
        self.progress.update(1, 1, unit="steps", message="fitted")

    def _keep(self, history: list[EpochRecord], trainer: "Trainer", config: ModelConfig) -> None:
        """Save the model of the last epoch where it is the one to keep."""
        if kept_epoch(history, self.settings.early_stopping) is not history[-1]:
            return
        # Intervals belong to the weights that they were learned from.
        (self.folder / _INTERVALS_FILE).unlink(missing_ok=True)
        with trainer.kept_weights():
            fwhm_m = trainer.fwhm_m
            save_model(self.folder, trainer.network.saved)
        if fwhm_m is not None:
            learned = config.model_copy(update={"point_spread_fwhm_m": fwhm_m})
            write_record(self.folder / CONFIG_FILE, learned)

    def _reached(self, history: list[EpochRecord]) -> dict[str, float | int | None]:
        """What the record says after the epochs of ``history``, from the files beside it alone."""
        patience, learned = self.settings.early_stopping, self.settings.point_spread == "learned"
        kept = kept_epoch(history, patience) if history else None
        config = read_record(self.folder / CONFIG_FILE, ModelConfig) if kept and learned else None
        return {
            "epochs_done": history[-1].epoch if history else 0,
            "seconds": sum(record.seconds for record in history),
            "train_rmse": kept.train_rmse if kept else None,
            "evaluation_rmse": kept.evaluation_rmse if kept else None,
            "kept_epoch": kept.epoch if kept and patience is not None else None,
            "learned_fwhm_m": config.point_spread_fwhm_m if config else None,
        }

    def _prepare(self, *, resumed: bool) -> _Preparation:
        """Read the imagery, and see that it, the patches and the memory will do; writes nothing yet."""
        settings = self.settings
        self.progress.update(0, 1, message="reading the imagery")
        train_sampler, *evaluate_samplers = [
            self._sampler(self.loader.regions_read(names)) for names in self.regions if names
        ]
        config = self._stored_config() if resumed else None
        config = config or new_config(
            self.dataset,
            settings,
            self.info,
            self.loader.regions_read(self.regions[0]),
            train_sampler,
            self.progress,
        )
        maker = BatchMaker(
            scaling=config.scaling,
            transform=config.transform,
            # Not that of the configuration, which may have been learned since the run began.
            footprints=PatchFootprints(PointSpread.of(self.dataset.manifest), settings.patch_size),
            settings=settings,
            measured_inputs=measured_inputs(self.dataset, self.regions, config),
            guide=None if self.info.fitted else config.guide,
            imagery={} if self.info.fitted else guide_imagery(self.dataset, self.regions, config),
        )
        plan = Plan(
            sampler=train_sampler,
            maker=maker,
            patches=patches_per_region(self.dataset.manifest, settings) * len(self.regions[0]),
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            seed=settings.seed,
        )
        plan = self.loader.plan(plan, len(self.regions[0]))
        scored = [self._scored(maker, plan.size, sampler) for sampler in (train_sampler, *evaluate_samplers)]
        self.progress.update(0, 1, message="starting TensorFlow")
        backend = prepare()
        if not backend.gpu:
            check_memory(self.info, plan.size * settings.patch_size**2)
        return _Preparation(config, plan, scored, backend)

    def finish(self, clock: Callable[[], datetime]) -> None:
        """Mark the run as finished; what only resuming needs goes away."""
        self._update(finished=clock())
        delete_checkpoint(self.folder)

    def _epoch(
        self,
        epoch: int,
        plan: Plan,
        trainer: "Trainer",
        batches: Iterator[Arrays],
        scored: list[list[Arrays]],
        earlier_losses: list[float],
        before: int,
    ) -> EpochRecord:
        began = self.timer()
        schedule = self.settings.schedule or self.info.schedule
        highest = self.settings.learning_rate
        if schedule == "plateau":
            highest *= plateau_factor(earlier_losses)
        losses: list[Any] = []
        told, checked = began, 0
        for step in range(epoch * plan.steps, (epoch + 1) * plan.steps):
            rate = learning_rate_at(step, plan.epochs * plan.steps, highest, schedule)
            losses.append(trainer.step(next(batches), rate))
            # The device may be several steps behind; asking for the loss waits for it.
            if self.timer() - told >= _UPDATE_SECONDS or len(losses) == plan.steps:
                _check_finite(losses[checked:], epoch * plan.steps + checked)
                checked, told = len(losses), self.timer()
                speed = len(losses) * plan.size / max(told - began, 1e-9)
                self.progress.update(
                    before + step + 1,
                    before + plan.epochs * plan.steps,
                    unit="steps",
                    message=f"epoch {epoch + 1} of {plan.epochs}, loss {float(losses[-1]):.4f}, "
                    f"{speed:.1f} patches/s",
                )
        trained = self.timer() - began
        with trainer.kept_weights():
            rmse = [trainer.score(arrays).rmse for arrays in scored]
        _check_finite(rmse, (epoch + 1) * plan.steps - 1)
        return EpochRecord(
            epoch=epoch + 1,
            loss=sum(float(loss) for loss in losses) / len(losses),
            train_rmse=rmse[0],
            evaluation_rmse=rmse[1] if len(rmse) > 1 else None,
            learning_rate=rate,
            seconds=self.timer() - began,
            patches_per_second=len(losses) * plan.size / max(trained, 1e-9),
        )

    def _sampler(self, names: list[str]) -> PatchSampler:
        return PatchSampler(
            self.dataset,
            names,
            self.settings.patch_size,
            self.settings.seed,
            self.settings.maximum_missing_share,
            self.dataset.folder / CACHE_FOLDER,
            truth=self.settings.label == "truth" and set(names) <= set(self.regions[0]),
        )

    def _stored_config(self) -> ModelConfig | None:
        """The configuration of the run to resume; None where it stopped before there was one."""
        path = self.folder / CONFIG_FILE
        if not path.exists():
            return None
        config = read_record(path, ModelConfig)
        if config.dataset_sha256 != self.dataset.sha256:
            raise DatasetError(
                f"The dataset {self.record.dataset} has changed since the run {self.record.name} began.",
                "Train it again from the start.",
            )
        return config

    def _scored(self, maker: BatchMaker, size: int, sampler: Sampler) -> list[Arrays]:
        """The fixed patches of one RMSE curve, in batches."""
        patches = sampler.fixed(self.settings.evaluation_patches, self.settings.seed)
        arrays = maker.for_scoring(patches)
        if not maker.footprints.covered(arrays["known"], arrays["weights"], patches.rows).any():
            raise DatasetError(
                f"No footprint of VIIRS lies within a patch of {self.settings.patch_size} pixels "
                "with known imagery and a known measurement.",
                "Choose larger patches, or regions with less missing imagery.",
            )
        count = len(patches.daytime)
        return [
            {name: array[start : start + size] for name, array in arrays.items()}
            for start in range(0, count, size)
        ]

    def _update(self, **changes: Any) -> None:
        self.record = self.record.model_copy(update=changes)
        write_record(self.folder / RUN_FILE, self.record)


def _clear(folder: Path) -> None:
    delete_checkpoint(folder)
    remove_texture(folder)
    for pattern in (RUN_FILE, CONFIG_FILE, HISTORY_FILE, MODEL_FILE, *_FILES_ABOUT_A_MODEL):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _check_finite(values: list[Any], first_step: int) -> None:
    for step, value in enumerate(values, start=first_step + 1):
        if not math.isfinite(float(value)):
            raise ModelError(
                f"Training diverged: the loss is no longer a number at step {step}.",
                "Choose a lower learning rate.",
            )
