"""`/orchestrate/log-levels`: levels of single loggers, changed while the service runs."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.api.dependencies import TheObservability
from app.api.routing import OperatorRoute
from app.core.errors import UnavailableError, UnknownIdError
from app.schemas.error_answers import ErrorAnswer
from app.schemas.log_levels import ChangedLevel, ChangeLevel, LogLevelsAnswer
from asgi_observability.log_levels import LevelChange, UnknownLoggerError
from asgi_observability.logging import known_loggers, level_of

router = APIRouter(
    prefix="/orchestrate/log-levels",
    tags=["operation"],
    route_class=OperatorRoute,
    responses={code: {"model": ErrorAnswer} for code in (401, 503)},
)

_OWN = ("app", "access", "operations")

LoggerName = Annotated[
    str,
    Path(
        max_length=200,
        description="a module such as app.clients.upstream, or a package such as app.clients for "
        "all its modules",
    ),
]


@router.get("")
async def levels(observability: TheObservability) -> LogLevelsAnswer:
    """The levels of the service's own loggers, and the changes that apply now."""
    own = sorted(name for name in known_loggers() if name.split(".")[0] in _OWN)
    changes = observability.log_levels.changes
    return LogLevelsAnswer(
        levels={name: level_of(name) for name in own},
        changes={name: _answer(change) for name, change in changes.items()},
    )


@router.put("/{logger}", responses={code: {"model": ErrorAnswer} for code in (400, 404, 413)})
async def change(
    logger: LoggerName, wanted: ChangeLevel, request: Request, observability: TheObservability
) -> ChangedLevel:
    """Change the level of a logger and those below it, in all workers, for an hour by default."""
    try:
        changed = observability.log_levels.change(
            logger, wanted.level, wanted.for_seconds, by=request.state.operator
        )
    except UnknownLoggerError as error:
        raise UnknownIdError(str(error), "logger") from None
    except OSError as error:
        raise _untold(error) from error
    return _answer(changed)


@router.delete("/{logger}", status_code=204, responses={404: {"model": ErrorAnswer}})
async def reset(logger: LoggerName, request: Request, observability: TheObservability) -> Response:
    """Go back to the configured level."""
    try:
        was_changed = observability.log_levels.reset(logger, by=request.state.operator)
    except OSError as error:
        raise _untold(error) from error
    if not was_changed:
        raise UnknownIdError("this logger's level was not changed", "logger")
    return Response(status_code=204)


def _untold(error: OSError) -> UnavailableError:
    return UnavailableError(
        "the level stays as it was, for the other workers can't be told: the folder that they "
        f"share can't be written ({error.strerror or type(error).__name__})"
    )


def _answer(change: LevelChange) -> ChangedLevel:
    until = datetime.fromtimestamp(change.until, UTC)
    return ChangedLevel(level=change.level, until=until, by=change.by)
