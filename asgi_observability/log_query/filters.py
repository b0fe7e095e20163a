"""What a question asks for, checked before anything is read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from asgi_observability.levels import LEVEL_NAMES
from asgi_observability.log_query.files import QueryError
from asgi_observability.personal_data import identifier

LEVELS = tuple(LEVEL_NAMES.values())
_AGO = re.compile(r"-?(\d+(?:\.\d+)?)(s|m|h|d|w)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000}
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(?:\.[A-Za-z0-9_]{1,64})*")


@dataclass(frozen=True)
class Filters:
    """Lines that all of this is true of; times are RFC 3339 in UTC, durations milliseconds."""

    identity: str | None = None
    level: str | None = None
    events: tuple[str, ...] = ()
    logger: str | None = None
    since: str | None = None
    until: str | None = None
    slower_than: float | None = None
    fields: dict[str, str] = field(default_factory=dict)

    def conditions(self) -> Iterator[tuple[str, list[object]]]:
        """SQL over the column ``line``, with its parameters; the cheap ones first."""
        if self.identity:
            # Before any parsing: most lines don't hold it at all.
            yield "contains(line, ?)", [self.identity]
        for value in self.fields.values():
            if _is_plain(value):
                yield "contains(line, ?)", [value]
        if self.identity:
            names = ("correlation_id", "request_id", "trace_id", "workflow_id")
            either = " OR ".join(f"{field_sql(name)} = ?" for name in names)
            yield f"({either})", [self.identity] * len(names)
        if self.level:
            levels = LEVELS[LEVELS.index(self.level) :]
            yield f"{field_sql('level')} IN ({', '.join('?' * len(levels))})", [*levels]
        if self.events:
            yield f"{field_sql('event')} IN ({', '.join('?' * len(self.events))})", [*self.events]
        if self.logger:
            name = field_sql("logger")
            yield f"({name} = ? OR starts_with({name}, ?))", [self.logger, f"{self.logger}."]
        if self.since:
            yield f"{field_sql('timestamp')} >= ?", [self.since]
        if self.until:
            yield f"{field_sql('timestamp')} < ?", [self.until]
        if self.slower_than is not None:
            duration = f"TRY_CAST({field_sql('duration_ms')} AS DOUBLE)"
            yield f"{duration} > ?", [self.slower_than]
        for name, value in self.fields.items():
            yield f"{field_sql(name)} = ?", [value]


def field_sql(name: str) -> str:
    """SQL for a field of a line, nested ones with dots; NULL where the line has none.

    Raises QueryError for what can't be a field's name.
    """
    if not _FIELD.fullmatch(name):
        raise QueryError(f"{name!r} can't be a field's name; use letters, digits and underscores")
    return f"TRY(json_extract_string(line, '$.{name}'))"


def instant(text: str, option: str, now: datetime) -> str:
    """A time as lines have it: ISO 8601, UTC without an offset, or before now such as 30m.

    Raises QueryError.
    """
    if text == "now":
        return _stamp(now)
    if match := _AGO.fullmatch(text):
        return _stamp(now - timedelta(**{_UNITS[match[2]]: float(match[1])}))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise QueryError(
            f"{option} {text}: no time; write 30m, 2h, 1d (before now) or 2026-11-23T14:00"
        ) from None
    return _stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def milliseconds(text: str, option: str) -> float:
    """A duration such as 500ms or 2s. Raises QueryError."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise QueryError(f"{option} {text}: no duration; write 500ms, 2s or 1m")
    return float(match[1]) * _MILLISECONDS[match[2]]


def condition(text: str) -> tuple[str, str]:
    """``FIELD=VALUE`` as a pair. Raises QueryError."""
    name, separator, value = text.partition("=")
    if not separator:
        raise QueryError(f"--where {text}: write FIELD=VALUE, such as --where route=queued")
    field_sql(name)
    return name, value


def as_logged(value: str) -> str:
    """An identifier in the form in which lines have it: hashed if it can't be told from a number.

    Needs the service's own key for that.
    """
    return identifier(value)


def _is_plain(value: str) -> bool:
    # What JSON may write in another way can't be looked for in the text.
    return bool(value) and value.isascii() and value.isprintable() and not set(value) & set('"\\/')


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
