"""Error answers."""

from pydantic import BaseModel, Field

from app.core.errors import ErrorCode


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    field: str | None = Field(description="the part of the request that is wrong")
    message: str


class ErrorDetail(BaseModel):
    """What went wrong. The correlation ID finds the log lines behind it."""

    code: ErrorCode
    message: str
    field: str | None = None
    problems: list[Problem] = Field(default=[], description="all problems, if there are several")
    correlation_id: str


class ErrorAnswer(BaseModel):
    """The body of every error answer."""

    error: ErrorDetail
