"""Sharpening of an aggregate of real VIIRS, scored against VIIRS itself."""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_bounds
from rasterio.warp import Resampling, reproject
from scipy.optimize import nnls
from shapely import box
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from nightlights.crossvalidation import cross_validate
from nightlights.datasets import Dataset, export_dataset
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.manifests import CrossValidationRequest, ExportRequest, TrainingSettings
from nightlights.noise import MONTH, Noise
from nightlights.observation import PointSpread, observe
from nightlights.prediction import Predictor
from nightlights.progress import NoProgress
from nightlights.region_files import save_collection
from nightlights.regions import Region, RegionCollection
from nightlights.scores import REGRESSION_KRIGING
from nightlights.sharpening import sharpen
from nightlights.sharpening.interpolation import INTERPOLATIONS
from nightlights.sharpening.regression_kriging import area_to_point_regression_kriging
from nightlights.sources.rasters import RastersSource
from nightlights.workspace import Workspace

Floats = NDArray[np.float64]

AGGREGATED = Noise(share=MONTH.share / 16, floor=MONTH.floor / 16)
"""An aggregate of 256 pixels has a sixteenth of their noise."""
DATASET = "burundi-aggregate"
COLUMN, ROW = 43_000, 18_000
"""Where on the grid the enlarged country is put: only shapes and latitudes count, here near the equator."""
SETTINGS = TrainingSettings(
    network="pixel",
    epochs=5,
    patches_per_region=128,
    patch_size=96,
    batch_size=4,
    learning_rate=3e-3,
    first_output="mean radiance",
    maximum_missing_share=0.6,
    evaluation_patches=8,
)
"""Of the networks: those of the towns. Nothing was chosen by the table."""


def scale_transfer_rows(workspace: Workspace, data: Path, seed: int) -> list[tuple[str, str, str, str, str]]:
    """Method, RMSE and MAE plain and sharpened, in nW/cm2/sr: rows of a table.

    The country is cut into two halves, west and east: whatever learns from population does so from the
    aggregate of the other half.
    """
    fine, population = _rasters(data)
    rows, columns = (side // FINE_PER_VIIRS for side in fine.shape)
    fine, population = (
        image[: rows * FINE_PER_VIIRS, : columns * FINE_PER_VIIRS] for image in (fine, population)
    )
    window, spread = Window(COLUMN, ROW, columns, rows), PointSpread()
    measured = observe(fine, window, spread)
    known = np.where(np.isfinite(fine), 1.0, np.nan)
    priors = {method: interpolate(measured, window, spread) for method, interpolate in INTERPOLATIONS.items()}
    people = np.log1p(np.maximum(np.nan_to_num(population), 0.0))
    features = [np.nan_to_num(population), people]
    west = np.broadcast_to(np.arange(columns) < columns // 2, measured.shape)
    priors[REGRESSION_KRIGING] = _regression_kriged(features, known, measured, window)
    priors |= _fitted(features, known, measured, west, window, seed)
    priors |= _trained(workspace, [each * known for each in features], measured, window, seed)
    scored = np.isfinite(fine) & np.all([np.isfinite(prior) for prior in priors.values()], axis=0)
    found = []
    for method, prior in priors.items():
        corrected = sharpen(prior * known, measured, window, spread, noise=AGGREGATED)
        errors = [(image - fine)[scored] for image in (prior, corrected)]
        rmse = [f"{np.sqrt(np.mean(error**2)):.4f}" for error in errors]
        mae = [f"{np.mean(np.abs(error)):.4f}" for error in errors]
        found.append((method, rmse[0], rmse[1], mae[0], mae[1]))
    return found


def _regression_kriged(features: list[Floats], known: Floats, measured: Floats, window: Window) -> Floats:
    """The published competitor: its trend, of weights of at least 0, is fitted to the aggregate itself."""
    spread = PointSpread()
    seen = np.stack([observe(each * known, window, spread).ravel() for each in features], axis=-1)
    usable = np.isfinite(measured.ravel()) & np.isfinite(seen).all(axis=-1)
    scale = seen[usable].std(axis=0)
    design = np.column_stack([np.ones(usable.sum()), seen[usable] / scale])
    constant, *weights = nnls(design, measured.ravel()[usable])[0]
    trend = constant + sum(
        weight / size * each for weight, size, each in zip(weights, scale, features, strict=True)
    )
    return area_to_point_regression_kriging(trend * known, measured, window, spread)


def _fitted(
    features: list[Floats],
    known: Floats,
    measured: Floats,
    west: NDArray[np.bool_],
    window: Window,
    seed: int,
) -> dict[str, Floats]:
    """What regressions on the population of single pixels predict, each half by the other."""
    seen = np.stack([observe(each * known, window, PointSpread()) for each in features], axis=-1)
    models = {
        "linear regression on population": lambda: LinearRegression(),
        "gradient boosting on population": lambda: HistGradientBoostingRegressor(
            random_state=seed, max_iter=60, min_samples_leaf=10
        ),
    }
    usable = np.isfinite(measured) & np.isfinite(seen).all(axis=-1)
    priors = {}
    for method, model in models.items():
        prior = np.full(known.shape, np.nan)
        for half in (west, ~west):
            other = usable & ~half
            fitted = model().fit(seen[other], measured[other])
            here = np.kron(half, np.ones((FINE_PER_VIIRS,) * 2)) > 0
            prior[here] = fitted.predict(np.stack([each[here] for each in features], axis=-1))
        priors[method] = np.maximum(prior, 0.0)
    return priors


def _trained(
    workspace: Workspace, bands: list[Floats], measured: Floats, window: Window, seed: int
) -> dict[str, Floats]:
    """What our pixel network predicts, trained with the footprint loss on the aggregate of the other half."""
    dataset = _dataset(workspace, bands, measured, window)
    priors = {}
    for method, viirs_input in (
        ("pixel network, footprint loss", False),
        ("pixel network, footprint loss, reads the aggregate", True),
    ):
        settings = SETTINGS.model_copy(update={"viirs_input": viirs_input, "seed": seed})
        request = CrossValidationRequest(
            name=f"{DATASET}-{'reads' if viirs_input else 'plain'}-{seed}", dataset=DATASET, settings=settings
        )
        prior = np.full(window.fine_shape, np.nan)
        for fold in cross_validate(workspace, request, NoProgress(), resume=True).folds:
            predictor = Predictor.load(workspace.run_folder(fold.run))
            for part, light in predictor.blocks(dataset, fold.region, NoProgress()):
                rows, columns = part.slices_in(window)
                prior[_enlarged(rows), _enlarged(columns)] = light
        priors[method] = prior
    return priors


def _dataset(workspace: Workspace, bands: list[Floats], measured: Floats, window: Window) -> Dataset:
    """The two halves as a dataset of which VIIRS is the fine and the aggregate the coarse image."""
    if DATASET not in workspace.dataset_names():
        folder = workspace.root / DATASET
        folder.mkdir(exist_ok=True)
        for name, image in (("fine", np.stack(bands)), ("coarse", measured[None])):
            count, height, width = image.shape
            with rasterio.open(
                folder / f"{name}.tif",
                "w",
                driver="GTiff",
                dtype="float32",
                count=count,
                height=height,
                width=width,
                crs="EPSG:4326",
                transform=from_bounds(*window.bounds, width, height),
                nodata=np.nan,
            ) as raster:
                raster.write(image.astype(np.float32))
        middle = window.width // 2
        halves = {
            "west": Window(window.column, window.row, middle, window.height),
            "east": Window(window.column + middle, window.row, window.width - middle, window.height),
        }
        # A little within, so that rounding does not add a row or a column of pixels.
        inset = 1e-4
        regions = tuple(
            Region(name, "train", box(*half.bounds).buffer(-inset)) for name, half in halves.items()
        )
        save_collection(workspace, RegionCollection(DATASET, regions))
        files = [[str(folder / f"{name}.tif")] for name in ("fine", "coarse")]
        request = ExportRequest(
            dataset=DATASET,
            regions=DATASET,
            source="rasters",
            daytime_files=files[0],
            nighttime_files=files[1],
        )
        # The halves are narrower than the patches that the export of a workspace asks for.
        export_dataset(workspace, request, RastersSource(*files), regions, NoProgress())
    return Dataset.open(workspace, DATASET)


def _enlarged(part: slice) -> slice:
    return slice(part.start * FINE_PER_VIIRS, part.stop * FINE_PER_VIIRS)


def _rasters(data: Path) -> tuple[Floats, Floats]:
    """VIIRS in nW/cm2/sr and population in people a VIIRS pixel, on the grid of VIIRS, NaN where missing."""
    with rasterio.open(data / "viirs_avg_rad_burundi.tif") as raster:
        light = raster.read(1).astype(np.float64)
        light[light == raster.nodata] = np.nan
        transform, crs = raster.transform, raster.crs
    with rasterio.open(data / "population_burundi.tif") as raster:
        people = raster.read(1).astype(np.float64)
        people[people < 0] = np.nan
        on_grid = np.full(light.shape, np.nan)
        reproject(
            people,
            on_grid,
            src_transform=raster.transform,
            src_crs=raster.crs,
            dst_transform=transform,
            dst_crs=crs,
            src_nodata=np.nan,
            dst_nodata=np.nan,
            resampling=Resampling.average,
        )
    return light, on_grid
