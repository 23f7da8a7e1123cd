"""Patches in the study's form: neighbourhoods of chosen pixels, sampled on our grid.

A patch covers whole VIIRS pixels, so its place is told by the row and column of its north-west one; both
travel with it, and the order in which Earth Engine writes patches does not matter.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from nightlights.errors import SourceError
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.sources.earthengine.grids import PixelGrid
from nightlights.sources.earthengine.products import MISSING

if TYPE_CHECKING:
    import ee

ROW_PROPERTY: Final = "viirs_row"
COLUMN_PROPERTY: Final = "viirs_column"
"""Place of a patch's north-west VIIRS pixel in the global grid."""
_POINTS_TOGETHER: Final = 10
"""A patch of ten bands has 2.6 MB; what is sampled in one step must fit into Earth Engine's memory."""
_TILE_SCALE: Final = 8


def choose_patches(window: Window, patch_size: int, count: int, seed: int) -> list[Window]:
    """Where patches are sampled in a region: side by side first, in random order, then anywhere.

    So that the same bytes show as much of the region as they can. No place is chosen twice; fewer than
    ``count`` come back where the region has fewer.

    Parameters
    ----------
    patch_size:
        Side in analysis pixels, a multiple of 16.
    seed:
        With the window, decides which.

    Raises
    ------
    SourceError
        When no patch fits.
    """
    side = patch_size // FINE_PER_VIIRS
    rows, columns = window.height - side + 1, window.width - side + 1
    if min(rows, columns) < 1:
        raise SourceError(
            f"No patch of {patch_size} x {patch_size} pixels fits into a region of "
            f"{window.fine_shape[0]} x {window.fine_shape[1]} pixels.",
            "Choose smaller patches or a larger region.",
        )
    place = f"{window.column},{window.row},{window.width},{window.height},{seed}"
    draw = np.random.default_rng(list(hashlib.sha256(place.encode()).digest()))
    first_row = int(draw.integers(0, (window.height % side) + 1))
    first_column = int(draw.integers(0, (window.width % side) + 1))
    beside = np.zeros((rows, columns), bool)
    beside[first_row::side, first_column::side] = True
    ranks = draw.random(beside.size) + ~beside.ravel()
    chosen = np.argsort(ranks)[:count]
    return [
        Window(window.column + int(index) % columns, window.row + int(index) // columns, side, side)
        for index in chosen
    ]


def patches_table(image: "ee.Image", region: Window, patches: Sequence[Window]) -> "ee.FeatureCollection":
    """The table of ``patches`` of ``image``, one feature each, without asking Earth Engine anything.

    Parameters
    ----------
    image:
        Bands in physical units, masked where missing.
    region:
        Window that holds the patches; fixes the grid.
    patches:
        Windows of one size, as :func:`choose_patches` gives them.

    Returns
    -------
    ee.FeatureCollection
        Each feature has for each band an array of shape (side, side), north first,
        :data:`MISSING` where missing, and the properties ``viirs_row`` and ``viirs_column``.
    """
    import ee

    from nightlights.sources.earthengine.images import filled

    side = patches[0].width * FINE_PER_VIIRS
    # The focus is told, since "the middle" of an even number of pixels could mean two of them.
    kernel = ee.Kernel.fixed(side, side, [[1] * side] * side, side // 2, side // 2)
    arrays = filled(image).neighborhoodToArray(kernel, MISSING)
    grid = PixelGrid.of(region, fine=True)
    projection = ee.Projection(grid.crs, list(grid.transform)[:6])
    samples = [
        arrays.sampleRegions(
            collection=ee.FeatureCollection(
                [_point(patch) for patch in patches[start : start + _POINTS_TOGETHER]]
            ),
            properties=[ROW_PROPERTY, COLUMN_PROPERTY],
            projection=projection,
            tileScale=_TILE_SCALE,
            geometries=False,
        )
        for start in range(0, len(patches), _POINTS_TOGETHER)
    ]
    return samples[0] if len(samples) == 1 else ee.FeatureCollection(samples).flatten()


def _point(patch: Window) -> "ee.Feature":
    """The centre of the pixel whose neighbourhood is the patch: the first one after its middle."""
    import ee

    middle = patch.fine_shape[0] // 2
    place = [float(patch.fine_longitudes[middle]), float(patch.fine_latitudes[middle])]
    return ee.Feature(ee.Geometry.Point(place), {ROW_PROPERTY: patch.row, COLUMN_PROPERTY: patch.column})
