"""The errors of the service, in its own JSON form and, where they are known, in its own words."""

from dataclasses import dataclass, field
from typing import Any

STATUS_OF_CODE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@dataclass
class ServiceError(Exception):
    """An answer that is an error: HTTP ``code``, ``message``, and ``details`` as in google.rpc.Status."""

    code: int
    message: str
    details: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "status": STATUS_OF_CODE[self.code],
        }
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(message: str) -> ServiceError:
    return ServiceError(400, message)


def not_found(message: str) -> ServiceError:
    return ServiceError(404, message)


def too_many_requests() -> ServiceError:
    return ServiceError(
        429,
        "Too Many Requests: Request was rejected because the request rate or concurrency limit was exceeded.",
    )


def unavailable() -> ServiceError:
    return ServiceError(503, "The service is currently unavailable.")


def expired_credentials() -> ServiceError:
    return ServiceError(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
        "other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project.",
        [_reason("ACCESS_TOKEN_EXPIRED")],
    )


def not_registered(project: str) -> ServiceError:
    return ServiceError(
        403,
        f"Project '{project}' is not registered to use Earth Engine. Visit "
        f"https://console.cloud.google.com/earth-engine/configuration?project={project.split('/')[-1]} to "
        "register the project. See https://developers.google.com/earth-engine/guides/access for more "
        "details.",
    )


def api_not_enabled() -> ServiceError:
    address = "https://console.developers.google.com/apis/api/earthengine.googleapis.com/overview"
    return ServiceError(
        403,
        "Google Earth Engine API has not been used in project 123456789012 before or it is disabled. Enable "
        f"it by visiting {address}?project=123456789012 then retry. If you enabled this API recently, wait "
        "a few minutes for the action to propagate to our systems and retry.",
        [_reason("SERVICE_DISABLED")],
    )


def no_permission(project: str) -> ServiceError:
    return ServiceError(
        403,
        f"Caller does not have required permission to use project {project.split('/')[-1]}. Grant the caller "
        "the roles/serviceusage.serviceUsageConsumer role, or a custom role with the "
        "serviceusage.services.use permission, by visiting "
        "https://console.developers.google.com/iam-admin/iam/project?project="
        f"{project.split('/')[-1]} and then retry. Propagation of the new permission may take a few minutes.",
        [_reason("USER_PROJECT_DENIED")],
    )


def quota_spent() -> ServiceError:
    return ServiceError(
        429,
        "Quota exceeded for quota metric 'Earth Engine compute time (EECU-seconds)' and limit 'Earth Engine "
        "compute time (EECU-seconds) per month' of service 'earthengine.googleapis.com' for consumer "
        "'project_number:123456789012'.",
    )


def _reason(reason: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "earthengine.googleapis.com"},
    }
