"""``mixer.json``: where the patches of an image export lie, as Earth Engine writes and reads it.

Its keys are those that https://developers.google.com/earth-engine/guides/tfrecord describes. Patches follow
each other row by row, north-west first. A ``kernelSize`` in the export's request adds a margin to each patch,
half of it on each side; the mixer does not tell it, so it follows from the length of the records.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affine import Affine
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nightlights.errors import DatasetError
from nightlights.files import write_json
from nightlights.grid import CRS, Window


class _AffineRecord(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    matrix: list[float] = Field(alias="doubleMatrix", min_length=6, max_length=6)


class _ProjectionRecord(BaseModel):
    model_config = ConfigDict(extra="ignore")

    crs: str = Field(min_length=1)
    affine: _AffineRecord


class _MixerRecord(BaseModel):
    model_config = ConfigDict(extra="ignore")

    projection: _ProjectionRecord
    patch_dimensions: list[int] = Field(alias="patchDimensions", min_length=2, max_length=2)
    patches_per_row: int = Field(alias="patchesPerRow", ge=1)
    total_patches: int = Field(alias="totalPatches", ge=1)


@dataclass(frozen=True)
class Mixer:
    """How patches make an image.

    Attributes
    ----------
    width, height:
        Of a patch without its margin, in pixels.
    """

    crs: str
    transform: Affine
    width: int
    height: int
    patches_per_row: int
    total_patches: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the image in pixels."""
        rows = self.total_patches // self.patches_per_row
        return rows * self.height, self.patches_per_row * self.width

    @classmethod
    def for_window(cls, window: Window, patch_size: int) -> "Mixer":
        """The mixer of an image on the analysis grid; the last patches reach beyond ``window``."""
        height, width = window.fine_shape
        per_row = math.ceil(width / patch_size)
        return cls(
            CRS,
            window.fine_transform,
            patch_size,
            patch_size,
            per_row,
            per_row * math.ceil(height / patch_size),
        )

    @classmethod
    def read(cls, path: Path) -> "Mixer":
        """Read and check ``path``.

        Raises
        ------
        DatasetError
            When it is missing, is no mixer, or its numbers contradict each other.
        """
        try:
            record = _MixerRecord.model_validate_json(path.read_bytes())
        except OSError as error:
            raise DatasetError(
                f"{path} cannot be read: {(error.strerror or 'it is impossible').lower()}.", "Check the path."
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DatasetError(
                f"{path.name} is no mixer of an image export: {place + ': ' if place else ''}{first['msg']}.",
                "Take the file that Earth Engine wrote beside the TFRecord files.",
            ) from None
        width, height = record.patch_dimensions
        mixer = cls(
            record.projection.crs,
            Affine(*record.projection.affine.matrix),
            width,
            height,
            record.patches_per_row,
            record.total_patches,
        )
        mixer._check(path.name)
        return mixer

    def _check(self, name: str) -> None:
        reason = ""
        if min(self.width, self.height) < 1:
            reason = f"a patch cannot have {self.width} x {self.height} pixels"
        elif self.total_patches % self.patches_per_row:
            reason = f"{self.total_patches} patches do not fill rows of {self.patches_per_row}"
        elif self.transform.determinant == 0:
            reason = "its affine matrix has no extent"
        if reason:
            raise DatasetError(
                f"{name} contradicts itself: {reason}.",
                "Take the file that Earth Engine wrote beside the TFRecord files.",
            )

    def margins(self, length: int, kernel_size: tuple[int, int] | None) -> tuple[int, int] | None:
        """The margin of a patch whose lists have ``length`` numbers, or None when no margin fits.

        Parameters
        ----------
        kernel_size:
            (x, y) of the export's request; unless given, as wide as high.

        Returns
        -------
        (x, y) or None
            In pixels, both sides together; half of it, rounded down, lies before the patch.
        """
        if kernel_size is not None:
            # Half of an odd kernel is rounded down on each side.
            for x, y in (kernel_size, (kernel_size[0] // 2 * 2, kernel_size[1] // 2 * 2)):
                if (self.width + x) * (self.height + y) == length:
                    return x, y
            return None
        # (width + k)(height + k) = length
        both = self.width + self.height
        root = math.isqrt(both * both - 4 * (self.width * self.height - length)) if length > 0 else 0
        margin = (root - both) // 2
        fits = margin >= 0 and (self.width + margin) * (self.height + margin) == length
        return (margin, margin) if fits else None

    def to_json(self) -> dict[str, Any]:
        """As Earth Engine writes it."""
        matrix = [self.transform.a, self.transform.b, self.transform.c]
        matrix += [self.transform.d, self.transform.e, self.transform.f]
        return {
            "projection": {"crs": self.crs, "affine": {"doubleMatrix": [float(value) for value in matrix]}},
            "patchDimensions": [self.width, self.height],
            "patchesPerRow": self.patches_per_row,
            "totalPatches": self.total_patches,
        }

    def write(self, path: Path) -> None:
        """Write ``path``, whole."""
        write_json(path, self.to_json())


def is_mixer(path: Path) -> bool:
    """Whether a file is named like a mixer."""
    return path.name.lower().endswith("mixer.json")
