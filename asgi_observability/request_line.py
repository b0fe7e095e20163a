"""The line of a request: all of it is ready but the time, the context and the duration.

It goes through the pipeline like any other: levels, sampling, the form for people and the counts
hold. What is saved is the event's object and its serialisation, at every request; and where one
writer takes the line, its thread puts it together, see `asgi_observability.late_lines`.
"""

import logging
from time import time_ns

import orjson

from asgi_observability import correlation
from asgi_observability import logger as loggers
from asgi_observability.correlation import MAX_ID_BYTES, in_use
from asgi_observability.event import Event
from asgi_observability.late_lines import OTHER_BYTES, LateLines
from asgi_observability.levels import standard_name
from asgi_observability.log_sampling import weight
from asgi_observability.log_writer import Writer
from asgi_observability.logger import NamedLogger
from asgi_observability.pipeline import MAX_LINE_BYTES, Lines, Pipeline, is_urgent

_ROOM = 400
"""More bytes than a duration can have digits."""

_ID_BYTES = 36
"""As how many each ID counts that is no caller's: UUIDs have as many."""


class RequestLine:
    """The line of one kind of answer: a route, a method, a status."""

    __slots__ = (
        "_after_time",
        "_fields",
        "_kind",
        "_level",
        "_lines",
        "_logger",
        "_pipeline",
        "_rate",
        "_size",
        "_tail",
        "_with_id",
        "_writer",
        "_writer_with_id",
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
        self._writer_with_id: Writer | None = None
        self._lines = Lines()
        self._after_time = self._tail = b""
        self._size = 0
        self._with_id = b"", b"", 0
        self._rate = 1.0

    def write(self, seconds: float) -> None:
        """Log it, unless a level or sampling leaves it out."""
        if self._level < self._logger.threshold:
            return
        pipeline = loggers._pipeline
        if pipeline is not self._pipeline:
            self._prepare(pipeline)
        known = in_use()
        writer = self._writer_with_id
        if writer is None or known.__class__ is not bytes:
            self._write(pipeline, seconds)
            return
        self._lines.count += 1
        size = self._size
        line = (self._with_id, time_ns(), known, seconds)
        if writer.put_bytes < writer.unasked_until:
            writer.put_bytes += size
            writer.lines.append(line)
        else:
            writer.put_late(line, size)

    def _write(self, pipeline: Pipeline, seconds: float) -> None:
        """The longer way: whatever the context has, and whoever takes the line."""
        context = correlation.context()
        if self._rate < 1.0 and context.position >= self._rate:
            pipeline.counts.sampled += 1
            return
        whose = context.fields
        size = OTHER_BYTES + len(self._after_time) + len(whose) + len(self._tail)
        line = ((self._after_time, self._tail, size), time_ns(), whose, seconds)
        if self._writer and size + _ROOM <= MAX_LINE_BYTES:
            self._lines.count += 1
            self._writer.put_late(line, size)
        else:
            pipeline.write(LateLines().joined([line])[0], self._level)

    def _prepare(self, pipeline: Pipeline) -> None:
        """Make what is the same in all lines, as ``pipeline`` writes them."""
        rate = pipeline.sampling.rate(self._kind.name, self._level)
        head = pipeline.head(self._logger.name, self._level, self._kind.name)
        if rate < 1.0:
            head += b',"weight":%b' % orjson.dumps(weight(rate))
        tail = b",%b," % orjson.dumps(self._fields)[1:-1] + b'"duration_ms":'
        self._after_time, self._tail = head, tail
        until_id, after_id = head + b',"correlation_id":"', b'"' + tail
        self._size = OTHER_BYTES + len(until_id) + _ID_BYTES + len(after_id)
        self._with_id = until_id, after_id, self._size
        self._rate = rate
        self._lines = pipeline.counts.lines[standard_name(self._level)]
        self._writer = None if is_urgent(self._level) else pipeline.only_writer
        is_short = self._size + MAX_ID_BYTES + _ROOM <= MAX_LINE_BYTES
        self._writer_with_id = self._writer if rate >= 1.0 and is_short else None
        self._pipeline = pipeline


def level_of(status: int, *, is_quiet: bool) -> int:
    """A failure of the service is an error, whoever asked; what machines poll is for debugging."""
    if status >= 500:
        return logging.ERROR
    return logging.DEBUG if is_quiet else logging.INFO
