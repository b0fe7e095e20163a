"""Says once for each field, at debug, that its values are hashed, and why."""

from asgi_observability import logger
from asgi_observability.event import FromCode
from asgi_observability.events import FieldHashed

log = logger.get_logger("asgi_observability.hashed_fields")

MAX_FIELDS = 2000
"""Of which it is remembered that they were told of."""

_told: set[tuple[str, str]] = set()


def explain(name: str, field: str, reason: str) -> None:
    """The field ``field`` of the logger ``name`` had a value that is not written as it is."""
    if (name, field) in _told or len(_told) >= MAX_FIELDS:
        return
    _told.add((name, field))
    log.event(
        FieldHashed(
            hashed_logger=FromCode(name), hashed_field=FromCode(field), reason=FromCode(reason)
        )
    )
