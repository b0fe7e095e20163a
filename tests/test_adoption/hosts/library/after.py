"""A library with all that frameworks offer: mounts, sub-apps, middleware, WebSockets, spans."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.staticfiles import StaticFiles
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

import asgi_observability as obs

open_shelves: list[str] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open in the morning, close in the evening."""
    open_shelves.append("all")
    yield
    open_shelves.clear()


async def stamped(request: Request, further: Callable[[Request], Awaitable[Response]]) -> Response:
    """A middleware as tutorials write it, which knows the ID too."""
    response = await further(request)
    response.headers["X-Stamp"] = request.headers.get("X-Correlation-ID", "none")
    return response


async def reader(request: Request) -> PlainTextResponse:
    """A reader's page."""
    return PlainTextResponse(request.path_params["telephone"])


shelves = FastAPI()


@shelves.get("/books/{isbn}")
async def book(isbn: str) -> dict[str, str]:
    """One book."""
    return {"isbn": isbn}


app = FastAPI(lifespan=lifespan, root_path="/city")
obs.observe(app, service="library")
app.add_middleware(BaseHTTPMiddleware, dispatch=stamped)
app.add_middleware(GZipMiddleware, minimum_size=500)
app.add_middleware(CORSMiddleware, allow_origins=["*"])
router = APIRouter(prefix="/desks/{desk}")


@router.get("/queue")
async def queue(desk: int) -> dict[str, object]:
    """Who waits."""
    return {"desk": desk, "shelves": open_shelves, "long": "x" * 2000}


@router.get("/news")
async def news(desk: int) -> StreamingResponse:
    """A stream of three events."""

    async def events() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"data: %d\n\n" % number

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/")
async def home() -> str:
    """Is it up?"""
    return "library"


@app.websocket("/chat/{room}")
async def chat(socket: WebSocket, room: str) -> None:
    """Repeats what is said, and ends at a bye."""
    await socket.accept()
    while (said := await socket.receive_text()) != "bye":
        await socket.send_text(said)
    await socket.close(4000)


app.include_router(router)
app.mount("/shelves", shelves)
app.mount("/static", StaticFiles(directory=Path(__file__).parent))
readers = Starlette(routes=[Mount("/{telephone}", routes=[Route("/page", reader)])])
app.mount("/readers", readers)
FastAPIInstrumentor.instrument_app(app, tracer_provider=TracerProvider())
