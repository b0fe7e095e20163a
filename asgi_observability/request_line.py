"""The line of a request: all of it is ready but the time, the context and the duration.

It goes through the pipeline like any other: levels, sampling, the form for people and the counts
hold. What is saved is the event's object and its serialisation, at every request.
"""

import logging
from collections.abc import Callable
from time import time_ns

import orjson

from asgi_observability import correlation
from asgi_observability import logger as loggers
from asgi_observability.correlation import MAX_ID_BYTES
from asgi_observability.event import Event
from asgi_observability.levels import standard_name
from asgi_observability.log_sampling import weight
from asgi_observability.logger import NamedLogger
from asgi_observability.pipeline import MAX_LINE_BYTES, MICROSECOND, SECOND, Pipeline, is_urgent

_WITH_ID = b'{"timestamp":"%b.%bZ%b,"correlation_id":"%b"%b%b}\n'
_REST_BYTES = 400
"""The time, and a duration with as many digits as a number can have."""

_WITH_FIELDS = b'{"timestamp":"%b.%bZ%b%b%b%b}\n'

_TENTHS = [b"%.1f" % (tenths / 10) for tenths in range(1000)]
"""What most requests take, in ms: formatting a number costs more than all the rest of the line."""

_MANY_TENTHS = len(_TENTHS)


class RequestLine:
    """The line of one kind of answer: a route, a method, a status."""

    __slots__ = (
        "_counted",
        "_fields",
        "_head",
        "_is_urgent",
        "_kind",
        "_level",
        "_level_name",
        "_logger",
        "_pipeline",
        "_put",
        "_rate",
        "_tail",
    )

    def __init__(
        self, logger: NamedLogger, kind: type[Event], level: int, **fields: str | int
    ) -> None:
        self._logger = logger
        self._kind = kind
        self._level = level
        self._level_name = standard_name(level)
        self._is_urgent = is_urgent(level)
        self._fields = fields
        self._pipeline: Pipeline | None = None
        self._put: Callable[[bytes, bool], bool] | None = None
        self._counted: dict[str, int] = {}
        self._head = self._tail = b""
        self._rate = 1.0

    def write(self, seconds: float) -> None:
        """Log it, unless a level or sampling leaves it out.

        Written out here, at every request: `Pipeline.now`, and `Pipeline.write` to one writer.
        """
        if self._level < self._logger.threshold:
            return
        pipeline = loggers._pipeline
        if pipeline is not self._pipeline:
            self._prepare(pipeline)
        context = correlation._current.get()
        if self._rate < 1.0 and context.position >= self._rate:
            pipeline.counts.sampled += 1
            return
        digits = b"%d" % time_ns()
        second, stamp = pipeline.stamp
        if digits[SECOND] != second:
            stamp = pipeline.stamp_of(digits[SECOND])
        tenths = int(seconds * 10_000 + 0.5)
        took = _TENTHS[tenths] if tenths < _MANY_TENTHS else b"%.1f" % (seconds * 1000)
        known = context.only_id
        if known and self._put:
            line = _WITH_ID % (stamp, digits[MICROSECOND], self._head, known, self._tail, took)
            self._counted[self._level_name] += 1
            self._put(line, self._is_urgent)
            return
        whose = context.fields
        line = _WITH_FIELDS % (stamp, digits[MICROSECOND], self._head, whose, self._tail, took)
        pipeline.write(line, self._level)

    def _prepare(self, pipeline: Pipeline) -> None:
        """Make what is the same in all lines, as ``pipeline`` writes them."""
        rate = pipeline.sampling.rate(self._kind.name, self._level)
        self._head = pipeline.head(self._logger.name, self._level, self._kind.name)
        if rate < 1.0:
            self._head += b',"weight":%b' % orjson.dumps(weight(rate))
        self._tail = b",%b," % orjson.dumps(self._fields)[1:-1] + b'"duration_ms":'
        self._rate = rate
        self._counted = pipeline.counts.lines
        longest = len(self._head) + len(self._tail) + MAX_ID_BYTES + _REST_BYTES
        self._put = pipeline.only_put if longest <= MAX_LINE_BYTES else None
        self._pipeline = pipeline


def level_of(status: int, *, is_quiet: bool) -> int:
    """A failure of the service is an error, whoever asked; what machines poll is for debugging."""
    if status >= 500:
        return logging.ERROR
    return logging.DEBUG if is_quiet else logging.INFO
