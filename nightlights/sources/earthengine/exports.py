"""Exports: Earth Engine computes at its own pace and writes files to Cloud Storage or Drive.

Every export is sent with an identifier of the caller's, by which Earth Engine knows a request that it has
seen before: sent again, after a cut connection or a crash, it gives the operation that runs already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nightlights.composites import Destination
from nightlights.errors import EarthEngineError
from nightlights.grid import Window
from nightlights.settings import Settings
from nightlights.sources.earthengine.client import connect
from nightlights.sources.earthengine.failures import clear_earthengine_errors
from nightlights.sources.earthengine.grids import PixelGrid
from nightlights.sources.earthengine.products import MISSING
from nightlights.sources.earthengine.sampling import COLUMN_PROPERTY, ROW_PROPERTY, patches_table

if TYPE_CHECKING:
    import ee

FILE_SIDE: Final = 4096
"""Largest side of one GeoTIFF in pixels, a multiple of Earth Engine's tiles: 600 MB with nine bands."""


@dataclass(frozen=True, slots=True)
class Export:
    """Where an export goes, and how it is called.

    Attributes
    ----------
    folder:
        In Cloud Storage any path; in Drive the name of one folder.
    prefix:
        What the files' names begin with.
    description:
        Its name in the list of tasks, 100 characters at most.
    request_id:
        At most 60 letters, digits and hyphens; the same for the same export alone.
    """

    destination: Destination
    folder: str
    prefix: str
    description: str
    request_id: str

    @property
    def path(self) -> str:
        """What the names of its files in the bucket begin with."""
        return f"{self.folder}/{self.prefix}"

    @property
    def place(self) -> str:
        """Where its files will be, for people."""
        return f"{self.destination}: {self.path}"


def start_image_export(
    image: "ee.Image", window: Window, export: Export, settings: Settings, *, fine: bool
) -> str:
    """Start to export ``image`` as GeoTIFF on our grid; the name of the operation.

    Large images become several files of :data:`FILE_SIDE` pixels a side at most. Missing pixels are
    :data:`~nightlights.sources.earthengine.products.MISSING`, which the files also name as nodata.

    Parameters
    ----------
    fine:
        On the analysis grid, else on the VIIRS grid.

    Raises
    ------
    EarthEngineError
        When the bucket is not named, or Earth Engine refuses.
    """
    import ee

    from nightlights.sources.earthengine.images import filled

    connect(settings)
    grid = PixelGrid.of(window, fine=fine)
    kind, place = _kind_and_place(ee.batch.Export.image, export, settings)
    task = kind(
        image=filled(image),
        description=export.description,
        **place,
        **grid.as_export(),
        maxPixels=2 * grid.height * grid.width,
        fileDimensions=FILE_SIDE,
        fileFormat="GeoTIFF",
        formatOptions={"noData": MISSING},
    )
    return _start(lambda: ee.data.exportImage(export.request_id, task.config), settings)


def start_tiled_export(
    image: "ee.Image", window: Window, export: Export, settings: Settings, *, patch_size: int, margin: int
) -> str:
    """Start to export ``image`` on the analysis grid as TFRecord patches side by side with a ``mixer.json``.

    The last patches reach beyond ``window`` to the south and east, since Earth Engine leaves out patches
    that its grid holds only in part.

    Parameters
    ----------
    patch_size:
        Side of a patch in analysis pixels, without the margin.
    margin:
        Pixels that neighbours on both sides together add to a patch (the study's kernel size).

    Raises
    ------
    EarthEngineError
        When the bucket is not named, or Earth Engine refuses.
    """
    import ee

    from nightlights.sources.earthengine.images import filled

    connect(settings)
    exact = PixelGrid.of(window, fine=True)
    whole = (-(-side // patch_size) * patch_size for side in (exact.height, exact.width))
    grid = PixelGrid(exact.crs, exact.transform, *whole)
    kind, place = _kind_and_place(ee.batch.Export.image, export, settings)
    task = kind(
        image=filled(image),
        description=export.description,
        **place,
        **grid.as_export(),
        maxPixels=2 * grid.height * grid.width,
        fileFormat="TFRecord",
        formatOptions={
            "patchDimensions": [patch_size, patch_size],
            "kernelSize": [margin, margin],
            "compressed": True,
            "defaultValue": MISSING,
        },
    )
    return _start(lambda: ee.data.exportImage(export.request_id, task.config), settings)


def start_patch_export(
    image: "ee.Image",
    bands: Sequence[str],
    region: Window,
    patches: Sequence[Window],
    export: Export,
    settings: Settings,
) -> str:
    """Start to export ``patches`` of ``image`` as TFRecord in the study's form; the name of the operation.

    Each record has a list of floats for each of ``bands``, row by row from the north, and the place of the
    patch, see :func:`~nightlights.sources.earthengine.sampling.patches_table`.

    Raises
    ------
    EarthEngineError
        When the bucket is not named, or Earth Engine refuses.
    """
    import ee

    connect(settings)
    kind, place = _kind_and_place(ee.batch.Export.table, export, settings)
    task = kind(
        collection=patches_table(image.select(list(bands)), region, patches),
        description=export.description,
        **place,
        fileFormat="TFRecord",
        selectors=[*bands, ROW_PROPERTY, COLUMN_PROPERTY],
    )
    return _start(lambda: ee.data.exportTable(export.request_id, task.config), settings)


def _kind_and_place(exports: Any, export: Export, settings: Settings) -> tuple[Any, dict[str, str]]:
    if export.destination == "Drive":
        return exports.toDrive, {"folder": export.folder, "fileNamePrefix": export.prefix}
    if settings.bucket is None:
        raise EarthEngineError(
            "No Cloud Storage bucket is named.",
            "Name one on the Home page or in NIGHTLIGHTS_BUCKET, or export directly.",
        )
    return exports.toCloudStorage, {
        "bucket": settings.bucket.get_secret_value(),
        "fileNamePrefix": export.path,
    }


def _start(request: Callable[[], Any], settings: Settings) -> str:
    with clear_earthengine_errors(settings):
        return str(request()["name"])
