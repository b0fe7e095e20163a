"""What is logged becomes lines: one JSON object each, at most 4 KiB, whatever is logged.

A line is never lost for what is in it, and nothing here raises into whoever logs.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import time_ns
from typing import Any

import orjson

from asgi_observability import callers, correlation, json_line
from asgi_observability.console import Console, is_terminal
from asgi_observability.event import Event
from asgi_observability.levels import LEVEL_NAMES, level_number, standard_name
from asgi_observability.line_opening import NO_SECOND, SECOND, Second, second_of
from asgi_observability.log_exceptions import constants_of, is_constant_of, place_of, structured
from asgi_observability.log_sampling import Sampling, weight
from asgi_observability.log_writer import Writer
from asgi_observability.message_template import filled
from asgi_observability.personal_data import hashed
from asgi_observability.privacy import Privacy
from asgi_observability.secrets_in_text import without_logins
from asgi_observability.undeclared import Undeclared

MAX_LINE_BYTES = 4096
"""Longer lines lose frames first, then their fields: collectors cut them anywhere."""

MAX_EVENT_BYTES = 1024
MAX_NAME_BYTES = 256

MAX_HEADS = 1000
"""Of events, whose first part is kept; templates filled in may be any number."""

WITHHELD = "message_withheld"
"""The event of a line whose message was put together from data."""

Explain = Callable[[str, str, str], None]
"""Told of a logger's field that was not written as it is, and why."""


@dataclass(slots=True, eq=False)
class Lines:
    """How many of one level."""

    count: int = 0


@dataclass(slots=True, eq=False, weakref_slot=True)
class Counts:
    """Lines since the start. CPython does not switch threads within an increment of these."""

    lines: dict[str, Lines] = field(
        default_factory=lambda: {name: Lines() for name in LEVEL_NAMES.values()}
    )
    sampled: int = 0
    broken: int = 0


class Pipeline:
    """Renders lines and hands them to the writers. It never raises into whoever logs."""

    def __init__(
        self,
        constants: Mapping[str, str],
        sampling: Sampling,
        json: Sequence[Writer] = (),
        *,
        exception_messages: bool = False,
        privacy: Privacy | None = None,
        explain: Explain | None = None,
    ) -> None:
        self.sampling = sampling
        self.counts = Counts()
        self._privacy = privacy or Privacy()
        with_messages = exception_messages or self._privacy.shows_messages
        self._structured = partial(structured, with_messages=with_messages)
        self._constants = {
            name: json_line.cut(json_line.valid(value), MAX_NAME_BYTES)
            for name, value in constants.items()
        }
        self._json = tuple(json)
        self._console: Writer | None = None
        self.only_writer = self._json[0] if len(self._json) == 1 else None
        """Who takes every line as it is, where there is nobody else to show it to."""
        self._explain = explain
        # What is the same on every line of a logger's event: serialised once.
        self._heads: dict[tuple[str, type[Event], str], tuple[bytes, float]] = {}
        self._undeclared_heads: dict[tuple[str, int, str], bytes] = {}
        self._own = {"timestamp", "level", "event", "logger", *constants}
        self.second = NO_SECOND
        """Remembered, as many lines have the same; in one, as another thread may look between."""
        self._for_people = Console(self._constants, colours=is_terminal())

    def print_to(self, console: Writer) -> None:
        """Write lines for people as well."""
        self._console = console
        self.only_writer = None

    @property
    def writers(self) -> tuple[Writer, ...]:
        """Everything that lines are handed to."""
        return (*self._json, self._console) if self._console else self._json

    def event(self, logger: str, event: Event, error: BaseException | None) -> None:
        """Write a declared event, unless sampling leaves it out."""
        try:
            kind = event.__class__
            value = getattr(event, kind.sampled_by) if kind.sampled_by else ""
            try:
                head, rate = self._heads[logger, kind, value]
            except KeyError:
                head, rate = self._head(logger, kind, value)
            context = correlation.context()
            if rate < 1.0 and context.position >= rate:
                self.counts.sampled += 1
                return
            if error is None and event.is_as_declared:
                body = json_line.dumped(event)
            else:
                body = self._body(event, error)
            rest = b"," + body[1:] if len(body) > 2 else b"}"
            line = b"%b%b%b%b\n" % (self.opening(), head, context.fields, rest)
            if len(line) > MAX_LINE_BYTES:
                line = self._shortened(logger, kind.level, kind.name, error)
            self.write(line, kind.level)
        except Exception as problem:
            kind = event.__class__
            name, level = getattr(kind, "name", kind.__qualname__), getattr(kind, "level", 0)
            self._write_what_is_left(logger, level, name, problem)

    def undeclared(self, said: Undeclared) -> None:
        """Write what of an undeclared line can't be personal."""
        try:
            self._undeclared(said)
        except Exception as problem:
            self._write_what_is_left(said.logger, said.level, WITHHELD, problem)

    def write(self, line: bytes, level: int) -> None:
        """Hand on a line of JSON that is ready, with its newline.

        One that is too long loses what its context has put into it.
        """
        if len(line) > MAX_LINE_BYTES:
            try:
                line = self._without_context(line)
            except Exception:  # it is no line of the layer's
                self.counts.broken += 1
                return
        self.counts.lines[LEVEL_NAMES.get(level) or standard_name(level)].count += 1
        urgent = is_urgent(level)
        for writer in self._json:
            writer.put(line, urgent)
        if self._console:
            try:
                shown = self._for_people.shown(line)
            except Exception:
                shown = line
            self._console.put(shown, urgent)

    def opening(self) -> bytes:
        """The beginning of a line that is written now."""
        now = time_ns()
        began, opening = self.second
        if not 0 <= now - began < SECOND:
            began, opening = self.begin_second(now)
        return b"%b.%06dZ" % (opening, (now - began) // 1000)

    def begin_second(self, now: int) -> Second:
        """Another second than the last, in which ``now`` lies: nanoseconds since the epoch."""
        self.second = second = second_of(now)
        return second

    def head(self, logger: str, level: int, event: str) -> bytes:
        """What follows the timestamp in each line of a logger's event, from its quote on."""
        fields = {
            "level": standard_name(level),
            "event": json_line.cut(json_line.valid(event), MAX_EVENT_BYTES),
            "logger": json_line.cut(self._privacy.logger(json_line.valid(logger)), MAX_NAME_BYTES),
            **self._constants,
        }
        return b'",' + orjson.dumps(fields)[1:-1]

    def close(self) -> None:
        """Write everything that waits, and stop."""
        for writer in self.writers:
            writer.close()

    def _undeclared(self, said: Undeclared) -> None:
        code = said.caller.f_code if said.caller else None
        constants = constants_of(code) if code else frozenset[str]()
        fields: dict[str, object] = {}
        hidden: list[tuple[str, str]] = []
        template = _text(said.template)
        if said.is_ours:
            event = filled(template, said.arguments, lambda value: value)
        elif not template or (code and is_constant_of(code, template)):
            event = filled(
                template, said.arguments, partial(self._privacy.argument, constants=constants)
            )
        elif self._privacy.shows_messages:
            event = without_logins(filled(template, said.arguments, _as_it_is))
        else:
            event = WITHHELD
            # Hashed whole, so that equal messages are told by equal hashes.
            fields["message"] = hashed(filled(template, said.arguments, _as_it_is))
            hidden.append(("message", "it holds data; give the data as fields of the line"))
            if said.caller and code:
                fields["logged_at"] = place_of(code, said.caller.f_lineno)
        rate = self.sampling.rate(event, said.level)
        if rate < 1.0:
            if correlation.context().position >= rate:
                self.counts.sampled += 1
                return
            fields["weight"] = weight(rate)
        for name, value in said.fields.items():
            known = self._privacy.name(name, constants)
            fields[known], reason = self._privacy.written(known, value, constants)
            if reason:
                hidden.append((known, reason))
        if said.with_stack:
            fields["stack"] = callers.stack(said.caller)
        if said.error is not None:
            fields["exception"] = self._structured(said.error)
        line = self._line(said.logger, said.level, event, fields)
        if len(line) > MAX_LINE_BYTES:
            line = self._shortened(said.logger, said.level, event, said.error)
        self.write(line, said.level)
        if self._explain:
            for name, reason in hidden:
                self._explain(self._privacy.logger(said.logger), name, reason)

    def _body(self, event: Event, error: BaseException | None) -> bytes:
        body = dict(vars(event))
        for name in event.undecided():
            body[name] = self._privacy.declared(name, body[name])
        if error is not None:
            body["exception"] = self._structured(error)
        return json_line.dumped(body)

    def _head(self, logger: str, kind: type[Event], value: str) -> tuple[bytes, float]:
        rate = self.sampling.rate(kind.name, kind.level, value)
        head = self.head(logger, kind.level, kind.name)
        if rate < 1.0:
            head += b',"weight":%b' % orjson.dumps(weight(rate))
        if len(self._heads) < MAX_HEADS:
            self._heads[logger, kind, value] = head, rate
        return head, rate

    def _line(self, name: str, level: int, event: str, fields: Mapping[str, Any]) -> bytes:
        try:
            head = self._undeclared_heads[name, level, event]
        except KeyError:
            head = self.head(name, level, event)
            if len(self._undeclared_heads) < MAX_HEADS:
                self._undeclared_heads[name, level, event] = head
        context = correlation.context()
        # What every line has can't be overwritten.
        taken = self._own | context.as_dict().keys()
        body = json_line.dumped({key: value for key, value in fields.items() if key not in taken})
        rest = b"," + body[1:] if len(body) > 2 else b"}"
        return b"%b%b%b%b\n" % (self.opening(), head, context.fields, rest)

    def _shortened(self, name: str, level: int, event: str, error: BaseException | None) -> bytes:
        for frames in (5, 1):
            fields: dict[str, object] = {"shortened": True}
            if error is not None:
                fields["exception"] = self._structured(error, frames)
            line = self._line(name, level, event, fields)
            if len(line) <= MAX_LINE_BYTES:
                return line
        line = self._line(name, level, event, {"shortened": True})
        return line if len(line) <= MAX_LINE_BYTES else self._least(name, level, event, {})

    def _without_context(self, line: bytes) -> bytes:
        fields = orjson.loads(line)
        for name in correlation.context().as_dict():
            if name != "correlation_id":
                fields.pop(name, None)
        shorter = orjson.dumps(fields | {"shortened": True}) + b"\n"
        if len(shorter) <= MAX_LINE_BYTES:
            return shorter
        level = level_number(fields["level"])
        return self._least(fields["logger"], level, fields["event"], {})

    def _least(self, name: str, level: int, event: str, fields: Mapping[str, str]) -> bytes:
        """A line of what is known to be short; whose request it was is the last to go."""
        known = json_line.valid(correlation.current())
        whose = {"correlation_id": json_line.cut(known, MAX_NAME_BYTES)} if known else {}
        least = orjson.dumps({**whose, "shortened": True, **fields})[1:]
        return b"%b%b,%b\n" % (self.opening(), self.head(name, level, event), least)

    def _write_what_is_left(self, name: str, level: int, event: str, problem: Exception) -> None:
        """A line says at least that it was logged, and which error kept the rest from it."""
        try:
            fields = {"unwritable": type(problem).__name__}
            self.write(self._least(name, level, event, fields), level)
        except Exception:
            self.counts.broken += 1


def is_urgent(level: int) -> bool:
    """Whether a line is written at once, and has room in a queue that is all but full."""
    return level >= logging.WARNING


def _text(template: object) -> str:
    """The message of a line; some hand over an object that puts it together."""
    if isinstance(template, str):
        return template
    if template is None:
        return ""
    try:
        return str(template)
    except Exception:
        return f"<{type(template).__qualname__}>"


def _as_it_is(value: object) -> object:
    return value if isinstance(value, int | float | str) else _text(value)
