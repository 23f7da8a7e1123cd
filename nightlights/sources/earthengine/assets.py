"""Earth Engine assets: an image of the bucket becomes one, once, however often that is asked for.

The client sends no identifier with an ingestion, so Earth Engine cannot tell a repeated request from a new
one. It is never repeated blindly: before each try, what is there already is looked for, be it the asset
with the same content or an ingestion of it that runs.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from nightlights.errors import EarthEngineError
from nightlights.settings import Settings
from nightlights.sources.earthengine.client import connect
from nightlights.sources.earthengine.failures import clear_earthengine_errors
from nightlights.sources.earthengine.operations import Operation, list_operations
from nightlights.sources.earthengine.transport import TroubleError

SHA256_PROPERTY: Final = "sha256"
_TRIES: Final = 8
_FOLDER_TYPES: Final = ("FOLDER", "IMAGE_COLLECTION")


@dataclass(frozen=True, slots=True)
class Asset:
    """An image of Earth Engine.

    Attributes
    ----------
    name:
        ``projects/PROJECT/assets/FOLDER/NAME``.
    """

    name: str
    kind: str
    properties: Mapping[str, Any]

    @property
    def sha256(self) -> str | None:
        """Digest of the file that it was made of, where this project made it."""
        digest = self.properties.get(SHA256_PROPERTY)
        return digest if isinstance(digest, str) else None


@dataclass(frozen=True, slots=True)
class ImageContent:
    """What an image asset is made of.

    Attributes
    ----------
    uris:
        ``gs://`` addresses: one GeoTIFF, or TFRecord files and their mixer.
    band:
        Name of the one band.
    missing:
        Value that means missing, where the files do not say so themselves.
    properties:
        Texts and numbers; :data:`SHA256_PROPERTY` among them.
    start, end:
        First and last day of the period, where known.
    """

    uris: Sequence[str]
    band: str
    missing: float | None
    properties: Mapping[str, str | float]
    start: date | None = None
    end: date | None = None

    def manifest(self, asset: str) -> dict[str, Any]:
        """The ``ImageManifest`` of Earth Engine's REST interface."""
        manifest: dict[str, Any] = {
            "name": asset,
            "tilesets": [{"id": "files", "sources": [{"uris": list(self.uris)}]}],
            "bands": [{"id": self.band, "tilesetId": "files", "tilesetBandIndex": 0}],
            "pyramidingPolicy": "MEAN",
            "properties": dict(self.properties),
        }
        if self.missing is not None:
            manifest["missingData"] = {"values": [self.missing]}
        if self.start is not None and self.end is not None:
            manifest["startTime"] = f"{self.start.isoformat()}T00:00:00Z"
            # Earth Engine leaves the end of a period out.
            manifest["endTime"] = f"{(self.end + timedelta(days=1)).isoformat()}T00:00:00Z"
        return manifest


def asset_name(name: str, settings: Settings) -> str:
    """Where the asset ``name`` of the settings' project and folder is."""
    return f"projects/{connect(settings).project}/assets/{settings.bucket_folder}/{name}"


def find_asset(asset: str, settings: Settings) -> Asset | None:
    """The asset of that whole name, or None.

    Raises
    ------
    EarthEngineError
        When Earth Engine cannot be asked, or does not let this account see it.
    """
    connect(settings)
    import ee

    with clear_earthengine_errors(settings):
        found = ee.data.getInfo(asset)
    if found is None:
        return None
    return Asset(str(found["name"]), str(found.get("type", "")), found.get("properties", {}))


def keep_properties(asset: str, properties: Mapping[str, str | float], settings: Settings) -> None:
    """Give an asset that is there exactly these properties.

    Raises
    ------
    EarthEngineError
        When there is no such asset, or it may not be written.
    """
    found = find_asset(asset, settings)
    if found is not None and dict(found.properties) == dict(properties):
        return
    import ee

    with clear_earthengine_errors(settings):
        ee.data.updateAsset(asset, {"properties": dict(properties)}, ["properties"])


def find_ingestion(asset: str, settings: Settings) -> Operation | None:
    """The ingestion of ``asset`` that waits or runs, or None."""
    for operation in list_operations(settings):
        ours = operation.description.replace('"', " ").split()
        if operation.active and "ingestion" in operation.kind and asset in ours:
            return operation
    return None


def make_folders(asset: str, settings: Settings) -> None:
    """Make the folders that ``asset`` lies in, where they are missing.

    Raises
    ------
    EarthEngineError
        When one of them is an image.
    """
    import ee

    parts = asset.split("/")
    for end in range(4, len(parts)):
        folder = "/".join(parts[:end])
        found = find_asset(folder, settings)
        if found is None:
            try:
                with clear_earthengine_errors(settings):
                    ee.data.createFolder(folder)
            except EarthEngineError:
                # Whoever else made it in the meantime, or a cut connection: it counts that it is there.
                found = find_asset(folder, settings)
                if found is None:
                    raise
        if found is not None and found.kind not in _FOLDER_TYPES:
            raise EarthEngineError(f"{folder} is no folder.", "Choose another folder for assets.")


def start_ingestion(
    asset: str,
    content: ImageContent,
    settings: Settings,
    *,
    overwrite: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    pause_s: float = 1.0,
) -> str | None:
    """Start to make ``asset`` of ``content``; the operation's name, or None where the asset is there.

    An ingestion of that asset that runs already is taken for this one.

    Parameters
    ----------
    overwrite:
        Replace an asset of that name that has another content.
    sleep, pause_s:
        Between two tries; the pause doubles.

    Raises
    ------
    EarthEngineError
        When an asset of that name has another content and ``overwrite`` is not asked for, or Earth Engine
        refuses.
    """
    import ee

    make_folders(asset, settings)
    manifest = content.manifest(asset)
    for attempt in range(_TRIES):
        # In this order, since an ingestion may end between the two questions.
        running = find_ingestion(asset, settings)
        if running is not None:
            return running.name
        found = find_asset(asset, settings)
        if found is not None and found.sha256 == content.properties[SHA256_PROPERTY]:
            return None
        if found is not None and not overwrite:
            raise EarthEngineError(
                f"There is an asset {asset} with other content.",
                "Choose another name for the asset, or overwrite it (--overwrite on the command line).",
            )
        try:
            with clear_earthengine_errors(settings):
                return str(ee.data.startIngestion("", manifest, overwrite)["name"])
        except TroubleError:
            if attempt + 1 == _TRIES:
                raise
            sleep(pause_s * 2**attempt)
    raise AssertionError
