"""What Earth Engine and Google's sign-in refuse, each as one clear sentence with its remedy.

The service tells most things in words alone; the words are those of its answers as users report them
(for example https://github.com/healthysustainablecities/global-indicators/issues/547 and
https://github.com/nasaharvest/street2sat/pull/51). Errors are raised without their cause: a cause's text
can carry addresses, names and tokens.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from nightlights.errors import EarthEngineError, NightlightsError
from nightlights.redaction import redact
from nightlights.settings import Settings
from nightlights.sources.earthengine.transport import TroubleError, trouble_error

_LONGEST_QUOTE: Final = 300
_GONE: Final = ("unreachable", "broken")
SIGN_IN: Final = "Run `earthengine authenticate` in a terminal, or name a service account's key file."


class TooMuchError(EarthEngineError):
    """What was asked for at once is beyond Earth Engine's memory, time or size; a smaller part may do."""


def not_signed_in() -> EarthEngineError:
    """Nobody is signed in on this machine."""
    return EarthEngineError("Nobody is signed in to Earth Engine on this machine.", SIGN_IN)


def no_project() -> EarthEngineError:
    """No Cloud project is named."""
    return EarthEngineError(
        "No Google Cloud project is named for Earth Engine.",
        "Name one that is registered for it on the Home page or in NIGHTLIGHTS_EARTHENGINE_PROJECT.",
    )


def expired() -> EarthEngineError:
    """The sign-in is no longer valid."""
    return EarthEngineError(
        "The sign-in to Earth Engine has expired or was withdrawn.",
        "Run `earthengine authenticate --force` in a terminal, or replace the service account's key file.",
    )


def _not_registered(project: str) -> EarthEngineError:
    return EarthEngineError(
        f"The Cloud project {project} is not registered for Earth Engine.",
        f"Register it at https://code.earthengine.google.com/register?project={project}, or name another.",
    )


def _not_enabled(project: str) -> EarthEngineError:
    return EarthEngineError(
        f"The Earth Engine API is not enabled in the Cloud project {project}.",
        "Enable it at https://console.cloud.google.com/apis/library/earthengine.googleapis.com"
        f"?project={project}, wait a few minutes, and connect again.",
    )


def _not_allowed(project: str) -> EarthEngineError:
    return EarthEngineError(
        f"The account that is signed in may not use the Cloud project {project}.",
        "Ask for the roles Service Usage Consumer and Earth Engine Resource Writer, or name another project.",
    )


def _no_such_project(project: str) -> EarthEngineError:
    return EarthEngineError(
        f"There is no Cloud project {project}, or the account that is signed in may not use it.",
        "Check the project's id (not its title) at https://console.cloud.google.com.",
    )


def _too_much(_: str) -> EarthEngineError:
    return TooMuchError(
        "The computation is beyond Earth Engine's limits of memory, time or size.",
        "Choose a shorter period or smaller regions, or export with the batch method.",
    )


def _quota(_: str) -> EarthEngineError:
    return EarthEngineError(
        "The quota of the Cloud project for Earth Engine is used up.",
        "Wait and resume, or see the quotas at https://console.cloud.google.com/iam-admin/quotas.",
    )


def _no_images(_: str) -> EarthEngineError:
    return EarthEngineError(
        "Earth Engine has no image of the chosen product in this period and region.",
        "Choose a longer or later period, another sensor or product, or a larger share of clouds.",
    )


_BY_WORDS: Final[tuple[tuple[re.Pattern[str], Callable[[str], EarthEngineError]], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), build)
    for pattern, build in (
        (r"not registered|not signed up", _not_registered),
        (r"has not been used in project|api .*(is|it is) disabled|SERVICE_DISABLED", _not_enabled),
        (r"required permission to use project|serviceusage\.services\.use|USER_PROJECT_DENIED", _not_allowed),
        (
            r"project .*(not found|been deleted)|invalid project|resource project|CONSUMER_INVALID",
            _no_such_project,
        ),
        (
            r"authorize access|ee-auth|default credentials were not found",
            lambda _: not_signed_in(),
        ),
        (
            r"invalid_grant|expired or revoked|invalid authentication credentials|UNAUTHENTICATED|"
            r"reauth|cannot be refreshed|refresh token|invalid_client|deleted_client",
            lambda _: expired(),
        ),
        (
            r"memory limit|computation timed out|out of memory|request size|payload size|too many pixels|"
            r"too large|must be less than or equal to|exceeds? the (maximum|limit)",
            _too_much,
        ),
        (r"quota|too many (concurrent|requests)|rate limit|RESOURCE_EXHAUSTED", _quota),
        (
            r"did not match any bands?.*available bands?: \[\]|must match the number of bands \(0\)|no bands|"
            r"empty collection",
            _no_images,
        ),
    )
)
"""The first that is found tells."""


@contextlib.contextmanager
def clear_earthengine_errors(settings: Settings) -> Iterator[None]:
    """Turn every failure of Earth Engine, its client and the sign-in into an :class:`EarthEngineError`.

    Errors of this package pass as they are; bugs pass too.
    """
    try:
        yield
    except TroubleError as error:
        if error.trouble not in _GONE or settings.earthengine_url is None:
            raise
        translated: EarthEngineError = _server_gone(error, settings.earthengine_url)
    except NightlightsError:
        raise
    except _known_kinds() as error:
        translated = translate(error, settings)
        if isinstance(translated, TroubleError) and translated.trouble in _GONE:
            url = settings.earthengine_url
            translated = translated if url is None else _server_gone(translated, url)
    else:
        return
    # A traceback would otherwise print the original too, with its addresses and names.
    raise translated from None


def _server_gone(error: TroubleError, url: str) -> EarthEngineError:
    """Of a server that stands in the place of Google's, the network is not to blame."""
    return TroubleError(
        error.trouble,
        f"The server at {url}, which stands in the place of Earth Engine, cannot be reached.",
        "Start it (./run earthengine-server), or remove NIGHTLIGHTS_EARTHENGINE_URL for the real one.",
    )


def _known_kinds() -> tuple[type[Exception], ...]:
    import ee
    import google.auth.exceptions
    import httplib2
    import requests
    from googleapiclient.errors import Error

    return (
        ee.EEException,
        Error,
        google.auth.exceptions.GoogleAuthError,
        requests.exceptions.RequestException,
        httplib2.HttpLib2Error,
        ConnectionError,
        TimeoutError,
    )


def translate(error: Exception, settings: Settings) -> EarthEngineError:
    """The clear form of a failure."""
    import google.auth.exceptions

    if isinstance(error, google.auth.exceptions.InvalidOperation):
        # A test server that refuses: there is nothing that could be renewed.
        return expired()
    if isinstance(error, google.auth.exceptions.DefaultCredentialsError):
        return not_signed_in()
    if isinstance(error, google.auth.exceptions.TransportError | ConnectionError):
        return trouble_error("unreachable", settings.request_deadline_s)
    if isinstance(error, TimeoutError):
        return trouble_error("slow", settings.request_deadline_s)
    status, text = _status(error), str(error)
    if status == 401:
        return expired()
    asset = re.search(r"asset '([^']+)' (not found|does not exist)", text)
    if asset:
        name = redact(asset[1], settings.secrets)
        return EarthEngineError(
            f"Earth Engine has no asset {name}, or the account may not read it.",
            "Check its name and who may read it.",
        )
    for pattern, build in _BY_WORDS:
        if pattern.search(text):
            return build(_project(text, settings))
    if isinstance(error, google.auth.exceptions.RefreshError):
        return expired()
    if status is not None and status >= 500:
        return trouble_error("unavailable", settings.request_deadline_s)
    quote = redact(" ".join(text.split()), settings.secrets)[:_LONGEST_QUOTE]
    return EarthEngineError(f"Earth Engine refused: {quote.rstrip('.') or type(error).__name__}.")


def _status(error: BaseException | None) -> int | None:
    """The HTTP status of a failure; the client's own exception keeps it only in what it was raised from."""
    while error is not None:
        response: Any = getattr(error, "resp", None)
        if response is not None and hasattr(response, "status"):
            return int(response.status)
        error = error.__cause__ or error.__context__
    return None


def _project(text: str, settings: Settings) -> str:
    """The project that was used: the one of the settings, or else the one that the refusal names."""
    named = re.search(r"\bproject[s=/ ]+'?([a-z0-9][a-z0-9:.-]{4,60}[a-z0-9])", text)
    return settings.earthengine_project or (named[1] if named else "of the sign-in")
