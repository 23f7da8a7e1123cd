"""What Cloud Storage says when it refuses, in one sentence each, without the bucket's name."""

import contextlib
from collections.abc import Iterator

from nightlights.errors import EarthEngineError

_AGAIN = "Try again in a few minutes; what was fetched already is kept."


@contextlib.contextmanager
def clear_storage_errors(what: str) -> Iterator[None]:
    """Turn what the client raises into an :class:`EarthEngineError`.

    The client's own words name the bucket, and sometimes the account, so none of them is passed on.

    Parameters
    ----------
    what:
        What was tried, as "read" or "write to"; the sentence goes on with "the bucket".
    """
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth
    from google.cloud.storage import exceptions as storage

    try:
        yield
    except (auth.TransportError, requests.RequestException, ConnectionError, api.RetryError):
        raise EarthEngineError("Cloud Storage cannot be reached.", f"Check the network. {_AGAIN}") from None
    except auth.DefaultCredentialsError:
        raise not_signed_in() from None
    except auth.GoogleAuthError:
        raise EarthEngineError(
            "The sign-in for Cloud Storage has expired or was withdrawn.",
            "Sign in again (earthengine authenticate --force), or renew the service account's key.",
        ) from None
    except api.Unauthorized:
        raise EarthEngineError(
            "Cloud Storage does not accept the sign-in.",
            "Sign in again (earthengine authenticate --force), or choose another service account key.",
        ) from None
    except api.Forbidden:
        raise EarthEngineError(
            f"This account may not {what} the bucket.",
            "Give it the role Storage Object Admin on the bucket, or name another bucket or account.",
        ) from None
    except api.NotFound:
        raise EarthEngineError(
            "The bucket, or the file asked for in it, does not exist.",
            "Check the bucket's name on the Home page or in NIGHTLIGHTS_BUCKET.",
        ) from None
    except api.TooManyRequests:
        raise EarthEngineError("Cloud Storage asks for fewer requests at a time.", _AGAIN) from None
    except (storage.DataCorruption, storage.InvalidResponse, api.GoogleAPICallError) as error:
        code = getattr(error, "code", None) or getattr(getattr(error, "response", None), "status_code", None)
        answer = f" (HTTP {int(code)})" if isinstance(code, int) else ""
        raise EarthEngineError(f"Cloud Storage failed to {what} the bucket{answer}.", _AGAIN) from None


def not_signed_in() -> EarthEngineError:
    """The error of someone without any credentials."""
    return EarthEngineError(
        "You are not signed in to Google Cloud.",
        "Run earthengine authenticate, or name a service account's key file.",
    )
