"""Opening the bucket of the settings with the same sign-in as Earth Engine's."""

import os
from typing import Any, Final

from nightlights.errors import EarthEngineError
from nightlights.settings import Settings
from nightlights.storage.failures import clear_storage_errors
from nightlights.storage.store import BucketStore

EMULATOR_VARIABLE: Final = "STORAGE_EMULATOR_HOST"
"""Google's own variable: an emulator in the place of Cloud Storage, without any sign-in."""


def open_bucket(settings: Settings) -> BucketStore:
    """The bucket that the settings name. No request is sent yet; see :meth:`BucketStore.check`.

    Raises
    ------
    EarthEngineError
        When no bucket is named, nobody is signed in, or the key file cannot be used.
    """
    if settings.bucket is None:
        raise EarthEngineError(
            "No Cloud Storage bucket is named.",
            "Name one on the Home page or in NIGHTLIGHTS_BUCKET, or export directly.",
        )
    from google.cloud import storage

    with clear_storage_errors("open"):
        client = storage.Client(
            project=settings.earthengine_project or "unnamed", credentials=_credentials(settings)
        )
    return BucketStore(
        client.bucket(settings.bucket.get_secret_value()),
        requests_at_once=settings.requests_at_once,
        deadline_s=settings.request_deadline_s,
    )


def _credentials(settings: Settings) -> Any:
    """Nobody for an emulator, else Earth Engine's sign-in."""
    if os.environ.get(EMULATOR_VARIABLE):
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials()
    if settings.earthengine_url is not None:
        raise EarthEngineError(
            "The local test server of Earth Engine writes into a Cloud Storage emulator, and none is named.",
            f"Set {EMULATOR_VARIABLE} to its address.",
        )
    from nightlights.sources.earthengine.client import google_credentials

    return google_credentials(settings)
