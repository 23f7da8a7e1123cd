"""The workspace on disk: where everything lies. Readable folders, no database."""

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from nightlights.errors import WorkspaceError
from nightlights.files import PARTIAL_PREFIX, clear_os_errors, make_folder, restore_folder, restore_folders
from nightlights.names import checked_name


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths within a workspace folder, and which of its things are complete.

    A dataset, run, prediction or job is listed only when its manifest is there; folders that are still
    being written have names that begin with ``.partial-`` and are never listed.
    """

    root: Path

    @classmethod
    def open(cls, root: Path) -> "Workspace":
        """Make ``root`` if needed, check that it can be written, and bring back what a kill had hidden.

        Raises
        ------
        WorkspaceError
            When the folder cannot be made or written.
        """
        with clear_os_errors(root):
            if root.is_file():
                raise WorkspaceError(
                    f"Cannot use {root} as the workspace: it is a file.", "Choose another folder."
                )
            make_folder(root)
            # Permissions alone do not tell: the disk may be mounted for reading only.
            probe = root / f"{PARTIAL_PREFIX}writable-{uuid.uuid4().hex[:8]}"
            probe.touch()
            probe.unlink()
            for parent in root.iterdir():
                if parent.is_dir():
                    restore_folders(parent)
        return cls(root.resolve())

    @property
    def regions_folder(self) -> Path:
        """Region collections, ``NAME.geojson``."""
        return self.root / "regions"

    @property
    def jobs_folder(self) -> Path:
        """Background jobs, a folder each."""
        return self.root / "jobs"

    def regions_file(self, name: str) -> Path:
        """The GeoJSON file of the region collection ``name``."""
        return self.regions_folder / f"{checked_name(name, 'name of regions')}.geojson"

    def dataset_folder(self, name: str) -> Path:
        """Folder of the dataset ``name``; its manifest is ``dataset.json``."""
        return self.root / "datasets" / checked_name(name, "dataset name")

    def unfinished_dataset_folder(self, name: str) -> Path:
        """Where the finished regions of the dataset ``name`` wait until all are; never listed."""
        return self.root / "datasets" / f"{PARTIAL_PREFIX}export-{checked_name(name, 'dataset name')}"

    def unpacked_folder(self, name: str) -> Path:
        """Where an import of the dataset ``name`` unpacks its files for a while; never listed."""
        return self.root / "datasets" / f"{PARTIAL_PREFIX}unpacked-{checked_name(name, 'dataset name')}"

    def run_folder(self, name: str) -> Path:
        """Folder of the training run ``name``; its manifest is ``run.json``."""
        return self.root / "runs" / checked_name(name, "run name")

    def crossvalidation_folder(self, name: str) -> Path:
        """Folder of the cross-validation ``name``; its manifest is ``crossvalidation.json``."""
        return self.root / "crossvalidations" / checked_name(name, "name of a cross-validation")

    def sweep_folder(self, name: str) -> Path:
        """Folder of the sweep ``name``; its manifest is ``sweep.json``."""
        return self.root / "sweeps" / checked_name(name, "name of a sweep")

    def prediction_folder(self, name: str) -> Path:
        """Folder of the prediction ``name``; its manifest is ``prediction.json``."""
        return self.root / "predictions" / checked_name(name, "prediction name")

    def job_folder(self, name: str) -> Path:
        """Folder of the job ``name``; its manifest is ``job.json``."""
        return self.jobs_folder / checked_name(name, "job name")

    def region_names(self) -> list[str]:
        """Names of the region collections, sorted."""
        files = self.regions_folder.glob("*.geojson")
        return sorted(file.stem for file in files if not file.name.startswith(PARTIAL_PREFIX))

    def dataset_names(self) -> list[str]:
        """Names of the complete datasets, sorted."""
        return self._complete("datasets", "dataset.json")

    def run_names(self) -> list[str]:
        """Names of the runs, finished or not, sorted."""
        return self._complete("runs", "run.json")

    def crossvalidation_names(self) -> list[str]:
        """Names of the finished cross-validations, sorted."""
        return self._complete("crossvalidations", "crossvalidation.json")

    def sweep_names(self) -> list[str]:
        """Names of the sweeps, finished or not, sorted."""
        return self._complete("sweeps", "sweep.json")

    def prediction_names(self) -> list[str]:
        """Names of the complete predictions, sorted."""
        return self._complete("predictions", "prediction.json")

    def _complete(self, kind: str, manifest: str) -> list[str]:
        folders = (path.parent for path in (self.root / kind).glob(f"*/{manifest}"))
        return sorted(folder.name for folder in folders if not folder.name.startswith(PARTIAL_PREFIX))

    def delete(self, folder: Path) -> None:
        """Remove a dataset, run, prediction or job: renamed away first, so that it is never half there.

        Raises
        ------
        WorkspaceError
            When ``folder`` is not inside this workspace.
        """
        folder = folder.resolve()
        if folder == self.root or self.root not in folder.parents:
            raise WorkspaceError(f"{folder} is not in the workspace.")
        if folder.name.startswith(PARTIAL_PREFIX):
            shutil.rmtree(folder, ignore_errors=True)
        elif folder.exists():
            with clear_os_errors(folder):
                # What a killed replacement left of an older one must not come back.
                restore_folder(folder)
                doomed = folder.with_name(f"{PARTIAL_PREFIX}deleted-{folder.name}")
                shutil.rmtree(doomed, ignore_errors=True)
                folder.rename(doomed)
                shutil.rmtree(doomed, ignore_errors=True)
