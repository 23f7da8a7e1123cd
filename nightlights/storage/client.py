"""Opening the bucket of the settings with the same sign-in as Earth Engine's."""

import json
import os
from pathlib import Path
from typing import Any, Final

from nightlights.errors import EarthEngineError
from nightlights.settings import Settings
from nightlights.storage.failures import clear_storage_errors, not_signed_in
from nightlights.storage.store import BucketStore

EMULATOR_VARIABLE: Final = "STORAGE_EMULATOR_HOST"
"""Google's own variable: an emulator in the place of Cloud Storage, without any sign-in."""
SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
_SIGN_IN_FILE: Final = Path("~/.config/earthengine/credentials")
_TOKEN_ADDRESS: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, no secret


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
    """None for an emulator, else a service account's key, Earth Engine's sign-in, or the defaults."""
    if os.environ.get(EMULATOR_VARIABLE):
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials()
    if settings.service_account_key is not None:
        return _service_account(settings.service_account_key.expanduser())
    return _own_sign_in() or _default_credentials()


def _service_account(path: Path) -> Any:
    from google.oauth2.service_account import Credentials

    try:
        return Credentials.from_service_account_file(str(path), scopes=[SCOPE])
    except (OSError, ValueError):
        # The reason could quote the key.
        raise EarthEngineError(
            f"{path} cannot be read as the key of a service account.",
            "Download the JSON key again, and check the path.",
        ) from None


def _own_sign_in() -> Any:
    """What ``earthengine authenticate`` left behind, or None."""
    from google.oauth2.credentials import Credentials

    try:
        kept = json.loads(_SIGN_IN_FILE.expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    wanted = ("refresh_token", "client_id", "client_secret")
    if not isinstance(kept, dict) or not all(kept.get(name) for name in wanted):
        return None
    return Credentials(
        None,
        token_uri=_TOKEN_ADDRESS,
        quota_project_id=kept.get("project"),
        **{name: kept[name] for name in wanted},
    )


def _default_credentials() -> Any:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        return google.auth.default(scopes=[SCOPE])[0]
    except DefaultCredentialsError:
        raise not_signed_in() from None
