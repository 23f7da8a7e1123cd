"""Datasets: the exported rasters of regions, with a manifest that says what they are."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlights import cog, files
from nightlights.dataset_export import (
    LIT_RADIANCE,
    RADIANCE_EDGES,
    ExportEstimate,
    estimate_export,
    export_dataset,
)
from nightlights.errors import DatasetError
from nightlights.grid import Window
from nightlights.manifests import DatasetManifest, DatasetRegion, Role, read_record
from nightlights.patches import PatchBatch, PatchSampler
from nightlights.workspace import Workspace

__all__ = [
    "LIT_RADIANCE",
    "RADIANCE_EDGES",
    "Dataset",
    "ExportEstimate",
    "PatchBatch",
    "PatchSampler",
    "estimate_export",
    "export_dataset",
]


_DIGESTED_OF_BAND = {
    "name",
    "title",
    "quantity",
    "unit",
    "wavelength_um",
    "display_low",
    "display_high",
}


@dataclass(frozen=True)
class Dataset:
    """A complete dataset on disk.

    Attributes
    ----------
    folder:
        Where its files lie.
    manifest:
        What it holds.
    """

    folder: Path
    manifest: DatasetManifest

    @classmethod
    def open(cls, workspace: Workspace, name: str) -> "Dataset":
        """Open the dataset ``name``.

        Raises
        ------
        DatasetError
            When there is none of that name, or one of its rasters is gone.
        WorkspaceError
            When the manifest cannot be read.
        """
        folder = workspace.dataset_folder(name)
        if not (folder / "dataset.json").exists():
            known = ", ".join(workspace.dataset_names()) or "none yet"
            raise DatasetError(f"There is no dataset {name}.", f"Export it first. Datasets: {known}.")
        dataset = cls(folder, read_record(folder / "dataset.json", DatasetManifest))
        for region in dataset.manifest.regions:
            for file in region.sha256:
                if not (folder / file).is_file():
                    raise DatasetError(f"The dataset {name} lacks its file {file}.", "Export it again.")
        return dataset

    @cached_property
    def sha256(self) -> str:
        """Digest of all that training depends on: bands, regions, roles and rasters.

        The dataset's name and its time of creation leave it unchanged, and so do fields that a later version
        adds to a band, and a glow where there is none.
        """
        content = {
            "bands": [
                band.model_dump(mode="json", include=_DIGESTED_OF_BAND) for band in self.manifest.bands
            ],
            "point_spread_fwhm_m": self.manifest.point_spread_fwhm_m,
            "regions": [
                {
                    **region.model_dump(mode="json", include={"name", "role", "sha256"}),
                    "window": asdict(region.window.window),
                }
                for region in self.manifest.regions
            ],
        }
        if self.manifest.glow_share > 0:
            content["glow"] = [self.manifest.glow_share, self.manifest.glow_fwhm_m]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def region(self, name: str) -> DatasetRegion:
        """The region ``name``.

        Raises
        ------
        DatasetError
            When the dataset has none of that name; the remedy lists those it has.
        """
        for region in self.manifest.regions:
            if region.name == name:
                return region
        known = ", ".join(region.name for region in self.manifest.regions)
        raise DatasetError(
            f"The dataset {self.manifest.name} has no region {name}.", f"Its regions: {known}."
        )

    def regions(self, role: Role | None = None, names: Sequence[str] | None = None) -> list[DatasetRegion]:
        """The regions of ``role`` (any unless given), or those of ``names`` in that order.

        Raises
        ------
        DatasetError
            When a name is unknown.
        """
        found = self.manifest.regions if names is None else [self.region(name) for name in names]
        return [region for region in found if role is None or region.role == role]

    def path(self, file: str) -> Path:
        """Path of one of the dataset's files, named as in the manifest."""
        return self.folder / file

    def read_daytime(self, region: str, window: Window | None = None) -> NDArray[np.float32]:
        """The daytime image of ``region``, or of the part ``window`` of it.

        Returns
        -------
        numpy.ndarray
            float32, shape (bands, 16 height, 16 width), in the bands' units, NaN where missing.

        Raises
        ------
        DatasetError
            When there is no such region.
        RasterError
            When the raster is damaged.
        """
        return cog.read(self.path(self.region(region).daytime), window)

    def read_nighttime(self, region: str, window: Window | None = None) -> NDArray[np.float32]:
        """VIIRS radiance in nW/cm2/sr, float32, shape (height, width), NaN where missing.

        Errors as :meth:`read_daytime`.
        """
        radiance: NDArray[np.float32] = cog.read(self.path(self.region(region).nighttime), window)[0]
        return radiance

    def read_truth(self, region: str, window: Window | None = None) -> NDArray[np.float32] | None:
        """The true fine radiance in nW/cm2/sr, shape (16 height, 16 width); None where unknown.

        The simulated planet's, or a raster of one's own, whose ``fine_truth`` in the manifest states what it
        resolves. Errors as :meth:`read_daytime`.
        """
        file = self.region(region).truth
        return None if file is None else cog.read(self.path(file), window)[0]

    def read_noise(self, region: str, window: Window | None = None) -> NDArray[np.float32] | None:
        """How the months scatter of which the night-time image was composed; None where it was not.

        Returns
        -------
        numpy.ndarray
            float32, shape (2, height, width): the robust standard deviation of a single month in nW/cm2/sr,
            NaN where it could not be measured; and the number of months.

        Errors as :meth:`read_daytime`.
        """
        file = self.region(region).noise
        return None if file is None else cog.read(self.path(file), window)

    def verify(self) -> None:
        """Compare every raster with its digest in the manifest.

        Raises
        ------
        DatasetError
            When one has changed since the export.
        """
        for region in self.manifest.regions:
            for file, digest in region.sha256.items():
                if files.sha256(self.path(file)) != digest:
                    raise DatasetError(
                        f"{self.path(file)} has changed since it was exported.", "Export the dataset again."
                    )
