"""`kill -9` while tenants text: what the endpoint counts is what the tables hold, each time."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import func, select

from app.core import catalogue
from app.core.database import Database
from app.models import EscalationEvent, PaymentPlanAttempt, WorkflowInstance, WorkflowStatus
from tests.exposed import summed
from tests.length import LONG, only_long
from tests.serving_process import serving_process
from tests.sms import sms
from tests.test_services.test_exactness import (
    AFTER_A_RESTART,
    CONNECTIONS,
    MESSAGES,
    count_exactly,
    send,
    zone_where_it_is_noon,
)
from tests.test_services.test_exactness import SEVERAL as WORKERS
from tests.test_services.test_rollups.conftest import database_at
from tests.test_services.test_workers import CLOSED, workers
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually, until

KILLS = 50 if LONG else 1
AT_A_TIME, PAUSE_SECONDS = (20, 0) if LONG else (4, 0.2)
TEXTS = ("When is my rent due?", "Can I pay 200 a week for 8 weeks?", "You idiots!")
MEASURES = {
    "received": "sms.received",
    "processed": "sms.processed",
    "failed": "sms.failed",
    "escalated": "escalations.opened",
    "plans": "payment_plans.found",
}


@dataclass
class Load:
    """Tenants that text until they are told to stop, whatever they are answered."""

    client: httpx.AsyncClient
    sent: int = 0
    stopped: bool = False

    async def text(self) -> None:
        """One tenant after the other."""
        while not self.stopped:
            self.sent += 1
            body = sms(self.sent, TEXTS[self.sent % len(TEXTS)])
            with suppress(httpx.TransportError):
                await self.client.post("/orchestrate/sms-received", json=body)
            # The worker that takes the killed one's place needs the processors as well.
            await asyncio.sleep(PAUSE_SECONDS)


async def held(database: Database) -> dict[str, int]:
    """What the tables hold."""
    statuses = select(WorkflowInstance.status, func.count()).group_by(WorkflowInstance.status)
    async with database.snapshot() as session:
        by_status = {row[0]: int(row[1]) for row in await session.execute(statuses)}
        escalations = await session.scalar(select(func.count()).select_from(EscalationEvent))
        plans = await session.scalar(select(func.count()).select_from(PaymentPlanAttempt))
    total = sum(by_status.values())
    return {
        "received": total,
        "processed": total - by_status.get(WorkflowStatus.PROCESSING, 0),
        "failed": by_status.get(WorkflowStatus.FAILED, 0),
        "escalated": escalations or 0,
        "plans": plans or 0,
    }


async def counted(client: httpx.AsyncClient) -> dict[str, int]:
    """What the endpoint says of the same."""
    asked = {"metrics": ",".join(MEASURES.values()), "from": "-1d", "to": "now"}
    answer = await client.get("/orchestrate/metrics", params=asked)
    assert answer.is_success, answer.text
    said = {
        each["measure"]: each["values"][0]["value"] for each in answer.json()["range"]["measures"]
    }
    return {name: said[measure] for name, measure in MEASURES.items()}


async def compared(
    database: Database, client: httpx.AsyncClient
) -> tuple[dict[str, int], dict[str, int]]:
    """Tables and endpoint, of one moment: what a killed process left may still be committed."""
    while True:
        before = await held(database)
        said = await counted(client)
        if await held(database) == before:
            return before, said


@pytest.mark.parametrize(
    "database_url",
    # A killed worker's counts on SQLite: test_rollups/test_processes.py.
    [pytest.param("sqlite", marks=only_long), "postgresql"],
    indirect=True,
)
async def test_no_kill_loses_a_count_or_counts_twice_and_a_restart_keeps_them(
    tmp_path: Path, database_url: str, upstreams: ScriptedUpstreams
) -> None:
    """What was sent is counted, and from the first kill on what the tables hold."""
    chosen = random.Random(5)
    log = tmp_path / "app.log"
    settings = {
        "DATABASE_CONNECTIONS": str(CONNECTIONS),
        "METRICS_ACCESS__CACHE_SECONDS": "0.000001",
        "TIMEZONE": zone_where_it_is_noon(),
    }
    database = database_at(database_url, pool_size=1)
    async with serving_process(
        log, upstreams.url, database_url, workers=WORKERS, **settings
    ) as client:
        await count_exactly(client, database_url, WORKERS)
        load = Load(client, sent=MESSAGES)

        async def all_workers_show() -> bool:
            state = catalogue.CIRCUIT_BREAKER_STATE.name
            return await summed(client, state, **CLOSED) == len(workers()) == WORKERS

        await eventually(all_workers_show)
        for _ in range(KILLS):
            load.stopped, sent = False, load.sent
            tenants = [asyncio.create_task(load.text()) for _ in range(AT_A_TIME)]
            more = chosen.randrange(AT_A_TIME, 5 * AT_A_TIME)
            await until(lambda: load.sent >= sent + more, 300)  # noqa: B023 - asked at once
            cpu = await summed(client, catalogue.PROCESS_CPU.name)
            psutil.Process(chosen.choice(sorted(workers()))).kill()
            await until(lambda: len(workers()) == WORKERS, 300)
            load.stopped = True
            await asyncio.gather(*tenants)
            in_tables, said = await compared(database, client)
            assert said == in_tables
            # The dead one's gauges are not added to the living ones'; what it has used stays.
            await eventually(all_workers_show)
            assert await summed(client, catalogue.PROCESS_CPU.name) >= cpu
        print(f"{KILLS} kills, {load.sent} texts sent: {said}")
    async with serving_process(log, upstreams.url, database_url, **settings) as client:
        assert await compared(database, client) == (in_tables, said)
        await send(client, load.sent + 1, AFTER_A_RESTART)
        in_tables, said = await compared(database, client)
        assert said == in_tables
        assert said["received"] >= MESSAGES + AFTER_A_RESTART
    await database.close()
    assert "Shutting down" in log.read_text()
    assert "Traceback" not in log.read_text()
