"""One ID from a request's first line to its last, however it comes in and whoever asks for it."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from fastapi import FastAPI, Request
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_observability import catalogue, correlation, tracing
from asgi_observability.logger import get_logger
from tests.captured_logs import captured_logs
from tests.not_empty import not_empty
from tests.test_asgi_observability.test_adoption import asked, counted, observed, routes_counted

TRACE = f"{0x1234 << 112:032x}"


def span() -> AbstractContextManager[Any]:
    """An active span of `TRACE`."""
    context = trace.SpanContext(0x1234 << 112, 7, is_remote=False, trace_flags=trace.TraceFlags(1))
    return trace.use_span(trace.NonRecordingSpan(context))


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are real with the SDK only; what makes one active is the API's."""
    monkeypatch.setitem(sys.modules, tracing.SDK, sys.modules["opentelemetry.trace"])


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/ids")
    async def ids(request: Request) -> list[str]:
        headers = request.headers
        names = ("x-correlation-id", "x-request-id", "x-trace")
        return [correlation.current(), *(each for name in names for each in headers.getlist(name))]

    return app


@pytest.fixture
def own_header() -> Iterator[None]:
    yield
    correlation.use_header(correlation.HEADER)


def requests_in(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "request"]


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        ({}, None),
        ({"X-Request-ID": "request-1"}, "request-1"),
        ({"X-Correlation-ID": "correlation-1"}, "correlation-1"),
        ({"X-Correlation-ID": "correlation-1", "X-Request-ID": "request-1"}, "correlation-1"),
        ({"X-Correlation-ID": "a b", "X-Request-ID": "request-1"}, "request-1"),
        ({"X-Correlation-ID": "correlation-1 \t"}, "correlation-1"),
    ],
)
async def test_the_application_reads_it_once_under_either_name(
    app: FastAPI, offered: dict[str, str], wanted: str | None
) -> None:
    observed(app)
    with captured_logs() as lines:
        response = await asked(app, "/ids", headers=offered)
    own = wanted or response.headers["X-Correlation-ID"]
    assert response.headers.get_list("X-Correlation-ID") == [own]
    assert response.json() == [own] * 3
    assert [line["correlation_id"] for line in requests_in(lines)] == [own]


@pytest.mark.usefixtures("own_header")
@pytest.mark.parametrize("offered", [{}, {"X-Request-ID": "request-1"}])
async def test_so_it_does_where_both_names_are_one(app: FastAPI, offered: dict[str, str]) -> None:
    observed(app, header="X-Request-ID")
    response = await asked(app, "/ids", headers=offered)
    assert response.json() == [response.headers["X-Request-ID"]] * 2


@pytest.mark.parametrize("inner_is_the_same", [True, False])
async def test_a_request_made_within_another_leaves_that_one_its_id(
    app: FastAPI, inner_is_the_same: bool
) -> None:
    other = FastAPI()
    inner = app if inner_is_the_same else other

    @inner.get("/inner")
    async def answer() -> str:
        return correlation.current()

    @app.get("/outer")
    async def outer() -> list[str]:
        found = (await asked(inner, "/inner")).json()
        get_logger("tests").info("after")
        return [correlation.current(), found]

    for each in {app, inner}:
        observed(each)
    with captured_logs() as lines:
        response = await asked(app, "/outer", headers={"X-Correlation-ID": "correlation-1"})
    own, of_inner = response.json()
    assert own == "correlation-1" != of_inner
    ids = {line.get("route", line["event"]): line["correlation_id"] for line in lines}
    assert ids == {"/inner": of_inner, "after": own, "/outer": own}


async def test_a_request_that_comes_back_to_the_application_is_one(app: FastAPI) -> None:
    class Moved:
        """Serves what is asked for at its old place, through the whole application again."""

        def __init__(self, inner: ASGIApp) -> None:
            self.inner = inner

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/old":
                await app({**scope, "path": "/ids"}, receive, send)
            else:
                await self.inner(scope, receive, send)

    app.add_middleware(Moved)
    made = iter(f"made-by-host-{number}" for number in range(9))
    watched = observed(app, id_generator=lambda: next(made))
    with captured_logs() as lines:
        response = await asked(app, "/old")
    assert response.json() == [response.headers["X-Correlation-ID"]] * 3 == ["made-by-host-0"] * 3
    assert len(requests_in(lines)) == sum(routes_counted(watched).values()) == 1


async def test_applications_within_each_other_count_a_request_once(app: FastAPI) -> None:
    outside = Starlette(routes=[Mount("/a", app)])
    app.mount("/b", outside)
    watched = [observed(outside), observed(app)]
    response = await asked(outside, "/a/b/a/ids")
    assert response.json() == [response.headers["X-Correlation-ID"]] * 3
    assert [sum(routes_counted(each).values()) for each in watched] == [1, 0]


@pytest.mark.usefixtures("sdk")
async def test_a_span_is_remembered_whatever_stands_between(app: FastAPI) -> None:
    class Between(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            return await call_next(request)

    app.add_middleware(Between)

    @app.get("/broken")
    def broken() -> None:
        with span():
            get_logger("tests").info("within")
        raise RuntimeError("a bug")

    observed(app)
    for headers in ({}, {"X-Correlation-ID": "correlation-1"}):
        with captured_logs() as lines:
            await asked(app, "/broken", headers=headers)
        found = {line["event"]: line.get("trace_id") for line in not_empty(lines)}
        assert found == dict.fromkeys(("within", "request", "unhandled_error"), TRACE)


def test_spans_are_seen_by_who_has_logged_before_there_were_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert correlation.NO_CONTEXT.fields == b""
    monkeypatch.setitem(sys.modules, tracing.SDK, sys.modules["opentelemetry.trace"])
    with span():
        assert correlation.NO_CONTEXT.fields == b',"trace_id":"%b"' % TRACE.encode()


async def test_states_of_a_trace_in_several_headers_are_put_together(app: FastAPI) -> None:
    @app.get("/calls")
    async def calls() -> dict[str, str]:
        return correlation.context().headers

    observed(app)
    first, second = (f"00-{n:032x}-00f067aa0ba902b7-01" for n in (1, 2))
    offered = [("traceparent", first), ("tracestate", "a=1"), ("tracestate", "b=2")]
    sent = (await asked(app, "/calls", headers=[*offered, ("traceparent", second)])).json()
    assert (sent["traceparent"], sent["tracestate"]) == (first, "a=1,b=2")


class Ticket(str):
    """What a host may have in place of a text."""

    def __str__(self) -> str:
        return 'Ticket("a"\r\n)'


async def test_an_id_of_a_class_of_the_hosts_own_is_its_text(app: FastAPI) -> None:
    observed(app, id_generator=lambda: Ticket("ticket-1"))
    for headers in ({}, {"X-Request-ID": "a b"}):
        assert (await asked(app, "/ids", headers=headers)).json() == ["ticket-1"] * 3


async def test_a_rule_that_has_yet_to_answer_approves_nothing(app: FastAPI) -> None:
    async def says_no(offered: str) -> bool:
        return False

    with pytest.raises(TypeError, match="id_validator is asynchronous; give a plain function"):
        observed(app, id_validator=says_no)
    pending: list[Any] = []

    def later(offered: str) -> Any:
        pending.append(says_no(offered))
        return pending[-1]

    watched = observed(app, id_validator=later)
    response = await asked(app, "/ids", headers={"X-Correlation-ID": "15550100001"})
    assert response.headers["X-Correlation-ID"] != "15550100001"
    errors = watched.instruments.registry.get_sample_value(catalogue.INSTRUMENTATION_ERRORS.name)
    assert errors == 1
    assert counted(watched, "/ids", 200) == 1
    for each in pending:
        each.close()
