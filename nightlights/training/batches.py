"""From patches in physical units to the arrays of one training step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import RadianceTransform, Scaling
from nightlights.errors import DatasetError
from nightlights.footprint_terms import FootprintRegression, logarithm
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.manifests import TrainingSettings
from nightlights.measured_input import MeasuredInput
from nightlights.networks.guided import read_guide
from nightlights.patch_cache import CachedRegion
from nightlights.training.augmentation import draw_switches
from nightlights.training.footprints import PatchFootprints
from nightlights.training_settings import FOOTPRINT_LOSSES, PIXEL_LOSSES, Resampling

Arrays = dict[str, NDArray[Any]]


class Patches(Protocol):
    """The part of a batch of patches that training reads; see the patch sampler of the dataset."""

    @property
    def daytime(self) -> NDArray[np.float32]:
        """Bands in their units, shape (n, 16 h, 16 w, bands), NaN where missing."""

    @property
    def nighttime(self) -> NDArray[np.float32]:
        """VIIRS radiance in nW/cm2/sr, shape (n, h, w), NaN where missing."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """Global VIIRS row of the northern edge of each patch, shape (n,)."""

    @property
    def regions(self) -> tuple[str, ...]:
        """Region of each patch."""

    @property
    def windows(self) -> tuple[Window, ...]:
        """Place of each patch."""

    @property
    def truth(self) -> NDArray[np.float32] | None:
        """The hidden fine radiance where it is the label, shape (n, 16 h, 16 w), NaN where unknown."""

    def upsampled(self, method: Resampling) -> NDArray[np.float32]:
        """VIIRS radiance at the analysis pixels, shape (n, 16 h, 16 w), NaN where missing."""


class Sampler(Protocol):
    """The part of the dataset's patch sampler that training uses."""

    def batch(self, epoch: int, indices: Sequence[int]) -> Patches:
        """The patches ``indices`` of ``epoch``, whatever was asked for before."""

    def fixed(self, count: int, seed: int) -> Patches:
        """``count`` patches, evenly over the regions, always the same."""


@dataclass(frozen=True)
class BatchMaker:
    """Makes the arrays of training and of scoring.

    Every batch has ``inputs`` (scaled bands, then smoothed VIIRS where it is an input, then what the network
    reads of its guide), ``guide`` where there is one (the natural logarithm of its radiance in nW/cm2/sr),
    ``switches`` (how the device is to turn them) and ``known`` (1 where every band is known), and what its
    use compares the prediction with: ``label`` and ``label_weights`` of analysis pixels, ``measured`` and
    ``weights`` of VIIRS pixels with ``along_rows``, ``glow_along_rows`` where VIIRS has a glow, and
    ``cosines`` where the core of the point spread is learned. All lie north up.
    """

    scaling: Scaling
    transform: RadianceTransform
    footprints: PatchFootprints
    settings: TrainingSettings
    measured_inputs: Mapping[str, MeasuredInput] = field(default_factory=dict)
    guide: FootprintRegression | None = None
    imagery: Mapping[str, CachedRegion] = field(default_factory=dict)

    def for_training(self, patches: Patches, step: int) -> Arrays:
        """The arrays of training step ``step``, counted over all epochs; turns are drawn from its number."""
        settings = self.settings
        generator = np.random.default_rng([settings.seed, step])
        count = len(patches.daytime)
        switches = draw_switches(count, generator, rotate=settings.rotate, mirror=settings.mirror)
        arrays = self._inputs(patches, switches, left_out=True)
        if settings.loss in PIXEL_LOSSES:
            label = self.transform.forward(self._label(patches))
            arrays["label_weights"] = (np.isfinite(label) * arrays["known"]).astype(np.float32)
            arrays["label"] = np.nan_to_num(label.astype(np.float32), nan=0.0)
        if settings.loss in FOOTPRINT_LOSSES:
            arrays |= self._measured(patches)
        return arrays

    def for_scoring(self, patches: Patches, *, left_out: bool = False) -> Arrays:
        """The arrays that a score at the VIIRS grid needs, north up.

        With ``left_out`` the guide of each region comes from the others, as in training; otherwise from all
        of them, as in the saved model.
        """
        switches = np.zeros((len(patches.daytime), 3), dtype=bool)
        return self._inputs(patches, switches, left_out=left_out) | self._measured(patches)

    def _inputs(self, patches: Patches, switches: NDArray[np.bool_], *, left_out: bool) -> Arrays:
        known = np.isfinite(patches.daytime).all(axis=-1)
        inputs = self.scaling.apply(patches.daytime)
        if self.settings.viirs_input:
            places = zip(patches.regions, patches.windows, strict=True)
            measured = np.stack([self.measured_inputs[region].part(window) for region, window in places])
            inputs = np.concatenate([inputs, measured[..., None]], axis=-1)
        arrays = {"inputs": inputs, "switches": switches, "known": np.asarray(known, np.float32)}
        if self.guide is not None:
            images = zip(inputs, patches.regions, patches.windows, strict=True)
            light = np.stack(
                [
                    self._logarithm(self.guide, image, region, window, left_out)
                    for image, region, window in images
                ]
            )
            arrays["guide"] = light[..., None].astype(np.float32)
            read = read_guide(light, self.guide)
            arrays["inputs"] = np.concatenate([inputs, read[..., None]], axis=-1)
        return arrays

    def _logarithm(
        self,
        guide: FootprintRegression,
        inputs: NDArray[np.float32],
        region: str,
        window: Window,
        left_out: bool,
    ) -> NDArray[np.floating[Any]]:
        """Natural logarithm of the guide's radiance in one patch, of it and the imagery around it."""
        around, scaled = window, inputs[..., : len(self.scaling.bands)]
        if guide.reach:
            imagery = self.imagery[region]
            whole = imagery.window
            around = window.expand(-(-guide.reach // FINE_PER_VIIRS)).intersection(whole) or window
            image = np.empty((*around.fine_shape, len(self.scaling.bands)), np.float32)
            imagery.daytime(around, image)
            scaled = self.scaling.apply(image)
        # Of scaled bands, as in the saved model: limits and missing pixels are the same.
        bands = self.scaling.undo(scaled).astype(np.float32)
        light = guide.log_radiance(bands, region, around) if left_out else logarithm(guide.radiance(bands))
        return light[window.fine_slices_in(around)]

    def _label(self, patches: Patches) -> NDArray[np.float32]:
        if self.settings.label == "VIIRS":
            return patches.upsampled(self.settings.label_resampling)
        if patches.truth is None:
            raise DatasetError(
                "The truth of these patches is not known.", "Train on VIIRS, or on simulated imagery."
            )
        return patches.truth

    def _measured(self, patches: Patches) -> Arrays:
        measured: NDArray[np.bool_] = np.isfinite(patches.nighttime)
        arrays = {
            "measured": np.where(measured, patches.nighttime, 0).astype(np.float32),
            "weights": measured.astype(np.float32),
            "along_rows": self.footprints.along_rows(patches.rows),
        }
        if self.footprints.glow_share > 0:
            arrays["glow_along_rows"] = self.footprints.glow_along_rows(patches.rows)
        if self.settings.point_spread == "learned":
            arrays["cosines"] = self.footprints.cosines(patches.rows)
        return arrays


@dataclass(frozen=True)
class Plan:
    """Which patches every step of a run trains on.

    Attributes
    ----------
    patches:
        Patches an epoch, over all regions; what does not fill a batch is left out, since a batch of
        another size would be normalised by other statistics.
    batch_size, epochs, seed:
        As in the settings.
    """

    sampler: Sampler
    maker: BatchMaker
    patches: int
    batch_size: int
    epochs: int
    seed: int

    @property
    def size(self) -> int:
        """Patches of a step."""
        return min(self.batch_size, self.patches)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.patches // self.size

    def arrays(self, step: int) -> Arrays:
        """The arrays of ``step``, counted over all epochs; they depend on the seed and the step alone."""
        epoch, within = divmod(step, self.steps)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.patches)
        indices = order[within * self.size : (within + 1) * self.size]
        return self.maker.for_training(self.sampler.batch(epoch, indices.tolist()), step)
