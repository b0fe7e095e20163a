"""The layer around the application: every request counted once, as what it was."""

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.core import catalogue
from app.core.instrumentation import orchestrator_instruments
from asgi_observability import correlation
from asgi_observability.middleware import ObservabilityMiddleware
from tests.captured_logs import captured_logs


@pytest.fixture
def tiny() -> FastAPI:
    """An application with routes in every place where one can be."""
    app = FastAPI()
    router = APIRouter(prefix="/orders")
    mounted = FastAPI()

    @router.get("/{order_id}")
    async def order(order_id: int) -> dict[str, str]:
        return {"id": correlation.current()}

    @router.get("/{order_id}/broken")
    async def broken(order_id: int) -> None:
        raise RuntimeError("a bug")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                await asyncio.sleep(0.02)
                yield b"chunk"

        return StreamingResponse(chunks())

    @app.get("/breaks")
    async def breaks() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"chunk"
            raise RuntimeError("a bug")

        return StreamingResponse(chunks())

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> None:
        async def work() -> None:
            app.state.recorded_before = app.state.layer.requests("/background", 200)

        tasks.add_task(work)

    @app.get("/waits")
    async def waits(request: Request) -> None:
        request.app.state.waiting.set()
        await asyncio.Event().wait()

    @mounted.get("/items/{item}")
    async def item(item: str) -> None:
        return None

    app.include_router(router)
    nested = APIRouter(prefix="/v1")
    nested.include_router(router, prefix="/shop")
    app.include_router(nested)
    app.mount("/mounted", mounted)
    app.state.waiting = asyncio.Event()
    return app


def a_get(path: str) -> Scope:
    """A request as a server hands it over."""
    given = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode()}
    return {**given, "query_string": b"", "headers": [], "root_path": "", "scheme": "http"}


class Layer:
    """The tiny application within the layer, and what the layer counted."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.instruments = orchestrator_instruments()
        asgi = ObservabilityMiddleware(app, self.instruments)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(asgi, raise_app_exceptions=False), base_url="http://t"
        )
        self.raising_client = httpx.AsyncClient(
            transport=httpx.ASGITransport(asgi), base_url="http://t"
        )

    def requests(self, route: str, status: int) -> float | None:
        return self.instruments.registry.get_sample_value(
            catalogue.HTTP_SERVER_REQUEST_DURATION.count,
            {
                "http_request_method": "GET",
                "http_route": route,
                "http_response_status_code": str(status),
            },
        )

    def seconds(self, route: str) -> float | None:
        return self.instruments.registry.get_sample_value(
            catalogue.HTTP_SERVER_REQUEST_DURATION.sum,
            {
                "http_request_method": "GET",
                "http_route": route,
                "http_response_status_code": "200",
            },
        )

    def stream_seconds(self, route: str, outcome: str) -> float | None:
        return self.instruments.registry.get_sample_value(
            catalogue.HTTP_SERVER_STREAM_DURATION.sum, {"http_route": route, "outcome": outcome}
        )

    @property
    def active(self) -> float | None:
        self.instruments.sample()
        name = catalogue.HTTP_SERVER_ACTIVE_REQUESTS.name
        return self.instruments.registry.get_sample_value(name)


@pytest.fixture
async def layer(tiny: FastAPI) -> AsyncIterator[Layer]:
    layer = Layer(tiny)
    async with layer.client, layer.raising_client:
        yield layer


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/orders/1", "/orders/{order_id}", 200),
        ("/orders/x", "/orders/{order_id}", 422),
        ("/v1/shop/orders/1", "/v1/shop/orders/{order_id}", 200),
        ("/mounted/items/x", "/mounted/items/{item}", 200),
        ("/nowhere", "unmatched", 404),
        ("/orders/1/broken", "/orders/{order_id}/broken", 500),
    ],
)
async def test_the_route_template_is_whole(
    layer: Layer, path: str, route: str, status: int
) -> None:
    assert (await layer.client.get(path)).status_code == status
    assert layer.requests(route, status) == 1
    assert layer.active == 0


async def test_a_stream_answers_with_its_first_chunk_and_lasts_until_its_last(
    layer: Layer,
) -> None:
    assert (await layer.client.get("/stream")).text == "chunk" * 3
    assert layer.requests("/stream", 200) == 1
    first_chunk, rest = layer.seconds("/stream"), layer.stream_seconds("/stream", "success")
    assert first_chunk is not None
    assert rest is not None
    # Two waits of 20 ms lie between the first chunk and the last.
    assert rest >= 0.04
    assert layer.stream_seconds("/stream", "cancelled") is None


async def test_background_tasks_take_no_part_in_the_latency(layer: Layer) -> None:
    layer.app.state.layer = layer
    assert (await layer.client.get("/background")).status_code == 200
    assert layer.app.state.recorded_before == 1


async def test_a_stream_that_breaks_is_an_error_of_the_stream(layer: Layer) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        await layer.raising_client.get("/breaks")
    assert layer.requests("/breaks", 200) == 1
    assert layer.stream_seconds("/breaks", "error") is not None


async def test_a_request_that_the_server_gives_up_to_stop_is_not_its_clients(layer: Layer) -> None:
    task = asyncio.create_task(layer.client.get("/waits"))
    await layer.app.state.waiting.wait()
    assert layer.active == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert layer.requests("/waits", 503) == 1
    assert layer.active == 0


async def test_a_correlation_id_is_kept_or_made(layer: Layer) -> None:
    kept = await layer.client.get("/orders/1", headers={"X-Correlation-ID": "abc-123_X.9"})
    assert kept.headers["X-Correlation-ID"] == kept.json()["id"] == "abc-123_X.9"
    made = await layer.client.get("/orders/1")
    other = await layer.client.get("/orders/1")
    assert len(made.headers["X-Correlation-ID"]) >= 32
    assert made.headers["X-Correlation-ID"] != other.headers["X-Correlation-ID"]


@pytest.mark.parametrize(
    "hostile", ["short", "a" * 65, "has space in", "emoji-\xe9\xe9\xe9", "a;b=c;d=e"]
)
async def test_a_hostile_correlation_id_is_replaced(layer: Layer, hostile: str) -> None:
    headers = {"X-Correlation-ID": hostile.encode("latin-1")}
    response = await layer.client.get("/orders/1", headers=headers)
    assert response.headers["X-Correlation-ID"] != hostile


def refused(layer: Layer, header: str) -> float | None:
    name = catalogue.HTTP_SERVER_HEADERS_REFUSED.name
    return layer.instruments.registry.get_sample_value(name, {"header": header})


async def test_what_is_replaced_is_counted(layer: Layer) -> None:
    for headers in (
        {"X-Correlation-ID": "15550100001"},
        {"X-Correlation-ID": "a" * 5000, "X-Request-ID": "b" * 5000},
        {"traceparent": "00-0-0-0", "tracestate": "\x7f"},
    ):
        await layer.client.get("/orders/1", headers=headers)
    assert [refused(layer, header) for header in ("x_correlation_id", "x_request_id")] == [2, 1]
    assert [refused(layer, header) for header in ("traceparent", "tracestate")] == [1, 1]


async def test_the_request_id_is_good_as_well(layer: Layer) -> None:
    both = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"}
    answer = await layer.client.get("/orders/1", headers=both)
    assert answer.headers["X-Correlation-ID"] == "correlation-1"
    del both["X-Correlation-ID"]
    answer = await layer.client.get("/orders/1", headers=both)
    assert answer.headers["X-Correlation-ID"] == answer.json()["id"] == "request-1"
    hostile = {"X-Request-ID": "request-2", "X-Correlation-ID": "a b"}
    answer = await layer.client.get("/orders/1", headers=hostile)
    assert answer.headers["X-Correlation-ID"] == "request-2"


async def test_an_invented_method_is_not_logged(layer: Layer) -> None:
    with captured_logs() as lines:
        await layer.client.request("CALL-15550100001", "/orders/1")
    assert [line["method"] for line in lines if line["event"] == "request"] == ["other"]


async def test_an_unhandled_error_carries_the_correlation_id(layer: Layer) -> None:
    headers = {"X-Correlation-ID": "correlation-1"}
    response = await layer.client.get("/orders/1/broken", headers=headers)
    assert response.status_code == 500
    assert response.headers["X-Correlation-ID"] == "correlation-1"


async def test_a_broken_instrument_does_not_break_the_request(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken instrument")

    monkeypatch.setattr("asgi_observability.routes.Routes.template", broken)
    logging.getLogger("access").setLevel(logging.INFO)
    assert (await layer.client.get("/orders/1")).status_code == 200
    errors = layer.instruments.registry.get_sample_value(catalogue.INSTRUMENTATION_ERRORS.name)
    assert errors == 1


@pytest.mark.parametrize("refused", ["http.response.start", "http.response.body"])
async def test_a_server_that_refuses_a_part_of_the_response_says_that_the_client_left(
    tiny: FastAPI, refused: str
) -> None:
    instruments = orchestrator_instruments()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == refused:
            raise ConnectionResetError

    with captured_logs() as lines, pytest.raises(ConnectionResetError):
        await ObservabilityMiddleware(tiny, instruments)(a_get("/orders/1"), receive, send)
    assert [(line["event"], line.get("status")) for line in lines] == [("request", 499)]


async def test_an_error_of_the_applications_own_is_not_the_clients(tiny: FastAPI) -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("the client stays")

    async def send(message: Message) -> None:
        return None

    async def fails_halfway(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ConnectionRefusedError

    layer = ObservabilityMiddleware(fails_halfway, orchestrator_instruments())
    with captured_logs() as lines, pytest.raises(ConnectionRefusedError):
        await layer(a_get("/"), receive, send)
    assert [line["event"] for line in lines] == ["unhandled_error", "request"]
    assert lines[1]["status"] == 500


async def test_a_body_that_is_read_after_the_answer_is_all_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("asgi_observability.exchange.PATIENCE_SECONDS", -1.0)
    sent = [{"type": "http.request", "body": b"%d" % part, "more_body": True} for part in range(3)]
    coming, read = iter(sent), []

    async def receive() -> Message:
        return next(coming)

    async def send(message: Message) -> None:
        return None

    async def answers_first(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        read.extend([await receive() for _ in sent])

    await ObservabilityMiddleware(answers_first, orchestrator_instruments())(
        a_get("/"), receive, send
    )
    assert read == sent
