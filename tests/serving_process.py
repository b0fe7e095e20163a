"""The application as its users run it: `python -m app` in a process of its own."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests import personal_data
from tests.free_port import free_port
from tests.programs import answers, running
from tests.project import ROOT


@asynccontextmanager
async def serving_process(
    log: Path,
    upstreams_url: str,
    database_url: str,
    *,
    workers: int = 1,
    port: int | None = None,
    **settings: str,
) -> AsyncIterator[httpx.AsyncClient]:
    """Start the service, give a client once it is healthy, and stop it gracefully."""
    port = port or free_port()
    environment = service_environment(
        upstreams_url, database_url, WORKERS=str(workers), PORT=str(port), **settings
    )
    personal_data.OUTPUTS.add(log)
    limits = httpx.Limits(max_connections=200)
    url = f"http://127.0.0.1:{port}"
    async with (
        # Closed last: a stream that is read is to see the end of the service.
        httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client,
        running([sys.executable, "-m", "app"], ROOT, log, environment) as process,
    ):
        await answers(process, client, "/health", log)
        yield client


def service_environment(upstreams_url: str, database_url: str, **settings: str) -> dict[str, str]:
    """The variables of a service whose upstreams are all at one address."""
    variables = {
        "DATABASE_URL": database_url,
        # No test may fail because the machine is slow.
        "DATABASE_TIMEOUT_SECONDS": "60",
        "COLLECTIONS_MONITOR_URL": upstreams_url,
        "SMS_AGENT_URL": upstreams_url,
        "NOTIFICATION_SERVICE_URL": upstreams_url,
        "AI_PROVIDER_URL": upstreams_url,
        "METRICS_ACCESS__OPEN_ON_LOOPBACK": "true",
        "METRICS_ACCESS__REQUESTS_PER_MINUTE": "100000",
        "LOGS__FOLDER": str(personal_data.LOG_FOLDER),
        **settings,
    }
    return {f"ORCHESTRATOR_{name}": value for name, value in variables.items()}
