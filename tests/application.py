"""An application with settings of its own, and a client that may be on another machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from app.assembly import Orchestrator
from app.core.config import Settings
from app.core.instrumentation import orchestrator_observability
from app.main import create_app, observed
from tests.upstreams import serving


@asynccontextmanager
async def application(
    settings: Settings, address: str = "10.0.0.9"
) -> AsyncIterator[tuple[httpx.AsyncClient, Orchestrator]]:
    """A client at ``address``, and the parts behind the API."""
    observability = orchestrator_observability()
    app = create_app(settings, observability)
    transport = httpx.ASGITransport(observed(app, observability), client=(address, 40000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://o") as client,
    ):
        yield client, app.state.orchestrator


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application over real HTTP; it runs in this process, so that it is cheap."""
    observability = orchestrator_observability()
    app = create_app(settings, observability)
    async with (
        app.router.lifespan_context(app),
        serving(observed(app, observability)) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        yield client
