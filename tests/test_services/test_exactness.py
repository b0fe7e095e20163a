"""`GET /orchestrate/metrics` and `/metrics` equal what was sent, to the message."""

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core import catalogue
from tests.exposed import summed
from tests.length import LONG, only_long
from tests.serving_process import serving_process
from tests.sms import sms
from tests.test_services.test_connections import watched_connections
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually

MESSAGES, AFTER_A_RESTART = (1000, 100) if LONG else (50, 10)
AT_A_TIME = 50
SEVERAL = 4 if LONG else 2
"""Workers."""
CONNECTIONS = 3 * SEVERAL
"""To PostgreSQL, of all workers and both stores: as many as they are allowed."""


async def send(client: httpx.AsyncClient, start: int, count: int) -> None:
    """Send ``count`` messages, 50 at a time; every tenth proposes a plan, every 25th is hostile."""
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int) -> None:
        content = f"Message {number}"
        if number % 10 == 0:
            content = "Can I pay 200 a week for 8 weeks?"
        elif number % 25 == 1:
            content = "You idiots!"
        async with places:
            response = await client.post("/orchestrate/sms-received", json=sms(number, content))
        assert response.status_code == 200, response.text
        assert response.json()["status"] in ("sent", "escalated"), response.text

    await asyncio.gather(*(one(number) for number in range(start, start + count)))


async def settled(client: httpx.AsyncClient, total: int) -> dict[str, Any]:
    """The endpoint's last answer, once it says ``total`` or the workers have had time to flush."""
    answer: dict[str, Any] = {}

    async def says_it_all() -> bool:
        said = (await client.get("/orchestrate/metrics")).json()
        answer.update({section: said[section] for section in ("last_hour", "today")})
        answered_in = answer["last_hour"].pop("avg_response_time_ms")
        return answer == expected(total) and answered_in > 0

    with suppress(AssertionError):
        await eventually(says_it_all)
    return answer


async def exposed(client: httpx.AsyncClient, series: str, total: int) -> None:
    """Wait until the exposition says ``total``: of other workers it knows their last snapshot."""
    said: list[float] = []

    async def says_it_all() -> bool:
        said.append(await summed(client, series))
        return said[-1] == total

    with suppress(AssertionError):
        await eventually(says_it_all)
    assert said[-1] == total, series


def expected(total: int) -> dict[str, dict[str, float]]:
    hostile = len([n for n in range(total) if n % 10 and n % 25 == 1])
    return {
        "last_hour": {
            "sms_received": total,
            "ai_responses": total,
            "auto_approval_rate": round((total - hostile) / total, 4),
        },
        "today": {
            "total_messages": total,
            "escalations": hostile,
            "payment_plans": len(range(0, total, 10)),
        },
    }


async def count_exactly(client: httpx.AsyncClient, database_url: str, workers: int) -> None:
    """MESSAGES are sent to a new service, and told by all that it says of them.

    It opens no more connections to PostgreSQL than it may.
    """
    async with AsyncExitStack() as watching:
        opened: list[int] = []
        if database_url.startswith("postgresql"):
            opened = await watching.enter_async_context(watched_connections(database_url))
        await send(client, 0, MESSAGES)
        assert not opened or workers <= max(opened) <= CONNECTIONS
    assert await settled(client, MESSAGES) == expected(MESSAGES)
    for series in (
        catalogue.SMS_RECEIVED.name,
        catalogue.SMS_PROCESSING_DURATION.count,
        catalogue.AI_RESPONSES.name,
    ):
        await exposed(client, series, MESSAGES)


# In the short form several workers on PostgreSQL do it in test_killed.py, before one is killed.
@only_long
@pytest.mark.parametrize(
    ("database_url", "workers"),
    [
        ("sqlite", 1),
        ("sqlite", SEVERAL),
        ("postgresql", 1),
        ("postgresql", SEVERAL),
    ],
    indirect=["database_url"],
)
async def test_messages_are_counted_exactly_and_a_restart_keeps_them(
    tmp_path: Path, database_url: str, upstreams: ScriptedUpstreams, workers: int
) -> None:
    log = tmp_path / "app.log"
    zone = {"TIMEZONE": zone_where_it_is_noon()}
    limit = {"DATABASE_CONNECTIONS": str(CONNECTIONS), **zone}
    async with serving_process(
        log, upstreams.url, database_url, workers=workers, **limit
    ) as client:
        await count_exactly(client, database_url, workers)
    async with serving_process(log, upstreams.url, database_url, workers=workers, **zone) as client:
        assert await settled(client, MESSAGES) == expected(MESSAGES)
        await send(client, MESSAGES, AFTER_A_RESTART)
        total = MESSAGES + AFTER_A_RESTART
        assert await settled(client, total) == expected(total)
    said = log.read_text()
    assert "Shutting down" in said
    assert "Traceback" not in said


def zone_where_it_is_noon() -> str:
    """A time zone in which no midnight is near, so that "today" does not change in the test."""
    offset = 12 - datetime.now(UTC).hour
    # The names of these zones have their sign the other way round.
    return f"Etc/GMT{-offset:+d}" if offset else "UTC"
