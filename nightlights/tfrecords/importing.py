"""Importing TFRecord files as a dataset: a look at the files first, then the work."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from nightlights.dataset_export import export_dataset
from nightlights.errors import DatasetError
from nightlights.manifests import (
    DatasetManifest,
    ExportRequest,
    FileScaling,
    ImportRequest,
    now,
)
from nightlights.progress import Progress
from nightlights.tfrecords.files import RegionFiles, region_files
from nightlights.tfrecords.patches import first_example
from nightlights.tfrecords.source import PatchFilesSource
from nightlights.tfrecords.study import form_of
from nightlights.workspace import Workspace

_READING_SHARE: Final = 0.3
"""Of the whole work, reading and checking all files once."""
_BYTES_PER_SECOND: Final = 6_000_000
"""Of gzipped files on one core: checked once, unpacked once, compressed again."""


@dataclass(frozen=True)
class ImportProposal:
    """What an import of files would be, from a look at their first records.

    Attributes
    ----------
    request:
        Submit it as a job of kind "import", changed as the user likes.
    regions:
        What each file becomes, with role and size in bytes.
    bands:
        Names of the daytime bands that the dataset would have.
    size:
        Of all files, in bytes.
    seconds:
        Time on this machine, roughly.
    """

    request: ImportRequest
    regions: tuple[RegionFiles, ...]
    bands: tuple[str, ...]
    size: int
    seconds: float


def request_of(files: Sequence[str], dataset: str, **fields: Any) -> ImportRequest:
    """The request to import ``files`` (paths, folders, patterns) as ``dataset``, in the scaling they show.

    Parameters
    ----------
    fields:
        Other fields of :class:`~nightlights.manifests.ImportRequest`; ``scaling`` is told from the first
        record unless it is among them.

    Raises
    ------
    DatasetError
        When a field cannot be used, no file matches, or the first record cannot be read.
    """
    try:
        request = ImportRequest(dataset=dataset, files=list(files), **fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DatasetError(
            f"These files cannot be imported: {field}: {first['msg']}.", "Change it."
        ) from None
    return propose_import(request, guess_scaling="scaling" not in fields).request


def propose_import(request: ImportRequest, *, guess_scaling: bool = False) -> ImportProposal:
    """What the import of ``request`` would be; nothing is written.

    Parameters
    ----------
    guess_scaling:
        Put the scaling that the first record shows into the proposal's request.

    Raises
    ------
    DatasetError
        When no file matches, a role cannot be told, or the first record cannot be read, lacks a band or shows
        the other scaling.
    """
    regions = region_files(request)
    paths = [region.files[0] for region in regions if region.files]
    if not paths:
        raise DatasetError("There are no TFRecord files beside the mixers.", "Give them too.")
    if guess_scaling:
        request = request.model_copy(update={"scaling": guessed_scaling(paths[0])})
    example = first_example(paths[0])
    form = form_of(example, request.scaling, request.bands, request.radiance_band)
    form.check_plausible(paths[0].name, example)
    size = sum(region.size for region in regions)
    names = tuple(stored.band.name for stored in form.bands)
    return ImportProposal(request, regions, names, size, size / _BYTES_PER_SECOND)


def guessed_scaling(path: Path) -> FileScaling:
    """The scaling of a file's first record, by its temperatures, else by the names of its bands."""
    example = first_example(path)
    guess: FileScaling = "physical" if any(name.startswith("SR_") for name in example) else "study"
    try:
        form_of(example, guess).check_plausible(path.name, example)
    except DatasetError:
        return "study" if guess == "physical" else "physical"
    return guess


def import_dataset(
    workspace: Workspace,
    request: ImportRequest,
    progress: Progress,
    *,
    resume: bool = False,
    clock: Callable[[], datetime] = now,
) -> DatasetManifest:
    """Import files as the dataset ``request.dataset``.

    All files are read and checked first. An interrupted import of the same files goes on after the last
    finished region.

    Raises
    ------
    DatasetError
        When the dataset's name is in use, or a file cannot be used; the sentence names it.
    WorkspaceError
        When the disk is full or the workspace cannot be written.
    Cancelled
        When ``progress`` says so.
    """
    target = workspace.dataset_folder(request.dataset)
    # A resumed import may have made it in its last step; that is told once the files are read.
    if (target / "dataset.json").exists() and not (request.overwrite or resume):
        raise DatasetError(
            f"The dataset name {request.dataset} is in use.",
            "Choose another name, or overwrite it (--overwrite on the command line).",
        )
    scratch = workspace.unpacked_folder(request.dataset)
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        source = PatchFilesSource(request, scratch, _Part(progress, 0.0, _READING_SHARE))
        export = ExportRequest(
            dataset=request.dataset,
            regions=request.dataset,
            source="tfrecord",
            period_start=request.period_start,
            period_end=request.period_end,
            fwhm_m=request.fwhm_m,
            overwrite=request.overwrite,
        )
        rest = _Part(progress, _READING_SHARE, 1.0)
        return export_dataset(workspace, export, source, source.regions, rest, resume=resume, clock=clock)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True)
class _Part:
    """A part of the whole work, from ``start`` to ``end`` of 1, told in percent."""

    progress: Progress
    start: float
    end: float

    def update(self, done: float, total: float, *, unit: str = "", message: str = "") -> None:
        share = min(done / total, 1.0) if total > 0 else 0.0
        percent = 100 * (self.start + share * (self.end - self.start))
        self.progress.update(percent, 100, unit="%", message=message)
