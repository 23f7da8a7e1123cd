"""The one place where the Earth Engine client is initialised.

The client's state is global to the process: there is one connection at a time. It is made from the
settings alone, with the first of: a local test server, a service account's key file, the sign-in that
``earthengine authenticate`` left on this machine, application default credentials
(https://developers.google.com/earth-engine/guides/auth).
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from nightlights.errors import EarthEngineError
from nightlights.settings import Settings

SignInMethod = Literal[
    "your sign-in", "service account", "application default credentials", "local test server"
]
LOCAL_PROJECT: Final = "local-test"
"""Project of a local test server, unless one is named."""
_FIRST_CALL_DEADLINE_S: Final = 20.0
"""Whoever connects waits before a screen; later requests have the whole deadline."""
_LOCAL_FIRST_WAIT_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Connection:
    """Who is connected to what.

    Attributes
    ----------
    project:
        Cloud project that computes and pays.
    account:
        E-mail address of the account where it is known, otherwise words for it.
    method:
        How the account was found.
    local:
        Whether this is a local test server, whose imagery is simulated.
    """

    project: str
    account: str
    method: SignInMethod
    local: bool


@dataclass(frozen=True)
class _SignIn:
    credentials: Any
    account: str
    method: SignInMethod
    project: str | None


_lock = threading.RLock()
_current: tuple[tuple[Any, ...], Connection] | None = None


def connect(settings: Settings) -> Connection:
    """Initialise the client once for these settings, and find out by a tiny request that it works.

    The usual address serves all requests. The one for high volume caches less, which makes composites cost
    more compute, and takes no more requests at once
    (https://developers.google.com/earth-engine/cloud/highvolume).

    Raises
    ------
    EarthEngineError
        When nobody is signed in, the sign-in has expired, no project is named, the project is not
        registered or has no Earth Engine API, or nothing is reached; the remedy says what to do.
    """
    global _current
    key = (
        settings.earthengine_url,
        settings.earthengine_project,
        settings.service_account_key,
        settings.request_deadline_s,
    )
    with _lock:
        if _current is not None and _current[0] == key:
            return _current[1]
        disconnect()
        connection = _initialise(settings)
        _current = (key, connection)
        return connection


def disconnect() -> None:
    """Forget the connection and its credentials; the next :func:`connect` starts anew."""
    global _current
    import ee

    with _lock:
        _current = None
        ee.Reset()


def _initialise(settings: Settings) -> Connection:
    import ee

    from nightlights.sources.earthengine.failures import clear_earthengine_errors, no_project
    from nightlights.sources.earthengine.transport import Transport, Waits, patience

    local = settings.earthengine_url is not None
    url = settings.earthengine_url
    waits = Waits(first_s=_LOCAL_FIRST_WAIT_S) if local else Waits()
    deadline_s = min(settings.request_deadline_s, _FIRST_CALL_DEADLINE_S)
    with _all_or_nothing(), clear_earthengine_errors(settings), patience(deadline_s=deadline_s):
        found = _sign_in(settings)
        project = settings.earthengine_project or found.project
        if not project:
            raise no_project()
        # The client would fetch a list of outdated collections from another host, to warn about them.
        ee.deprecation.deprecated_assets = {"_": None}
        ee.data.setMaxRetries(0)
        ee.Initialize(
            credentials=found.credentials,
            project=project,
            url=url.rstrip("/") if url else None,
            http_transport=Transport(settings.request_deadline_s, waits),
        )
        if ee.Number(1).getInfo() != 1:
            raise EarthEngineError("What answers is not Earth Engine.", "Check NIGHTLIGHTS_EARTHENGINE_URL.")
    return Connection(project, found.account, found.method, local)


@contextlib.contextmanager
def _all_or_nothing() -> Iterator[None]:
    """A client that is initialised by half would answer later calls with riddles."""
    try:
        yield
    except BaseException:
        disconnect()
        raise


def google_credentials(settings: Settings) -> Any:
    """The sign-in of Earth Engine, for Cloud Storage too: its scopes hold that of storage.

    Raises
    ------
    EarthEngineError
        When nobody is signed in, or the key file cannot be used.
    """
    return _sign_in(settings).credentials


def _sign_in(settings: Settings) -> _SignIn:
    if settings.earthengine_url is not None:
        from google.auth.credentials import AnonymousCredentials

        return _SignIn(AnonymousCredentials(), "nobody", "local test server", LOCAL_PROJECT)
    if settings.service_account_key is not None:
        return _service_account(settings.service_account_key.expanduser())
    return _own_sign_in() or _default_credentials()


def _service_account(path: Path) -> _SignIn:
    import ee
    from google.oauth2.service_account import Credentials

    try:
        credentials = Credentials.from_service_account_file(str(path), scopes=ee.oauth.SCOPES)
    except (OSError, ValueError):
        # The reason could quote the key.
        raise EarthEngineError(
            f"{path} cannot be read as the key of a service account.",
            "Download the JSON key again, and check the path.",
        ) from None
    return _SignIn(
        credentials, str(credentials.service_account_email), "service account", credentials.project_id
    )


def _own_sign_in() -> _SignIn | None:
    """What ``earthengine authenticate`` left behind, or None."""
    import ee
    from google.oauth2.credentials import Credentials

    try:
        kept = ee.oauth.get_credentials_arguments()
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise EarthEngineError(
            "The sign-in that is kept on this machine cannot be read.",
            "Run `earthengine authenticate --force` in a terminal.",
        ) from None
    if not kept.get("refresh_token"):
        return None
    return _SignIn(
        Credentials(None, **kept), "your Google account", "your sign-in", kept.get("quota_project_id")
    )


def _default_credentials() -> _SignIn:
    import ee
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    from nightlights.sources.earthengine.failures import not_signed_in

    try:
        credentials, project = google.auth.default(scopes=ee.oauth.SCOPES)
    except DefaultCredentialsError:
        raise not_signed_in() from None
    named = getattr(credentials, "service_account_email", "") or getattr(credentials, "account", "")
    account = named if "@" in str(named) else "the account of this machine"
    quota = getattr(credentials, "quota_project_id", None)
    return _SignIn(credentials, str(account), "application default credentials", quota or project)
