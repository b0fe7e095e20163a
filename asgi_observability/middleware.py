"""The instrumentation of HTTP and WebSockets: one pure ASGI layer around the whole application.

It stands outside of everything, the framework's own error handling included, because only there
does an unhandled 500 still get its correlation ID and its count.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from functools import cached_property, partial
from inspect import isawaitable
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_observability import catalogue, correlation
from asgi_observability.catalogue import HTTP_METHODS, Outcome
from asgi_observability.correlation import Strategy
from asgi_observability.event import Event, FromCode
from asgi_observability.events import QuietRequest, Request, UnhandledError
from asgi_observability.exchange import MARK, REQUEST_ID, Exchange, Header, observed
from asgi_observability.instruments import Instruments
from asgi_observability.lifetime import Lifetime
from asgi_observability.logger import get_logger
from asgi_observability.metric import OTHER
from asgi_observability.request_line import RequestLine, level_of
from asgi_observability.routes import UNMATCHED, Routes, matched_by
from asgi_observability.tracing import is_traced
from asgi_observability.websocket import Conversation, WebSockets

QUIET_ROUTES = frozenset({"/metrics", "/health"})
"""Routes that machines poll: logged at debug."""

MAX_ANSWERS = 10_000
"""Kinds of answers that are looked up at once: routes by methods by statuses."""

_TRACEPARENT = correlation.TRACEPARENT_HEADER.encode()
_TRACESTATE = correlation.TRACESTATE_HEADER.encode()
_METHODS = frozenset(HTTP_METHODS)
_STATUS = {status: str(status) for status in range(100, 600)}


class _NoWork:
    """In place of a `Lifetime`: there is nothing to begin."""

    has_begun = True

    def begin(self) -> None:
        """Begin nothing."""


class Placed(Protocol):
    """A request or WebSocket: its scope, and the paths it came in with."""

    scope: Scope
    path: str
    root_path: str


class Answer:
    """One kind of answer: where its duration goes, and its line; ``matched`` keeps its identity."""

    __slots__ = ("matched", "note", "route", "write")

    def __init__(
        self,
        route: str,
        note: Callable[[float], None],
        write: Callable[[float], None],
        matched: object = None,
    ) -> None:
        self.route = route
        self.note = note
        self.write = write
        self.matched = matched


def _nowhere(seconds: float) -> None:
    """Where what is excluded goes."""


class Correlation:
    """Whose ID a request has: the caller's where it is well formed, else a new one."""

    def __init__(
        self,
        instruments: Instruments,
        header: str = correlation.HEADER,
        new_id: Strategy | Callable[[], str] = "uuid7",
        is_well_formed: Callable[[str], bool] = correlation.is_well_formed,
    ) -> None:
        self.header = header.lower().encode()
        self._count_error = instruments.count_error
        self._refused = instruments.counter(catalogue.HTTP_SERVER_HEADERS_REFUSED)
        self._refused.bind_all()
        self.new_id = (
            partial(self._checked, new_id) if callable(new_id) else correlation.UUIDS[new_id]
        )
        """Makes a new ID; its text is what is used."""
        if is_well_formed is not correlation.is_well_formed:
            is_well_formed = partial(self._is_well_formed, is_well_formed)
        self._offered: dict[bytes, tuple[str, Callable[[str], bool]]] = {
            self.header: ("x_correlation_id", is_well_formed),
            REQUEST_ID: ("x_request_id", is_well_formed),
            _TRACEPARENT: ("traceparent", correlation.is_traceparent),
            _TRACESTATE: ("tracestate", correlation.is_safe),
        }
        self._own_names = dict.fromkeys((self.header, REQUEST_ID))
        self.names = frozenset(self._offered)
        """The headers that a caller can offer something by."""

    def bind(self, scope: Scope) -> tuple[Header, correlation.Former]:
        """Begin the request's context, and tell ``scope`` the ID.

        Gives the ID as a header, and what was in use before. What the application and its own
        middleware read is the same ID, under either name. `observed` has the short way, for
        requests that offer nothing.
        """
        headers = scope["headers"]
        offered = self._accepted(headers)
        raw = offered.get(self.header) or offered.get(REQUEST_ID) or str(self.new_id()).encode()
        traceparent = offered.get(_TRACEPARENT, b"").decode()
        # State without the trace that it is about means nothing.
        tracestate = offered.get(_TRACESTATE, b"").decode() if traceparent else ""
        if traceparent or is_traced():
            known = correlation.context_of(raw.decode(), raw).traced(traceparent, tracestate)
            former = correlation.use(known)
        else:
            former = correlation.use(raw)
        kept = [each for each in headers if each[0] != self.header and each[0] != REQUEST_ID]
        scope["headers"] = kept + [(name, raw) for name in self._own_names]
        return (self.header, raw), former

    def _accepted(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
        """What is well formed of what is offered: nothing that could forge a header or a line."""
        accepted: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in self._offered:
                header, is_well_formed = self._offered[name]
                offered = value.strip(b" \t")  # not all servers do
                if not is_well_formed(offered.decode("latin-1")):
                    self._refused.series(header).note()
                elif name == _TRACESTATE and name in accepted:
                    accepted[name] += b"," + offered
                else:
                    accepted.setdefault(name, offered)
        return accepted

    def _is_well_formed(self, own_rule: Callable[[str], bool], text: str) -> bool:
        """Whatever a host's ``own_rule`` says, nothing that could forge a header or a line."""
        try:
            if not correlation.is_safe(text):
                return False
            said = own_rule(text)
            if not isawaitable(said):
                return bool(said)
        except Exception:  # counted below
            pass
        self._count_error()
        return False

    def _checked(self, new_id: Callable[[], str]) -> str:
        """What the host's own ``new_id`` makes, if it can be an ID."""
        try:
            made = new_id()
            if isinstance(made, str):
                text = str.__str__(made)  # whatever a class of the host's own says that it is
                if correlation.is_safe(text):
                    return text
        except Exception:  # counted below
            pass
        self._count_error()
        return correlation.new_id()


class ObservabilityMiddleware:
    """Correlation ID, metrics by route template and one access line per request.

    ``excluded`` paths and templates are neither counted nor logged, ``quiet`` templates are logged
    at debug.
    """

    root_path = ""

    in_flight: Callable[[], int]
    """How many requests are on their way."""

    lifetime: Lifetime | _NoWork
    """The background work, which the first request begins where no lifespan has."""

    def __init__(
        self,
        app: ASGIApp,
        instruments: Instruments,
        id_strategy: Strategy = "uuid7",
        *,
        correlating: Correlation | None = None,
        routes: Routes | None = None,
        excluded: Iterable[str] = (),
        quiet: Iterable[str] = QUIET_ROUTES,
    ) -> None:
        self._correlation = correlating or Correlation(instruments, new_id=id_strategy)
        self.app = app
        self.observed = observed(self, app, self._correlation)
        """The same as this object's ``__call__``, as a method of another object in its place."""
        self.routes = routes or Routes(lambda: getattr(app, "routes", ()))
        self._instruments = instruments
        self.count_error = instruments.count_error
        self.header = self._correlation.header
        self._excluded = frozenset(excluded)
        self._quiet = frozenset(quiet)
        self._durations = instruments.histogram(catalogue.HTTP_SERVER_REQUEST_DURATION)
        self._streams = instruments.histogram(catalogue.HTTP_SERVER_STREAM_DURATION)
        self._log = get_logger("access")
        self.answers: dict[int, dict[str, dict[int, Answer]]] = {}
        """By what the framework left of the route, by method, by status."""
        self._by_template: dict[tuple[str, str, int], Answer] = {}
        self._kept = 0
        self.own_path: str | None = None
        """The path at which something else than the application answers, see `answered_before`."""
        self.lifetime = _NoWork()
        instruments.sampled(
            catalogue.HTTP_SERVER_ACTIVE_REQUESTS, read=lambda: float(self.in_flight())
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.observed(self, scope, receive, send)

    def answered_before(self, scope: Scope) -> ASGIApp | None:
        """What answers ``scope`` in place of the application, if anything does.

        Asked for `own_path`, and for every path below a root path.
        """
        return None

    def around_lifespan(self) -> AbstractAsyncContextManager[None]:
        """What runs as long as the application does."""
        return nullcontext()

    async def other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what is no request: a WebSocket, or the lifespan."""
        if scope["type"] == "lifespan":
            async with AsyncExitStack() as running:
                await running.enter_async_context(self.around_lifespan())

                async def ended_first(message: Message) -> None:
                    # A server that hears of the end may cancel this, or end the process, at once.
                    if message["type"].startswith("lifespan.shutdown."):
                        await running.aclose()
                    await send(message)

                await self.app(scope, receive, ended_first)
            return
        conversation = None
        try:
            if scope["type"] == "websocket" and MARK not in scope:
                scope[MARK] = True
                own, former = self._correlation.bind(scope)
                conversation = Conversation(self, scope, receive, send, own)
        except Exception:
            self.count_error()
        if conversation is None:
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, conversation.receive, conversation.send)
        except BaseException as error:
            conversation.ended(error)
            raise
        else:
            conversation.ended(None)
        finally:
            if former.old_value is not correlation.OUTERMOST:
                correlation.use_former(former)

    def record(self, exchange: Exchange, status: int, seconds: float) -> str:
        """Count and log one answered request; gives its route template."""
        try:
            answer = self.answer(exchange, status)
            answer.note(seconds)
            answer.write(seconds)
        except Exception:
            self.count_error()
            return UNMATCHED
        return answer.route

    def record_stream(self, route: str, outcome: Outcome, seconds: float) -> None:
        """Count one streamed response that has ended, ``seconds`` after its first part."""
        try:
            if route not in self._excluded:
                self._streams.series(route, outcome).note(seconds)
        except Exception:
            self.count_error()

    def unhandled(self, error: Exception) -> None:
        """Log, once, an exception that nobody has handled."""
        try:
            self._log.event(UnhandledError(), error)
        except Exception:
            self.count_error()

    @cached_property
    def websockets(self) -> WebSockets:
        """The metrics of WebSockets, which a service without any doesn't have."""
        return WebSockets(self._instruments)

    def template_of(self, placed: Placed) -> str:
        """The template of the route that served it."""
        return self.routes.template(placed.scope, placed.path, placed.root_path)[0]

    def begin_at_zero(self) -> None:
        """Show a zero for each route's errors, so that the first one is an increase."""
        try:
            for template, methods in self.routes.templates():
                if template not in self._excluded:
                    for method in methods & _METHODS:
                        self._durations.series(method, template, "500")
        except Exception:
            self.count_error()

    def answer(self, exchange: Exchange, status: int) -> Answer:
        """Its kind of answer."""
        scope = exchange.scope
        try:
            return self.answers[id(matched_by(scope))][scope["method"]][status]
        except KeyError:
            return self._first_answer(exchange, status)

    def _first_answer(self, exchange: Exchange, status: int) -> Answer:
        """The longer way: the first such answer, or one that no route stands for."""
        scope = exchange.scope
        method = str(scope["method"])
        matched = matched_by(scope)
        if matched is None and status == 404:
            route, is_stable = UNMATCHED, True
        else:
            route, is_stable = self.routes.template(scope, exchange.path, exchange.root_path)
        if self._excluded and exchange.path in self._excluded:
            return Answer(route, _nowhere, _nowhere)
        known = method in _METHODS
        answer = self._by_template.get((route, method, status)) if known else None
        if answer is None:
            answer = self._new_answer(route, method, status)
            if known and len(self._by_template) < MAX_ANSWERS:
                self._by_template[route, method, status] = answer
        if known and is_stable and not self._excluded and self._kept < MAX_ANSWERS:
            self._kept += 1
            by_status = self.answers.setdefault(id(matched), {}).setdefault(method, {})
            by_status[status] = Answer(answer.route, answer.note, answer.write, matched)
        return answer

    def _new_answer(self, route: str, method: str, status: int) -> Answer:
        if route in self._excluded:
            return Answer(route, _nowhere, _nowhere)
        series = self._durations.series(method, route, _STATUS.get(status) or str(status))
        is_quiet = route in self._quiet
        kind: type[Event] = QuietRequest if is_quiet and status < 500 else Request
        line = RequestLine(
            self._log._logger,
            kind,
            level_of(status, is_quiet=is_quiet),
            # Clients may invent methods: the metric folds and counts them, a line never has them.
            method=FromCode(method if method in _METHODS else OTHER),
            route=FromCode(route),
            status=status,
        )
        return Answer(route, series.note, line.write)
