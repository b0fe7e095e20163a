"""A service whose clients leave and whose server stops: for `test_served`."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

import asgi_observability as obs

app = FastAPI()
obs.observe(app, service="served")


@app.get("/slow")
async def slow() -> str:
    """Longer than a client that is about to leave stays."""
    await asyncio.sleep(0.4)
    return "done"


@app.post("/reads")
async def reads(request: Request) -> int:
    """Needs all of the request's body."""
    return len(await request.body())


@app.get("/stream")
async def stream() -> StreamingResponse:
    """Goes on until its reader leaves."""

    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"data: x\n\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(parts(), media_type="text/event-stream")


@app.get("/never")
async def never() -> None:
    """Is still at work when the server has to stop."""
    await asyncio.Event().wait()
