"""`observe` in place: whoever runs the application, in whatever way, is watched."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

import asgi_observability as obs
from asgi_observability import correlation
from asgi_observability.adoption import WatchedApp
from asgi_observability.event import FromCode
from asgi_observability.events import QuietRequest
from asgi_observability.log_options import LogOptions
from asgi_observability.logger import get_logger
from tests.captured_logs import captured_logs
from tests.free_port import free_port
from tests.not_empty import not_empty
from tests.waiting import eventually

GET = FromCode("GET")
HTTP = "http_server_request_duration_seconds_count"


def observed(app: Any, **options: Any) -> WatchedApp:
    """Watch ``app`` without touching the logs of the tests."""
    return obs.observe(app, service="billing", **{"logs": None} | options)


def counted(watched: WatchedApp, route: str, status: int, method: str = "GET") -> float | None:
    return watched.instruments.registry.get_sample_value(
        HTTP,
        {
            "http_request_method": method,
            "http_route": route,
            "http_response_status_code": str(status),
        },
    )


def routes_counted(watched: WatchedApp) -> dict[str, float]:
    """How many requests each route had."""
    counts: dict[str, float] = {}
    for family in watched.instruments.registry.collect():
        for sample in family.samples:
            if sample.name == HTTP and sample.value:
                route = sample.labels["http_route"]
                counts[route] = counts.get(route, 0) + sample.value
    return counts


async def asked(app: Any, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        return await client.request(method, path, **options)


async def test_the_app_stays_the_same_and_is_watched() -> None:
    app = FastAPI()
    watched = observed(app)

    @app.get("/later/{number}")
    async def later(number: int) -> int:
        return number

    response = await asked(app, "/later/1")
    assert response.headers["X-Correlation-ID"]
    assert counted(watched, "/later/{number}", 200) == 1


def test_a_test_client_with_and_without_lifespan() -> None:
    app = FastAPI()
    watched = observed(app)
    assert TestClient(app).get("/metrics").status_code == 200
    with TestClient(app) as client:
        assert "process_resident_memory_bytes" in client.get("/metrics").text
    assert TestClient(app).get("/metrics").status_code == 200
    assert counted(watched, "/metrics", 200) == 3


def test_an_app_that_has_served_already_is_watched_from_then_on() -> None:
    app = FastAPI()
    TestClient(app).get("/nowhere")
    watched = observed(app)
    TestClient(app).get("/nowhere")
    assert counted(watched, "unmatched", 404) == 1


def test_who_observes_twice_is_told_so() -> None:
    app = FastAPI()
    observed(app)
    with pytest.raises(ValueError, match="observed already, as service 'billing'"):
        observed(app)


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"service": ""}, "name the service"),
        ({"header": "X Correlation"}, "header='X Correlation'"),
        ({"metrics_path": "metrics"}, "begin it with a slash"),
        ({"exclude": "/health"}, r"exclude.*\['/health'\]"),
        ({"header": "Content-Length"}, "means something else"),
        ({"header": "traceparent"}, "means something else"),
        ({"buckets": [2, 1]}, "seconds that rise"),
        ({"buckets": [1, "a"]}, "seconds that rise"),
        ({"buckets": 5}, "seconds that rise"),
        ({"version": None}, "version=None: give a text"),
        ({"logs": 1}, r"logs=1: give LogOptions\(…\), or None"),
        ({"replace_handlers": "yes"}, "give True or False"),
        ({"privacy": "strickt"}, "did you mean strict"),
        ({"safe_fields": "plan"}, r"safe_fields.*\['plan'\]"),
        ({"id_generator": "uuid9"}, "did you mean uuid|use uuid7 or uuid4 or a function"),
        ({"id_validator": "x"}, "use a function"),
        ({"metrics_token": "\xe9"}, "metrics_token: give a text of ASCII"),
        ({"metrics_token": None}, "metrics_token: give a text of ASCII"),
        ({"metrics_port": 99999}, "metrics_port=99999: give a number from 0 to 65535"),
        ({"metrics_port": "9100"}, "metrics_port='9100'"),
        ({"metrics_host": "localhost"}, "metrics_host='localhost': give an IPv4 address"),
        ({"metrics_host": None}, "metrics_host=None: give an IPv4 address"),
        ({"registries": [5]}, "give a list of registries"),
        ({"registries": 5}, "give a list of registries"),
        ({"quiet": [1]}, "give a list of paths"),
        ({"narrowed": [1]}, "give a list of metrics"),
        ({"slow_operation_seconds": {"bank": -1}}, "'bank': -1 are no seconds"),
        ({"slow_operation_seconds": 5}, "seconds by name"),
        ({"workers_dir": 5}, "workers_dir=5: give the path of a folder"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_the_fix(
    options: dict[str, Any], fix: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=fix):
        obs.observe(FastAPI(), **{"service": "billing", "logs": None} | options)


def test_a_folder_may_be_given_as_text(tmp_path: Path) -> None:
    watched = observed(FastAPI(), workers_dir=str(tmp_path / "workers"))
    assert watched.observability.workers.folder == tmp_path / "workers"
    assert LogOptions(folder=str(tmp_path)).folder == tmp_path  # type: ignore[arg-type]


async def test_a_server_may_give_up_a_lifespan_that_it_heard_the_end_of() -> None:
    app = FastAPI()
    watched = observed(app)
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    told: list[str] = []

    async def receive() -> Message:
        return next(events)

    async def send(message: Message) -> None:
        told.append(message["type"])
        if message["type"] == "lifespan.shutdown.complete":
            asyncio.get_running_loop().call_soon(lifespan.cancel)  # as hypercorn does

    async def run() -> None:
        await app({"type": "lifespan", "asgi": {}, "state": {}}, receive, send)

    lifespan = asyncio.create_task(run())
    await asyncio.wait([lifespan])
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert not watched.observability.rounds.thread.is_running
    assert not lifespan.cancelled(), "the process of the server ends with an error"


def test_what_is_no_application_is_refused_with_the_fix() -> None:
    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        return None

    with pytest.raises(TypeError, match="FastAPI or Starlette application itself, not function"):
        observed(plain)


async def test_an_unhandled_error_is_logged_once_with_the_id_and_at_error() -> None:
    app = FastAPI()
    observed(app)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a bug")

    with captured_logs() as lines:
        response = await asked(app, "/broken", headers={"X-Correlation-ID": "correlation-1"})
    assert response.headers["X-Correlation-ID"] == "correlation-1"
    (unhandled,) = [line for line in lines if line["event"] == "unhandled_error"]
    (access,) = [line for line in lines if line["event"] == "request"]
    assert unhandled["correlation_id"] == access["correlation_id"] == "correlation-1"
    assert unhandled["exception"][0]["type"].endswith("RuntimeError")
    assert access["level"] == unhandled["level"] == "error"


async def test_5xx_lines_are_never_sampled() -> None:
    from asgi_observability.log_sampling import Sampling

    app = FastAPI()
    observed(app)

    @app.get("/down")
    async def down() -> None:
        raise HTTPException(503)

    with captured_logs(Sampling(info=0.0)) as lines:
        await asked(app, "/down")
        await asked(app, "/nowhere")
    assert [line["status"] for line in lines if line["event"] == "request"] == [503]


async def test_the_hosts_own_middleware_reads_the_same_id() -> None:
    app = FastAPI()
    observed(app)

    @app.get("/ids")
    async def ids(request: Request) -> list[str]:
        return [request.headers["x-correlation-id"], request.headers["x-request-id"]]

    for headers in ({}, {"X-Request-ID": "a b c d e f"}, {"X-Request-ID": "request-1"}):
        response = await asked(app, "/ids", headers=headers)
        assert set(response.json()) == {response.headers["X-Correlation-ID"]}


async def test_an_id_of_the_hosts_own_making_and_rule() -> None:
    app = FastAPI()
    observed(
        app,
        header="X-Trace",
        id_generator=lambda: "made-by-host",
        id_validator=lambda offered: offered.startswith("ok"),
    )

    @app.get("/calls")
    async def calls() -> dict[str, str]:
        return correlation.context().headers

    try:
        made = await asked(app, "/calls", headers={"X-Trace": "no"})
        assert made.headers["X-Trace"] == made.json()["X-Trace"] == "made-by-host"
        kept = await asked(app, "/calls", headers={"X-Trace": "ok"})
        assert kept.headers["X-Trace"] == "ok"
    finally:
        correlation.use_header(correlation.HEADER)


@pytest.mark.parametrize("made", [None, 7, "", "a\nb", 'a"b', "a\\b", "x" * 5000])
async def test_a_generator_of_ids_that_fails_does_not_fail_the_request(made: Any) -> None:
    app = FastAPI()
    observed(app, id_generator=lambda: made)
    assert len((await asked(app, "/nowhere")).headers["X-Correlation-ID"]) == 36


async def test_metrics_are_answered_before_routing() -> None:
    def nobody() -> None:
        raise HTTPException(401)

    app = FastAPI(dependencies=[Depends(nobody)])

    @app.get("/{everything:path}")
    async def everything(everything: str) -> str:
        return everything

    observed(app)
    assert (await asked(app, "/metrics")).status_code == 200
    assert (await asked(app, "/metrics/")).status_code == 401
    head = await asked(app, "/metrics", "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    posted = await asked(app, "/metrics", "POST")
    assert (posted.status_code, posted.headers["Allow"]) == (405, "GET, HEAD")


async def test_metrics_want_the_token_and_a_path_of_choice() -> None:
    app = FastAPI()
    watched = observed(app, metrics_path="/internal/metrics", metrics_token="s3cret")
    for given, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic s3cret"}, 401),
        ({"Authorization": "Bearer s3cret"}, 200),
    ):
        assert (await asked(app, "/internal/metrics", headers=given)).status_code == status
    assert (await asked(app, "/metrics")).status_code == 404
    assert counted(watched, "/internal/metrics", 401) == 3


async def test_metrics_at_a_port_of_their_own() -> None:
    app, port = FastAPI(), free_port()
    observed(app, metrics_port=port, metrics_token="s3cret")
    with TestClient(app) as client:
        assert client.get("/metrics").status_code == 404
        async with httpx.AsyncClient() as outside:
            url, token = f"http://127.0.0.1:{port}/metrics", {"Authorization": "Bearer s3cret"}

            async def answers() -> bool:
                return (await outside.get(url, headers=token)).status_code == 200

            await eventually(answers)
            assert (await outside.get(url)).status_code == 401
            # Only this machine's usual address, unless another is asked for.
            with pytest.raises(httpx.ConnectError):
                await outside.get(url.replace("127.0.0.1", "127.0.0.2"), headers=token)


async def test_what_is_excluded_is_neither_counted_nor_logged() -> None:
    app = FastAPI()
    watched = observed(app, exclude=["/up", "/items/{item}"])

    @app.get("/up")
    async def up() -> None: ...

    @app.get("/items/{item}")
    async def item(item: str) -> None: ...

    @app.get("/seen")
    async def seen() -> None: ...

    with captured_logs() as lines:
        for path in ("/up", "/items/7", "/items/7", "/seen"):
            await asked(app, path)
    assert routes_counted(watched) == {"/seen": 1}
    assert [line["route"] for line in lines if line["event"] == "request"] == ["/seen"]


async def test_buckets_of_choice() -> None:
    app = FastAPI()
    observed(app, buckets=[0.3, 3])
    text = (await asked(app, "/metrics")).text
    text = (await asked(app, "/metrics")).text
    bounds = {
        line.split('le="')[1].split('"')[0]
        for line in text.splitlines()
        if line.startswith("http_server_request_duration_seconds_bucket")
    }
    assert bounds == {"0.3", "3.0", "+Inf"}


async def test_the_first_500_of_a_route_is_an_increase_from_zero() -> None:
    app = FastAPI()
    watched = observed(app)

    @app.post("/orders/{order}")
    async def order(order: str) -> None: ...

    await asked(app, "/nowhere")
    assert counted(watched, "/orders/{order}", 500, "POST") == 0


def tenants() -> FastAPI:
    """An application within an application, at a path with a parameter."""
    inner = FastAPI()

    @inner.get("/orders/{order}")
    async def order(order: str) -> None: ...

    app = FastAPI()
    app.mount("/tenants/{tenant}", inner)
    return app


async def test_no_parameter_of_a_mount_is_in_labels_or_lines() -> None:
    app = tenants()
    watched = observed(app)
    with captured_logs() as lines:
        for number in range(3):
            await asked(app, f"/tenants/+1555010000{number}/orders/1")
            await asked(app, f"/tenants/+1555010000{number}/nowhere")
    assert routes_counted(watched) == {
        "/tenants/{tenant}/orders/{order}": 3,
        "/tenants/{tenant}/{path}": 3,
    }
    assert not [line for line in not_empty(lines) if "1555" in str(line)]


@pytest.mark.parametrize("root_path", ["", "/api"])
async def test_a_root_path_is_in_no_label(root_path: str, recwarn: pytest.WarningsRecorder) -> None:
    app = FastAPI(root_path=root_path)

    @app.get("/items/{item}")
    async def item(item: str) -> None: ...

    inner = FastAPI()

    @inner.get("/things/{thing}")
    async def thing(thing: str) -> None: ...

    app.mount("/mounted", inner)
    watched = observed(app)
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        # Until Starlette 0.33 the path came without the root path.
        for prefix in {root_path, ""}:
            await client.get(f"{prefix}/items/1")
            await client.get(f"{prefix}/mounted/things/1")
        assert (await client.get("/metrics")).status_code == 200
    known = {"/items/{item}", "/mounted/things/{thing}", "/metrics"}
    assert known <= set(routes_counted(watched)) <= {*known, "unmatched", "/mounted/{path}"}


async def test_mounted_applications_of_every_kind_have_the_mounts_template(tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("a")

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("plain", 418)(scope, receive, send)

    async def ends(request: Any) -> PlainTextResponse:
        return PlainTextResponse("ends")

    shared = Router([Route("/{end}", ends)])
    app = Starlette(
        routes=[
            Mount("/static", StaticFiles(directory=tmp_path)),
            Mount("/plain", plain),
            Mount("/one", shared),
            Mount("/two", shared),
            Host("other", Router([Route("/here", ends)])),
        ]
    )
    watched = observed(app)
    for path, route, status in (
        ("/static/a.txt", "/static/{path}", 200),
        ("/static/b.txt", "/static/{path}", 404),
        ("/plain/x", "/plain/{path}", 418),
        ("/one/x", "/one/{end}", 200),
        ("/two/x", "/two/{end}", 200),
        ("/nowhere", "unmatched", 404),
        ("http://other/here", "/here", 200),
    ):
        assert (await asked(app, path)).status_code == status
        assert counted(watched, route, status) == 1, path


async def test_a_response_through_base_http_middleware_is_counted_once_and_no_stream() -> None:
    app = FastAPI()
    watched = observed(app)

    class Ours(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            return await call_next(request)

    app.add_middleware(Ours)

    @app.get("/plain")
    async def plain() -> dict[str, str]:
        return {"a": "b"}

    await asked(app, "/plain")
    assert counted(watched, "/plain", 200) == 1
    value = watched.instruments.registry.get_sample_value(
        "http_server_stream_duration_seconds_count", {"http_route": "/plain", "outcome": "success"}
    )
    assert value is None


async def test_a_file_the_server_sends_itself_is_complete() -> None:
    app = FastAPI()
    watched = observed(app)
    told: list[str] = []

    @app.get("/file")
    async def file() -> None: ...

    class Sends:
        def __init__(self, app: Any) -> None: ...

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.pathsend", "path": "/etc/hostname"})

    async def send(message: Any) -> None:
        told.append(message["type"])

    async def receive() -> Any:
        return {"type": "http.request"}

    app.add_middleware(Sends)
    scope = {"type": "http", "method": "GET", "path": "/file", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert told == ["http.response.start", "http.response.pathsend"]
    assert counted(watched, "/file", 200) == 1


async def test_headers_that_can_be_read_only_once_are_all_sent() -> None:
    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        headers = ((name, b"1") for name in (b"content-length", b"x-own"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x"})

    app = Starlette(routes=[Mount("/plain", app=plain)])
    observed(app)
    response = await asked(app, "/plain/")
    assert response.headers["x-own"] == "1"
    assert response.headers["X-Correlation-ID"]


def test_a_websocket_is_accepted_with_headers_of_any_kind() -> None:
    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = None if scope["path"].endswith("none") else ((b"x-own", b"1") for _ in range(1))
        await send({"type": "websocket.accept", "headers": headers})
        await send({"type": "websocket.close"})

    app = Starlette(routes=[Mount("/plain", app=plain)])
    observed(app)
    for path, own in (("/plain/none", []), ("/plain/some", [(b"x-own", b"1")])):
        with TestClient(app).websocket_connect(path) as websocket:
            headers = list(websocket.extra_headers or ())
        assert [header for header in headers if header[0] == b"x-own"] == own


async def test_a_scope_that_no_server_sends_reaches_the_application() -> None:
    reached = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    from asgi_observability.instruments import Instruments
    from asgi_observability.middleware import ObservabilityMiddleware

    layer = ObservabilityMiddleware(application, Instruments())

    async def nothing(*_: Any) -> Any: ...

    for scope in ({"type": "http"}, {"type": "websocket"}, {"type": "http", "headers": [1]}):
        await layer(scope, nothing, nothing)
    assert len(reached) == 3


async def test_the_active_spans_trace_is_in_lines_and_exemplars(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Spans are real with the SDK only; its contexts and what makes one active are the API's.
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", sys.modules["opentelemetry.trace"])
    span = trace.NonRecordingSpan(
        trace.SpanContext(0x1234 << 112, 7, is_remote=False, trace_flags=trace.TraceFlags(1))
    )
    app = FastAPI()
    observed(app)

    class Traced:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            with trace.use_span(span):
                await self.app(scope, receive, send)

    app.add_middleware(Traced)

    @app.get("/broken")
    async def broken() -> None:
        get_logger("host").event(QuietRequest(method=GET, route=GET, status=200, duration_ms=1))
        raise RuntimeError("a bug")

    with captured_logs() as lines:
        await asked(app, "/broken")
    kinds = {line["event"] for line in lines if line.get("trace_id") == f"{0x1234 << 112:032x}"}
    assert kinds >= {"request", "unhandled_error"}
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    exposed = (await asked(app, "/metrics", headers=accept)).text
    assert f'trace_id="{0x1234 << 112:032x}"' in exposed


def test_a_websocket_is_watched_from_its_handshake_to_its_close_code() -> None:
    app = FastAPI()
    watched = observed(app)
    from fastapi import WebSocket

    @app.websocket("/rooms/{room}")
    async def room(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.send_text(correlation.current())
        await websocket.close(4001)

    with (
        captured_logs() as lines,
        TestClient(app).websocket_connect(
            "/rooms/1", headers={"X-Correlation-ID": "correlation-1"}
        ) as socket,
    ):
        accepted = dict(socket.extra_headers or [])
        socket.send_text("hello")
        assert (socket.receive_text(), socket.receive_text()) == ("hello", "correlation-1")
        assert socket.receive()["code"] == 4001
    assert accepted[b"x-correlation-id"] == b"correlation-1"
    value = watched.instruments.registry.get_sample_value
    labels = {"http_route": "/rooms/{room}", "close_code": "application"}
    assert value("websocket_connection_duration_seconds_count", labels) == 1
    for direction, number in (("received", 1), ("sent", 2)):
        labels = {"http_route": "/rooms/{room}", "direction": direction}
        assert value("websocket_messages_total", labels) == number
    opened, closed = lines
    assert (opened["event"], closed["event"]) == ("web_socket_opened", "web_socket_closed")
    assert closed["correlation_id"] == "correlation-1"
    assert (closed["received"], closed["sent"]) == (1, 2)


def test_a_websocket_nobody_accepts_is_refused() -> None:
    app = FastAPI()
    watched = observed(app)
    with pytest.raises(Exception), TestClient(app).websocket_connect("/nowhere"):  # noqa: B017, PT011
        pass
    labels = {"http_route": "unmatched", "close_code": "refused"}
    value = watched.instruments.registry.get_sample_value
    assert value("websocket_connection_duration_seconds_count", labels) == 1
