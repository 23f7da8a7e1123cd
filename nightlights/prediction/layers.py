"""The layers of one predicted region, as Cloud Optimized GeoTIFFs."""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlights import cog
from nightlights.bands import RADIANCE_UNIT
from nightlights.datasets import Dataset
from nightlights.grid import Window
from nightlights.manifests import RunRecord, SharpeningRecord, read_record
from nightlights.noise import Noise, measured_noise, measured_sigma
from nightlights.observation import PointSpread
from nightlights.prediction.comparison import Comparison, compare_fine, observed_blocks
from nightlights.prediction.tiling import Predictor
from nightlights.progress import NoProgress, Progress
from nightlights.sharpening import Agreement, Sharpening
from nightlights.sharpening.verdict import USUAL, verdict

MODEL_TAG = "model"
"""Tag of a raster that names the run it was predicted with."""

RUN_FILE = "run.json"

CONTRAST_TAG = "sharpening_contrast"
"""Tag of a sharpened raster: to which power its texture is that of the prediction."""

EXPONENT_TAG = "texture_exponent"
"""Tag of a sharpened raster: how far that texture is trusted, from 0 to 1.2."""

_TILE = 1024


@dataclass(frozen=True)
class RegionPrediction:
    """One predicted region.

    Attributes
    ----------
    layers:
        Layer to file name, relative to the folder.
    comparison:
        Of the prediction with VIIRS, and with the truth where it is known.
    sharpening_contrast:
        Power of the prediction that the layer ``sharpened`` takes its texture from; 1 where there is none.
    sharpening:
        How well that layer agrees with VIIRS; None where there is none.
    """

    layers: dict[str, str]
    comparison: Comparison
    sharpening_contrast: float = 1.0
    sharpening: SharpeningRecord | None = None


def predict_region(
    dataset: Dataset,
    region: str,
    model_folder: Path,
    out_folder: Path,
    progress: Progress | None = None,
    tile_size: int | None = None,
    *,
    sharpen: bool = False,
    exponent: float | None = None,
) -> RegionPrediction:
    """Predict ``region`` and write its layers as Cloud Optimized GeoTIFFs into ``out_folder``.

    Layers: ``daytime``, ``viirs`` and ``truth`` (where known) are the dataset's own files; ``prediction``
    lies on the analysis grid; ``observed`` is the prediction as VIIRS would see it, and ``difference`` is
    observed minus VIIRS; ``sharpened``, on the analysis grid and where asked for, is the prediction corrected
    until VIIRS would see what it measured, but for noise.

    Parameters
    ----------
    tile_size:
        Side of a tile in analysis pixels; chosen for the network unless given.
    sharpen:
        Make the layer ``sharpened``, too; it takes less time than predicting.
    exponent:
        How far its texture is that of the prediction, from 0 to 1.2; what the region's own VIIRS says unless
        given, see :func:`nightlights.sharpening.verdict.verdict`.

    Raises
    ------
    ModelError
        When the model is missing, broken, or takes other bands.
    DatasetError
        When there is no such region.
    WorkspaceError
        When the disk is full.
    """
    place = dataset.region(region)
    window = place.window.window
    predictor = Predictor.load(model_folder, tile_size)
    predictor.check(dataset)
    spread = PointSpread.of(predictor.config, dataset.manifest)
    tags = {
        "region": region,
        MODEL_TAG: model_folder.name,
        "network": predictor.config.network,
        "unit": RADIANCE_UNIT,
        "source": dataset.manifest.source.label,
        "simulated": "yes" if dataset.manifest.source.simulated else "no",
    }
    layers = {"daytime": "daytime.tif", "viirs": "viirs.tif"}
    _share(dataset.path(place.daytime), out_folder / layers["daytime"])
    _share(dataset.path(place.nighttime), out_folder / layers["viirs"])
    if place.truth is not None:
        layers["truth"] = "truth.tif"
        _share(dataset.path(place.truth), out_folder / layers["truth"])

    def write(layer: str, blocks: Iterable[cog.Block], *, fine: bool, **more: str) -> Path:
        layers[layer] = f"{layer}.tif"
        path = out_folder / layers[layer]
        cog.write_geotiff(
            path,
            blocks,
            window=window,
            fine=fine,
            bands=[layer],
            units=[RADIANCE_UNIT],
            tags={**tags, "layer": layer, **more},
        )
        return path

    predicted = write("prediction", predictor.blocks(dataset, region, progress or NoProgress()), fine=True)
    observed = write(
        "observed", observed_blocks(lambda part: cog.read(predicted, part)[0], window, spread), fine=False
    )

    def differences() -> Iterator[cog.Block]:
        for tile in window.tiles(_TILE, _TILE):
            yield tile, cog.read(observed, tile)[0] - dataset.read_nighttime(region, tile)

    write("difference", differences(), fine=False)
    contrast = predictor.config.sharpening_contrast if sharpen else 1.0
    report = None
    if sharpen:
        watched = _Watched(predicted, progress or NoProgress(), window)
        measured = dataset.read_nighttime(region)
        noise, sigma = dataset_noise(dataset, region)
        found_by = None
        if exponent is None:
            seen = _observed_power(predicted, contrast, window, spread)
            usual = _usual_exponent(model_folder, predictor, dataset)
            found_by = verdict(measured, seen, window, spread, noise, usual=usual)
            exponent = found_by.exponent
        corrected = Sharpening.of(
            watched.read,
            measured,
            window,
            spread,
            noise=noise,
            contrast=contrast,
            exponent=exponent,
            sigma=sigma,
            tile_size=watched.side,
        )
        agreement = corrected.agreement
        found = {CONTRAST_TAG: f"{contrast:g}", EXPONENT_TAG: f"{exponent:g}", **_tags_of(agreement)}
        write("sharpened", watched.written(corrected.blocks()), fine=True, **found)
        known = agreement.pixels > 0
        report = SharpeningRecord(
            noise=noise,
            chi_square=agreement.chi_square if known else None,
            within_two_sigma=agreement.within_two_sigma if known else None,
            pixels=agreement.pixels,
            exponent=exponent,
            verdict=found_by,
        )
    comparison = compare_fine(dataset, region, lambda part: cog.read(predicted, part)[0], spread)
    return RegionPrediction(layers, comparison, contrast, report)


def dataset_noise(dataset: Dataset, region: str) -> tuple[Noise, NDArray[np.float64]]:
    """How far VIIRS scatters in a region, and every pixel of it: by its own months where there are several.

    Returns
    -------
    noise, sigma:
        As a function of the light, and of every pixel, shape (height, width), nW/cm2/sr.
    """
    measured = dataset.read_nighttime(region)
    months = dataset.read_noise(region)
    noise = None if months is None else measured_noise(measured, *months)
    if noise is None or months is None:
        usual = dataset.manifest.viirs_noise
        return usual, usual.sigma(measured)
    return noise, measured_sigma(noise, measured, *months)


def _usual_exponent(model_folder: Path, predictor: Predictor, dataset: Dataset) -> float:
    """To what thin evidence is drawn: the regions that the model was evaluated in, where they are alike.

    They are in the dataset that it was trained on, and on any part of the simulated planet. What served in
    one country need not in another.
    """
    path = model_folder / RUN_FILE
    run = read_record(path, RunRecord) if path.is_file() else None
    if run is None or run.usual_exponent is None:
        return USUAL
    simulated = dataset.manifest.source.simulated and run.source.simulated
    alike = simulated or predictor.config.dataset_sha256 == dataset.sha256
    return run.usual_exponent if alike else USUAL


def _observed_power(
    predicted: Path, power: float, window: Window, spread: PointSpread
) -> NDArray[np.float32]:
    """What VIIRS would see of the prediction to a power, shape (height, width)."""

    def read(part: Window) -> NDArray[np.float32]:
        light: NDArray[np.float32] = np.maximum(cog.read(predicted, part)[0], 0)
        if power != 1:
            light **= np.float32(power)
        return light

    seen = np.empty(window.shape, np.float32)
    for tile, block in observed_blocks(read, window, spread):
        seen[tile.slices_in(window)] = block
    return seen


def _tags_of(agreement: Agreement) -> dict[str, str]:
    """What the raster itself says of its agreement."""
    if not agreement.pixels:
        return {}
    return {
        "chi_square_per_pixel": f"{agreement.chi_square:.3g}",
        "share_within_two_sigma": f"{agreement.within_two_sigma:.3g}",
    }


class _Watched:
    """Tells how far sharpening is, so it can be cancelled: half is reading, half is writing.

    Every tile is read once. Of a region beyond what sharpening keeps in memory (512 MB), tiles are read again
    in every pass, which counts no more.
    """

    side = 32

    def __init__(self, path: Path, progress: Progress, window: Window) -> None:
        self._path, self._progress = path, progress
        self._pixels, self._read, self._written = window.width * window.height, 0, 0

    def read(self, part: Window) -> NDArray[np.float32]:
        """The pixels of ``part``."""
        self._read = min(self._read + part.width * part.height, self._pixels)
        self._tell()
        pixels: NDArray[np.float32] = cog.read(self._path, part)[0]
        return pixels

    def written(self, blocks: Iterable[cog.Block]) -> Iterator[cog.Block]:
        """``blocks`` as they are written."""
        for part, pixels in blocks:
            yield part, pixels
            self._written += part.width * part.height
            self._tell()

    def _tell(self) -> None:
        done = 50 * (self._read + self._written) / self._pixels
        self._progress.update(done, 100, unit="%", message="Sharpening")


def _share(source: Path, target: Path) -> None:
    """Let ``target`` be the same file as ``source``, or a copy where the file system cannot share it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
