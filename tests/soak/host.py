"""A service that writes its logs into files and has several workers, on a clock that is set."""
# ruff: noqa: E402

import os
import time
from pathlib import Path

CLOCK = Path(os.environ["SOAK_CLOCK"])
_true_time = time.time


def _set_time() -> float:
    return _true_time() + float(CLOCK.read_text())


# Before anything else takes it: only the machine's owner could set the real one.
time.time = _set_time

from fastapi import FastAPI
from starlette.responses import StreamingResponse

import asgi_observability as obs

app = FastAPI()
watched = obs.observe(
    app,
    service="soaked",
    logs=obs.LogOptions(folder=Path(os.environ["SOAK_LOGS"]), stdout="off", replace_handlers=True),
    workers_dir=Path(os.environ["SOAK_WORKERS"]),
)
done = watched.counter("soaked_done_total", "Things that were done.", kind=["a", "b"])


@app.get("/things/{number}")
async def thing(number: int) -> dict[str, int]:
    """One thing."""
    with watched.time("store", "read"):
        done.inc(kind="a" if number % 2 else "b")
    return {"number": number}


@app.get("/slow")
def slow() -> str:
    """In a thread."""
    return "slow"


@app.get("/broken")
async def broken() -> None:
    """A bug."""
    raise LookupError("nothing there")


@app.get("/stream")
async def stream() -> StreamingResponse:
    """Three parts."""

    async def parts():  # type: ignore[no-untyped-def]
        for _ in range(3):
            yield b"data: x\n\n"

    return StreamingResponse(parts(), media_type="text/event-stream")
