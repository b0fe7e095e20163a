"""Escalations: opened by hand or by the 36 h rule, closed once."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from app.assembly import Orchestrator
from app.models import EscalationEvent, QueuedResponse, QueueStatus, WorkflowInstance, now
from tests.sms import SMS
from tests.test_api.conftest import on_both_databases
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually

ESCALATE = {
    "conversation_id": "conversation-1",
    "escalation_type": "payment_dispute",
    "severity": "high",
}


async def workflow_status(client: httpx.AsyncClient) -> str:
    report = (await client.get("/orchestrate/workflow/conversation-1/status")).json()
    status: str = report["status"]
    return status


@on_both_databases
async def test_an_escalation_is_opened_announced_and_resolved(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    await client.post("/orchestrate/sms-received", json=SMS)
    opened = (await client.post("/orchestrate/escalate", json=ESCALATE)).json()
    assert opened["status"] == "open"
    assert await workflow_status(client) == "escalated"

    path = f"/orchestrate/escalations/{opened['escalation_id']}/resolve"
    async with orchestrator.database.writing() as session:
        hour_ago = now() - timedelta(hours=1)
        await session.execute(update(EscalationEvent).values(created_at=hour_ago))
    resolved = (await client.post(path, json={"manager_id": "m1", "note": "called"})).json()
    assert resolved["resolution_seconds"] == pytest.approx(3600, abs=60)
    assert await workflow_status(client) == "completed"
    assert (await client.post(path, json={"manager_id": "m1"})).status_code == 409

    exposed = (await client.get("/metrics")).text
    assert (
        "orchestrator_escalations_total"
        '{detection="manual",severity="high",type="payment_dispute"} 1.0'
    ) in exposed
    resolved = 'resolution_duration_seconds_count{severity="high",type="payment_dispute"} 1.0'
    assert resolved in exposed


async def test_the_caller_says_whether_it_was_detected(client: httpx.AsyncClient) -> None:
    await client.post("/orchestrate/escalate", json=ESCALATE | {"auto_detected": True})
    exposed = (await client.get("/metrics")).text
    assert (
        "orchestrator_escalations_total"
        '{detection="auto",severity="high",type="payment_dispute"} 1.0'
    ) in exposed


@pytest.mark.parametrize(("confidence", "before"), [(0.7, "awaiting_approval"), (0.9, "sent")])
@pytest.mark.parametrize(("hours", "escalated"), [(35.9, False), (36.1, True)])
async def test_nothing_for_36_hours_escalates(
    client: httpx.AsyncClient,
    orchestrator: Orchestrator,
    upstreams: ScriptedUpstreams,
    confidence: float,
    before: str,
    hours: float,
    escalated: bool,
) -> None:
    upstreams.confidence = confidence
    await client.post("/orchestrate/sms-received", json=SMS)
    assert await workflow_status(client) == before
    async with orchestrator.database.writing() as session:
        earlier = now() - timedelta(hours=hours)
        await session.execute(update(WorkflowInstance).values(updated_at=earlier))
    await orchestrator.sweep.sweep()
    await orchestrator.sweep.sweep()
    assert await workflow_status(client) == ("escalated" if escalated else before)
    async with orchestrator.database.reading() as session:
        found = (await session.scalars(select(EscalationEvent))).all()
    assert [escalation.type for escalation in found] == ["no_response"] * escalated


async def test_a_decision_that_a_crash_cut_off_can_be_made_again_within_minutes(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    # A call that may take 60 s is over after 90.
    upstreams.confidence = 0.7
    await client.post("/orchestrate/sms-received", json=SMS)
    async with orchestrator.database.writing() as session:
        earlier = now() - timedelta(minutes=2)
        await session.execute(
            update(QueuedResponse).values(status=QueueStatus.SENDING, updated_at=earlier)
        )

    async def is_swept() -> bool:
        # A row that another transaction holds, as the one of a notification, is left for the next.
        await orchestrator.sweep.sweep()
        async with orchestrator.database.reading() as session:
            response = (await session.scalars(select(QueuedResponse))).one()
        return response.status is QueueStatus.PENDING

    await eventually(is_swept)
    assert await workflow_status(client) == "awaiting_approval"
