"""What each kind of SMS sends to its database: statements, those around them, round trips."""

import tempfile
from pathlib import Path

import httpx

from app.core.config import Calls, MetricsAccess, Settings
from app.main import create_app
from asgi_observability import logging as logs
from asgi_observability.resource import Resource
from tests.bench.databases import new_databases
from tests.statements import KINDS, cost_of_an_sms, watch
from tests.upstreams import ScriptedUpstreams, serving


async def run() -> None:
    """Print the counts on each kind of database."""
    logs.configure_logging(
        Resource("bench", environment="test"), logs.LogOptions(level="error", stdout="off")
    )
    print(f"{'':32} {'statements':>10} {'BEGIN etc.':>10} {'together':>8} {'round trips':>11}")
    with tempfile.TemporaryDirectory() as folder:
        async with new_databases(Path(folder)) as urls:
            for database, url in urls.items():
                await _print_costs(database, url)


async def _print_costs(database: str, url: str) -> None:
    upstreams = ScriptedUpstreams()
    async with serving(upstreams.app()) as upstreams_url:
        settings = Settings(
            database_url=url,
            collections_monitor_url=upstreams_url,
            sms_agent_url=upstreams_url,
            notification_service_url=upstreams_url,
            ai_provider_url=upstreams_url,
            metrics_access=MetricsAccess(open_on_loopback=True),
            calls=Calls(retry_waits_seconds=(0, 0, 0)),
        )
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://orchestrator") as client,
        ):
            orchestrator = app.state.orchestrator
            watch(orchestrator.database.engine)
            # Connections are opened, and statements prepared, beside what is counted.
            for number, kind in enumerate(KINDS):
                await cost_of_an_sms(orchestrator, client, upstreams, kind, number)
            for number, kind in enumerate(KINDS, len(KINDS)):
                sent = await cost_of_an_sms(orchestrator, client, upstreams, kind, number)
                # SQLite has no server that could be waited for.
                round_trips = "" if database == "sqlite" else str(sent.round_trips)
                print(
                    f"{f'{database}: {kind}':32} {len(sent.statements):>10}"
                    f" {len(sent.around):>10} {sent.total:>8} {round_trips:>11}"
                )
