"""The correlation ID and what else every log line and upstream call of a request carries.

One immutable record in one context variable: tasks and `asyncio.to_thread` take it along by
themselves, `carried` gives it to other threads.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token, copy_context
from functools import wraps
from types import MappingProxyType
from typing import Literal, ParamSpec, Self, TypeVar
from zlib import crc32

import orjson
from uuid_utils import UUID, uuid4, uuid7

from asgi_observability import tracing
from asgi_observability.personal_data import identifier, is_correlation_id

HEADER = "X-Correlation-ID"
REQUEST_ID_HEADER = "X-Request-ID"
TRACEPARENT_HEADER = "traceparent"
TRACESTATE_HEADER = "tracestate"

Strategy = Literal["uuid7", "uuid4"]
"""How new IDs are made; those of version 7 sort by time."""

P = ParamSpec("P")
R = TypeVar("R")

# https://www.w3.org/TR/trace-context/#traceparent-header: version 00 ends after the flags, later
# ones may go on; IDs of zeros only are none.
_TRACEPARENT = re.compile(
    r"(?!ff)(?:00(?=.{53}$)|(?!00)[0-9a-f]{2})"
    r"-(?!0{32})(?P<trace_id>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!#-\[\]-~]{0,200})?"
)
MAX_ID_BYTES = 512

# Printable ASCII that JSON needs not escape, and headers not to trim.
_SAFE = re.compile(r"[!#-\[\]-~](?:[ !#-\[\]-~]{0,510}[!#-\[\]-~])?")


class Context:
    """What belongs to one request, or to one round of background work.

    ``correlation_id`` follows the SMS. ``request_id`` is set where the request that does the work
    has another ID, such as a manager's who approves an answer. ``identifiers`` are safe to log.
    """

    correlation_id: str
    only_id: bytes
    """The ID as it is in JSON, where no line has more of this context, a trace excepted."""
    # One is made for every request: what most don't have is left to the class.
    traceparent = ""
    tracestate = ""
    request_id = ""
    identifiers: Mapping[str, str] = MappingProxyType({})
    _span_trace = ""
    _fields: bytes | None = None
    _position: float | None = None

    def traced(self, traceparent: str, tracestate: str) -> Self:
        """The same, begun by a caller that is traced."""
        self.traceparent, self.tracestate = traceparent, tracestate
        return self

    def followed_by(
        self, correlation_id: str, request_id: str, identifiers: Mapping[str, str]
    ) -> "Context":
        """A context that goes on from this one."""
        context = context_of(correlation_id).traced(self.traceparent, self.tracestate)
        context._span_trace = self._span_trace
        context.request_id, context.identifiers = request_id, identifiers
        return context

    @property
    def trace_id(self) -> str:
        """The trace of the span that is active, or was last here; else the caller's, or empty."""
        self.keep_trace()
        return self._span_trace or self.traceparent[3:35]

    def keep_trace(self) -> None:
        """Remember the active span's trace for what is logged after the span has ended."""
        active = tracing.active_trace_id()
        # What belongs to no request or round would have the trace of whatever came before.
        if active or not self.correlation_id:
            self._span_trace = active

    @property
    def position(self) -> float:
        """Where in 0..1 the correlation ID lies: sampling keeps what lies below its rate.

        Every event's rate is compared with the same number, so that of a request either all is
        kept or what is more important than the rest. Without an ID it is 0.
        """
        if self._position is None:
            self._position = crc32(self.correlation_id.encode()) / 2**32
        return self._position

    def as_dict(self) -> dict[str, str]:
        """The fields of a log line."""
        fields = {
            "correlation_id": self.correlation_id,
            "request_id": self.request_id,
            "trace_id": self.trace_id,
        }
        return {name: value for name, value in fields.items() if value} | dict(self.identifiers)

    @property
    def fields(self) -> bytes:
        """The same as JSON, each with a comma before it; serialised once for all lines."""
        is_traced = tracing.is_traced()  # then each line may be in another span
        if self._fields is not None and not is_traced:
            return self._fields
        if self.only_id:
            fields = b',"correlation_id":"%b"' % self.id_and_trace
        else:
            inner = orjson.dumps(self.as_dict())[1:-1]
            fields = b"," + inner if inner else b""
        if not is_traced:
            self._fields = fields
        return fields

    @property
    def id_and_trace(self) -> bytes:
        """What stands behind ``"correlation_id":"`` up to the next quote; empty if there is more.

        The trace, where there is one, is a field of its own in it.
        """
        trace = self.trace_id if self.only_id else ""
        return b'%b","trace_id":"%b' % (self.only_id, trace.encode()) if trace else self.only_id

    @property
    def exemplar(self) -> dict[str, str]:
        """The labels that lead from a metric's exemplar to the logs; at most 128 characters."""
        labels = {"correlation_id": self.correlation_id, "trace_id": self.trace_id}
        return {name: value for name, value in labels.items() if value}

    @property
    def headers(self) -> dict[str, str]:
        """What every upstream call sends."""
        values = {
            _header: self.correlation_id,
            TRACEPARENT_HEADER: self.traceparent,
            TRACESTATE_HEADER: self.tracestate,
        }
        return {name: value for name, value in values.items() if value}


def context_of(correlation_id: str, only_id: bytes = b"") -> Context:
    """A context with this ID; a function, as the interpreter enters ``__init__`` the long way."""
    context = Context()
    context.correlation_id = correlation_id
    context.only_id = only_id
    return context


NO_CONTEXT = context_of("")
_header = HEADER
_current: ContextVar[Context | bytes] = ContextVar("correlation", default=NO_CONTEXT)
"""Of most requests nothing is known but the ID: it is there as it is, and `context` makes a record
of it for whoever asks."""

Former = Token[Context | bytes]

use: Callable[[Context | bytes], Former] = _current.set
"""Make a context that of this task and what it starts, or an ID that JSON needs not escape."""

OUTERMOST = Token.MISSING
"""The ``old_value`` of what `use` gives where nothing was in use before."""

in_use: Callable[[], Context | bytes] = _current.get
"""What was given to `use`: for who can do with an ID alone. All others ask for the `context`."""


def use_former(former: Former) -> None:
    """Go back to what was in use: an application may be called in the middle of a request."""
    try:  # noqa: SIM105 - the other way takes as long as a tenth of the whole layer
        _current.reset(former)
    except ValueError:  # the garbage collector ends it, within whatever runs there
        pass


UUIDS: Mapping[Strategy, Callable[[], UUID]] = {"uuid7": uuid7, "uuid4": uuid4}
"""What makes the UUIDs that new IDs are the text of, as RFC 9562 has it."""


def new_id(strategy: Strategy = "uuid7") -> str:
    """A new correlation ID."""
    return str(UUIDS[strategy]())


def use_header(name: str) -> None:
    """Send the ID under another header's name with every upstream call. See `observe`."""
    global _header
    _header = name


def is_well_formed(offered: str) -> bool:
    """Whether a caller's ID may be used: it can forge no line, and is nobody's number or name."""
    return is_correlation_id(offered)


def is_traceparent(offered: str) -> bool:
    """Whether ``offered`` is a `traceparent` of W3C Trace Context."""
    return bool(_TRACEPARENT.fullmatch(offered))


def is_safe(offered: str) -> bool:
    """Whether ``offered`` can stand in a header and a line as it is, whoever made it.

    What `is_well_formed` and `is_traceparent` take is.
    """
    return bool(_SAFE.fullmatch(offered))


def bind(correlation_id: str, traceparent: str = "", tracestate: str = "") -> None:
    """Begin a new context for this task and what it starts."""
    _current.set(context_of(correlation_id).traced(traceparent, tracestate))


def identify(**identifiers: str | None) -> None:
    """Add ``tenant_id=`` and the like to every further line of this task and what it starts."""
    known = context()
    added = {name: identifier(value) for name, value in identifiers.items() if value}
    _current.set(
        known.followed_by(known.correlation_id, known.request_id, {**known.identifiers, **added})
    )


@contextmanager
def continuing(correlation_id: str) -> Iterator[None]:
    """Work on behalf of an earlier request, whose ID its lines and calls carry.

    The ID of the request that does the work is ``request_id`` meanwhile.
    """
    known = context()
    if not correlation_id or correlation_id == known.correlation_id:
        yield
        return
    token = _current.set(
        known.followed_by(
            correlation_id, known.request_id or known.correlation_id, known.identifiers
        )
    )
    try:
        yield
    finally:
        _current.reset(token)


def carried(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` with the context of now, wherever it is called: for threads of a pool."""
    taken_along = copy_context()

    @wraps(function)
    def in_context(*args: P.args, **kwargs: P.kwargs) -> R:
        # A copy each time: a context can be entered by one thread at a time.
        return taken_along.copy().run(function, *args, **kwargs)

    return in_context


def context() -> Context:
    """The current context; `NO_CONTEXT` outside of any."""
    found = _current.get()
    if isinstance(found, Context):
        return found
    made = context_of(found.decode(), found)
    _current.set(made)
    return made


def current() -> str:
    """The current correlation ID; empty outside a request."""
    return context().correlation_id
