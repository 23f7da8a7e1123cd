"""The records of publishing a prediction as Cloud Optimized GeoTIFFs elsewhere."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from nightlights.records import SCHEMA_VERSION, Name, Record


class PublishRequest(Record):
    """The arguments of a publication: a prediction goes to Cloud Storage and becomes an asset.

    ``form`` is how it lies in the bucket: the Cloud Optimized GeoTIFF of the prediction as it is, or
    TFRecord patches with their mixer, the form of the study.
    """

    prediction: Name
    form: Literal["COG", "TFRecord"] = "COG"
    ingest: bool = Field(default=True, description="also make an Earth Engine asset of it")
    asset: Name | None = Field(default=None, description="name of the asset; the prediction's unless given")
    licence: str = Field(default="CC-BY-4.0", min_length=1, max_length=200)
    overwrite: bool = Field(default=False, description="replace an asset of that name with other content")


class PublicationRecord(Record):
    """``predictions/NAME/publication.json``: where a prediction was published, and how far that is.

    ``files`` are paths within the bucket, whose own name is never written down. ``sha256`` is the digest of
    the prediction's GeoTIFF, which the asset carries too.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    prediction: Name
    form: Literal["COG", "TFRecord"]
    sha256: str
    simulated: bool
    started: datetime
    finished: datetime | None = None
    files: list[str] = Field(default_factory=list)
    asset: str | None = Field(default=None, description="projects/PROJECT/assets/FOLDER/NAME")
    operation: str | None = Field(default=None, description="of the ingestion")
    eecu_seconds: float | None = Field(default=None, description="what the ingestion used, in EECU-seconds")
    properties: dict[str, str | float] = Field(default_factory=dict)
