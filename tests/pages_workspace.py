"""A small, complete workspace for the tests of the pages: regions, a dataset, two runs, a prediction."""

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import streamlit as st
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from streamlit.testing.v1 import AppTest

from nightlights import manifests
from nightlights.bands import LANDSAT_BANDS, RadianceTransform, Scaling
from nightlights.files import sha256
from nightlights.grid import CRS, Window
from nightlights.interface.navigation import PAGES_FOLDER
from nightlights.jobs import JobStore
from nightlights.jobs.kinds import KINDS
from nightlights.jobs.records import JobFiles, JobRecord, ProcessRecord, StateRecord
from nightlights.manifests import (
    DatasetManifest,
    DatasetRegion,
    EpochRecord,
    Failure,
    FineScore,
    JobProgress,
    MethodFineScore,
    ModelConfig,
    PredictionRecord,
    RadianceSummary,
    RunRecord,
    Score,
    Scores,
    SourceRecord,
    TrainingSettings,
    WindowRecord,
    write_record,
)
from nightlights.observation import observe
from nightlights.workspace import Workspace

CREATED = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = SourceRecord(
    kind="simulated", label="Simulated planet (seed 1)", simulated=True, parameters={"seed": 1}
)
PLACES: dict[str, tuple[manifests.Role, float, float]] = {
    "lagos": ("train", 3.35, 6.45),
    "accra": ("train", -0.25, 5.55),
    "abuja": ("evaluate", 7.40, 9.00),
    "kinshasa": ("predict", 15.25, -4.40),
}
SIDE = 20
"""Side of each region in VIIRS pixels."""


def _window(longitude: float, latitude: float) -> Window:
    half = SIDE / 480
    whole = Window.covering(longitude - half, latitude - half, longitude + half, latitude + half)
    return Window(whole.column, whole.row, SIDE, SIDE)


def _scene(window: Window, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Daytime (9, H, W) in Landsat units and fine radiance (H, W): smooth noise with one town in it."""
    rng = np.random.default_rng(seed)
    height, width = window.fine_shape
    texture = gaussian_filter(rng.normal(size=(height, width)), 6) * 12
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2) / 45
    town = np.exp(-(distance**2)) + 0.02 * np.exp(texture)
    daytime = np.empty((len(LANDSAT_BANDS), height, width), np.float32)
    for index, band in enumerate(LANDSAT_BANDS):
        middle, reach = band.display_low * 0.5 + band.display_high * 0.5, band.display_high - band.display_low
        daytime[index] = middle + reach * (0.08 * texture + 0.2 * town - 0.1)
    daytime[:, :20, :30] = np.nan
    return daytime, (60 * np.clip(town - 0.03, 0, None)).astype(np.float32)


def _write(path: Path, array: NDArray[Any], transform: Affine, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = array if array.ndim == 3 else array[None]
    profile = {"driver": "GTiff", "dtype": "float32", "crs": CRS, "transform": transform, "nodata": np.nan}
    with rasterio.open(
        path, "w", height=bands.shape[1], width=bands.shape[2], count=len(bands), **profile
    ) as raster:
        raster.write(bands.astype(np.float32))
        raster.descriptions = tuple(names)


def _summary(radiance: NDArray[Any]) -> RadianceSummary:
    edges = [-2.0, *np.geomspace(0.25, 512, 12).tolist()]
    counts, _ = np.histogram(radiance, bins=edges)
    return RadianceSummary(
        mean=float(radiance.mean()),
        maximum=float(radiance.max()),
        lit_share=float((radiance > 0.5).mean()),
        edges=edges,
        counts=counts.tolist(),
    )


def add_regions(workspace: Workspace, name: str = "cities") -> None:
    """Write the region collection ``name`` with the four places."""
    features = []
    for place, (role, longitude, latitude) in PLACES.items():
        west, south, east, north = _window(longitude, latitude).bounds
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append(
            {"type": "Feature", "properties": {"name": place, "role": role}, "geometry": geometry}
        )
    workspace.regions_folder.mkdir(parents=True, exist_ok=True)
    collection = {"type": "FeatureCollection", "name": name, "features": features}
    workspace.regions_file(name).write_text(json.dumps(collection))


def add_dataset(workspace: Workspace, name: str = "cities") -> DatasetManifest:
    """Write the dataset ``name`` with its rasters."""
    folder = workspace.dataset_folder(name)
    regions = []
    for seed, (place, (role, longitude, latitude)) in enumerate(PLACES.items()):
        window = _window(longitude, latitude)
        daytime, truth = _scene(window, seed)
        viirs = np.nan_to_num(observe(truth, window, minimum_coverage=0.0)).astype(np.float32)
        files = {"daytime": f"{place}-daytime.tif", "nighttime": f"{place}-viirs.tif"}
        files["truth"] = f"{place}-truth.tif"
        bands = [band.name for band in LANDSAT_BANDS]
        _write(folder / files["daytime"], daytime, window.fine_transform, bands)
        _write(folder / files["nighttime"], viirs, window.transform, ["radiance"])
        _write(folder / files["truth"], truth, window.fine_transform, ["radiance"])
        west, south, east, north = window.bounds
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        regions.append(
            DatasetRegion(
                name=place,
                role=role,
                geometry={"type": "Polygon", "coordinates": [ring]},
                window=WindowRecord.of(window),
                sha256={file: sha256(folder / file) for file in files.values()},
                missing_share=float(np.isnan(daytime[0]).mean()),
                radiance=_summary(viirs),
                **files,
            )
        )
    manifest = DatasetManifest(
        name=name,
        created=CREATED,
        source=SOURCE,
        regions_name="cities",
        bands=list(LANDSAT_BANDS),
        point_spread_fwhm_m=742.0,
        regions=regions,
    )
    write_record(folder / "dataset.json", manifest)
    return manifest


def _score(method: str, region: str, role: manifests.Role, rmse: float) -> Score:
    return Score(
        method=method,
        region=region,
        role=role,
        rmse=rmse,
        mae=rmse * 0.6,
        bias=-0.12,
        r2=1 - rmse / 10,
        pixels=SIDE * SIDE,
        mean_predicted=4.2,
        mean_measured=4.32,
    )


def _fine(rmse: float) -> FineScore:
    return FineScore(
        rmse=rmse,
        mae=rmse / 2,
        bias=0.1,
        ssim=0.5,
        lit_f1=None,
        lit_precision=None,
        lit_recall=None,
        lit_from=1.0,
        pixels=256 * SIDE * SIDE,
    )


def add_run(
    workspace: Workspace,
    name: str = "first",
    *,
    dataset: str = "cities",
    epochs_done: int = 6,
    epochs: int = 6,
    evaluation_rmse: float = 2.5,
    scored: bool = True,
    series: str = "",
) -> RunRecord:
    """Write the run ``name`` with its history, its scores and an empty model file."""
    folder = workspace.run_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    finished = epochs_done == epochs
    record = RunRecord(
        name=name,
        created=CREATED,
        finished=CREATED if finished else None,
        dataset=dataset,
        source=SOURCE,
        series=series,
        settings=TrainingSettings(epochs=epochs, batch_size=4, seed=7),
        train_regions=["lagos", "accra"],
        evaluate_regions=["abuja"],
        parameters=123_456,
        device="CPU",
        epochs_done=epochs_done,
        train_rmse=evaluation_rmse * 0.8,
        evaluation_rmse=evaluation_rmse,
        seconds=90.0,
        notes="the first try",
    )
    write_record(folder / "run.json", record)
    rows = [
        EpochRecord(
            epoch=epoch,
            loss=1 / epoch,
            train_rmse=evaluation_rmse * (0.8 + 1 / epoch),
            evaluation_rmse=evaluation_rmse * (1 + 1 / epoch),
            learning_rate=0.001,
            seconds=15.0,
            patches_per_second=12.5,
        )
        for epoch in range(1, epochs_done + 1)
    ]
    header = ",".join(EpochRecord.model_fields)
    lines = [",".join(str(value) for value in row.model_dump().values()) for row in rows]
    (folder / "history.csv").write_text("\n".join([header, *lines]) + "\n")
    config = ModelConfig(
        network=record.settings.network,
        bands=list(LANDSAT_BANDS),
        scaling=Scaling.study(LANDSAT_BANDS),
        transform=RadianceTransform(),
        patch_size=256,
        point_spread_fwhm_m=742.0,
        dataset_sha256="0" * 64,
        simulated=True,
    )
    write_record(folder / "config.json", config)
    (folder / "model.keras").write_bytes(b"")
    if scored:
        methods = {
            record.settings.network: evaluation_rmse,
            "constant mean": 6.4,
            "linear regression": 4.1,
        }
        regions: list[tuple[str, manifests.Role]] = [
            ("lagos", "train"),
            ("accra", "train"),
            ("abuja", "evaluate"),
            ("all regions", "train"),
            ("all regions", "evaluate"),
        ]
        scores = [
            _score(method, region, role, rmse) for method, rmse in methods.items() for region, role in regions
        ]
        write_record(folder / "metrics.json", Scores(simulated=True, scores=scores))
    return record


def ship_run(workspace: Workspace, root: Path, name: str = "daytime") -> None:
    """Make a shipped model in ``root`` of a run that leaves the workspace."""
    add_run(workspace, "gone")
    folder = root / name
    root.mkdir(parents=True, exist_ok=True)
    workspace.run_folder("gone").rename(folder)
    (folder / "card.md").write_text("# Card")


def add_prediction(
    workspace: Workspace,
    run: str = "first",
    region: str = "abuja",
    dataset: str = "cities",
    *,
    fine_rmse: Mapping[tuple[str, bool], float] | None = None,
) -> PredictionRecord:
    """Write a prediction of ``region``: the truth with a slight error."""
    role, longitude, latitude = PLACES[region]
    window = _window(longitude, latitude)
    daytime, truth = _scene(window, list(PLACES).index(region))
    prediction = truth * np.float32(0.9) + np.float32(0.2)
    viirs = np.nan_to_num(observe(truth, window, minimum_coverage=0.0)).astype(np.float32)
    observed = observe(prediction, window).astype(np.float32)
    name = f"{run}-{region}"
    folder = workspace.prediction_folder(name)
    bands = [band.name for band in LANDSAT_BANDS]
    _write(folder / "daytime.tif", daytime, window.fine_transform, bands)
    for layer, array in {"prediction": prediction, "truth": truth}.items():
        _write(folder / f"{layer}.tif", array, window.fine_transform, [layer])
    for layer, array in {"viirs": viirs, "observed": observed, "difference": observed - viirs}.items():
        _write(folder / f"{layer}.tif", array, window.transform, [layer])
    layers = ("daytime", "viirs", "prediction", "observed", "difference", "truth")
    record = PredictionRecord(
        name=name,
        created=CREATED,
        run=run,
        dataset=dataset,
        region=region,
        role=role,
        source=SOURCE,
        window=WindowRecord.of(window),
        bands=list(LANDSAT_BANDS),
        layers={layer: f"{layer}.tif" for layer in layers},
        score=_score("unet-small", region, role, 1.23),
        fine_scores=[
            MethodFineScore(method=method, sharpened=sharpened, fine=_fine(rmse))
            for (method, sharpened), rmse in (fine_rmse or {}).items()
        ],
        total_predicted=410.0,
        total_measured=422.0,
    )
    write_record(folder / "prediction.json", record)
    return record


def full_workspace(root: Path) -> Workspace:
    """A workspace with one of everything."""
    workspace = Workspace.open(root)
    add_regions(workspace)
    add_dataset(workspace)
    add_run(workspace)
    add_run(workspace, "second", evaluation_rmse=2.1)
    add_prediction(workspace)
    return workspace


def add_job(
    workspace: Workspace, kind: manifests.JobKind, request: dict[str, Any], state: manifests.JobState
) -> str:
    """Write a job as if it stood in ``state``, a quarter done; a running one belongs to this process."""
    request_record = KINDS[kind].request.model_validate(request)
    target = KINDS[kind].target(request_record)
    files = JobFiles(workspace.job_folder(f"20260301-120000-{kind}-{state}"))
    moment = manifests.now()
    record = JobRecord(
        id=files.folder.name,
        kind=kind,
        title=f"{kind.capitalize()} {target}",
        created=moment,
        target=target,
        writes=list(KINDS[kind].writes(workspace, request_record)),
        reads=list(KINDS[kind].reads(workspace, request_record)),
        request=request_record.model_dump(mode="json"),
    )
    progress = JobProgress(done=25, total=100, unit="MB", message="lagos (1 of 4)", updated=moment)
    failure = Failure(message="The disk is full.", remedy="Free some space.")
    written = StateRecord(
        state="running" if state == "interrupted" else state,
        attempt=1,
        queued=CREATED,
        started=moment,
        finished=None if state in ("running", "interrupted") else moment,
        progress=progress,
        failure=failure if state == "failed" else None,
    )
    write_record(files.job, record)
    write_record(files.state, written)
    if state == "running":
        write_record(files.process, ProcessRecord.of(os.getpid(), leads_session=False))
    return record.id


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Run a page, by its key, on a workspace; further keywords are its session state."""

    def run(page: str, workspace: Workspace, **state: Any) -> AppTest:
        monkeypatch.setenv("NIGHTLIGHTS_WORKSPACE", str(workspace.root))
        st.cache_resource.clear()
        st.cache_data.clear()
        test = AppTest.from_file(str(PAGES_FOLDER / f"{page}.py"), default_timeout=30)
        for key, value in state.items():
            test.session_state[key] = value
        test.run()
        assert not test.exception, test.exception
        return test

    return run


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Collects the (kind, request) of every job that a page submits; none is started."""
    jobs: list[tuple[str, Any]] = []

    def submit(_: JobStore, kind: str, request: Any, title: str = "") -> None:
        jobs.append((kind, request))

    monkeypatch.setattr(JobStore, "submit", submit)
    return jobs
