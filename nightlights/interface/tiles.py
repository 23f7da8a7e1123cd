"""Map tiles of datasets and predictions, on the port of the pages.

- ``/tiles/dataset/NAME/REGION/LAYER/Z/X/Y.png``
- ``/tiles/prediction/NAME/LAYER/Z/X/Y.png``

Names are checked before they touch the disk, and only files that a manifest names are opened. The version in
an address changes with the manifest, so a browser may keep every tile for ever.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlencode

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nightlights.bands import COMPOSITES, Band
from nightlights.errors import NightlightsError, WorkspaceError
from nightlights.interface.scripts import base_path
from nightlights.interface.tile_numbers import tile_number
from nightlights.manifests import DatasetManifest, PredictionRecord, read_record
from nightlights.maps import Drawing, Stretch, TileStyle, tile_png
from nightlights.names import checked_name, suggested_name
from nightlights.settings import Settings
from nightlights.workspace import Workspace

Kind = Literal["dataset", "prediction"]

COMPOSITE_LAYERS: Final = {suggested_name(title): title for title in COMPOSITES}
"""Layer names of the daytime composites: ``true-colour``, ``false-colour``, ``thermal``."""
DATASET_LAYERS: Final = (*COMPOSITE_LAYERS, "viirs", "truth")
PREDICTION_LAYERS: Final = (
    *COMPOSITE_LAYERS,
    "viirs",
    "prediction",
    "sharpened",
    "observed",
    "difference",
    "uncertainty",
    "lower",
    "upper",
    "truth",
)

_CACHED_TILES = 1024
_MAXIMUM_TILE_ZOOM = 22
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NEVER = {"Cache-Control": "no-store"}


def version_of(manifest: DatasetManifest | PredictionRecord) -> str:
    """Changes whenever the dataset or prediction is made anew."""
    return manifest.created.strftime("%Y%m%d%H%M%S")


def tile_url(
    kind: Kind,
    name: str,
    layer: str,
    *,
    version: str,
    region: str | None = None,
    low: float | None = None,
    high: float | None = None,
    scale: Literal["log", "linear"] | None = None,
    limit: float | None = None,
) -> str:
    """Address of a layer's tiles with ``{z}``, ``{x}`` and ``{y}`` left to the map.

    Parameters
    ----------
    kind, name, region:
        The dataset and its region, or the prediction.
    layer:
        One of :data:`DATASET_LAYERS` or :data:`PREDICTION_LAYERS`.
    version:
        From :func:`version_of`.
    low, high, scale:
        Ends of the radiance palette in nW/cm2/sr, and whether it is logarithmic.
    limit:
        End of the difference palette in nW/cm2/sr.
    """
    parts = [kind, checked_name(name), *([checked_name(region)] if region else []), layer]
    style = {"low": low, "high": high, "scale": scale, "limit": limit}
    query = urlencode({**{key: value for key, value in style.items() if value is not None}, "v": version})
    return f"{base_path()}/tiles/{'/'.join(parts)}/{{z}}/{{x}}/{{y}}.png?{query}"


@lru_cache(maxsize=256)
def _manifest(path: Path, modified_ns: int) -> DatasetManifest | PredictionRecord:
    if path.name == "dataset.json":
        return read_record(path, DatasetManifest)
    return read_record(path, PredictionRecord)


def _read_manifest(path: Path) -> DatasetManifest | PredictionRecord:
    try:
        modified = path.stat().st_mtime_ns
    except OSError as error:
        raise WorkspaceError(f"{path.parent.name} is missing.") from error
    return _manifest(path, modified)


def _drawing(layer: str, bands: list[Band]) -> Drawing:
    if layer == "difference":
        return "difference"
    if layer not in COMPOSITE_LAYERS:
        return "radiance"
    numbers = {band.name: number for number, band in enumerate(bands, start=1)}
    wanted = COMPOSITES[COMPOSITE_LAYERS[layer]]
    if not all(name in numbers for name in wanted):
        # A raster of one's own has other bands: show its first three, or its first.
        wanted = tuple(band.name for band in (bands[:3] if len(bands) >= 3 else bands[:1]))
    chosen = [bands[numbers[name] - 1] for name in wanted]
    return Stretch(
        tuple(numbers[name] for name in wanted),
        tuple((band.display_low, band.display_high) for band in chosen),
    )


def _inside(folder: Path, file: str | None) -> Path:
    if file is None:
        raise WorkspaceError("There is no such layer.")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise WorkspaceError(f"{file} is missing.")
    return path


def find_layer(
    workspace: Workspace, kind: Kind, name: str, region: str | None, layer: str
) -> tuple[Path, Drawing]:
    """The file of a layer, and how it is drawn.

    Raises
    ------
    WorkspaceError
        When there is no such dataset, prediction, region or layer.
    """
    if kind == "prediction":
        folder = workspace.prediction_folder(name)
        record = _read_manifest(folder / "prediction.json")
        if not isinstance(record, PredictionRecord) or layer not in PREDICTION_LAYERS:
            raise WorkspaceError("There is no such layer.")
        file = record.layers.get("daytime" if layer in COMPOSITE_LAYERS else layer)
        return _inside(folder, file), _drawing(layer, record.bands)
    folder = workspace.dataset_folder(name)
    manifest = _read_manifest(folder / "dataset.json")
    if not isinstance(manifest, DatasetManifest) or layer not in DATASET_LAYERS:
        raise WorkspaceError("There is no such layer.")
    entry = next((entry for entry in manifest.regions if entry.name == region), None)
    if entry is None:
        raise WorkspaceError("There is no such region.")
    files = {"viirs": entry.nighttime, "truth": entry.truth}
    return _inside(folder, files.get(layer, entry.daytime)), _drawing(layer, manifest.bands)


@lru_cache(maxsize=_CACHED_TILES)
def _cached_tile(
    path: Path, modified_ns: int, x: int, y: int, z: int, drawing: Drawing, style: TileStyle
) -> bytes | None:
    return tile_png(path, x, y, z, drawing, style)


@lru_cache(maxsize=1)
def _workspace() -> Workspace:
    # Without Workspace.open: a tile is only read, and the folder may be read-only.
    return Workspace(Settings.from_environment().workspace.resolve())


def _style(query: Mapping[str, str]) -> TileStyle:
    given = {key: value for key, value in query.items() if key in TileStyle.model_fields}
    return TileStyle.model_validate(given)


def _render(
    kind: Kind, parameters: Mapping[str, Any], tile: tuple[int, int, int], query: Mapping[str, str]
) -> bytes | None:
    z, x, y = tile
    if z > _MAXIMUM_TILE_ZOOM or x >= 2**z or y >= 2**z:
        raise WorkspaceError("There is no such tile.")
    path, drawing = find_layer(
        _workspace(), kind, parameters["name"], parameters.get("region"), parameters["layer"]
    )
    return _cached_tile(path, path.stat().st_mtime_ns, x, y, z, drawing, _style(query))


async def _tile(kind: Kind, request: Request) -> Response:
    tile = tile_number(request, "z"), tile_number(request, "x"), tile_number(request, "y")
    try:
        content = await run_in_threadpool(_render, kind, request.path_params, tile, request.query_params)
    except ValidationError as error:
        raise HTTPException(400, "The style cannot be used.") from error
    except NightlightsError as error:
        raise HTTPException(404, str(error)) from error
    headers = _FOREVER if "v" in request.query_params else _NEVER
    if content is None:
        return Response(status_code=204, headers=headers)
    return Response(content, media_type="image/png", headers=headers)


async def _dataset_tile(request: Request) -> Response:
    return await _tile("dataset", request)


async def _prediction_tile(request: Request) -> Response:
    return await _tile("prediction", request)


def tile_routes() -> list[Route]:
    """Routes of the tiles."""
    prefix = f"{base_path()}/tiles"
    end = "{layer}/{z}/{x}/{y}.png"
    return [
        Route(f"{prefix}/dataset/{{name}}/{{region}}/{end}", _dataset_tile),
        Route(f"{prefix}/prediction/{{name}}/{end}", _prediction_tile),
    ]
