"""The line of a request: all of it is ready but the time, the context and the duration.

It goes through the pipeline like any other: levels, sampling, the form for people and the counts
hold. What is saved is the event's object and its serialisation, at every request.
"""

import logging

import orjson

from asgi_observability import correlation
from asgi_observability import logger as loggers
from asgi_observability.event import Event
from asgi_observability.log_sampling import weight
from asgi_observability.logger import NamedLogger
from asgi_observability.pipeline import Pipeline


class RequestLine:
    """The line of one kind of answer: a route, a method, a status."""

    __slots__ = ("_fields", "_head", "_kind", "_level", "_logger", "_pipeline", "_rate", "_tail")

    def __init__(
        self, logger: NamedLogger, kind: type[Event], level: int, **fields: str | int
    ) -> None:
        self._logger = logger
        self._kind = kind
        self._level = level
        self._fields = fields
        self._pipeline: Pipeline | None = None
        self._head = self._tail = b""
        self._rate = 1.0

    def write(self, seconds: float) -> None:
        """Log it, unless a level or sampling leaves it out."""
        if self._level < self._logger.threshold:
            return
        pipeline = loggers._pipeline
        if pipeline is not self._pipeline:
            self._prepare(pipeline)
        context = correlation.context()
        if self._rate < 1.0 and context.position >= self._rate:
            pipeline.counts.sampled += 1
            return
        line = b'{"timestamp":"%b%b%b%b%.1f}\n' % (
            pipeline.now(),
            self._head,
            context.fields,
            self._tail,
            seconds * 1000,
        )
        pipeline.write(line, self._level)

    def _prepare(self, pipeline: Pipeline) -> None:
        """Make what is the same in all lines, as ``pipeline`` writes them."""
        rate = pipeline.sampling.rate(self._kind.name, self._level)
        self._head = pipeline.head(self._logger.name, self._level, self._kind.name)
        if rate < 1.0:
            self._head += b',"weight":%b' % orjson.dumps(weight(rate))
        self._tail = b",%b," % orjson.dumps(self._fields)[1:-1] + b'"duration_ms":'
        self._rate = rate
        self._pipeline = pipeline


def level_of(status: int, *, is_quiet: bool) -> int:
    """A failure of the service is an error, whoever asked; what machines poll is for debugging."""
    if status >= 500:
        return logging.ERROR
    return logging.DEBUG if is_quiet else logging.INFO
