"""Predict a region of any size with constant memory, tile by tile, so that tiles meet exactly.

A tile equals the pass over the whole image, so nothing needs blending: every tile begins on a multiple of
the network's stride, counted from the region's north-west corner, and is read with a margin that covers
the receptive field. At the edge of the region a tile ends where the whole image ends, so that the padding
of the convolutions falls on the same pixels; for newer models the imagery is mirrored beyond the edge.
Regions whose sides are not multiples of the stride are continued to the south and east by their last row and
column, in both passes alike.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights import cog
from nightlights.datasets import Dataset
from nightlights.errors import ModelError
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.manifests import ModelConfig
from nightlights.measured_input import MeasuredInput
from nightlights.models import load_model, texture_folder
from nightlights.networks import NetworkInfo, network_info
from nightlights.progress import Progress
from nightlights.training.backend import prepare

_ACTIVATION_BYTES = 1.0e9
# Measured: about 26 bytes a pixel and filter of the finest level, over the largest tile.
_BYTES_PER_PIXEL_AND_FILTER = 26
_LARGEST_TILE = 1024


@dataclass(frozen=True)
class Tiling:
    """How a region is cut for a network, in analysis pixels.

    Attributes
    ----------
    size:
        Side of the part of a tile that is kept.
    margin:
        What is read around it.
    stride:
        Both sides of the image are continued to multiples of this.
    """

    size: int
    margin: int
    stride: int

    @classmethod
    def for_network(cls, info: NetworkInfo, tile_size: int | None = None, guide_reach: int = 0) -> "Tiling":
        """The tiling that keeps the network's activations within about a gigabyte.

        ``tile_size`` is rounded up to whole strides and whole VIIRS pixels. What the network reads may itself
        have read ``guide_reach`` pixels around.
        """
        step = math.lcm(info.stride, FINE_PER_VIIRS)
        margin = _whole(info.margin + guide_reach, step)
        if tile_size is None:
            side = math.isqrt(int(_ACTIVATION_BYTES / (_BYTES_PER_PIXEL_AND_FILTER * info.base_filters)))
            tile_size = min(max(side - 2 * margin, step) // step * step, _LARGEST_TILE)
        return cls(_whole(max(tile_size, 1), step), margin, info.stride)

    def tiles(self, window: Window) -> list[Window]:
        """The kept parts of the tiles of ``window``, row by row."""
        side = self.size // FINE_PER_VIIRS
        return list(window.tiles(side, side))


def _whole(pixels: int, step: int) -> int:
    return -(-pixels // step) * step


@dataclass(frozen=True)
class Predictor:
    """A trained network ready to predict regions.

    Attributes
    ----------
    model:
        ``keras.Model`` from scaled bands to transformed radiance.
    config:
        What scales the one and undoes the other.
    tiling:
        How regions are cut.
    texture:
        What places the light within footprints, where that is another's part; see
        :mod:`nightlights.prediction.redistribution`.
    """

    model: Any
    config: ModelConfig
    tiling: Tiling
    texture: "Predictor | None" = None

    @classmethod
    def load(cls, folder: Path, tile_size: int | None = None) -> "Predictor":
        """Load the model in ``folder``, with its texture networks where it has some.

        Raises
        ------
        ModelError
            When there is none, or it or its texture is broken or missing.
        """
        prepare()
        model, config = load_model(folder)
        # A compiler would start anew for every shape of tile at the edges, and is slower on a CPU.
        model.jit_compile = False
        texture = cls.load(texture_folder(folder), tile_size) if config.texture_networks else None
        info = network_info(config.network).with_decoder(config.decoder)
        return cls(model, config, Tiling.for_network(info, tile_size, config.guide_reach), texture)

    @property
    def level(self) -> "Predictor":
        """The network that knows how much light a footprint holds, without what places it within."""
        return replace(self, texture=None)

    def check(self, dataset: Dataset) -> None:
        """Refuse a dataset that this model cannot read.

        Raises
        ------
        ModelError
            When the bands are others, or in another order.
        """
        wanted = [(band.name, band.unit) for band in self.config.bands]
        found = [(band.name, band.unit) for band in dataset.manifest.bands]
        if wanted != found:
            raise ModelError(
                f"The model takes the bands {_listed(wanted)}, but the dataset {dataset.manifest.name} has "
                f"{_listed(found)}.",
                "Export a dataset with the model's bands.",
            )

    def blocks(self, dataset: Dataset, region: str, progress: Progress) -> Iterator[cog.Block]:
        """The predicted radiance of ``region``, tile by tile.

        Yields
        ------
        window, radiance:
            Where, and float32 of shape (16 height, 16 width) in nW/cm2/sr, NaN where a band is missing.
        """
        if self.texture is not None:
            from nightlights.prediction.redistribution import redistributed

            yield from redistributed(self.level, self.texture, dataset, region, progress)
            return
        tiles = self.tiling.tiles(dataset.region(region).window.window)
        measured = self.measured_input(dataset, region)
        for done, tile in enumerate(tiles):
            progress.update(done, len(tiles), unit="tiles", message=f"Predicting {region}")
            yield tile, self.light(dataset, region, tile, measured)
        progress.update(len(tiles), len(tiles), unit="tiles", message=f"Predicted {region}")

    def light(
        self, dataset: Dataset, region: str, tile: Window, measured: MeasuredInput | None = None
    ) -> NDArray[np.float32]:
        """The radiance that this network alone predicts in a part of ``region``, as :meth:`blocks` gives it.

        Parameters
        ----------
        tile:
            Begins on a multiple of the network's stride, counted from the region's north-west corner.
        measured:
            See :meth:`measured_input`.
        """
        margin = self.tiling.margin // FINE_PER_VIIRS
        reach = expanded(tile, margin, dataset.region(region).window.window)
        image = dataset.read_daytime(region, reach)
        part = None if measured is None else measured.part(reach)
        kept = tile.fine_slices_in(reach)
        if self.config.mirrored_edges:
            image = mirrored(image, tile, reach, margin)
            part = None if part is None else mirrored(part, tile, reach, margin)
            start = self.tiling.margin
            kept = slice(start, start + tile.fine_shape[0]), slice(start, start + tile.fine_shape[1])
        with _full_precision():
            radiance = self.radiance(image, part)
        return radiance[kept]

    def measured_input(self, dataset: Dataset, region: str) -> MeasuredInput | None:
        """The smoothed VIIRS of ``region`` where the network reads it; None where it does not."""
        if not self.config.viirs_input:
            return None
        outer = dataset.region(region).window.window
        return MeasuredInput(
            dataset.read_nighttime(region), outer, self.config.transform, self.config.viirs_smoothing
        )

    def radiance(
        self, image: NDArray[np.float32], measured: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The radiance of one image in one pass, in nW/cm2/sr.

        Parameters
        ----------
        image:
            Shape (bands, height, width), in the bands' units, NaN where missing.
        measured:
            Smoothed VIIRS, shape (height, width), where the network reads it; see :meth:`measured_input`.

        Returns
        -------
        numpy.ndarray
            float32, shape (height, width), NaN where a band is missing.

        Raises
        ------
        ModelError
            When the network reads VIIRS and none is given.
        """
        height, width = image.shape[1:]
        # As in training and in the baselines: of a pixel that lacks a band, nothing is claimed.
        missing = np.isnan(image).any(axis=0)
        scaled = self.config.scaling.apply(np.moveaxis(image, 0, -1))
        if self.config.viirs_input:
            if measured is None:
                raise ModelError(
                    "This model reads VIIRS beside the daytime bands, and none was given.",
                    "Predict a region of a dataset with VIIRS, or use a model of daytime bands alone.",
                )
            scaled = np.concatenate([scaled, measured[..., None]], axis=-1)
        south, east = (-side % self.tiling.stride for side in (height, width))
        if south or east:
            scaled = np.pad(scaled, ((0, south), (0, east), (0, 0)), mode="edge")
        output = np.asarray(self.model.predict_on_batch(scaled[None]))[0, :height, :width, 0]
        radiance = self.config.transform.inverse(output.astype(np.float32))
        return np.where(missing, np.float32(np.nan), radiance)


def mirrored(image: NDArray[np.float32], tile: Window, reach: Window, margin: int) -> NDArray[np.float32]:
    """``image`` of ``reach``, shape (..., height, width), continued by its own mirror images.

    It then has ``margin`` VIIRS pixels around ``tile`` on every side. Beyond the edge of a region a network
    would else see zeros, which no place looks like, and answer with a frame of light.
    """
    north, west = tile.row - reach.row, tile.column - reach.column
    south = reach.height - tile.height - north
    east = reach.width - tile.width - west
    sides = ((north, south), (west, east))
    widths = [tuple(FINE_PER_VIIRS * (margin - known) for known in pair) for pair in sides]
    return np.pad(image, [(0, 0)] * (image.ndim - 2) + widths, mode="symmetric")


def expanded(tile: Window, pixels: int, outer: Window) -> Window:
    """``tile`` with ``pixels`` VIIRS pixels more on each side, as far as ``outer`` reaches."""
    return tile.expand(pixels).intersection(outer) or tile


def _listed(bands: list[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({unit})" if unit else name for name, unit in bands)


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Keep GPUs from rounding the factors of convolutions to 10 bits, or tiles would not meet."""
    import tensorflow as tf

    switch = tf.config.experimental
    before = switch.tensor_float_32_execution_enabled()
    switch.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        switch.enable_tensor_float_32_execution(before)
