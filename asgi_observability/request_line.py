"""The line of a request: all of it is ready but the time, the context and the duration.

It goes through the pipeline like any other: levels, sampling, the form for people and the counts
hold. What is saved is the event's object and its serialisation, at every request.
"""

import logging
from math import trunc
from sys import modules
from time import time_ns

import orjson

from asgi_observability import correlation
from asgi_observability import logger as loggers
from asgi_observability.correlation import MAX_ID_BYTES, in_use
from asgi_observability.event import Event
from asgi_observability.levels import standard_name
from asgi_observability.line_opening import SECOND
from asgi_observability.log_sampling import weight
from asgi_observability.log_writer import Writer
from asgi_observability.logger import NamedLogger
from asgi_observability.pipeline import MAX_LINE_BYTES, Lines, Pipeline, is_urgent
from asgi_observability.tracing import SDK

_ROOM = 400
"""More bytes than a time and a duration can have digits."""

# Numbers are looked up as text: to format one costs more than all the rest of a line.
_MILLISECONDS = [b".%03d" % number for number in range(1000)]
_MICROSECONDS = [b"%03dZ" % number for number in range(1000)]
_TENTHS = [b"%.1f}\n" % (tenths / 10) for tenths in range(1000)]
"""What most requests take, in ms."""

_MANY_TENTHS = len(_TENTHS)

_join = b"".join


class RequestLine:
    """The line of one kind of answer: a route, a method, a status."""

    __slots__ = (
        "_after_id",
        "_after_time",
        "_fields",
        "_kind",
        "_level",
        "_lines",
        "_logger",
        "_pipeline",
        "_rate",
        "_tail",
        "_until_id",
        "_writer",
    )

    def __init__(
        self, logger: NamedLogger, kind: type[Event], level: int, **fields: str | int
    ) -> None:
        self._logger = logger
        self._kind = kind
        self._level = level
        self._fields = fields
        self._pipeline: Pipeline | None = None
        self._writer: Writer | None = None
        self._lines = Lines()
        self._after_time = self._tail = self._until_id = self._after_id = b""
        self._rate = 1.0

    def write(self, seconds: float) -> None:
        """Log it, unless a level or sampling leaves it out."""
        if self._level < self._logger.threshold:
            return
        pipeline = loggers._pipeline
        if pipeline is not self._pipeline:
            self._prepare(pipeline)
        known = in_use()
        if known.__class__ is not bytes or SDK in modules:
            known = correlation.context().id_and_trace
        writer = self._writer
        if writer is None or not known:
            self._write(pipeline, seconds)
            return
        # `Pipeline.opening`, `_duration` and `Writer.put`, written out, for nearly all come here.
        began, opening = pipeline.second
        past = time_ns() - began
        if not 0 <= past < SECOND:
            past += began
            began, opening = pipeline.begin_second(past)
            past -= began
        past //= 1000
        tenths = trunc(seconds * 10_000 + 0.5)
        line = _join(
            (
                opening,
                _MILLISECONDS[past // 1000],
                _MICROSECONDS[past % 1000],
                self._until_id,
                known,
                self._after_id,
                _TENTHS[tenths] if tenths < _MANY_TENTHS else _duration(seconds),
            )
        )
        self._lines.count += 1
        size = len(line)
        if writer.put_bytes < writer.unasked_until:
            writer.put_bytes += size
            writer.lines.append(line)
        else:
            writer.put(line)

    def _write(self, pipeline: Pipeline, seconds: float) -> None:
        """The longer way: whatever the context has, and whoever takes the line."""
        context = correlation.context()
        if self._rate < 1.0 and context.position >= self._rate:
            pipeline.counts.sampled += 1
            return
        line = (pipeline.opening(), self._after_time, context.fields, self._tail)
        pipeline.write(_join((*line, _duration(seconds))), self._level)

    def _prepare(self, pipeline: Pipeline) -> None:
        """Make what is the same in all lines, as ``pipeline`` writes them."""
        rate = pipeline.sampling.rate(self._kind.name, self._level)
        head = pipeline.head(self._logger.name, self._level, self._kind.name)
        if rate < 1.0:
            head += b',"weight":%b' % orjson.dumps(weight(rate))
        tail = b",%b," % orjson.dumps(self._fields)[1:-1] + b'"duration_ms":'
        self._after_time, self._tail = head, tail
        self._until_id, self._after_id = head + b',"correlation_id":"', b'"' + tail
        self._rate = rate
        self._lines = pipeline.counts.lines[standard_name(self._level)]
        longest = len(self._until_id) + MAX_ID_BYTES + len(self._after_id) + _ROOM
        is_usual = rate >= 1.0 and not is_urgent(self._level) and longest <= MAX_LINE_BYTES
        self._writer = pipeline.only_writer if is_usual else None
        self._pipeline = pipeline


def _duration(seconds: float) -> bytes:
    """The end of the line: its last field, in milliseconds."""
    return b"%.1f}\n" % (seconds * 1000)


def level_of(status: int, *, is_quiet: bool) -> int:
    """A failure of the service is an error, whoever asked; what machines poll is for debugging."""
    if status >= 500:
        return logging.ERROR
    return logging.DEBUG if is_quiet else logging.INFO
