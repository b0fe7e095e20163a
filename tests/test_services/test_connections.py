"""An operator who allows a replica so many connections to PostgreSQL sees no more of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.length import only_long
from tests.serving_process import serving_process
from tests.sms import sms
from tests.upstreams import ScriptedUpstreams

MESSAGES = 30


@asynccontextmanager
async def watched_connections(database_url: str) -> AsyncIterator[list[int]]:
    """How many connections to PostgreSQL there were, again and again."""
    other = await asyncpg.connect(database_url)
    opened: list[int] = []

    async def watch() -> None:
        while True:
            opened.append(
                await other.fetchval(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    # Not the server's own, which tidies up beside them.
                    " AND backend_type = 'client backend'"
                )
            )
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield opened
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await other.close()


# In the short form test_killed.py watches two workers.
@only_long
@pytest.mark.parametrize(("workers", "allowed"), [(1, 3), (2, 6)])
async def test_all_workers_and_both_stores_stay_within_what_is_allowed(
    postgresql_url: str,
    upstreams: ScriptedUpstreams,
    tmp_path: Path,
    workers: int,
    allowed: int,
) -> None:
    async def receive(client: httpx.AsyncClient, number: int) -> None:
        answer = await client.post("/orchestrate/sms-received", json=sms(number))
        assert answer.status_code == 200

    async def read(client: httpx.AsyncClient) -> None:
        answer = await client.get("/orchestrate/metrics")
        assert answer.status_code == 200

    limits = {
        "DATABASE_CONNECTIONS": str(allowed),
        # Waiting for a connection is no failure here, however slow the machine.
        "DATABASE_TIMEOUT_SECONDS": "60",
        "METRICS_ACCESS__CACHE_SECONDS": "0.000001",
    }
    log = tmp_path / "log"
    async with (
        serving_process(log, upstreams.url, postgresql_url, workers=workers, **limits) as client,
        watched_connections(postgresql_url) as opened,
    ):
        await asyncio.gather(
            *(receive(client, number) for number in range(MESSAGES)),
            *(read(client) for _ in range(10)),
        )
    assert workers <= max(opened) <= allowed
