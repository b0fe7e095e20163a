"""The sweep and the backlog: each thing once, over all workers, and never an end."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select, text, update

from app.assembly import Orchestrator
from app.core.catalogue import Severity
from app.models import (
    EscalationEvent,
    QueuedResponse,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from app.services.backlog import Backlog
from asgi_observability.observability import Observability
from tests.exposed import summed
from tests.not_empty import not_empty
from tests.sms import SMS, sms
from tests.upstreams import ScriptedUpstreams
from tests.waiting import until

TWO_DAYS = timedelta(days=2)


async def _receive(client: httpx.AsyncClient, *numbers: int) -> None:
    for number in not_empty(numbers):
        answer = await client.post("/orchestrate/sms-received", json=sms(number))
        assert answer.status_code == 200, answer.text


async def _age(orchestrator: Orchestrator, by: timedelta) -> None:
    async with orchestrator.database.writing() as session:
        await session.execute(update(WorkflowInstance).values(updated_at=now() - by))
        await session.execute(update(QueuedResponse).values(created_at=now() - by))


async def test_several_sweeps_at_once_tell_the_managers_once(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    upstreams.confidence = 0.7
    upstreams.fail("notifications", 400)
    await _receive(client, 1)
    await until(lambda: len(upstreams.notifications) == 1)
    await orchestrator.sweep._announcements.drain(60)
    async with orchestrator.database.writing() as session:
        await session.execute(
            update(QueuedResponse).values(created_at=now() - timedelta(minutes=2))
        )
    await asyncio.gather(*(orchestrator.sweep.sweep() for _ in range(4)))
    assert len(upstreams.notifications) == 2


async def test_several_sweeps_at_once_escalate_each_conversation_once(
    client: httpx.AsyncClient, orchestrator: Orchestrator
) -> None:
    await _receive(client, *range(1, 8))
    await _age(orchestrator, TWO_DAYS)
    await asyncio.gather(*(orchestrator.sweep.sweep() for _ in range(4)))
    await orchestrator.sweep.sweep()
    async with orchestrator.database.reading() as session:
        conversations = (await session.scalars(select(EscalationEvent.conversation_id))).all()
    assert sorted(conversations) == [f"conversation-{number}" for number in range(1, 8)]


async def test_what_was_answered_just_now_is_not_overdue(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    """The manager approves while the sweep has the response on its list."""
    upstreams.confidence = 0.7
    await _receive(client, 1)
    await _age(orchestrator, TWO_DAYS)
    report = (await client.get("/orchestrate/workflow/conversation-1/status")).json()
    body = {"response_queue_id": report["response_queue_id"], "action": "approve"}
    approved, _ = await asyncio.gather(
        client.post("/orchestrate/approve-response", json=body | {"manager_id": "m1"}),
        orchestrator.sweep.sweep(),
    )
    after = (await client.get("/orchestrate/workflow/conversation-1/status")).json()
    assert after["status"] == ("sent" if approved.status_code == 200 else "escalated")
    assert len(upstreams.sent) == (1 if approved.status_code == 200 else 0)


async def test_all_sweeps_together_escalate_not_more_than_the_settings_allow_a_minute(
    client: httpx.AsyncClient, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestrator.escalations, "_per_minute", 3)
    await _receive(client, *range(1, 8))
    await _age(orchestrator, TWO_DAYS)
    await asyncio.gather(*(orchestrator.sweep.sweep() for _ in range(4)))
    async with orchestrator.database.writing() as session:
        assert await session.scalar(select(func.count()).select_from(EscalationEvent)) == 3
        minute_ago = now() - timedelta(seconds=61)
        await session.execute(update(EscalationEvent).values(created_at=minute_ago))
    await orchestrator.sweep.sweep()
    async with orchestrator.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(EscalationEvent)) == 6


async def test_a_row_that_nobody_can_read_hides_no_other(
    client: httpx.AsyncClient,
    orchestrator: Orchestrator,
    upstreams: ScriptedUpstreams,
    observability: Observability,
) -> None:
    await _receive(client, 1, 2)
    upstreams.confidence = 0.1
    await _receive(client, 3, 4)
    await _age(orchestrator, TWO_DAYS)
    async with orchestrator.database.writing() as session:
        await session.execute(
            text("UPDATE workflow_instances SET route = 'by_pigeon' WHERE tenant_id = 'tenant-1'")
        )
        await session.execute(
            text(
                "UPDATE escalation_events SET severity = 'apocalyptic', type = 'flood' "
                "WHERE conversation_id = 'conversation-3'"
            )
        )
    await orchestrator.sweep.sweep()
    async with orchestrator.database.reading() as session:
        escalated = await session.scalars(
            select(WorkflowInstance.tenant_id).where(
                WorkflowInstance.status == WorkflowStatus.ESCALATED
            )
        )
        assert sorted(escalated) == [f"tenant-{number}" for number in range(1, 5)]
    backlog = Backlog(orchestrator.database, observability.instruments, 60)
    await backlog.count()
    assert backlog.waiting.escalations[Severity.LOW] == 1
    assert backlog.waiting.escalations[Severity.MEDIUM] == 2
    assert await summed(client, "background_task_failures_total", task="backlog") >= 1


async def test_a_dispute_that_is_opened_three_times_is_one(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    body = {
        "conversation_id": "conversation-1",
        "escalation_type": "payment_dispute",
        "severity": "medium",
    }
    opened = await asyncio.gather(
        *(client.post("/orchestrate/escalate", json=body) for _ in range(3))
    )
    assert len({answer.json()["escalation_id"] for answer in opened}) == 1
    # The tenant says so as well.
    dispute = SMS | {"content": "I dispute this"}
    assert (await client.post("/orchestrate/sms-received", json=dispute)).json()[
        "status"
    ] == "escalated"
    await orchestrator.sweep._announcements.drain(60)
    assert len(upstreams.notifications) == 1
    assert await summed(client, "orchestrator_escalations_total") == 1
    # What is worse is another escalation; the end of both ends the workflow.
    worse = await client.post("/orchestrate/escalate", json=body | {"severity": "critical"})
    assert worse.json()["escalation_id"] != opened[0].json()["escalation_id"]
    path = f"/orchestrate/escalations/{opened[0].json()['escalation_id']}/resolve"
    assert (await client.post(path, json={"manager_id": "m1"})).status_code == 200
    report = (await client.get("/orchestrate/workflow/conversation-1/status")).json()
    assert report["status"] == "completed"
