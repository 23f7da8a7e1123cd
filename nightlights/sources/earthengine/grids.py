"""Grids of pixels as requests and exports name them: reference system, transform and shape, all explicit.

A composite of many scenes has no grid of its own (its default projection is EPSG:4326 with pixels of one
degree), so nothing here is ever left to a default.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from affine import Affine

from nightlights.grid import CRS, Window


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """A rectangle of pixels.

    Attributes
    ----------
    crs:
        Reference system, for example "EPSG:4326".
    transform:
        (column, row) of a pixel's corner to coordinates, north first.
    height, width:
        Number of rows and columns.
    """

    crs: str
    transform: Affine
    height: int
    width: int

    @classmethod
    def of(cls, window: Window, *, fine: bool) -> "PixelGrid":
        """The analysis pixels of ``window`` (``fine``), or its VIIRS pixels."""
        height, width = window.fine_shape if fine else window.shape
        return cls(CRS, window.fine_transform if fine else window.transform, height, width)

    def as_request(self) -> dict[str, Any]:
        """The ``PixelGrid`` of Earth Engine's REST interface."""
        transform = self.transform
        return {
            "dimensions": {"width": self.width, "height": self.height},
            "affineTransform": {
                "scaleX": transform.a,
                "shearX": transform.b,
                "translateX": transform.c,
                "shearY": transform.d,
                "scaleY": transform.e,
                "translateY": transform.f,
            },
            "crsCode": self.crs,
        }

    def as_export(self) -> dict[str, Any]:
        """Arguments of the client's ``Export.image`` functions."""
        return {
            "crs": self.crs,
            "crsTransform": list(self.transform)[:6],
            "dimensions": f"{self.width}x{self.height}",
        }

    def tiles(self, height: int, width: int) -> Iterator["PixelGrid"]:
        """Grids of at most ``height`` x ``width`` pixels that cover this one, row by row."""
        for row in range(0, self.height, height):
            for column in range(0, self.width, width):
                yield PixelGrid(
                    self.crs,
                    self.transform @ Affine.translation(column, row),
                    min(height, self.height - row),
                    min(width, self.width - column),
                )
