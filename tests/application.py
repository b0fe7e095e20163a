"""An application with settings of its own, and a client that may be on another machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from app.assembly import Orchestrator
from app.core.config import Settings
from app.main import create_app


@asynccontextmanager
async def application(
    settings: Settings, address: str = "10.0.0.9"
) -> AsyncIterator[tuple[httpx.AsyncClient, Orchestrator]]:
    """A client at ``address``, and the parts behind the API."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app, client=(address, 40000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://o") as client,
    ):
        yield client, app.state.orchestrator
