"""Every error becomes one shape: code, message, field, correlation ID."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from app.api.problems import UNREADABLE_BODY, problems_of
from app.core.database_errors import database_trouble
from app.core.errors import ErrorCode, OrchestratorError
from app.core.events import DatabaseFailed
from app.schemas.error_answers import ErrorAnswer, ErrorDetail, Problem
from asgi_observability import correlation
from asgi_observability.event import FromCode
from asgi_observability.events import UnhandledError
from asgi_observability.logging import get_logger

log = get_logger(__name__)


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error in the API's own shape."""

    @app.exception_handler(OrchestratorError)
    async def business(_: Request, error: OrchestratorError) -> JSONResponse:
        answer = _answer(error.status, error.code, error.message, error.field)
        answer.headers.update(error.headers)
        return answer

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = problems_of(request, error.errors())
        first = problems[0]
        message = f"{first.field}: {first.message}"
        return _answer(422, ErrorCode.VALIDATION, message, first.field, problems)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        message, field = str(error.detail), None
        if error.status_code == 400:
            # FastAPI's, of a body that its parser gives up on.
            message, field = UNREADABLE_BODY, "body"
        elif error.status_code == 404:
            message = "there is no such address; /docs lists all"
        elif error.status_code == 405:
            message = f"this address takes {(error.headers or {}).get('Allow', 'another method')}"
        elif error.status_code == 413:
            field = "body"
        answer = _answer(error.status_code, ErrorCode.VALIDATION, message, field)
        answer.headers.update(error.headers or {})
        if "GET" in (allowed := answer.headers.get("Allow", "").split(", ")):
            answer.headers["Allow"] = ", ".join(["HEAD", *allowed])
        return answer

    @app.exception_handler(SQLAlchemyError)
    async def database(request: Request, error: SQLAlchemyError) -> JSONResponse:
        trouble = database_trouble(error)
        if trouble is None:  # a defect of ours, such as a value that no column takes
            log.event(UnhandledError(), error)
            return await unexpected(request, error)
        kind, reason = FromCode(type(error).__name__), FromCode(trouble.state)
        log.event(DatabaseFailed(error_type=kind, reason=reason), error)
        message = f"the database {trouble.state}; {trouble.advice}"
        return _answer(503, ErrorCode.WORKFLOW, message, None)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        # The layer logs it, as it does what no handler is reached by.
        return _answer(500, ErrorCode.WORKFLOW, "an unexpected error; it was logged", None)


def _answer(
    status: int,
    code: ErrorCode,
    message: str,
    field: str | None,
    problems: list[Problem] | None = None,
) -> JSONResponse:
    detail = ErrorDetail(
        code=code,
        message=message,
        field=field,
        problems=problems or [],
        correlation_id=correlation.current(),
    )
    return JSONResponse(ErrorAnswer(error=detail).model_dump(mode="json"), status)
