"""Adopts the layer with whatever versions are installed, and looks at what it promised.

It is run in environments of their own, so it uses no test library and nothing else of this project.
"""

import asyncio
import contextlib
import io
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families as parsed
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

import asgi_observability as obs

COUNT = "http_server_request_duration_seconds_count"
SECRET = "+4915550100001"
began: list[str] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The service's own."""
    began.append("yes")
    yield


def nobody() -> None:
    """Lets nobody in where it says so."""
    raise HTTPException(403)


async def passed(request: Request, further: Callable[[Request], Awaitable[Response]]) -> Response:
    """A middleware of the service's own."""
    response = await further(request)
    response.headers["X-Seen"] = request.headers.get("X-Correlation-ID", "none")
    return response


router = APIRouter(prefix="/desks/{desk}")


@router.get("/items/{item}")
async def read(desk: int, item: str) -> dict[str, str]:
    """One item."""
    structlog.get_logger("floor").info("read %s", 3, number=5)
    return {"item": item}


@router.get("/closed", dependencies=[Depends(nobody)])
async def closed() -> None:
    """For nobody."""


@router.get("/stream")
async def stream(desk: int) -> StreamingResponse:
    """Two events."""

    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


async def broken() -> None:
    """A bug."""
    raise LookupError(f"nobody has {SECRET}")


async def repeat(socket: WebSocket) -> None:
    """Say it again."""
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


def service() -> tuple[FastAPI, "obs.Watched"]:
    """The service, adopted."""
    app = FastAPI(lifespan=lifespan)
    app.add_middleware(BaseHTTPMiddleware, dispatch=passed)
    watched = obs.observe(app, service="floor", logs=obs.LogOptions(structlog=True))
    sub = FastAPI()
    sub.include_router(router)
    app.include_router(router)
    app.mount("/sub", sub)
    app.get("/broken")(broken)
    app.websocket("/repeat/{room}")(repeat)
    return app, watched


def main() -> None:
    """AssertionError where something doesn't hold; else prints the versions."""
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(printed):
        exposed, seen = asyncio.run(asyncio.to_thread(used))
        from asgi_observability.logging import flush

        assert flush()
    counted: dict[tuple[str, str], float] = {}
    other: dict[str, float] = {}
    for family in parsed(exposed):
        for sample in family.samples:
            if sample.name == COUNT:
                labels = sample.labels
                key = (labels["http_route"], labels["http_response_status_code"])
                counted[key] = counted.get(key, 0) + sample.value
            else:
                other[sample.name] = other.get(sample.name, 0) + sample.value
    asked = {
        ("/desks/{desk}/items/{item}", "200"): 3,
        ("/sub/desks/{desk}/items/{item}", "200"): 3,
        ("/desks/{desk}/closed", "403"): 1,
        ("/desks/{desk}/stream", "200"): 2,
        ("/broken", "500"): 1,
        ("unmatched", "404"): 1,
    }
    found = {key: value for key, value in counted.items() if value and key[0] != "/metrics"}
    assert found == asked, found
    assert other["http_server_stream_duration_seconds_count"] == 2
    assert other["operation_duration_seconds_count"] == 2
    assert other["sold_total"] == 2
    printed.seek(0)
    lines = [json.loads(line) for line in printed.read().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert {line["correlation_id"] for line in requests} >= set(seen)
    assert sum(line["event"] == "read 3" for line in lines) == 6, lines
    assert SECRET not in json.dumps(lines)
    assert any(line["event"] == "unhandled_error" for line in lines)
    print("holds on Python", sys.version.split()[0])


def used() -> tuple[str, list[str]]:
    """Use the service; gives what a scrape says and the IDs that were sent back."""
    app, watched = service()
    sold = watched.counter("sold_total", "Things sold.", kind=["paper", "mail"])
    seen = []
    with TestClient(app, raise_server_exceptions=False) as client:
        for number in range(3):
            for path in (f"/desks/1/items/{number}", f"/sub/desks/1/items/{number}"):
                answer = client.get(path)
                assert answer.status_code == 200, answer.text
                assert answer.headers["X-Seen"] == answer.headers["X-Correlation-ID"]
                seen.append(answer.headers["X-Correlation-ID"])
        assert client.get("/desks/1/closed").status_code == 403
        assert client.get("/broken").status_code == 500
        assert client.get("/nowhere").status_code == 404
        for _ in range(2):
            assert client.get("/desks/1/stream").text.count("data:") == 2
            with watched.time("bank", "charge"):
                sold.inc(kind="paper")
        with client.websocket_connect("/repeat/garden") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "hello"
        assert began == ["yes"]
        return client.get("/metrics").text, seen


if __name__ == "__main__":
    main()
