"""What can go wrong in the business, with the code a caller gets."""

from collections.abc import Mapping
from enum import StrEnum


class ErrorCode(StrEnum):
    """Error codes of the API (docs/domain.md)."""

    VALIDATION = "ORC_001"
    BUSINESS_RULE = "ORC_002"
    WORKFLOW = "ORC_003"


class OrchestratorError(Exception):
    """An error that the caller is told. ``field`` is the part of the request that is wrong."""

    code = ErrorCode.WORKFLOW
    status = 503
    headers: Mapping[str, str] = {}

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidRequestError(OrchestratorError):
    """The request contradicts itself."""

    code = ErrorCode.VALIDATION
    status = 422


class UnauthorizedError(OrchestratorError):
    """The request has no valid token."""

    code = ErrorCode.VALIDATION
    status = 401
    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class ForbiddenError(OrchestratorError):
    """The token is valid, but not for this."""

    code = ErrorCode.VALIDATION
    status = 403


class RateLimitedError(OrchestratorError):
    """Too many requests; ``headers`` say when to come back."""

    code = ErrorCode.VALIDATION
    status = 429

    def __init__(self, message: str, retry_after_seconds: int, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(retry_after_seconds), **headers}


class UnknownIdError(OrchestratorError):
    """No such record."""

    code = ErrorCode.BUSINESS_RULE
    status = 404


class ConflictError(OrchestratorError):
    """The record is not in a state that allows this."""

    code = ErrorCode.BUSINESS_RULE
    status = 409


class UnavailableError(OrchestratorError):
    """A part that this needs does not answer. Nothing was changed, so it can be tried again."""
