"""Whether what an interrupted export has finished may be kept."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from nightlights import files
from nightlights.bands import Band
from nightlights.errors import WorkspaceError
from nightlights.manifests import (
    SCHEMA_VERSION,
    DatasetRegion,
    ExportRequest,
    Record,
    SourceRecord,
    read_record,
)
from nightlights.regions import Region

_ADDED = (
    "nighttime_composite",
    "attribution",
    "truth",
    "glow_share",
    "glow_fwhm_m",
    "noise_share",
    "width_factor",
)
"""Fields of requests and sources that versions before December 2026 lacked."""


def fingerprint(
    request: ExportRequest, source: SourceRecord, bands: Sequence[Band], regions: Sequence[Region]
) -> str:
    """Digest of all that the rasters of an export depend on.

    Fields that earlier versions lacked count only where they are set, so that an export that an earlier
    version began goes on.
    """
    content = {
        "schema": SCHEMA_VERSION,
        "request": request.model_dump(mode="json", exclude={"overwrite", *_unset(request)}),
        "source": source.model_dump(mode="json", exclude=_unset(source)),
        "bands": [band.model_dump(mode="json") for band in bands],
        "regions": [region.to_feature() for region in regions],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _unset(record: Record) -> set[str]:
    fields = {name: field for name, field in type(record).model_fields.items() if name in _ADDED}
    return {
        name
        for name, field in fields.items()
        if getattr(record, name) == field.get_default(call_default_factory=True)
    }


def same_source(one: SourceRecord, other: SourceRecord) -> bool:
    """Whether two records name the same source, of whatever version of the simulated planet.

    A dataset that is finished holds its pixels, and stays what was asked for when the planet changes. The
    regions of an unfinished one are another matter: :func:`fingerprint` counts the version.
    """
    plain = [
        record.model_copy(update={"parameters": {**record.parameters, "planet_version": None}})
        for record in (one, other)
    ]
    return plain[0] == plain[1]


def kept_region(finished: Path, data: Path) -> DatasetRegion | None:
    """The record of a finished region whose files are still what they were, or None."""
    if not finished.exists():
        return None
    try:
        record = read_record(finished, DatasetRegion)
        intact = all(files.sha256(data / name) == digest for name, digest in record.sha256.items())
    except (OSError, WorkspaceError):
        return None
    return record if intact else None
