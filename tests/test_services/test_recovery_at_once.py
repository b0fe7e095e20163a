"""Two managers ask at the same moment that what failed be run again."""

import asyncio
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, select, text

from app.assembly import Orchestrator
from app.models import WorkflowInstance, WorkflowStatus, now
from app.services.inserts import inserted
from tests.waiting import eventually

MIDDLE = "workflow-2"
AS_THEY_LIE = "SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_seqscan = on"
OLDEST_FIRST = "SET enable_indexscan = on; SET enable_bitmapscan = off; SET enable_seqscan = off"
"""How PostgreSQL goes through the rows; it chooses by their number, and so changes its mind."""

_order: ContextVar[str | None] = ContextVar("_order", default=None)


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    """SQLite has one writer at a time."""
    return postgresql_url


def _choose_orders(orchestrator: Orchestrator) -> None:
    """Let each request go through the rows in the order that its task has set."""

    @event.listens_for(orchestrator.database.engine.sync_engine, "checkout")
    def lent(adapter: Any, *_: Any) -> None:
        if order := _order.get():
            adapter.run_async(lambda driver: driver.execute(order))


async def _store_failed(orchestrator: Orchestrator) -> None:
    """Three that failed, the newest first: the two orders are opposite."""
    async with orchestrator.database.writing() as session:
        for number in (1, 2, 3):
            workflow = WorkflowInstance(
                id=f"workflow-{number}",
                message_key=f"key-{number}",
                conversation_id=f"conversation-{number}",
                tenant_id=f"tenant-{number}",
                phone_number=f"+1555{number:07}",
                content="Hello",
                correlation_id="",
                status=WorkflowStatus.FAILED,
                updated_at=now() - timedelta(minutes=number),
            )
            await session.execute(inserted(workflow))


async def test_two_who_ask_at_once_that_all_be_run_again_are_both_answered(
    client: httpx.AsyncClient, orchestrator: Orchestrator
) -> None:
    """Whatever the order in which each goes through the rows, neither waits for ever."""
    _choose_orders(orchestrator)
    await _store_failed(orchestrator)
    body = {"since": (now() - timedelta(hours=1)).isoformat()}

    async def ask(order: str) -> httpx.Response:
        _order.set(order)
        return await client.post("/orchestrate/retry-failed", json=body)

    async def both_wait() -> bool:
        async with orchestrator.database.reading() as session:
            waiting = await session.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            )
        return waiting == 2

    async with orchestrator.database.writing() as session:
        # Each gets as far as this row; the one has then what the other will want next.
        await session.execute(
            select(WorkflowInstance.id).where(WorkflowInstance.id == MIDDLE).with_for_update()
        )
        asking = [asyncio.create_task(ask(order)) for order in (AS_THEY_LIE, OLDEST_FIRST)]
        await eventually(both_wait)
    answers = await asyncio.gather(*asking)
    assert [answer.status_code for answer in answers] == [202, 202], [a.text for a in answers]
    assert 3 in [answer.json()["requested"] for answer in answers]
